"""Digest of the values of a table, whatever file or library they came from.

The bytes of a Parquet file depend on its writer; two honest runs are compared by what is inside.
The digest is the SHA-256 of:

    assay.table.v1 LF
    length of the header, header
    for each column, in the order of the header:
        length of its bitmap, bitmap
        length of its buffer, buffer

Lengths are 8 bytes, little-endian. The header is ASCII JSON without blanks, keys ascending:
`{"columns":[[name,type],..],"kind":..,"order":[..],"rows":n}`; `order` names the columns by which
rows ascend. Buffers by type:

    float64   8 bytes each, little-endian; every NaN is 000000000000f87f, -0.0 is written as 0.0
    int64     8 bytes each, little-endian
    date      days since 1970-01-01 as int64
    string    length in bytes of each UTF-8 text as int64, then all texts

A column with masked values has a bitmap, one bit for each row, lowest bit first, 1 where there is a
value, and zero bytes (an empty text) in the buffer where there is none; without masked values the
bitmap is empty. NaN is a value.

Invariants:
    1. Tables that differ in a name, a type, an order or a value have different preimages.
    2. A type that is not listed raises; nothing is converted or rounded on the way.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Protocol, TypeAlias

import numpy as np

from pipeline.values import Panel

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

TAG = b"assay.table.v1\n"
"""First bytes of every preimage; another encoding needs another tag."""

_TYPES = {
    np.dtype(np.float64): "float64",
    np.dtype(np.int64): "int64",
    np.dtype("datetime64[D]"): "date",
}

_LENGTH_BYTES = 8
_CANONICAL_NAN = np.float64(np.nan)

Column: TypeAlias = "NDArray[np.generic]"


class LongTable(Protocol):
    """What `bars_digest` needs of bars."""

    @property
    def symbol(self) -> NDArray[np.str_]: ...  # noqa: D102

    @property
    def date(self) -> NDArray[np.datetime64]: ...  # noqa: D102

    @property
    def fields(self) -> Mapping[str, NDArray[np.float64]]: ...  # noqa: D102


def panel_digest(panel: Panel) -> str:
    """Return the digest of a panel: 64 lower-case hex digits.

    Columns are the dates, then the closes of each symbol; a symbol called `date` cannot be taken
    for the dates, since types and places differ.
    """
    return table_digest("panel", _panel_columns(panel), order=("date",))


def panel_preimage(panel: Panel) -> bytes:
    """Return the bytes of which `panel_digest` is the SHA-256."""
    return TAG + b"".join(_framed(_parts("panel", _panel_columns(panel), ("date",))))


def parse_panel(preimage: bytes) -> Panel:
    """Return the panel of which `panel_preimage` wrote the bytes.

    Raises
    ------
    ValueError
        For every other sequence of bytes.
    """
    header, *parts = _unframed(preimage)
    try:
        names = [str(name) for name, _ in json.loads(header)["columns"]]
        dates, *closes = (np.frombuffer(part, "<i8") for part in parts[1::2])
        values = np.array([column.view("<f8") for column in closes]).T
        panel = Panel.of(dates.astype("datetime64[D]"), names[1:], values)
        again = panel_preimage(panel)
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        msg = f"not the preimage of a panel: {error}"
        raise ValueError(msg) from error
    if again != preimage:
        msg = "another spelling of the panel is the canonical one"
        raise ValueError(msg)
    return panel


def bars_digest(bars: LongTable) -> str:
    """Return the digest of bars: 64 lower-case hex digits."""
    columns = [("symbol", bars.symbol), ("date", bars.date), *bars.fields.items()]
    return table_digest("bars", columns, order=("symbol", "date"))


def table_digest(kind: str, columns: Sequence[tuple[str, Column]], order: Sequence[str]) -> str:
    """Return the digest of named columns: 64 lower-case hex digits.

    Parameters
    ----------
    kind : str
        What the table is; tables of two kinds never have the same digest.
    columns : sequence of (str, ndarray of shape (n_rows,))
        float64, int64, datetime64[D] or fixed-width text; a masked array may lack values.
    order : sequence of str
        Columns by which the rows ascend; stated, not checked.

    Raises
    ------
    TypeError
        If a column has a type that is not listed above.
    ValueError
        If a column is not one-dimensional, lengths differ, or a date is NaT.
    """
    digest = hashlib.sha256(TAG)
    for piece in _framed(_parts(kind, columns, order)):
        digest.update(piece)
    return digest.hexdigest()


def _panel_columns(panel: Panel) -> list[tuple[str, Column]]:
    closes = np.ascontiguousarray(panel.closes.T)
    return [("date", panel.dates), *zip(panel.symbols, closes, strict=True)]


def _parts(
    kind: str, columns: Sequence[tuple[str, Column]], order: Sequence[str]
) -> Iterator[bytes]:
    """Yield the header, then bitmap and buffer of each column."""
    rows = {len(values) for _, values in columns}
    if len(rows) > 1 or any(values.ndim != 1 for _, values in columns):
        msg = f"expected columns of one length, found {sorted(rows)}"
        raise ValueError(msg)
    header = {
        "kind": kind,
        "rows": max(rows, default=0),
        "columns": [[name, _type_of(name, values)] for name, values in columns],
        "order": list(order),
    }
    encoded = json.dumps(header, sort_keys=True, separators=(",", ":"), allow_nan=False)
    yield encoded.encode("ascii")
    for name, values in columns:
        yield _bitmap(values)
        yield _buffer(name, values)


def _framed(parts: Iterable[bytes]) -> Iterator[bytes]:
    for part in parts:
        yield len(part).to_bytes(_LENGTH_BYTES, "little")
        yield part


def _unframed(preimage: bytes) -> list[bytes]:
    """Return header, bitmaps and buffers of a preimage."""
    parts, at = [], len(TAG)
    while at < len(preimage):
        start = at + _LENGTH_BYTES
        at = start + int.from_bytes(preimage[at:start], "little")
        parts.append(preimage[start:at])
    if not preimage.startswith(TAG) or at != len(preimage) or not parts:
        msg = "not the preimage of a table"
        raise ValueError(msg)
    return parts


def _type_of(name: str, values: Column) -> str:
    if values.dtype.kind == "U":
        return "string"
    found = _TYPES.get(values.dtype.newbyteorder("="))
    if found is None:
        msg = f"column {name!r} has type {values.dtype}; expected float64, int64, days or text"
        raise TypeError(msg)
    return found


def _bitmap(values: Column) -> bytes:
    if not np.ma.is_masked(values):
        return b""
    return np.packbits(~np.ma.getmaskarray(values), bitorder="little").tobytes()


def _buffer(name: str, values: Column) -> bytes:
    if np.ma.isMaskedArray(values):
        values = np.where(np.ma.getmaskarray(values), np.zeros(1, values.dtype), values.data)
    if values.dtype.kind == "U":
        return _text_buffer(values)
    if values.dtype.kind == "M":
        if np.isnat(values).any():
            msg = f"column {name!r} has a date that is NaT; mask it"
            raise ValueError(msg)
        return values.astype("<i8").tobytes()
    if values.dtype.kind == "f":
        # Adding zero turns -0.0 into 0.0 and leaves every other number as it is.
        values = np.where(np.isnan(values), _CANONICAL_NAN, values) + 0.0
        return values.astype("<f8").tobytes()
    return values.astype("<i8").tobytes()


def _text_buffer(values: Column) -> bytes:
    texts = [text.encode() for text in values.tolist()]
    lengths = np.fromiter(map(len, texts), dtype="<i8", count=len(texts))
    return lengths.tobytes() + b"".join(texts)
