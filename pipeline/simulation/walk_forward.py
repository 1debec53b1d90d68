"""Which rows a decision learns from and which rows it is held for.

Invariants:
    1. The train rows end before the test rows begin: max(train) < min(test), in every window.
    2. The test rows of consecutive windows tile the panel: no row twice, none left out between.
    3. Windows depend on the number of rows and the parameters only; more rows at the end change no
       earlier window, except that a partial last window is completed.

The rows are rows of prices. The decision is taken at the close of the last train row; the first
test return runs from that close to the close of the first test row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.errors import DataError
from pipeline.records import window_payload

if TYPE_CHECKING:
    from pipeline.config import WalkForwardParams
    from pipeline.values import DateArray, Payload


@dataclass(frozen=True, slots=True)
class Window:
    """One step of the walk-forward, as half-open ranges of price rows.

    Attributes
    ----------
    ordinal : int
        Position in the walk-forward, from 0.
    train_first, train_stop : int
        Rows the decision learns from: `train_first` to `train_stop - 1`.
    test_first, test_stop : int
        Rows the decision is held for: `test_first` to `test_stop - 1`.
    partial : bool
        The data ended before the window was complete.
    """

    ordinal: int
    train_first: int
    train_stop: int
    test_first: int
    test_stop: int
    partial: bool

    @property
    def decision_row(self) -> int:
        """Row of the decision date: the last train row, whose closes are the base of the test."""
        return self.train_stop - 1

    def to_payload(self, dates: DateArray) -> Payload:
        """Return the `window` of an intent, with the first and last day of train and test.

        Parameters
        ----------
        dates : ndarray of shape (n_rows,)
            Dates of the panel the window was cut from.
        """
        train = (dates[self.train_first], dates[self.train_stop - 1])
        test = (dates[self.test_first], dates[self.test_stop - 1])
        return window_payload(self.ordinal, train, test)


def windows(n_rows: int, params: WalkForwardParams) -> tuple[Window, ...]:
    """Return every window of a panel, in time order.

    Parameters
    ----------
    n_rows : int
        Rows of prices (market days).
    params : WalkForwardParams
        `train_days`, `test_days` and `step_days` (equal to `test_days`).

    Returns
    -------
    tuple of Window
        At least one; only the last may be partial.

    Raises
    ------
    DataError
        If there is no row left to test on.
    """
    if n_rows <= params.train_days:
        raise DataError(
            f"{n_rows} rows of prices, expected at least {params.train_days + 1}",
            where="walk_forward.train_days",
            why=f"a window learns from {params.train_days} rows and is tested on at least one more",
            fix="give a longer history, or a smaller walk_forward.train_days",
        )
    starts = range(params.train_days, n_rows, params.step_days)
    return tuple(_window(ordinal, first, n_rows, params) for ordinal, first in enumerate(starts))


def _window(ordinal: int, first: int, n_rows: int, params: WalkForwardParams) -> Window:
    stop = first + params.test_days
    return Window(
        ordinal=ordinal,
        train_first=first - params.train_days,
        train_stop=first,
        test_first=first,
        test_stop=min(stop, n_rows),
        partial=stop > n_rows,
    )
