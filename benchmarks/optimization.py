"""Times and agreement of all engines: `python -m benchmarks.optimization [assets ...] [option]`.

One problem, one process, one thread of BLAS: milliseconds per window of each engine and risk
profile, against the fastest other library that solves the same problem, and against the solver
alone on the ready matrices, which no code around it can beat. `--parity` prints the differences
of weights and objectives instead, on the bundled prices; `--windows` the milliseconds of our
engine, covariance included, over all windows of the bundled prices; `--overhead` what the adapters
add to the time that their libraries take; `--curve` the time of our engine against the number of
assets. Without numbers: 20, 100 and 400 assets.
"""

from __future__ import annotations

import inspect
import statistics
import sys
import time
from contextlib import ExitStack
from dataclasses import replace
from functools import partial, wraps
from importlib import import_module
from types import SimpleNamespace
from typing import TYPE_CHECKING, NamedTuple
from unittest.mock import patch

import clarabel
import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage
from skfolio.datasets import load_sp500_dataset
from threadpoolctl import threadpool_limits

from pipeline.config import Cell, OptimizationParams
from pipeline.optimization import quadratic, risk_profiles
from pipeline.optimization.engines.base import capabilities, open_engine
from pipeline.optimization.optimize import State, optimize, pose
from pipeline.optimization.priors import moments
from pipeline.statistics import correlation, correlation_distance, covariance
from pipeline.values import Panel, Returns, frozen_array

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pipeline.optimization.problem import Problem
    from pipeline.optimization.solution import Solution

CONVEX = (
    "min_variance",
    "max_sharpe",
    "max_diversification",
    "min_cvar",
    "risk_parity",
    "black_litterman",
    "market_neutral",
)
TREES = ("hrp", "herc", "herc_cvar")
ENGINES = tuple(dict.fromkeys(entry.engine for entry in capabilities()))
ABLE = {(entry.engine, entry.risk_profile) for entry in capabilities()}
PATIENCE_SECONDS = 20.0
"""A cell that takes longer than this for one window is measured once."""


class Window(NamedTuple):
    """Training returns and their clusters."""

    returns: Returns
    clusters: dict[int, tuple[str, ...]]


def clustered(returns: Returns, count: int) -> Window:
    """Return a window with Ward clusters."""
    size = len(returns.symbols)
    distances = correlation_distance(correlation(covariance(returns.values)))
    tree = linkage(distances[np.triu_indices(size, 1)], method="ward")
    numbers = fcluster(tree, count, criterion="maxclust").tolist()
    clusters = {
        number: tuple(s for s, c in zip(returns.symbols, numbers, strict=True) if c == number)
        for number in sorted(set(numbers))
    }
    return Window(returns, clusters)


def real_windows(count: int) -> list[Window]:
    """Return windows of 252 days, spread evenly over the bundled prices."""
    prices = load_sp500_dataset()
    symbols = sorted(prices.columns)
    windows = []
    for last in np.linspace(1000, len(prices), count).astype(int).tolist():
        part = prices.iloc[last - 252 : last]
        panel = Panel.of(part.index.to_numpy(), symbols, part[symbols].to_numpy())
        windows.append(clustered(panel.returns(), 8))
    return windows


def drawn_windows(size: int, count: int) -> list[Window]:
    """Return windows of 502 rows with a market, twenty sectors and noise, from a fixed seed."""
    windows = []
    for seed in range(count):
        rng = np.random.Generator(np.random.PCG64(seed))
        market, sector = rng.normal(0.0004, 0.01, (502, 1)), rng.normal(0.0, 0.008, (502, 20))
        noise = rng.normal(0.0003, 0.012, (502, size)) * rng.uniform(0.5, 2.0, size)
        values = market * rng.uniform(0.5, 1.5, size) + sector[:, np.arange(size) % 20] + noise
        days = np.datetime64("2020-01-01") + np.arange(502)
        symbols = tuple(f"S{i:03d}" for i in range(size))
        windows.append(clustered(Returns(days, symbols, frozen_array(values)), 20))
    return windows


def parameters(cap: float) -> OptimizationParams:
    """Return symbol and cluster caps, the same in every regime."""
    caps = dict.fromkeys(("quiet", "normal", "turbulent", "crisis"), cap)
    return OptimizationParams.model_validate(
        {"symbol_caps": caps, "cluster_caps": caps, "beta_limits": [0.9, 2.0]}
    )


def problem(window: Window, profile: str, cap: float) -> Problem:
    """Return the problem as engines get it."""
    posed = pose(*window, State("normal"), parameters(cap), periods_per_year=252, seed=1)
    cell = Cell.model_validate({"risk_profile": profile})
    return replace(posed.problem, risk_profile=cell.risk_profile)


