"""One record: one line of the ledger.

A line is the RFC 8785 form of the record without its hash (the *body*), with the hash spliced in
as last member, and LF::

    body  {"data":{"gamma":0.5},"id":"run-a/select/1/1", ... ,"v":1}
    hash  SHA-256(0x00 || body)
    line  {"data":{"gamma":0.5},"id":"run-a/select/1/1", ... ,"v":1,"hash":"<64 hex>"}

The last 76 bytes of a line have a fixed shape, so a verifier cuts, appends `}`, puts one zero byte
in front and hashes; no JSON library is needed and none can disagree. The hash is at once the name
of the record, the `prev_hash` of the next and the RFC 6962 leaf hash of the body.

`v`, `seq`, `ts`, `type` and `prev_hash` always stand in a body. A text that is empty and a mapping
that has no member are left out: one spelling for absence.

Invariants
----------
1. `parse_record(format_record(record)) == record`, and nothing else parses to it.
2. `parse_record` raises nothing but `MalformedRecordError`.
3. A line without its LF has at most 65,535 bytes.
"""

from __future__ import annotations

import functools
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Final, cast

from ledger import canonical
from ledger.digest import Digest, is_digest
from ledger.errors import IntegrityError, UnrecordableError

if TYPE_CHECKING:
    from typing import NoReturn

VERSION: Final = 1
TYPES: Final = (
    "genesis",
    "run",
    "intent",
    "outcome",
    "note",
    "anchor",
    "key",
    "approval",
    "redaction",
    "recovery",
)
MAX_LINE: Final = 65_535
TAIL: Final = 75
"""Bytes of `,"hash":"<64 hex>"}` at the end of a line, LF not counted."""

_TEXTS: Final = ("run_id", "step", "id", "status", "actor")
_REFERENCES: Final = ("inputs", "outputs")
_ALWAYS: Final = frozenset({"v", "seq", "ts", "type", "prev_hash"})
_OPTIONAL: Final = dict.fromkeys(_TEXTS, str) | dict.fromkeys((*_REFERENCES, "data"), dict)
_ONLY_TEXT: Final = {str}
_FIELDS: Final = _ALWAYS | {*_TEXTS, *_REFERENCES, "data"}
_IN_STUB: Final = _ALWAYS | {"run_id", "step", "id"}
_LINK: Final = b'"prev_hash":"'
_TS = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", re.ASCII)
_LINE = re.compile(rb'(.*),"hash":"([0-9a-f]{64})"\}\n', re.DOTALL)


class MalformedRecordError(IntegrityError):
    """Bytes that are not a record."""

    code = "E0102"


class LineTooLongError(UnrecordableError):
    """A record whose line would have more than 65,535 bytes."""

    code = "E0131"


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A record before the log has given it a place.

    Parameters
    ----------
    type : str
        One of `TYPES`; a log refuses `genesis`.
    run_id, step, id, status, actor : str
        Grouping, stage, idempotency key, verdict, and who claims to have done it. By convention
        `id` is `<run_id>/<step>/<ordinal>/<attempt>`.
    inputs, outputs : Mapping[str, Digest]
        Names of blobs.
    data : Mapping[str, object]
        Small parameters and results. What may differ between two honest runs stands under
        `observed`.
    """

    type: str
    run_id: str
    step: str
    id: str
    status: str = ""
    actor: str = ""
    inputs: Mapping[str, Digest] = field(default_factory=dict)
    outputs: Mapping[str, Digest] = field(default_factory=dict)
    data: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One line of the ledger, parsed. Absent texts are empty, absent mappings have no member.

    `redacted` says that the content was erased: what is left are place, link, hash and ids.
    """

    seq: int
    ts: str
    type: str
    run_id: str = ""
    step: str = ""
    id: str = ""
    status: str = ""
    actor: str = ""
    inputs: Mapping[str, Digest] = field(default_factory=dict)
    outputs: Mapping[str, Digest] = field(default_factory=dict)
    data: Mapping[str, object] = field(default_factory=dict)
    prev_hash: Digest
    hash: Digest
    v: int = VERSION
    redacted: bool = False

    @property
    def at(self) -> datetime:
        """The time of writing as an aware datetime: a claim of the writer's clock."""
        return datetime.fromisoformat(self.ts)


def seal(draft: Draft, *, seq: int, ts: str, prev_hash: Digest) -> tuple[bytes, Digest]:
    """Return the line of `draft` at its place, and its hash.

    Raises
    ------
    UnrecordableError
        If a field has a value that no record can hold, naming it by its JSON path.
    """
    check_draft(draft)
    body = content(draft)
    body["v"] = VERSION
    body["seq"] = seq
    body["ts"] = ts
    body["type"] = draft.type
    body["prev_hash"] = prev_hash
    return splice(canonical.dumps(body))


