"""CSV files as bytes: encodings, delimiters, line ends, and what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config import SourceParams
from pipeline.errors import DataError
from pipeline.fingerprint import bars_digest
from pipeline.ingestion.csv_file import parse_csv
from pipeline.ingestion.shapes import read_bars
from pipeline.ingestion.source import open_source

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.ingestion.source import Bars

WIDE = "date,AAA,BBB\n2024-01-02,1.5,2\n2024-01-03,,2.5\n"


def read(text: str | bytes) -> Bars:
    """Return the bars of a CSV text."""
    return read_bars(parse_csv(text.encode() if isinstance(text, str) else text, "p.csv"))


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"\xef\xbb\xbf" + WIDE.encode(), id="byte order mark"),
        pytest.param(WIDE.replace("\n", "\r\n").encode(), id="Windows line ends"),
        pytest.param(WIDE.replace("\n", "\r").encode(), id="old Macintosh line ends"),
        pytest.param(WIDE.replace(",", ";").encode(), id="semicolons"),
        pytest.param(WIDE.replace(",", "\t").encode(), id="tabs"),
        pytest.param(WIDE.replace(",", ", ").encode(), id="blanks after commas"),
        pytest.param(WIDE.replace("AAA", '"AAA"').encode(), id="quotes"),
        pytest.param(("\n" + WIDE + "\n\n").encode(), id="blank lines"),
        pytest.param(WIDE.rstrip("\n").encode(), id="no last line end"),
    ],
)
def test_spellings_of_the_same_file_give_the_same_bars(content: bytes) -> None:
    """How a spreadsheet saves a file does not change its prices."""
    assert bars_digest(read(content)) == bars_digest(read(WIDE))


def test_cells_become_numbers_exactly() -> None:
    """A price is the float nearest to its decimal text."""
    found = read("date,A,B\n2024-01-02,0.1,1e3\n")
    assert found.fields["close"].tolist() == [0.1, 1000.0]


def test_lines_are_numbered_as_an_editor_shows_them() -> None:
    """Blank lines and the header count."""
    with pytest.raises(DataError) as caught:
        read("date,A,B\n\n2024-01-02,1,2\n\n2024-01-03,x,2\n")
    assert caught.value.where == "cells are not numbers: line 5, A: 'x'"


def test_decimal_comma_is_refused_as_it_was_written() -> None:
    """1,5 is neither 1.5 nor 15."""
    with pytest.raises(DataError) as caught:
        read("date;A;B\n2024-01-02;1,5;2\n")
    assert "'1,5'" in caught.value.where
    assert "decimal point" in caught.value.why


def test_decimal_commas_between_commas_are_ragged_rows() -> None:
    """Cells that a decimal comma split are not shifted into other columns."""
    with pytest.raises(DataError, match="1 rows have another number of cells") as caught:
        read("date,A,B\n2024-01-02,1,5,2\n")
    assert caught.value.where == "line 2: 4 cells"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (WIDE.encode("utf-16"), "not UTF-8"),
        ("date,É,B\n".encode("latin-1"), "not UTF-8"),
        (b"PK\x03\x04\x14\x00\x06\x00\x08\x00\x00\x00!\x00\xb5U0#", "not UTF-8"),
        (b'date,A,B\n2024-01-02,"1,2\n' + b"x" * 140_000, "not CSV"),
        (b"\n\n", "no columns"),
        (b"date,A,B\n", "columns but no rows"),
    ],
)
def test_bytes_that_are_no_prices_are_refused(content: bytes, message: str) -> None:
    """Other encodings, other files and empty tables each say what they are."""
    with pytest.raises(DataError, match=message):
        read(content)


def test_file_is_found_beside_the_manifest(tmp_path: Path) -> None:
    """The path is relative to the folder given."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "p.csv").write_text(WIDE)
    source = open_source(SourceParams(kind="csv", path="data/p.csv"), tmp_path)
    assert source.read().symbols == ("AAA", "BBB")


def test_missing_file_suggests_one_beside_it(tmp_path: Path) -> None:
    """A misspelt file name is answered with the nearest file."""
    (tmp_path / "prices.csv").write_text(WIDE)
    with pytest.raises(DataError) as caught:
        open_source(SourceParams(kind="csv", path="price.csv"), tmp_path).read()
    assert "No such file" in caught.value.what
    assert caught.value.fix.endswith("did you mean prices.csv?")
    with pytest.raises(DataError, match="cannot be read"):
        open_source(SourceParams(kind="csv", path="no/such.csv"), tmp_path).read()


def test_folder_and_empty_file_are_refused(tmp_path: Path) -> None:
    """Neither has prices; both are named."""
    (tmp_path / "p.csv").touch()
    with pytest.raises(DataError, match=r"p\.csv is empty: 0 bytes"):
        open_source(SourceParams(kind="csv", path="p.csv"), tmp_path).read()
    with pytest.raises(DataError, match="cannot be read"):
        open_source(SourceParams(kind="csv", path="."), tmp_path).read()


@pytest.mark.property
@given(st.one_of(st.binary(), st.text().map(str.encode)))
def test_foreign_bytes_raise_one_exception(content: bytes) -> None:
    """No UnicodeDecodeError, csv.Error or ValueError escapes."""
    try:
        read(content)
    except DataError:
        return


CELL = st.one_of(
    st.sampled_from(
        ["", "1", "1.5", "nan", "inf", "-1", "0", "x", "2024-01-02", "1e999", "\u0661"]
    ),
    st.text(max_size=3),
)


@pytest.mark.property
@given(
    st.lists(st.sampled_from(["date", "symbol", "close", "open", "A", "B"]), max_size=4),
    st.lists(st.lists(CELL, min_size=4, max_size=4), max_size=4),
)
def test_any_table_gives_bars_or_one_exception(names: list[str], rows: list[list[str]]) -> None:
    """Whatever the cells are, they are read or refused with four parts."""
    lines = [names, *(row[: len(names)] for row in rows)]
    text = "\n".join(",".join(line) for line in lines)
    try:
        found = read(text)
    except DataError as error:
        parts: tuple[str, ...] = (error.what, error.where, error.why, error.fix)
    else:
        parts = found.symbols[:2]
        assert len(parts) == 2
    assert all(parts)
