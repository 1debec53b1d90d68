"""A problem: everything an engine may know, as data.

Two problems with the same fields have the same solution; an engine reads nothing else.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.config import BlackLittermanParams, RegimeName, RiskProfile
    from pipeline.optimization.constraints import Caps, Limits
    from pipeline.optimization.priors import Prior
    from pipeline.optimization.side_limits import SideLimit
    from pipeline.optimization.trading import Trading
    from pipeline.values import FloatArray


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Problem:
    """Find weights for `symbols` within `limits` by `risk_profile`.

    Attributes
    ----------
    risk_profile : str
        What is solved for.
    regime : str
        Regime at the decision date.
    symbols : tuple of str
        Ascending, unique, each with a positive variance.
    returns : ndarray of shape (n_rows, n_symbols)
        Training returns per period, finite.
    prior : Prior
        Moments of `returns`, the covariance scaled to mean variance 1.
    caps : Caps
        The caps in force, for the record.
    limits : Limits
        The set the weights must lie in, made from these caps.
    cluster_numbers : tuple of int
        The selection's number of each of `limits.clusters`.
    risk_free_rate : float
        Per period.
    l2_penalty : float
        Ridge on the weights in units of the mean variance: adds `l2_penalty * |w|^2` to the
        variance under the scaled covariance.
    aggressive_share : float
        Sum of weights of the barbell's aggressive side, as a fraction of `limits.total`.
    aggressive_clusters_max : int
        Most clusters on the aggressive side.
    benchmark_symbols : tuple of str
        What `market` holds and betas and equilibria refer to; not necessarily among `symbols`.
    tail_level : float
        Share of the rows outside the tail.
    black_litterman : BlackLittermanParams
        Equilibrium and views.
    beta_limits : tuple of float
        Largest absolute betas of `market_neutral`, tried in order.
    periods_per_year : int
        Rows per year, from the calendar.
    seed : int
        For engines that draw; the built-in ones draw nothing.
    l2_state : str or None
        Quadrant or regime whose factor is in `l2_penalty`; `None` if the factor is 1.
    rows : tuple of SideLimit
        Limits beside the caps: sectors, asset classes, floors, net exposure.
    trading : Trading or None
        The book before the decision, where turnover or costs matter.
    """

    risk_profile: RiskProfile
    regime: RegimeName
    symbols: tuple[str, ...]
    returns: FloatArray
    prior: Prior
    caps: Caps
    limits: Limits
    cluster_numbers: tuple[int, ...]
    risk_free_rate: float
    l2_penalty: float
    aggressive_share: float
    aggressive_clusters_max: int
    benchmark_symbols: tuple[str, ...]
    tail_level: float
    black_litterman: BlackLittermanParams
    beta_limits: tuple[float, ...]
    periods_per_year: int
    seed: int
    l2_state: str | None = None
    rows: tuple[SideLimit, ...] = ()
    trading: Trading | None = None

    @property
    def plain(self) -> bool:
        """Whether caps are the only limits and trading has no price."""
        return not self.rows and self.trading is None

    @property
    def scaled_returns(self) -> FloatArray:
        """Returns over the root of their mean variance, the scale at which solvers keep digits."""
        return self.returns / math.sqrt(self.prior.mean_variance)
