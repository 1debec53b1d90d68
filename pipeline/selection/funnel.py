"""The funnel: six stages from usable symbols to selected ones, in order.

Each stage is a pure function from a context to another context.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.errors import DataError
from pipeline.selection.clusters import clusters
from pipeline.selection.context import Context
from pipeline.selection.features import features
from pipeline.selection.scoring import scoring
from pipeline.selection.synthesis import Selection, synthesis
from pipeline.selection.universe import universe
from pipeline.selection.vetoes import vetoes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pipeline.config import SelectionParams
    from pipeline.values import Panel

FUNNEL: tuple[Callable[[Context], Context], ...] = (
    universe,  # usable symbols -> universe and returns
    features,  # universe -> raw features
    vetoes,  # features -> verdicts and survivors
    scoring,  # survivors -> scores and ranks
    clusters,  # survivors -> clusters
    synthesis,  # ranks and clusters -> selected
)


def select(
    panel: Panel,
    usable: Sequence[str],
    params: SelectionParams,
    periods_per_year: int,
    seed: int,  # noqa: ARG001 - every stage takes the run's seed; nothing here is random
) -> Selection:
    """Return what to weigh, from the training rows alone.

    Parameters
    ----------
    panel : Panel
        Training rows; columns that are not usable are looked at by no stage.
    usable : sequence of str
        Symbols the health check passed, in any order.
    params : SelectionParams
        Limits, weights and counts.
    periods_per_year : int
        Rows of a year: 252 for sessions, 365 for markets that never close.
    seed : int
        The run's seed; not used.

    Returns
    -------
    Selection
        Possibly empty: that nothing survives is a result, and the caller decides what it means.

    Raises
    ------
    DataError
        If there are no rows, a usable symbol has no column, or they share fewer than three dates.
    ConfigError
        If `selection.weights` cannot be used.
    """
    if not len(panel.dates):
        raise DataError(
            "expected training rows, found none",
            where="select",
            why="features are computed from the training rows",
            fix="check the window's rows",
        )
    context = Context(panel, tuple(usable), params, periods_per_year)
    for stage in FUNNEL:
        context = stage(context)
    return Selection.of(context)
