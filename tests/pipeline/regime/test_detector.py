"""The regime of simulated markets, and the invariants of its score."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.config import RegimeParams
from pipeline.errors import DataError
from pipeline.regime.detector import WEIGHTS, detect, evidence, label, rows_needed
from pipeline.regime.market_state import Regime
from pipeline.values import Returns, frozen_array, frozen_dates

if TYPE_CHECKING:
    from pipeline.regime.market_state import Component
    from pipeline.values import FloatArray

PARAMS = RegimeParams()
ROOT = Path(__file__).parents[3]


def returns_of(values: FloatArray) -> Returns:
    """Return the columns as symbols S000, S001, ... from 2020 on."""
    dates = np.datetime64("2020-01-01") + np.arange(len(values))
    symbols = tuple(f"S{i:03d}" for i in range(values.shape[1]))
    return Returns(frozen_dates(dates), symbols, frozen_array(values))


def market(seed: int, rows: int = 252, symbols: int = 20) -> FloatArray:
    """Gaussian noise of 1 % a day with a common factor; nothing happens in it."""
    random = np.random.Generator(np.random.PCG64(seed))
    own = random.standard_normal((rows, symbols))
    return 0.01 * (own + random.standard_normal((rows, 1)))


def named(regime: Regime) -> dict[str, Component]:
    """Return the components by name."""
    return {component.name: component for component in regime.components}


@pytest.mark.parametrize("symbols", [1, 5, 20, 60])
def test_noise_is_mostly_normal(symbols: int) -> None:
    """The label is no coin flip: at least 80 % normal, at most 4 % crisis, whatever the width."""
    found = Counter(
        detect(returns_of(market(seed, symbols=symbols)), PARAMS, 0).regime for seed in range(150)
    )
    assert found["normal"] >= 0.80 * 150
    assert found["crisis"] <= 0.04 * 150
    assert found["quiet"] <= 0.13 * 150
    assert found["turbulent"] <= 0.13 * 150


@pytest.mark.parametrize("seed", range(20))
def test_threefold_volatility_is_turbulent_or_crisis(seed: int) -> None:
    """Ten rows of threefold volatility are never normal."""
    values = market(seed)
    values[-10:] *= 3.0
    assert detect(returns_of(values), PARAMS, 0).regime in {"turbulent", "crisis"}


@pytest.mark.parametrize("seed", range(20))
def test_crash_is_a_crisis(seed: int) -> None:
    """All symbols lose a tenth on the last day."""
    values = market(seed)
    values[-1] -= 0.10
    assert detect(returns_of(values), PARAMS, 0).regime == "crisis"


@pytest.mark.parametrize("seed", range(10))
def test_slow_fall_is_not_normal(seed: int) -> None:
    """Three percent a day for ten days, without any larger spread."""
    values = market(seed)
    values[-10:] -= 0.03
    assert detect(returns_of(values), PARAMS, 0).regime in {"turbulent", "crisis"}


@pytest.mark.parametrize("seed", range(10))
def test_third_of_the_volatility_is_quiet(seed: int) -> None:
    """Quiet is reachable, and means what it says."""
    values = market(seed)
    values[-10:] *= 0.3
    assert detect(returns_of(values), PARAMS, 0).regime == "quiet"


@pytest.mark.parametrize("rows", [1, 10, 129])
def test_too_few_rows_are_normal_and_say_so(rows: int) -> None:
    """Undetermined is recorded in every component, not passed off as a measurement."""
    found = detect(returns_of(market(1, rows)), PARAMS, 0)
    assert (found.regime, found.score, found.observations) == ("normal", 0.5, rows)
    for component in found.components:
        assert component.note == f"{rows} rows, 130 needed"
        assert not component.accepted
        assert component.weight == 0.0
        assert component.value is None


def test_rows_needed_are_enough() -> None:
    """One row fewer is undetermined, the number itself is not."""
    rows = rows_needed(PARAMS)
    assert named(detect(returns_of(market(2, rows)), PARAMS, 0))["volatility_ratio"].accepted


def test_market_that_stood_still_is_normal_and_says_so() -> None:
    """No baseline: the score is undetermined, although the entropy could be computed."""
    found = detect(returns_of(np.zeros((252, 3))), PARAMS, 0)
    assert (found.regime, found.score) == ("normal", 0.5)
    assert "did not move" in named(found)["volatility_ratio"].note
    assert not any(component.accepted for component in found.components)
    assert sum(component.weight for component in found.components) == 0.0


def test_equal_columns_leave_the_turbulence_out() -> None:
    """A singular covariance is named, and its weight goes to the others."""
    values = market(3, symbols=2)
    values[:, 1] = values[:, 0]
    found = named(detect(returns_of(values), PARAMS, 0))
    assert "singular" in found["turbulence"].note
    assert found["turbulence"].weight == 0.0
    assert found["volatility_ratio"].weight == pytest.approx(0.42 / 0.48)


def test_hidden_states_are_refused_on_noise_with_their_numbers() -> None:
    """The refusal says which rule failed, with ratio, BIC gain and convergence."""
    component = named(detect(returns_of(market(4)), PARAMS, 0))["hidden_states"]
    assert not component.accepted
    assert component.value is not None
    for word in ("ratio", "BIC gain", "steps"):
        assert word in component.note


def test_hidden_states_that_are_calm_now_do_not_count() -> None:
    """Two real states, the market in the calm one: recorded, weight 0."""
    values = market(5)
    values[60:100] *= 3.0
    component = named(detect(returns_of(values), PARAMS, 0))["hidden_states"]
    assert "less likely than 0.7" in component.note
    assert component.weight == 0.0


def test_close_states_do_not_count() -> None:
    """A limit of 10 on the ratio refuses every fit of this market."""
    values = market(6)
    values[-30:] *= 3.0
    params = PARAMS.model_copy(update={"hmm_ratio_min": 10.0})
    note = named(detect(returns_of(values), params, 0))["hidden_states"].note
    assert note.startswith("the states are closer than 10")


def test_short_windows_leave_the_hidden_states_out() -> None:
    """Forty rows are enough for short components, not for four parameters."""
    params = RegimeParams(recent_days=5, baseline_days=30, entropy_days=20)
    found = detect(returns_of(market(7, 40)), params, 0)
    assert named(found)["hidden_states"].note == "40 rows, 60 needed"
    assert named(found)["volatility_ratio"].accepted


def test_entropy_without_a_window_is_left_out() -> None:
    """Three rows hold no pattern of order 5."""
    params = RegimeParams(entropy_days=3, entropy_order=5)
    component = named(detect(returns_of(market(8)), params, 0))["permutation_entropy"]
    assert component.note == "3 rows hold no pattern of order 5"


def test_nothing_to_measure_is_an_error() -> None:
    """No symbol is a gate upstream that should have closed, not a normal market."""
    with pytest.raises(DataError, match="expected returns"):
        detect(returns_of(np.zeros((252, 0))), PARAMS, 0)


@pytest.mark.parametrize(
    ("score", "expected"),
    [
        (0.0, "quiet"),
        (0.2499, "quiet"),
        (0.25, "normal"),
        (0.75, "normal"),
        (0.7501, "turbulent"),
        (0.9, "turbulent"),
        (0.9001, "crisis"),
        (1.0, "crisis"),
    ],
)
def test_labels_follow_the_limits(score: float, expected: str) -> None:
    """A score on a limit belongs to the calmer side of turbulence and to normal above quiet."""
    assert label(score, PARAMS) == expected


@pytest.mark.property
@given(st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_evidence_rises_from_zero_to_one_around_a_half(a: float, b: float) -> None:
    """Monotone, point-symmetric around 0.5, flat in the middle."""
    low, high = sorted((a, b))
    assert 0.0 <= evidence(low) <= evidence(high) <= 1.0
    assert evidence(1.0 - a) == pytest.approx(1.0 - evidence(a))
    assert abs(evidence(a) - 0.5) <= abs(a - 0.5) + 1e-12


def test_weights_sum_to_one() -> None:
    """The weights while every component is accepted."""
    assert sum(WEIGHTS.values()) == pytest.approx(1.0)


@pytest.mark.property
@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000), st.integers(1, 25), st.floats(0.1, 5.0))
def test_score_is_the_weighted_mean_of_evidence(seed: int, symbols: int, factor: float) -> None:
    """Invariant 1: the weights sum to 1, and the score follows from the recorded components."""
    values = market(seed, symbols=symbols)
    values[-10:] *= factor
    found = detect(returns_of(values), PARAMS, 0)
    total = 0.0
    for component in found.components:
        if not component.accepted:
            assert component.weight == 0.0
            continue
        percentile = component.null_percentile
        if component.name == "permutation_entropy" and percentile is not None:
            percentile = 1.0 - percentile
        total += component.weight * (1.0 if percentile is None else evidence(percentile))
    assert sum(component.weight for component in found.components) == pytest.approx(1.0)
    assert found.score == pytest.approx(total)
    assert 0.0 <= found.score <= 1.0
    assert [component.name for component in found.components] == list(WEIGHTS)


@pytest.mark.property
@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000), st.floats(5.0, 50.0))
def test_beyond_all_noise_is_a_crisis(seed: int, factor: float) -> None:
    """Invariant 2: volatility and turbulence above all of noise score at least 0.92."""
    values = market(seed)
    values[-10:] *= factor
    found = detect(returns_of(values), PARAMS, 0)
    assert named(found)["volatility_ratio"].null_percentile == 1.0
    assert named(found)["turbulence"].null_percentile == 1.0
    assert found.score >= 0.92 - 1e-12


@pytest.mark.property
@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10_000), st.integers(-6, 3), st.permutations(range(8)), st.integers(0, 99))
def test_scale_order_and_seed_change_nothing(
    seed: int, exponent: int, order: list[int], run_seed: int
) -> None:
    """Invariant 3: powers of two, the order of the columns and the run's seed change no bit."""
    values = market(seed, symbols=8)
    values[-12:] *= 1.7
    plain = returns_of(values)
    moved = Returns(
        plain.dates,
        tuple(plain.symbols[i] for i in order),
        frozen_array(values[:, order] * 2.0**exponent),
    )
    assert detect(moved, PARAMS, run_seed) == detect(plain, PARAMS, 0)


