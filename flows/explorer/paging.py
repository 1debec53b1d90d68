"""Long tables in pages: which rows are shown, and what leads to the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from flows.explorer.errors import missing
from flows.explorer.rendering import address
from flows.explorer.view import PAGE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flows.explorer.view import View


@dataclass(frozen=True, slots=True)
class Pager:
    """One page of a long table.

    Attributes
    ----------
    start, stop : int
        Rows shown.
    words : str
        Which they are.
    before, after : str
        Addresses of the pages beside it; empty if there is none.
    """

    start: int
    stop: int
    words: str
    before: str
    after: str

    @classmethod
    def of(cls, view: View, path: str, count: int, values: Mapping[str, object]) -> Pager:
        """Return the page that the query names.

        Raises
        ------
        RequestError
            If there is no such page.
        """
        number, last = view.number("page", 1), max(1, -(-count // PAGE))
        if number > last:
            raise missing(f"there is no page {number}; the last is {last}", path, "go to page 1")
        start = (number - 1) * PAGE
        stop = min(start + PAGE, count)
        words = f"{start + 1} to {stop} of {count}" if count else "none"
        before = address(path, {**values, "page": number - 1}) if number > 1 else ""
        after = address(path, {**values, "page": number + 1}) if number < last else ""
        return cls(start, stop, words, before, after)
