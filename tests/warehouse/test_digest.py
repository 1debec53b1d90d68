"""The content hash says what a mart holds, and can be recomputed by anyone."""

from __future__ import annotations

import hashlib
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from warehouse.digest import MartDigest, content_hash_sql, hash_marts, list_marts

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

COLUMNS = (
    ("id", "VARCHAR"),
    ("size", "DOUBLE"),
    ("amount", "BIGINT"),
    ("flag", "BOOLEAN"),
    ("day", "DATE"),
    ("made_at", "TIMESTAMP"),
    ("note", "VARCHAR"),
)
ROW = ("a", 0.1, 7, True, date(2026, 1, 31), datetime(2026, 1, 31, 4, 5, 6), "x")  # noqa: DTZ001


def text_of(value: Any) -> str:
    """Return the text of a value as the module docstring states it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.17g}"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%S.%f")
    return value.isoformat() if isinstance(value, date) else str(value)


def field_of(value: Any) -> bytes:
    """Return the field of a value: length, colon, text; `-` for NULL."""
    if value is None:
        return b"-"
    text = text_of(value).encode()
    return b"%d:%b" % (len(text), text)


def hash_by_hand(
    mart: str, columns: Sequence[tuple[str, str]], rows: Sequence[Sequence[Any]]
) -> str:
    """Return the content hash, written once more in Python from the module docstring."""
    header = f"assay-mart/1\n{mart}\n" + "".join(f"{name} {kind}\n" for name, kind in columns)
    ordered = sorted(rows, key=lambda row: row[0].encode())
    hashes = [hashlib.sha256(b"".join(map(field_of, row))).hexdigest() for row in ordered]
    return hashlib.sha256((header + "".join(hashes)).encode()).hexdigest()


def hash_in_sql(rows: Sequence[Sequence[Any]]) -> tuple[int, str]:
    """Return rows and content hash of a table with `COLUMNS`."""
    with duckdb.connect() as connection:
        connection.execute("create schema health")
        kinds = ", ".join(f"{name} {kind}" for name, kind in COLUMNS)
        connection.execute(f"create table health.thing ({kinds})")
        for row in rows:
            connection.execute("insert into health.thing values (?, ?, ?, ?, ?, ?, ?)", list(row))
        found = connection.execute(content_hash_sql("health.thing", COLUMNS)).fetchone()
    assert found is not None
    return found[0], found[1]


rows_strategy = st.lists(
    st.tuples(
        st.text(min_size=1, max_size=5).filter(lambda text: "\x00" not in text),
        st.none() | st.floats(allow_nan=False, allow_infinity=False),
        st.none() | st.integers(-(2**63), 2**63 - 1),
        st.none() | st.booleans(),
        st.none() | st.dates(),
        st.none() | st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(2200, 1, 1)),  # noqa: DTZ001
        st.none() | st.text(max_size=5).filter(lambda text: "\x00" not in text),
    ),
    max_size=5,
    unique_by=lambda row: row[0],
)


@settings(deadline=None, max_examples=50)
@given(rows_strategy)
def test_sql_and_python_agree(rows: list[tuple[Any, ...]]) -> None:
    """Whoever follows the rules gets the same hash, in any language."""
    assert hash_in_sql(rows) == (len(rows), hash_by_hand("health.thing", COLUMNS, rows))


@settings(deadline=None, max_examples=50)
@given(rows_strategy, st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(rows: list[tuple[Any, ...]], random: Any) -> None:
    """A hash depends on what a table says, not on where a row lies."""
    shuffled = list(rows)
    random.shuffle(shuffled)
    assert hash_in_sql(rows) == hash_in_sql(shuffled)


@pytest.mark.parametrize(
    ("position", "value"),
    [
        (0, "b"),
        (1, 0.1 + 2**-56),
        (1, None),
        (2, 8),
        (3, False),
        (4, date(2026, 2, 1)),
        (5, datetime(2026, 1, 31, 4, 5, 6, 1)),  # noqa: DTZ001
        (6, ""),
        (6, None),
        (6, "-"),
    ],
)
def test_every_cell_counts(position: int, value: Any) -> None:
    """Changing one cell, by one bit of a double even, changes the hash."""
    changed = (*ROW[:position], value, *ROW[position + 1 :])
    assert hash_in_sql([ROW]) != hash_in_sql([changed])


def test_fields_cannot_be_moved_across_their_border() -> None:
    """Lengths stand before the texts, so `ab`, `c` and `a`, `bc` differ."""
    nothing = (None, None, None, None, None)
    assert hash_in_sql([("ab", *nothing, "c")]) != hash_in_sql([("a", *nothing, "bc")])


def test_every_mart_of_the_project_has_a_hash(derived: Path) -> None:
    """All column types of the marts have a text, and each mart has its rows counted."""
    with duckdb.connect(str(derived), read_only=True) as connection:
        digests = hash_marts(connection)
        marts = list_marts(connection)
        assert [digest.name for digest in digests] == list(marts)
        assert len(digests) == 44
        for digest in digests:
            assert isinstance(digest, MartDigest)
            rows = connection.table(digest.name).fetchall()
            assert digest.rows == len(rows)
            assert digest.sha256 == hash_by_hand(digest.name, marts[digest.name], rows)


def test_an_unknown_type_is_refused() -> None:
    """A column without a stated text would be hashed by chance."""
    with pytest.raises(KeyError):
        content_hash_sql("health.thing", [("id", "VARCHAR"), ("shape", "STRUCT(x INTEGER)")])
