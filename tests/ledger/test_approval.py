"""Statements of people: who may make which, how long they count, and that none counts twice."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import (
    ZERO,
    Approvals,
    Draft,
    MalformedRecordError,
    MalformedStatementError,
    Record,
    SigningKey,
    Statement,
    VerifyKey,
    VoidApprovalError,
    WrongPersonError,
    countersign,
    draft_approval,
    draft_halt,
    dumps,
    parse_statement,
    read_approvals,
    sha256,
    sign_statement,
    verify,
    write_time,
)
from ledger.approval import same_person
from ledger.cli import main
from ledger.keys import COSIGNATURE
from ledger.record import splice
from ledger.rotation import sign_change
from ledger.statement import GATES, KINDS, check_person
from tests.ledger.conftest import ORIGIN, fill, note

if TYPE_CHECKING:
    from pathlib import Path

    from ledger import Log
    from tests.ledger.conftest import Clock, MakeLog

LOG_KEY = SigningKey(ORIGIN, bytes(range(32)))
ALICE, BOB, EVE = (
    SigningKey(f"{name}@example.org", bytes([n]) * 32)
    for n, name in enumerate(("alice", "bob", "eve"), 1)
)
NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
MANIFEST = sha256(b"manifest")
COMMIT = "4f2a91c0de" * 4


def state(action: str, subject: str = "", *, after: float = 0, **more: str) -> Statement:
    """Return a statement signed so many seconds after noon."""
    at = write_time(NOON + timedelta(seconds=after))
    reason = {"reason": "because"} if action in ("halt", "resume", "override") else {}
    return Statement(
        **{"origin": ORIGIN, "action": action, "subject": subject, "at": at, **reason, **more}
    )


def enrolment(person: SigningKey, *signers: SigningKey, after: float = 0) -> Draft:
    """Return the enrolment of a person."""
    statement = state("enrol", person.verify_key.text, after=after)
    return draft_approval(
        sign_statement(statement, *(signers or (person, LOG_KEY))), actor="op@desk"
    )


def signed(statement: Statement, *signers: SigningKey) -> Draft:
    """Return the draft of a signed statement."""
    return draft_approval(sign_statement(statement, *signers), actor="op@desk")


class Desk:
    """A state and the records that were tried on it, a second apart."""

    def __init__(self) -> None:
        self.approvals = Approvals(ORIGIN, lambda _seq: [LOG_KEY.verify_key])
        self.seq = 0
        self.seconds = 0.0

    def apply(self, draft: Draft, *, after: float | None = None, **more: Any) -> str:
        """Apply a draft as the next record, so many seconds after noon."""
        self.seq += 1
        self.seconds = self.seconds + 1 if after is None else after
        record = Record(
            seq=self.seq,
            ts=write_time(NOON + timedelta(seconds=self.seconds)),
            type=draft.type,
            actor="op@desk",
            data=draft.data,
            prev_hash=ZERO,
            hash=sha256(str(self.seq).encode()),
        )
        return self.approvals.apply(replace(record, **more))

    def apply_all(self, *drafts: Draft) -> None:
        """Apply drafts that hold."""
        assert [self.apply(draft) for draft in drafts] == [""] * len(drafts)

    @property
    def approvers(self) -> list[str]:
        """Who approved the manifest."""
        return [each.by for each in self.approvals.approved("manifest", MANIFEST)]


@pytest.fixture
def desk() -> Desk:
    """Return a state in which Alice and Bob are enrolled."""
    found = Desk()
    found.apply_all(enrolment(ALICE), enrolment(BOB))
    return found


APPROVE = state("approve", f"manifest {MANIFEST}")


def test_an_enrolled_person_approves_and_any_enrolled_person_withdraws(desk: Desk) -> None:
    """Who approved, and from which record, can be asked until somebody takes it back."""
    desk.apply_all(signed(APPROVE, ALICE), signed(state("approve", f"code {COMMIT}"), BOB))
    assert [(a.by, a.seq) for a in desk.approvals.approved("manifest", MANIFEST)] == [
        (ALICE.name, 3)
    ]
    assert [a.kind for a in desk.approvals.approved()] == ["manifest", "code"]
    assert desk.approvals.approved("manifest", sha256(b"another")) == ()
    assert desk.approvals.approved("lock", MANIFEST) == ()
    desk.apply_all(signed(state("withdraw", f"manifest {MANIFEST}"), BOB))
    assert desk.approvers == []


def test_a_second_approval_leaves_the_time_of_the_first(desk: Desk) -> None:
    """What was approved before a run stays approved before it."""
    desk.apply_all(signed(APPROVE, ALICE), signed(replace(APPROVE, reason="again"), ALICE))
    assert [a.seq for a in desk.approvals.approved("manifest", MANIFEST)] == [3]


@pytest.mark.parametrize(
    ("draft", "fault"),
    [
        (signed(APPROVE, EVE), "known key"),
        (signed(APPROVE, LOG_KEY), "one enrolled person, found 0"),
        (signed(APPROVE, ALICE, BOB), "one enrolled person, found 2"),
        (signed(APPROVE, replace(EVE, name=ALICE.name)), "known key"),
        (enrolment(EVE, EVE), "no valid key of the log signed"),
        (enrolment(EVE, LOG_KEY), "did not sign"),
        (enrolment(EVE, ALICE), "no valid key of the log signed"),
        (enrolment(EVE, ALICE, LOG_KEY), "did not sign"),
        (enrolment(ALICE, after=1), "is, or was, that of a person"),
        (enrolment(replace(ALICE, name="alicia@example.org")), "is, or was, that of a person"),
        (enrolment(replace(EVE, name="ALICE@example.org")), "of this name is enrolled"),
        (enrolment(replace(LOG_KEY, name="eve@example.org")), "one of the log"),
        (signed(state("dismiss", ALICE.verify_key.text), BOB), "no valid key of the log"),
        (signed(state("dismiss", EVE.verify_key.text), LOG_KEY), "is not enrolled"),
        (signed(state("resume", sha256(b"x")), ALICE), "no halt in force"),
        (
            signed(state("override", "tree", until=write_time(NOON + timedelta(days=8))), ALICE),
            "at most seven days",
        ),
        (signed(state("override", "tree", until=write_time(NOON)), ALICE), "after it is recorded"),
        (signed(replace(APPROVE, origin="example.org/other"), ALICE), "a statement about"),
        (draft_halt(state("halt"), actor="x"), ""),
        (Draft(type="approval", run_id="", step="", id=""), "malformed statement"),
        (Draft(type="approval", run_id="", step="", id="", data={"note": 7}), "malformed"),
        (
            Draft(type="approval", run_id="", step="", id="", data={"statement": APPROVE.text}),
            "expected a signature, found none",
        ),
    ],
)
def test_a_statement_that_does_not_hold_changes_nothing(
    desk: Desk, draft: Draft, fault: str
) -> None:
    """Invariant 5: and the reason is given."""
    found = desk.apply(draft)
    assert fault in found
    assert bool(found) == bool(fault)
    assert [each.name for each in desk.approvals.persons] == [ALICE.name, BOB.name]
    assert desk.approvals.approved() == ()
    assert desk.approvals.overrides_at("") == ()


def test_a_forged_note_changes_nothing(desk: Desk) -> None:
    """A note counts for exactly the text that was signed."""
    text = sign_statement(APPROVE, ALICE).decode()
    forged = text.replace(MANIFEST, sha256(b"another"))
    for data in ({"note": forged}, {"note": text + "x"}, {"note": text.replace("at ", "at  ")}):
        assert desk.apply(Draft(type="approval", run_id="", step="", id="", data=data))
    assert desk.approvals.approved() == ()


def test_a_note_counts_once(desk: Desk) -> None:
    """Invariant 2: the note of a withdrawn approval opens nothing, however often it is appended."""
    approval = signed(APPROVE, ALICE)
    desk.apply_all(approval)
    assert desk.apply(approval) == "the note was used before"
    # With a signature more it is the same statement of the same person.
    again = countersign(str(approval.data["note"]).encode(), LOG_KEY)
    assert desk.apply(draft_approval(again, actor="x")) == "the note was used before"
    desk.apply_all(signed(state("withdraw", f"manifest {MANIFEST}", after=9), ALICE))
    assert desk.apply(approval) == "the note was used before"
    assert desk.approvers == []


def test_a_note_held_back_does_not_outlive_a_withdrawal(desk: Desk) -> None:
    """Invariant 2: what was signed before the withdrawal does not count after it."""
    held = signed(APPROVE, BOB)
    desk.apply(signed(state("withdraw", f"manifest {MANIFEST}"), ALICE), after=10)
    assert "withdrawn after it was signed" in desk.apply(held)
    desk.apply_all(signed(replace(APPROVE, at=write_time(NOON + timedelta(seconds=11))), BOB))
    assert desk.approvers == [BOB.name]


@pytest.mark.parametrize(
    ("delay", "fault"),
    [
        (-301, "after it was recorded"),
        (-300, ""),
        (0, ""),
        (7 * 86_400, ""),
        (7 * 86_400 + 1, "more than seven days"),
    ],
)
def test_a_note_is_recorded_soon_after_it_was_signed(desk: Desk, delay: int, fault: str) -> None:
    """Invariant 2: at most seven days later, and not before, five minutes of clocks aside."""
    found = desk.apply(signed(APPROVE, ALICE), after=delay)
    assert (fault in found) if fault else not found


def test_a_dismissed_person_leaves_nothing_and_never_comes_back(desk: Desk) -> None:
    """Invariant 1: approvals and overrides count while who gave them is enrolled."""
    until = write_time(NOON + timedelta(days=1))
    desk.apply_all(
        signed(APPROVE, ALICE),
        signed(APPROVE, BOB),
        signed(state("override", "tree", until=until), ALICE),
        signed(state("dismiss", ALICE.verify_key.text), LOG_KEY),
    )
    assert desk.approvers == [BOB.name]
    assert desk.approvals.overrides_at(write_time(NOON)) == ()
    assert "is, or was" in desk.apply(enrolment(ALICE, after=5))
    other = SigningKey(ALICE.name, bytes([9]) * 32)
    desk.apply_all(enrolment(other, after=5), signed(state("withdraw", f"lock {ZERO}"), other))


def test_an_override_ends_by_itself(desk: Desk) -> None:
    """Invariant 4: at its end it is over."""
    until = write_time(NOON + timedelta(hours=1))
    desk.apply_all(signed(state("override", "code", until=until), ALICE))
    found = desk.approvals.overrides_at(write_time(NOON + timedelta(minutes=59)))
    assert [(o.gate, o.by, o.seq, o.reason) for o in found] == [("code", ALICE.name, 3, "because")]
    assert desk.approvals.overrides_at(until) == ()


def test_anybody_halts_and_a_person_who_saw_it_resumes(desk: Desk) -> None:
    """Invariant 3: a halt that came after the one that was seen stays in force."""
    desk.apply_all(draft_halt(state("halt"), actor="x"), signed(state("halt"), ALICE))
    first, second = desk.approvals.halts
    assert (first.by, second.by, second.reason) == ("op@desk", ALICE.name, "because")
    desk.apply_all(draft_halt(state("halt"), actor="x"))
    desk.apply_all(signed(state("resume", second.hash), BOB))
    assert [halt.seq for halt in desk.approvals.halts] == [5]
    assert "no halt in force" in desk.apply(signed(state("resume", second.hash, after=5), BOB))


def test_a_halt_holds_whatever_the_clock_and_however_often(desk: Desk) -> None:
    """Invariant 3: neither an old nor a repeated halt is refused."""
    halt = draft_halt(state("halt"), actor="x")
    assert [desk.apply(halt, after=9 * 86_400 * n) for n in range(3)] == ["", "", ""]
    assert len(desk.approvals.halts) == 3


def test_the_erasure_of_a_record_counts_as_a_halt(desk: Desk) -> None:
    """Invariant 6: what was erased may have been one; the erasure of a blob is none."""
    erased = Draft(type="redaction", run_id="", step="", id="", data={"seq": 1, "stub": ZERO})
    blob = Draft(type="redaction", run_id="", step="", id="", data={"blob": ZERO})
    assert [Desk().apply(erased), desk.apply(blob)] == ["", ""]
    assert desk.approvals.halts == ()
    desk.apply_all(erased)
    (halt,) = desk.approvals.halts
    assert "record 1 was erased" in halt.reason
    desk.apply_all(signed(state("resume", halt.hash), ALICE))
    assert desk.approvals.halts == ()


def test_who_is_not_a_person_is_not_enrolled() -> None:
    """A person is an Ed25519 key named like an address, and never the log itself."""
    for key in (
        LOG_KEY.verify_key,
        VerifyKey("alice", bytes(32)),
        VerifyKey("a/b@example.org", bytes(32)),
        VerifyKey("a@b@example.org", bytes(32)),
        VerifyKey(ALICE.name, bytes(32), COSIGNATURE),
    ):
        with pytest.raises(WrongPersonError):
            check_person(key, ORIGIN)
        with pytest.raises(MalformedStatementError):
            sign_statement(state("enrol", key.text), ALICE)
    with pytest.raises(WrongPersonError):
        check_person(ALICE.verify_key, ALICE.name)


@pytest.mark.parametrize(
    ("name", "actor", "found"),
    [
        ("alice@example.org", "alice@desk", "same"),
        ("Alice@example.org", "alice@desk", "same"),
        ("alice@example.org", "alic@desk", "another"),
        ("alice@example.org", "bob@example.org", "another"),
        ("alice@example.org", "alice", "same"),
        ("alice", "alice@desk", "same"),
    ],
)
def test_a_person_is_told_from_an_actor_by_the_local_part(
    name: str, actor: str, found: str
) -> None:
    """The user of the machine against the name before the at sign, whatever the case."""
    assert same_person(name, actor) is (found == "same")


@pytest.mark.parametrize(
    "change",
    [
        {"action": "agree"},
        {"action": "Approve"},
        {"subject": "manifest"},
        {"subject": f"manifest {MANIFEST.upper()}"},
        {"subject": f"portfolio {MANIFEST}"},
        {"subject": f"lock {COMMIT}"},
        {"subject": f"code {COMMIT}0"},
        {"at": "2026-01-02T12:00:00Z"},
        {"at": "2026-13-02T12:00:00.000000Z"},
        {"until": "2026-01-03T12:00:00.000000Z"},
        {"reason": " x"},
        {"reason": "x" * 501},
        {"reason": "a\u0007b"},
        {"action": "halt", "subject": "", "reason": ""},
        {"action": "halt", "subject": "now", "reason": "x"},
        {"action": "override", "subject": "tree", "reason": "x"},
        {"action": "override", "subject": "halt", "reason": "x", "until": APPROVE.at},
        {"action": "override", "subject": "tree", "reason": "x", "until": "soon"},
        {"action": "override", "subject": "tree", "until": APPROVE.at},
        {"action": "resume", "subject": "all", "reason": "x"},
        {"action": "enrol", "subject": ALICE.verify_key.text + " "},
        {"action": "enrol", "subject": ALICE.verify_key.text[:-1]},
    ],
)
def test_a_statement_that_nobody_can_make_is_neither_signed_nor_read(
    change: dict[str, str],
) -> None:
    """One spelling, and the parts fit together."""
    statement = replace(APPROVE, **change)
    with pytest.raises(MalformedStatementError):
        sign_statement(statement, ALICE)
    with pytest.raises(MalformedStatementError):
        parse_statement(statement.text, ORIGIN)


TIMES = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)).map(  # noqa: DTZ001
    lambda moment: write_time(moment.replace(tzinfo=UTC))
)
REASONS = st.text(max_size=40).map(str.strip).filter(str.isprintable)
SUBJECTS = st.one_of(
    st.tuples(
        st.sampled_from(["approve", "withdraw"]),
        st.sampled_from([f"{kind} {MANIFEST}" for kind in KINDS] + [f"code {COMMIT}"]),
    ),
    st.tuples(st.sampled_from(["enrol", "dismiss"]), st.just(EVE.verify_key.text)),
    st.tuples(st.just("override"), st.sampled_from(GATES)),
    st.tuples(st.just("resume"), st.just(str(MANIFEST))),
    st.just(("halt", "")),
)


@given(SUBJECTS, TIMES, TIMES, REASONS)
def test_a_statement_is_read_as_it_was_written(
    subject: tuple[str, str], at: str, until: str, reason: str
) -> None:
    """Round trip, and no prefix, suffix or other ledger reads the same."""
    action, about = subject
    statement = Statement(
        origin=ORIGIN,
        action=action,
        subject=about,
        at=at,
        until=until if action == "override" else "",
        reason=reason or "needed",
    )
    assert parse_statement(statement.text, ORIGIN) == statement
    for other in (statement.text[:-1], statement.text + "\n", "\n" + statement.text):
        with pytest.raises(MalformedStatementError):
            parse_statement(other, ORIGIN)
    with pytest.raises(MalformedStatementError):
        parse_statement(statement.text, ORIGIN + "/x")


@given(st.one_of(st.text(), st.lists(st.text(max_size=9)).map(lambda w: f"{APPROVE.text}{w}")))
def test_foreign_text_raises_one_kind_of_error(text: str) -> None:
    """Invariant 2 of statements: nothing but MalformedStatementError."""
    with pytest.raises(MalformedStatementError):
        parse_statement(text, ORIGIN)


@given(
    st.dictionaries(
        st.sampled_from(["note", "statement", "seq", "x"]),
        st.one_of(st.none(), st.integers(), st.text(), st.just(APPROVE.text)),
    ),
    st.sampled_from(["approval", "redaction"]),
)
def test_no_data_of_a_record_stops_the_verifier(data: dict[str, Any], type_: str) -> None:
    """Whatever stands in a record is a finding, and never an error of another kind."""
    desk = Desk()
    desk.apply_all(enrolment(ALICE))
    assert isinstance(desk.apply(Draft(type=type_, run_id="", step="", id="", data=data)), str)
    empty = Draft(type=type_, run_id="", step="", id="")
    assert desk.apply(empty, data=[1]) == "it is not a record"
    assert desk.apply(empty, ts="soon") == "it is not a record"


def enrol(log: Log, clock: Clock, *persons: SigningKey) -> None:
    """Append the enrolment of persons, signed at the clock of the log."""
    for person in persons:
        at = write_time(clock.now)
        statement = Statement(origin=ORIGIN, action="enrol", subject=person.verify_key.text, at=at)
        log.append([signed(statement, person, LOG_KEY)])


def approve(log: Log, clock: Clock, *signers: SigningKey) -> Draft:
    """Append an approval of the manifest, and return its draft."""
    draft = signed(replace(APPROVE, at=write_time(clock.now)), *signers)
    log.append([draft])
    return draft


@pytest.mark.parametrize("level", ["strict", "fast"])
@pytest.mark.parametrize("since", [0, 9])
def test_approvals_that_hold_are_no_finding(
    make_log: MakeLog, clock: Clock, level: str, since: int
) -> None:
    """Across closed segments, at both levels, whether older records are read or not."""
    log = make_log(4)
    enrol(log, clock, ALICE, BOB)
    fill(log, 4)
    approve(log, clock, ALICE)
    log.checkpoint(LOG_KEY)
    report = verify(log.path, level="fast" if level == "fast" else "strict", since=since)
    assert (report.verdict, report.findings) == ("ok", ())
    assert [a.by for a in read_approvals(log.path).approved("manifest", MANIFEST)] == [ALICE.name]


@pytest.mark.parametrize("level", ["strict", "fast"])
def test_an_approval_that_does_not_hold_is_a_finding(log: Log, clock: Clock, level: str) -> None:
    """Kind `signature`, with its seq; and nobody reads a state from such a ledger."""
    enrol(log, clock, ALICE)
    approve(log, clock, EVE)
    log.checkpoint(LOG_KEY)
    report = verify(log.path, level="fast" if level == "fast" else "strict")
    assert [(each.kind, each.seq) for each in report.findings] == [("signature", 2)]
    assert "the approval does not hold" in report.findings[0].message
    with pytest.raises(VoidApprovalError, match="record 2"):
        read_approvals(log.path)


def test_an_approval_appended_again_under_another_id_is_a_finding(log: Log, clock: Clock) -> None:
    """Who can append cannot bring a withdrawn approval back."""
    enrol(log, clock, ALICE)
    draft = approve(log, clock, ALICE)
    log.append([replace(draft, id="another")])
    log.checkpoint(LOG_KEY)
    assert [(each.kind, each.seq) for each in verify(log.path).findings] == [("signature", 3)]


def test_an_enrolment_holds_by_the_keys_of_its_time(log: Log, clock: Clock) -> None:
    """A key that was retired later enrolled rightly before, and enrols nobody after."""
    second = SigningKey(ORIGIN, bytes([7]) * 32)
    enrol(log, clock, ALICE)
    log.append([sign_change("add", second.verify_key, ORIGIN, LOG_KEY, second)])
    log.append([sign_change("retire", LOG_KEY.verify_key, ORIGIN, second)])
    log.checkpoint(second)
    assert verify(log.path).ok
    assert [each.name for each in read_approvals(log.path).persons] == [ALICE.name]
    enrol(log, clock, BOB)
    log.checkpoint(second)
    assert [(each.kind, each.seq) for each in verify(log.path).findings] == [("signature", 4)]


def test_what_only_looks_like_an_approval_is_none(log: Log) -> None:
    """The type of a record counts, not a text inside it."""
    log.append([note(1, inner={"type": "approval", "note": "x"})])
    log.checkpoint(LOG_KEY)
    assert verify(log.path).ok
    assert read_approvals(log.path).persons == ()


@pytest.mark.parametrize("type_", ["key", "approval", "redaction"])
def test_data_that_is_no_object_stops_no_verifier(log: Log, root: Path, type_: str) -> None:
    """A line with a right hash and such data is a finding, and gives no state."""
    last = log.head()
    body = {"v": 1, "seq": 1, "ts": "2026-01-02T12:00:00.000000Z", "type": type_, "data": [1]}
    line, _ = splice(dumps({**body, "prev_hash": last.hash}))
    with (root / "audit.jsonl").open("ab") as file:
        file.write(line)
    assert [(each.kind, each.seq) for each in verify(root).findings] == [("lint", 1)]
    assert verify(root, level="fast").ok
    with pytest.raises(MalformedRecordError):
        read_approvals(root)


def test_an_altered_record_gives_no_state(log: Log, clock: Clock, root: Path) -> None:
    """A halt whose bytes were changed must not be passed over."""
    enrol(log, clock, ALICE)
    log.append([draft_halt(state("halt"), actor="x")])
    path = root / "audit.jsonl"
    path.write_bytes(path.read_bytes().replace(b"because", b"becoming"))
    with pytest.raises(VoidApprovalError, match="own hash"):
        read_approvals(root)


def test_where_a_segment_is_away_approvals_are_not_judged(
    make_log: MakeLog, clock: Clock, root: Path
) -> None:
    """Who was enrolled may stand in it; the report names what was not read."""
    log = make_log(4)
    fill(log, 2)
    enrol(log, clock, ALICE)
    fill(log, 4, "run-b")
    approve(log, clock, ALICE)
    log.checkpoint(LOG_KEY)
    (root / "audit-000000000004.jsonl").unlink()
    report = verify(root)
    assert (report.verdict, report.unread) == ("ok", (4,))


def test_the_command_of_the_package_judges_approvals(
    log: Log, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    """`python -m ledger verify` needs nothing else of the project."""
    enrol(log, clock, ALICE)
    approve(log, clock, BOB)
    log.checkpoint(LOG_KEY)
    assert main(["verify", str(log.path), "--json"], clock=clock) == 3
    assert json.loads(capsys.readouterr().out)["findings"][0]["kind"] == "signature"
