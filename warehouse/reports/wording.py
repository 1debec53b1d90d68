"""How numbers, dates and names are spelled on the page.

Numbers are rounded for reading only; the digest of a query covers the unrounded ones. A minus is a
minus sign, thousands are set apart by a narrow space, and what does not apply is a dash.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from warehouse.reports.traced import shown

if TYPE_CHECKING:
    import datetime as dt

ABSENT = "\u2013"
NARROW = "\u202f"
MINUS = "\u2212"
TIMES = "\u00d7"
PERCENT = 100
BPS = 10_000


def count(value: int | None) -> str:
    """Return a whole number with thousands set apart.

    >>> count(28104) == '28\u202f104'
    True
    """
    return ABSENT if value is None else shown(_signed(f"{value:,}"), value)


def decimal(value: float | None, places: int = 2) -> str:
    """Return a number with a fixed number of decimals."""
    return ABSENT if value is None else shown(_signed(f"{value:,.{places}f}"), value)


def percent(value: float | None, places: int = 1) -> str:
    """Return a fraction as a percentage."""
    if value is None:
        return ABSENT
    return shown(_signed(f"{100 * value:,.{places}f}") + f"{NARROW}%", value, PERCENT)


def bare_percent(value: float, places: int = 1) -> str:
    """Return a fraction in percent without the sign, for a narrow column."""
    return shown(_signed(f"{100 * value:,.{places}f}"), value, PERCENT)


def basis_points(value: float | None, places: int = 1) -> str:
    """Return a fraction in basis points, without the unit."""
    return ABSENT if value is None else shown(decimal(BPS * value, places), value, BPS)


def multiple(value: float) -> str:
    """Return a growth factor."""
    return shown(f"{value:,.2f}{TIMES}".replace(",", NARROW), value)


def small(value: float | None) -> str:
    """Return a number whose size matters more than its digits, such as a residual."""
    if value is None:
        return ABSENT
    return shown("0" if value == 0 else _signed(f"{value:.1e}"), value)


def significant(value: float | None) -> str:
    """Return a number with six digits that count, whatever its size."""
    return ABSENT if value is None else shown(_signed(f"{value:.6g}"), value)


def day(value: dt.date | None) -> str:
    """Return a date as `YYYY-MM-DD`."""
    return ABSENT if value is None else value.isoformat()


def month(value: dt.date) -> str:
    """Return the month of a date as `YYYY-MM`."""
    return value.isoformat()[:7]


def words(name: str) -> str:
    """Return a recorded name as words: `symbol_cap` is `symbol cap`."""
    return name.replace("_", " ")


def plural(number: int, one: str, many: str = "") -> str:
    """Return a count with its noun."""
    return f"{count(number)} {one if number == 1 else many or one + 's'}"


def parameter(text: str | None) -> str:
    """Return a recorded parameter (JSON text) as a person writes it."""
    if text is None:
        return ABSENT
    try:
        value = json.loads(text)
    except ValueError:
        return text
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _signed(text: str) -> str:
    if not any(digit in text for digit in "123456789"):
        text = text.removeprefix("-")
    return text.replace("-", MINUS).replace(",", NARROW)