class Watch:
    """Clarabel with a watch: seconds inside the solver, set-up included."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def solver(self, *arguments: object) -> SimpleNamespace:
        """Make a solver whose `solve` is timed."""
        start = time.perf_counter()
        made = clarabel.DefaultSolver(*arguments)
        found = made.solve()
        self.seconds += time.perf_counter() - start
        return SimpleNamespace(solve=lambda: found)

    def around(self, call: Callable[[], object]) -> float:
        """Return the seconds that `call` spends in Clarabel."""
        self.seconds = 0.0
        names = ("ZeroConeT", "NonnegativeConeT", "DefaultSettings")
        shown = {name: getattr(clarabel, name) for name in names}
        shim = SimpleNamespace(DefaultSolver=self.solver, **shown)
        with patch.object(quadratic, "clarabel", shim):
            call()
        return self.seconds


def seconds(call: Callable[[], object]) -> float:
    """Return how long `call` takes."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def measured(engine: str, problems: list[Problem]) -> float:
    """Return the median milliseconds per window, the first call (imports, caches) left out."""
    solve = open_engine(engine).solve
    first = seconds(lambda: solve(problems[0]))
    if first > PATIENCE_SECONDS:
        return first * 1e3
    return statistics.median(seconds(lambda p=p: solve(p)) for p in problems) * 1e3  # type: ignore[misc]


def alone(profile: str, problems: list[Problem]) -> float | None:
    """Return the milliseconds of the solver alone on the ready matrices, `None` without one."""
    if profile == "risk_parity":
        matrices = [p.prior.covariance for p in problems]
        runs = [seconds(lambda m=m: risk_profiles.risk_parity(m)) for m in matrices]  # type: ignore[misc]
        return statistics.median(runs) * 1e3
    if profile not in CONVEX:
        return None
    watch, solve = Watch(), open_engine("custom").solve
    return statistics.median(watch.around(lambda p=p: solve(p)) for p in problems) * 1e3  # type: ignore[misc]


def times(size: int) -> None:
    """Print the table of one number of assets."""
    count = {20: 9, 100: 3}.get(size, 1)
    windows = real_windows(count) if size == 20 else drawn_windows(size, count)  # noqa: PLR2004
    kind = "bundled prices, 251 rows, 8 clusters" if size == 20 else "drawn, 502 rows, 20 clusters"  # noqa: PLR2004
    print(f"\n### {size} assets: milliseconds per window (median of {count}; {kind})\n")
    print(f"| risk profile | {' | '.join(ENGINES)} | solver alone | custom / fastest other |")
    print("|---|" + "---|" * (len(ENGINES) + 2))
    for profile in (*CONVEX, *TREES):
        problems = [problem(window, profile, 0.25) for window in windows]
        found = {e: measured(e, problems) for e in ENGINES if (e, profile) in ABLE}
        least = alone(profile, problems)
        others = [value for engine, value in found.items() if engine != "custom"]
        shown = [f"{found[e]:.2f}" if e in found else "" for e in ENGINES]
        ratio = f"{found['custom'] / min(others):.3f}" if others else ""
        print(
            f"| {profile} | {' | '.join(shown)} | {'' if least is None else f'{least:.2f}'} "
            f"| {ratio} |",
            flush=True,
        )
    whole = [seconds(lambda w=w: solution(w, "custom", "min_variance", 0.25)) for w in windows]  # type: ignore[misc]
    print(
        f"\nThe whole stage (`optimize`: checks, moments, solve, certificate) for "
        f"`custom.min_variance`: {statistics.median(whole) * 1e3:.2f} ms."
    )


def solution(window: Window, engine: str, profile: str, cap: float) -> Solution:
    """Run the stage for one cell."""
    cell = Cell.model_validate({"engine": engine, "risk_profile": profile})
    return optimize(*window, "normal", cell, parameters(cap), periods_per_year=252, seed=1)


def parity() -> None:
    """Print the largest differences from our engine over twelve windows of the bundled prices."""
    windows = real_windows(12)
    print("| risk profile | engine | largest weight difference | largest objective difference |")
    print("|---|---|---|---|")
    for profile in (*CONVEX, *TREES):
        cap = 1.0 if profile in TREES else 0.25
        for engine in ENGINES[1:]:
            if (engine, profile) in ABLE:
                print(f"| {profile} | {engine} | {_differences(windows, engine, profile, cap)} |")


def _differences(windows: list[Window], engine: str, profile: str, cap: float) -> str:
    weights, objectives, unsolved = [0.0], [0.0], 0
    for window in windows:
        if not _gains(window, profile):
            unsolved += 1
            continue
        ours, theirs = (solution(window, name, profile, cap) for name in ("custom", engine))
        weights += [abs(ours.weights[s] - theirs.weights[s]) for s in ours.weights]
        if ours.objective and theirs.objective:
            objectives.append(abs(theirs.objective / ours.objective - 1.0))
    shown = f"{max(objectives):.1e}" if len(objectives) > 1 else ""
    return f"{max(weights):.1e} | {shown}" + (f" ({unsolved} without a gain)" if unsolved else "")


def _gains(window: Window, profile: str) -> bool:
    return profile != "max_sharpe" or bool((window.returns.values.mean(axis=0) > 0.0).any())


