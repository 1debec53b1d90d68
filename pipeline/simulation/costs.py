"""What trading costs: slippage and commission, kept apart, proportional to the traded value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.config import SimulationParams

BASIS_POINT = 1e-4


@dataclass(frozen=True, slots=True)
class CostRates:
    """Costs per unit of traded value.

    Attributes
    ----------
    slippage, commission : float
        Fractions of the absolute traded value; 0.0005 is 5 bps.
    """

    slippage: float
    commission: float

    @classmethod
    def of(cls, params: SimulationParams) -> CostRates:
        """Return the rates of `params`, from basis points to fractions."""
        return cls(params.slippage_bps * BASIS_POINT, params.commission_bps * BASIS_POINT)

    def charge(self, traded_value: float) -> Cost:
        """Return what trading `traded_value` (the sum of absolute trades) costs."""
        return Cost(self.slippage * traded_value, self.commission * traded_value)


@dataclass(frozen=True, slots=True)
class Cost:
    """A cost, in the currency of the traded value."""

    slippage: float
    commission: float

    @property
    def total(self) -> float:
        """Slippage plus commission."""
        return self.slippage + self.commission
