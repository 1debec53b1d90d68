"""Answers as Parquet files that say which ledger they were derived from."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from warehouse.errors import OutputFileError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from warehouse.query import QueryResult
    from warehouse.snapshots import SnapshotHead


def metadata_of(head: SnapshotHead, sql: str) -> dict[str, str]:
    """Return the key-value metadata of an answer: head, checkpoint and statement.

    `assay.checkpoint` holds the three lines of the checkpoint, joined by LF.
    """
    return {
        "assay.head_seq": str(head.through_seq),
        "assay.head_hash": head.through_hash,
        "assay.checkpoint": "\n".join(head.checkpoint),
        "assay.sql": sql,
    }


def write_parquet(result: QueryResult, path: Path, metadata: Mapping[str, str]) -> None:
    """Write an answer as one Parquet file, whole or not at all.

    Parameters
    ----------
    result : QueryResult
        The rows.
    path : Path
        The file; its folder must exist, an older file is replaced.
    metadata : mapping of str to str
        Key-value metadata of the file.

    Raises
    ------
    OutputFileError
        If the file cannot be written.
    """
    import pyarrow as pa  # noqa: PLC0415 - a quarter of a second
    import pyarrow.parquet as pq  # noqa: PLC0415

    schema = pa.schema(
        [(name, _type_of(kind)) for name, kind in zip(result.columns, result.types, strict=True)],
        metadata=dict(metadata),
    )
    columns = [
        pa.array(
            [_value(row[i], schema.field(i).type) for row in result.rows], schema.field(i).type
        )
        for i in range(len(result.columns))
    ]
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        pq.write_table(pa.Table.from_arrays(columns, schema=schema), draft)
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise OutputFileError(
            "the Parquet file cannot be written",
            where=str(path),
            why=str(error),
            fix="name a file in a folder that exists and may be written to",
        ) from error


def _type_of(kind: str) -> Any:  # noqa: ANN401 - a type of pyarrow, imported where it is needed
    """Return the Arrow type of a DuckDB type; text where Arrow has no equal."""
    import pyarrow as pa  # noqa: PLC0415

    plain = {
        "BOOLEAN": pa.bool_(), "TINYINT": pa.int8(), "SMALLINT": pa.int16(),
        "INTEGER": pa.int32(), "BIGINT": pa.int64(), "UTINYINT": pa.uint8(),
        "USMALLINT": pa.uint16(), "UINTEGER": pa.uint32(), "UBIGINT": pa.uint64(),
        "HUGEINT": pa.decimal128(38, 0), "FLOAT": pa.float32(), "DOUBLE": pa.float64(),
        "DATE": pa.date32(), "TIMESTAMP": pa.timestamp("us"), "BLOB": pa.binary(),
    }  # fmt: skip
    return plain.get(kind, pa.string())


def _value(value: object, kind: object) -> object:
    return str(value) if value is not None and str(kind) == "string" else value
