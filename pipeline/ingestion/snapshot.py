"""Snapshots: the bars of a run as bytes that are kept, and the panels cut from them.

A snapshot is a Parquet file (`symbol` string, `date` date32, fields float64 with null for "no
value"), readable by anything. The same bars give the same bytes with the same pyarrow: nothing of
pandas, no time and no path goes into the file. What replay compares is not these bytes but the
logical digest of the values (`pipeline.fingerprint`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import ConfigError, DataError
from pipeline.fingerprint import bars_digest
from pipeline.ingestion.calendars import open_calendar
from pipeline.ingestion.source import FIELDS, Bars, restrict, source_name
from pipeline.values import Panel, iso

if TYPE_CHECKING:
    from pipeline.config import DataParams
    from pipeline.values import Payload

COMPRESSION, COMPRESSION_LEVEL = "zstd", 3
"""Of snapshots; other values give other bytes for the same bars."""


@dataclass(frozen=True, slots=True)
class IngestResult:
    """What a snapshot holds and how it is read.

    Attributes
    ----------
    source : str
        Where the bars came from, as configured.
    symbols : tuple of str
        Symbols with at least one bar, ascending.
    first_date, last_date : str
        First and last market day of any symbol, `YYYY-MM-DD`.
    rows, bars : int
        Number of market days, and of bars of all symbols.
    fields : tuple of str
        Fields of the bars.
    price_field : str
        Field that decisions are taken on.
    logical_sha256 : str
        Logical digest of the bars.
    periods_per_year : int
        Market days in a year of the calendar.
    calendar : str
        Name of the calendar.
    """

    source: str
    symbols: tuple[str, ...]
    first_date: str
    last_date: str
    rows: int
    bars: int
    fields: tuple[str, ...]
    price_field: str
    logical_sha256: str
    periods_per_year: int
    calendar: str

    def to_payload(self) -> Payload:
        """Return the result of `ingest` (`docs/spec/records.md`)."""
        return {
            "source": self.source,
            "symbols": list(self.symbols),
            "first_date": self.first_date,
            "last_date": self.last_date,
            "rows": self.rows,
            "bars": self.bars,
            "fields": list(self.fields),
            "price_field": self.price_field,
            "logical_sha256": self.logical_sha256,
            "periods_per_year": self.periods_per_year,
            "calendar": self.calendar,
        }


def describe(bars: Bars, params: DataParams) -> IngestResult:
    """Describe bars that were cut to what `params` ask for.

    Raises
    ------
    ConfigError
        If the calendar is not known, or not for these days.
    DataError
        If there are no bars.
    """
    if not len(bars):
        raise DataError(
            "the snapshot has no bars",
            where=source_name(params.source),
            why="there is no first and no last market day to decide between",
            fix="read the source again",
        )
    first, last = bars.date.min(), bars.date.max()
    calendar = open_calendar(params.calendar)
    calendar.sessions(first, last)  # a calendar that does not reach the prices is found here
    return IngestResult(
        source=source_name(params.source),
        symbols=bars.symbols,
        first_date=iso(first),
        last_date=iso(last),
        rows=len(np.unique(bars.date)),
        bars=len(bars),
        fields=tuple(bars.fields),
        price_field=price_field(bars, params),
        logical_sha256=bars_digest(bars),
        periods_per_year=calendar.periods_per_year,
        calendar=calendar.name,
    )


def price_field(bars: Bars, params: DataParams) -> str:
    """Return the field that decisions are taken on: `adj_close` or `close`."""
    adjusted = params.source.price == "adjusted" and "adj_close" in bars.fields
    return "adj_close" if adjusted else "close"


def panel(bars: Bars, params: DataParams) -> Panel:
    """Return the panel of what `params` ask for; nothing is filled."""
    return panel_of(restrict(bars, params), price_field(bars, params))


def panel_of(bars: Bars, field: str) -> Panel:
    """Return one field of bars as a panel; NaN where a symbol has no bar.

    Raises
    ------
    ConfigError
        If the bars have no such field.
    """
    if field not in bars.fields:
        raise ConfigError(
            f"the bars have no field {field!r}, they have {', '.join(bars.fields)}",
            where="price field of the snapshot",
            why="decisions are taken on a recorded field",
            fix="set data.source.price to a price that the source has",
        )
    dates, row = np.unique(bars.date, return_inverse=True)
    symbols, column = np.unique(bars.symbol, return_inverse=True)
    closes = np.full((len(dates), len(symbols)), np.nan)
    closes[row, column] = bars.fields[field]
    return Panel.of(dates, symbols.tolist(), closes)


def bars_of(closes: Panel) -> Bars:
    """Return the bars of a panel, with `close` as their only field."""
    row, column = np.nonzero(~np.isnan(closes.closes))
    return Bars.of(
        np.array(closes.symbols, dtype=np.str_)[column],
        closes.dates[row],
        {"close": closes.closes[row, column]},
    )


def to_snapshot(bars: Bars) -> bytes:
    """Return bars as the bytes of a Parquet file: one row for each bar, in their order."""
    columns = {
        "symbol": pa.array(bars.symbol.tolist(), pa.string()),
        "date": pa.array(bars.date, pa.date32()),
    }
    for name, values in bars.fields.items():
        columns[name] = pa.array(values, pa.float64(), from_pandas=True)
    sink = pa.BufferOutputStream()
    pq.write_table(
        pa.table(columns),
        sink,
        version="2.6",
        data_page_version="1.0",
        compression=COMPRESSION,
        compression_level=COMPRESSION_LEVEL,
        use_dictionary=["symbol", "date"],
        store_schema=False,
        row_group_size=1 << 20,
    )
    content: bytes = sink.getvalue().to_pybytes()
    return content


def from_snapshot(content: bytes) -> Bars:
    """Return the bars that `to_snapshot` wrote.

    Raises
    ------
    DataError
        If the bytes are not such a snapshot.
    """
    try:
        table = pq.ParquetFile(pa.BufferReader(content)).read(use_threads=False)
        return _bars_in(table)
    except (pa.ArrowException, OSError, ValueError) as e:
        first_line = str(e).partition("\n")[0]
        raise DataError(
            f"the blob is not a snapshot: {first_line}",
            where="snapshot blob",
            why="a snapshot is Parquet with symbol, date, close and other fields of a bar",
            fix="restore the blob from a backup; `assay verify --blobs` names what is altered",
        ) from e


def _bars_in(table: pa.Table) -> Bars:
    """Return the bars in a snapshot's table.

    Raises
    ------
    ValueError
        If columns, types or the order of rows are not those that `to_snapshot` writes.
    """
    found = {column.name: column.type for column in table.schema}
    fields = [name for name in FIELDS if name in found]
    wanted = {"symbol": pa.string(), "date": pa.date32(), **dict.fromkeys(fields, pa.float64())}
    if list(found.items()) != list(wanted.items()):
        msg = f"expected columns {', '.join(wanted)}, found {', '.join(found)}, or other types"
        raise ValueError(msg)
    if table["symbol"].null_count:
        msg = "a bar has no symbol"
        raise ValueError(msg)
    symbols, dates = table["symbol"].to_pylist(), table["date"].to_numpy()
    bars = Bars.of(symbols, dates, {name: table[name].to_numpy() for name in fields})
    if bars.symbol.tolist() != symbols or not np.array_equal(bars.date, dates):
        msg = "rows are not sorted by symbol and date"
        raise ValueError(msg)
    return bars
