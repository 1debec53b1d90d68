"""Whether the winner is real, or the best of many tries.

A trial is one cell (engine and risk profile) walked through all windows. Its Sharpe ratio is judged
three ways:

`probabilistic_sharpe`
    Probability that the true Sharpe ratio exceeds a threshold, given length, skewness and kurtosis
    of the returns. Bailey and Lopez de Prado (2012), "The Sharpe ratio efficient frontier".
`expected_maximum_sharpe`
    The Sharpe ratio that the best of N worthless trials is expected to show; with it as threshold
    the probability is the deflated Sharpe ratio. Bailey and Lopez de Prado (2014), "The deflated
    Sharpe ratio".
`overfitting`
    How often the best trial of one half of the days is in the worse half of the trials on the other
    days, over all ways to halve the days into blocks (CSCV). Bailey, Borwein, Lopez de Prado and
    Zhu (2015), "The probability of backtest overfitting".

Sharpe ratios in here are per period, not annual; the threshold is zero where nothing else is said.
Sums are exactly rounded or run in a fixed order without BLAS.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import asdict, dataclass
from itertools import combinations
from statistics import NormalDist
from typing import TYPE_CHECKING, cast

import numpy as np

from pipeline.errors import SolverError
from pipeline.simulation.metrics import ZERO_DEVIATION, Metrics, measure, stitch

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pipeline.config import TournamentParams
    from pipeline.values import FloatArray, Payload

NORMAL = NormalDist()
EULER_MASCHERONI = 0.5772156649015329
LEAST_BLOCK_ROWS = 2
"""Fewer days in a block and half of them may have no deviation."""
CHUNK = 1024
"""Halvings judged at a time: some megabytes, whatever the number of trials."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moments:
    """Shape of a series of returns, per period.

    Attributes
    ----------
    count : int
        Number of returns.
    sharpe : float or None
        Mean divided by the sample standard deviation; `None` without deviation.
    skewness, kurtosis : float or None
        Third and fourth standardised moments of the population; 0 and 3 for normal returns.
    """

    count: int
    sharpe: float | None
    skewness: float | None
    kurtosis: float | None


def moments(returns: Sequence[float]) -> Moments:
    """Return Sharpe ratio, skewness and kurtosis of simple returns, at least one."""
    count = len(returns)
    mean = math.fsum(returns) / count
    centred = [change - mean for change in returns]
    variance = math.fsum(c * c for c in centred) / count
    if count == 1 or math.sqrt(variance) <= ZERO_DEVIATION:
        return Moments(count=count, sharpe=None, skewness=None, kurtosis=None)
    return Moments(
        count=count,
        sharpe=mean / math.sqrt(variance * count / (count - 1)),
        skewness=math.fsum(c**3 for c in centred) / count / variance**1.5,
        kurtosis=math.fsum(c**4 for c in centred) / count / variance**2,
    )


def probabilistic_sharpe(
    sharpe: float, threshold: float, count: int, skewness: float, kurtosis: float
) -> float | None:
    """Return the probability that the true Sharpe ratio exceeds `threshold`.

    Parameters
    ----------
    sharpe, threshold : float
        Per period.
    count : int
        Number of returns.
    skewness, kurtosis : float
        Of the returns; 0 and 3 for normal ones.

    Returns
    -------
    float or None
        `None` where the variance of the estimate vanishes.

    Examples
    --------
    >>> round(probabilistic_sharpe(2.5 / 250**0.5, 0.1132, 1250, -3.0, 10.0), 4)
    0.9004
    """
    spread = 1.0 - skewness * sharpe + (kurtosis - 1.0) / 4.0 * sharpe * sharpe
    if spread <= 0.0:
        return None
    return NORMAL.cdf((sharpe - threshold) * math.sqrt(count - 1) / math.sqrt(spread))


def expected_maximum_sharpe(variance: float, trials: int) -> float:
    """Return the Sharpe ratio that the best of `trials` worthless trials is expected to show.

    Parameters
    ----------
    variance : float
        Of the Sharpe ratios of the trials, per period.
    trials : int
        All that were tried, the bad and the aborted ones too; one trial has no best.

    Examples
    --------
    >>> round(expected_maximum_sharpe(1 / (2 * 250), 100), 4)
    0.1132
    """
    if trials == 1:
        return 0.0
    first = NORMAL.inv_cdf(1.0 - 1.0 / trials)
    second = NORMAL.inv_cdf(1.0 - 1.0 / (trials * math.e))
    return math.sqrt(variance) * ((1.0 - EULER_MASCHERONI) * first + EULER_MASCHERONI * second)


