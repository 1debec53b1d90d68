"""Conditional value at risk: by hand, and its minimum against another solver."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from pipeline.optimization.constraints import Limits
from pipeline.optimization.quadratic import linear_set
from pipeline.optimization.tail import least_tail_loss, portfolio_losses, tail_loss, tail_rows
from tests.pipeline.optimization.markets import make_market


def test_tail_of_whole_and_broken_rows() -> None:
    """Of 1..10: the worst 20 % are 9.5; of 25 % the third counts half: (10 + 9 + 4) / 2.5."""
    losses = np.arange(1.0, 11.0)
    assert tail_loss(losses, 0.8) == 9.5
    assert tail_loss(losses, 0.75) == pytest.approx((10 + 9 + 0.5 * 8) / 2.5)
    assert tail_rows(10, 0.8) == 2.0


def test_tail_of_everything_is_the_mean() -> None:
    """A level at which nothing is left out; one row is its own tail."""
    assert tail_loss(np.array([3.0]), 0.5) == 3.0
    assert tail_loss(np.array([1.0, 3.0]), 0.5) == 3.0


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 300), st.sampled_from([0.9, 0.95, 0.933]), st.sampled_from([0.3, 1.0]))
def test_minimum_is_that_of_another_solver(seed: int, level: float, cap: float) -> None:
    """HiGHS finds the same value to 1e-9; the dual proves it: expected loss = tail loss."""
    returns = make_market(6, 3, seed=seed)[0].values * 100
    limits = Limits(1.0, np.full(6, cap), 0.7, ((0, 3), (1, 4), (2, 5)))
    ended = least_tail_loss(returns, level, linear_set(limits))
    rows, n = returns.shape
    costs = np.concatenate((np.zeros(n), [1.0], np.full(rows, 1 / tail_rows(rows, level))))
    excess = np.hstack((-returns, -np.ones((rows, 1)), -np.eye(rows)))
    groups = np.zeros((3, n + 1 + rows))
    for row, members in zip(groups, limits.clusters, strict=True):
        row[list(members)] = 1.0
    total = np.concatenate((np.ones(n), np.zeros(rows + 1)))[None, :]
    bounds = [(0, cap)] * n + [(None, None)] + [(0, None)] * rows
    other = linprog(
        costs,
        np.vstack((excess, groups)),
        np.concatenate((np.zeros(rows), np.full(3, 0.7))),
        total,
        [1.0],
        bounds,
    )
    value = tail_loss(portfolio_losses(returns, ended.weights), level)
    assert value == pytest.approx(other.fun, rel=1e-9)
    assert ended.scenarios.sum() == pytest.approx(1.0)
    assert ended.scenarios.max() <= 1 / tail_rows(rows, level) + 1e-9
    expected = ended.scenarios @ portfolio_losses(returns, ended.weights)
    assert expected == pytest.approx(value, rel=1e-8)
    assert max(ended.residuals.values()) < 1e-9