def splice(body: bytes) -> tuple[bytes, Digest]:
    """Return the line that carries `body`, and the hash of the body."""
    digest = Digest(hashlib.sha256(b"\x00" + body).hexdigest())
    if len(body) + TAIL - 1 > MAX_LINE:
        _refuse_length(body)
    return b'%b,"hash":"%b"}\n' % (body[:-1], digest.encode()), digest


def content(draft: Draft | Record) -> dict[str, object]:
    """Return the members of a body that the caller chose; the empty ones are left out."""
    chosen: dict[str, object] = {}
    if draft.run_id:
        chosen["run_id"] = draft.run_id
    if draft.step:
        chosen["step"] = draft.step
    if draft.id:
        chosen["id"] = draft.id
    if draft.status:
        chosen["status"] = draft.status
    if draft.actor:
        chosen["actor"] = draft.actor
    if draft.inputs:
        chosen["inputs"] = _plain(draft.inputs)
    if draft.outputs:
        chosen["outputs"] = _plain(draft.outputs)
    if draft.data:
        chosen["data"] = _plain(draft.data)
    return chosen


def check_draft(draft: Draft) -> None:
    """Raise `UnrecordableError` unless the fields of `draft` have the types they state."""
    if draft.type not in TYPES:
        _refuse("type", f"{draft.type!r} is not one of: {', '.join(TYPES)}")
    texts = (draft.run_id, draft.step, draft.id, draft.status, draft.actor)
    if set(map(type, texts)) != _ONLY_TEXT:
        _refuse_other_types(texts)
    for name, digests in (("inputs", draft.inputs), ("outputs", draft.outputs)):
        if digests and not (isinstance(digests, Mapping) and all(map(is_digest, digests.values()))):
            _refuse(name, f"expected names of blobs, found {digests!r}")
    if type(draft.data) is not dict and not isinstance(draft.data, Mapping):
        _refuse("data", f"expected a mapping, found {draft.data!r}")


def _refuse_other_types(texts: tuple[object, ...]) -> None:
    for name, text in zip(_TEXTS, texts, strict=True):
        if not isinstance(text, str):
            _refuse(name, f"expected text, found {text!r}")


def format_record(record: Record) -> bytes:
    """Return the line of `record`, LF included.

    A compatible later version may add types of records and members of `data`. Another top-level
    field needs another `v`.
    """
    body = {
        "v": record.v,
        "seq": record.seq,
        "ts": record.ts,
        "type": record.type,
        "prev_hash": record.prev_hash,
        **content(record),
    }
    return splice(canonical.dumps(body))[0]


def parse_record(line: bytes) -> Record:
    """Return the record that `format_record` wrote as `line`.

    Raises
    ------
    MalformedRecordError
        For every other sequence of bytes: another hash, spelling, field or type.
    """
    body, digest = split(line)
    if hashlib.sha256(b"\x00" + body).hexdigest() != digest:
        malformed(line, "its own hash", "the hash of other bytes")
    return parse_body(body, digest)


def parse_body(body: bytes, digest: Digest) -> Record:
    """Return the record of a body whose hash was already compared; strict in all else."""
    try:
        value = canonical.loads(body)
    except canonical.NotCanonicalError as error:
        raise MalformedRecordError(
            what="malformed record: expected the canonical form, found another",
            where=error.where,
            why=error.why,
            fix=_FIX,
        ) from error
    if fault := _find_fault(value):
        malformed(body, *fault)
    return _build(cast("dict[str, object]", value), digest)


def parse_stub(line: bytes) -> Record | None:
    """Return what is left of a record whose content was erased, or None if the line is no stub.

    Its bytes do not give its hash, so it counts only together with a later `redaction` record that
    states the digest of exactly this line. `line` comes without its LF.
    """
    try:
        body, digest = split(line + b"\n")
        value = canonical.loads(body)
    except IntegrityError:
        return None
    if not isinstance(value, dict) or value.pop("redacted", None) is not True:
        return None
    if _find_fault(value) or not value.keys() <= _IN_STUB:
        return None
    return _build({**value, "redacted": True}, digest)


def make_stub(line: bytes) -> bytes:
    """Return the line, LF included, that takes the place of `line` when its content is erased.

    It keeps place, time, type, link, ids and hash; `"redacted":true` stands for the rest.
    """
    body, digest = split(line)
    value = cast("dict[str, object]", canonical.loads(body))
    kept = {name: member for name, member in value.items() if name in _IN_STUB}
    stub = canonical.dumps({**kept, "redacted": True})
    return b'%b,"hash":"%b"}\n' % (stub[:-1], digest.encode())


def read_record(line: bytes) -> Record:
    """Return the record of a line whose hash and spelling are not checked again.

    For lines that a verifier or the log itself has checked. Bytes that are no record at all still
    raise `MalformedRecordError`.
    """
    try:
        value = cast("dict[str, object]", canonical.decode(line))
        record = _build(value, cast("Digest", value.pop("hash")))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise MalformedRecordError(
            what="malformed record: expected the fields of a record, found other bytes",
            where=repr(line[:60]),
            why=str(error),
            fix=_FIX,
        ) from error
    if not isinstance(record.data, dict):
        malformed(line, "data as an object", type(record.data).__name__)
    return record


