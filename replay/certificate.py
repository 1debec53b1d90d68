"""Was it the best? Optimality of recorded weights, confirmed from the record and the returns alone.

Nothing is solved here. Moments are estimated again from the returns, then the certificate that
stands in the record is checked with sums and products: for convex risk profiles the KKT conditions
(`primal`, `dual`, `stationarity`, `gap`), for trees every merge and every split, and for what was
projected on the caps that no allowed weights are nearer. Only numpy is needed.

The certificate states the parameters it was made with; given the `params` of the intent they are
compared.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple, TypeAlias, cast

import numpy as np

from pipeline.optimization.priors import estimated
from pipeline.statistics import correlation, correlation_distance
from replay.beside import Beside, Check, held_as, limits_as_declared, prices_of
from replay.tree import descended, grown, halved, leaves_of, merge_excess

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pipeline.values import FloatArray, Payload, Returns
    from replay.tree import Risk

FEASIBLE = 1e-9
"""By how much weights may miss a limit."""

OPTIMAL: Mapping[str, float] = {"custom": 1e-8}
"""Largest gap by engine; others are held to `OPTIMAL_ELSEWHERE`."""

OPTIMAL_ELSEWHERE = 1e-4
"""Largest gap of an engine that solves to the tolerance of a general library."""

ROUNDING = 1e-7
"""How far a recorded number may be from the one computed here."""


@dataclass(frozen=True, slots=True)
class Findings:
    """What the certificate of one decision came to.

    Attributes
    ----------
    kind : str or None
        `optimum`, `projection`, `steps`, `barbell`; `None` if the record has no certificate.
    checks : tuple of Check
        Every condition with its number.
    """

    kind: str | None
    checks: tuple[Check, ...]

    @property
    def confirmed(self) -> bool:
        """Whether there is a certificate and all conditions hold."""
        return self.kind is not None and all(check.holds for check in self.checks)

    @property
    def broken(self) -> tuple[Check, ...]:
        """The conditions that do not hold."""
        return tuple(check for check in self.checks if not check.holds)

    def to_payload(self) -> Payload:
        """Return kind, verdict and every condition."""
        return {
            "kind": self.kind,
            "confirmed": self.confirmed,
            "checks": [
                {"name": check.name, "value": check.value, "limit": check.limit}
                for check in self.checks
            ],
        }


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """A recorded result beside its inputs, the symbols without variance left out.

    Attributes
    ----------
    symbols : tuple of str
        Ascending.
    returns : ndarray of shape (n_rows, n_symbols)
        Divided by the root of their mean variance.
    mean, covariance : ndarray
        Estimated again, in the scale of `returns`.
    variance : float
        The mean variance that was divided out.
    weights : ndarray of shape (n_symbols,)
        Recorded.
    total, cluster_cap : float
    upper : ndarray of shape (n_symbols,)
        The limits of the record.
    groups : mapping of str to list of int
        Cluster number -> columns, ascending.
    told, parameters : payload
        The certificate and its parameters.
    gap_limit : float
        For the engine that gave the weights.
    """

    symbols: tuple[str, ...]
    returns: FloatArray
    mean: FloatArray
    covariance: FloatArray
    variance: float
    weights: FloatArray
    total: float
    upper: FloatArray
    cluster_cap: float
    groups: Mapping[str, list[int]]
    told: Payload
    parameters: Payload
    gap_limit: float


Checks: TypeAlias = "list[Check]"


def certify(
    result: Payload,
    returns: Returns,
    clusters: Mapping[int, Sequence[str]],
    params: Payload | None = None,
    holdings: Mapping[str, float] | None = None,
) -> Findings:
    """Check the certificate of an `optimize` result.

    Parameters
    ----------
    result : payload
        Of the outcome record, as in `docs/spec/records.md`.
    returns : Returns
        Training returns of the symbols of `result["weights"]`.
    clusters : mapping of int to sequence of str
        Of the selection.
    params : payload, optional
        `params` of the intent, `periods_per_year` included; given, the certificate must have been
        made with them.
    holdings : mapping of str to float, optional
        Weights just before the decision, 0 left out; given, costs and turnover must have been
        counted from them.

    Returns
    -------
    Findings
        Every condition with its number; none if the record has no certificate.
    """
    told = cast("Payload | None", result["certificate"])
    if told is None:
        return Findings(None, ())
    case = _case(result, returns, clusters, told)
    kind, profile = cast("str", told["kind"]), cast("Payload", result["actual"])["risk_profile"]
    checks = [
        *([] if params is None else _as_declared(case, params, result)),
        *([] if holdings is None else [held_as(case.told, case.symbols, holdings)]),
        *_feasible(case),
        *_KINDS[kind](case, cast("str", profile)),
    ]
    return Findings(kind, tuple(checks))


def _case(
    result: Payload, returns: Returns, clusters: Mapping[int, Sequence[str]], told: Payload
) -> Case:
    gone = {entry["symbol"] for entry in cast("list[Payload]", result["dropped"])}
    kept = [i for i, symbol in enumerate(returns.symbols) if symbol not in gone]
    symbols = tuple(returns.symbols[i] for i in kept)
    parameters = cast("Payload", told.get("parameters", {}))
    values = np.ascontiguousarray(returns.values[:, kept])
    mean, matrix = estimated(values, parameters)
    scale = float(np.ascontiguousarray(np.diagonal(matrix)).sum()) / len(symbols)
    caps = cast("dict[str, float]", result["caps"])
    weights = cast("dict[str, float]", result["weights"])
    homes = {symbol: number for number in sorted(clusters) for symbol in clusters[number]}
    groups: dict[str, list[int]] = {}
    for number in sorted(clusters):
        columns = [i for i, symbol in enumerate(symbols) if homes[symbol] == number]
        if columns:
            groups[str(number)] = columns
    engine = cast("str", cast("Payload", result["actual"])["engine"])
    held = np.array([weights[symbol] for symbol in symbols], dtype=np.float64)
    return Case(
        symbols,
        values / math.sqrt(scale),
        mean / math.sqrt(scale),
        matrix / scale,
        scale,
        held,
        1.0 - cast("float", result["cash"]),
        np.full(len(symbols), min(caps["symbol_cap"], caps["cluster_cap"])),
        caps["cluster_cap"],
        groups,
        told,
        parameters,
        OPTIMAL.get(engine, OPTIMAL_ELSEWHERE),
    )


def _as_declared(case: Case, params: Payload, result: Payload) -> Checks:
    """Check that the parameters of the certificate are those that the intent declares."""
    caps = cast("Payload", result["caps"])
    regime, periods = cast("str", caps["regime"]), cast("int", params["periods_per_year"])
    views = cast("dict[str, float]", params["black_litterman"])
    factors = cast("dict[str, float]", params.get("l2_multipliers", {}))
    state = cast("str | None", case.parameters.get("l2_state"))
    ridge = cast("float", params["l2_penalty"]) * (1.0 if state is None else factors[state])
    declared = {
        **params,
        "l2_penalty": ridge,
        "l2_state": state,
        "trading": prices_of(params),
        **views,
        "risk_free_rate": cast("float", params["risk_free_rate"]) / periods,
        "covariance": params["covariance_estimator"],
        "mean": params["mean_estimator"],
        "half_life_rows": cast("float", params["half_life_years"]) * periods,
        "lift": cast("dict[str, float]", params["shrinkage_lifts"])[regime],
        "view_return": views[regime] / periods,
        "aggressive_share": cast("dict[str, float]", params["barbell_shares"])[regime],
        "aggressive_clusters_max": params["barbell_leaders_max"],
    }
    differ = 0
    for name, value in case.parameters.items():
        if name == "beta_limit":
            differ += value not in cast("list[float]", params["beta_limits"])
        elif name != "aggressive_share" or caps["rule"] != "cash":
            # Where cash is kept the share is one of what is invested.
            differ += value != declared[name]
    return [
        Check("parameters", float(differ), 0.0),
        *limits_as_declared(case.told, case.symbols, params, result),
    ]


def _feasible(case: Case) -> Checks:
    weights = case.weights
    excess = [abs(math.fsum(weights.tolist()) - case.total), -float(weights.min())]
    excess.append(float((weights - case.upper).max()))
    sums = [math.fsum(weights[columns].tolist()) for columns in case.groups.values()]
    excess.append(max(sums) - case.cluster_cap)
    excess += Beside.read(case.told, case.symbols, case.weights).excess()
    return [Check("primal", max(0.0, *excess), FEASIBLE)]


def _optimum(case: Case, profile: str) -> Checks:
    found = _TANGENTS[profile](case)
    beside = _beside(case, profile, found.unit)
    return [*found.checks, *_priced(case, found.slope, found.value, found.offset, beside)]


def _beside(case: Case, profile: str, unit: float = 1.0) -> Beside:
    """Return the limits beside the caps, and costs in the scale of the risk profile."""
    scale, penalty = 0.0, 0.0
    told = cast("dict[str, float]", case.parameters.get("trading", {}))
    if told and profile in _COSTS:
        days = told["holding_days"] or 1
        scale = 1.0 / (days * math.sqrt(case.variance))
        if _COSTS[profile] == "variance":
            scale = 2.0 / (told["risk_aversion"] * days * case.variance)
            penalty = told["turnover_penalty"]
    deviations = np.sqrt(np.diagonal(case.covariance) * case.variance)
    found = Beside.read(case.told, case.symbols, case.weights)
    return found.priced(told, deviations, scale, penalty).divided(unit)


_COSTS: Mapping[str, str] = {
    "min_variance": "variance",
    "market_neutral": "variance",
    "max_sharpe": "return",
    "black_litterman": "return",
    "min_cvar": "return",
}
"""Risk profiles whose objective has costs -> what these are weighed against."""


def _priced(
    case: Case,
    slope: FloatArray,
    value: float,
    offset: float = 0.0,
    beside: Beside | None = None,
) -> Checks:
    """Check the prices: `value - min slope'v` bounds how far the weights are from the best.

    For a `budget` p, cluster prices m >= 0 and symbol prices `max(0, p - m - slope)` no allowed
    weights have less than `p * total - sum(m * cap) - sum(symbol prices * upper)`.
    """
    beside = Beside.read(case.told, case.symbols, case.weights) if beside is None else beside
    slope, value = slope + beside.slope(), value + beside.value()
    told = cast("Payload", case.told["prices"])
    budget = cast("float", told["budget"])
    full = cast("dict[str, float]", told["clusters"])
    recorded = cast("dict[str, float]", told["symbols"])
    worth, lower = np.zeros(len(slope)), [budget * case.total]
    for number, columns in case.groups.items():
        price = full.get(number, 0.0)
        worth[columns] = np.maximum(0.0, budget - price - slope[columns])
        lower.append(-price * case.cluster_cap)
    lower += (-(worth * case.upper)).tolist()
    told_worth = np.array([recorded.get(symbol, 0.0) for symbol in case.symbols])
    size = max(1.0, float(np.abs(slope).max()))
    return [
        Check("dual", max((-p for p in (*full.values(), *recorded.values())), default=0.0), 0.0),
        Check("stationarity", float(np.abs(worth - told_worth).max()) / size, ROUNDING),
        Check("gap", value - offset - math.fsum(lower), case.gap_limit),
        *beside.checks(size),
    ]


class Tangent(NamedTuple):
    """The slope of an objective at the weights, and what is needed to bound it.

    `offset` is what a further limit adds to the bound; costs are divided by `unit`.
    """

    checks: Checks
    slope: FloatArray
    value: float
    offset: float = 0.0
    unit: float = 1.0


def _ridged(case: Case) -> FloatArray:
    ridge = cast("float", case.parameters["l2_penalty"])
    return case.covariance + ridge * np.eye(len(case.symbols))


def _variance(case: Case) -> Tangent:
    slope = 2.0 * _ridged(case) @ case.weights
    return Tangent([], slope, float(slope @ case.weights))


def _neutral(case: Case) -> Tangent:
    held = _reference(case)
    spread = case.covariance @ held
    betas = spread / float(held @ spread)
    limit = cast("float", case.parameters["beta_limit"])
    price = cast("float", case.told["beta_price"])
    slope = 2.0 * _ridged(case) @ case.weights
    beta = abs(float(betas @ case.weights))
    found = [Check("beta", max(0.0, beta - limit), 1e-6)]
    value = float(slope @ case.weights)
    return Tangent(found, slope + price * betas, value, -abs(price) * limit)


def _reference(case: Case) -> FloatArray:
    declared = cast("list[str]", case.parameters["benchmark_symbols"])
    held = np.array([not declared or symbol in declared for symbol in case.symbols], dtype=float)
    if not held.any():
        held = np.ones(len(case.symbols))
    shares: FloatArray = held / held.sum()
    return shares


def _log_ratio(case: Case, profile: str, gains: FloatArray, matrix: FloatArray) -> Tangent:
    risk = matrix @ case.weights
    net = float(gains @ case.weights) - _beside(case, profile).cost()
    slope = risk / float(risk @ case.weights) - gains / net
    positive = [Check("gain", -net, 0.0)]
    return Tangent(positive, slope, float(slope @ case.weights), unit=net)


def _sharpe(case: Case) -> Tangent:
    rate = cast("float", case.parameters["risk_free_rate"]) / math.sqrt(case.variance)
    return _log_ratio(case, "max_sharpe", case.mean - rate, _ridged(case))


def _diversification(case: Case) -> Tangent:
    deviations = np.sqrt(np.diagonal(case.covariance))
    return _log_ratio(case, "max_diversification", deviations, _ridged(case))


def _views(case: Case) -> Tangent:
    told = cast("dict[str, float]", case.parameters)
    matrix = case.covariance * case.variance
    implied = told["risk_aversion"] * matrix @ _reference(case)
    picks, stated = _trends(case, int(told["view_clusters"]), told["view_return"])
    spread = told["tau"] * matrix
    mean, uncertain = implied, spread
    if len(stated) and told["confidence"]:
        inner = picks @ spread @ picks.T
        doubt = (1.0 - told["confidence"]) / told["confidence"]
        gain = spread @ picks.T @ np.linalg.inv(inner + doubt * np.diag(np.diag(inner)))
        mean = implied + gain @ (stated - picks @ implied)
        uncertain = spread - gain @ picks @ spread
    ridge = told["l2_penalty"] * np.eye(len(case.symbols))
    gains, spread = mean / math.sqrt(case.variance), (matrix + uncertain) / case.variance + ridge
    return _log_ratio(case, "black_litterman", gains, spread)


def _trends(case: Case, count: int, size: float) -> tuple[FloatArray, FloatArray]:
    """Return the portfolios of the clusters with the clearest trends, and what they promise."""
    groups = list(case.groups.values())
    streams = np.array([case.returns[:, columns].mean(axis=1) for columns in groups])
    errors = streams.std(axis=1, ddof=1) / math.sqrt(streams.shape[1])
    trends = np.divide(streams.mean(axis=1), errors, out=np.zeros(len(groups)), where=errors > 0)
    ranked = sorted(range(len(groups)), key=lambda c: (-abs(trends[c]), c))[:count]
    picks = np.zeros((len(ranked), len(case.symbols)))
    for row, cluster in zip(picks, ranked, strict=True):
        row[groups[cluster]] = 1.0 / len(groups[cluster])
    return picks, size * np.sign(trends[ranked])


def _tail(case: Case) -> Tangent:
    """Check that the recorded probabilities are allowed and expect the loss of the tail."""
    told = cast("Payload", case.told["tail"])
    rows, level = len(case.returns), cast("float", case.parameters["tail_level"])
    count = rows * (1.0 - level)
    likely = np.zeros(rows)
    likely[cast("list[int]", told["rows"])] = 1.0 / count
    for row, share in cast("dict[str, float]", told["shares"]).items():
        likely[int(row)] = share
    allowed = max(abs(math.fsum(likely.tolist()) - 1.0), -float(likely.min()))
    allowed = max(allowed, float(likely.max()) - 1.0 / count)
    losses = np.sort(-case.returns @ case.weights)[::-1]
    whole = math.floor(count + 1e-9)
    value = float(losses[:whole].sum()) + (count - whole) * float(losses[min(whole, rows - 1)])
    slope = -case.returns.T @ likely
    return Tangent([Check("probabilities", allowed, ROUNDING)], slope, value / count)


_TANGENTS: Mapping[str, Callable[[Case], Tangent]] = {
    "min_variance": _variance,
    "market_neutral": _neutral,
    "max_sharpe": _sharpe,
    "max_diversification": _diversification,
    "black_litterman": _views,
    "min_cvar": _tail,
}


def _projection(case: Case, profile: str) -> Checks:
    """Check that no allowed weights are nearer to the shares, and that the shares are right."""
    count, checks = len(case.symbols), []
    if profile == "equal_weight":
        shares = np.full(count, 1.0 / count)
    elif profile == "benchmark":
        shares = np.zeros(count)
        for columns in case.groups.values():
            shares[columns] = 1.0 / (len(case.groups) * len(columns))
    elif profile == "market":
        shares = _reference(case)
        case = replace(case, upper=np.where(shares > 0.0, case.upper, 0.0))
    else:
        told = cast("dict[str, float]", case.told["shares"])
        shares = np.array([told[symbol] for symbol in case.symbols])
        risk = shares * (case.covariance @ shares)
        unequal = float(np.abs(risk / risk.sum() - 1.0 / count).max())
        checks.append(Check("risk shares", unequal, case.gap_limit))
    return [*checks, *_nearest(case, shares)]


def _nearest(case: Case, shares: FloatArray) -> Checks:
    slope = case.weights - shares * case.total
    return _priced(case, slope, float(slope @ case.weights))


def _steps(case: Case, profile: str) -> Checks:
    """Follow every merge and split of the tree, then check the projection of what they give."""
    checks, shares = _tree(case, profile)
    return [*checks, *_nearest(case, shares)]


def _tree(case: Case, profile: str) -> tuple[Checks, FloatArray]:
    count = len(case.symbols)
    distances = correlation_distance(correlation(case.covariance))
    if "merges" not in case.told:
        merges = grown(distances)
        return [], _split(case, profile, merges)[0]
    merges = [(int(a), int(b)) for a, b in cast("list[list[int]]", case.told["merges"])]
    order = leaves_of(merges, 2 * count - 2, count)
    shares, splits = _split(case, profile, merges)
    told = np.array(cast("list[float]", case.told["splits"]))
    same = order == [int(leaf) for leaf in cast("list[int]", case.told["order"])]
    differ = np.abs(told - splits).max(initial=0.0) if len(told) == len(splits) else math.inf
    return [
        Check("merges", merge_excess(distances, merges), ROUNDING),
        Check("order", 0.0 if same else 1.0, 0.0),
        Check("splits", float(differ), ROUNDING),
    ], shares


def _split(
    case: Case, profile: str, merges: Sequence[tuple[int, int]]
) -> tuple[FloatArray, FloatArray]:
    """Return weights and shares of the first sides, from the tree alone."""
    if profile == "hrp":
        return halved(
            case.covariance, leaves_of(merges, 2 * len(case.symbols) - 2, len(case.symbols))
        )
    risk = _tail_risk(case) if profile == "herc_cvar" else _variance_risk(case)
    return descended(merges, len(case.symbols), len(case.groups), risk)


def _variance_risk(case: Case) -> Risk:
    return lambda columns, held: float(held @ case.covariance[np.ix_(columns, columns)] @ held)


def _tail_risk(case: Case) -> Risk:
    count = len(case.returns) * (1.0 - cast("float", case.parameters["tail_level"]))
    whole = math.floor(count + 1e-9)

    def risk(columns: list[int], held: FloatArray) -> float:
        losses = np.sort(-case.returns[:, columns] @ held)[::-1]
        rest = (count - whole) * float(losses[min(whole, len(losses) - 1)])
        return max(1e-8, (float(losses[:whole].sum()) + rest) / count)

    return risk


def _barbell(case: Case, _: str) -> Checks:
    """Check who leads, that leaders weigh the same, and the core as a tree or equal weights."""
    leaders = [case.symbols.index(name) for name in cast("list[str]", case.told["leaders"])]
    scores, groups = _scores(case.returns), list(case.groups.values())
    best = [min(columns, key=lambda i: (-scores[i], i)) for columns in groups]
    ranked = sorted(range(len(groups)), key=lambda c: (-scores[best[c]], best[c]))[: len(leaders)]
    right = sorted(best[c] for c in ranked) == leaders
    each = cast("float", case.told["aggressive"]) / len(leaders)
    core = sorted(i for c, columns in enumerate(groups) if c not in ranked for i in columns)
    others = {i for i in range(len(case.symbols)) if i not in core and i not in leaders}
    rest = replace(
        case,
        symbols=tuple(case.symbols[i] for i in core),
        covariance=np.ascontiguousarray(case.covariance[np.ix_(core, core)]),
        weights=case.weights[core],
        total=case.total - cast("float", case.told["aggressive"]),
        upper=case.upper[core],
        groups={
            number: [core.index(i) for i in columns]
            for c, (number, columns) in enumerate(case.groups.items())
            if c not in ranked
        },
    )
    tree = "merges" in case.told or "steps_sha256" in case.told
    checks, shares = _tree(rest, "hrp") if tree else ([], np.full(len(core), 1.0 / len(core)))
    return [
        Check("leaders", 0.0 if right else 1.0, 0.0),
        Check("leader weights", float(np.abs(case.weights[leaders] - each).max()), FEASIBLE),
        Check("others", max((float(case.weights[i]) for i in others), default=0.0), FEASIBLE),
        *checks,
        *_nearest(rest, shares),
    ]


def _scores(returns: FloatArray) -> FloatArray:
    """Return the mean of the ranks of skewness and of the mean of the best 5 % of the rows."""
    rows = len(returns)
    centred = returns - returns.mean(axis=0)
    skewness = (centred**3).mean(axis=0) / (centred**2).mean(axis=0) ** 1.5
    best = np.sort(returns, axis=0)[rows - math.ceil(0.05 * rows) :].mean(axis=0)
    return (_ranks(skewness) + _ranks(best)) / 2.0


def _ranks(values: FloatArray) -> FloatArray:
    below = (values[:, None] > values).sum(axis=1)
    equal = (values[:, None] == values).sum(axis=1)
    ranks: FloatArray = (below + (equal + 1.0) / 2.0) / len(values)
    return ranks


_KINDS: Mapping[str, Callable[[Case, str], Checks]] = {
    "optimum": _optimum,
    "projection": _projection,
    "steps": _steps,
    "barbell": _barbell,
}
