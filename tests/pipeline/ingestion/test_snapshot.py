"""Snapshots are read back as written, and panels are cut from them without filling."""

from __future__ import annotations

import subprocess
import sys

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config import DataParams, SourceParams
from pipeline.errors import ConfigError, DataError
from pipeline.fingerprint import bars_digest, panel_digest
from pipeline.ingestion.snapshot import (
    bars_of,
    describe,
    from_snapshot,
    panel,
    panel_of,
    to_snapshot,
)
from pipeline.ingestion.source import FIELDS, Bars
from pipeline.values import Panel

BARS = Bars.of(
    ["B", "A", "A"],
    ["2024-01-03", "2024-01-02", "2024-01-03"],
    {"close": [3.0, 1.0, 2.0], "adj_close": [30.0, 10.0, 20.0], "volume": [np.nan, 0.0, 5.0]},
)

KEYS = st.lists(
    st.tuples(
        st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1),
        st.integers(-200_000, 200_000).map(lambda day: np.datetime64(day, "D")),
    ),
    unique=True,
    max_size=8,
)


@st.composite
def any_bars(draw: st.DrawFn) -> Bars:
    """Return bars of any symbols, days, fields and values."""
    keys = draw(KEYS)
    names = {"close", *draw(st.sets(st.sampled_from(FIELDS)))}
    column = st.lists(st.floats(), min_size=len(keys), max_size=len(keys))
    symbols = np.array([symbol for symbol, _ in keys], dtype=np.str_)
    days = np.array([day for _, day in keys], dtype="M8[D]")
    return Bars.of(symbols, days, {name: draw(column) for name in sorted(names)})


@pytest.mark.property
@given(any_bars())
def test_snapshot_is_read_back_as_written(bars: Bars) -> None:
    """The inverse gives the same values, and the same bytes when written again."""
    content = to_snapshot(bars)
    found = from_snapshot(content)
    assert bars_digest(found) == bars_digest(bars)
    assert list(found.fields) == list(bars.fields)
    assert to_snapshot(found) == content


def test_snapshot_is_plain_parquet() -> None:
    """Anything can read it: text, days, numbers, null for no value, no traces of a library."""
    table = pq.read_table(pa.BufferReader(to_snapshot(BARS)))
    assert [(f.name, str(f.type)) for f in table.schema] == [
        ("symbol", "string"),
        ("date", "date32[day]"),
        ("close", "double"),
        ("adj_close", "double"),
        ("volume", "double"),
    ]
    assert table.schema.metadata is None
    assert table["symbol"].to_pylist() == ["A", "A", "B"]
    assert table["volume"].to_pylist() == [0.0, 5.0, None]
    metadata = pq.ParquetFile(pa.BufferReader(to_snapshot(BARS))).metadata
    assert metadata.row_group(0).column(0).compression == "ZSTD"


def test_snapshot_answers_sql(tmp_path: object) -> None:
    """The warehouse reads the same prices that the pipeline does."""
    path = f"{tmp_path}/s.parquet"
    with open(path, "wb") as file:  # noqa: PTH123 - a path for SQL
        file.write(to_snapshot(BARS))
    with duckdb.connect() as connection:
        found = connection.execute(
            f"select symbol, date::varchar, close, volume from '{path}' order by all"  # noqa: S608
        ).fetchall()
    assert found == [
        ("A", "2024-01-02", 1.0, 0.0),
        ("A", "2024-01-03", 2.0, 5.0),
        ("B", "2024-01-03", 3.0, None),
    ]


def test_snapshot_has_the_same_bytes_in_another_process() -> None:
    """Neither hash seed nor threads nor the time of day enter the bytes."""
    script = (
        "import hashlib, numpy as np;"
        "from pipeline.ingestion.source import Bars;"
        "from pipeline.ingestion.snapshot import to_snapshot;"
        "b = Bars.of([f'S{i % 7}' for i in range(7000)],"
        " [np.datetime64(i // 7, 'D') for i in range(7000)],"
        " {'close': np.arange(1.0, 7001.0), 'volume': np.arange(7000.0)});"
        "print(hashlib.sha256(to_snapshot(b)).hexdigest())"
    )
    seen = {
        subprocess.run(
            [sys.executable, "-c", script],
            check=True,
            capture_output=True,
            text=True,
            env={"PYTHONHASHSEED": seed, "OMP_NUM_THREADS": seed, "PYTHONPATH": "."},
        ).stdout
        for seed in ("1", "2")
    }
    assert len(seen) == 1