def every_window() -> None:
    """Print the time of our engine with its covariance over all windows of the bundled prices."""
    windows = real_windows(806)
    solve = open_engine("custom").solve
    print("| risk profile | windows | median | 95th percentile | covariance alone, median |")
    print("|---|---|---|---|---|")
    for profile in ("min_variance", "risk_parity"):
        problems = [problem(window, profile, 0.25) for window in windows]
        solve(problems[0])
        moved = [seconds(partial(moments, p.returns)) * 1e3 for p in problems]
        both = [m + seconds(partial(solve, p)) * 1e3 for m, p in zip(moved, problems, strict=True)]
        print(
            f"| {profile} | {len(both)} | {statistics.median(both):.2f} "
            f"| {statistics.quantiles(both, n=20)[-1]:.2f} | {statistics.median(moved):.2f} |"
        )


class Share:
    """Seconds inside the library of an adapter: the methods of its classes, and what is `heard`."""

    def __init__(self, engine: str) -> None:
        self._engine = engine
        self._module = import_module(f"pipeline.optimization.engines.{engine}")
        self._seconds = 0.0
        self._inside = False

    def of(self, one: Problem) -> float:
        """Return the share of the adapter in one solve."""
        self._seconds = 0.0
        with ExitStack() as stack:
            for place, name, call in list(self._borrowed()):
                stack.enter_context(patch.object(place, name, self._watched(call)))
            whole = seconds(partial(open_engine(self._engine).solve, one))
        return 1.0 - self._seconds / whole

    def _borrowed(self) -> Iterator[tuple[object, str, Callable[..., object]]]:
        """Yield what the adapter may call of its library."""
        yield self._module, "heard", vars(self._module)["heard"]
        if self._engine not in LIBRARIES:
            return
        library = import_module(LIBRARIES[self._engine])
        named = [kind for _, kind in inspect.getmembers(library, inspect.isclass)]
        for kind in dict.fromkeys(base for each in named for base in each.__mro__[:-1]):
            for name, call in vars(kind).items():
                if inspect.isfunction(call):
                    yield kind, name, call

    def _watched(self, call: Callable[..., object]) -> Callable[..., object]:
        def timed(*arguments: object, **options: object) -> object:
            if self._inside:
                return call(*arguments, **options)
            self._inside, start = True, time.perf_counter()
            try:
                return call(*arguments, **options)
            finally:
                self._inside = False
                self._seconds += time.perf_counter() - start

        return wraps(call)(timed)


LIBRARIES = {
    "riskfolio": "riskfolio",
    "pyportfolioopt": "pypfopt",
    "cvxportfolio": "cvxportfolio",
}
"""Engine -> the module whose classes its adapter builds and calls; skfolio is one call of `fit`."""


def overhead() -> None:
    """Print which share of a solve is the adapter's: what is outside of its library."""
    windows = real_windows(12)
    print("| risk profile | " + " | ".join(ENGINES[1:]) + " |")
    print("|---|" + "---|" * len(ENGINES[1:]))
    for profile in (*CONVEX, *TREES):
        problems = [problem(window, profile, 1.0) for window in windows]
        cells = [
            f"{statistics.median(map(Share(e).of, problems)):.1%}" if (e, profile) in ABLE else ""
            for e in ENGINES[1:]
        ]
        print(f"| {profile} | {' | '.join(cells)} |", flush=True)


def curve() -> None:
    """Print the time of our engine against the number of assets, beside the solver alone."""
    print("| assets | covariance | min_variance | solver alone | risk_parity | hrp |")
    print("|---|---|---|---|---|---|")
    solve = open_engine("custom").solve
    for size in (5, 10, 20, 50, 100, 200, 400):
        windows = drawn_windows(size, 3)
        posed = {p: [problem(w, p, 1.0) for w in windows] for p in ("min_variance", *_OTHERS)}
        moved = statistics.median(
            seconds(partial(moments, p.returns)) for p in posed["min_variance"]
        )
        times_of = {
            profile: statistics.median(seconds(partial(solve, p)) for p in problems) * 1e3
            for profile, problems in posed.items()
        }
        least = alone("min_variance", posed["min_variance"])
        print(
            f"| {size} | {moved * 1e3:.2f} | {times_of['min_variance']:.2f} | {least:.2f} "
            f"| {times_of['risk_parity']:.2f} | {times_of['hrp']:.2f} |",
            flush=True,
        )


_OTHERS = ("risk_parity", "hrp")


def main() -> None:
    """Print what the arguments ask for."""
    with threadpool_limits(1):
        if "--overhead" in sys.argv[1:]:
            overhead()
            return
        if "--curve" in sys.argv[1:]:
            curve()
            return
        if "--windows" in sys.argv[1:]:
            every_window()
            return
        if "--parity" in sys.argv[1:]:
            parity()
            return
        for size in [int(word) for word in sys.argv[1:]] or [20, 100, 400]:
            times(size)


if __name__ == "__main__":
    main()
