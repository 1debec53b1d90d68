"""Canonical JSON: one spelling, told apart from all others."""

from __future__ import annotations

import contextlib
import enum
import json
import math
import struct
from types import MappingProxyType
from typing import Any, cast

import numpy as np
import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from ledger import (
    NotCanonicalError,
    UnrecordableError,
    canonical,
    canonical_digest,
    dumps,
    loads,
    sha256,
)
from ledger.canonical import MAX_INTEGER, format_number

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
keys = st.text(st.characters(max_codepoint=127), max_size=8)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-MAX_INTEGER, MAX_INTEGER)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4)
)


class Colour(enum.StrEnum):
    """Text with a class of its own."""

    RED = "red"


class Level(enum.IntEnum):
    """An integer with a class of its own."""

    HIGH = 3


def test_rfc_example_has_these_bytes() -> None:
    """The number examples of RFC 8785, section 3.2.2."""
    value = {"numbers": [333333333.33333329, 1e30, 4.50, 2e-3, 0.000000000000000000000000001]}
    assert dumps(value) == b'{"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27]}'


@given(values)
def test_bytes_are_those_of_another_implementation(value: object) -> None:
    """The pure-Python rfc8785 package writes the same bytes."""
    assert dumps(value) == rfc8785.dumps(cast("Any", value))


@given(values)
def test_dumps_and_loads_are_inverse(value: object) -> None:
    """Invariants 1 and 2."""
    data = dumps(value)
    assert loads(data) == value
    assert dumps(loads(data)) == data


@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_foreign_bytes_raise_one_exception(data: bytes) -> None:
    """Invariant 3: what loads accepts is canonical, and nothing else escapes it."""
    with contextlib.suppress(NotCanonicalError):
        assert dumps(loads(data)) == data


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_read_back_bit_for_bit(value: float) -> None:
    """The shortest text of a double gives that double."""
    assert struct.pack(">d", float(format_number(value))) == struct.pack(">d", value + 0.0)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (-0.0, "0"),
        (1.0, "1"),
        (-1.5, "-1.5"),
        (1e-6, "0.000001"),
        (1e-7, "1e-7"),
        (1.5e-9, "1.5e-9"),
        (123456789012345680.0, "123456789012345680"),
        (1e20, "100000000000000000000"),
        (1e21, "1e+21"),
        (5e-324, "5e-324"),
        (1.7976931348623157e308, "1.7976931348623157e+308"),
        (9007199254740993.0, "9007199254740992"),
        (0.1 + 0.2, "0.30000000000000004"),
    ],
)
def test_number_has_this_text(value: float, text: str) -> None:
    """ECMAScript spelling at its edges, alone and inside."""
    assert dumps(value) == text.encode()
    assert dumps({"a": [value]}) == b'{"a":[%b]}' % text.encode()
    assert dumps(loads(text.encode())) == text.encode()


@pytest.mark.parametrize(
    ("value", "where"),
    [
        (math.nan, "$"),
        ({"a": {"b": [1, math.inf]}}, "$.a.b[1]"),
        ({"a": -math.inf}, "$.a"),
        ({"a": 2**53}, "$.a"),
        ([-(2**53)], "$[0]"),
        ({"a": "\ud800"}, "$.a"),
        ({1: 2}, "$"),
        ({"a": {None: 1}}, "$.a"),
        ({"é": 1}, "$"),
        ({"a": {1, 2}}, "$.a"),
        ({"a": b"x"}, "$.a"),
        ({"a": np.float32(1)}, "$.a"),
        ({"a": np.array([1.0])}, "$.a"),
        ({"a": np.float64("nan")}, "$.a"),
        (object(), "$"),
    ],
)
def test_value_outside_the_profile_is_refused_by_its_path(value: object, where: str) -> None:
    """The writer maps nothing silently."""
    with pytest.raises(UnrecordableError) as caught:
        dumps(value)
    assert caught.value.where == where
    assert caught.value.exit_code == 70


def test_depth_is_limited_on_both_sides() -> None:
    """32 containers within each other are written and read, 33 are not."""
    value: list[object] = []
    for _ in range(31):
        value = [value]
    assert loads(dumps(value)) == value
    for deeper in ([value], {"a": value}):
        with pytest.raises(UnrecordableError, match="more than 32"):
            dumps(deeper)
        with pytest.raises(NotCanonicalError):
            loads(json.dumps(deeper, separators=(",", ":")).encode())


def test_a_value_within_itself_is_refused() -> None:
    """A cycle ends at the depth limit."""
    value: list[object] = []
    value.append(value)
    with pytest.raises(UnrecordableError):
        dumps(value)