@pytest.mark.property
@settings(deadline=None, max_examples=15)
@given(st.integers(0, 10_000), st.integers(1, 30))
def test_what_comes_later_changes_nothing(seed: int, later: int) -> None:
    """The regime of a date is a function of the rows up to it."""
    values = market(seed, rows=252 + later)
    whole = returns_of(values)
    cut = Returns(frozen_dates(whole.dates[:252]), whole.symbols, frozen_array(whole.values[:252]))
    assert detect(cut, PARAMS, 0) == detect(returns_of(values[:252]), PARAMS, 0)


@pytest.mark.property
@settings(deadline=None, max_examples=80)
@given(
    st.builds(
        RegimeParams,
        recent_days=st.integers(1, 6),
        baseline_days=st.integers(1, 12),
        entropy_days=st.integers(1, 12),
        entropy_order=st.integers(2, 4),
    ),
    st.integers(1, 20),
    st.integers(1, 5),
    st.data(),
)
def test_any_returns_have_a_regime(
    params: RegimeParams, rows: int, symbols: int, data: st.DataObject
) -> None:
    """Ties, flat columns and tiny windows: a label, a finite record, never a NaN."""
    steps = st.sampled_from([0.0, 0.0, 0.01, -0.01, 0.5, -0.5])
    drawn = data.draw(st.lists(steps, min_size=rows * symbols, max_size=rows * symbols))
    found = detect(returns_of(np.array(drawn).reshape(rows, symbols)), params, 0)
    json.dumps(found.to_payload(), allow_nan=False)
    assert found.regime == label(found.score, params)
    weights = sum(component.weight for component in found.components)
    assert weights == pytest.approx(1.0 if found.components[0].accepted else 0.0)


