"""Wide and long files, told apart by their columns, and every flaw of their cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import DataError
from pipeline.fingerprint import bars_digest
from pipeline.ingestion.csv_file import parse_csv
from pipeline.ingestion.shapes import read_bars
from pipeline.ingestion.snapshot import panel_of

if TYPE_CHECKING:
    from pipeline.ingestion.source import Bars

GOOD_LONG = ["symbol,date,close", "A,2024-01-02,1", "A,2024-01-03,2", "B,2024-01-02,3"]


def read(*lines: str) -> Bars:
    """Return the bars of the lines of a CSV file."""
    return read_bars(parse_csv("\n".join(lines).encode(), "p.csv"))


def refused(*lines: str) -> DataError:
    """Return the error that the lines of a CSV file give."""
    with pytest.raises(DataError) as caught:
        read(*lines)
    return caught.value


def test_wide_and_long_file_of_the_same_prices_give_the_same_bars() -> None:
    """An empty cell of a wide file is a row that a long file does not have."""
    wide = read("date,B,A", "2024-01-02,3,1", "2024-01-03,,2")
    assert bars_digest(wide) == bars_digest(read(*GOOD_LONG))


@pytest.mark.parametrize("empty", ["", "nan", "NaN", "NA", "N/A", "#N/A", "null", "None", " "])
def test_spellings_of_no_value_are_no_bar(empty: str) -> None:
    """Vendors write "no value" in several ways; none of them is a price."""
    assert len(read("date,A,B", f"2024-01-02,1,{empty}", "2024-01-03,1,2")) == 3


@pytest.mark.parametrize("name", ["date", "Date", "DATETIME", "timestamp", "", "Unnamed: 0"])
def test_date_column_is_recognised_by_its_name(name: str) -> None:
    """Also an index that was written without a name."""
    assert len(read(f"{name},A,B", "2024-01-02,1,2")) == 2


def test_index_without_a_name_beside_the_dates_is_left_out() -> None:
    """Row numbers are written by pandas unless told otherwise; they are no prices."""
    numbered = read(*(f"{i or ''},{line}" for i, line in enumerate(GOOD_LONG)))
    assert bars_digest(numbered) == bars_digest(read(*GOOD_LONG))
    wide = read("index,date,A,B", "0,2024-01-02,1,2")
    assert wide.symbols == ("A", "B")


def test_date_column_may_stand_anywhere() -> None:
    """Columns are told apart by name, not by place."""
    assert read("A,date,B", "1,2024-01-02,2").symbols == ("A", "B")


def test_long_file_has_all_fields_in_their_order() -> None:
    """Names in any case and with blanks are fields; symbols stay as written."""
    found = read(
        "Volume,Symbol,Adj Close,Date,Open,High,Low,Close",
        "0,a.b,9,2024-01-02,1,3,0.5,2",
        ",C/D,9,2024-01-02,,3,0.5,2",
    )
    assert list(found.fields) == ["open", "high", "low", "close", "adj_close", "volume"]
    assert found.symbols == ("C/D", "a.b")
    assert found.fields["volume"][1] == 0.0
    assert np.isnan(found.fields["volume"][0])
    assert np.isnan(found.fields["open"][0])


def test_symbols_may_alternate_as_long_as_each_is_sorted() -> None:
    """Long files are often ordered by date first."""
    found = read(
        "symbol,date,close",
        "B,2024-01-02,3",
        "A,2024-01-02,1",
        "A,2024-01-03,2",
    )
    assert bars_digest(found) == bars_digest(read(*GOOD_LONG))


def test_tickers_called_open_and_low_are_symbols_of_a_wide_file() -> None:
    """Opendoor and Lowe's trade under the names of fields."""
    assert read("date,OPEN,LOW,AAPL", "2024-01-02,1,2,3").symbols == ("AAPL", "LOW", "OPEN")


