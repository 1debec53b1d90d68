"""Suggestions for names that are not known, so that an error can say what was probably meant."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_LISTED_AT_MOST = 12
"""More names than this are counted instead of listed."""


def closest(found: str, known: Iterable[str]) -> str | None:
    """Return the known name nearest to `found` (case ignored), or None if none is near.

    >>> closest("xnsy", ["XLON", "XNYS"])
    'XNYS'
    """
    by_lower = {name.lower(): name for name in sorted(known, reverse=True)}
    near = difflib.get_close_matches(found.lower(), sorted(by_lower), n=1, cutoff=0.6)
    return by_lower[near[0]] if near else None


def did_you_mean(found: str, known: Iterable[str]) -> str:
    """Return a sentence that suggests a known name, or lists the known ones.

    >>> did_you_mean("APPL", ["AAPL", "MSFT"])
    'did you mean AAPL?'
    """
    names = sorted(known)
    near = closest(found, names)
    if near is not None:
        return f"did you mean {near}?"
    listed = ", ".join(names[:_LISTED_AT_MOST])
    more = len(names) - _LISTED_AT_MOST
    return f"known: {listed}" + (f" and {more} more" if more > 0 else "")
