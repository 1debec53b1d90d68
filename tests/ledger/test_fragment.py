"""A value encoded once stands in a larger one as if it had been encoded there."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import Fragment, UnrecordableError, dumps, loads
from ledger.canonical import MAX_DEPTH

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text("abcé", max_size=3).filter(str.isascii), inner, max_size=4)
    ),
    max_leaves=10,
)


@given(values, values, values)
def test_fragments_are_written_as_their_values(one: object, two: object, rest: object) -> None:
    """The same bytes with and without fragments, wherever they stand."""
    whole = {"a": one, "b": [two, rest], "c": one}
    parts = {"a": Fragment(one), "b": [Fragment(two), rest], "c": Fragment(one)}
    assert dumps(parts) == dumps(whole)


@given(values)
def test_fragment_holds_the_canonical_bytes(value: object) -> None:
    """A fragment is what `dumps` gives."""
    assert Fragment(value).data == dumps(value)
    assert dumps(Fragment(value)) == dumps(value)


def test_text_like_the_mark_is_no_fragment() -> None:
    """A string that looks like the place of a fragment stays a string."""
    mark = "\uffff" + "fragment" + "\uffff"
    value = {"a": mark, "b": 1.5}
    assert json.loads(dumps(value)) == value
    assert loads(dumps({"a": mark, "b": Fragment([1.0])})) == {"a": mark, "b": [1]}


def test_fragment_leaves_room_for_what_surrounds_it() -> None:
    """A fragment that is too deep is refused when it is made, not when it is recorded."""
    deep: object = 0
    for _ in range(MAX_DEPTH - 4):
        deep = [deep]
    assert Fragment(deep).data.startswith(b"[[")
    with pytest.raises(UnrecordableError):
        Fragment([deep])


def test_value_that_is_no_json_is_refused() -> None:
    """NaN has no place in a fragment either."""
    with pytest.raises(UnrecordableError):
        Fragment({"a": float("nan")})