def split(line: bytes) -> tuple[bytes, Digest]:
    """Return body and stated hash of `line`, by its shape alone."""
    if len(line) > MAX_LINE + 1:
        malformed(line, f"at most {MAX_LINE} bytes", str(len(line) - 1))
    match = _LINE.fullmatch(line)
    if match is None or b"\n" in match[1]:
        malformed(line, 'one line that ends in ,"hash":"<64 hex>"}', "another shape")
    return match[1] + b"}", Digest(match[2].decode())


def hash_of_line(line: bytes) -> bytes:
    """Return the hash that a line without its LF states, or nothing if it is not its own."""
    digest = hashlib.sha256(b"\x00" + line[:-TAIL] + b"}").digest()
    return digest if line[-TAIL:] == b',"hash":"%b"}' % digest.hex().encode() else b""


def link_of_line(line: bytes) -> bytes:
    """Return the `prev_hash` that a line states, as text.

    It is the last of that name: in canonical form only numbers and texts follow it, and inside a
    text the quotes of `"prev_hash":"` would be escaped.
    """
    at = line.rfind(_LINK)
    return line[at + len(_LINK) : at + len(_LINK) + 64] if at >= 0 else b""


def malformed(line: bytes, expected: str, found: str) -> NoReturn:
    """Raise `MalformedRecordError`, with the beginning of the line."""
    raise MalformedRecordError(
        what=f"malformed record: expected {expected}, found {found}",
        where=repr(line[:60]),
        why="a record has one spelling and names its own hash",
        fix=_FIX,
    )


_FIX = "run `python -m ledger verify`; restore the line from a copy or an earlier checkpoint"


def _find_fault(value: object) -> tuple[str, str] | None:
    """Return what was expected and found where a body breaks a rule of its fields."""
    if not isinstance(value, dict):
        return "an object", type(value).__name__
    if not value.keys() >= _ALWAYS:
        return f"the fields {sorted(_ALWAYS)}", f"only {sorted(value)}"
    if not value.keys() <= _FIELDS:
        return "known fields", f"{sorted(value.keys() - _FIELDS)}"
    if value["v"] != VERSION or isinstance(value["v"], bool):
        return f"v {VERSION}", repr(value["v"])
    return _find_fault_of_place(value) or _find_fault_of_content(value)


def _find_fault_of_place(value: dict[str, object]) -> tuple[str, str] | None:
    seq, ts = value["seq"], value["ts"]
    if type(seq) is not int or seq < 0:
        return "seq as a count", repr(seq)
    if not is_digest(value["prev_hash"]):
        return "prev_hash as a digest", repr(value["prev_hash"])
    if not isinstance(ts, str) or not _is_time(ts):
        return "ts as 2026-01-31T23:59:59.000000Z", repr(ts)
    if value["type"] not in TYPES:
        return f"type, one of {TYPES}", repr(value["type"])
    return None


def _find_fault_of_content(value: dict[str, object]) -> tuple[str, str] | None:
    for name, member in value.items():
        kind = _OPTIONAL.get(name)
        if kind is not None and not (member and isinstance(member, kind)):
            wanted = "text" if kind is str else "an object"
            return f"{name} as {wanted} that is not empty", repr(member)
    for name in _REFERENCES:
        if name in value:
            digests = cast("dict[str, object]", value[name])
            if not all(map(is_digest, digests.values())):
                return f"{name} as digests", repr(digests)
    return None


@functools.lru_cache(maxsize=256)
def _is_time(ts: str) -> bool:
    # The records of a batch share their time.
    if not _TS.fullmatch(ts):
        return False
    try:
        datetime.fromisoformat(ts)
    except ValueError:
        return False
    return True


def _build(value: dict[str, object], digest: Digest) -> Record:
    return Record(hash=digest, **value)  # type: ignore[arg-type]


def _plain(value: Mapping[str, object]) -> Mapping[str, object]:
    return value if type(value) is dict else dict(value)


def _refuse(name: str, why: str) -> NoReturn:
    raise UnrecordableError(
        what=f"cannot record the field {name}",
        where=f"$.{name}",
        why=why,
        fix="correct the draft; nothing was written",
    )


def _refuse_length(body: bytes) -> NoReturn:
    members = cast("dict[str, object]", json.loads(body))
    sizes = {name: len(canonical.dumps([member])) - 2 for name, member in members.items()}
    largest = sorted(sizes, key=lambda name: -sizes[name])[:3]
    raise LineTooLongError(
        what=f"record too long: {len(body) + TAIL - 1} bytes, at most {MAX_LINE}",
        where=", ".join(f"{name} {sizes[name]} bytes" for name in largest),
        why="a line is at most 65,535 bytes, so that every tool can read it",
        fix="store the large part as a blob and name its digest in `inputs` or `outputs`",
    )
