"""The regime of every window: bands behind the curve, and a timeline of its own."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from warehouse.reports.charts import Span

if TYPE_CHECKING:
    from collections.abc import Sequence

    from warehouse.reports.evidence import Evidence, Row
    from warehouse.reports.subject import Subject

REGIMES = ("crisis", "turbulent", "normal", "quiet")
"""Worst first, the order of the timeline."""


def regime_spans(evidence: Evidence, subject: Subject) -> dict[str, dict[str, list[Span]]]:
    """Return sleeve -> regime -> the days it held, one span for each window."""
    spans: dict[str, dict[str, list[Span]]] = defaultdict(lambda: defaultdict(list))
    for row in evidence.ask("regimes", run_id=subject.run_id):
        span = held_for(row)
        earlier = spans[row.text("sleeve")][row.text("regime")]
        if earlier and (span.first - earlier[-1].last).days <= _TOUCHING_DAYS:
            earlier[-1] = Span(earlier[-1].first, span.last)
        else:
            earlier.append(span)
    return spans


def telling_regimes(evidence: Evidence, subject: Subject) -> tuple[str, dict[str, list[Span]]]:
    """Return the regimes to draw behind the main curve, and the sleeve that they are of.

    They are those of the main book, unless it was always in one regime: then those of the first
    sleeve with more than one.
    """
    spans = regime_spans(evidence, subject)
    main = subject.main.sleeve if subject.main else ""
    for sleeve in (main, *subject.sleeves):
        if len(spans.get(sleeve, {})) > 1:
            return sleeve, spans[sleeve]
    return main, spans.get(main, {})


_TOUCHING_DAYS = 4
"""A weekend with a holiday lies between the end of a window and the start of the next."""


def held_for(row: Row) -> Span:
    """Return the days a decision is held for; its own date where there are none yet."""
    decided = row.day("as_of_date")
    return Span(
        row.maybe_day("test_first_date") or decided, row.maybe_day("test_last_date") or decided
    )


def regimes_found(rows: Sequence[Row]) -> list[str]:
    """Return the names of the regimes that occur, worst first, unknown names last."""
    names = {row.text("regime") for row in rows}
    return [name for name in REGIMES if name in names] + sorted(names - set(REGIMES))