@pytest.mark.parametrize(
    "table",
    [
        {"symbol": ["A"], "date": pa.array([0], pa.date32())},
        {"symbol": ["A"], "date": pa.array([0], pa.timestamp("ns")), "close": [1.0]},
        {"symbol": ["A"], "date": pa.array([0], pa.date32()), "close": pa.array([1], pa.int64())},
        {"symbol": ["A"], "date": pa.array([0], pa.date32()), "close": [1.0], "note": ["x"]},
        {"symbol": ["A"], "date": pa.array([0], pa.date32()), "volume": [1.0], "close": [1.0]},
        {"symbol": ["A"], "date": pa.array([None], pa.date32()), "close": [1.0]},
        {"symbol": ["A"] * 2, "date": pa.array([0] * 2, pa.date32()), "close": [1.0] * 2},
        {
            "symbol": pa.array([None], pa.string()),
            "date": pa.array([0], pa.date32()),
            "close": [1.0],
        },
        {"symbol": ["B", "A"], "date": pa.array([0] * 2, pa.date32()), "close": [1.0] * 2},
    ],
)
def test_other_parquet_is_no_snapshot(table: dict[str, object]) -> None:
    """A reader accepts only what `to_snapshot` writes."""
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(table), sink)
    with pytest.raises(DataError, match="not a snapshot"):
        from_snapshot(sink.getvalue().to_pybytes())


@pytest.mark.property
@given(st.binary(max_size=64))
def test_foreign_bytes_are_no_snapshot(content: bytes) -> None:
    """No Arrow error escapes."""
    with pytest.raises(DataError, match="not a snapshot"):
        from_snapshot(content)


def test_panel_has_the_chosen_price_and_is_not_filled() -> None:
    """Raw and adjusted closes are kept apart; a day without a bar is NaN."""
    adjusted = panel(BARS, DataParams())
    raw = panel(BARS, DataParams(source=SourceParams(price="raw")))
    assert adjusted.symbols == raw.symbols == ("A", "B")
    np.testing.assert_array_equal(adjusted.closes, [[10.0, np.nan], [20.0, 30.0]])
    np.testing.assert_array_equal(raw.closes, [[1.0, np.nan], [2.0, 3.0]])
    assert panel_digest(panel_of(BARS, "close")) == panel_digest(raw)


def test_source_without_adjusted_closes_gives_its_closes() -> None:
    """`adjusted` takes what the source has."""
    plain = Bars.of(BARS.symbol, BARS.date, {"close": BARS.fields["close"]})
    assert panel(plain, DataParams()).closes[0, 0] == 1.0
    assert describe(plain, DataParams()).price_field == "close"


def test_panel_of_a_field_that_is_not_there_is_refused() -> None:
    """A recorded field that the snapshot lacks is no reason to take another."""
    with pytest.raises(ConfigError, match="no field 'open'"):
        panel_of(BARS, "open")


def test_bars_of_a_panel_give_the_panel_back() -> None:
    """Sleeves become a snapshot, and the snapshot their panel."""
    closes = Panel.of(["2024-01-02", "2024-01-03"], ["a", "b"], [[1.0, np.nan], [2.0, 3.0]])
    assert panel_digest(panel_of(bars_of(closes), "close")) == panel_digest(closes)


def test_description_has_the_documented_fields() -> None:
    """The payload of `ingest` as the page on records says."""
    params = DataParams(source=SourceParams(kind="csv", path="p.csv"))
    assert describe(BARS, params).to_payload() == {
        "source": "csv:p.csv",
        "symbols": ["A", "B"],
        "first_date": "2024-01-02",
        "last_date": "2024-01-03",
        "rows": 2,
        "bars": 3,
        "fields": ["close", "adj_close", "volume"],
        "price_field": "adj_close",
        "logical_sha256": bars_digest(BARS),
        "periods_per_year": 252,
        "calendar": "XNYS",
    }


def test_description_refuses_what_no_decision_can_use() -> None:
    """No bars, an unknown calendar, and a calendar that does not reach the prices."""
    empty = Bars.of([], [], {"close": []})
    with pytest.raises(DataError, match="no bars"):
        describe(empty, DataParams())
    with pytest.raises(ConfigError, match="not known"):
        describe(BARS, DataParams(calendar="XNYX"))
    old = Bars.of(["A", "B"], ["1990-01-02"] * 2, {"close": [1.0, 2.0]})
    with pytest.raises(ConfigError, match="known from 1997-01-01"):
        describe(old, DataParams(calendar="XTKS"))
