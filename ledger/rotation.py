"""Change of the log's keys, stated in the ledger and signed by a key that is valid.

A `key` record holds one signed note under `data.note`::

    assay-ledger/1 key
    example.org/firm/workspace
    add <vkey>

    - <origin> base64(...)          (drawn as a hyphen here; an em dash in the note)

or `retire <vkey>`. An added key may sign checkpoints that cover the record; a retired key only such
that do not. The note of an addition is signed by a valid key and by the added one; that of a
retirement by a valid key. The genesis record names the first key.

Invariants
----------
1. A key that was retired never comes back, so that an old note cannot be used again.
2. At every size at least one key is valid.
3. A record whose note does not hold changes nothing, and is a finding.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ledger import chain, segments
from ledger.keys import ED25519, MalformedKeyError, VerifyKey
from ledger.note import MalformedNoteError, open_note, sign_note
from ledger.record import Draft

if TYPE_CHECKING:
    from pathlib import Path

    from ledger.keys import SigningKey
    from ledger.record import Record

HEADER: Final = "assay-ledger/1 key"
FOREVER: Final = 1 << 62


@dataclass(frozen=True, slots=True)
class Window:
    """The sizes for which a key may sign: from `first` up to and including `last`."""

    key: VerifyKey
    first: int
    last: int = FOREVER


class KeyRing:
    """The keys of one log, as its records state them.

    Parameters
    ----------
    origin : str
        The name of the log.
    first : VerifyKey
        The key that the genesis record names, or that the verifier trusts.
    """

    def __init__(self, origin: str, *first: VerifyKey) -> None:
        self._origin = origin
        self._windows = {key: Window(key, 0) for key in first}

    @property
    def windows(self) -> tuple[Window, ...]:
        """All keys that were ever valid, each with its sizes, in the order they came."""
        return tuple(self._windows.values())

    def valid_at(self, size: int) -> tuple[VerifyKey, ...]:
        """Return the keys that may sign a checkpoint of `size` records."""
        return tuple(
            window.key for window in self._windows.values() if window.first <= size <= window.last
        )

    def apply(self, record: Record) -> str:
        """Take over what a `key` record states; return what is wrong with it, or nothing."""
        try:
            action, key, signers = self._read(str(record.data.get("note")), record.seq)
        except (MalformedNoteError, MalformedKeyError) as error:
            return error.what
        if action == "retire":
            return self._retire(key, record.seq)
        if key not in signers:
            return "the added key did not sign"
        if key in self._windows:
            return "the key is, or was, a key of this log"
        self._windows[key] = Window(key, record.seq + 1)
        return ""

    def _retire(self, key: VerifyKey, seq: int) -> str:
        valid = self.valid_at(seq)
        if key not in valid:
            return "the key is not valid"
        if len(valid) == 1:
            return "no key would be left"
        self._windows[key] = Window(key, self._windows[key].first, seq)
        return ""

    def _read(self, note: str, seq: int) -> tuple[str, VerifyKey, tuple[VerifyKey, ...]]:
        """Return action, key and signers of a note that a key valid before the record signed."""
        text = note.rpartition("\n\n")[0] + "\n"
        action, key = parse_change(text, self._origin)
        valid = self.valid_at(seq)
        opened = open_note(note.encode(), {*valid, key})
        if not any(signer in valid for signer in opened.verified):
            raise MalformedNoteError(
                what="malformed note: expected a signature of a valid key, found none",
                where=f"record {seq}",
                why="a key is added or retired by a key that is valid",
                fix="sign the change with a key of this log",
            )
        return action, key, opened.verified


def read_windows(root: Path) -> tuple[Window, ...]:
    """Return all keys of the ledger in `root` with the sizes for which they may sign.

    Changes that do not hold are left out, as `verify` leaves them out.
    """
    genesis = segments.read_genesis(root)
    ring = KeyRing(genesis.origin, VerifyKey.parse(genesis.vkey))
    for record in chain.read_records(root):
        if record.type == "key":
            ring.apply(record)
    return ring.windows


def sign_change(action: str, key: VerifyKey, origin: str, *signers: SigningKey) -> Draft:
    """Return the draft of a `key` record.

    Parameters
    ----------
    action : str
        `add` or `retire`.
    key : VerifyKey
        The key that is added or retired.
    origin : str
        The name of the log.
    *signers : SigningKey
        A valid key, and for an addition the new one too.
    """
    text = f"{HEADER}\n{origin}\n{action} {key.text}\n"
    parse_change(text, origin)
    return Draft(
        type="key",
        run_id="",
        step="",
        id=f"{action} {key.text}",
        data={"note": sign_note(text, *signers).decode()},
    )


def parse_change(text: str, origin: str) -> tuple[str, VerifyKey]:
    """Return action and key of a change's text."""
    start = f"{HEADER}\n{origin}\n"
    action, _, key_text = text.removeprefix(start).removesuffix("\n").partition(" ")
    if text != f"{start}{action} {key_text}\n" or action not in ("add", "retire"):
        raise MalformedNoteError(
            what=f"malformed change of keys: expected add or retire for {origin}, found another",
            where=repr(text[:80]),
            why="a change of keys has one spelling",
            fix="make it with ledger.rotation.sign_change",
        )
    key = VerifyKey.parse(key_text)
    if key.name != origin or key.algorithm != ED25519 or key.text != key_text:
        raise MalformedKeyError(
            what=f"expected an Ed25519 key of {origin}, found one of {key.name}",
            where=repr(text[:80]),
            why="the name of a log's key is the origin of the log",
            fix="generate the key with the origin as its name",
        )
    return action, key