@pytest.mark.parametrize(
    ("header", "complaint"),
    [
        ("time,A,B", "no date column"),
        ("date,open,high,low,close", "looks like bars, but there is no symbol column"),
        ("date,close,A", "looks like bars, but there is no symbol column"),
        ("date,volume", "looks like bars"),
        ("symbol,date,open", "no close column"),
        ("symbol,date,close,vwap", "unknown column 'vwap'"),
        ("symbol,date,close,volum", "did you mean volume?"),
        ("symbol,close", "no date column"),
        ("date,timestamp,A", "expected one date column, found date, timestamp"),
        ("date,A,A", "column 'A' occurs more than once"),
        ("date,A,", "'' cannot be the name of a symbol"),
    ],
)
def test_unrecognised_columns_show_what_was_found_and_both_shapes(
    header: str, complaint: str
) -> None:
    """The reader sees the columns of the file and two examples of what it should be."""
    width = header.count(",") + 1
    error = refused(header, ",".join(["2024-01-02", "1", "2", "3", "4", "5"][:width]))
    assert complaint in error.what
    assert repr(header.partition(",")[0]) in error.where
    assert "wide:  date,AAPL,MSFT" in error.fix
    assert "long:  symbol,date,close" in error.fix


def test_many_columns_are_counted_instead_of_listed() -> None:
    """An error about a file of 500 symbols stays readable."""
    names = [f"S{i}" for i in range(30)]
    assert refused(",".join(names), ",".join("1" for _ in names)).where.endswith("and 18 more")


@pytest.mark.parametrize(
    "lines", [("date,A", "2024-01-02,1"), GOOD_LONG[:3], ("date", "2024-01-02")]
)
def test_file_of_fewer_than_two_symbols_is_refused(lines: tuple[str, ...]) -> None:
    """There is nothing to weigh in a portfolio of one."""
    assert "expected 2 or more" in refused(*lines).what


@pytest.mark.parametrize(
    ("row", "what", "where"),
    [
        ("B,2024-01-02,x", "1 cells are not numbers", "line 5, close: 'x'"),
        ("B,2024-01-02,1_0", "1 cells are not numbers", "line 5, close: '1_0'"),
        ("B,2024-01-02,0", "1 prices are zero or negative", "line 5, close: 0"),
        ("B,2024-01-02,-37.63", "1 prices are zero or negative", "line 5, close: -37.63"),
        ("B,2024-01-02,inf", "1 cells are infinite", "line 5, close"),
        ("B,2024-01-02,1e999", "1 cells are infinite", "line 5, close"),
        ("B,2024-01-02,", "1 rows have no close", "line 5, close"),
        ("B,,1", "1 cells are not dates", "line 5: ''"),
        ("B,02/01/2024,1", "1 cells are not dates", "line 5: '02/01/2024'"),
        ("B,2024-02-30,1", "1 cells are not dates", "line 5: '2024-02-30'"),
        ("B,20240102,1", "1 cells are not dates", "line 5: '20240102'"),
        ("B,now,1", "1 cells are not dates", "line 5: 'now'"),
        ("B,2024-01-02T20:00:00Z,1", "1 instants are not midnight", "line 5: '2024-01-02T20:00"),
        ("B,2024-01-02 00:00:00+05:00,1", "1 instants are not midnight", "line 5: '2024-01-02 00"),
        (",2024-01-02,1", "1 rows have no usable symbol", "line 5: ''"),
        ("B ,2024-01-02,1", "1 rows have no usable symbol", "line 5: 'B '"),
        ("A,2024-01-03,2", "1 rows repeat a symbol and date", "line 5: A 2024-01-03"),
        ("A,2024-01-01,2", "1 rows are dated before the row above", "line 5: A 2024-01-01"),
    ],
)
def test_flaw_of_a_long_file_is_named_with_its_place(row: str, what: str, where: str) -> None:
    """Line, column and the text found; why it matters; what to do."""
    lines = [*GOOD_LONG[:3], "B,2024-01-01,1", row]
    error = refused(*lines)
    assert error.what.startswith(f"p.csv: {what}")
    assert f": {where}" in error.where
    assert error.why
    assert error.fix


