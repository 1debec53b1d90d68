"""What differs between two runs, decisions, manifests or snapshots, causes before consequences.

A weight moved because something before it did. The aspects are compared in the order in which one
causes the next, so the first change found is the first cause::

    code -> lock -> manifest -> data -> parameters -> weights -> returns

Decisions of two runs belong together when step and ordinal are equal. Results are loaded only where
their recorded digests differ.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, cast

import numpy as np

from ledger import loads
from pipeline.ingestion.snapshot import from_snapshot
from pipeline.ingestion.source import Bars
from pipeline.values import iso

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ledger import Record
    from pipeline.values import DateArray, Json, Payload
    from replay.history import Decision, History

ASPECTS: Final = ("code", "lock", "manifest", "data", "parameters", "weights", "returns")
"""What is compared, causes first."""

_CODE: Final = ("commit", "dirty", "untracked")
_LOCK: Final = ("lock_sha256", "python", "platform", "processor", "packages", "blas", "threads")
_WEIGHTS: Final = "optimize"
_RETURNS: Final = ("simulate", "measure")


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that differs.

    Attributes
    ----------
    aspect : str
        One of `ASPECTS`.
    where : str
        The field, or decision and field.
    a, b : JSON values
        The value on each side; None where a side does not have it.
    count : int
        In how many decisions it differs in this way; `where` names the first.
    """

    aspect: str
    where: str
    a: Json
    b: Json
    count: int = 1

    def to_payload(self) -> Payload:
        """Return the change as JSON values."""
        return {
            "aspect": self.aspect,
            "where": self.where,
            "a": self.a,
            "b": self.b,
            "count": self.count,
        }


@dataclass(frozen=True, slots=True)
class Difference:
    """All changes between two things, causes first.

    Attributes
    ----------
    a, b : str
        What was compared.
    changes : tuple of Change
        In the order of `ASPECTS`.
    compared : int
        How many pairs of decisions were compared.
    """

    a: str
    b: str
    changes: tuple[Change, ...]
    compared: int = 0

    @property
    def first_cause(self) -> Change | None:
        """The first change, or None if nothing differs."""
        return self.changes[0] if self.changes else None

    def counts(self) -> dict[str, int]:
        """Return aspect -> number of changes, every aspect named."""
        found = dict.fromkeys(ASPECTS, 0)
        for change in self.changes:
            found[change.aspect] += change.count
        return found

    def to_payload(self) -> Payload:
        """Return the difference as JSON values."""
        first = self.first_cause
        return {
            "a": self.a,
            "b": self.b,
            "first_cause": None if first is None else first.to_payload(),
            "counts": cast("Payload", self.counts()),
            "compared": self.compared,
            "changes": [change.to_payload() for change in self.changes],
        }


def compare_runs(history: History, a: str, b: str) -> Difference:
    """Return what differs between two runs, given their run ids.

    Raises
    ------
    UnknownDecisionError
        If there is no such run.
    """
    runs = history.run(a), history.run(b)
    pairs = _Pairs(history)
    pairs.add_runs(runs[0].run_id, runs[1].run_id)
    changes = (*_causes_of_runs(history, *runs), *pairs.changes())
    return Difference(runs[0].run_id, runs[1].run_id, _ordered(changes), pairs.compared)


def compare_decisions(history: History, a: str, b: str) -> Difference:
    """Return what differs between two decisions of the same step, given their ids.

    Raises
    ------
    UnknownDecisionError
        If there is no such decision.
    """
    one, other = history.find(a), history.find(b)
    pairs = _Pairs(history)
    pairs.add(history.decision(one), history.decision(other))
    runs = (history.run(history.decision(each).intent.run_id) for each in (one, other))
    changes = (*_causes_of_runs(history, *runs), *pairs.changes())
    return Difference(one, other, _ordered(changes), pairs.compared)


def compare_manifests(a: tuple[str, Payload], b: tuple[str, Payload]) -> Difference:
    """Return what differs between two resolved manifests, each with its name."""
    changes = tuple(_leaves_that_differ("manifest", a[1], b[1]))
    return Difference(a[0], b[0], changes)


