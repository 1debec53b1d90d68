"""Black-Litterman: the limits in which it must become something known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.optimization.views import Views, equilibrium, posterior, trend_views
from pipeline.statistics import covariance
from tests.pipeline.optimization.markets import make_market

RETURNS, _ = make_market(6, 3)
SIGMA = covariance(RETURNS.values)
PRIOR = equilibrium(SIGMA, np.full(6, 1 / 6), 2.5)
PICKS = np.array([[0.5, 0.5, 0, 0, 0, 0], [0, 0, 1.0, 0, 0, 0]])
STATED = np.array([0.001, -0.0005])


def test_equilibrium_makes_the_reference_optimal() -> None:
    """The gradient of `mu'w - 2.5 w'Sw / 2` is zero at the reference."""
    assert np.abs(PRIOR - 2.5 * SIGMA @ np.full(6, 1 / 6)).max() < 1e-18


@pytest.mark.parametrize(("picks", "confidence"), [(PICKS[:0], 0.5), (PICKS, 0.0)])
def test_without_views_the_prior_stays(picks: np.ndarray, confidence: float) -> None:
    """No view, or views without confidence: mu = pi."""
    found = posterior(SIGMA, PRIOR, 0.05, Views(picks, STATED[: len(picks)], confidence))
    assert found is not None
    assert found.mean.tolist() == PRIOR.tolist()
    assert np.abs(found.covariance - 1.05 * SIGMA).max() < 1e-18


def test_certain_views_hold_exactly() -> None:
    """Confidence 1: P mu = q, and their mean has no uncertainty left."""
    found = posterior(SIGMA, PRIOR, 0.05, Views(PICKS, STATED, 1.0))
    assert found is not None
    assert (PICKS @ found.mean).tolist() == pytest.approx(STATED.tolist(), abs=1e-15)
    assert np.abs(PICKS @ (found.covariance - SIGMA) @ PICKS.T).max() < 1e-15


def test_doubtful_views_approach_the_prior() -> None:
    """Confidence towards 0: mu towards pi."""
    found = posterior(SIGMA, PRIOR, 0.05, Views(PICKS, STATED, 1e-9))
    assert found is not None
    assert np.abs(found.mean - PRIOR).max() < 1e-11


def test_one_view_moves_by_its_confidence() -> None:
    """Idzorek: with confidence c the picked portfolio goes the share c of the way."""
    view = Views(PICKS[:1], STATED[:1], 0.3)
    found = posterior(SIGMA, PRIOR, 0.05, view)
    assert found is not None
    before = float(PICKS[0] @ PRIOR)
    assert PICKS[0] @ found.mean == pytest.approx(before + 0.3 * (STATED[0] - before))


@given(st.floats(0.01, 1.0), st.floats(0.01, 0.99))
def test_posterior_is_the_textbook_form(tau: float, confidence: float) -> None:
    """The form with inverses, `[(tau S)^-1 + P'W^-1 P]^-1 [...]`, by a second implementation."""
    found = posterior(SIGMA, PRIOR, tau, Views(PICKS, STATED, confidence))
    assert found is not None
    spread = np.linalg.inv(tau * SIGMA)
    doubt = (1 - confidence) / confidence * np.diag(np.diag(PICKS @ (tau * SIGMA) @ PICKS.T))
    uncertain = np.linalg.inv(spread + PICKS.T @ np.linalg.inv(doubt) @ PICKS)
    mean = uncertain @ (spread @ PRIOR + PICKS.T @ np.linalg.inv(doubt) @ STATED)
    assert np.abs(found.mean - mean).max() < 1e-9
    assert np.abs(found.covariance - SIGMA - uncertain).max() < 1e-9


def test_certain_views_that_contradict_each_other_have_no_posterior() -> None:
    """The same portfolio cannot return .1 and .2 for sure."""
    picks = np.array([PICKS[0], PICKS[0]])
    assert posterior(SIGMA, PRIOR, 0.05, Views(picks, np.array([0.1, 0.2]), 1.0)) is None


def test_views_follow_the_sign_of_the_trend() -> None:
    """Up, down and nothing: the clear ones are taken, the falling one is expected to fall."""
    noise = np.tile([0.01, -0.01], 50)
    returns = np.column_stack((noise + 0.004, noise - 0.003, noise))
    views = trend_views(returns, [(0,), (1,), (2,)], 2, 0.0002, 0.5)
    assert views.picks.tolist() == [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
    assert views.returns.tolist() == [0.0002, -0.0002]


def test_a_stream_that_does_not_move_has_no_trend() -> None:
    """A cluster of two mirror images: the view on it is 0."""
    column = np.tile([0.01, -0.01], 50)
    views = trend_views(np.column_stack((column, -column)), [(0, 1)], 1, 0.1, 0.5)
    assert views.returns.tolist() == [0.0]
