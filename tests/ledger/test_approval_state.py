"""What a state tells of each statement, at the limits of time, and how it is read from a ledger."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest

from ledger import (
    Draft,
    MalformedStatementError,
    SigningKey,
    Statement,
    draft_halt,
    erase_line,
    read_approvals,
    sha256,
    write_time,
)
from ledger.approval import Approval, Halt, Person
from ledger.note import sign_note
from ledger.rotation import sign_change
from tests.ledger.conftest import ORIGIN, note
from tests.ledger.test_approval import (
    ALICE,
    APPROVE,
    BOB,
    COMMIT,
    LOG_KEY,
    MANIFEST,
    NOON,
    desk,
    enrol,
    signed,
    state,
)

if TYPE_CHECKING:
    from ledger import Log
    from tests.ledger.conftest import Clock
    from tests.ledger.test_approval import Desk

__all__ = ["desk"]


def at(seconds: float) -> str:
    """Return the time so many seconds after noon."""
    return write_time(NOON + timedelta(seconds=seconds))


def test_a_state_names_the_record_of_each_statement(desk: Desk) -> None:
    """Who, what, from which record and from when on."""
    desk.apply_all(signed(APPROVE, ALICE), signed(state("halt"), BOB))
    assert desk.approvals.persons == (
        Person(ALICE.verify_key, 1, at(1)),
        Person(BOB.verify_key, 2, at(2)),
    )
    approval = Approval("manifest", MANIFEST, ALICE.name, 3, at(3))
    assert desk.approvals.approved() == (approval,)
    assert desk.approvals.halts == (Halt(sha256(b"4"), BOB.name, 4, at(4), "because"),)


def test_a_statement_is_all_of_the_text_that_was_signed(desk: Desk) -> None:
    """A longer text that begins like a statement is signed for something else."""
    longer = sign_note(f"{APPROVE.text}\nis only an example\n", ALICE).decode()
    draft = Draft(type="approval", run_id="", step="", id="", data={"note": longer})
    assert "malformed statement" in desk.apply(draft)
    assert desk.approvals.approved() == ()


def test_the_id_of_a_record_is_what_was_stated_when_and_by_whom() -> None:
    """So that the same note is one record, whoever appends it."""
    statement = replace(APPROVE, origin="a ledger with spaces", reason="x")
    draft = signed(statement, ALICE, BOB)
    assert draft.id == f"approve manifest {MANIFEST} at {at(0)} by {ALICE.name}"
    assert (draft.actor, draft.type, draft.run_id, draft.step) == ("op@desk", "approval", "", "")
    halt = draft_halt(state("halt"), actor="op@desk")
    assert (halt.id, halt.actor) == (f"halt at {at(0)}", "op@desk")


def test_a_time_is_written_in_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the zone of the moment and of the machine."""
    moment = datetime(2026, 1, 2, 3, 4, 5, 6, timezone(timedelta(hours=9)))
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        assert write_time(moment) == "2026-01-01T18:04:05.000006Z"
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_reason_has_at_most_500_characters(desk: Desk) -> None:
    """And 500 are allowed."""
    desk.apply_all(signed(replace(APPROVE, reason="x" * 500), ALICE))
    with pytest.raises(MalformedStatementError):
        signed(replace(APPROVE, reason="x" * 501), ALICE)


def test_who_approved_nothing_can_be_dismissed(desk: Desk) -> None:
    """The approvals of others stay."""
    approve = signed(state("approve", f"code {COMMIT}"), BOB)
    desk.apply_all(approve, signed(state("dismiss", ALICE.verify_key.text), LOG_KEY))
    assert [each.by for each in desk.approvals.approved()] == [BOB.name]


@pytest.mark.parametrize(("seconds", "count"), [(-1, 0), (0, 0), (1, 1)])
def test_an_approval_is_signed_after_a_withdrawal_was_recorded(
    desk: Desk, seconds: int, count: int
) -> None:
    """In the same microsecond it may have been signed before."""
    withdrawal = signed(state("withdraw", f"manifest {MANIFEST}"), ALICE)
    assert desk.apply(withdrawal, after=60) == ""
    approval = signed(replace(APPROVE, at=at(60 + seconds)), BOB)
    assert bool(desk.apply(approval, after=70)) is (count == 0)
    assert len(desk.approvers) == count


@pytest.mark.parametrize(("until", "count"), [(0, 0), (1, 1), (7 * 86_400, 1), (7 * 86_400 + 1, 0)])
def test_an_override_ends_within_seven_days(desk: Desk, until: int, count: int) -> None:
    """Later than it is recorded, and seven days later at most."""
    override = signed(state("override", "tree", until=at(60 + until)), ALICE)
    assert bool(desk.apply(override, after=60)) is (count == 0)
    assert len(desk.approvals.overrides_at(at(60))) == count


def test_a_state_is_read_with_the_keys_and_erasures_of_the_ledger(log: Log, clock: Clock) -> None:
    """A key that was added later enrols rightly, and an erased record counts as a halt."""
    second = SigningKey(ORIGIN, bytes([7]) * 32)
    enrol(log, clock, ALICE)
    log.append([sign_change("add", second.verify_key, ORIGIN, LOG_KEY, second)])
    text = BOB.verify_key.text
    statement = Statement(origin=ORIGIN, action="enrol", subject=text, at=write_time(clock.now))
    log.append([signed(statement, BOB, second), note(1)])
    log.checkpoint(LOG_KEY)
    assert [each.seq for each in read_approvals(log.path).persons] == [1, 3]
    assert read_approvals(log.path).halts == ()
    erased = erase_line(log, 4, LOG_KEY, ground="on request", by="compliance@example.org")
    assert [each.seq for each in read_approvals(log.path).halts] == [erased.seq]
    assert [each.seq for each in read_approvals(log.path).persons] == [1, 3]


def test_a_halt_is_read_whatever_else_stands_in_its_record(log: Log) -> None:
    """Neither fields beside the statement nor the types they mention hide it."""
    mentions = {"a": {"type": "key"}, "b": {"type": "redaction"}}
    data = {"statement": state("halt").text, **mentions}
    log.append([Draft(type="approval", run_id="", step="", id="h", data=data)])
    assert [each.reason for each in read_approvals(log.path).halts] == ["because"]
