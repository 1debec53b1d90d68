"""The gate of live runs is open exactly when a second person agreed to everything."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from flows import gate
from flows.gate import ORDER, Candidate, LiveGateClosedError, judge, refuse_closed
from flows.settings import Workspace
from flows.signing import ApprovalRefusedError, record_note
from ledger import (
    ZERO,
    Approvals,
    Record,
    SigningKey,
    Statement,
    draft_approval,
    read_approvals,
    read_records,
    sha256,
    sign_statement,
    write_time,
)
from replay.environment import capture
from tests.flows.conftest import FEW
from tests.flows.test_gate_orders import ACTOR, KINDS, LOG_KEY, NOON, ORIGIN, key_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from replay.environment import Environment
    from tests.conftest import Called, Workplace


def clean(environment: Environment) -> Environment:
    """Return the environment of a checkout without changes."""
    documents = {"lock": environment.documents["lock"]}
    return replace(environment, dirty=False, untracked={}, documents=documents)


@pytest.fixture(scope="module")
def environment() -> Environment:
    """Return this machine with a clean checkout."""
    return clean(capture())


@dataclass(frozen=True)
class Desk:
    """A workspace with a live profile, a user who runs it and a folder for people's keys."""

    place: Workplace
    config: Path

    def assay(self, *arguments: str, user: str = "oscar") -> Called:
        """Call a command as a user."""
        env = {"LOGNAME": user, "XDG_CONFIG_HOME": str(self.config)}
        return self.place.assay(*arguments, env=env)

    def run(self, user: str = "oscar", *more: str) -> Called:
        """Run the live profile for one date."""
        # The bundled prices are old, and without a date a live run is judged on today.
        date = ("--as-of", "2022-03-31")
        arguments = ("run", "ingestion", "-m", "few.json", "-q", *date, *more)
        return self.assay(*arguments, user=user)

    def is_refused(self, user: str = "oscar", *more: str) -> bool:
        """Whether the gate of live runs, and not another, stops a run."""
        called = self.run(user, *more)
        return called.code == 5 and "error[E0411]" in called.err

    def key(self, name: str) -> str:
        """Return where the key of a person is."""
        return str(self.config / "assay" / f"{name}@example.org.key")

    def enrol(self, *names: str) -> None:
        """Enrol people."""
        for name in names:
            assert self.assay("approver", "add", f"{name}@example.org").code == 0

    def approve(self, name: str, *kinds: str) -> None:
        """Approve what would run."""
        for kind in kinds or KINDS:
            called = self.assay("approve", kind, "-m", "few.json", "--key", self.key(name))
            assert called.code == 0, called.err

    def gates(self) -> dict[str, str]:
        """Return gate and status of the run that was opened last."""
        opened = [r for r in self.place.records if r["type"] == "run" and r["status"] == "open"]
        return {each["gate"]: each["status"] for each in opened[-1]["data"]["gates"]}


@pytest.fixture
def desk(
    make_place: Callable[[str], Workplace],
    tmp_path: Path,
    environment: Environment,
    monkeypatch: pytest.MonkeyPatch,
) -> Desk:
    """Return a workspace whose profile is live, in a clean checkout."""
    monkeypatch.setattr("flows.session.capture", lambda: environment)
    monkeypatch.setattr("replay.environment.capture", lambda: environment)
    place = make_place("desk")
    profile = {**FEW["profiles"]["few"], "mode": "live"}
    place.write("few.json", {**FEW, "default_profile": "few", "profiles": {"few": profile}})
    return Desk(place, tmp_path / "config")


def test_a_live_run_starts_when_a_second_person_agreed_to_everything(desk: Desk) -> None:
    """Refused before, recorded each time, and open after three approvals."""
    called = desk.run()
    assert called.code == 5
    for kind in KINDS:
        assert f"assay approve {kind} --digest" in called.err
    assert desk.gates() == {
        "tree": "passed",
        "halt": "passed",
        "manifest": "failed",
        "lock": "failed",
        "code": "failed",
    }
    desk.enrol("alice")
    desk.approve("alice", "manifest", "lock")
    assert desk.is_refused()
    desk.approve("alice", "code")
    called = desk.run()
    assert called.code == 0, called.err
    assert set(desk.gates().values()) == {"passed"}
    assert desk.assay("verify").code == 0


def test_a_refused_run_is_recorded_and_computes_nothing(desk: Desk) -> None:
    """Opening with verdicts, closing with the error, and nothing between."""
    desk.run()
    opening, closing = desk.place.records[-2:]
    assert (opening["status"], closing["status"]) == ("open", "failed")
    assert closing["data"]["error"]["code"] == "E0411"
    assert closing["data"]["intents"] == 0
    assert opening["data"]["gates"][2] == {
        "gate": "manifest",
        "status": "failed",
        "seq": None,
        "by": None,
        "until": None,
    }


