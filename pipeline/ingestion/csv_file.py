"""Prices from a CSV file, read as text so that every cell can be shown as it was written.

Taken as they come: a byte order mark, line ends of Windows, `,`, `;` or a tab between cells, and
quotes. Refused: other encodings than UTF-8, rows with more or fewer cells than the header, and
decimal commas (as cells that are not numbers).
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.errors import DataError
from pipeline.ingestion.cells import SHOWN, Table
from pipeline.ingestion.shapes import read_bars
from pipeline.ingestion.source import read_file, required_path, source_name

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.config import SourceParams
    from pipeline.ingestion.source import Bars

DELIMITERS = (",", ";", "\t")
"""What may separate cells; the one that is most frequent in the header is used."""


@dataclass(frozen=True, slots=True)
class CsvSource:
    """A CSV file, wide or long (`pipeline.ingestion.shapes`)."""

    name: str
    path: Path

    def read(self) -> Bars:
        """Return all bars of the file."""
        return read_bars(parse_csv(read_file(self.path), self.path.name))


def open_csv(params: SourceParams, base: Path) -> CsvSource:
    """Return the source of the file that `params.path` names."""
    return CsvSource(source_name(params), required_path(params, base))


def parse_csv(content: bytes, label: str) -> Table:
    """Return the table of a CSV file; row numbers are line numbers as an editor shows them.

    Raises
    ------
    DataError
        If the bytes are not UTF-8 text, or a row has another number of cells than the header.
    """
    text = _decoded(content, label)
    header = text.lstrip("\r\n").split("\n", 1)[0]
    delimiter = max(DELIMITERS, key=header.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True)
    rows: list[list[str]] = []
    lines: list[int] = []
    try:
        for row in reader:
            if row:  # a blank line, mostly the last
                rows.append(row)
                lines.append(reader.line_num)
    except csv.Error as e:
        raise DataError(
            f"{label} is not CSV: {e}",
            where=f"{label}, line {reader.line_num}",
            why="a cell that never ends would swallow the rows after it",
            fix="close the quotation mark, or save the file again as CSV",
        ) from e
    if not rows:
        return Table(label, (), (), "line", ())
    _refuse_ragged(rows, lines, label)
    columns = tuple(list(column) for column in zip(*rows[1:], strict=True))
    names = tuple(name.strip() for name in rows[0])
    return Table(label, names, columns or tuple([] for _ in names), "line", lines[1:])


def _decoded(content: bytes, label: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as e:
        raise DataError(
            f"{label} is not UTF-8 text: {e.reason}",
            where=f"{label}, byte {e.start}",
            why="in another encoding the same bytes are other symbols",
            fix='save the file as "CSV UTF-8"; a spreadsheet itself (.xlsx) cannot be read',
        ) from e


def _refuse_ragged(rows: list[list[str]], lines: list[int], label: str) -> None:
    width = len(rows[0])
    ragged = [i for i, row in enumerate(rows) if len(row) != width]
    if ragged:
        shown = "; ".join(f"line {lines[i]}: {len(rows[i])} cells" for i in ragged[:SHOWN])
        raise DataError(
            f"{label}: {len(ragged)} rows have another number of cells than the header ({width})",
            where=shown,
            why="cells of such a row belong to columns that cannot be known",
            fix="correct these rows; with decimal commas, separate cells by ; or a tab",
        )
