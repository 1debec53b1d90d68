"""Results of the stages, for the synthetic workspace: plain Python arithmetic on seeded prices.

Every relation between records holds, because the numbers are computed and not invented. The metrics
are a second implementation of `measure@1`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from ledger import dumps, sha256

if TYPE_CHECKING:
    from ledger import Digest

FIRST_DAY = date(2025, 1, 1)
PERIODS = 365
TRAIN_DAYS = 20
TEST_DAYS = 5
RATE = 0.0006


def digest_of(text: str) -> Digest:
    """Return the digest of a text: a stand-in for a blob nobody reads."""
    return sha256(text.encode())


def day(number: int) -> str:
    """Return the day of that number; the market is open every day."""
    return (FIRST_DAY + timedelta(days=number)).isoformat()


def make_returns(sleeve: str, symbols: tuple[str, ...], days: int) -> dict[str, list[float]]:
    """Return seeded daily returns of each symbol."""
    seed = int(digest_of(sleeve)[:8], 16)
    generator = np.random.Generator(np.random.PCG64(seed))
    return {s: [float(x) for x in generator.normal(0.0005, 0.02, days)] for s in symbols}


@dataclass(slots=True)
class Book:
    """What a cell holds and has earned."""

    cash: float = 1.0
    positions: dict[str, float] = field(default_factory=dict)
    last: str | None = None
    days: list[str] = field(default_factory=list)
    gross: list[float] = field(default_factory=list)
    net: list[float] = field(default_factory=list)
    navs: list[float] = field(default_factory=list)
    turnover: list[float] = field(default_factory=list)
    costs: list[float] = field(default_factory=list)

    @property
    def nav(self) -> float:
        """Cash and positions."""
        return self.cash + sum(self.positions[s] for s in sorted(self.positions))


def health_of(symbols: tuple[str, ...], as_of: str) -> dict[str, Any]:
    """Return the result of `assess`: everything is well."""
    rows = [
        {"symbol": s, "status": "ok", "bars": TRAIN_DAYS, "expected": TRAIN_DAYS, "missing": 0,
         "largest_gap": 0, "tolerated": 0, "last_date": as_of, "stale": 0, "deviation": 0.02,
         "largest_return": 0.05, "reasons": []}
        for s in symbols
    ]  # fmt: skip
    return {
        "as_of": as_of,
        "strict": True,
        "gate": "open",
        "counts": {"ok": len(rows)},
        "symbols": rows,
    }


def regime_of(as_of: str, window: int) -> dict[str, Any]:
    """Return the result of `detect`: every third window is turbulent."""
    components = [
        {"name": "volatility_ratio", "value": 1.25, "null_percentile": 0.6, "weight": 0.5,
         "accepted": True, "note": None},
        {"name": "hmm", "value": None, "null_percentile": None, "weight": 0.0, "accepted": False,
         "note": "states too close"},
    ]  # fmt: skip
    name = "turbulent" if window % 3 == 1 else "normal"
    return {
        "as_of": as_of,
        "regime": name,
        "score": 0.5,
        "observations": 19,
        "components": components,
    }


def selection_of(symbols: tuple[str, ...], as_of: str) -> dict[str, Any]:
    """Return the result of `select`: the last symbol is vetoed, four others are selected."""
    features = [
        {"symbol": s, "momentum": 0.01 * i, "volatility": 0.3, "entropy": 0.9, "hurst": 0.5,
         "efficiency": 0.1 + 0.01 * i}
        for i, s in enumerate(symbols)
    ]  # fmt: skip
    vetoed = symbols[-1]
    verdicts = [
        {"symbol": s, "rule": rule, "value": 0.9 if s != vetoed else 0.999, "limit": 0.99,
         "passed": s != vetoed}
        for s in symbols for rule in ("entropy", "volatility")
    ]  # fmt: skip
    kept = symbols[:-1]
    scores = [{"symbol": s, "score": 1.0 - 0.1 * i, "rank": i + 1} for i, s in enumerate(kept)]
    clusters = [
        {"cluster": 1, "symbols": list(kept[:2])},
        {"cluster": 2, "symbols": list(kept[2:])},
    ]
    return {
        "as_of": as_of, "universe": list(symbols), "features": features, "verdicts": verdicts,
        "relaxed": 0, "scores": scores, "clusters": clusters,
        "clusters_sha256": sha256(dumps(clusters)), "selected": list(kept[:4]),
    }  # fmt: skip


def solution_of(
    selection: dict[str, Any], cell: tuple[str, str], as_of: str, window: int
) -> dict[str, Any]:
    """Return the result of `optimize`, with one fallback and one relaxed cap in the story."""
    chosen = selection["selected"]
    raw = [1.0 + 0.1 * ((i + window) % 3) for i in range(len(chosen))]
    weights = {s: x / sum(raw) for s, x in zip(chosen, raw, strict=True)}
    fell = cell[0] == "skfolio" and window == 1
    relaxed = window == 2
    actual = {"engine": "custom", "risk_profile": cell[1]} if fell else None
    requested = {"engine": cell[0], "risk_profile": cell[1]}
    cap = 0.35 if relaxed else 0.30
    constraints = [constraint_of("budget", "total", math.fsum(weights.values()), 1.0)]
    constraints += [constraint_of("symbol_cap", s, w, cap) for s, w in weights.items()]
    fallbacks = (
        [{**requested, "status": "infeasible", "reason": "no feasible point"}] if fell else []
    )
    return {
        "as_of": as_of, "requested": requested, "actual": actual or requested, "adaptive": None,
        "certificate": {"kind": "optimum", "parameters": {}, "prices": {}, "gap": 1e-9},
        "status": "optimal", "objective": 0.01, "iterations": 12,
        "residuals": {"primal": 1e-9, "dual": 2e-9}, "weights": weights, "cash": 0.0,
        "caps": {"regime": "normal", "symbol_cap": cap, "cluster_cap": 1.0,
                 "symbol_cap_requested": 0.30, "cluster_cap_requested": 1.0,
                 "rule": "relax" if relaxed else "none"},
        "constraints": constraints, "fallbacks": fallbacks,
        "dropped": [{"symbol": "OLD", "reason": "no price on the decision date"}] * relaxed,
        "slice_sha256": digest_of(f"chosen {as_of}"),
    }  # fmt: skip


def constraint_of(kind: str, name: str, value: float, limit: float) -> dict[str, Any]:
    """Return one constraint at the solution."""
    slack = limit - value
    return {"kind": kind, "name": name, "value": value, "limit": limit, "slack": slack,
            "binding": abs(slack) < 1e-6}  # fmt: skip


def rebalanced(book: Book, targets: dict[str, float], as_of: str) -> dict[str, Any]:
    """Return the result of `rebalance`."""
    nav = book.nav
    held = {s: v / nav for s, v in sorted(book.positions.items())}
    changes = {s: targets.get(s, 0.0) - held.get(s, 0.0) for s in sorted({*targets, *held})}
    cash_change = (1.0 - math.fsum(targets.values())) - book.cash / nav
    turnover = (math.fsum(abs(x) for x in changes.values()) + abs(cash_change)) / 2
    trades = [
        {"symbol": s, "side": "buy" if x > 0 else "sell", "weight": x, "value": x * nav}
        for s, x in changes.items() if x != 0
    ]  # fmt: skip
    return {
        "as_of": as_of, "nav": nav, "cash_weight": book.cash / nav, "holdings": held,
        "targets": targets, "trades": trades, "turnover_one_way": turnover,
        "largest_drift": max(abs(x) for x in changes.values()), "urgency": "rebalance",
    }  # fmt: skip


def simulated(
    book: Book,
    targets: dict[str, float],
    returns: dict[str, list[float]],
    at: int,
    turnover: float,
) -> dict[str, Any]:
    """Return the result of `simulate`, and move the book through the window."""
    start = book.nav
    held = {s: v / start for s, v in book.positions.items()}
    traded = math.fsum(abs(targets.get(s, 0.0) - held.get(s, 0.0)) for s in {*targets, *held})
    positions = {s: w * start for s, w in targets.items()}
    cash = start - math.fsum(positions.values())
    out: dict[str, list[Any]] = {"dates": [], "gross": [], "net": [], "nav": [], "costs": []}
    nav = start
    for row in range(at, at + TEST_DAYS):
        cost = RATE * traded if row == at else 0.0
        earned = math.fsum(positions[s] * returns[s][row] for s in positions)
        positions = {s: v * (1 + returns[s][row]) for s, v in positions.items()}
        cash -= cost * nav
        gross = earned / nav
        nav *= 1 + (gross - cost)
        for name, value in zip(out, (day(row), gross, gross - cost, nav, cost), strict=True):
            out[name].append(value)
    book.cash, book.positions = nav - math.fsum(positions.values()), positions
    book.days += out["dates"]
    book.gross += out["gross"]
    book.net += out["net"]
    book.navs += out["nav"]
    book.turnover.append(turnover)
    book.costs.append(math.fsum(out["costs"]))
    return {
        "first_date": out["dates"][0], "last_date": out["dates"][-1], "dates": out["dates"],
        "gross_returns": out["gross"], "net_returns": out["net"], "nav": out["nav"],
        "nav_start": start, "nav_end": book.nav, "turnover_one_way": turnover,
        "slippage_cost": RATE * traded * 5 / 6, "commission_cost": RATE * traded / 6,
        "costs": out["costs"],
        "holdings_end": {"cash": book.cash, "positions": book.positions},
        "liquidated_at": None, "leavers": [], "missing_bars": [],
    }  # fmt: skip


def metrics_of(returns: list[float], periods: int = PERIODS) -> dict[str, float | None]:
    """Return the metrics of a return series, written once more in plain Python."""
    count = len(returns)
    mean = math.fsum(returns) / count
    deviation = math.sqrt(math.fsum((x - mean) ** 2 for x in returns) / (count - 1))
    downside = math.sqrt(math.fsum(min(x, 0.0) ** 2 for x in returns) / count)
    growth, peak, worst = 1.0, 1.0, 0.0
    for x in returns:
        growth *= 1 + x
        peak = max(peak, growth)
        worst = max(worst, 1 - growth / peak)
    annual = growth ** (periods / count) - 1 if count >= periods else None
    ascending = sorted(returns)
    mass = count / 20
    shares = [min(max(mass - i, 0.0), 1.0) for i in range(count)]
    return {
        "total_return": growth - 1,
        "annual_return": annual,
        "volatility": deviation * math.sqrt(periods),
        "sharpe": mean / deviation * math.sqrt(periods) if deviation else None,
        "sortino": mean / downside * math.sqrt(periods) if downside else None,
        "calmar": annual / worst if annual is not None and worst else None,
        "max_drawdown": worst,
        "var_95": -ascending[math.ceil(mass) - 1],
        "cvar_95": -math.fsum(s * x for s, x in zip(shares, ascending, strict=True)) / mass,
    }
