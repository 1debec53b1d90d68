"""Claims of `pipeline.simulation.walk_forward`."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config import WalkForwardParams
from pipeline.errors import DataError
from pipeline.simulation.walk_forward import Window, windows


def _params(train: int, test: int) -> WalkForwardParams:
    return WalkForwardParams(train_days=train, test_days=test, step_days=test)


geometry = st.tuples(st.integers(1, 60), st.integers(1, 30), st.integers(1, 200))


def test_windows_of_a_hand_counted_panel() -> None:
    """Ten rows, trained on four and tested on three: two windows, no row left."""
    assert windows(10, _params(4, 3)) == (
        Window(0, 0, 4, 4, 7, partial=False),
        Window(1, 3, 7, 7, 10, partial=False),
    )


def test_last_window_is_partial_when_rows_run_out() -> None:
    """A ninth row is tested, not thrown away, and the window says that it is short."""
    last = windows(9, _params(4, 3))[-1]
    assert (last.test_first, last.test_stop, last.partial) == (7, 9, True)


def test_default_geometry_is_252_10() -> None:
    """500 rows give 25 windows of ten days (the last of eight) after 252 days of training."""
    found = windows(500, WalkForwardParams())
    assert len(found) == 25
    assert found[0].decision_row == 251
    assert found[-1].test_stop - found[-1].test_first == 8


@pytest.mark.parametrize("rows", [0, 1, 100, 252])
def test_too_few_rows_name_both_numbers(rows: int) -> None:
    """Without one row to test on there is no window, and the error says how many are needed."""
    with pytest.raises(DataError, match=f"^{rows} rows of prices, expected at least 253$") as error:
        windows(rows, WalkForwardParams())
    assert "longer history" in error.value.fix


@pytest.mark.property
@given(geometry)
def test_train_ends_before_test_begins(sizes: tuple[int, int, int]) -> None:
    """Invariant 1: no window learns from a row it is tested on, whatever the parameters."""
    train, test, extra = sizes
    for window in windows(train + extra, _params(train, test)):
        train_rows = range(window.train_first, window.train_stop)
        test_rows = range(window.test_first, window.test_stop)
        assert max(train_rows) < min(test_rows)
        assert window.decision_row == max(train_rows) == min(test_rows) - 1
        assert len(train_rows) == train
        assert 1 <= len(test_rows) <= test


@pytest.mark.property
@given(geometry)
def test_test_rows_tile_the_panel(sizes: tuple[int, int, int]) -> None:
    """Invariant 2: every row after the first training is tested exactly once."""
    train, test, extra = sizes
    found = windows(train + extra, _params(train, test))
    rows = [row for window in found for row in range(window.test_first, window.test_stop)]
    assert rows == list(range(train, train + extra))
    assert [window.ordinal for window in found] == list(range(len(found)))
    assert [window.partial for window in found[:-1]] == [False] * (len(found) - 1)
    assert found[-1].partial == (extra % test != 0)


@pytest.mark.property
@given(geometry, st.integers(1, 50))
def test_more_rows_change_no_complete_window(sizes: tuple[int, int, int], more: int) -> None:
    """Invariant 3: what was decided before is decided again on a longer history."""
    train, test, extra = sizes
    short = windows(train + extra, _params(train, test))
    longer = windows(train + extra + more, _params(train, test))
    complete = [window for window in short if not window.partial]
    assert list(longer[: len(complete)]) == complete


def test_payload_holds_first_and_last_days() -> None:
    """The window of an intent names days, inclusive at both ends."""
    dates = np.datetime64("2024-01-01") + np.arange(9)
    assert windows(9, _params(4, 3))[1].to_payload(dates) == {
        "ordinal": 1,
        "train_first": "2024-01-04",
        "train_last": "2024-01-07",
        "test_first": "2024-01-08",
        "test_last": "2024-01-09",
    }
