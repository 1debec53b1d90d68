"""The records of a weight proof: each under the checkpoint, each in its place in the chain.

Bytes of strangers come in; what does not hold raises `WeightProofError` and nothing else.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NoReturn, TypeVar, cast

from ledger import LedgerError, dumps, loads, parse_record, sha256, verify_inclusion
from pipeline.values import Holdings
from replay.errors import ReplayError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ledger import Checkpoint, Digest, Record
    from pipeline.values import Payload

STAGES: Final = frozenset(
    f"{step}@1"
    for step in (
        *("ingest", "assess", "detect", "select", "optimize"),
        *("rebalance", "simulate", "compose", "flatten"),
    )
)
"""Stages whose records are read; another version of one needs another format."""

FOLLOWED: Final = MappingProxyType({"rebalance": ("weights",), "simulate": ("trades",)})
"""Steps of which only some roles lead to the weight; the digests of the others are stated."""

T = TypeVar("T")


class WeightProofError(ReplayError):
    """Bytes that are no weight proof, or one that does not hold."""

    code = "E0504"
    exit_code = 3


@dataclass(frozen=True, slots=True)
class Decided:
    """A decision as its two records tell it, with its result."""

    intent: Record
    outcome: Record
    result: Payload

    @property
    def id(self) -> str:
        """The id of both records."""
        return self.intent.id

    @property
    def step(self) -> str:
        """The stage that decided."""
        return self.intent.step

    @property
    def sleeve(self) -> str:
        """The sleeve it was decided for."""
        return text(self.intent.data, "sleeve")

    @property
    def snapshot(self) -> Digest | None:
        """The blob that its rows are of."""
        return self.intent.inputs.get("snapshot")

    @property
    def upstream(self) -> dict[str, str]:
        """Role -> id of the decisions that it builds on."""
        return cast("dict[str, str]", member(self.intent.data, "upstream", kind=dict))

    @property
    def weights(self) -> dict[str, object]:
        """Symbol -> weight: of `optimize` the target, else what the book holds."""
        if self.step == "simulate":
            return _held(member(self.result, "holdings_end", kind=dict))
        name = {"optimize": "weights", "rebalance": "targets"}.get(self.step)
        if name is None:
            refuse("a decision that weighs", self.id)
        return member(self.result, name, kind=dict)


@dataclass(frozen=True, slots=True)
class Entry:
    """A record under the checkpoint, and the result where it has one."""

    record: Record
    result: Payload | None


def open_entry(stated: object, checkpoint: Checkpoint) -> Entry:
    """Return the record of an entry, once its path was climbed and its result hashed."""
    has_result = isinstance(stated, dict) and "result" in stated
    entry = exact(stated, "line", "path", *(["result"] if has_result else []))
    try:
        record = parse_record(text(entry, "line").encode() + b"\n")
    except LedgerError as error:
        refuse("the line of a record", error.what)
    path = [decode(node) for node in members(entry, "path")]
    leaf, root = bytes.fromhex(record.hash), bytes.fromhex(checkpoint.root)
    held = verify_inclusion(leaf, record.seq, checkpoint.size, path, root)
    require(held, "a record under the root of the checkpoint", f"record {record.seq}")
    blob = text(entry, "result") if has_result else None
    return Entry(record, _result_of(record, blob))


def _result_of(record: Record, blob: str | None) -> Payload | None:
    """Return the result of an outcome, which is what its digests say."""
    named = record.outputs.get("result")
    require((blob is None) == (named is None), "a result where a blob is named", record.seq)
    if record.type != "outcome":
        require(named is None, "the result of an outcome", f"one in {record.seq}")
        return None
    inline = record.data.get("result")
    require((inline is None) != (named is None), "one result", f"none or two in {record.seq}")
    try:
        result = cast("Payload", inline if blob is None else loads(blob.encode()))
        digest = sha256(dumps(result) if blob is None else blob.encode())
    except LedgerError as error:
        refuse("the canonical bytes of a result", error.why)
    stated = record.data.get("result_sha256")
    require(digest == stated, f"a result with the digest {stated}", digest)
    require(named is None or digest == named, "the blob that is named", digest)
    return result


class Chain:
    """The records of a proof by what they are, and which of them were needed.

    Parameters
    ----------
    entries : sequence of Entry
        In the order of the ledger.
    """

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._entries: dict[tuple[str, str], Entry] = {}
        self._used: set[tuple[str, str]] = set()
        last = -1
        for entry in entries:
            record = entry.record
            require(record.seq > last, "records in the order of the ledger, once", record.seq)
            last = record.seq
            self._entries[record.type, record.id] = entry
        require(len(self._entries) == len(entries), "one record of a type and id", "two")

    def decision(self, id_: object) -> Decided:
        """Return the decision with this id, whose records belong together."""
        intent, entry = self._take("intent", id_).record, self._take("outcome", id_)
        outcome = entry.record
        pair = (intent.step, intent.run_id), (outcome.step, outcome.run_id)
        require(pair[0] == pair[1], "intent and outcome of one step and run", pair)
        require(intent.seq < outcome.seq, "an intent before its outcome", id_)
        require(outcome.status == "ok", "a decision that was taken", f"{id_} {outcome.status}")
        stage = text(intent.data, "stage")
        require(stage in STAGES and stage == f"{intent.step}@1", f"{intent.step}@1", stage)
        decided = Decided(intent, outcome, cast("Payload", entry.result))
        stated = member(outcome.data, "upstream_sha256", kind=dict)
        require(stated.keys() == decided.upstream.keys(), "a digest for each role", sorted(stated))
        return decided

    def follow(self, decided: Decided, sleeves: Sequence[str] = ()) -> dict[str, Decided]:
        """Return the decisions that lead to this one by id, the digest of each result compared.

        Of `flatten`, those of `sleeves` only.
        """
        found: dict[str, Decided] = {}
        pending = [decided]
        while pending:
            above = pending.pop()
            for role in roles_of(above, sleeves):
                below = self.decision(above.upstream.get(role))
                _check_link(above, role, below)
                if below.id not in found:
                    found[below.id] = below
                    pending.append(below)
        return found

    def source(self, optimized: Decided) -> Decided:
        """Return what the snapshot of an `optimize` decision came from."""
        if "composition" in optimized.upstream:
            found = self.decision(optimized.upstream["composition"])
            made, wanted = found.outcome.outputs.get("snapshot"), "compose"
        else:
            found = self._ingestion(optimized.sleeve)
            made, wanted = found.snapshot, "ingest"
        require(found.step == wanted, f"a decision of {wanted}", found.step)
        require(found.intent.run_id == optimized.intent.run_id, "a source of the run", found.id)
        require(found.outcome.seq < optimized.intent.seq, "a source before its use", found.id)
        snapshot = optimized.snapshot
        require(snapshot is not None and made == snapshot, f"the snapshot {snapshot}", made)
        return found

    def _ingestion(self, sleeve: str) -> Decided:
        wanted = ("intent", "ingest", sleeve)
        found = [
            id_
            for (type_, id_), entry in self._entries.items()
            if (type_, entry.record.step, entry.record.data.get("sleeve")) == wanted
        ]
        require(len(found) == 1, f"one ingestion of {sleeve}", len(found))
        return self.decision(found[0])

    def opening(self, run_id: str) -> Record:
        """Return what the run was opened with: code, lock and manifest, each named twice."""
        opened = [key for key in self._entries if key[0] == "run"]
        require(len(opened) == 1, "the opening of the run", f"{len(opened)} run records")
        run = self._take(*opened[0]).record
        first = next(iter(self._entries.values())).record
        require((run.run_id, run.status, run) == (run_id, "open", first), "its opening", run.id)
        environment = member(run.data, "environment", kind=dict)
        text(environment, "commit")
        lock, manifest = text(environment, "lock_sha256"), text(run.data, "manifest_sha256")
        require(run.inputs.get("lock") == lock, "the lock of the environment", lock)
        require(run.inputs.get("manifest") == manifest, "the manifest of the run", manifest)
        return run

    def check_all_used(self) -> None:
        """Refuse records that the chain does not need."""
        unused = [entry.record.seq for key, entry in self._entries.items() if key not in self._used]
        require(not unused, "no record beside the chain", unused)

    def _take(self, type_: str, id_: object) -> Entry:
        entry = self._entries.get((type_, id_)) if isinstance(id_, str) else None
        if entry is None:
            refuse(f"the {type_} of {id_}", "none")
        self._used.add((type_, entry.record.id))
        return entry


def _check_link(above: Decided, role: str, below: Decided) -> None:
    stated = member(above.outcome.data, "upstream_sha256", kind=dict)
    digest = below.outcome.data["result_sha256"]
    require(stated[role] == digest, f"the result of {below.id} as {role}", stated[role])
    require(below.outcome.seq < above.outcome.seq, "results before their use", below.id)
    require(below.intent.run_id == above.intent.run_id, "decisions of one run", below.id)
    if not role.startswith("sleeve.") and below.step != "compose":
        require(below.snapshot == above.snapshot, "one snapshot of a sleeve", below.id)


def roles_of(decided: Decided, sleeves: Sequence[str]) -> list[str]:
    """Return the roles that lead to the weight."""
    if decided.step == "compose":
        return []
    if decided.step == "flatten":
        return ["weights", *(f"sleeve.{sleeve}" for sleeve in sleeves)]
    return list(FOLLOWED.get(decided.step, sorted(decided.upstream)))


def _held(holdings: dict[str, object]) -> dict[str, object]:
    """Return what a book holds as fractions of its NAV."""
    try:
        return dict(Holdings.from_payload(cast("Payload", holdings)).weights())
    except (KeyError, TypeError, AttributeError, AssertionError, ZeroDivisionError) as error:
        refuse("cash and positions", error)


def members(value: object, name: str) -> list[object]:
    """Return a member that is a list."""
    return member(value, name, kind=list)


def exact(value: object, *names: str, **fixed: str) -> Payload:
    """Return an object that has exactly these members, some with a fixed text."""
    if not isinstance(value, dict) or sorted(value) != sorted(names):
        refuse(f"the members {', '.join(names)}", value)
    for name, wanted in fixed.items():
        require(value[name] == wanted, f"{name} {wanted}", value[name])
    return cast("Payload", value)


def member(value: object, name: str, *, kind: type[T]) -> T:
    """Return a member of the type that is expected."""
    found = value.get(name) if isinstance(value, dict) else None
    if not isinstance(found, kind):
        refuse(f"{name} as {kind.__name__}", found)
    return found


def text(value: object, name: str) -> str:
    """Return a member that is text."""
    return member(value, name, kind=str)


def decode(encoded: object) -> bytes:
    """Return the bytes of base64 in its one spelling."""
    if not isinstance(encoded, str):
        refuse("base64", encoded)
    try:
        decoded = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        refuse("base64", encoded)
    require(base64.b64encode(decoded).decode() == encoded, "one spelling of base64", encoded)
    return decoded


def require(holds: object, expected: str, found: object) -> None:
    """Refuse the proof unless something holds."""
    if not holds:
        refuse(expected, found)


def refuse(expected: str, found: object) -> NoReturn:
    """Raise `WeightProofError`."""
    shown = str(found)
    raise WeightProofError(
        f"the proof does not hold: expected {expected}, found {shown[:120]}",
        where="weight proof",
        why="a proof leads from one weight to a signed head; every byte of it counts",
        fix="make it again with `assay prove`, or ask for another copy",
    )
