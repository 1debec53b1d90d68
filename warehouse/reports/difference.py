"""Names the first thing in which two renderings of a report differ.

Bytes are compared first; only where they differ is the page read, cell by cell, to say where.
"""

from __future__ import annotations

import html
import json
import re
from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from warehouse.reports.request import Form

ABSENT = "nothing"

_REGION = re.compile(r'<(\w+)[^>]* data-region="([^"]+)"[^>]*>(.*?)</\1>', re.DOTALL)
_PIECE = re.compile(r"<(\w+)[^>]*>|<[^>]*>|([^<]+)")
_LONGEST = 200


@dataclass(frozen=True, slots=True)
class Difference:
    """The first difference: where it stands, what it is called, and both texts."""

    section: str
    label: str
    expected: str
    found: str

    def to_payload(self) -> dict[str, str]:
        """Return it for `--json`."""
        return {
            "section": self.section,
            "label": self.label,
            "expected": self.expected,
            "found": self.found,
        }


@dataclass(frozen=True, slots=True)
class _Piece:
    """A text with the part of the report it stands in and what it is called there."""

    section: str
    label: str
    text: str


def first_difference(expected: bytes, found: bytes, form: Form) -> Difference | None:
    """Return the first difference of a file from its rendering, or `None` where there is none."""
    if expected == found:
        return None
    read = {"html": _read_html, "json": _read_json, "md": _read_markdown}[form]
    texts = expected.decode(), found.decode(errors="replace")
    for wanted, got in zip_longest(*(read(text) for text in texts)):
        if wanted == got:
            continue
        place = wanted or got
        assert place is not None  # noqa: S101 - the longer of the two has it
        return Difference(
            place.section,
            place.label,
            wanted.text[:_LONGEST] if wanted else ABSENT,
            got.text[:_LONGEST] if got else ABSENT,
        )
    return _raw(*texts)


def _raw(expected: str, found: str) -> Difference:
    """Return the first line that differs where no text that is shown does."""
    lines = zip_longest(expected.split("\n"), found.split("\n"))
    number, wanted, got = next((i, a, b) for i, (a, b) in enumerate(lines, start=1) if a != b)
    start = next(
        (i for i, (a, b) in enumerate(zip(wanted or "", got or "", strict=False)) if a != b), 0
    )
    start = max(0, start - 20)
    return Difference(
        "what the file carries beside its text",
        f"line {number}",
        ABSENT if wanted is None else wanted[start : start + _LONGEST],
        ABSENT if got is None else got[start : start + _LONGEST],
    )


def _read_html(text: str) -> Iterator[_Piece]:
    for _, section, body in _REGION.findall(text):
        label = ""
        row: list[str] = []
        for tag, content in _PIECE.findall(body):
            if tag in ("tr", "dt", "p", "h3", "li"):
                row = []
            said = html.unescape(content).strip()
            if said:
                label = row[0] if row else ""
                row.append(said)
                yield _Piece(section, label or "text", said)


def _read_json(text: str) -> Iterator[_Piece]:
    try:
        data = json.loads(text)
    except ValueError:
        return
    yield from _walk(data, "", "")


def _walk(value: object, section: str, label: str) -> Iterator[_Piece]:
    if isinstance(value, dict):
        inner = str(value.get("title") or section)
        for key, each in value.items():
            yield from _walk(each, inner, f"{label}.{key}" if label else key)
    elif isinstance(value, list):
        for i, each in enumerate(value):
            yield from _walk(each, section, f"{label}[{i}]")
    else:
        yield _Piece(section or "report", label, json.dumps(value, ensure_ascii=False))


def _read_markdown(text: str) -> Iterator[_Piece]:
    section = "report"
    for number, line in enumerate(text.split("\n"), start=1):
        section = line[3:] if line.startswith("## ") else section
        yield _Piece(section, f"line {number}", line)
