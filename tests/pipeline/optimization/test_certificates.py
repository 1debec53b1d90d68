"""Certificates: prices of the linear minimum, and who gets none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.config import BlackLittermanParams
from pipeline.optimization.certificates import certificate
from pipeline.optimization.constraints import Limits, linear_minimum, prices
from pipeline.optimization.engines.base import Answer
from pipeline.optimization.engines.custom import hrp
from tests.pipeline.optimization.markets import make_problem

PROBLEM = make_problem(4, 2, 0.6, 0.8)
EQUAL = np.full(4, 0.25)


def test_prices_by_hand() -> None:
    """Costs 1, 2, 3, 4, caps .4, the first two capped at .5 together: .4 + .1 + .4 + .1 at 2.2.

    The last unit costs 4; room in the first cluster is worth 2, in symbol 0 one more, in 2 one.
    """
    limits = Limits(1.0, np.full(4, 0.4), 0.5, ((0, 1), (2, 3)))
    limits = replace(limits, clusters=((0, 1), (2,), (3,)))
    found = prices(np.array([1.0, 2.0, 3.0, 4.0]), limits)
    assert (found.budget, found.clusters, found.symbols) == (4.0, (2.0, 0.0, 0.0), (1.0, 0, 1.0, 0))
    assert found.minimum == pytest.approx(0.4 + 0.2 + 1.2 + 0.4)


@settings(max_examples=60)
@given(st.integers(1, 12), st.integers(1, 5), st.integers(0, 500), st.sampled_from([0.3, 1.0]))
def test_the_dual_of_the_greedy_minimum_has_no_gap(n: int, k: int, seed: int, cap: float) -> None:
    """The bound of the prices is the cost of the cheapest point, for any costs and limits."""
    rng = np.random.Generator(np.random.PCG64(seed))
    clusters = tuple(tuple(range(c, n, k)) for c in range(min(k, n)))
    limits = Limits(1.0, np.full(n, cap), 0.5, clusters)
    limits = replace(limits, total=min(1.0, limits.capacity))
    costs = np.round(rng.normal(size=n), 1)
    found = prices(costs, limits)
    assert found.minimum == pytest.approx(float(costs @ linear_minimum(costs, limits)), abs=1e-12)
    assert min((*found.clusters, *found.symbols)) >= 0.0


def test_leaving_out_small_prices_only_lowers_the_bound() -> None:
    """A bound without some prices is weaker, never wrong."""
    limits = Limits(1.0, np.full(4, 0.4), 0.5, ((0, 1), (2,), (3,)))
    costs = np.array([1.0, 2.0, 3.0, 4.0])
    assert prices(costs, limits, 2.5).minimum <= prices(costs, limits).minimum


def test_views_that_contradict_each_other_have_no_certificate() -> None:
    """Where there is no posterior there is nothing to be optimal for."""
    doubled = PROBLEM.returns.copy()
    doubled[:, [1, 3]] = 2 * doubled[:, [0, 2]]
    matrix = np.cov(doubled, rowvar=False)
    problem = replace(
        PROBLEM,
        risk_profile="black_litterman",
        returns=doubled,
        prior=replace(PROBLEM.prior, covariance=matrix / np.diag(matrix).mean()),
        black_litterman=BlackLittermanParams(confidence=1.0),
    )
    assert certificate(problem, Answer("optimal", EQUAL), EQUAL) is None


def test_risk_parity_without_its_shares_has_no_certificate() -> None:
    """An engine of another distribution need not tell them."""
    problem = replace(PROBLEM, risk_profile="risk_parity")
    assert certificate(problem, Answer("optimal", EQUAL), EQUAL) is None


def test_weights_that_are_not_of_our_tree_have_no_certificate() -> None:
    """Steps are recorded only with the weights they lead to."""
    problem = replace(PROBLEM, risk_profile="hrp")
    weights = hrp(problem).weights
    assert weights is not None
    assert certificate(problem, Answer("closed_form", weights), weights) is not None
    assert certificate(problem, Answer("closed_form", EQUAL), EQUAL) is None