def compare_snapshots(a: tuple[str, Bars], b: tuple[str, Bars]) -> Difference:
    """Return what differs between two sets of bars, each with its name."""
    return Difference(a[0], b[0], tuple(_bars_that_differ(a[1], b[1])))


def _ordered(changes: Iterable[Change]) -> tuple[Change, ...]:
    return tuple(sorted(changes, key=lambda change: ASPECTS.index(change.aspect)))


def _causes_of_runs(history: History, a: Record, b: Record) -> Iterator[Change]:
    """Yield what differs in code, lock and manifest."""
    one, other = (cast("Payload", run.data["environment"]) for run in (a, b))
    for aspect, names in (("code", _CODE), ("lock", _LOCK)):
        for name in names:
            yield from _leaves_that_differ(aspect, one.get(name), other.get(name), name)
    yield from _leaves_that_differ("code", a.inputs.get("diff"), b.inputs.get("diff"), "diff")
    if a.inputs.get("manifest") != b.inputs.get("manifest"):
        yield from _leaves_that_differ("manifest", _manifest(history, a), _manifest(history, b))


def _manifest(history: History, run: Record) -> Json:
    digest = run.inputs.get("manifest")
    return None if digest is None else cast("Json", loads(history.blobs.get(digest)))


class _Pairs:
    """Pairs of decisions, and what differs in them."""

    def __init__(self, history: History) -> None:
        self.compared = 0
        self._history = history
        self._found: dict[tuple[str, str], Change] = {}
        self._snapshots: set[tuple[str, str]] = set()

    def add_runs(self, a: str, b: str) -> None:
        """Compare the decisions of two runs that have the same step and ordinal."""
        one, other = (
            {id_.partition("/")[2]: id_ for id_ in self._history.decisions(run)} for run in (a, b)
        )
        for name in itertools.chain(one, (name for name in other if name not in one)):
            if name in one and name in other:
                self.add(*(self._history.decision(each[name]) for each in (one, other)))
            else:
                step = name.partition("/")[0]
                self._note("parameters", f"{step} decided", name, name in one, name in other)

    def add(self, a: Decision, b: Decision) -> None:
        """Compare two decisions."""
        self.compared += 1
        name = b.intent.id.partition("/")[2]
        one, other = cast("Payload", a.intent.data), cast("Payload", b.intent.data)
        self._compare_inputs(name, a, b)
        step = a.intent.step
        for key in ("stage", "params", "seed", "cell", "as_of", "window"):
            for change in _leaves_that_differ("parameters", one.get(key), other.get(key), key):
                self._note("parameters", f"{step} {change.where}", name, change.a, change.b)
        self._compare_outcomes(name, a, b)

    def changes(self) -> Iterable[Change]:
        """Return what was found, each kind of change once."""
        return self._found.values()

    def _note(self, aspect: str, kind: str, name: str, a: Json, b: Json) -> None:
        known = self._found.get((aspect, kind))
        if known is None:
            self._found[aspect, kind] = Change(aspect, f"{kind} (first in {name})", a, b)
        else:
            self._found[aspect, kind] = replace(known, count=known.count + 1)

    def _compare_inputs(self, name: str, a: Decision, b: Decision) -> None:
        one, other = (each.intent.inputs.get("snapshot") for each in (a, b))
        if one != other and one and other and (one, other) not in self._snapshots:
            self._snapshots.add((one, other))
            bars = (from_snapshot(self._history.blobs.get(each)) for each in (one, other))
            for change in _bars_that_differ(*bars):
                sleeve = str(a.intent.data["sleeve"])
                self._note("data", f"{sleeve} {change.where}", name, change.a, change.b)
        rows = [cast("Payload", each.intent.data.get("slice") or {}) for each in (a, b)]
        if rows[0].get("sha256") != rows[1].get("sha256"):
            self._note("data", f"{a.intent.step} rows", name, *map(_shown_slice, rows))

    def _compare_outcomes(self, name: str, a: Decision, b: Decision) -> None:
        step = a.intent.step
        aspect = "returns" if step in _RETURNS else "weights"
        status = [each.outcome.status if each.outcome else None for each in (a, b)]
        if status[0] != status[1]:
            self._note(aspect, f"{step} status", name, *status)
        if status != ["ok", "ok"] or _digest(a) == _digest(b):
            return
        one, other = (self._history.result(each.intent.id)[0] for each in (a, b))
        if step == _WEIGHTS:
            for kind, x, y in _moved(one, other):
                self._note(aspect, kind, name, x, y)
        elif step in _RETURNS:
            for change in _leaves_that_differ(aspect, one, other):
                self._note(aspect, f"{step} {change.where}", name, change.a, change.b)


