"""What one optimisation decided, and everything needed to judge it: the `optimize` result.

`to_payload` and `from_payload` are inverse; the fields are described in `docs/spec/records.md`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias, cast

from pipeline.config import Cell
from pipeline.optimization.constraints import Caps, GroupCaps

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.config import RegimeName, StaticRiskProfile
    from pipeline.values import Json, Payload

Status: TypeAlias = Literal[
    "optimal", "optimal_inaccurate", "closed_form", "infeasible", "unbounded", "failed"
]
"""How a solve ended; the last three carry no weights."""

ConstraintKind: TypeAlias = Literal[
    "budget",
    "symbol_cap",
    "cluster_cap",
    "long_only",
    "beta",
    "sector_cap",
    "asset_class_cap",
    "symbol_floor",
    "net",
    "turnover",
]


@dataclass(frozen=True, slots=True)
class ConstraintRow:
    """One constraint `value <= limit` (`value = limit` for the budget) at the solution.

    Attributes
    ----------
    kind : str
        What is limited; `beta` is the absolute beta to the reference portfolio, `symbol_floor` a
        negative weight and limit, `net` the net exposure (negative for the least), `turnover` the
        one-way turnover.
    name : str
        Symbol, cluster number, `total` for the budget, `reference` for the beta. There is one
        `long_only` row: the symbol with the smallest weight, with `value` minus that weight and
        limit 0.
    value, limit : float
        Fractions of NAV.
    binding : bool
        Whether the slack is within the tolerance of the check.
    """

    kind: ConstraintKind
    name: str
    value: float
    limit: float
    binding: bool

    @property
    def slack(self) -> float:
        """Room left: `limit - value`."""
        return self.limit - self.value

    def to_payload(self) -> Payload:
        """Return one entry of `constraints`."""
        return {
            "kind": self.kind,
            "name": self.name,
            "value": self.value,
            "limit": self.limit,
            "slack": self.slack,
            "binding": self.binding,
        }


@dataclass(frozen=True, slots=True)
class Dropped:
    """A symbol left out before solving; its weight is 0."""

    symbol: str
    reason: str

    def to_payload(self) -> Payload:
        """Return one entry of `dropped`."""
        return {"symbol": self.symbol, "reason": self.reason}


@dataclass(frozen=True, slots=True)
class FailedAttempt:
    """A cell that was tried and gave no weights, and why."""

    cell: Cell
    status: Status
    reason: str

    def to_payload(self) -> Payload:
        """Return one entry of `fallbacks`."""
        return {**cell_payload(self.cell), "status": self.status, "reason": self.reason}


@dataclass(frozen=True, slots=True)
class Adaptive:
    """Which risk profile the cell `adaptive` stood for, and by what."""

    regime: RegimeName
    quadrant: str | None
    risk_profile: StaticRiskProfile

    def to_payload(self) -> Payload:
        """Return the `adaptive` of an optimize result."""
        return {
            "regime": self.regime,
            "quadrant": self.quadrant,
            "risk_profile": self.risk_profile,
        }


@dataclass(frozen=True, slots=True)
class Opinion:
    """What another engine says about the same problem.

    Attributes
    ----------
    engine : str
        Who was asked.
    status : str
        How its solve ended; `refused` if it cannot solve this risk profile.
    weight_difference : float or None
        Largest difference of a weight; `None` without weights.
    objective_difference : float or None
        Relative difference of the objective, positive where the other's is larger; `None` for
        risk profiles without one.
    agrees : bool or None
        `None` where there is nothing to compare, or where a known reason explains the difference.
    reason : str
        Why there is nothing to compare, or the known reason; empty otherwise.
    """

    engine: str
    status: str
    weight_difference: float | None = None
    objective_difference: float | None = None
    agrees: bool | None = None
    reason: str = ""

    def to_payload(self) -> Payload:
        """Return one entry of `consensus`."""
        return {
            "engine": self.engine,
            "status": self.status,
            "weight_difference": self.weight_difference,
            "objective_difference": self.objective_difference,
            "agrees": self.agrees,
            "reason": self.reason,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Solution:
    """Checked target weights with their evidence.

    Attributes
    ----------
    as_of : str or None
        Day of the last return used, `YYYY-MM-DD`.
    requested, actual : Cell
        What was asked for and what gave the weights; they differ only with an entry in
        `fallbacks` or where `adaptive` was asked for.
    adaptive : Adaptive or None
        How `adaptive` was resolved; `None` for every other requested risk profile.
    status : str
        Status of the attempt that gave the weights.
    objective : float or None
        Variance per period plus ridge and costs (`min_variance`, `market_neutral`), annual Sharpe
        ratio (`max_sharpe`; `black_litterman` under its posterior), diversification ratio
        (`max_diversification`), conditional value at risk per period (`min_cvar`), `None` for
        risk profiles without an objective.
    iterations : int or None
        Iterations of the solver; `None` where nothing iterates or the library does not say.
    residuals : mapping of str to float
        Evidence that the weights are what the risk profile asks for, see
        `pipeline.optimization.engines.base`.
    weights : mapping of str to float
        Every given symbol, ascending, as fractions of NAV; 0 for a dropped one.
    cash : float
        1 minus the sum of weights where less than all is invested, else 0.
    caps : Caps
        Requested and in force.
    constraints : tuple of ConstraintRow
        Every constraint at the solution.
    dropped : tuple of Dropped
        Symbols left out before solving.
    fallbacks : tuple of FailedAttempt
        Attempts that came before, in order.
    certificate : payload or None
        Evidence for the weights, see `pipeline.optimization.certificates`.
    consensus : tuple of Opinion
        What other engines make of the same problem, if the manifest asks them.
    group_caps : GroupCaps or None
        Caps on sectors and asset classes; `None` unless limits beside the caps are declared.
    trading : payload or None
        Holdings, turnover and costs; `None` unless they matter to the decision.
    provider : payload or None
        Distribution and version of an engine that is not built in.
    slice_sha256 : str or None
        Digest of the rows used; `None` until the caller, who holds the rows, names it.
    """

    as_of: str | None
    requested: Cell
    actual: Cell
    status: Status
    objective: float | None
    iterations: int | None
    residuals: Mapping[str, float]
    weights: Mapping[str, float]
    cash: float
    caps: Caps
    constraints: tuple[ConstraintRow, ...]
    dropped: tuple[Dropped, ...]
    fallbacks: tuple[FailedAttempt, ...]
    adaptive: Adaptive | None = None
    certificate: Payload | None = None
    consensus: tuple[Opinion, ...] = ()
    group_caps: GroupCaps | None = None
    trading: Payload | None = None
    provider: Payload | None = None
    slice_sha256: str | None = None

    def to_payload(self) -> Payload:
        """Return the result of the `optimize` record."""
        return {
            "as_of": self.as_of,
            "requested": cell_payload(self.requested),
            "actual": cell_payload(self.actual),
            "adaptive": None if self.adaptive is None else self.adaptive.to_payload(),
            "status": self.status,
            "objective": self.objective,
            "iterations": self.iterations,
            "residuals": dict(self.residuals),
            "weights": dict(self.weights),
            "cash": self.cash,
            "caps": self.caps.to_payload(),
            "constraints": [row.to_payload() for row in self.constraints],
            "dropped": [entry.to_payload() for entry in self.dropped],
            "fallbacks": [attempt.to_payload() for attempt in self.fallbacks],
            "certificate": self.certificate,
            "consensus": [opinion.to_payload() for opinion in self.consensus],
            **({} if self.group_caps is None else {"group_caps": self.group_caps.to_payload()}),
            **({} if self.trading is None else {"trading": self.trading}),
            **({} if self.provider is None else {"provider": self.provider}),
            "slice_sha256": self.slice_sha256,
        }

    @classmethod
    def from_payload(cls, payload: Mapping[str, Json]) -> Solution:
        """Return the solution that `to_payload` wrote.

        Raises
        ------
        KeyError, TypeError, ValueError
            If a field is missing or has another type.
        """
        return cls(
            as_of=cast("str | None", payload["as_of"]),
            requested=Cell.model_validate(payload["requested"]),
            actual=Cell.model_validate(payload["actual"]),
            status=cast("Status", payload["status"]),
            objective=_optional(payload["objective"]),
            iterations=cast("int | None", payload["iterations"]),
            residuals=_numbers(payload["residuals"]),
            weights=_numbers(payload["weights"]),
            cash=_number(payload["cash"]),
            caps=_caps(_entry(payload["caps"])),
            constraints=tuple(map(_constraint, _entries(payload["constraints"]))),
            dropped=tuple(
                Dropped(cast("str", entry["symbol"]), cast("str", entry["reason"]))
                for entry in _entries(payload["dropped"])
            ),
            fallbacks=tuple(map(_attempt, _entries(payload["fallbacks"]))),
            adaptive=None
            if not payload.get("adaptive")
            else _adaptive(_entry(payload["adaptive"])),
            certificate=cast("Payload | None", payload.get("certificate")),
            consensus=tuple(map(_opinion, _entries(payload.get("consensus", [])))),
            group_caps=_group_caps(payload.get("group_caps")),
            trading=cast("Payload | None", payload.get("trading")),
            provider=cast("Payload | None", payload.get("provider")),
            slice_sha256=cast("str | None", payload["slice_sha256"]),
        )


def cell_payload(cell: Cell) -> Payload:
    """Return `{"engine": ..., "risk_profile": ...}`."""
    return {"engine": cell.engine, "risk_profile": cell.risk_profile}


def _caps(entry: Payload) -> Caps:
    return Caps(
        cast("Literal['quiet', 'normal', 'turbulent', 'crisis']", entry["regime"]),
        _number(entry["symbol_cap"]),
        _number(entry["cluster_cap"]),
        _number(entry["symbol_cap_requested"]),
        _number(entry["cluster_cap_requested"]),
        cast("Literal['none', 'relax', 'cash']", entry["rule"]),
    )


def _group_caps(entry: Json) -> GroupCaps | None:
    if entry is None:
        return None
    told = _entry(entry)
    return GroupCaps(
        _optional(told["sector_cap"]),
        _optional(told["asset_class_cap"]),
        _optional(told["sector_cap_requested"]),
        _optional(told["asset_class_cap_requested"]),
        cast("Literal['none', 'relax', 'cash']", told["rule"]),
    )


def _adaptive(entry: Payload) -> Adaptive:
    return Adaptive(
        cast("RegimeName", entry["regime"]),
        cast("str | None", entry["quadrant"]),
        cast("StaticRiskProfile", entry["risk_profile"]),
    )


def _opinion(entry: Payload) -> Opinion:
    return Opinion(
        cast("str", entry["engine"]),
        cast("str", entry["status"]),
        _optional(entry["weight_difference"]),
        _optional(entry["objective_difference"]),
        cast("bool | None", entry["agrees"]),
        cast("str", entry["reason"]),
    )


def _optional(value: Json) -> float | None:
    return None if value is None else _number(value)


def _constraint(entry: Payload) -> ConstraintRow:
    return ConstraintRow(
        cast("ConstraintKind", entry["kind"]),
        cast("str", entry["name"]),
        _number(entry["value"]),
        _number(entry["limit"]),
        cast("bool", entry["binding"]),
    )


def _attempt(entry: Payload) -> FailedAttempt:
    cell = Cell.model_validate({key: entry[key] for key in ("engine", "risk_profile")})
    return FailedAttempt(cell, cast("Status", entry["status"]), cast("str", entry["reason"]))


def _number(value: Json) -> float:
    """Return a JSON number as float; canonical JSON writes 1.0 as 1."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        msg = f"expected a number, found {value!r}"
        raise TypeError(msg)
    return float(value)


def _numbers(value: Json) -> dict[str, float]:
    return {key: _number(number) for key, number in _entry(value).items()}


def _entry(value: Json) -> Payload:
    if not isinstance(value, dict):
        msg = f"expected an object, found {value!r}"
        raise TypeError(msg)
    return value


def _entries(value: Json) -> list[Payload]:
    if not isinstance(value, list):
        msg = f"expected a list, found {value!r}"
        raise TypeError(msg)
    return [_entry(entry) for entry in value]