def test_crises_of_the_past_are_found() -> None:
    """Twenty large US stocks: terror attacks, Lehman, the downgrade and the pandemic."""
    from skfolio.datasets import load_sp500_dataset  # noqa: PLC0415 - costs three seconds

    prices = load_sp500_dataset()
    values = prices.to_numpy()[1:] / prices.to_numpy()[:-1] - 1.0
    days = prices.index[1:].strftime("%Y-%m-%d").tolist()
    dates = frozen_dates(days)

    def on(day: str) -> str:
        stop = days.index(day) + 1
        rows = slice(stop - 252, stop)
        window = Returns(dates[rows], tuple(sorted(prices.columns)), frozen_array(values[rows]))
        return detect(window, PARAMS, 0).regime

    for day in ("2001-09-25", "2008-10-06", "2011-08-15", "2020-03-17"):
        assert on(day) == "crisis"
    decade = [on(day) for day in days[252 : 252 + 2520 : 20]]
    shares = Counter(decade)
    assert shares["normal"] > 0.5 * len(decade)
    assert shares["crisis"] < 0.15 * len(decade)


def test_baseline_ends_where_the_recent_rows_begin() -> None:
    """The volatility ratio does not shrink when the recent rows grow wilder."""
    values = market(9)
    values[-10:] *= 30.0
    value = named(detect(returns_of(values), PARAMS, 0))["volatility_ratio"].value
    assert value is not None
    assert value > 15.0


