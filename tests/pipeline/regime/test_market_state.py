"""The recorded form of a regime."""

from __future__ import annotations

import json
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config import RegimeName
from pipeline.regime.market_state import Component, Regime

shares = st.floats(0.0, 1.0)
components = st.builds(
    Component,
    name=st.text(max_size=20),
    value=st.none() | st.floats(allow_nan=False, allow_infinity=False),
    null_percentile=st.none() | shares,
    weight=shares,
    accepted=st.booleans(),
    note=st.text(max_size=40),
)
regimes = st.builds(
    Regime,
    as_of=st.dates().map(str),
    regime=st.sampled_from(get_args(RegimeName)),
    score=shares,
    observations=st.integers(0, 10_000),
    components=st.lists(components, max_size=4).map(tuple),
)


def integral_as_int(value: object) -> object:
    """Return a payload as the ledger gives it back: 1.0 is written as 1."""
    if isinstance(value, dict):
        return {key: integral_as_int(one) for key, one in value.items()}
    if isinstance(value, list):
        return [integral_as_int(one) for one in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


@pytest.mark.property
@given(regimes)
def test_payload_and_regime_are_inverse(regime: Regime) -> None:
    """What was recorded is what is read, also with integral numbers as JSON writes them."""
    text = json.dumps(integral_as_int(regime.to_payload()), allow_nan=False)
    assert Regime.from_payload(json.loads(text)) == regime


def test_payload_has_the_specified_fields() -> None:
    """The fields of `detect` in docs/spec/records.md, no other."""
    component = Component("turbulence", None, None, 0.0, accepted=False, note="no rows")
    payload = Regime("2020-01-02", "normal", 0.5, 3, (component,)).to_payload()
    assert list(payload) == ["as_of", "regime", "score", "observations", "components"]
    assert payload["components"] == [
        {
            "name": "turbulence",
            "value": None,
            "null_percentile": None,
            "weight": 0.0,
            "accepted": False,
            "note": "no rows",
        }
    ]


@pytest.mark.parametrize(
    ("field", "value"),
    [("regime", "calm"), ("components", None), ("score", "0.5"), ("score", True)],
)
def test_foreign_payloads_are_refused(field: str, value: object) -> None:
    """An unknown label or a number that is none is an error, not a default."""
    payload = Regime("2020-01-02", "normal", 0.5, 3, ()).to_payload()
    payload[field] = value  # type: ignore[assignment]
    with pytest.raises(TypeError, match="expected"):
        Regime.from_payload(payload)
