"""The logical digest: known answers, and no two different tables with one digest."""

from __future__ import annotations

import hashlib
import struct
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pipeline.fingerprint import (
    bars_digest,
    panel_digest,
    panel_preimage,
    parse_panel,
    table_digest,
)
from pipeline.ingestion.source import Bars
from pipeline.values import Panel

if TYPE_CHECKING:
    from numpy.typing import NDArray

DAYS = ["2024-01-02", "2024-01-03"]


def framed(part: bytes) -> bytes:
    """Return a part with its length before it."""
    return struct.pack("<Q", len(part)) + part


def digest(*columns: tuple[str, NDArray[np.generic]], kind: str = "t") -> str:
    """Return the digest of columns in no stated order."""
    return table_digest(kind, columns, order=())


def panel_of(closes: object) -> Panel:
    """Return a panel of two days and two symbols."""
    return Panel.of(DAYS, ["AAA", "BBB"], closes)


def test_panel_digest_is_the_hash_of_the_documented_preimage() -> None:
    """Anyone can write the preimage from the module docstring."""
    panel = panel_of([[1.5, np.nan], [2.0, 3.25]])
    header = (
        b'{"columns":[["date","date"],["AAA","float64"],["BBB","float64"]],'
        b'"kind":"panel","order":["date"],"rows":2}'
    )
    preimage = (
        b"assay.table.v1\n"
        + framed(header)
        + framed(b"")
        + framed(struct.pack("<qq", 19724, 19725))
        + framed(b"")
        + framed(struct.pack("<dd", 1.5, 2.0))
        + framed(b"")
        + framed(bytes.fromhex("000000000000f87f") + struct.pack("<d", 3.25))
    )
    assert panel_digest(panel) == hashlib.sha256(preimage).hexdigest()


def test_bars_digest_is_the_hash_of_the_documented_preimage() -> None:
    """Texts are their lengths in bytes, then their UTF-8."""
    bars = Bars.of(["É", "AB"], DAYS, {"close": [1.0, 2.0]})
    header = (
        b'{"columns":[["symbol","string"],["date","date"],["close","float64"]],'
        b'"kind":"bars","order":["symbol","date"],"rows":2}'
    )
    preimage = (
        b"assay.table.v1\n"
        + framed(header)
        + framed(b"")
        + framed(struct.pack("<qq", 2, 2) + "ABÉ".encode())
        + framed(b"")
        + framed(struct.pack("<qq", 19725, 19724))
        + framed(b"")
        + framed(struct.pack("<dd", 2.0, 1.0))
    )
    assert bars_digest(bars) == hashlib.sha256(preimage).hexdigest()


def test_known_answers_do_not_change() -> None:
    """A change of the encoding changes recorded digests and must not pass unseen."""
    assert (
        panel_digest(panel_of([[1.5, np.nan], [2.0, 3.25]]))
        == "ed1699181018c8773d1f10defcebcb401b9461c1a2813716979b59f4d1d8e8d2"
    )
    assert (
        bars_digest(Bars.of(["AAA", "BBB"], DAYS, {"close": [1.0, 2.0], "volume": [0.0, np.nan]}))
        == "096d31f0bf01c915f24edc5bfebabf23e19b157e3b5ed6a34c8e16e73edbdd95"
    )
    assert digest() == "aa659ccb04aa1c25d59e0eede04b7308d754fb9b498ad94b5672afd25633290e"


def test_masked_values_are_a_bitmap() -> None:
    """A missing value has a 0 bit and zero bytes; NaN and 0 are values."""
    masked = np.ma.array([7, 8, 9], mask=[False, True, False])
    preimage = (
        b"assay.table.v1\n"
        + framed(b'{"columns":[["n","int64"]],"kind":"t","order":[],"rows":3}')
        + framed(bytes([0b101]))
        + framed(struct.pack("<qqq", 7, 0, 9))
    )
    assert digest(("n", masked)) == hashlib.sha256(preimage).hexdigest()
    assert digest(("n", masked)) != digest(("n", np.array([7, 0, 9])))
    floats = np.ma.array([1.0, np.nan], mask=[False, True])
    assert digest(("x", floats)) != digest(("x", np.array([1.0, np.nan])))
    texts = np.ma.array(["a", "b"], mask=[False, True])
    assert digest(("s", texts)) != digest(("s", np.array(["a", ""])))


