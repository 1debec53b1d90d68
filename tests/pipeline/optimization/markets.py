"""Markets for the tests: returns with a common factor, cluster factors and noise."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipeline.config import BlackLittermanParams, CapParams, OptimizationParams
from pipeline.optimization.constraints import Caps, Limits
from pipeline.optimization.priors import moments, scaled_prior
from pipeline.optimization.problem import Problem
from pipeline.values import Returns, frozen_array, frozen_dates

if TYPE_CHECKING:
    from pipeline.config import Cell


def make_returns(values: object, names: str | None = None) -> Returns:
    """Return the columns of `values` as returns of symbols A, B, C... or `names`."""
    array = frozen_array(values)
    symbols = tuple(names or "ABCDEFGHIJKLMNOPQRSTUVWXYZ"[: array.shape[1]])
    days = np.datetime64("2020-01-01") + np.arange(len(array))
    return Returns(frozen_dates(days), symbols, array)


def make_market(
    n: int = 12, k: int = 6, rows: int = 251, seed: int = 1
) -> tuple[Returns, dict[int, tuple[str, ...]]]:
    """Return returns of `n` symbols that fall into `k` clusters in turn."""
    rng = np.random.Generator(np.random.PCG64(seed))
    common, cluster = rng.normal(0.0004, 0.01, (rows, 1)), rng.normal(0, 0.008, (rows, k))
    home = np.arange(n) % k
    noise = rng.normal(0.0005, 0.01, (rows, n)) * rng.uniform(0.5, 2.0, n)
    values = common * rng.uniform(0.5, 1.5, n) + cluster[:, home] + noise
    symbols = tuple(f"S{i:03d}" for i in range(n))
    days = np.datetime64("2020-01-01") + np.arange(rows)
    groups = {
        c + 1: tuple(s for s, h in zip(symbols, home, strict=True) if h == c) for c in range(k)
    }
    return Returns(frozen_dates(days), symbols, frozen_array(values)), groups


def make_parameters(
    symbol_cap: float = 1.0,
    cluster_cap: float = 1.0,
    *,
    rule: str = "stop",
    fallback: tuple[Cell, ...] = (),
    **more: object,
) -> OptimizationParams:
    """Return parameters with the same caps in every regime."""
    regimes = ("quiet", "normal", "turbulent", "crisis")
    return OptimizationParams.model_validate(
        {
            "symbol_caps": CapParams(**dict.fromkeys(regimes, symbol_cap)),
            "cluster_caps": CapParams(**dict.fromkeys(regimes, cluster_cap)),
            "infeasible_caps": rule,
            "fallback": fallback,
            **more,
        }
    )


def singletons(symbols: str) -> dict[int, tuple[str, ...]]:
    """Return one cluster for each letter."""
    return {number: (symbol,) for number, symbol in enumerate(symbols)}


def make_problem(
    n: int, k: int, symbol_cap: float = 1.0, cluster_cap: float = 1.0, seed: int = 1
) -> Problem:
    """Return a minimum-variance problem over `make_market`."""
    returns, clusters = make_market(n, k, seed=seed)
    mean, covariances = moments(returns.values)
    groups = tuple(
        tuple(returns.symbols.index(symbol) for symbol in clusters[number])
        for number in sorted(clusters)
    )
    return Problem(
        risk_profile="min_variance",
        regime="normal",
        symbols=returns.symbols,
        returns=returns.values,
        prior=scaled_prior(mean, covariances, range(n)),
        caps=Caps("normal", symbol_cap, cluster_cap, symbol_cap, cluster_cap, "none"),
        limits=Limits(1.0, np.full(n, min(symbol_cap, cluster_cap)), cluster_cap, groups),
        cluster_numbers=tuple(sorted(clusters)),
        risk_free_rate=0.0,
        l2_penalty=0.0,
        aggressive_share=0.1,
        aggressive_clusters_max=5,
        benchmark_symbols=(),
        tail_level=0.95,
        black_litterman=BlackLittermanParams(),
        beta_limits=(0.05, 0.15, 0.25),
        periods_per_year=252,
        seed=1,
    )
