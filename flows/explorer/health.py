"""Health: the status of every symbol at every check, and what breaks a rule."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from flows.explorer.drawing import heat_map
from flows.explorer.rendering import Column, Table, cells, columns, record_link

if TYPE_CHECKING:
    import datetime as dt

    from markupsafe import Markup
    from starlette.responses import Response

    from flows.explorer.rendering import Cell
    from flows.explorer.view import Row, View

_BOOKS = """
select run_id, sleeve, max(record_seq) as newest, count(distinct as_of_date) as checks
from health.fct_asset_health group by all order by newest desc, sleeve
"""
_CHECKS = """
select symbol, as_of_date, max_by(status, record_seq) as status
from health.fct_asset_health where run_id = $run_id and sleeve = $sleeve
group by symbol, as_of_date order by symbol, as_of_date
"""
_SPELLS = """
select symbol, status, first_as_of_date, last_as_of_date, check_count, reasons, record_seq,
  record_hash
from health.fct_status_spells
where run_id = $run_id and sleeve = $sleeve and status <> 'ok'
order by symbol, first_as_of_date
"""
_FINDINGS = """
select rule, subject, detail, value, threshold, record_seq, record_hash
from health.fct_findings order by record_seq desc limit 500
"""
STATES = ("ok", "closed", "stale", "degraded", "missing", "dropped")


def health(view: View) -> Response:
    """Return the heat map of one sleeve of one run, and the findings of the snapshot."""
    books = view.ask(_BOOKS)
    findings = _findings(view)
    if not books:
        return view.page("health.html", "health", "Health", findings=findings, sleeve=None)
    runs = list(dict.fromkeys(str(row["run_id"]) for row in books))
    run_id = view.choice("run", tuple(runs), runs[0])
    sleeves = [str(row["sleeve"]) for row in books if row["run_id"] == run_id]
    sleeve = view.choice("sleeve", tuple(sleeves), sleeves[0])
    chosen = {"run_id": run_id, "sleeve": sleeve}
    checks = view.ask(_CHECKS, chosen)
    return view.page(
        "health.html",
        "health",
        "Health",
        findings=findings,
        runs=runs,
        sleeves=sorted({str(row["sleeve"]) for row in books}),
        run_id=run_id,
        sleeve=sleeve,
        picture=_picture(checks),
        counts=_counts(checks),
        spells=_spells(view, chosen),
        states=STATES,
    )


def _picture(checks: list[Row]) -> Markup:
    days = sorted({cast("dt.date", row["as_of_date"]) for row in checks})
    at = {day: place for place, day in enumerate(days)}
    rows: dict[str, list[str]] = {}
    for row in checks:
        states = rows.setdefault(str(row["symbol"]), [""] * len(days))
        states[at[cast("dt.date", row["as_of_date"])]] = str(row["status"])
    return heat_map(days, rows)


def _counts(checks: list[Row]) -> Table:
    counts: dict[str, dict[str, int]] = {}
    for row in checks:
        found = counts.setdefault(str(row["symbol"]), dict.fromkeys(STATES, 0))
        found[str(row["status"])] = found.get(str(row["status"]), 0) + 1
    rows = [cells((symbol, *(found[s] for s in STATES))) for symbol, found in counts.items()]
    heads = [Column("symbol"), *(Column(state, "number") for state in STATES)]
    return Table("Checks by symbol and status", heads, rows)


def _spells(view: View, chosen: dict[str, str]) -> Table:
    rows = [
        cells(
            (
                row["symbol"],
                row["status"],
                row["first_as_of_date"],
                row["last_as_of_date"],
                row["check_count"],
                row["reasons"],
                _cited(row),
            )
        )
        for row in view.ask(_SPELLS, chosen)
    ]
    heads = columns("symbol", "status", "from", "to", ("checks", "number"), "reasons", "record")
    return Table("Spells that are not ok", heads, rows, "Every symbol was ok at every check.")


def _findings(view: View) -> Table:
    rows = [
        cells(
            (
                row["rule"],
                row["subject"],
                row["detail"],
                row["value"],
                row["threshold"],
                _cited(row),
            )
        )
        for row in view.ask(_FINDINGS)
    ]
    heads = columns(
        "rule", "subject", "detail", ("value", "number"), ("threshold", "number"), "record"
    )
    return Table("Findings", heads, rows, "No recorded fact breaks a rule.")


def _cited(row: Row) -> Cell:
    return record_link(str(row["record_hash"]), str(row["record_seq"]))
