"""Section 3: what the performance rests on. It cannot be switched off."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from warehouse.reports.page import Column, Line, Table
from warehouse.reports.subject import META
from warehouse.reports.wording import ABSENT, count, day, parameter, percent, plural, words

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from warehouse.reports.evidence import Evidence, Row
    from warehouse.reports.subject import Subject

_REGIMES = ("quiet", "normal", "turbulent", "crisis")


@dataclass(frozen=True, slots=True)
class Assumptions:
    """The assumptions, one column for each sleeve, and every parameter.

    Attributes
    ----------
    is_sample : bool
        Whether any sleeve reads the bundled sample, whose symbols are survivors.
    """

    table: Table
    parameters: Table
    is_sample: bool


def tell_assumptions(evidence: Evidence, subject: Subject) -> Assumptions:
    """Return the assumptions as recorded by the decisions of the run."""
    run = {"run_id": subject.run_id}
    snapshots = {row.text("sleeve"): row for row in evidence.ask("snapshots", **run)}
    geometry = {row.text("sleeve"): row for row in evidence.ask("geometry", **run)}
    tested = {row.text("sleeve"): row for row in evidence.ask("test_rows", **run)}
    values = _values(evidence, subject)
    sleeves = tuple(dict.fromkeys((*subject.sleeves, *snapshots)))
    columns = (Column("Assumption", "text"), *(Column(sleeve, "text") for sleeve in sleeves))
    lines = [
        *_data_lines(sleeves, snapshots),
        *_geometry_lines(sleeves, geometry, tested),
        *_cost_lines(sleeves, values),
        _record_line(evidence, "Prices recorded in", sleeves, snapshots),
        _record_line(evidence, "Geometry recorded in", sleeves, geometry),
        _record_line(
            evidence, "Costs recorded in", sleeves, _first_of(evidence, subject, "simulate")
        ),
        _record_line(
            evidence, "Caps recorded in", sleeves, _first_of(evidence, subject, "optimize")
        ),
    ]
    sources = [row.maybe_text("source") or "" for row in snapshots.values()]
    return Assumptions(
        Table(
            "assumptions-table",
            "Assumptions, with the first record that holds them",
            columns,
            tuple(lines),
            "parameters",
            also=("snapshots", "geometry", "test_rows"),
        ),
        _parameter_table(evidence, subject),
        any(source.startswith("sample") for source in sources),
    )


def _values(evidence: Evidence, subject: Subject) -> dict[tuple[str, str, str], str]:
    """Return (step, sleeve, parameter) -> what was recorded, joined if it ever differed."""
    found: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for row in evidence.ask("parameters", run_id=subject.run_id):
        key = row.text("step"), row.maybe_text("sleeve") or "", row.text("parameter")
        found[key].append(parameter(row.maybe_text("value")))
    return {key: ", ".join(texts) for key, texts in found.items()}


def _first_of(evidence: Evidence, subject: Subject, step: str) -> dict[str, Row]:
    """Return sleeve -> the row of `parameters` with the first decision of `step`."""
    first: dict[str, Row] = {}
    for row in evidence.ask("parameters", run_id=subject.run_id):
        sleeve = row.maybe_text("sleeve") or ""
        if row.text("step") != step:
            continue
        if sleeve not in first or row.count("record_seq") < first[sleeve].count("record_seq"):
            first[sleeve] = row
    return first


def _record_line(
    evidence: Evidence, name: str, sleeves: tuple[str, ...], rows: Mapping[str, Row]
) -> Line:
    return Line((name, *(evidence.cite(rows[s]) if s in rows else ABSENT for s in sleeves)))


def _data_lines(sleeves: tuple[str, ...], snapshots: Mapping[str, Row]) -> list[Line]:
    def each(name: str, spell: Callable[[Row], str]) -> Line:
        cells = (spell(snapshots[s]) if s in snapshots else ABSENT for s in sleeves)
        return Line((name, *cells))

    return [
        each("Prices from", lambda row: row.maybe_text("source") or "the sleeves, net of costs"),
        each("Symbols", lambda row: count(row.maybe_count("symbol_count"))),
        each("First day", lambda row: day(row.maybe_day("first_date"))),
        each("Last day", lambda row: day(row.maybe_day("last_date"))),
        each("Price used", lambda row: words(row.maybe_text("price_field") or "NAV of the sleeve")),
        each("Calendar", lambda row: row.maybe_text("calendar") or ABSENT),
        each("Days a year", lambda row: count(row.maybe_count("periods_per_year"))),
    ]


def _geometry_lines(
    sleeves: tuple[str, ...], geometry: Mapping[str, Row], tested: Mapping[str, Row]
) -> list[Line]:
    def learned(row: Row) -> str:
        least, most = row.maybe_count("train_rows_least"), row.maybe_count("train_rows_most")
        return f"{count(most)} days" if least == most else f"{count(least)} to {count(most)} days"

    def held(row: Row) -> str:
        least, most = row.count("least"), row.count("most")
        return f"{count(most)} days" + (f", the last {count(least)}" if least < most else "")

    def each(name: str, rows: Mapping[str, Row], spell: Callable[[Row], str]) -> Line:
        return Line((name, *(spell(rows[s]) if s in rows else ABSENT for s in sleeves)))

    return [
        each("Learned from", geometry, learned),
        each("Held for", tested, held),
        each("Windows", geometry, lambda row: count(row.count("windows"))),
    ]


def _cost_lines(sleeves: tuple[str, ...], values: Mapping[tuple[str, str, str], str]) -> list[Line]:
    def each(name: str, step: str, parameter_: str, unit: str = "") -> Line:
        found = [values.get((step, sleeve, parameter_)) for sleeve in sleeves]
        return Line((name, *(ABSENT if v is None else v + unit for v in found)))

    def caps(name: str, section: str) -> Line:
        return Line((name, *(_caps(values, sleeve, section) for sleeve in sleeves)))

    return [
        each("Slippage", "simulate", "slippage_bps", " bps"),
        each("Commission", "simulate", "commission_bps", " bps"),
        each("Rebalanced", "simulate", "rebalance"),
        each("Simulator", "simulate", "simulator"),
        each("NAV at the start", "simulate", "initial_nav"),
        each("Liquidated below", "simulate", "wealth_floor", " of it"),
        caps("Symbol cap by regime", "symbol_caps"),
        caps("Cluster cap by regime", "cluster_caps"),
        each("Caps that cannot sum to 1", "optimize", "infeasible_caps"),
        each("Risk-free rate", "optimize", "risk_free_rate"),
        each("Health gate strict", "assess", "strict_health"),
    ]


def _caps(values: Mapping[tuple[str, str, str], str], sleeve: str, section: str) -> str:
    found = [values.get(("optimize", sleeve, f"{section}.{regime}")) for regime in _REGIMES]
    known = [float(text) for text in found if text is not None]
    if len(known) < len(_REGIMES):
        return values.get(("optimize", sleeve, "sleeve_cap"), ABSENT) if sleeve == META else ABSENT
    return " / ".join(percent(value, 0) for value in known)


def _parameter_table(evidence: Evidence, subject: Subject) -> Table:
    answer = evidence.ask("parameters", run_id=subject.run_id)
    columns = (
        Column("step", "text"),
        Column("sleeve", "text"),
        Column("parameter", "code"),
        Column("value", "code"),
        Column("decisions"),
    )
    lines = tuple(
        Line(
            (
                row.text("step"),
                row.maybe_text("sleeve") or ABSENT,
                row.text("parameter"),
                parameter(row.maybe_text("value")),
                count(row.count("decisions")),
            ),
            evidence.cite(row),
        )
        for row in answer
    )
    caption = f"Every resolved parameter: {plural(len(lines), 'row')}"
    return Table("parameters-table", caption, columns, lines, answer.name)