OTHER_PROCESSOR = {
    "OPENBLAS_CORETYPE": "Haswell",
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL",
    "PYTHONWARNINGS": "ignore",
}
"""Other kernels of OpenBLAS and numpy, where this processor has them."""

SCRIPT = """
import hashlib, json
import numpy as np
from pipeline.config import RegimeParams
from pipeline.regime.detector import detect
from pipeline.values import Returns, frozen_array, frozen_dates
random = np.random.Generator(np.random.PCG64(11))
text = ""
for symbols in (1, 20, 45):
    for factor in (0.5, 1.0, 2.0, 4.0):
        values = 0.01 * random.standard_normal((252, symbols))
        values[-10:] *= factor
        dates = frozen_dates(np.datetime64("2020-01-01") + np.arange(252))
        names = tuple(f"S{i:03d}" for i in range(symbols))
        found = detect(Returns(dates, names, frozen_array(values)), RegimeParams(), 42)
        text += json.dumps(found.to_payload())
print(hashlib.sha256(text.encode()).hexdigest())
"""


def test_fresh_processes_give_the_same_bytes() -> None:
    """Neither hash seed nor BLAS threads nor kind of processor change a bit of any regime."""
    found = [
        subprocess.run(
            [sys.executable, "-c", SCRIPT],
            cwd=ROOT,
            env={"PYTHONHASHSEED": hash_seed, **environment},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for hash_seed, environment in (
            ("0", {"OMP_NUM_THREADS": "1"}),
            ("1", {"OMP_NUM_THREADS": "2"}),
            ("2", OTHER_PROCESSOR),
        )
    ]
    assert len(set(found)) == 1
    assert len(found[0].strip()) == len(hashlib.sha256().hexdigest())


def test_payload_is_plain_json() -> None:
    """No NaN, no numpy number, and it comes back as it went."""
    found = detect(returns_of(market(10)), PARAMS, 0)
    text = json.dumps(found.to_payload(), allow_nan=False)
    assert Regime.from_payload(json.loads(text)) == found
