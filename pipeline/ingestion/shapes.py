"""The two shapes of a price file, told apart by their columns.

*wide*: one date column and one column of closes for each symbol; an empty cell is "no bar".
*long*: `symbol, date, close`, and optionally `open, high, low, adj_close, volume`; a row is a bar.

A file that could be either or is neither is refused with what was found and what is expected.
Field names are recognised in any case and with blanks (`Adj Close`); symbols stay as written. An
index without a name, as pandas writes it, is the date column if there is no other, else it numbers
the rows and is left out.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from pipeline.errors import DataError
from pipeline.ingestion import cells
from pipeline.ingestion.source import FIELDS, LEAST_SYMBOLS, Bars
from pipeline.ingestion.spelling import closest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from pipeline.ingestion.cells import Flaws, Table
    from pipeline.values import DateArray, FloatArray

DATE_NAMES = frozenset({"date", "datetime", "timestamp"})
"""Field names of a date column."""

INDEX_NAMES = frozenset({"", "index", "unnamed:_0"})
"""Field names that a first column has when an index was written without a name."""

PARQUET_INDEX = "__index_level_0__"
"""What pandas calls such an index in a Parquet file, where it is the last column."""

EXPECTED = (
    "wide:  date,AAPL,MSFT\n"
    "       2024-01-02,185.64,370.87\n"
    "long:  symbol,date,close\n"
    "       AAPL,2024-01-02,185.64"
)
"""The two shapes, as errors show them."""

_NAMES_SHOWN = 12


def read_bars(table: Table) -> Bars:
    """Return the bars of a price file.

    Raises
    ------
    DataError
        If the file is empty, has neither shape, or any cell or row of it is unusable; all flaws
        are reported together.
    """
    if not table.names or not len(table.columns[0]):
        raise DataError(
            f"{table.label} has {'columns but no rows' if table.names else 'no columns'}",
            where=table.label,
            why="an empty file is more likely a failed download than a market without prices",
            fix="fetch the prices again, or set data.source.path to another file",
        )
    _refuse_repeated_columns(table)
    table = _without_row_numbers(table)
    names = [_field_name(name) for name in table.names]
    at = _date_column(table, names)
    return _read_long(table, names, at) if "symbol" in names else _read_wide(table, names, at)


def _field_name(name: str) -> str:
    return name.strip().lower().replace(" ", "_")


def _refuse_repeated_columns(table: Table) -> None:
    repeated = sorted({name for name in table.names if table.names.count(name) > 1})
    if repeated:
        raise _unrecognised(table, f"column {', '.join(map(repr, repeated))} occurs more than once")


def _index_column(table: Table) -> int | None:
    """Return the column of an index without a name, if there is one."""
    if PARQUET_INDEX in table.names:
        return table.names.index(PARQUET_INDEX)
    return 0 if _field_name(table.names[0]) in INDEX_NAMES else None


def _without_row_numbers(table: Table) -> Table:
    """Return the table without the index column if it has a date column too."""
    index = _index_column(table)
    if index is None or not any(_field_name(name) in DATE_NAMES for name in table.names):
        return table
    return replace(
        table,
        names=table.names[:index] + table.names[index + 1 :],
        columns=table.columns[:index] + table.columns[index + 1 :],
    )


def _date_column(table: Table, names: list[str]) -> int:
    found = [i for i, name in enumerate(names) if name in DATE_NAMES]
    index = _index_column(table)
    if not found and index is not None:
        return index
    if len(found) != 1:
        shown = ", ".join(table.names[i] for i in found)
        complaint = f"expected one date column, found {shown}" if found else "no date column"
        raise _unrecognised(table, complaint)
    return found[0]


def _unrecognised(table: Table, complaint: str) -> DataError:
    listed = ", ".join(repr(name) for name in table.names[:_NAMES_SHOWN])
    more = len(table.names) - _NAMES_SHOWN
    return DataError(
        f"{table.label} has neither of the two shapes of a price file: {complaint}",
        where=f"columns {listed}" + (f" and {more} more" if more > 0 else ""),
        why="wide (one column for each symbol) and long (one row for each bar) are told apart by "
        "their columns, and nothing is dropped unseen",
        fix=f"rename or remove columns to get one of\n{EXPECTED}",
    )


def _read_long(table: Table, names: list[str], at: int) -> Bars:
    places = {name: i for i, name in enumerate(names) if name in FIELDS}
    foreign = [
        table.names[i]
        for i, name in enumerate(names)
        if i != at and name not in {*FIELDS, "symbol"}
    ]
    if foreign:
        near = closest(_field_name(foreign[0]), FIELDS)
        hint = f"; did you mean {near}?" if near else ""
        raise _unrecognised(table, f"unknown column {', '.join(map(repr, foreign))}{hint}")
    if "close" not in places:
        raise _unrecognised(table, "there is a symbol column but no close column")
    flaws = cells.Flaws(table)
    symbols = _symbols(table, names.index("symbol"), flaws)
    dates = cells.days(table, at, flaws)
    fields = {name: _field(table, places[name], name, flaws) for name in FIELDS if name in places}
    _check_order(table, symbols, dates, flaws)
    flaws.refuse()
    _refuse_one_symbol(table, np.unique(symbols).tolist())
    return Bars.of(symbols, dates, fields)


def _symbols(table: Table, column: int, flaws: Flaws) -> NDArray[np.str_]:
    found = cells.texts(table, column)
    bad = [row for row, name in enumerate(found) if not _is_symbol(name)]
    flaws.add(cells.NO_SYMBOL, (f"{table.place(row)}: {found[row]!r}" for row in bad))
    return np.array(found, dtype=np.str_)


def _is_symbol(name: str) -> bool:
    return bool(name) and name.isprintable() and name == name.strip()


def _field(table: Table, column: int, name: str, flaws: Flaws) -> FloatArray:
    """Return one field of a long file: closes complete, prices positive, volumes not negative."""
    values, empty = cells.numbers(table, column, flaws)
    if empty.all():
        flaws.add(cells.EMPTY_COLUMN, [table.names[column]])
    elif name in {"close", "adj_close"}:
        places = (f"{table.place(row)}, {table.names[column]}" for row in np.flatnonzero(empty))
        flaws.add(cells.NO_CLOSE, places)
    if name == "volume":
        flaws.add(cells.NEGATIVE_VOLUME, _shown(table, column, values, values < 0.0))
    else:
        flaws.add(cells.NOT_POSITIVE, _shown(table, column, values, values <= 0.0))
    return values


def _shown(
    table: Table, column: int, values: FloatArray, wrong: NDArray[np.bool_]
) -> Iterator[str]:
    name = table.names[column]
    return (f"{table.place(row)}, {name}: {values[row]:g}" for row in np.flatnonzero(wrong))


def _check_order(table: Table, symbols: NDArray[np.str_], dates: DateArray, flaws: Flaws) -> None:
    """Look for repeated and unsorted rows among the rows of each symbol, in file order."""
    together = np.argsort(symbols, kind="stable")
    by_date = np.lexsort((dates, symbols))
    for flaw, order in ((cells.UNSORTED, together), (cells.DUPLICATE, by_date)):
        before, after = order[:-1], order[1:]
        same = symbols[before] == symbols[after]
        wrong = dates[after] < dates[before]
        if flaw is cells.DUPLICATE:
            wrong = dates[after] == dates[before]
        rows = np.sort(after[same & wrong])
        flaws.add(flaw, (f"{table.place(r)}: {symbols[r]} {dates[r]}" for r in rows))


def _refuse_one_symbol(table: Table, symbols: Sequence[str]) -> None:
    if len(symbols) < LEAST_SYMBOLS:
        raise DataError(
            f"{table.label} has prices of {len(symbols)} symbol, expected {LEAST_SYMBOLS} or more",
            where=f"symbol {', '.join(symbols)}",
            why="a portfolio of one symbol has nothing to weigh",
            fix="add the prices of other symbols to the file",
        )


def _read_wide(table: Table, names: list[str], at: int) -> Bars:
    columns = [i for i in range(len(names)) if i != at]
    fields = [table.names[i] for i in columns if names[i] in FIELDS]
    # OPEN and LOW are tickers too, so single field names may stand among other symbols.
    if fields and (len(fields) == len(columns) or "close" in names):
        raise _unrecognised(
            table, f"{', '.join(fields)} looks like bars, but there is no symbol column"
        )
    bad = [table.names[i] for i in columns if not _is_symbol(table.names[i])]
    if bad:
        raise _unrecognised(table, f"{', '.join(map(repr, bad))} cannot be the name of a symbol")
    _refuse_one_symbol(table, [table.names[i] for i in columns])
    flaws = cells.Flaws(table)
    dates = cells.days(table, at, flaws)
    closes = [_closes(table, i, flaws) for i in columns]
    _check_order(table, np.full(len(dates), "every symbol"), dates, flaws)
    flaws.refuse()
    return _long_bars([table.names[i] for i in columns], dates, np.array(closes))


def _closes(table: Table, column: int, flaws: Flaws) -> FloatArray:
    """Return the closes of one symbol of a wide file; an empty cell is no bar."""
    values, empty = cells.numbers(table, column, flaws)
    if empty.all():
        flaws.add(cells.EMPTY_COLUMN, [table.names[column]])
    flaws.add(cells.NOT_POSITIVE, _shown(table, column, values, values <= 0.0))
    return values


def _long_bars(symbols: Sequence[str], dates: DateArray, closes: FloatArray) -> Bars:
    """Return the bars of closes of shape (n_symbols, n_dates) that are not NaN."""
    present = ~np.isnan(closes)
    of_symbol, of_date = np.nonzero(present)
    return Bars.of(np.array(symbols)[of_symbol], dates[of_date], {"close": closes[present]})
