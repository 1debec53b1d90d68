"""`prove`: what shows one record or one weight to somebody who has neither ledger nor workspace."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from flows.errors import UsageError
from ledger import (
    BlobStore,
    VerifyKey,
    load_policy,
    open_proof,
    open_trusted,
    policy_of,
    prove,
    read_records,
)
from ledger.proof import HEADER

if TYPE_CHECKING:
    from pathlib import Path

    from flows.output import Output
    from flows.settings import Settings
    from ledger import Policy, Record
    from replay.proof import ProvenWeight


@dataclass(frozen=True, slots=True)
class Asked:
    """The arguments of `assay prove`."""

    text: str | None
    symbol: str | None
    out: Path | None
    check: Path | None
    keys: tuple[Path, ...]
    policy: Path | None


@dataclass(frozen=True, slots=True)
class Trust:
    """What a proof is made for or checked with.

    Attributes
    ----------
    policy : Policy
        Whose signatures count.
    level : str
        `self-consistent` with the workspace's own key, `signed` with a key that was brought,
        `witnessed` with a policy or keys that ask for cosignatures.
    """

    policy: Policy
    level: str

    @property
    def note(self) -> str:
        """What a reader must know about the key."""
        if self.level != "self-consistent":
            return self.level
        return f"{self.level}: the key is the workspace's own, bring one with --key or --policy"


def run(settings: Settings, output: Output, asked: Asked) -> int:
    """Prove a record or a weight, or check a proof."""
    trust = read_trust(settings, asked.keys, asked.policy)
    if asked.check is not None and asked.text is None and asked.symbol is None:
        return check_file(settings, output, asked.check, trust)
    if asked.text is None or asked.check is not None:
        raise UsageError(
            "expected either the ID of a record or --check FILE",
            where="assay prove",
            why="a proof is made of a record, or checked",
            fix="`assay prove ID [--symbol SYMBOL] [--out FILE]` or `assay prove --check FILE`",
        )
    made = (
        prove_record(settings, asked.text)
        if asked.symbol is None
        else prove_symbol(settings, asked.text, asked.symbol, trust)
    )
    return _deliver(settings, output, made, asked.out)


def read_trust(settings: Settings, keys: tuple[Path, ...], policy: Path | None) -> Trust:
    """Return whose signatures count: a policy, keys, or else the workspace's own key.

    Raises
    ------
    UsageError
        If both keys and a policy are named.
    """
    if policy is not None and keys:
        raise UsageError(
            "both --key and --policy",
            where="assay prove",
            why="a policy names all keys that count",
            fix="name one of them",
        )
    if policy is not None:
        found = load_policy(settings.cwd / policy)
    else:
        paths = [settings.cwd / key for key in keys]
        own = [] if paths else [settings.find_workspace().keys / "log.pub"]
        found = policy_of([VerifyKey.load(path) for path in paths or own])
        if not paths:
            return Trust(found, "self-consistent")
    return Trust(found, "signed" if found.quorum == "none" else "witnessed")


@dataclass(frozen=True, slots=True)
class Made:
    """A proof and what it is of."""

    data: bytes
    title: str
    stated: dict[str, object]


def prove_record(settings: Settings, text: str) -> Made:
    """Return the C2SP tlog-proof of a record; of a decision, that of its outcome."""
    workspace = settings.find_workspace()
    record = find_record(list(read_records(workspace.ledger)), text)
    data = prove(workspace.ledger, record.seq)
    stated: dict[str, object] = {"kind": "record", "seq": record.seq, "id": record.id}
    return Made(data, f"record {record.seq}, {record.type} {record.id}".rstrip(), stated)


def prove_symbol(settings: Settings, text: str, symbol: str, trust: Trust) -> Made:
    """Return the proof of a symbol's weight."""
    from replay.proving import prove_weight  # noqa: PLC0415 - imports pyarrow

    workspace = settings.find_workspace()
    id_ = find_record(list(read_records(workspace.ledger)), text).id
    data = prove_weight(workspace.ledger, BlobStore(workspace.blobs), id_, symbol, trust.policy)
    stated: dict[str, object] = {"kind": "weight", "id": id_, "symbol": symbol}
    return Made(data, f"weight of {symbol} in {id_}", stated)