def test_foreign_classes_with_a_json_meaning_are_written() -> None:
    """Enumerations, NumPy doubles, tuples and read-only mappings have one obvious form."""
    value = {
        "a": Colour.RED,
        "b": Level.HIGH,
        "c": np.float64(0.5),
        "d": (1, 2.0),
        "e": MappingProxyType({"z": 1, "y": True}),
    }
    assert dumps(value) == b'{"a":"red","b":3,"c":0.5,"d":[1,2],"e":{"y":true,"z":1}}'
    assert dumps({"a": Level.HIGH, "b": Colour.RED}) == b'{"a":3,"b":"red"}'


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b'{"a":1,"a":2}', id="duplicate-key"),
        pytest.param(b'{"b":1,"a":2}', id="key-order"),
        pytest.param(b'{"a": 1}', id="space"),
        pytest.param(b'{"a":1}\n', id="newline"),
        pytest.param(b'\xef\xbb\xbf{"a":1}', id="bom"),
        pytest.param(b'{"a":1.0}', id="fraction-of-zero"),
        pytest.param(b'{"a":1e2}', id="exponent"),
        pytest.param(b'{"a":-0}', id="minus-zero"),
        pytest.param(b'{"a":01}', id="leading-zero"),
        pytest.param(b'{"a":NaN}', id="nan"),
        pytest.param(b'{"a":1e400}', id="overflow"),
        pytest.param(b'{"a":9007199254740993}', id="beyond-2-53"),
        pytest.param(b'{"a":"\\u0041"}', id="escape"),
        pytest.param(b'{"a":"\\ud800"}', id="lone-surrogate"),
        pytest.param(b'{"a":"\xff"}', id="not-utf-8"),
        pytest.param(b'{"a":"\\/"}', id="escaped-slash"),
        pytest.param(b'{"a":1,}', id="trailing-comma"),
        pytest.param(b"", id="empty"),
        pytest.param(b"[" * 100_000, id="deep-nesting"),
        pytest.param(b"9" * 5000, id="long-number"),
        pytest.param('{"é":1}'.encode(), id="non-ascii-key"),
    ],
)
def test_another_spelling_is_refused(data: bytes) -> None:
    """What parsers disagree about never gets in."""
    with pytest.raises(NotCanonicalError):
        loads(data)


def test_text_is_kept_as_it_is() -> None:
    """No normalisation: composed and decomposed text stay different."""
    composed, decomposed = "caf\u00e9", "cafe\u0301"
    assert dumps(composed) != dumps(decomposed)
    assert loads(dumps({"a": "\u2028\x00\x7f/"})) == {"a": "\u2028\x00\x7f/"}


def test_canonical_digest_is_that_of_the_bytes() -> None:
    """The digest of a value is the digest of what is written."""
    assert canonical_digest({"a": 1}) == sha256(b'{"a":1}')


@pytest.mark.parametrize("value", [{"a": [1, "x"]}, {"b": 1e-7, "a": 0.1}, {"a": (1,)}])
def test_a_python_without_the_c_encoder_writes_the_same(
    value: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The C encoder is an optimisation."""
    expected = dumps(value)
    monkeypatch.setattr("json.encoder.c_make_encoder", None)
    monkeypatch.setattr(canonical, "_encode_c", canonical._make_c_encoder())
    assert canonical._encode_c is None
    assert dumps(value) == expected


@given(
    st.recursive(
        st.sampled_from([1e-7, 1e16, 1.0, -0.0, 2.5, 12345678901234567, True, 1e300])
        | st.text(st.sampled_from('",:[]{}\\e.-0123456789\uffff'), max_size=12),
        lambda inner: (
            st.lists(inner, max_size=5)
            | st.dictionaries(st.sampled_from(["a", '"', ":1.0,", "\\"]), inner, max_size=4)
        ),
    )
)
def test_odd_numbers_are_told_from_text_that_looks_like_them(value: object) -> None:
    """Numbers are respelled where they stand, and nothing inside a text is touched."""
    try:
        expected = rfc8785.dumps(cast("Any", value))
    except rfc8785.IntegerDomainError:
        return
    assert dumps(value) == expected


def test_public_vectors_of_the_author(transparency: dict[str, Any]) -> None:
    """Pairs and numbers of the RFC's author."""
    jcs = transparency["jcs"]
    for bits, text in jcs["numbers_ieee754hex_to_text"]:
        value = struct.unpack(">d", bytes.fromhex(bits))[0]
        assert format_number(value) == text
    for bits in jcs["must_refuse_ieee754hex"]:
        with pytest.raises(UnrecordableError):
            dumps(struct.unpack(">d", bytes.fromhex(bits))[0])
