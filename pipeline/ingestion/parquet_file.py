"""Prices from a Parquet file, wide or long, as pandas, polars, DuckDB or Spark write them.

Numbers of any width become float64; text stays text; times are compared with midnight UTC (Parquet
stores an instant in UTC beside the name of its zone). An index that pandas stored is a column.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.errors import DataError
from pipeline.ingestion.cells import Table
from pipeline.ingestion.shapes import read_bars
from pipeline.ingestion.source import read_file, required_path, source_name

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.config import SourceParams
    from pipeline.ingestion.cells import Cells
    from pipeline.ingestion.source import Bars


@dataclass(frozen=True, slots=True)
class ParquetSource:
    """A Parquet file, wide or long (`pipeline.ingestion.shapes`)."""

    name: str
    path: Path

    def read(self) -> Bars:
        """Return all bars of the file."""
        return read_bars(parse_parquet(read_file(self.path), self.path.name))


def open_parquet(params: SourceParams, base: Path) -> ParquetSource:
    """Return the source of the file that `params.path` names."""
    return ParquetSource(source_name(params), required_path(params, base))


def parse_parquet(content: bytes, label: str) -> Table:
    """Return the table of a Parquet file; rows are counted from 1.

    Raises
    ------
    DataError
        If the bytes are not a Parquet file.
    """
    try:
        table = pq.ParquetFile(pa.BufferReader(content)).read(use_threads=False)
        columns = tuple(_cells(column) for column in table.columns)
    except (pa.ArrowException, OSError, ValueError) as e:
        first_line = str(e).partition("\n")[0]
        raise DataError(
            f"{label} is not a Parquet file: {first_line}",
            where=label,
            why="a Parquet file begins and ends with PAR1; a download may have been cut off",
            fix='fetch the file again, or set data.source.kind to "csv" if it is text',
        ) from e
    return Table(label, tuple(table.column_names), columns, "row", range(1, table.num_rows + 1))


def _cells(column: pa.ChunkedArray) -> Cells:
    kind = column.type
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        instants: Cells = column.to_numpy().astype(_numpy_unit(kind))
        return instants
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        numbers: Cells = pc.cast(column, pa.float64(), safe=False).to_numpy()
        return numbers
    return [None if cell is None else str(cell) for cell in column.to_pylist()]


def _numpy_unit(kind: pa.DataType) -> np.dtype[np.datetime64]:
    if pa.types.is_date32(kind):
        return np.dtype("datetime64[D]")
    return np.dtype(f"datetime64[{'ms' if pa.types.is_date64(kind) else kind.unit}]")
