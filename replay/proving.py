"""Make the proof of a weight from a ledger and its blobs.

What is written is checked before it is handed out, by the reader of `replay.proof`: a proof of
altered records is never made.
"""

from __future__ import annotations

import base64
import functools
from typing import TYPE_CHECKING, cast

from ledger import (
    LedgerError,
    NotCoveredError,
    dumps,
    open_trusted,
    read_checkpoint,
    read_records,
    sha256,
)
from ledger.checkpoints import list_sizes, read_kept, read_newest
from ledger.merkle import inclusion_path
from ledger.policy import known_signatures
from ledger.segments import iter_lines
from ledger.tree import DiskTree
from pipeline.fingerprint import panel_preimage
from pipeline.records import Intent
from replay.chain import Decided, WeightProofError, members, roles_of, text
from replay.errors import EvidenceMissingError, ReplayError
from replay.history import History
from replay.proof import FORMAT, check_weight, find_weight, last_bar, optimized_of
from replay.reconstruct import Snapshots

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from ledger import BlobStore, Checkpoint, Policy, Record
    from pipeline.values import Json, Panel, Payload


class NotProvableError(ReplayError):
    """A weight that is not there or zero, or a decision that gave none."""

    code = "E0505"


def prove_weight(
    root: Path, blobs: BlobStore, decision_id: str, symbol: str, policy: Policy
) -> bytes:
    """Return the proof of a weight, under the newest checkpoint that covers it.

    Parameters
    ----------
    root : Path
        The folder of the ledger.
    blobs : BlobStore
        Where snapshots and large results are.
    decision_id : str
        Id of an `optimize` or `flatten` decision.
    symbol : str
        A symbol whose weight is not zero; in a meta-portfolio's `optimize`, a sleeve.
    policy : Policy
        Whose signatures the proof carries; others are left out.

    Raises
    ------
    NotProvableError
        If the decision gave the symbol no weight.
    EvidenceMissingError
        If a result or the rows of a snapshot are not there.
    NotCoveredError
        If no checkpoint covers the records and meets the policy.
    WeightProofError
        If the records do not hold together.
    """
    history = History(read_records(root), blobs)
    top = _decided(history, history.decision(decision_id).intent.id)
    value, sleeves = _weight(top, symbol)
    chain = _collect(history, top, sleeves)
    records = [
        _opening(history, top),
        *(record for each in chain.values() for record in (each.intent, each.outcome)),
    ]
    checkpoint = _find_checkpoint(root, max(record.seq for record in records), policy)
    panels = _panels(chain.values(), blobs)
    slices = {sha256(written): written for written in map(panel_preimage, panels.values())}
    books = [chain[top.upstream[f"sleeve.{sleeve}"]] for sleeve in sleeves]
    bearing = [optimized_of(book, chain) for book in books] or [top]
    proof: Payload = {
        "bars": [last_bar(panels[each.id], each.sleeve, symbol).to_payload() for each in bearing],
        "checkpoint": checkpoint.note.decode(),
        "format": FORMAT,
        "records": cast("Json", _entries(root, records, checkpoint, blobs)),
        "slices": [base64.b64encode(slices[digest]).decode() for digest in sorted(slices)],
        "weight": {"decision": top.id, "symbol": symbol, "value": value},
    }
    data = dumps(proof) + b"\n"
    check_weight(data, policy)
    return data


def _decided(history: History, id_: str) -> Decided:
    decision = history.decision(id_)
    result, _ = history.result(id_)
    assert decision.outcome is not None  # noqa: S101 - it has a result
    return Decided(decision.intent, decision.outcome, result)


def _weight(top: Decided, symbol: str) -> tuple[float, list[str]]:
    """Return the weight and, of `flatten`, the sleeves that hold the symbol."""
    if top.step not in ("optimize", "flatten"):
        raise NotProvableError(
            f"{top.step} gives no weights",
            where=top.id,
            why="a weight is the result of an optimize or a flatten decision",
            fix="`assay log --step optimize` lists them",
        )
    try:
        return find_weight(top, symbol)
    except WeightProofError as error:
        raise NotProvableError(
            f"no weight of {symbol!r} other than zero",
            where=top.id,
            why="only what is held has a chain to prove",
            fix=f"name one of: {', '.join(_held_symbols(top))}",
        ) from error


