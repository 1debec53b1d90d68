"""The whole funnel: what changes its result and what must not."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.config import SelectionParams
from pipeline.errors import DataError
from pipeline.selection.funnel import FUNNEL, select
from pipeline.selection.synthesis import Selection
from pipeline.values import Panel

ROOT = Path(__file__).parents[3]
PARAMS = SelectionParams(cluster_count=4, top_per_cluster=2)
NAMES = [f"S{i:02d}" for i in range(10)]


def market(seed: int, rows: int = 252, names: list[str] = NAMES) -> Panel:
    """Return geometric random walks with a common factor."""
    random = np.random.Generator(np.random.PCG64(seed))
    shocks = random.standard_normal((rows, len(names))) + random.standard_normal((rows, 1))
    closes = 100.0 * np.exp(np.cumsum(0.01 * shocks, axis=0))
    return Panel.of(np.datetime64("2020-01-01") + np.arange(rows), names, closes)


def with_column(panel: Panel, name: str, closes: object) -> Panel:
    """Return the panel with one more symbol."""
    order = sorted([*panel.symbols, name])
    column = np.broadcast_to(np.asarray(closes, dtype=np.float64), (len(panel.dates),))
    parts = {symbol: panel.closes[:, i] for i, symbol in enumerate(panel.symbols)}
    parts[name] = column
    return Panel.of(panel.dates, order, np.stack([parts[symbol] for symbol in order], axis=1))


def without(selection: Selection, symbol: str) -> Selection:
    """Return the selection with one symbol's own rows left out."""
    return replace(
        selection,
        universe=tuple(s for s in selection.universe if s != symbol),
        features=tuple(one for one in selection.features if one.symbol != symbol),
        verdicts=tuple(one for one in selection.verdicts if one.symbol != symbol),
    )


def test_funnel_has_six_stages_in_order() -> None:
    """The order is the reading order of the package."""
    assert [stage.__name__ for stage in FUNNEL] == [
        "universe",
        "features",
        "vetoes",
        "scoring",
        "clusters",
        "synthesis",
    ]


def test_selection_is_consistent() -> None:
    """Clusters cover the survivors, every selected symbol is one of its cluster's best."""
    panel = market(1)
    found = select(panel, panel.symbols, PARAMS, 252, 0)
    ranks = {score.symbol: score.rank for score in found.scores}
    members = sorted(symbol for group in found.clusters.values() for symbol in group)
    assert members == sorted(ranks)
    assert sorted(ranks.values()) == list(range(1, len(ranks) + 1))
    for group in found.clusters.values():
        chosen = [symbol for symbol in group if symbol in found.selected]
        assert chosen == sorted(sorted(group, key=ranks.__getitem__)[:2])
    assert found.as_of == str(panel.dates[-1])


@pytest.mark.property
@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10_000), st.permutations(NAMES), st.integers(0, 99))
def test_order_of_the_usable_symbols_and_seed_change_nothing(
    seed: int, order: list[str], run_seed: int
) -> None:
    """The input is a set of symbols, and nothing is random."""
    panel = market(seed)
    assert select(panel, order, PARAMS, 252, run_seed) == select(panel, NAMES, PARAMS, 252, 0)


@pytest.mark.property
@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10_000), st.permutations(range(10)))
def test_renamed_symbols_give_the_renamed_selection(seed: int, order: list[int]) -> None:
    """Names decide ties only: features and scores follow their series to the last bit."""
    plain = market(seed)
    moved = Panel.of(plain.dates, NAMES, plain.closes[:, order])
    new = {NAMES[old]: NAMES[position] for position, old in enumerate(order)}
    before, after = (select(panel, NAMES, PARAMS, 252, 0) for panel in (plain, moved))
    assert {replace(one, symbol=new[one.symbol]) for one in before.features} == set(after.features)
    expected = {new[score.symbol]: score.score for score in before.scores}
    assert expected == {score.symbol: score.score for score in after.scores}
    groups = {frozenset(new[symbol] for symbol in group) for group in before.clusters.values()}
    assert groups == {frozenset(group) for group in after.clusters.values()}
    if len(set(expected.values())) == len(expected):
        assert sorted(new[symbol] for symbol in before.selected) == list(after.selected)


@pytest.mark.property
@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10_000), st.integers(1, 60))
def test_what_comes_later_changes_nothing(seed: int, later: int) -> None:
    """A selection is a function of its training rows."""
    whole = market(seed, 252 + later)
    cut = Panel.of(whole.dates[:252], NAMES, whole.closes[:252])
    assert select(whole.rows(0, 252), NAMES, PARAMS, 252, 0) == select(cut, NAMES, PARAMS, 252, 0)


@pytest.mark.property
@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10_000), st.sampled_from(["A", "S045", "Z"]))
def test_symbol_that_does_not_move_changes_nobody_else(seed: int, name: str) -> None:
    """A hard veto takes a symbol out before ranks and clusters: all other rows keep their bytes.

    This holds for a symbol with a bar on every date of the others; a hole would take the date
    from everyone's returns.
    """
    panel = market(seed)
    wider = with_column(panel, name, 50.0)
    found = select(wider, wider.symbols, PARAMS, 252, 0)
    assert name not in found.selected
    assert without(found, name) == select(panel, NAMES, PARAMS, 252, 0)


@pytest.mark.property
@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10_000), st.sampled_from(["A", "S045", "Z"]))
def test_symbol_that_is_not_usable_changes_nobody_else(seed: int, name: str) -> None:
    """Not even a hole in its bars matters: it leaves one verdict behind, of the health check."""
    panel = market(seed)
    closes = np.where(np.arange(252) % 3 == 0, np.nan, 7.0)
    found = select(with_column(panel, name, closes), NAMES, PARAMS, 252, 0)
    own = [verdict for verdict in found.verdicts if verdict.symbol == name]
    assert [(verdict.rule, verdict.passed) for verdict in own] == [("health", False)]
    assert without(found, name) == select(panel, NAMES, PARAMS, 252, 0)


