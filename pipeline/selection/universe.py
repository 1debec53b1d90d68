"""Stage 1: what could be held, and its returns.

The universe is what the health check passed, nothing else; a symbol without a healthy history has
no features, and padding one would invent a price.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pipeline.errors import DataError

if TYPE_CHECKING:
    from pipeline.selection.context import Context

RETURNS_MIN = 2
"""Fewer rows of returns and there is no variance."""


def universe(context: Context) -> Context:
    """Set `universe` and `returns`.

    Raises
    ------
    DataError
        If a usable symbol has no column, or the universe shares fewer than three dates.
    """
    unknown = sorted(set(context.usable) - set(context.panel.symbols))
    if unknown:
        raise DataError(
            f"expected a column for every usable symbol, found none for {', '.join(unknown)}",
            where=f"select, {len(context.panel.symbols)} columns",
            why="features are computed from the training rows",
            fix="give the panel that the health check assessed",
        )
    symbols = tuple(sorted(set(context.usable)))
    returns = context.panel.columns(symbols).returns()
    if symbols and len(returns.values) < RETURNS_MIN:
        raise DataError(
            f"expected at least {RETURNS_MIN} rows of returns, found {len(returns.values)}",
            where=f"select, {len(symbols)} usable symbols, {len(context.panel.dates)} dates",
            why="a return needs a date on which every usable symbol has a bar",
            fix="check the alignment of the sources, or raise data.floor_days",
        )
    return replace(context, universe=symbols, returns=returns)