def test_a_verdict_names_the_approval_it_stands_on(desk: Desk) -> None:
    """Seq and person, so that the record of the run leads to the signature."""
    desk.enrol("alice")
    desk.approve("alice")
    assert desk.run().code == 0
    opened = next(r for r in desk.place.records if r["type"] == "run")
    verdict = opened["data"]["gates"][2]
    assert (verdict["by"], verdict["status"]) == ("alice@example.org", "passed")
    approval = desk.place.records[verdict["seq"]]
    assert f"approve manifest {opened['data']['manifest_sha256']}" in approval["data"]["note"]


def test_who_runs_cannot_approve(desk: Desk) -> None:
    """Oscar's approval opens Alice's run, not his own; nor does his override."""
    desk.enrol("oscar")
    desk.approve("oscar")
    called = desk.run()
    assert called.code == 5
    assert "only oscar@example.org, who starts the run, approved" in called.err
    assert desk.run("alice").code == 0
    desk.enrol("bob")
    desk.approve("bob", "lock", "code")
    until = write_time(datetime.now(UTC) + timedelta(days=1))
    override = ("override", "manifest", "--until", until, "--reason", "x", "--key")
    assert desk.assay(*override, desk.key("oscar")).code == 0
    assert desk.is_refused()
    assert desk.assay(*override, desk.key("bob")).code == 0
    assert desk.run().code == 0
    assert desk.gates()["manifest"] == "overridden"


def test_another_manifest_needs_another_approval(desk: Desk) -> None:
    """One value set on the command line is enough; a withdrawal closes the gate again."""
    desk.enrol("alice")
    desk.approve("alice")
    assert desk.is_refused("oscar", "--set", "simulation.slippage_bps=6")
    assert desk.run().code == 0
    called = desk.assay("withdraw", "manifest", "-m", "few.json", "--key", desk.key("alice"))
    assert called.code == 0
    assert desk.is_refused()