def test_what_is_hidden_under_a_mask_does_not_matter() -> None:
    """Two tables that lack the same value are equal."""
    one = np.ma.array([7, 8], mask=[False, True])
    two = np.ma.array([7, 99], mask=[False, True])
    assert digest(("n", one)) == digest(("n", two))
    unmasked = np.ma.array([7, 8], mask=[False, False])
    assert digest(("n", unmasked)) == digest(("n", np.array([7, 8])))


@pytest.mark.parametrize(
    ("one", "two"),
    [
        pytest.param(
            [("x", np.array([1.0]))], [("x", np.array([1], dtype=np.int64))], id="type changed"
        ),
        pytest.param(
            [("x", np.array([1], dtype=np.int64))],
            [("x", np.array(["1970-01-02"], "M8[D]"))],
            id="number for date",
        ),
        pytest.param(
            [("x", np.array([1.0]))], [("x", np.array([1.0 + 1e-10]))], id="difference of 1e-10"
        ),
        pytest.param(
            [("x", np.array([1.0, np.nan]))], [("x", np.array([np.nan, 1.0]))], id="NaN pattern"
        ),
        pytest.param([("x", np.array([0.0]))], [("x", np.array([np.nan]))], id="NaN for zero"),
        pytest.param(
            [("a", np.array([1.0])), ("b", np.array([2.0]))],
            [("a,b", np.array([1.0, 2.0]))],
            id="column named with separator",
        ),
        pytest.param(
            [('a"],["b', np.array([1.0]))], [("a", np.array([1.0]))], id="column named like JSON"
        ),
        pytest.param(
            [("a", np.array([1.0])), ("b", np.array([2.0]))],
            [("b", np.array([2.0])), ("a", np.array([1.0]))],
            id="columns exchanged",
        ),
        pytest.param(
            [("a", np.array([1.0])), ("b", np.array([2.0]))],
            [("a", np.array([2.0])), ("b", np.array([1.0]))],
            id="values exchanged",
        ),
        pytest.param(
            [("s", np.array(["ab", "c"]))], [("s", np.array(["a", "bc"]))], id="texts shifted"
        ),
        pytest.param(
            [("s", np.array(["\u00e9"]))], [("s", np.array(["e\u0301"]))], id="accent composed"
        ),
        pytest.param([], [("x", np.array([], dtype=np.float64))], id="empty column"),
        pytest.param(
            [("x", np.array([1.0, 2.0]))], [("x", np.array([2.0, 1.0]))], id="rows exchanged"
        ),
    ],
)
def test_tables_that_differ_have_different_digests(
    one: list[tuple[str, NDArray[np.generic]]], two: list[tuple[str, NDArray[np.generic]]]
) -> None:
    """Each case is a collision that some way of hashing tables has."""
    assert digest(*one) != digest(*two)


def test_kind_and_order_are_part_of_the_digest() -> None:
    """A panel and bars with equal columns are different tables."""
    columns = [("x", np.array([1.0]))]
    plain = table_digest("a", columns, order=())
    assert plain != table_digest("b", columns, order=())
    assert plain != table_digest("a", columns, order=("x",))


def test_negative_zero_and_every_nan_are_canonical() -> None:
    """Values that compare equal, and NaNs of any bits, have one encoding."""
    assert digest(("x", np.array([-0.0]))) == digest(("x", np.array([0.0])))
    odd = np.array([0xFFF8_0000_DEAD_BEEF], dtype=np.uint64).view(np.float64)
    assert digest(("x", odd)) == digest(("x", np.array([np.nan])))


def test_memory_layout_and_byte_order_do_not_matter() -> None:
    """The same values give the same digest, however they lie in memory."""
    values = np.arange(6.0)
    strided = np.repeat(values, 2)[::2]
    assert digest(("x", values)) == digest(("x", strided))
    assert digest(("x", values)) == digest(("x", values.astype(">f8")))
    closes = np.arange(1.0, 5.0).reshape(2, 2)
    assert panel_digest(panel_of(closes)) == panel_digest(panel_of(np.asfortranarray(closes)))


def test_order_of_the_rows_given_to_bars_does_not_matter() -> None:
    """Bars are sorted, so a permutation of rows is the same table."""
    days = ["2024-01-02", "2024-01-03", "2024-01-02"]
    bars = Bars.of(["A", "A", "B"], days, {"close": [1.0, 2.0, 3.0]})
    shuffled = Bars.of(["B", "A", "A"], days[::-1], {"close": [3.0, 2.0, 1.0]})
    assert bars_digest(bars) == bars_digest(shuffled)


