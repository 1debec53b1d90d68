"""Numbers that know where they came from, until something is computed with them.

A number read from an answer carries the cell it stood in; spelling it keeps that, so the page can
say of each number which query, row and column it shows, and the check in the page can compare the
two. Arithmetic gives plain numbers: what was computed after the query has no such cell, and is
covered by the digest of its section instead.
"""

from __future__ import annotations

from typing import NamedTuple, Self


class Origin(NamedTuple):
    """One cell of an answer: name of the query, row and column from 0."""

    query: str
    row: int
    column: int


class Real(float):
    """A real number of an answer."""

    origin: Origin

    def __new__(cls, value: float, origin: Origin) -> Self:
        """Return `value` with its cell."""
        made = super().__new__(cls, value)
        made.origin = origin
        return made


class Whole(int):
    """A whole number of an answer."""

    origin: Origin

    def __new__(cls, value: int, origin: Origin) -> Self:
        """Return `value` with its cell."""
        made = super().__new__(cls, value)
        made.origin = origin
        return made


class Shown(str):
    """The spelling of a number of an answer; it shows `scale` times the number."""

    __slots__ = ("origin", "scale")
    origin: Origin
    scale: int

    def __new__(cls, text: str, origin: Origin, scale: int) -> Self:
        """Return `text` with the cell that it spells."""
        made = super().__new__(cls, text)
        made.origin = origin
        made.scale = scale
        return made


def shown(text: str, value: object, scale: int = 1) -> str:
    """Return `text` with the cell of `value`, if it has one."""
    if isinstance(value, Real | Whole):
        return Shown(text, value.origin, scale)
    return text