@pytest.mark.parametrize("text", ["2024-01-02", "2024-01-02 00:00", "2024-01-02T00:00:00.000Z"])
def test_midnight_utc_is_its_day(text: str) -> None:
    """Also with an offset, as long as the instant is midnight UTC."""
    for spelled in (text, "2024-01-02T05:00:00+05:00", "2024-01-01T19:00:00-0500"):
        found = read("date,A,B", f"{spelled},1,2")
        assert str(found.date[0]) == "2024-01-02"


@pytest.mark.parametrize(
    ("rows", "what"),
    [
        (("2024-01-02,1,0",), "1 prices are zero or negative"),
        (("2024-01-02,1,", "2024-01-03,2,"), "1 columns have no value at all"),
        (("2024-01-02,1,2", "2024-01-02,1,2"), "1 rows repeat a symbol and date"),
        (("2024-01-03,1,2", "2024-01-02,1,2"), "1 rows are dated before the row above them"),
        (("2024-01-02,1,two",), "1 cells are not numbers"),
        (("2024-01-02,1,2024-01-02",), "1 cells are not numbers"),
    ],
)
def test_flaw_of_a_wide_file_is_refused(rows: tuple[str, ...], what: str) -> None:
    """The same rules hold for both shapes."""
    assert refused("date,A,B", *rows).what == f"p.csv: {what}"


def test_negative_volume_and_empty_field_are_refused() -> None:
    """Optional fields may have gaps, but not nonsense and not nothing."""
    head = "symbol,date,close,volume,open"
    error = refused(head, "A,2024-01-02,1,-5,", "B,2024-01-02,1,,")
    assert "1 columns have no value at all" in error.what
    assert "1 volumes are negative" in error.what


def test_all_flaws_are_reported_together_five_of_each_kind() -> None:
    """A file is repaired in one round, and the error stays readable."""
    rows = [f"2024-01-{day:02d},{'x' if day % 2 else 0},1" for day in range(1, 21)]
    error = refused("date,A,B", *rows, "2024-01-01,1,inf")
    assert "10 cells are not numbers" in error.what
    assert "10 prices are zero or negative" in error.what
    assert "1 cells are infinite" in error.what
    assert "1 rows repeat a symbol and date" in error.what
    kinds = error.where.splitlines()
    assert len(kinds) == len(error.fix.splitlines()) == len(error.why.splitlines()) == 5
    assert kinds[0].startswith("cells are not numbers: line 2, A: 'x'; line 4")
    assert kinds[0].count("line") == 5
    assert kinds[0].endswith("; and 5 more")


@pytest.mark.property
@given(
    st.integers(2, 4).flatmap(
        lambda width: st.lists(
            st.lists(st.one_of(st.none(), st.floats(1e-3, 1e9)), min_size=width, max_size=width),
            min_size=1,
            max_size=8,
        )
    )
)
def test_every_table_of_prices_is_read_back(closes: list[list[float | None]]) -> None:
    """The panel of a wide file is the table that was written, rows without bars apart."""
    width = len(closes[0])
    if any(all(row[i] is None for row in closes) for i in range(width)):
        return
    days = np.arange("2024-01-01", len(closes), dtype="M8[D]")
    header = ",".join(["date", *(f"S{i}" for i in range(width))])
    rows = [
        ",".join([str(day), *("" if cell is None else repr(cell) for cell in row)])
        for day, row in zip(days, closes, strict=True)
    ]
    panel = panel_of(read(header, *rows), "close")
    wanted = np.array(closes, dtype=np.float64)
    kept = ~np.isnan(wanted).all(axis=1)
    np.testing.assert_array_equal(panel.closes, wanted[kept])
    np.testing.assert_array_equal(panel.dates, days[kept])
