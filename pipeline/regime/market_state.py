"""What the detector found: one label, one score, and every component behind them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast, get_args

from pipeline.config import RegimeName

if TYPE_CHECKING:
    from pipeline.values import Json, Payload


@dataclass(frozen=True, slots=True)
class Component:
    """One measurement of the market and what it added to the score.

    Attributes
    ----------
    name : str
        `volatility_ratio`, `turbulence`, `hidden_states` or `permutation_entropy`.
    value : float or None
        The raw measurement; None if it could not be taken.
    null_percentile : float or None
        Share of independent Gaussian noise below `value`; None for `hidden_states`, whose null
        is its acceptance rule, and where there is no value.
    weight : float
        Weight in the score after the weights of the components that were not accepted were
        shared out; 0 if not accepted. The weights sum to 1, or to 0 if the score is undetermined.
    accepted : bool
        Whether the component counts.
    note : str
        Why it counts or does not, with the numbers.
    """

    name: str
    value: float | None
    null_percentile: float | None
    weight: float
    accepted: bool
    note: str

    def to_payload(self) -> Payload:
        """Return the component as recorded."""
        return {
            "name": self.name,
            "value": self.value,
            "null_percentile": self.null_percentile,
            "weight": self.weight,
            "accepted": self.accepted,
            "note": self.note,
        }

    @classmethod
    def from_payload(cls, payload: Payload) -> Component:
        """Return the component that `to_payload` wrote."""
        return cls(
            name=str(payload["name"]),
            value=_optional_number(payload["value"]),
            null_percentile=_optional_number(payload["null_percentile"]),
            weight=_number(payload["weight"]),
            accepted=payload["accepted"] is True,
            note=str(payload["note"]),
        )


@dataclass(frozen=True, slots=True)
class Regime:
    """The market state on one date.

    Attributes
    ----------
    as_of : str
        Last date that was used, `YYYY-MM-DD`.
    regime : RegimeName
        `quiet`, `normal`, `turbulent` or `crisis`.
    score : float
        Within [0, 1]; 0.5 is what noise gives in the middle, and what an undetermined state gets.
    observations : int
        Rows of returns that were given.
    components : tuple of Component
        In the order of `detector.WEIGHTS`.
    """

    as_of: str
    regime: RegimeName
    score: float
    observations: int
    components: tuple[Component, ...]

    def to_payload(self) -> Payload:
        """Return the result of `detect` as recorded."""
        return {
            "as_of": self.as_of,
            "regime": self.regime,
            "score": self.score,
            "observations": self.observations,
            "components": [component.to_payload() for component in self.components],
        }

    @classmethod
    def from_payload(cls, payload: Payload) -> Regime:
        """Return the regime that `to_payload` wrote."""
        components = payload["components"]
        name = payload["regime"]
        if not isinstance(components, list) or name not in get_args(RegimeName):
            msg = f"expected components and one of {get_args(RegimeName)}, found {name!r}"
            raise TypeError(msg)
        return cls(
            as_of=str(payload["as_of"]),
            regime=cast("RegimeName", name),
            score=_number(payload["score"]),
            observations=int(_number(payload["observations"])),
            components=tuple(Component.from_payload(cast("Payload", c)) for c in components),
        )


def _optional_number(value: Json) -> float | None:
    return None if value is None else _number(value)


def _number(value: Json) -> float:
    """Return a JSON number as float; 1.0 comes back from a record as 1."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        msg = f"expected a number, found {value!r}"
        raise TypeError(msg)
    return float(value)