def test_width_of_the_text_array_does_not_matter() -> None:
    """Texts are encoded without the padding of fixed-width arrays."""
    assert digest(("s", np.array(["A"], "U1"))) == digest(("s", np.array(["A"], "U9")))


@pytest.mark.parametrize(
    "values",
    [
        np.array([1.0], dtype=np.float32),
        np.array([1], dtype=np.int32),
        np.array([True]),
        np.array(["2024-01-02"], dtype="M8[ns]"),
        np.array([None], dtype=object),
        np.array([1 + 2j]),
        np.array([b"A"]),
    ],
    ids=lambda values: str(values.dtype),
)
def test_other_types_are_refused(values: NDArray[np.generic]) -> None:
    """Nothing is converted on the way into a digest."""
    with pytest.raises(TypeError, match="expected float64"):
        digest(("x", values))


def test_missing_date_and_unequal_lengths_are_refused() -> None:
    """A table that is none has no digest."""
    with pytest.raises(ValueError, match="NaT"):
        digest(("d", np.array(["NaT"], "M8[D]")))
    with pytest.raises(ValueError, match="one length"):
        digest(("x", np.zeros(1)), ("y", np.zeros(2)))
    with pytest.raises(ValueError, match="one length"):
        digest(("x", np.zeros((2, 2))))


@pytest.mark.property
@given(hnp.arrays(np.float64, (2, 2)), st.integers(0, 3), st.floats())
def test_changing_any_value_changes_the_digest(
    closes: NDArray[np.float64], cell: int, value: float
) -> None:
    """Equal digests mean equal values (NaN equal to NaN, zeros equal)."""
    changed = closes.copy()
    changed.flat[cell] = value
    equal = np.array_equal(closes, changed, equal_nan=True)
    assert (panel_digest(panel_of(closes)) == panel_digest(panel_of(changed))) == equal


@pytest.mark.property
@given(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))))
def test_texts_are_told_apart(texts: list[str]) -> None:
    """The encoding of texts can be read back, so different lists differ."""
    if texts:
        changed = [*texts[:-1], texts[-1] + "x"]
        assert digest(("s", np.array(texts))) != digest(("s", np.array(changed)))


@given(
    hnp.arrays(
        np.float64,
        st.tuples(st.integers(1, 4), st.integers(1, 3)),
        elements=st.floats(allow_nan=True, allow_infinity=False),
    )
)
def test_preimage_is_read_back(closes: NDArray[np.float64]) -> None:
    """What is hashed holds the panel, and one panel has one preimage."""
    rows, columns = closes.shape
    days = np.datetime64("2024-01-02") + np.arange(rows)
    panel = Panel.of(days, [f"S{n}" for n in range(columns)], closes)
    preimage = panel_preimage(panel)
    assert hashlib.sha256(preimage).hexdigest() == panel_digest(panel)
    read = parse_panel(preimage)
    assert (read.symbols, read.dates.tolist()) == (panel.symbols, panel.dates.tolist())
    assert np.array_equal(read.closes, panel.closes, equal_nan=True)
    assert panel_preimage(read) == preimage


@given(st.data())
def test_another_preimage_is_refused(data: st.DataObject) -> None:
    """Cut, lengthened or with a byte changed: a panel with other values, or `ValueError`."""
    preimage = panel_preimage(panel_of([[1.5, np.nan], [2.0, 3.25]]))
    at = data.draw(st.integers(0, len(preimage) - 1))
    byte = data.draw(st.integers(0, 255))
    for other in (
        preimage[:at],
        preimage + bytes([byte]),
        preimage[:at] + bytes([byte]) + preimage[at + 1 :],
        preimage[:at] + preimage[at + 1 :],
    ):
        try:
            assert panel_preimage(parse_panel(other)) == other
        except ValueError:
            assert other != preimage


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"[]",
        b"{}",
        b"nul",
        b'{"columns":[["date"]]}',
        b'{"columns":[["date","date"],[5,"float64"]],"kind":"panel","order":["date"],"rows":1}',
        b'{"columns":[[[],"date"],[[],"float64"]],"kind":"panel","order":["date"],"rows":1}',
        b"[" * 100_000,
    ],
)
def test_a_header_of_something_else_is_refused(header: bytes) -> None:
    """Bytes of strangers raise one exception."""
    column = framed(b"") + framed(bytes(8))
    with pytest.raises(ValueError, match="panel"):
        parse_panel(b"assay.table.v1\n" + framed(header) + column + column)
