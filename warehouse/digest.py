"""Content hashes of marts: what a table says, not how a file holds it.

The hash of a mart is one SQL statement (`content_hash_sql`), so an auditor recomputes it in DuckDB
without this code; it can equally be written in any language from these rules::

    field    text of the value, in UTF-8, as `<number of bytes>:<text>`; NULL is `-`
    row      SHA-256, in hex, of the fields in column order, joined by nothing
    mart     SHA-256, in hex, of header and rows, the rows ordered by primary key, joined by nothing
    header   `assay-mart/1` LF, `<schema>.<mart>` LF, then `<column> <type>` LF for every column

Text of a value: whole numbers in decimal; DOUBLE as C `%.17g`, which names one double; BOOLEAN
`true` or `false`; DATE `2026-01-31`; TIMESTAMP `2026-01-31T23:59:59.000000`; VARCHAR as it is. The
primary key is the first column, text, ordered by its UTF-8 bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import duckdb

SCHEMAS = ("health", "metrics", "meta")
"""The schemas that hold marts."""

_TEXTS = {
    "VARCHAR": "{column}",
    "BIGINT": "cast({column} as varchar)",
    "BOOLEAN": "cast({column} as varchar)",
    "DOUBLE": "format('{{:.17g}}', {column})",
    "DATE": "strftime({column}, '%Y-%m-%d')",
    "TIMESTAMP": "strftime({column}, '%Y-%m-%dT%H:%M:%S.%f')",
}
"""Type of a column -> its text; a mart with another type fails the contract test."""

_COLUMNS = """
select table_schema || '.' || table_name, column_name, data_type
from information_schema.columns
where table_schema in ('health', 'metrics', 'meta')
order by 1, ordinal_position
"""


@dataclass(frozen=True, slots=True)
class MartDigest:
    """What a mart holds.

    Attributes
    ----------
    name : str
        `<schema>.<mart>`.
    rows : int
        Number of rows.
    sha256 : str
        Content hash.
    """

    name: str
    rows: int
    sha256: str

    def to_payload(self) -> dict[str, str | int]:
        """Return one entry of `marts` in the result of `build@1`."""
        return {"name": self.name, "rows": self.rows, "sha256": self.sha256}


def content_hash_sql(mart: str, columns: Sequence[tuple[str, str]]) -> str:
    """Return the statement that yields number of rows and content hash of a mart.

    Parameters
    ----------
    mart : str
        `<schema>.<mart>`.
    columns : sequence of (name, type)
        In the order of the table; the first is the primary key.

    Raises
    ------
    KeyError
        If a column has a type that is not named above.
    """
    header = f"assay-mart/1\n{mart}\n" + "".join(f"{name} {kind}\n" for name, kind in columns)
    fields = " || ".join(_field(name, kind) for name, kind in columns)
    rows = f"select {columns[0][0]} as primary_key, sha256({fields}) as row_hash from {mart}"  # noqa: S608
    joined = "coalesce(string_agg(row_hash, '' order by primary_key), '')"
    digest = f"sha256('{header}' || {joined}) as content_sha256"
    return f"select count(*) as row_count, {digest} from ({rows})"  # noqa: S608 - our own tables


def list_marts(connection: duckdb.DuckDBPyConnection) -> dict[str, list[tuple[str, str]]]:
    """Return the columns of every mart of a warehouse, the marts in order of their names."""
    marts: dict[str, list[tuple[str, str]]] = {}
    for mart, name, kind in connection.execute(_COLUMNS).fetchall():
        marts.setdefault(mart, []).append((name, kind))
    return marts


def hash_marts(connection: duckdb.DuckDBPyConnection) -> tuple[MartDigest, ...]:
    """Return the content hash of every mart, in order of their names."""
    digests = []
    for mart, columns in list_marts(connection).items():
        row = connection.execute(content_hash_sql(mart, columns)).fetchone()
        assert row is not None  # noqa: S101 - an aggregate always has a row
        digests.append(MartDigest(mart, row[0], row[1]))
    return tuple(digests)


def _field(name: str, kind: str) -> str:
    text = _TEXTS[kind].format(column=name)
    return f"coalesce(strlen({text}) || ':' || {text}, '-')"