def _digest(decision: Decision) -> object:
    return decision.outcome.data.get("result_sha256") if decision.outcome else None


def _shown_slice(rows: Payload) -> Json:
    return f"{rows['first']}..{rows['last']}, {rows['sha256']}" if rows else None


def _moved(a: Payload, b: Payload) -> Iterator[tuple[str, Json, Json]]:
    """Yield what moved between two results of `optimize`, each symbol with both weights."""
    one, other = (cast("dict[str, float]", each["weights"]) for each in (a, b))
    for symbol in sorted({*one, *other}):
        if one.get(symbol) != other.get(symbol):
            yield f"weight of {symbol}", one.get(symbol), other.get(symbol)
    for key in ("actual", "status", "cash"):
        if a.get(key) != b.get(key):
            yield key, a.get(key), b.get(key)


def _leaves_that_differ(aspect: str, a: Json, b: Json, path: str = "") -> Iterator[Change]:
    """Yield the leaves of two JSON values that differ; lists are compared as a whole."""
    if isinstance(a, dict) and isinstance(b, dict):
        for key in sorted({*a, *b}):
            inner = f"{path}.{key}" if path else key
            yield from _leaves_that_differ(aspect, a.get(key), b.get(key), inner)
    elif a != b or isinstance(a, bool) != isinstance(b, bool):
        yield Change(aspect, path, a, b)


def _bars_that_differ(a: Bars, b: Bars) -> Iterator[Change]:
    """Yield what differs between two sets of bars: symbols, fields, days, then values."""
    one, other = np.unique(a.symbol), np.unique(b.symbol)
    if not np.array_equal(one, other):
        alone = (np.setdiff1d(one, other), np.setdiff1d(other, one))
        yield Change("data", "symbols of one side only", *(each.tolist() for each in alone))
    if list(a.fields) != list(b.fields):
        yield Change("data", "fields", list(a.fields), list(b.fields))
    for symbol in np.intersect1d(one, other):
        yield from _series_that_differ(str(symbol), _rows_of(a, symbol), _rows_of(b, symbol))


def _rows_of(bars: Bars, symbol: np.str_) -> Bars:
    first, stop = (
        np.searchsorted(bars.symbol, symbol, "left"),
        np.searchsorted(bars.symbol, symbol, "right"),
    )
    fields = {name: column[first:stop] for name, column in bars.fields.items()}
    return Bars(bars.symbol[first:stop], bars.date[first:stop], fields)


def _series_that_differ(symbol: str, a: Bars, b: Bars) -> Iterator[Change]:
    """Yield days of one side only, then the first value of each field that differs."""
    alone = (np.setdiff1d(a.date, b.date), np.setdiff1d(b.date, a.date))
    if any(days.size for days in alone):
        one_side, other_side = map(_shown_days, alone)
        yield Change("data", f"{symbol} days of one side only", one_side, other_side)
    days, rows_a, rows_b = np.intersect1d(a.date, b.date, return_indices=True)
    for name in (name for name in a.fields if name in b.fields):
        one, other = a.fields[name][rows_a], b.fields[name][rows_b]
        changed = np.flatnonzero((one != other) & ~(np.isnan(one) & np.isnan(other)))
        if changed.size:
            at = int(changed[0])
            where = f"{symbol} {name} on {iso(days[at])}"
            yield Change("data", where, _number(one[at]), _number(other[at]), int(changed.size))


def _shown_days(days: DateArray) -> Json:
    return f"{days.size}: {iso(days[0])}..{iso(days[-1])}" if days.size else None


def _number(value: np.float64) -> Json:
    return None if np.isnan(value) else float(value)
