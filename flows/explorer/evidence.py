"""A decision as the ledger holds it: records, result, what it stood on, what came before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from ledger import LedgerError, read_records
from replay.errors import ReplayError
from replay.history import History

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from flows.explorer.index import Entry
    from flows.explorer.view import View
    from ledger import Record
    from pipeline.values import Payload


@dataclass(frozen=True, slots=True)
class Shown:
    """One decision.

    Attributes
    ----------
    intent, outcome : Record, Record or None
        Its records.
    result : payload
        What was decided; empty if there is nothing.
    missing : str
        Why there is no result; empty if there is one.
    """

    intent: Record
    outcome: Record | None
    result: Payload
    missing: str

    @property
    def data(self) -> Payload:
        """What the intent states."""
        return cast("Payload", self.intent.data)


@dataclass(frozen=True, slots=True)
class Step:
    """One decision upstream of another.

    Attributes
    ----------
    depth : int
        Steps from the decision asked for.
    role : str
        What it gave.
    id : str
        Its id, or a pattern that stands for many.
    entry : Entry or None
        Its intent; None if the ledger has none of that id.
    status : str
        How it ended.
    used_by : str
        Id of the decision that used it.
    """

    depth: int
    role: str
    id: str
    entry: Entry | None
    status: str
    used_by: str


MOST_STEPS = 200
"""Decisions shown upstream; a weight of a meta-portfolio stands on more."""


def history_of(view: View, entries: Iterable[Entry]) -> History:
    """Return a history of these records, with what was lawfully erased."""
    erased = (each for each in view.index.entries if each.type == "redaction")
    chosen = {entry.seq: entry for entry in (*entries, *erased)}
    return History((view.index.read(chosen[seq]) for seq in sorted(chosen)), view.blobs)


def history_of_runs(view: View, run_ids: frozenset[str]) -> History:
    """Return a history of all records of some runs."""
    records = (
        record
        for record in read_records(view.site.workspace.ledger)
        if record.run_id in run_ids or record.type == "redaction"
    )
    return History(records, view.blobs)


def read_decision(view: View, id_: str) -> Shown:
    """Return a decision by its id, with its result or why it has none."""
    found = view.index.named(id_)
    outcome = found.get("outcome")
    entries = [found["intent"], *([outcome] if outcome else [])]
    history = history_of(view, entries)
    decision = history.decision(id_)
    try:
        result, _ = history.result(id_)
    except (ReplayError, LedgerError) as error:
        why = _why(decision.outcome) or error.what
        return Shown(decision.intent, decision.outcome, {}, why)
    return Shown(decision.intent, decision.outcome, result, "")


def _why(outcome: Record | None) -> str:
    """Return the error that an outcome recorded, if it did."""
    error = outcome.data.get("error") if outcome is not None else None
    return str(cast("Payload", error).get("what", "")) if isinstance(error, dict) else ""


def weights_of(shown: Shown) -> dict[str, float]:
    """Return the weights that a decision gave; empty for one that gives none."""
    step, result = shown.intent.step, shown.result
    if step == "optimize" and "weights" in result:
        return cast("dict[str, float]", result["weights"])
    if step == "rebalance" and "targets" in result:
        return cast("dict[str, float]", result["targets"])
    if step == "flatten" and "weights" in result:
        rows = cast("list[Payload]", result["weights"])
        return {str(row["symbol"]): cast("float", row["net"]) for row in rows}
    return {}


def weights_before(view: View, shown: Shown) -> tuple[dict[str, float], str]:
    """Return what the weights are held against, and what that is in words."""
    if "holdings" in shown.result:
        return cast("dict[str, float]", shown.result["holdings"]), "holdings before the trades"
    trading = shown.result.get("trading")
    if isinstance(trading, dict):
        holdings = cast("dict[str, float]", trading["holdings"])
        return holdings, "holdings just before the decision"
    before = _window_before(view, shown)
    if before is None:
        return {}, "nothing: the ledger has no window before this one"
    return weights_of(before), f"weights of the window before, {before.intent.id}"


def _window_before(view: View, shown: Shown) -> Shown | None:
    """Return the same decision one window earlier, if the ids follow the convention."""
    window = shown.data.get("window")
    ordinal = window.get("ordinal") if isinstance(window, dict) else None
    if not isinstance(ordinal, int) or ordinal == 0:
        return None
    parts = shown.intent.id.split("/")
    name, _, number = parts[2].rpartition(".") if len(parts) == 4 else ("", "", "")  # noqa: PLR2004 - run/step/ordinal/attempt
    if not number.isdecimal() or int(number) != ordinal:
        return None
    id_ = "/".join([*parts[:2], f"{name}.{ordinal - 1:0{len(number)}d}", "1"])
    return read_decision(view, id_) if "intent" in view.index.named(id_) else None


def upstream(view: View, intent: Record) -> list[Step]:
    """Return what a decision stood on, nearest first, each once."""
    found: list[Step] = []
    seen: set[str] = {intent.id}
    level = [intent]
    while level and len(found) < MOST_STEPS:
        deeper: list[Record] = []
        for record in level:
            for role, id_ in sorted(_named(record).items()):
                if id_ in seen or len(found) >= MOST_STEPS:
                    continue
                seen.add(id_)
                step = _step(view, record, role, id_, found)
                found.append(step)
                if step.entry is not None:
                    deeper.append(view.index.read(step.entry))
        level = deeper
    return found


def _named(record: Record) -> Mapping[str, str]:
    return cast("Mapping[str, str]", record.data.get("upstream") or {})


def _step(view: View, record: Record, role: str, id_: str, found: list[Step]) -> Step:
    depth = next((each.depth for each in found if each.id == record.id), 0) + 1
    named = view.index.named(id_)
    if "intent" not in named:
        count = sum(
            each.type == "intent" and each.id.startswith(id_.removesuffix("*"))
            for each in view.index.of_run(record.run_id)
        )
        status = f"{count} decisions" if id_.endswith("*") else "not recorded"
        return Step(depth, role, id_, None, status, record.id)
    outcome = named.get("outcome")
    status = "open" if outcome is None else outcome.status
    return Step(depth, role, id_, named["intent"], status, record.id)