def _held_symbols(top: Decided) -> list[str]:
    if top.step == "flatten":
        return [text(each, "symbol") for each in members(top.result, "weights")]
    return [symbol for symbol, weight in sorted(top.weights.items()) if weight]


def _collect(history: History, top: Decided, sleeves: Sequence[str]) -> dict[str, Decided]:
    """Return the decisions of the chain by id, `top` first, ingestions last."""
    chain, pending = {top.id: top}, [top]
    while pending:
        above = pending.pop()
        for role in roles_of(above, sleeves):
            below = _decided(history, above.upstream[role])
            if below.intent.run_id != top.intent.run_id:
                raise _other_run(top, below)
            if below.id not in chain:
                chain[below.id] = below
                pending.append(below)
    optimized = [each for each in chain.values() if each.step == "optimize"]
    for each in optimized:
        if "composition" not in each.upstream:
            ingested = _ingestion(history, each)
            chain[ingested.id] = ingested
    return chain


def _other_run(top: Decided, below: Decided) -> NotProvableError:
    return NotProvableError(
        f"the weight rests on {below.id}, which another run decided",
        where=top.id,
        why="a proof tells of one run, whose code and lock it names",
        fix="prove the weight in that run",
    )


def _ingestion(history: History, optimized: Decided) -> Decided:
    """Return the decision that read the prices of a sleeve."""
    for id_ in history.decisions(optimized.intent.run_id):
        intent = history.decision(id_).intent
        found = intent.step, intent.data.get("sleeve"), intent.inputs.get("snapshot")
        if found == ("ingest", optimized.sleeve, optimized.snapshot):
            return _decided(history, id_)
    raise EvidenceMissingError(
        f"no ingestion of snapshot {optimized.snapshot}",
        where=f"run {optimized.intent.run_id}",
        why="a proof ends where the prices entered",
        fix="run `assay verify`",
    )


def _opening(history: History, top: Decided) -> Record:
    found = history.runs.get(top.intent.run_id)
    if found is None:
        raise EvidenceMissingError(
            "the run has no opening record",
            where=f"run {top.intent.run_id}",
            why="a proof names the code and the lock that decided",
            fix="run `assay verify`",
        )
    return found


def _find_checkpoint(root: Path, last: int, policy: Policy) -> Checkpoint:
    """Return the newest checkpoint over `last` that meets the policy, other signatures left out."""
    newest = read_newest(root)
    kept = (read_kept(root, size) for size in reversed(list_sizes(root)) if size > last)
    refused: LedgerError | None = None
    for checkpoint in (*([newest] if newest is not None else []), *kept):
        if checkpoint.size <= last:
            continue
        try:
            return read_checkpoint(known_signatures(open_trusted(checkpoint.note, policy)))
        except LedgerError as error:
            refused = refused or error
    if refused is not None:
        raise refused
    raise NotCoveredError(
        what=f"no checkpoint covers record {last}",
        where=str(root),
        why="a proof ends in a signed root over its records",
        fix="sign one with `assay checkpoint`, then prove again",
    )


def _panels(chain: Iterable[Decided], blobs: BlobStore) -> dict[str, Panel]:
    """Return id of each `optimize` decision -> the rows it was asked to use."""
    snapshots, found = Snapshots(blobs), {}
    for each in chain:
        if each.step != "optimize":
            continue
        panel = snapshots.rows(Intent.from_payload(each.intent.data), each.snapshot)
        assert panel is not None  # noqa: S101 - every optimize names rows and a snapshot
        found[each.id] = panel
    return found


def _entries(
    root: Path, records: Sequence[Record], checkpoint: Checkpoint, blobs: BlobStore
) -> list[dict[str, object]]:
    """Return line, path and, where a blob holds it, result of each record, by seq."""
    wanted = {record.seq: record for record in records}
    last = max(wanted)
    # The paths of one proof share most of their nodes.
    roots = functools.cache(DiskTree(root, checkpoint.size).root_of)
    entries: list[dict[str, object]] = []
    for seq, line in iter_lines(root, min(wanted)):
        if seq in wanted:
            path = inclusion_path(roots, seq, checkpoint.size)
            entry: dict[str, object] = {
                "line": line.decode(),
                "path": [base64.b64encode(node).decode() for node in path],
            }
            if named := wanted[seq].outputs.get("result"):
                entry["result"] = blobs.get(named).decode()
            entries.append(entry)
        if seq == last:
            break
    return entries
