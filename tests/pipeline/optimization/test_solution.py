"""The optimize result: what is written is what is read."""

from __future__ import annotations

import json

import pytest

from pipeline.config import Cell
from pipeline.optimization.optimize import optimize
from pipeline.optimization.solution import Solution
from tests.pipeline.optimization.markets import make_market, make_parameters

FIELDS = [
    "as_of",
    "requested",
    "actual",
    "adaptive",
    "status",
    "objective",
    "iterations",
    "residuals",
    "weights",
    "cash",
    "caps",
    "constraints",
    "dropped",
    "fallbacks",
    "certificate",
    "consensus",
    "slice_sha256",
]


def solution(profile: str) -> Solution:
    """Return a solution with a failed attempt before it."""
    returns, clusters = make_market()
    falling = make_parameters(0.25, 0.3, fallback=(Cell(risk_profile="hrp"),), risk_free_rate=0.9)
    cell = Cell.model_validate({"risk_profile": profile})
    return optimize(returns, clusters, "normal", cell, falling, periods_per_year=252, seed=1)


@pytest.mark.parametrize("profile", ["equal_weight", "min_variance", "max_sharpe", "adaptive"])
def test_payload_and_solution_are_inverse(profile: str) -> None:
    """Through JSON and back gives the same solution."""
    before = solution(profile)
    assert Solution.from_payload(json.loads(json.dumps(before.to_payload()))) == before


def test_integers_from_canonical_json_are_numbers() -> None:
    """1.0 is written as 1 in canonical JSON and still read as a weight."""
    payload = solution("equal_weight").to_payload()
    payload["cash"], payload["objective"] = 0, 1
    found = Solution.from_payload(payload)
    assert (type(found.cash), type(found.objective)) == (float, float)


def test_payload_has_the_fields_of_the_specification() -> None:
    """The names and their order of `docs/spec/records.md`, `optimize`."""
    payload = solution("max_sharpe").to_payload()
    assert list(payload) == FIELDS
    assert payload["requested"] == {"engine": "custom", "risk_profile": "max_sharpe"}
    assert payload["actual"] == {"engine": "custom", "risk_profile": "hrp"}
    caps, constraints, fallbacks = payload["caps"], payload["constraints"], payload["fallbacks"]
    assert isinstance(caps, dict)
    assert isinstance(constraints, list)
    assert isinstance(fallbacks, list)
    assert set(caps) == {
        "regime",
        "symbol_cap",
        "cluster_cap",
        "symbol_cap_requested",
        "cluster_cap_requested",
        "rule",
    }
    assert isinstance(constraints[0], dict)
    assert set(constraints[0]) == {"kind", "name", "value", "limit", "slack", "binding"}
    assert isinstance(fallbacks[0], dict)
    assert set(fallbacks[0]) == {"engine", "risk_profile", "status", "reason"}


def test_payload_holds_plain_values_only() -> None:
    """No numpy number reaches the ledger; none is NaN."""
    json.dumps(solution("min_variance").to_payload(), allow_nan=False)
    assert all(type(value) is float for value in solution("min_variance").weights.values())


@pytest.mark.parametrize(
    ("field", "value"), [("weights", []), ("cash", True), ("constraints", {}), ("objective", "1")]
)
def test_other_types_are_refused(field: str, value: object) -> None:
    """A payload that is not ours is an error, not a guess."""
    payload = {**solution("equal_weight").to_payload(), field: value}
    with pytest.raises(TypeError):
        Solution.from_payload(payload)  # type: ignore[arg-type]
