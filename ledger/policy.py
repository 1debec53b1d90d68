"""The trust policy of an auditor: which logs, which witnesses, how many of them.

The file is that of C2SP tlog-policy::

    log <vkey>
    witness alice <vkey>
    witness bob <vkey>
    group both all alice bob
    quorum both

It belongs to the verifier, never to the ledger: a ledger that brings its own policy proves nothing.
A log's own ML-DSA-44 key stands there as a witness, as C2SP has it; it is no second party.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn

from ledger.errors import ConfigError, IntegrityError
from ledger.keys import COSIGNATURE, ED25519, MLDSA, MalformedKeyError, VerifyKey
from ledger.note import format_note, open_note

if TYPE_CHECKING:
    from collections.abc import Container, Iterable
    from pathlib import Path

    from ledger.note import Note

_NONE = "none"
_ALL = "all"
_ALLOWED = frozenset({0x09, 0x0A, *range(0x20, 0x7F), *range(0x80, 0x100)})


class MalformedPolicyError(ConfigError):
    """Bytes that are not a policy."""

    code = "E0135"


class UntrustedNoteError(IntegrityError):
    """A note that no key of the log signed, or that lacks cosignatures a policy asks for."""

    code = "E0142"


@dataclass(frozen=True, slots=True)
class Group:
    """So many of these members must have witnessed a checkpoint."""

    needed: int
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Policy:
    """What a verifier asks of a checkpoint.

    Parameters
    ----------
    logs : tuple of VerifyKey
        Any one of them must have signed.
    witnesses : dict of name to VerifyKey
        The keys that may cosign.
    groups : dict of name to Group
        How they are counted.
    quorum : str
        The witness or group that must have witnessed; `none` asks for no one.
    """

    logs: tuple[VerifyKey, ...] = ()
    witnesses: dict[str, VerifyKey] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)
    quorum: str = _NONE

    @property
    def keys(self) -> tuple[VerifyKey, ...]:
        """All keys, of logs and witnesses."""
        return (*self.logs, *self.witnesses.values())

    def is_met(self, verified: Container[VerifyKey]) -> bool:
        """Return whether cosignatures of the `verified` keys make the quorum."""
        return self.quorum == _NONE or self._has_witnessed(self.quorum, verified)

    def _has_witnessed(self, name: str, verified: Container[VerifyKey]) -> bool:
        group = self.groups.get(name)
        if group is None:
            return self.witnesses[name] in verified
        witnessed = sum(self._has_witnessed(member, verified) for member in group.members)
        return witnessed >= group.needed


def policy_of(keys: Iterable[VerifyKey]) -> Policy:
    """Return the policy of who holds these keys: one of a log signed, every witness cosigned."""
    held = tuple(keys)
    witnesses = {key.text: key for key in held if key.algorithm != ED25519}
    groups = {_ALL: Group(len(witnesses), tuple(witnesses))} if witnesses else {}
    logs = tuple(key for key in held if key.algorithm == ED25519)
    return Policy(logs, witnesses, groups, _ALL if witnesses else _NONE)


def open_trusted(note: bytes, policy: Policy) -> Note:
    """Return the note, once a key of a log signed it and the quorum cosigned it.

    Raises
    ------
    MalformedNoteError
        If the bytes are not a note, or a known key's signature is wrong.
    UntrustedNoteError
        If a signature that the policy asks for is not there.
    """
    opened = open_note(note, policy.keys)
    met = policy.is_met(opened.verified)
    if not met or not any(key in policy.logs for key in opened.verified):
        signers = ", ".join(key.name for key in opened.verified)
        raise UntrustedNoteError(
            what=f"the note is signed by {signers}, which does not meet the policy",
            where="signatures of the note",
            why=f"the policy asks for a key of the log and the quorum {policy.quorum!r}",
            fix="have the missing witnesses cosign the checkpoint, or bring their keys",
        )
    return opened


def known_signatures(opened: Note) -> bytes:
    """Return a note with the signatures that were verified and no others.

    Each key signs once; keys of the log come first, then witnesses, both by name and key id.
    """
    first = {(each.name, each.key_id): each for each in reversed(opened.signatures)}
    keys = sorted(opened.verified, key=lambda key: (key.algorithm, key.name, key.key_id))
    return format_note(opened.text, [first[key.name, key.key_id] for key in keys])


def load_policy(path: Path) -> Policy:
    """Return the policy in a file."""
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise ConfigError(
            what="no policy file",
            where=str(path),
            why="a policy says which keys you trust",
            fix="write one: `log <vkey>` and `quorum none` is the shortest",
        ) from error
    return parse_policy(data)


def parse_policy(data: bytes) -> Policy:
    """Return the policy of a file's bytes.

    Raises
    ------
    MalformedPolicyError
        For anything else than C2SP tlog-policy, naming the line.
    """
    if not _ALLOWED.issuperset(data) or (data and not data.endswith(b"\n")):
        _malformed(0, "lines of text that end in LF")
    parser = _Parser()
    # Names are opaque bytes; Latin-1 keeps each one as it is.
    for number, line in enumerate(data.decode("latin-1").split("\n"), 1):
        words = line.replace("\t", " ").split(" ")
        words = [word for word in words if word]
        if words and not words[0].startswith("#"):
            parser.read(number, words)
    return parser.finish()


class _Parser:
    """Reads lines one by one; a line may only name what stands before it."""

    def __init__(self) -> None:
        self._logs: list[VerifyKey] = []
        self._witnesses: dict[str, VerifyKey] = {}
        self._groups: dict[str, Group] = {}
        self._members: set[str] = set()
        self._quorum: str | None = None

    def read(self, number: int, words: list[str]) -> None:
        """Read one line that is not empty."""
        readers = {
            "log": self._read_log,
            "witness": self._read_witness,
            "group": self._read_group,
            "quorum": self._read_quorum,
        }
        reader = readers.get(words[0])
        if reader is None:
            _malformed(number, "log, witness, group or quorum")
        reader(number, words[1:])

    def finish(self) -> Policy:
        """Return what was read."""
        if self._quorum is None:
            _malformed(0, "one quorum line")
        return Policy(tuple(self._logs), self._witnesses, self._groups, self._quorum)

    def _read_log(self, number: int, words: list[str]) -> None:
        if len(words) not in (1, 2):
            _malformed(number, "log <vkey> [<url>]")
        key = _parse_key(number, words[0], (ED25519,))
        if key.public in [other.public for other in self._logs]:
            _malformed(number, "a key that is not there yet")
        self._logs.append(key)

    def _read_witness(self, number: int, words: list[str]) -> None:
        if len(words) not in (2, 3):
            _malformed(number, "witness <name> <vkey> [<url>]")
        self._check_new(number, words[0])
        key = _parse_key(number, words[1], (COSIGNATURE, MLDSA))
        if key.public in [other.public for other in self._witnesses.values()]:
            _malformed(number, "a key that is not there yet")
        self._witnesses[words[0]] = key

    def _read_group(self, number: int, words: list[str]) -> None:
        if len(words) < len(("name", "number", "member")):
            _malformed(number, "group <name> all|any|<k> <name>...")
        name, needed, *members = words
        self._check_new(number, name)
        for member in members:
            if not self._is_known(member) or member in self._members:
                _malformed(number, f"members that are known and in no other group, not {member}")
            self._members.add(member)
        self._groups[name] = Group(_count(number, needed, len(members)), tuple(members))

    def _read_quorum(self, number: int, words: list[str]) -> None:
        if len(words) != 1 or self._quorum is not None:
            _malformed(number, "one quorum line with one name")
        if words[0] != _NONE and not self._is_known(words[0]):
            _malformed(number, "a witness or group that is known")
        self._quorum = words[0]

    def _is_known(self, name: str) -> bool:
        return name in self._witnesses or name in self._groups

    def _check_new(self, number: int, name: str) -> None:
        if name == _NONE or self._is_known(name):
            _malformed(number, f"a name that is not taken, not {name}")


def _count(number: int, needed: str, members: int) -> int:
    if needed in ("all", "any"):
        return members if needed == "all" else 1
    if not (needed.isascii() and needed.isdigit()) or not 1 <= int(needed) <= members:
        _malformed(number, f"a number between 1 and {members}")
    return int(needed)


def _parse_key(number: int, text: str, allowed: tuple[int, ...]) -> VerifyKey:
    try:
        key = VerifyKey.parse(text.encode("latin-1").decode())
    except (MalformedKeyError, UnicodeDecodeError):
        _malformed(number, "a verifier key")
    if key.algorithm not in allowed:
        _malformed(number, f"a key of algorithm {' or '.join(map(str, allowed))}")
    return key


def _malformed(number: int, expected: str) -> NoReturn:
    raise MalformedPolicyError(
        what=f"malformed policy: expected {expected}",
        where=f"line {number}" if number else "policy",
        why="a policy is a file of C2SP tlog-policy, and decides what is trusted",
        fix="correct the line",
    )
