"""What libraries do when they fail, and that it becomes a reason in the record."""

from __future__ import annotations

import io
import sys
import warnings
from contextlib import redirect_stdout
from typing import TYPE_CHECKING

import numpy as np
import pytest
from cvxpy import SolverError as CvxpyError
from pypfopt.exceptions import OptimizationError

from pipeline.config import Cell
from pipeline.errors import SolverError
from pipeline.optimization.engines import cvxportfolio, pyportfolioopt, riskfolio
from pipeline.optimization.engines.base import capabilities, open_engine
from pipeline.optimization.invested import heard
from pipeline.optimization.optimize import optimize
from tests.pipeline.optimization.markets import (
    make_market,
    make_parameters,
    make_returns,
    singletons,
)

if TYPE_CHECKING:
    from pipeline.optimization.solution import Solution
    from pipeline.values import Returns


def solved(
    label: str,
    market: tuple[Returns, dict[int, tuple[str, ...]]] | None = None,
    **options: object,
) -> Solution:
    """Optimise with the cell `engine.risk_profile`."""
    engine, profile = label.split(".")
    return optimize(
        *(market or make_market(6, 3)),
        "normal",
        Cell.model_validate({"engine": engine, "risk_profile": profile}),
        make_parameters(**options),  # type: ignore[arg-type]
        periods_per_year=252,
        seed=1,
    )


RATIOS = [
    f"{entry.engine}.{entry.risk_profile}"
    for entry in capabilities()
    if entry.engine != "custom" and entry.risk_profile == "max_sharpe"
]


@pytest.mark.parametrize("label", RATIOS)
def test_a_falling_market_has_no_maximum_sharpe(label: str) -> None:
    """The same reason for every engine, before the library is asked."""
    returns, clusters = make_market(6, 3)
    falling = make_returns(returns.values - 0.05, "ABCDEF")
    assert len(clusters) == 3
    with pytest.raises(SolverError, match="no asset beats the risk-free rate: the best mean"):
        solved(label, (falling, singletons("ABCDEF")))


def test_riskfolio_prints_and_returns_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its printed words are the reason; nothing reaches the terminal."""

    def fail(*_: object, **__: object) -> None:
        print("The problem doesn't have a solution")  # noqa: T201 - as the library does

    assert riskfolio.ENGINE.name == "riskfolio"
    monkeypatch.setattr("riskfolio.Portfolio.optimization", fail)
    monkeypatch.setattr("riskfolio.Portfolio.rp_optimization", fail)
    spoken = io.StringIO()
    for profile in ("min_variance", "risk_parity"):
        with (
            redirect_stdout(spoken),
            pytest.raises(SolverError, match="failed, riskfolio: The problem doesn't have"),
        ):
            solved(f"riskfolio.{profile}")
    assert spoken.getvalue() == ""


@pytest.mark.parametrize("engine", ["riskfolio", "pyportfolioopt", "cvxportfolio", "skfolio"])
def test_unfinished_solves_are_no_solutions(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """After two iterations libraries still return weights; ours or their check stops them.

    riskfolio, for one, does not look at the status: its weights keep every limit and are 17 % of
    the mean variance above the minimum, which the certificate shows.
    """
    adapter = open_engine(engine)
    module = sys.modules[type(adapter).__module__]
    monkeypatch.setitem(module.SOLVER_PARAMS, "max_iter", 2)
    with pytest.raises(SolverError, match=r"from the best|the weights break|failed, "):
        solved(f"{engine}.min_variance")


@pytest.mark.parametrize("error", [OptimizationError("status infeasible"), CvxpyError("no luck")])
@pytest.mark.parametrize(
    ("profile", "model", "method"),
    [
        ("min_variance", "EfficientFrontier", "min_volatility"),
        ("max_sharpe", "EfficientFrontier", "max_sharpe"),
        ("min_cvar", "EfficientCVaR", "min_cvar"),
    ],
)
def test_errors_of_pyportfolioopt_become_reasons(
    profile: str, model: str, method: str, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the library or its solver raises is recorded as a failed attempt."""

    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(getattr(pyportfolioopt, model), method, fail)
    with pytest.raises(SolverError, match=f"pyportfolioopt.{profile}: failed, pyportfolioopt: "):
        solved(f"pyportfolioopt.{profile}")


@pytest.mark.parametrize("kind", ["its own", "of the solver"])
def test_errors_of_cvxportfolio_become_reasons(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both become a failed attempt in its words."""
    # Its import warns; the adapter, imported above, has done it in silence.
    from cvxportfolio.errors import ProgramInfeasible  # noqa: PLC0415

    def fail(*_: object) -> None:
        raise ProgramInfeasible("no weights") if kind == "its own" else CvxpyError("no luck")

    assert cvxportfolio.ENGINE.name == "cvxportfolio"
    monkeypatch.setattr("cvxportfolio.SinglePeriodOptimization.execute", fail)
    with pytest.raises(SolverError, match=r"cvxportfolio\.min_variance: failed, cvxportfolio: no"):
        solved("cvxportfolio.min_variance")


def test_views_without_confidence_leave_the_equilibrium() -> None:
    """No view to hand over: the reference portfolio, as with our engine."""
    found = solved("pyportfolioopt.black_litterman", black_litterman={"confidence": 0.0})
    assert list(found.weights.values()) == pytest.approx([1 / 6] * 6, abs=1e-6)


def test_views_can_leave_nothing_to_gain() -> None:
    """Certain views that all fall: no asset is expected to gain."""
    returns, _ = make_market(4, 4)
    falling = make_returns(returns.values - returns.values.mean(axis=0) - 0.002)
    told = {"view_clusters": 4, "confidence": 1.0}
    for engine in ("pyportfolioopt", "custom"):
        with pytest.raises(SolverError, match="infeasible, no asset"):
            solved(f"{engine}.black_litterman", (falling, singletons("ABCD")), black_litterman=told)


@pytest.mark.parametrize("engine", ["skfolio", "riskfolio", "pyportfolioopt"])
def test_a_riskless_gain_has_no_maximum_sharpe(engine: str) -> None:
    """A and its mirror image with drift: whatever the library says, there are no weights."""
    column = make_market(1, 1)[0].values
    column = column - column.mean()
    mirrored = make_returns(np.column_stack((column, -column)) + 0.001)
    with pytest.raises(SolverError, match="no weights from 1 attempts"):
        solved(f"{engine}.max_sharpe", (mirrored, singletons("AB")))


def test_skfolio_trees_know_one_tail_level() -> None:
    """Another level is refused with both numbers."""
    with pytest.raises(SolverError, match=r"know a tail level of 0\.95 only, asked for 0\.9"):
        solved("skfolio.herc_cvar", tail_level=0.9)


def test_a_library_is_heard() -> None:
    """Printed text and warnings of inaccuracy are collected, other warnings are not counted."""

    def speak() -> int:
        warnings.warn("Solution may be inaccurate.", stacklevel=1)
        return 1

    found = heard(speak)
    assert (found.value, found.status) == (1, "optimal_inaccurate")
    assert heard(lambda: 2).status == "optimal"