@dataclass(frozen=True, slots=True, kw_only=True)
class Overfitting:
    """What became of the best of one half of the days on the other half, over all halvings.

    Attributes
    ----------
    probability : float
        Share of the halvings in which it was at or below the median: PBO.
    probability_of_loss : float
        Share in which its Sharpe ratio was below zero.
    halvings, blocks, rows, trials : int
        How many halvings, blocks, days (the oldest days that fill no block are left out), trials.
    ranks : mapping of str to int
        Rank of the best among the others on the other half (1 is worst, ties in the middle) ->
        number of halvings.
    """

    probability: float
    probability_of_loss: float
    halvings: int
    blocks: int
    rows: int
    trials: int
    ranks: Mapping[str, int]

    def to_payload(self) -> Payload:
        """Return the `overfitting` of `score@1`."""
        return {**asdict(self), "ranks": dict(self.ranks)}


def overfitting(returns: FloatArray, blocks: int) -> Overfitting | None:
    """Return how often the best trial of one half of the days disappoints on the other.

    Parameters
    ----------
    returns : ndarray of shape (n_days, n_trials)
        Returns after costs, finite, trials in a fixed order: the first of equals is the best.
    blocks : int
        Even; into so many blocks of equal length the days are cut.

    Returns
    -------
    Overfitting or None
        `None` with fewer than two trials or too few days for the blocks.
    """
    days, trials = returns.shape
    size = days // blocks
    if trials < 2 or size < LEAST_BLOCK_ROWS:  # noqa: PLR2004 - the best of one is no choice
        return None
    rows = np.ascontiguousarray(returns[days - size * blocks :])
    mean = rows.sum(axis=0) / len(rows)
    parts = (rows - mean).reshape(blocks, size, trials)
    sums, squares = parts.sum(axis=1), (parts * parts).sum(axis=1)
    halves = np.array(list(combinations(range(blocks), blocks // 2)))
    ranks: list[float] = []
    losses = 0
    for first in range(0, len(halves), CHUNK):
        inside = halves[first : first + CHUNK]
        outside = np.array([sorted(set(range(blocks)) - set(half)) for half in inside.tolist()])
        best = _sharpe(sums, squares, inside, size, mean).argmax(axis=1)
        ratios = _sharpe(sums, squares, outside, size, mean)
        chosen = ratios[np.arange(len(best)), best][:, None]
        below, equal = (ratios < chosen).sum(axis=1), (ratios == chosen).sum(axis=1)
        ranks += (below + (equal + 1) / 2.0).tolist()
        losses += int((chosen < 0.0).sum())
    # The logit of rank / (trials + 1) is at most zero where the rank is at most the middle one.
    middle = (trials + 1) / 2.0
    return Overfitting(
        probability=sum(rank <= middle for rank in ranks) / len(ranks),
        probability_of_loss=losses / len(ranks),
        halvings=len(ranks),
        blocks=blocks,
        rows=len(rows),
        trials=trials,
        ranks={f"{rank:g}": count for rank, count in sorted(Counter(ranks).items())},
    )


def _sharpe(
    sums: FloatArray, squares: FloatArray, chosen: FloatArray, size: int, mean: FloatArray
) -> FloatArray:
    """Return the Sharpe ratios of the trials over the chosen blocks; without deviation zero."""
    count = chosen.shape[1] * size
    total = np.ascontiguousarray(sums[chosen]).sum(axis=1)
    square = np.ascontiguousarray(squares[chosen]).sum(axis=1)
    variance = np.maximum(0.0, (square - total * total / count) / (count - 1))
    deviation = np.sqrt(variance)
    ratios: FloatArray = np.divide(
        total / count + mean,
        deviation,
        out=np.zeros_like(total),
        where=deviation > ZERO_DEVIATION,
    )
    return ratios


def judge(
    simulations: Sequence[Payload],
    solutions: Sequence[Payload],
    windows: int,
    periods_per_year: int,
) -> Payload:
    """Return the result of `trial@1`: what one cell came to.

    Parameters
    ----------
    simulations, solutions : sequence of payloads
        Results of `simulate@1` and `optimize@1` of the cell, by window.
    windows : int
        Windows that the cell was to be walked through.
    periods_per_year : int
        From the calendar.

    Raises
    ------
    SolverError
        If the cell was not walked to the end: a part of the windows is not compared with all.
    """
    if len(simulations) < windows:
        raise SolverError(
            f"walked through {len(simulations)} of {windows} windows",
            where="the trial of one cell",
            why="a trial is measured on the windows of all others, or not at all",
            fix="see the decision of the cell that failed; give a fallback, or leave the cell out",
        )
    series = stitch(simulations)
    found = moments(series.net_returns)
    return {
        "windows": len(simulations),
        "fallbacks": sum(bool(solution["fallbacks"]) for solution in solutions),
        "moments": asdict(found),
        "probabilistic_sharpe": _probability(found, 0.0),
        "metrics": measure(series, periods_per_year).to_payload(),
    }


def _probability(found: Moments, threshold: float) -> float | None:
    if found.sharpe is None or found.skewness is None or found.kurtosis is None:
        return None
    return probabilistic_sharpe(
        found.sharpe, threshold, found.count, found.skewness, found.kurtosis
    )


def score(
    trials: Mapping[str, Payload],
    simulations: Mapping[str, Sequence[Payload]],
    failed: Sequence[Payload],
    tried: int,
    params: TournamentParams,
) -> Payload:
    """Return the result of `score@1`: the scoreboard of one sleeve.

    Parameters
    ----------
    trials : mapping of str to payload
        Cell label -> result of `trial@1`; at least one.
    simulations : mapping of str to sequence of payloads
        Cell label -> results of `simulate@1`, by window.
    failed : sequence of payloads
        `{cell, windows, failed_windows, code}` of the cells that were not walked to the end.
    tried : int
        Trials of the profile in the ledger so far, these included: the honest N.
    params : TournamentParams
        The rule, sealed before the first result.

    Notes
    -----
    Ranks follow the rule, ties the label. The spread of Sharpe ratios is that of the cells that
    were measured here; cells that failed have no returns and are no part of `overfitting`.
    """
    labels = sorted(trials)
    ratios = [_moments(trials[label]).sharpe for label in labels]
    spread = _variance([ratio for ratio in ratios if ratio is not None])
    hurdle = None if spread is None else expected_maximum_sharpe(spread, tried)
    series = {label: stitch(simulations[label]).net_returns for label in labels}
    columns = np.array([series[label] for label in labels]).T
    found = overfitting(np.ascontiguousarray(columns), params.blocks)
    rows = [_row(label, trials[label], hurdle) for label in labels]
    base = next((row for row in rows if row["cell"] == params.baseline.label), None)
    ranked = sorted(rows, key=lambda row: (_order(row, params.rule), cast("str", row["cell"])))
    return {
        "rule": params.rule,
        "baseline": params.baseline.label if base is not None else None,
        "trials": tried,
        "periods_per_year": cast("Payload", trials[labels[0]]["metrics"])["periods_per_year"],
        "sharpe_variance": spread,
        "expected_maximum_sharpe": hurdle,
        "overfitting": None if found is None else found.to_payload(),
        "rows": [
            {"rank": number, **row, **_excess(row, base)}
            for number, row in enumerate(ranked, start=1)
        ],
        "failed": list(failed),
    }


def _moments(trial: Payload) -> Moments:
    return Moments(**cast("dict[str, float]", trial["moments"]))  # type: ignore[arg-type]


def _variance(ratios: Sequence[float]) -> float | None:
    if len(ratios) < 2:  # noqa: PLR2004 - one value has no spread
        return None
    mean = math.fsum(ratios) / len(ratios)
    return math.fsum((ratio - mean) ** 2 for ratio in ratios) / (len(ratios) - 1)


def _row(label: str, trial: Payload, hurdle: float | None) -> Payload:
    found = Metrics.from_payload(cast("Payload", trial["metrics"]))
    deflated = None if hurdle is None else _probability(_moments(trial), hurdle)
    return {
        "cell": label,
        "windows": trial["windows"],
        "failed_windows": 0,
        "fallbacks": trial["fallbacks"],
        "net": found.net.to_payload(),
        "gross": found.gross.to_payload(),
        "turnover_one_way_annual": found.turnover_one_way_total
        * found.periods_per_year
        / found.days,
        "costs_total": found.costs_total,
        "probabilistic_sharpe": trial["probabilistic_sharpe"],
        "deflated_sharpe": deflated,
        "liquidated_at": found.liquidated_at,
    }


_LOWEST_FIRST = ("volatility", "max_drawdown")


def _order(row: Payload, rule: str) -> tuple[bool, float]:
    """Return what rows are sorted by: a measure that does not exist comes last."""
    value = cast("float | None", cast("Payload", row["net"])[rule])
    sign = 1.0 if rule in _LOWEST_FIRST else -1.0
    return value is None, 0.0 if value is None else sign * value


def _excess(row: Payload, base: Payload | None) -> Payload:
    """Return by how much a row is better than the baseline."""
    if base is None:
        return {"excess_annual_return": None, "excess_sharpe": None}
    mine, other = cast("Payload", row["net"]), cast("Payload", base["net"])
    return {
        f"excess_{name}": None
        if mine[name] is None or other[name] is None
        else cast("float", mine[name]) - cast("float", other[name])
        for name in ("annual_return", "sharpe")
    }
