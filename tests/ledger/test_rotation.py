"""Keys change hands by a note in the ledger, and never come back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ledger import (
    ZERO,
    MalformedKeyError,
    MalformedNoteError,
    Record,
    SigningKey,
    VerifyKey,
    verify,
)
from ledger.keys import COSIGNATURE
from ledger.note import sign_note
from ledger.rotation import KeyRing, Window, parse_change, read_windows, sign_change
from tests.ledger.conftest import ORIGIN, fill, note

if TYPE_CHECKING:
    from ledger import Draft
    from tests.ledger.conftest import MakeLog

FIRST, SECOND, THIRD = (SigningKey(ORIGIN, bytes([n]) * 32) for n in (1, 2, 3))


def apply(ring: KeyRing, seq: int, draft: Draft) -> str:
    """Apply a draft as if it stood at `seq`."""
    record = Record(
        seq=seq,
        ts="",
        type="key",
        data=draft.data,
        prev_hash=ZERO,
        hash=ZERO,
    )
    return ring.apply(record)


def test_a_key_takes_over_from_another() -> None:
    """Both may sign between the two records."""
    ring = KeyRing(ORIGIN, FIRST.verify_key)
    assert apply(ring, 10, sign_change("add", SECOND.verify_key, ORIGIN, FIRST, SECOND)) == ""
    assert apply(ring, 20, sign_change("retire", FIRST.verify_key, ORIGIN, SECOND)) == ""
    assert ring.valid_at(10) == (FIRST.verify_key,)
    assert ring.valid_at(11) == ring.valid_at(20) == (FIRST.verify_key, SECOND.verify_key)
    assert ring.valid_at(21) == (SECOND.verify_key,)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (sign_change("add", SECOND.verify_key, ORIGIN, SECOND), "valid key"),
        (sign_change("add", SECOND.verify_key, ORIGIN, THIRD, SECOND), "valid key"),
        (sign_change("add", SECOND.verify_key, ORIGIN, FIRST), "did not sign"),
        (sign_change("add", FIRST.verify_key, ORIGIN, FIRST), "is, or was"),
        (sign_change("retire", FIRST.verify_key, ORIGIN, FIRST), "no key would be left"),
        (sign_change("retire", SECOND.verify_key, ORIGIN, FIRST), "not valid"),
        (note(1), "malformed"),
        (note(1, note="x"), "malformed"),
    ],
)
def test_a_change_that_does_not_hold_changes_nothing(change: Draft, fault: str) -> None:
    """Invariant 3, and the reason is given."""
    ring = KeyRing(ORIGIN, FIRST.verify_key)
    assert fault in apply(ring, 10, change)
    assert ring.valid_at(100) == (FIRST.verify_key,)


def test_a_retired_key_never_comes_back() -> None:
    """Invariant 1: neither by its old note nor by another."""
    ring = KeyRing(ORIGIN, FIRST.verify_key)
    add = sign_change("add", SECOND.verify_key, ORIGIN, FIRST, SECOND)
    retire = sign_change("retire", SECOND.verify_key, ORIGIN, FIRST)
    for seq, change in enumerate((add, retire, add, retire)):
        assert bool(apply(ring, seq, change)) == (seq > 1)
    assert ring.valid_at(9) == (FIRST.verify_key,)


@pytest.mark.parametrize(
    ("action", "key"),
    [
        ("replace", SECOND.verify_key),
        ("add", SigningKey("example.org/other", bytes(32)).verify_key),
        ("add", VerifyKey(ORIGIN, bytes(32), COSIGNATURE)),
    ],
)
def test_a_change_that_could_not_hold_is_not_signed(action: str, key: VerifyKey) -> None:
    """Add or retire an Ed25519 key of this log."""
    with pytest.raises((MalformedNoteError, MalformedKeyError)):
        sign_change(action, key, ORIGIN, FIRST)


def test_a_change_is_all_of_the_text_that_was_signed() -> None:
    """A longer text that begins like a change is signed for something else."""
    change = f"assay-ledger/1 key\n{ORIGIN}\nadd {SECOND.verify_key.text}\n"
    ring = KeyRing(ORIGIN, FIRST.verify_key)
    longer = sign_note(f"{change}\nis only an example\n", FIRST, SECOND)
    assert apply(ring, 1, note(1, note=longer.decode()))
    assert ring.valid_at(9) == (FIRST.verify_key,)
    assert apply(ring, 2, note(1, note=sign_note(change, FIRST, SECOND).decode())) == ""


def test_a_change_is_of_one_log() -> None:
    """A change for another ledger is none for this."""
    text = f"assay-ledger/1 key\n{ORIGIN}\nadd {SECOND.verify_key.text}\n"
    assert parse_change(text, ORIGIN) == ("add", SECOND.verify_key)
    for other in (text.replace("/1", "/2"), text + "x\n", text[:-1], text.replace("add", "Add")):
        with pytest.raises((MalformedNoteError, MalformedKeyError)):
            parse_change(other, ORIGIN)
    with pytest.raises(MalformedNoteError):
        parse_change(text, "example.org/other")


@pytest.mark.parametrize("level", ["strict", "fast"])
def test_a_ledger_goes_on_under_another_key(make_log: MakeLog, level: str) -> None:
    """Signed by one, by both, by the other; then the retired one signs once more."""
    log = make_log(4, key=FIRST)
    for drafts, keys in (
        ([sign_change("add", SECOND.verify_key, ORIGIN, FIRST, SECOND)], (FIRST, SECOND)),
        ([sign_change("retire", FIRST.verify_key, ORIGIN, SECOND)], (SECOND,)),
        ([note(1)], (SECOND,)),
    ):
        fill(log, 2, f"run-{log.head().count}")
        log.append(drafts)
        log.checkpoint(*keys)
    report = verify(log.path, level="fast" if level == "fast" else "strict", since=9)
    assert (report.verdict, report.trust) == ("ok", "self-consistent")
    assert verify(log.path, keys=[FIRST.verify_key]).trust == "signed"
    log.append([note(2)])
    log.checkpoint(FIRST)
    assert verify(log.path).verdict == "signature"


def test_a_stranger_cannot_take_the_ledger_over(make_log: MakeLog) -> None:
    """Whoever may append may not appoint a key."""
    log = make_log(key=FIRST)
    log.append([sign_change("add", THIRD.verify_key, ORIGIN, THIRD)])
    log.checkpoint(THIRD)
    report = verify(log.path)
    assert [each.kind for each in report.findings] == ["signature"] * 3
    assert log.head().count == 2


def test_the_keys_of_a_ledger_are_listed_with_their_sizes(make_log: MakeLog) -> None:
    """As the records state them; a change that does not hold is left out."""
    log = make_log(key=FIRST)
    log.append([sign_change("add", SECOND.verify_key, ORIGIN, FIRST, SECOND)])
    log.append([sign_change("add", THIRD.verify_key, ORIGIN, THIRD)])
    log.append([sign_change("retire", FIRST.verify_key, ORIGIN, SECOND)])
    assert read_windows(log.path) == (
        Window(FIRST.verify_key, 0, 3),
        Window(SECOND.verify_key, 2),
    )
