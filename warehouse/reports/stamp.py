"""What a report was made from, written into the report so that it can be made again."""

from __future__ import annotations

import html
import json
import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, NoReturn

from warehouse.reports.errors import UnreadableReportError

if TYPE_CHECKING:
    from warehouse.reports.request import Form

FORMAT = "assay-report/1"

_META = re.compile(r'<meta name="assay-report" content="([^"]*)">')
_COMMENT = re.compile(r"\A<!-- (\{[^\n]*\}) -->\n")
_PREFIX = 20_000


@dataclass(frozen=True, slots=True)
class Stamp:
    """The arguments of a rendering.

    Attributes
    ----------
    run_id : str
        The run, also where the newest was meant.
    framework, period : str
        As `--framework` and `--period` take them; empty for none.
    head_seq, head_hash : int, str
        The record that the report stands on.
    version : str
        Version of the software that rendered.
    vkey : str
        The key that signed the checkpoint; empty where none was given.
    """

    run_id: str
    framework: str
    period: str
    head_seq: int
    head_hash: str
    version: str
    vkey: str = ""

    @property
    def text(self) -> str:
        """One line of JSON."""
        return json.dumps({"format": FORMAT, **asdict(self)}, sort_keys=True)


def read_stamp(content: bytes) -> tuple[Stamp, Form]:
    """Return what a report was made from, and its form.

    Raises
    ------
    UnreadableReportError
        If the file does not say so.
    """
    try:
        text = content.decode()
    except UnicodeDecodeError:
        _refuse("a file that is not text", "verify the HTML, JSON or Markdown that it was made of")
    start = text[:_PREFIX]
    if found := _META.search(start):
        return _parse(html.unescape(found[1])), "html"
    if found := _COMMENT.match(start):
        return _parse(found[1]), "md"
    if start.lstrip().startswith("{"):
        return _parse(text, "stamp"), "json"
    return _refuse("no stamp", "name a file that `assay report` wrote")


def _parse(text: str, member: str = "") -> Stamp:
    try:
        data = json.loads(text)
        data = data[member] if member else data
        if data.pop("format") != FORMAT:
            _refuse("another format", f"this version reads {FORMAT}")
        stamp = Stamp(**data)
    except (ValueError, KeyError, TypeError, AttributeError):
        _refuse("a damaged stamp", "the beginning of the file was changed; take another copy")
    if type(stamp.head_seq) is not int or not isinstance(stamp.head_hash, str):
        _refuse("a damaged stamp", "the beginning of the file was changed; take another copy")
    return stamp


def _refuse(found: str, fix: str) -> NoReturn:
    raise UnreadableReportError(
        f"expected a report that says what it was made from, found {found}",
        where="the file",
        why="a report is verified by making it again from the same head",
        fix=fix,
    )