def test_a_dirty_tree_is_refused_unless_overridden(
    desk: Desk, environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The difference is a blob of the refused run; the override is named by the next."""
    documents = {**environment.documents, "diff": b"--- a\n"}
    dirty = replace(environment, dirty=True, documents=documents)
    monkeypatch.setattr("flows.session.capture", lambda: dirty)
    desk.enrol("alice")
    desk.approve("alice")
    assert desk.is_refused()
    assert desk.place.records[-2]["inputs"]["diff"] == sha256(b"--- a\n")
    until = write_time(datetime.now(UTC) + timedelta(hours=1))
    assert desk.assay("override", "tree", "--until", until, "--reason", "hotfix").code == 0
    assert desk.run().code == 0
    opened = [r for r in desk.place.records if r["status"] == "open"][-1]
    assert opened["data"]["gates"][0] == {
        "gate": "tree",
        "status": "overridden",
        "seq": opened["seq"] - 1,
        "by": "alice@example.org",
        "until": until,
    }


def test_a_halt_stops_live_runs_and_warns_research(desk: Desk) -> None:
    """At once, by anybody; lifted by an enrolled person only."""
    desk.enrol("alice")
    desk.approve("alice")
    halted = desk.assay("halt", "--reason", "vendor outage", "--json")
    assert halted.code == 0
    assert "vendor outage" in desk.run().err
    assert desk.gates()["halt"] == "failed"
    status = desk.assay("status")
    assert status.code == 1
    assert "HALT" in status.out
    assert "vendor outage" in status.out
    called = desk.run("oscar", "--set", "mode=research")
    assert called.code == 0
    stranger = SigningKey.generate("eve@example.org")
    stranger.save(desk.config / "eve.key")
    resume = ("resume", "--reason", "they are back", "--key")
    assert desk.assay(*resume, str(desk.config / "eve.key")).code == 2
    assert desk.is_refused()
    assert desk.assay(*resume, desk.key("alice")).code == 0
    assert desk.run().code == 0
    assert desk.assay(*resume, desk.key("alice")).code == 2
    assert desk.assay("status", "--json").data["halts"] == []


def test_research_says_that_a_halt_is_in_force(desk: Desk) -> None:
    """A warning, not a refusal."""
    desk.assay("halt", "--reason", "vendor outage")
    arguments = ("run", "ingestion", "-m", "few.json", "--set", "mode=research")
    called = desk.assay(*arguments)
    assert called.code == 0
    assert "warning: a halt is in force" in called.err


def test_a_halt_that_comes_while_a_run_opens_stops_it(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the verdicts and the opening record: judged again behind it."""
    desk.enrol("alice")
    desk.approve("alice")
    judge_now = gate.judge_now

    def and_halt(*arguments: Any) -> Any:
        verdicts = judge_now(*arguments)
        assert desk.assay("halt", "--reason", "now").code == 0
        return verdicts

    monkeypatch.setattr("flows.session.judge_now", and_halt)
    called = desk.run()
    assert called.code == 5
    assert "oscar" in called.err
    assert set(desk.gates().values()) == {"passed"}
    assert desk.place.records[-1]["data"]["error"]["what"].endswith("closed: halt")


def test_what_is_approved_after_the_opening_does_not_count() -> None:
    """Made before the run started, by the order of the records."""
    approvals = Approvals(ORIGIN, lambda _seq: [LOG_KEY.verify_key])
    alice = key_of("alice", 1)
    digests = {kind: sha256(kind.encode()) for kind in KINDS}
    statements = [("enrol", alice.verify_key.text)]
    statements += [("approve", f"{kind} {digest}") for kind, digest in digests.items()]
    for seq, (action, subject) in enumerate(statements, 1):
        at = write_time(NOON)
        statement = Statement(origin=ORIGIN, action=action, subject=subject, at=at)
        signers = (alice, LOG_KEY) if action == "enrol" else (alice,)
        data = draft_approval(sign_statement(statement, *signers), actor="x").data
        record = Record(seq=seq, ts=at, type="approval", data=data, prev_hash=ZERO, hash=ZERO)
        assert not approvals.apply(record)
    run = Candidate(ACTOR, is_dirty=False, digests=digests)
    for before in range(2, 6):
        verdicts = judge(approvals, run, write_time(NOON), before=before)
        open_gates = [v.gate for v in verdicts if v.status == "passed"]
        assert open_gates == list(ORDER[:before])
    with pytest.raises(LiveGateClosedError) as caught:
        refuse_closed(judge(approvals, run, write_time(NOON), before=3), run)
    assert [caught.value.what, caught.value.exit_code] == ["the live gate is closed: lock, code", 5]


def test_a_clock_that_goes_back_revives_no_override(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether an override is over is judged by the clock of the records."""
    desk.enrol("alice")
    desk.approve("alice", "lock", "code")
    until = write_time(datetime.now(UTC) + timedelta(hours=1))
    assert desk.assay("override", "manifest", "--until", until, "--reason", "x").code == 0
    assert desk.run().code == 0
    with monkeypatch.context() as later:
        later.setattr("flows.session.now", lambda: datetime.now(UTC) + timedelta(hours=2))
        assert desk.is_refused()
        assert desk.gates()["manifest"] == "failed"
    assert desk.is_refused()
    assert desk.gates()["manifest"] == "overridden"
    assert desk.place.records[-1]["data"]["error"]["what"].endswith("closed: manifest")


def test_notes_travel_between_machines(desk: Desk, tmp_path: Path) -> None:
    """The key of the person is never where the ledger is."""
    from tests.conftest import Workplace  # noqa: PLC0415 - a type elsewhere

    home = Desk(Workplace(tmp_path / "home"), tmp_path / "home-config")
    home.place.folder.mkdir()
    origin = desk.place.records[0]["data"]["origin"]
    there = ("--origin", origin, "--note-out", "note.txt")

    def carry(*arguments: str) -> None:
        assert desk.assay(*arguments, "--note", str(home.place.folder / "note.txt")).code == 0

    assert home.assay("approver", "add", "alice@example.org", *there).code == 0
    carry("approver", "add")
    digest = desk.assay("run", "--dry-run", "-m", "few.json").out.split()[-1]
    assert home.assay("approve", "manifest", "--digest", digest, *there).code == 0
    carry("approve")
    for kind in ("lock", "code"):
        assert home.assay("approve", kind, *there).code == 0
        carry("approve")
    assert desk.run().code == 0
    halted = desk.assay("halt", "--reason", "x", "--json").data["hash"]
    assert home.assay("resume", "--halt", halted, "--reason", "y", *there).code == 0
    assert desk.assay("approve", "--note", str(home.place.folder / "note.txt")).code == 2
    carry("resume")
    assert desk.run().code == 0
    assert not (desk.config / "assay").exists()
    # A note that was carried over once is refused the second time, and so is another ledger's.
    assert desk.assay("resume", "--note", str(home.place.folder / "note.txt")).code == 2
    assert home.assay("approve", "lock", "--origin", "other", "--note-out", "note.txt").code == 0
    assert desk.assay("approve", "--note", str(home.place.folder / "note.txt")).code == 2
    assert desk.assay("verify").code == 0


def test_two_notes_that_exclude_each_other_stand_in_line(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two resumptions of one halt, recorded at once, one is refused and none is void."""

    def read_and_wait(ledger: Path) -> Approvals:
        found = read_approvals(ledger)
        time.sleep(0.5)  # time enough for the other to read the same
        return found

    monkeypatch.setattr("flows.signing.read_approvals", read_and_wait)
    desk.enrol("alice", "bob")
    halted = desk.assay("halt", "--reason", "x", "--json").data["hash"]
    workspace = Workspace(desk.place.root)
    origin = desk.place.records[0]["data"]["origin"]

    def resume(name: str) -> str:
        statement = Statement(
            origin=origin,
            action="resume",
            subject=halted,
            at=write_time(datetime.now(UTC)),
            reason="over",
        )
        note = sign_statement(statement, SigningKey.load(Path(desk.key(name))))
        try:
            record_note(workspace, note, actor=ACTOR, countersigned=False)
        except ApprovalRefusedError as error:
            return error.what
        return ""

    with ThreadPoolExecutor(2) as pool:
        told = sorted(pool.map(resume, ["alice", "bob"]))
    assert told[0] == ""
    assert "no halt in force" in told[1]
    assert desk.assay("verify").code == 0


def test_no_command_leaves_a_record_that_does_not_hold(desk: Desk) -> None:
    """Every refusal is exit code 2 and appends nothing."""
    desk.enrol("alice")
    desk.approve("alice", "manifest")
    count = len(desk.place.lines)
    until = write_time(datetime.now(UTC) + timedelta(days=8))
    for arguments in (
        ("approver", "add"),
        ("approver", "add", "alice"),
        ("approver", "add", "alice@example.org"),
        ("approver", "remove", "bob@example.org"),
        ("approve",),
        ("approve", "portfolio"),
        ("approve", "manifest", "--digest", "abc"),
        ("approve", "lock", "--reason", "two\nlines"),
        ("approve", "--note", "absent.txt"),
        ("override", "tree"),
        ("override", "halt", "--until", until, "--reason", "x"),
        ("override", "tree", "--until", until, "--reason", "x"),
        ("override", "tree", "--until", "tomorrow", "--reason", "x"),
        ("override", "tree", "--until", "2026-01-01T00:00:00", "--reason", "x"),
        ("resume",),
        ("resume", "--reason", "x"),
        ("halt", "--reason", "two\nlines"),
        ("approve", "lock", "--note-out", "no/such/folder"),
    ):
        called = desk.assay(*arguments)
        assert (called.code, arguments) == (2, arguments), called.err
        assert "error[" in called.err
    assert len(desk.place.lines) == count


def test_the_key_of_a_person_is_kept_apart(desk: Desk) -> None:
    """Not in the workspace, not readable by others, and of the person that is named."""
    inside = desk.place.root / "keys" / "alice.key"
    called = desk.assay("approver", "add", "alice@example.org", "--key", str(inside))
    assert (called.code, inside.exists()) == (2, False)
    assert desk.assay("approve", "lock").code == 2
    desk.enrol("alice")
    path = desk.config / "assay" / "alice@example.org.key"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o077 == 0
    other = desk.assay("approver", "add", "bob@example.org", "--key", str(path))
    assert other.code == 2
    path.chmod(0o644)
    called = desk.assay("approve", "lock")
    assert called.code == 2
    assert "chmod 600" in called.err
    path.chmod(0o600)
    desk.enrol("bob")
    assert "found 2" in desk.assay("approve", "lock").err


def test_a_dismissed_person_closes_the_gate(desk: Desk) -> None:
    """What they approved no longer counts; the list shows who is left."""
    desk.enrol("alice", "bob")
    desk.approve("alice")
    assert desk.assay("approver", "remove", "alice@example.org", "--reason", "left").code == 0
    assert desk.is_refused()
    found = desk.assay("approver", "list", "--json").data["approvers"]
    assert [each["name"] for each in found] == ["bob@example.org"]
    assert desk.assay("approve", "list", "--json").data["approvals"] == []
    assert "nothing is approved" in desk.assay("approve", "list").out


def test_a_halt_needs_no_key(desk: Desk) -> None:
    """Without the key of the log it is recorded, and the next checkpoint covers it."""
    key = desk.place.root / "keys" / "log.key"
    content = key.read_bytes()
    key.unlink()
    called = desk.assay("halt", "--reason", "x")
    assert called.code == 0
    assert "under no checkpoint yet" in called.err
    key.write_bytes(content)
    key.chmod(0o600)
    assert desk.is_refused()
    assert desk.gates()["halt"] == "failed"
    records = list(read_records(desk.place.root / "ledger"))
    assert "statement" in next(r for r in records if r.type == "approval").data
