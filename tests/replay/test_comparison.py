"""A verdict says whether the bytes are equal, and where they differ first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.comparison import Comparison, compare, first_difference

if TYPE_CHECKING:
    from pipeline.values import Json

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abc", max_size=3), inner),
    max_leaves=12,
)


def solution(weight: float, **more: Any) -> dict[str, Any]:
    """Return a small result of `optimize`."""
    base = {
        "slice_sha256": "0" * 64,
        "requested": {},
        "actual": {},
        "caps": {},
        "weights": {"A": weight, "B": 1 - weight},
    }
    return base | more


@given(values)
def test_a_value_does_not_differ_from_itself(value: Json) -> None:
    """No false difference."""
    assert first_difference(value, value) is None


@given(values, values)
def test_difference_is_found_when_and_only_when_values_differ(one: Json, other: Json) -> None:
    """The path of the first difference is given exactly for unequal JSON."""
    same = repr(one) == repr(other) or _canonical(one) == _canonical(other)
    assert (first_difference(one, other) is None) == same


def _canonical(value: Json) -> bytes:
    from ledger import dumps  # noqa: PLC0415 - only this oracle needs it

    return dumps({"value": value})


@pytest.mark.parametrize(
    ("recorded", "found", "expected"),
    [
        pytest.param({"a": 1}, {"a": 2}, "result.a: recorded 1, found 2", id="value"),
        pytest.param({"a": 1}, {}, "result.a: recorded only", id="key gone"),
        pytest.param({}, {"a": 1}, "result.a: found only", id="key more"),
        pytest.param({"a": [1, 2]}, {"a": [1, 3]}, "result.a[1]: recorded 2, found 3", id="item"),
        pytest.param({"a": [1]}, {"a": [1, 2]}, "result.a: recorded 1 items, found 2", id="length"),
        pytest.param({"a": True}, {"a": 1}, "result.a: recorded True, found 1", id="bool"),
    ],
)
def test_first_difference_names_path_and_values(
    recorded: dict[str, Json], found: dict[str, Json], expected: str
) -> None:
    """The text leads to the field."""
    assert first_difference(recorded, found) == expected


def test_equal_bytes_are_exact() -> None:
    """1 and 1.0 are one JSON number."""
    assert compare("id", {"a": 1}, {"a": 1.0}, ["commit"]).verdict == "exact"


def test_weights_within_the_tolerance_of_the_same_problem() -> None:
    """The same slice, cell and caps, weights 1e-9 apart."""
    assert compare("id", solution(0.5), solution(0.5 + 1e-9), []).verdict == "within_tolerance"


@pytest.mark.parametrize(
    "found",
    [
        pytest.param(solution(0.6), id="weights"),
        pytest.param(solution(0.5 + 1e-9, slice_sha256="1" * 64), id="rows"),
        pytest.param(solution(0.5 + 1e-9, caps={"rule": "relax"}), id="caps"),
        pytest.param(solution(0.5 + 1e-9, weights={"A": 1.0}), id="symbols"),
    ],
)
def test_another_problem_or_other_weights_diverge(found: dict[str, Any]) -> None:
    """Outside the tolerance, or not the same problem."""
    assert compare("id", solution(0.5), found, []).verdict == "diverged"


def test_other_environment_is_named_when_results_differ() -> None:
    """A difference under another lock is not called a divergence of the code."""
    assert compare("id", {"a": 1}, {"a": 2}, ["lock"]).verdict == "environment_differs"


def test_payload_of_a_comparison_round_trips() -> None:
    """What is recorded is what is read back."""
    for comparison in (Comparison("id", "exact"), compare("id", {"a": 1}, {"a": 2}, [])):
        assert Comparison.from_payload(comparison.to_payload()) == comparison
