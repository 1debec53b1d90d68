"""The period of a report: days that decisions and returns are limited to.

A statement that reads a table of decisions or returns is narrowed by putting a selection of the
days in the place of the table, so that what is printed in the appendix can still be pasted. Growth
starts again at 1 on the first day of the period; a drawdown stays measured from the highest value
since the run began, for that is what a holder had seen.
"""

from __future__ import annotations

import calendar
import datetime as dt
import re
from dataclasses import dataclass
from typing import NoReturn

from warehouse.reports.errors import UnreadablePeriodError

DATED = (
    "health.fct_asset_health",
    "health.fct_fallbacks",
    "health.fct_intents",
    "health.fct_solver_outcomes",
    "meta.bdg_flattened_paths",
    "meta.fct_flattened_weights",
    "meta.fct_flattenings",
    "meta.fct_regime_components",
    "meta.fct_regimes",
    "meta.fct_selections",
    "meta.fct_trades",
    "meta.fct_vetoes",
    "metrics.fct_cap_usage",
    "metrics.fct_dropped_symbols",
    "metrics.fct_turnover",
    "metrics.fct_weights",
    "metrics.fct_window_metrics",
)
"""Tables with one row for something that was decided for a day, `as_of_date`."""

_RETURNS = "metrics.fct_portfolio_returns"
_NAMES = "|".join(re.escape(name) for name in (*DATED, _RETURNS))
_READ = re.compile(rf"\b(from|join)(\s+)({_NAMES})\b(\s+as\s+\w+)?", re.IGNORECASE)
_GROWTH = "{0}_growth / (first({0}_growth order by return_date) over book / (1 + first({0}_return order by return_date) over book)) as {0}_growth"  # noqa: E501 - one expression
_BOOK = "window book as (partition by run_id, sleeve, engine, risk_profile)"
_SPAN = re.compile(r"(\d{4}-\d\d-\d\d)\.\.(\d{4}-\d\d-\d\d)", re.ASCII)
_YEAR = re.compile(r"(\d{4})(?:-Q([1-4]))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Period:
    """Two days, both included."""

    first: dt.date
    last: dt.date

    @property
    def text(self) -> str:
        """One spelling of the period, `FROM..TO`."""
        return f"{self.first.isoformat()}..{self.last.isoformat()}"

    @property
    def words(self) -> str:
        """The period as a reader says it."""
        return f"{self.first.isoformat()} to {self.last.isoformat()}"


def parse_period(text: str) -> Period:
    """Return the period of `2020`, `2020-Q1` or `2020-01-01..2020-06-30`.

    Raises
    ------
    UnreadablePeriodError
        For every other text, and where the last day is before the first.
    """
    span, year = _SPAN.fullmatch(text), _YEAR.fullmatch(text)
    try:
        if span:
            period = Period(*(dt.date.fromisoformat(day) for day in span.groups()))
        elif year:
            period = _of_year(int(year[1]), year[2])
        else:
            _refuse(text)
    except ValueError:
        _refuse(text)
    if period.last < period.first:
        _refuse(text)
    return period


def _of_year(year: int, quarter: str | None) -> Period:
    first, last = (int(quarter) * 3 - 2, int(quarter) * 3) if quarter else (1, 12)
    days = calendar.monthrange(year, last)[1]
    return Period(dt.date(year, first, 1), dt.date(year, last, days))


def narrow(sql: str, period: Period) -> str:
    """Return `sql` with every table of decisions or returns limited to the days of `period`."""

    def limited(found: re.Match[str]) -> str:
        word, space, table, alias = found.groups()
        name = alias or f" as {table.partition('.')[2]}"
        return f"{word}{space}{_selection(table, period)}{name}"

    return _READ.sub(limited, sql)


def _selection(table: str, period: Period) -> str:
    days = f"between date '{period.first}' and date '{period.last}'"
    if table.lower() != _RETURNS:
        return f"(select * from {table} where as_of_date {days})"  # noqa: S608 - names of ours
    growth = ", ".join(_GROWTH.format(basis) for basis in ("gross", "net"))
    source = f"from {table} where return_date {days} {_BOOK}"
    return f"(select * replace ({growth}) {source})"


def _refuse(text: str) -> NoReturn:
    raise UnreadablePeriodError(
        f"expected a period as 2020, 2020-Q1 or 2020-01-01..2020-06-30, found {text!r}",
        where="assay report --period",
        why="a report covers whole days, both ends included",
        fix="write one year, one quarter, or two days with two dots between them",
    )
