"""The adapter of skfolio: the same problems as our engine, within its accuracy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from skfolio.exceptions import OptimizationError

from pipeline.config import Cell
from pipeline.errors import SolverError
from pipeline.optimization import hierarchy
from pipeline.optimization.engines import skfolio
from pipeline.optimization.optimize import optimize
from pipeline.statistics import covariance
from tests.pipeline.optimization.markets import (
    make_market,
    make_parameters,
    make_returns,
    singletons,
)

if TYPE_CHECKING:
    from pipeline.optimization.solution import Solution


def both(
    profile: str, seed: int, symbol_cap: float, cluster_cap: float, rule: str = "stop"
) -> tuple[Solution, Solution]:
    """Solve the same problem with custom and skfolio."""
    returns, clusters = make_market(14, 7, seed=seed)
    params = make_parameters(symbol_cap, cluster_cap, rule=rule)
    ours, theirs = (
        optimize(
            returns,
            clusters,
            "normal",
            Cell.model_validate({"engine": engine, "risk_profile": profile}),
            params,
            periods_per_year=252,
            seed=1,
        )
        for engine in ("custom", "skfolio")
    )
    return ours, theirs


def distance(one: Solution, other: Solution) -> float:
    """Return the largest difference of a weight."""
    return max(abs(one.weights[symbol] - other.weights[symbol]) for symbol in one.weights)


@pytest.mark.parametrize("seed", range(5))
def test_minimum_variance_agrees(seed: int) -> None:
    """With symbol and cluster caps inside the problem, to 1e-4, and proven to be optimal."""
    ours, theirs = both("min_variance", seed, 0.25, 0.25)
    assert theirs.status == "optimal"
    assert distance(ours, theirs) < 1e-4
    assert theirs.residuals["suboptimality"] < 1e-4
    assert ours.objective == pytest.approx(theirs.objective, rel=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_hierarchical_risk_parity_agrees(seed: int) -> None:
    """Same distance, linkage and order, no binding cap: to 1e-12."""
    ours, theirs = both("hrp", seed, 1.0, 1.0)
    assert distance(ours, theirs) < 1e-12


@pytest.mark.parametrize("method", ["single", "complete", "average", "ward"])
def test_hierarchical_risk_parity_agrees_for_every_linkage(method: str) -> None:
    """The linkage is a parameter of the function, not an accident of one tree."""
    from skfolio.cluster import HierarchicalClustering, LinkageMethod  # noqa: PLC0415
    from skfolio.distance import PearsonDistance  # noqa: PLC0415
    from skfolio.optimization import HierarchicalRiskParity  # noqa: PLC0415
    from skfolio.seriation import HierarchicalSeriation  # noqa: PLC0415

    values = make_market(13, 5, seed=3)[0].values
    clustering = HierarchicalClustering(linkage_method=LinkageMethod(method))
    model = HierarchicalRiskParity(
        distance_estimator=PearsonDistance(),
        seriation_estimator=HierarchicalSeriation(
            hierarchical_clustering_estimator=clustering, optimal_ordering=False
        ),
    ).fit(values)
    ours = hierarchy.hrp(covariance(values), method).weights  # type: ignore[arg-type]
    assert np.abs(ours - model.weights_).max() < 1e-12


@pytest.mark.parametrize("seed", range(5))
def test_risk_parity_agrees(seed: int) -> None:
    """Equal shares by a cone solver and by coordinate descent, to 1e-5."""
    ours, theirs = both("risk_parity", seed, 1.0, 1.0)
    assert distance(ours, theirs) < 1e-5


@pytest.mark.parametrize("profile", ["min_variance", "hrp", "risk_parity"])
def test_cash_and_caps_hold(profile: str) -> None:
    """Caps of 10 % on seven clusters: 70 % invested, every cluster at its cap."""
    _, theirs = both(profile, 2, 0.08, 0.1, rule="cash")
    assert theirs.cash == pytest.approx(0.3)
    sums = [row.value for row in theirs.constraints if row.kind == "cluster_cap"]
    assert sums == pytest.approx([0.1] * 7)


def test_risk_shares_that_cannot_be_equal_are_a_failure() -> None:
    """Skfolio calls a hedged pair optimal; the shares say otherwise."""
    column = make_market(3, 3)[0].values
    mirrored = make_returns(np.column_stack((column, -column[:, 0])))
    with pytest.raises(SolverError, match="differ from equality"):
        optimize(
            mirrored,
            singletons("ABCD"),
            "normal",
            Cell(engine="skfolio", risk_profile="risk_parity"),
            make_parameters(),
            periods_per_year=252,
            seed=1,
        )


@pytest.mark.parametrize(
    ("profile", "model"),
    [
        ("min_variance", "MeanRisk"),
        ("risk_parity", "RiskBudgeting"),
        ("hrp", "HierarchicalRiskParity"),
    ],
)
def test_errors_of_the_library_become_reasons(
    profile: str, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What skfolio raises is recorded as a failed attempt with its words."""

    def fail(*_: object) -> None:
        msg = "Solver failed"
        raise OptimizationError(msg)

    monkeypatch.setattr(getattr(skfolio, model), "fit", fail)
    with pytest.raises(SolverError, match=f"skfolio.{profile}: failed, skfolio: Solver failed"):
        both(profile, 1, 0.25, 0.25)


def test_weights_of_an_unfinished_solve_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """After one iteration skfolio still returns weights; the check after the solve stops them."""
    monkeypatch.setitem(skfolio.SOLVER_PARAMS, "max_iter", 1)
    with pytest.raises(SolverError, match="the weights break"):
        both("min_variance", 1, 0.25, 0.25)


def test_inaccurate_solutions_are_called_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """A warning of the library becomes the status; tolerances of 1e-15 cannot be met."""
    for name in tuple(skfolio.SOLVER_PARAMS):
        monkeypatch.setitem(skfolio.SOLVER_PARAMS, name, 1e-15)
    assert both("min_variance", 1, 0.25, 0.25)[1].status == "optimal_inaccurate"
