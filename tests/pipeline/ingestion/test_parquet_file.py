"""Parquet files as several libraries write them."""

from __future__ import annotations

import datetime as dt
import decimal
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config import SourceParams
from pipeline.errors import DataError
from pipeline.fingerprint import bars_digest
from pipeline.ingestion.parquet_file import parse_parquet
from pipeline.ingestion.shapes import read_bars
from pipeline.ingestion.source import Bars, open_source

if TYPE_CHECKING:
    from pathlib import Path

DAYS = [dt.date(2024, 1, 2), dt.date(2024, 1, 3)]
EXPECTED = Bars.of(["A", "A", "B", "B"], DAYS * 2, {"close": [1.0, 2.0, 3.0, 4.0]})


def written(table: pa.Table) -> bytes:
    """Return a table as the bytes of a Parquet file."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def read(columns: dict[str, object]) -> Bars:
    """Return the bars of a Parquet file with these columns."""
    return read_bars(parse_parquet(written(pa.table(columns)), "p.parquet"))


@pytest.mark.parametrize(
    "dates",
    [
        pa.array(DAYS, pa.date32()),
        pa.array(DAYS, pa.date64()),
        pa.array(DAYS, pa.date32()).cast(pa.timestamp("s")),
        pa.array(DAYS, pa.date32()).cast(pa.timestamp("ms")),
        pa.array(DAYS, pa.date32()).cast(pa.timestamp("us", "UTC")),
        pa.array(DAYS, pa.date32()).cast(pa.timestamp("ns", "America/New_York")),
        pa.array([str(day) for day in DAYS]),
        pa.array([str(day) for day in DAYS], pa.large_string()),
        pa.array([str(day) for day in DAYS]).dictionary_encode(),
    ],
    ids=lambda dates: str(dates.type)[:40],
)
def test_every_type_of_day_is_read(dates: pa.Array) -> None:
    """Days, instants at midnight UTC whatever their zone, and text."""
    found = read({"date": dates, "A": [1.0, 2.0], "B": [3.0, 4.0]})
    assert bars_digest(found) == bars_digest(EXPECTED)


@pytest.mark.parametrize(
    "closes",
    [
        pa.array([1, 2], pa.int8()),
        pa.array([1.0, 2.0], pa.float32()),
        pa.array([decimal.Decimal("1.00"), decimal.Decimal("2.00")]),
        pa.array(["1", "2.0"]),
    ],
    ids=lambda closes: str(closes.type),
)
def test_every_type_of_number_is_read(closes: pa.Array) -> None:
    """Narrow numbers are widened exactly, decimals and text to the nearest float."""
    found = read({"date": DAYS, "A": closes, "B": [3.0, 4.0]})
    assert bars_digest(found) == bars_digest(EXPECTED)


def test_null_and_nan_are_no_bar() -> None:
    """Both spellings of "no value" leave the bar out."""
    found = read({"date": DAYS, "A": [1.0, None], "B": [np.nan, 4.0]})
    assert found.fields["close"].tolist() == [1.0, 4.0]
    text = read({"date": DAYS, "A": ["1", None], "B": [None, "4"]})
    assert bars_digest(text) == bars_digest(found)


@pytest.mark.parametrize("index", ["date", None])
def test_frame_with_dates_as_index_is_read(tmp_path: Path, index: str | None) -> None:
    """The index is a column of the file, named or not."""
    frame = pd.DataFrame({"A": [1.0, 2.0], "B": [3.0, 4.0]}, index=pd.to_datetime(DAYS))
    frame.index.name = index
    frame.to_parquet(tmp_path / "p.parquet")
    source = open_source(SourceParams(kind="parquet", path="p.parquet"), tmp_path)
    assert bars_digest(source.read()) == bars_digest(EXPECTED)


def test_row_numbers_of_a_filtered_frame_are_left_out(tmp_path: Path) -> None:
    """The index of such a frame is stored as a column beside the dates."""
    days = [DAYS[0], DAYS[0], DAYS[1], DAYS[1]]
    columns = {"symbol": ["A", "B"] * 2, "date": days, "close": [1.0, 3.0, 2.0, 4.0]}
    frame = pd.DataFrame(columns, index=[1, 2, 4, 8])
    frame.to_parquet(tmp_path / "p.parquet")
    assert "__index_level_0__" in pq.read_schema(tmp_path / "p.parquet").names
    source = open_source(SourceParams(kind="parquet", path="p.parquet"), tmp_path)
    assert bars_digest(source.read()) == bars_digest(EXPECTED)


def test_frame_with_date_objects_is_read(tmp_path: Path) -> None:
    """An object column of Python dates becomes days."""
    frame = pd.DataFrame({"symbol": ["A", "A", "B", "B"], "date": DAYS * 2, "close": [1, 2, 3, 4]})
    frame.to_parquet(tmp_path / "p.parquet")
    source = open_source(SourceParams(kind="parquet", path="p.parquet"), tmp_path)
    assert bars_digest(source.read()) == bars_digest(EXPECTED)


@pytest.mark.parametrize(
    ("dates", "what", "where"),
    [
        (
            [dt.datetime(2024, 1, 2, tzinfo=ZoneInfo("America/New_York")), None],
            "1 cells are not dates, 1 instants are not midnight UTC",
            "row 1: 2024-01-02T05:00",
        ),
        ([1704153600, 1704240000], "2 cells are not dates", "row 1: 1.70415e+09"),
        ([20240102, 20240103], "2 cells are not dates", "row 2: 2.02401e+07"),
        ([True, False], "2 cells are not dates", "row 1: 'True'"),
        ([None, DAYS[1]], "1 cells are not dates", "row 1: no date"),
    ],
)
def test_dates_that_would_be_a_guess_are_refused(
    dates: list[object], what: str, where: str
) -> None:
    """A close stamped in the evening and a number of unknown unit have no certain day."""
    with pytest.raises(DataError) as caught:
        read({"date": dates, "A": [1.0, 2.0], "B": [3.0, 4.0]})
    assert caught.value.what == f"p.parquet: {what}"
    assert where in caught.value.where


@pytest.mark.parametrize("closes", [[True, False], DAYS, [[1.0], [2.0]], [b"1", b"2"]])
def test_columns_that_are_no_prices_are_refused(closes: list[object]) -> None:
    """Truth values, dates, lists and bytes are not taken for prices."""
    with pytest.raises(DataError, match="2 cells are not numbers"):
        read({"date": DAYS, "A": closes, "B": [3.0, 4.0]})


def test_symbols_that_are_numbers_are_read_as_text() -> None:
    """Codes such as 7203 are symbols too."""
    found = read({"symbol": [7203, 6758], "date": [DAYS[0]] * 2, "close": [1.0, 2.0]})
    assert found.symbols == ("6758", "7203")


def test_file_without_rows_or_columns_is_refused() -> None:
    """A table of nothing is a failed download."""
    with pytest.raises(DataError, match="columns but no rows"):
        read({"date": pa.array([], pa.date32()), "A": pa.array([], pa.float64())})
    with pytest.raises(DataError, match="no columns"):
        read({})


def test_repeated_columns_are_refused() -> None:
    """Which of two columns of one name is right cannot be known."""
    table = pa.Table.from_arrays(
        [pa.array(DAYS), pa.array([1.0, 2.0]), pa.array([1.0, 2.0])], names=["date", "A", "A"]
    )
    with pytest.raises(DataError, match="occurs more than once"):
        read_bars(parse_parquet(written(table), "p.parquet"))


@pytest.mark.property
@given(st.binary(max_size=64))
def test_foreign_bytes_raise_one_exception(content: bytes) -> None:
    """No Arrow error escapes the parser."""
    with pytest.raises(DataError, match="not a Parquet file"):
        parse_parquet(content, "p.parquet")


@pytest.mark.property
@given(st.data())
def test_damaged_file_raises_one_exception(data: st.DataObject) -> None:
    """A byte that rotted or a download that was cut off gives bars or a DataError."""
    content = bytearray(written(pa.table({"date": DAYS, "A": [1.0, 2.0], "B": [3.0, 4.0]})))
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    stop = data.draw(st.integers(0, len(content)))
    for damaged in (bytes(content), bytes(content[:stop])):
        try:
            read_bars(parse_parquet(damaged, "p.parquet"))
        except DataError:
            continue
