"""The tables about the live gate say what the notes say, and find what a run did without one."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from ledger import (
    Approvals,
    SigningKey,
    Statement,
    draft_approval,
    draft_halt,
    sign_statement,
    write_time,
)
from tests.warehouse.derivation import derive, failing_tests, rows_of
from tests.warehouse.payloads import digest_of
from tests.warehouse.synthetic import (
    COMMIT,
    KEY,
    ORIGIN,
    START,
    Size,
    records_of,
    tell,
    write_workspace,
)
from tests.warehouse.test_questions import answers, copy_of_run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ledger import Digest, Draft

ALICE, BOB, QUANT = (
    SigningKey(f"{name}@example.org", bytes([n]) * 32)
    for n, name in enumerate(("alice", "bob", "quant"), 1)
)
LIVE = "20261127T040000Z-demo"
DIGESTS = {"manifest": digest_of("manifest of demo"), "lock": digest_of("lock"), "code": COMMIT}
SMALL = Size(windows=1)
LATER = write_time(START + timedelta(days=1))


def state(action: str, subject: str, *keys: SigningKey, until: str = "", reason: str = "") -> Draft:
    """Return a signed statement; each has a time of its own."""
    at = write_time(START + timedelta(microseconds=len(action) * 1000 + len(subject)))
    statement = Statement(
        origin=ORIGIN, action=action, subject=subject, at=at, until=until, reason=reason
    )
    return draft_approval(sign_statement(statement, *keys), actor="op@desk")


def halt(reason: str) -> Draft:
    """Return a halt that nobody signed."""
    statement = Statement(origin=ORIGIN, action="halt", at=write_time(START), reason=reason)
    return draft_halt(statement, actor="op@desk")


def enrol(*persons: SigningKey) -> list[Draft]:
    """Return the enrolments of persons."""
    return [state("enrol", person.verify_key.text, person, KEY) for person in persons]


def approve(person: SigningKey, *kinds: str) -> list[Draft]:
    """Return the approvals of what the run stands on."""
    return [state("approve", f"{kind} {DIGESTS[kind]}", person) for kind in kinds or DIGESTS]


def withdraw(person: SigningKey, kind: str) -> Draft:
    """Return the withdrawal of what the run stands on."""
    return state("withdraw", f"{kind} {DIGESTS[kind]}", person)


def override(person: SigningKey, gate: str, until: str = LATER) -> Draft:
    """Return an override."""
    return state("override", gate, person, until=until, reason="hotfix")


def then_live(
    approvals: list[Draft], verdicts: dict[str, dict[str, Any]] | None = None
) -> Callable[[list[Draft]], list[Draft]]:
    """Return a change: approvals after the story, and after them a live run."""

    def change(drafts: list[Draft]) -> list[Draft]:
        offset = len(drafts)

        def opened(draft: Draft) -> Draft:
            if draft.status != "open":
                return draft
            gates = [gate_of(name, offset) for name in ("tree", "halt", *DIGESTS)]
            return replace(draft, data={**draft.data, "gates": gates})

        def gate_of(name: str, offset: int) -> dict[str, Any]:
            said = dict((verdicts or {}).get(name, {}))
            if "at" in said:
                said["seq"] = offset + said.pop("at")
            plain = {"gate": name, "status": "passed", "seq": None, "by": None, "until": None}
            return {**plain, **said}

        return copy_of_run([*drafts, *approvals], opened)

    return change


def derived_with(tmp_path: Path, approvals: list[Draft], **verdicts: dict[str, Any]) -> Path:
    """Return the database of a story that ends with a live run."""
    change = then_live(approvals, verdicts)
    return derive(write_workspace(tmp_path, tell(SMALL), change=change))


def found(database: Path) -> dict[str, str]:
    """Return gate -> verdict by the records before the run."""
    return dict(rows_of(database, "select gate, found_status from meta.fct_gate_verdicts"))


def test_a_story_without_live_runs_has_no_verdicts(derived: Path) -> None:
    """Research is not judged."""
    assert rows_of(derived, "select * from meta.fct_gate_verdicts") == []
    assert answers(derived, 15) == answers(derived, 16) == []


def test_a_run_that_a_second_person_agreed_to_is_no_finding(tmp_path: Path) -> None:
    """Neither question lists it; the gate names the approval."""
    database = derived_with(tmp_path, [*enrol(ALICE), *approve(ALICE)])
    assert set(found(database).values()) == {"passed"}
    assert answers(database, 15) == answers(database, 16) == []
    (row,) = rows_of(
        database,
        "select found_approved_by, found_approval_seq, action, kind, fct_approvals.digest, "
        "person, is_signed "
        "from meta.fct_gate_verdicts join meta.fct_approvals "
        "on found_approval_seq = fct_approvals.record_seq "
        "where fct_gate_verdicts.gate = 'manifest'",
    )
    assert (row[0], *row[2:]) == (
        ALICE.name, "approve", "manifest", DIGESTS["manifest"], ALICE.name, True,
    )  # fmt: skip
    assert failing_tests(database) == {}


@pytest.mark.parametrize(
    ("approvals", "status"),
    [
        ([], "failed"),
        ([*enrol(ALICE), *approve(ALICE, "lock", "code")], "failed"),
        ([*enrol(QUANT), *approve(QUANT)], "failed"),
        (
            [*enrol(ALICE, BOB), *approve(ALICE), withdraw(BOB, "manifest")],
            "failed",
        ),
        ([*enrol(ALICE), *approve(ALICE), state("dismiss", ALICE.verify_key.text, KEY)], "failed"),
        ([*enrol(ALICE), override(ALICE, "manifest")], "overridden"),
        ([*enrol(ALICE), override(ALICE, "manifest", write_time(START))], "failed"),
        ([*enrol(QUANT), override(QUANT, "manifest")], "failed"),
        ([*enrol(ALICE), override(ALICE, "lock")], "failed"),
    ],
)  # fmt: skip
def test_q16_finds_the_live_run_whose_manifest_nobody_else_approved(
    tmp_path: Path, approvals: list[Draft], status: str
) -> None:
    """Whatever the run itself says: its verdict here is `passed`."""
    database = derived_with(tmp_path, approvals)
    (row,) = answers(database, 16)
    assert (row["run_id"], row["actor"], row["found_status"]) == (LIVE, "quant@desk", status)
    assert (row["recorded_status"], row["digest"]) == ("passed", DIGESTS["manifest"])
    assert row["decisions"] > 0


def test_q16_asks_of_any_gate(tmp_path: Path) -> None:
    """A halt in force, and a lock that nobody approved."""
    database = derived_with(
        tmp_path, [*enrol(ALICE), *approve(ALICE, "manifest", "code"), halt("x")]
    )
    assert found(database) == {
        "tree": "passed",
        "halt": "failed",
        "manifest": "passed",
        "lock": "failed",
        "code": "passed",
    }
    assert answers(database, 16) == []
    for gate in ("halt", "lock"):
        (row,) = answers(database, 16, {"gate": gate})
        assert (row["run_id"], row["gate"]) == (LIVE, gate)


@pytest.mark.parametrize(
    ("approvals", "finding"),
    [
        ([*enrol(ALICE), override(ALICE, "lock")], "four eyes"),
        ([*enrol(QUANT), override(QUANT, "lock")], "by the actor"),
        ([*enrol(ALICE), override(ALICE, "lock", write_time(START))], "expired"),
        ([*enrol(ALICE), override(ALICE, "code")], "of another gate"),
        ([*enrol(ALICE), halt("x")], "no such override"),
        (
            [*enrol(ALICE), override(ALICE, "lock"), state("dismiss", ALICE.verify_key.text, KEY)],
            "of a dismissed person",
        ),
    ],
)
def test_q15_says_who_overrode_what_for_which_run(
    tmp_path: Path, approvals: list[Draft], finding: str
) -> None:
    """The override that a run names, judged by the records."""
    verdict = {"status": "overridden", "at": 1, "by": ALICE.name, "until": LATER}
    rows = answers(derived_with(tmp_path, approvals, lock=verdict), 15)
    assert [(row["run_id"], row["run_gate"], row["finding"]) for row in rows] == [
        (LIVE, "lock", finding)
    ]
    if finding != "no such override":
        assert rows[0]["reason"] == "hotfix"


def test_q15_lists_an_override_that_no_run_used(tmp_path: Path) -> None:
    """It was there to be used."""
    database = derived_with(tmp_path, [*enrol(ALICE), override(ALICE, "tree")])
    (row,) = answers(database, 15)
    assert (row["gate"], row["overridden_by"], row["finding"]) == ("tree", ALICE.name, "unused")


def test_a_line_that_somebody_added_to_a_note_speaks_for_nobody(tmp_path: Path) -> None:
    """The signer is who enrolled with that key id, not whose name stands first."""
    draft = approve(ALICE, "manifest")[0]
    note = str(draft.data["note"]).encode()
    stranger = sign_statement(
        Statement(origin=ORIGIN, action="approve", subject=f"lock {DIGESTS['lock']}", at=LATER),
        replace(BOB, seed=bytes([9]) * 32),
    ).decode()
    line = stranger.rpartition("\n\n")[2]
    text, _, signatures = note.decode().rpartition("\n\n")
    forged = replace(draft, data={"note": f"{text}\n\n{line}{signatures}"})
    database = derived_with(tmp_path, [*enrol(ALICE, BOB), forged])
    (row,) = rows_of(database, "select person from meta.fct_approvals where action = 'approve'")
    assert row == (ALICE.name,)


def test_what_stands_in_sql_stands_in_the_ledger(tmp_path: Path) -> None:
    """Approvals, overrides, halts and persons in force: the same as by the verifier's own code."""
    second = state("approve", f"lock {DIGESTS['lock']}", BOB)
    drafts = [
        *enrol(ALICE, BOB, QUANT),
        *approve(ALICE),
        second,
        withdraw(QUANT, "code"),
        override(BOB, "tree"),
        override(QUANT, "code"),
        halt("first"),
        halt("second"),
        halt("third"),
        state("dismiss", QUANT.verify_key.text, KEY),
    ]
    halted = first_hash_of(tmp_path / "try", drafts, "second")
    drafts.append(state("resume", halted, ALICE, reason="over"))
    database = derived_with(tmp_path, drafts)
    approvals = Approvals(ORIGIN, lambda _seq: [KEY.verify_key])
    records = [each for each in records_of(tmp_path / ".assay") if each.type == "approval"]
    assert [approvals.apply(record) for record in records] == [""] * len(drafts)
    standing = rows_of(
        database,
        "select action, record_seq from meta.fct_approvals where ended_seq is null "
        "and action in ('enrol', 'approve', 'override', 'halt') order by record_seq",
    )
    expected = [("enrol", each.seq) for each in approvals.persons]
    expected += [("approve", each.seq) for each in approvals.approved()]
    expected += [("override", each.seq) for each in approvals.overrides_at("")]
    expected += [("halt", each.seq) for each in approvals.halts]
    assert standing == sorted(expected, key=lambda pair: pair[1])
    assert {action for action, _ in expected} == {"enrol", "approve", "override", "halt"}


def first_hash_of(tmp_path: Path, drafts: list[Draft], reason: str) -> Digest:
    """Return the hash that the halt with a reason has in the story."""
    workspace = write_workspace(tmp_path, tell(SMALL), change=then_live(drafts))
    found = [
        each
        for each in records_of(workspace)
        if f"reason {reason}\n" in str(each.data.get("statement"))
    ]
    return found[0].hash