def _deliver(settings: Settings, output: Output, made: Made, out: Path | None) -> int:
    """Write a proof to a file, or to standard output."""
    payload = {**made.stated, "bytes": len(made.data)}
    if out is None:
        proof = made.data.decode()
        return output.done(proof.rstrip("\n"), {**payload, "proof": proof})
    path = settings.cwd / out
    try:
        path.write_bytes(made.data)
    except OSError as error:
        raise UsageError(
            f"cannot write the proof: {error.strerror}",
            where=str(path),
            why="a proof is one file",
            fix="name another file with --out, in a folder that is there",
        ) from error
    text = f"{made.title}: proof of {len(made.data)} bytes in {path}"
    return output.done(text, {**payload, "path": str(path)})


def check_file(settings: Settings, output: Output, path: Path, trust: Trust) -> int:
    """Check the proof of a record or of a weight; what does not hold raises."""
    data = _read(settings.cwd / path)
    if data.startswith(HEADER.encode()):
        return _check_record(output, data, trust)
    from replay.proof import check_weight  # noqa: PLC0415 - imports numpy

    proven = check_weight(data, trust.policy)
    payload = {"kind": "weight", "trust": trust.level, **proven.to_payload()}
    return output.done(describe(proven, trust), payload)


def _check_record(output: Output, data: bytes, trust: Trust) -> int:
    record, proof = open_proof(data, trust.policy.keys)
    checkpoint = proof.checkpoint
    verified = open_trusted(checkpoint.note, trust.policy).verified
    signers = [key.name for key in verified]
    lines = [
        f"record  {record.seq} {record.type} {record.id} {record.ts}",
        f"hash    {record.hash}",
        f"head    {checkpoint.size} records of {checkpoint.origin}, root {checkpoint.root}",
        f"signed  {', '.join(signers)}",
        f"trust   {trust.note}",
        "PASS",
    ]
    payload = {
        "kind": "record",
        "trust": trust.level,
        "seq": record.seq,
        "type": record.type,
        "id": record.id,
        "hash": record.hash,
        "head": {
            "origin": checkpoint.origin,
            "size": checkpoint.size,
            "root": checkpoint.root,
            "signers": signers,
        },
    }
    return output.done("\n".join(lines), payload)


def describe(proven: ProvenWeight, trust: Trust) -> str:
    """Return the chain from a weight to the head in words."""
    decided, checkpoint = proven.decided, proven.checkpoint
    rows = [("weight", f"{proven.symbol} {proven.value!r} of {decided.id}")]
    rows += [
        ("record", f"{each.outcome.seq} {each.id}") for each in (decided, *reversed(proven.below))
    ]
    for bar in proven.bars:
        rows.append(("bar", f"{bar.date} {bar.symbol} {bar.price!r} in {bar.sleeve}"))
    chain = proven.to_payload()
    rows += [("snapshot", str(digest)) for digest in chain["snapshots"]]  # type: ignore[union-attr]
    environment = proven.run.data["environment"]
    rows += [
        ("commit", str(environment["commit"])),  # type: ignore[index]
        ("head", f"{checkpoint.size} records of {checkpoint.origin}, root {checkpoint.root}"),
        ("signed", ", ".join(key.name for key in proven.signers)),
        ("trust", trust.note),
    ]
    return "\n".join([*(f"{name:<9} {text}" for name, text in rows), "PASS"])


def find_record(records: list[Record], text: str) -> Record:
    """Return the record of a seq, or of an id or a unique part of it: of a decision, the outcome.

    Raises
    ------
    UsageError
        If none or several match.
    """
    if text.isdigit():
        found = [record for record in records if record.seq == int(text)]
    else:
        matching = [record for record in records if record.id and text in record.id]
        first = [record for record in matching if record.id.startswith(text)]
        found = [record for record in matching if record.id == text] or first or matching
    ids = list(dict.fromkeys(record.id for record in found))
    if len(ids) == 1:
        return next((record for record in found if record.type == "outcome"), found[-1])
    shown = "".join(f"\n         {id_}" for id_ in ids[:5])
    raise UsageError(
        f"{len(ids)} ids match {text!r}, expected one{shown}",
        where="assay prove",
        why="a proof is of one record, named by its seq, its id, or a unique part of the id",
        fix="`assay log` lists ids",
    )


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"cannot read the proof: {error.strerror}",
            where=str(path),
            why="a proof is one file",
            fix="name the file that `assay prove --out` wrote",
        ) from error