@pytest.mark.property
@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10_000))
def test_scale_of_prices_changes_nothing(seed: int) -> None:
    """Quoting a symbol in another unit (a power of two) changes no bit."""
    panel = market(seed)
    units = 2.0 ** np.arange(-5, 5)
    scaled = Panel.of(panel.dates, NAMES, panel.closes * units)
    assert select(scaled, NAMES, PARAMS, 252, 0) == select(panel, NAMES, PARAMS, 252, 0)


def test_equal_series_share_a_cluster() -> None:
    """Two listings of one asset: one cluster, the earlier symbol first."""
    panel = market(2)
    twins = with_column(panel, "S045", panel.closes[:, 4])
    found = select(twins, twins.symbols, PARAMS, 252, 0)
    (group,) = [symbols for symbols in found.clusters.values() if "S04" in symbols]
    assert "S045" in group


@pytest.mark.parametrize("count", [1, 2])
def test_few_symbols_are_enough(count: int) -> None:
    """One or two symbols go through every stage."""
    names = NAMES[:count]
    found = select(market(3, names=names), names, PARAMS, 252, 0)
    assert found.selected == tuple(names)


def test_no_usable_symbol_selects_nothing() -> None:
    """Recorded as an empty selection with the verdicts of the health check."""
    found = select(market(4), [], PARAMS, 252, 0)
    assert (found.selected, found.clusters, found.relaxed) == ((), {}, 0)
    assert len(found.verdicts) == len(NAMES)


def test_short_training_rows_work() -> None:
    """Twenty rows: no Hurst exponent and no momentum, recorded as null, still a selection."""
    found = select(market(5, 21), NAMES, PARAMS, 252, 0)
    assert found.selected
    assert {one.hurst for one in found.features} == {None}
    json.dumps(found.to_payload(), allow_nan=False)


@pytest.mark.property
@settings(deadline=None, max_examples=80)
@given(
    st.builds(
        SelectionParams,
        feature_days=st.integers(1, 60),
        momentum_skip_days=st.integers(0, 40),
        entropy_order=st.integers(2, 4),
        hurst_null_half_width=st.sampled_from([0.0, 0.4]),
        cluster_count=st.integers(1, 6),
        top_per_cluster=st.integers(1, 3),
        minimum_selected=st.integers(1, 6),
    ),
    st.integers(3, 45),
    st.integers(1, 5),
    st.data(),
)
def test_any_prices_have_a_selection(
    params: SelectionParams, rows: int, count: int, data: st.DataObject
) -> None:
    """Ties, flat and equal columns, tiny windows: a finite record that is consistent."""
    size = rows * count
    steps = data.draw(st.lists(st.sampled_from([0.5, 1.0, 1.0, 2.0]), min_size=size, max_size=size))
    closes = np.multiply.accumulate(np.array(steps).reshape(rows, count), axis=0)
    names = NAMES[:count]
    panel = Panel.of(np.datetime64("2020-01-01") + np.arange(rows), names, closes)
    found = select(panel, names, params, 252, 0)
    json.dumps(found.to_payload(), allow_nan=False)
    moving = {one.symbol for one in found.features if one.volatility > 0.0}
    survivors = {score.symbol for score in found.scores}
    assert set(found.selected) <= survivors <= moving
    assert len(survivors) >= min(params.minimum_selected, len(moving))
    assert len(found.clusters) <= params.cluster_count
    assert all(set(group) & set(found.selected) for group in found.clusters.values())


def test_no_rows_are_an_error() -> None:
    """There is no date to select for."""
    panel = Panel.of([], ["A"], np.zeros((0, 1)))
    with pytest.raises(DataError, match="found none"):
        select(panel, ["A"], PARAMS, 252, 0)


def test_payload_is_plain_json_and_comes_back() -> None:
    """No NaN, no numpy number, the fields of docs/spec/records.md in their order."""
    found = select(market(6), NAMES, PARAMS, 252, 0)
    payload = found.to_payload()
    assert list(payload) == [
        "as_of",
        "universe",
        "features",
        "verdicts",
        "relaxed",
        "scores",
        "clusters",
        "clusters_sha256",
        "selected",
    ]
    text = json.dumps(payload, allow_nan=False)
    assert Selection.from_payload(json.loads(text)) == found


OTHER_PROCESSOR = {
    "OPENBLAS_CORETYPE": "Haswell",
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL",
    "PYTHONWARNINGS": "ignore",
}
"""Other kernels of OpenBLAS and numpy, where this processor has them."""

SCRIPT = """
import hashlib, json
import numpy as np
from pipeline.config import SelectionParams
from pipeline.selection.funnel import select
from pipeline.values import Panel
random = np.random.Generator(np.random.PCG64(12))
text = ""
for count in (1, 2, 20, 60):
    names = [f"S{i:03d}" for i in range(count)]
    shocks = random.standard_normal((252, count)) + random.standard_normal((252, 1))
    closes = 100.0 * np.cumprod(1.0 + 0.01 * shocks, axis=0)
    panel = Panel.of(np.datetime64("2020-01-01") + np.arange(252), names, closes)
    for half_width in (0.0, 0.3):
        params = SelectionParams(hurst_null_half_width=half_width, minimum_selected=5)
        text += json.dumps(select(panel, set(names), params, 252, 42).to_payload())
print(hashlib.sha256(text.encode()).hexdigest())
"""


def test_fresh_processes_give_the_same_bytes() -> None:
    """Neither hash seed nor BLAS threads nor kind of processor change a bit of any selection."""
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
