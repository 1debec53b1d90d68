"""What can be held: the health check's answer, and returns on common dates."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.config import SelectionParams
from pipeline.errors import DataError
from pipeline.selection.context import Context
from pipeline.selection.universe import universe
from pipeline.values import Panel

CLOSES = [[1.0, 4.0, np.nan], [2.0, np.nan, 1.0], [4.0, 2.0, 1.0], [2.0, 1.0, 2.0]]
DATES = ["2020-01-01", "2020-01-02", "2020-01-03", "2020-01-06"]
PANEL = Panel.of(DATES, ["A", "B", "C"], CLOSES)


def context(*usable: str) -> Context:
    """Return the context before the first stage."""
    return Context(PANEL, tuple(usable), SelectionParams(), 252)


def test_universe_is_what_is_usable_in_ascending_order() -> None:
    """Order and repetition of the input do not matter."""
    assert universe(context("B", "A", "B")).universe == ("A", "B")


def test_returns_use_only_dates_with_every_bar() -> None:
    """B has no bar on the second day: both returns span it, nothing is padded."""
    returns = universe(context("A", "B")).returns
    assert [str(date) for date in returns.dates] == ["2020-01-03", "2020-01-06"]
    assert returns.values.tolist() == [[3.0, -0.5], [-0.5, -0.5]]


def test_holes_of_unusable_symbols_do_not_matter() -> None:
    """C lacks the first bar, but it is not looked at."""
    assert len(universe(context("A")).returns.values) == 3


def test_no_usable_symbol_is_an_empty_universe() -> None:
    """That nothing is usable is a result; the caller decides."""
    found = universe(context())
    assert found.universe == ()
    assert found.returns.symbols == ()


def test_usable_symbol_without_a_column_is_an_error() -> None:
    """The health check and the panel disagree."""
    with pytest.raises(DataError, match="none for X, Y"):
        universe(context("Y", "A", "X"))


def test_too_few_common_dates_are_an_error() -> None:
    """A single return has no variance."""
    with pytest.raises(DataError, match="found 1"):
        universe(context("A", "B", "C"))
