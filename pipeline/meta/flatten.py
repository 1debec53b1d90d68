"""From weights of sleeves to weights of physical symbols.

Invariants:
    1. Net weight is conserved: the flattened weights sum to what the sleeves hold, weighted.
    2. Gross weight is conserved before netting: a long and a short of one symbol in two sleeves
       cancel in `net` and add in `gross`. Both are recorded, with every path that leads there.
    3. Net weights and cash sum to 1.

The expected totals are computed bottom-up from the sleeves, the flattened ones from the paths, so
a path that is lost or counted twice shows as a difference. No small weight is dropped.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, cast

from pipeline.errors import ConfigError
from pipeline.values import iso

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pipeline.values import Json, Payload

TOLERANCE = 1e-9
"""Largest difference of totals that is rounding."""
MOST_LEVELS = 3
"""Levels of sleeves that may be nested."""


@dataclass(frozen=True, slots=True)
class Contribution:
    """What one path through the tree of sleeves adds to a symbol.

    Attributes
    ----------
    sleeve : str
        Names of the sleeves from the top, joined by `/`.
    sleeve_weight : float
        Product of the signed sleeve weights along the path.
    weight : float
        Signed weight of the symbol by this path, as a fraction of the whole NAV.
    """

    sleeve: str
    sleeve_weight: float
    weight: float


@dataclass(frozen=True, slots=True)
class FlatWeight:
    """One symbol of the flattened portfolio.

    Attributes
    ----------
    symbol : str
        A physical symbol.
    net : float
        Sum of the contributions.
    gross : float
        Sum of their absolute values.
    paths : tuple of Contribution
        In order of the path's name; none is zero.
    """

    symbol: str
    net: float
    gross: float
    paths: tuple[Contribution, ...]

    def to_payload(self) -> Payload:
        """Return one entry of `weights` in the result of `flatten@1`."""
        paths: list[Json] = [cast("Json", asdict(path)) for path in self.paths]
        return {"symbol": self.symbol, "net": self.net, "gross": self.gross, "paths": paths}


@dataclass(frozen=True, slots=True, kw_only=True)
class Flattened:
    """A meta-portfolio in physical symbols.

    Attributes
    ----------
    as_of : str or None
        Decision date, `YYYY-MM-DD`.
    weights : tuple of FlatWeight
        Ascending by symbol, as fractions of the NAV of the meta-portfolio.
    cash : float
        Cash of the meta-portfolio and, weighted, of its sleeves.
    net_total, gross_total : float
        Sums over `weights`.
    net_expected, gross_expected : float
        The same sums, computed bottom-up from the sleeves.
    """

    as_of: str | None
    weights: tuple[FlatWeight, ...]
    cash: float
    net_total: float
    gross_total: float
    net_expected: float
    gross_expected: float

    @property
    def conserved(self) -> bool:
        """Whether net, gross and cash add up, to `TOLERANCE`."""
        differences = (
            self.net_total - self.net_expected,
            self.gross_total - self.gross_expected,
            self.net_total + self.cash - 1.0,
        )
        return all(abs(difference) < TOLERANCE for difference in differences)

    def to_payload(self) -> Payload:
        """Return the result of `flatten@1`."""
        return {
            "as_of": self.as_of,
            "weights": [weight.to_payload() for weight in self.weights],
            "cash": self.cash,
            "net_total": self.net_total,
            "gross_total": self.gross_total,
            "net_expected": self.net_expected,
            "gross_expected": self.gross_expected,
            "conserved": self.conserved,
        }

    @classmethod
    def from_payload(cls, payload: Payload) -> Flattened:
        """Return the portfolio that `to_payload` wrote."""
        return cls(
            as_of=cast("str | None", payload["as_of"]),
            weights=tuple(map(_flat_weight, cast("list[Payload]", payload["weights"]))),
            cash=_float(payload["cash"]),
            net_total=_float(payload["net_total"]),
            gross_total=_float(payload["gross_total"]),
            net_expected=_float(payload["net_expected"]),
            gross_expected=_float(payload["gross_expected"]),
        )


@dataclass(frozen=True, slots=True)
class _Tree:
    """What each sleeve holds: symbols, and other sleeves."""

    symbols: Mapping[str, Mapping[str, float]]
    sleeves: Mapping[str, Mapping[str, float]]

    def children(self, path: tuple[str, ...]) -> Mapping[str, float]:
        """Return the sleeves inside the last sleeve of `path`, checking the path to it."""
        *above, name = path
        where = "/".join(path)
        if name in above:
            raise _malformed(f"sleeve {name} contains itself", where)
        if len(path) > MOST_LEVELS:
            raise _malformed(f"{len(path)} levels of sleeves, at most {MOST_LEVELS}", where)
        if name not in self.symbols and name not in self.sleeves:
            raise _malformed(f"no portfolio given for sleeve {name}", where)
        return self.sleeves.get(name, {})


@dataclass(frozen=True, slots=True)
class _Totals:
    net: float
    gross: float
    cash: float


def flatten(
    sleeve_weights: Mapping[str, float],
    portfolios: Mapping[str, Mapping[str, float]],
    *,
    as_of: object,
    nested: Mapping[str, Mapping[str, float]] | None = None,
) -> Flattened:
    """Return the physical symbols that a weighting of sleeves holds.

    Parameters
    ----------
    sleeve_weights : mapping of str to float
        Sleeve -> signed weight; what is left to 1 is cash.
    portfolios : mapping of str to mapping of str to float
        Sleeve -> symbol -> signed weight within the sleeve; what is left to 1 is its cash. Empty
        for a sleeve that is all in cash.
    as_of : date-like or None
        Decision date.
    nested : mapping of str to mapping of str to float, optional
        Sleeve -> sleeve inside it -> signed weight.

    Raises
    ------
    ConfigError
        If a sleeve has no portfolio, contains itself, or is nested deeper than three levels.
    """
    tree = _Tree(portfolios, nested or {})
    found: dict[str, list[Contribution]] = {}
    for symbol, contribution in _paths(tree, (), 1.0, sleeve_weights):
        found.setdefault(symbol, []).append(contribution)
    weights = tuple(_added(symbol, found[symbol]) for symbol in sorted(found))
    expected = _totals(tree, (), {}, sleeve_weights)
    return Flattened(
        as_of=None if as_of is None else iso(as_of),
        weights=weights,
        cash=expected.cash,
        net_total=math.fsum(weight.net for weight in weights),
        gross_total=math.fsum(weight.gross for weight in weights),
        net_expected=expected.net,
        gross_expected=expected.gross,
    )


def _paths(
    tree: _Tree, above: tuple[str, ...], scale: float, sleeves: Mapping[str, float]
) -> Iterator[tuple[str, Contribution]]:
    """Yield symbol and contribution of every path, in the order of the names."""
    for name in sorted(sleeves):
        path, weight = (*above, name), scale * float(sleeves[name])
        children = tree.children(path)
        for symbol, share in sorted(tree.symbols.get(name, {}).items()):
            if weight * share != 0.0:
                yield symbol, Contribution("/".join(path), weight, weight * share)
        yield from _paths(tree, path, weight, children)


def _added(symbol: str, paths: list[Contribution]) -> FlatWeight:
    ordered = tuple(sorted(paths, key=lambda path: path.sleeve))
    net = math.fsum(path.weight for path in ordered)
    return FlatWeight(symbol, net, math.fsum(abs(path.weight) for path in ordered), ordered)


def _totals(
    tree: _Tree,
    path: tuple[str, ...],
    symbols: Mapping[str, float],
    sleeves: Mapping[str, float],
) -> _Totals:
    """Return net, gross and cash of a portfolio per unit of its own NAV."""
    own = [float(symbols[symbol]) for symbol in sorted(symbols)]
    net, gross = [*own], [abs(weight) for weight in own]
    cash = [1.0, *(-weight for weight in own)]
    for name in sorted(sleeves):
        inner = (*path, name)
        held = _totals(tree, inner, tree.symbols.get(name, {}), tree.children(inner))
        weight = float(sleeves[name])
        net.append(weight * held.net)
        gross.append(abs(weight) * held.gross)
        cash += [-weight, weight * held.cash]
    return _Totals(math.fsum(net), math.fsum(gross), math.fsum(cash))


def _flat_weight(payload: Payload) -> FlatWeight:
    paths = cast("list[dict[str, str]]", payload["paths"])
    return FlatWeight(
        symbol=cast("str", payload["symbol"]),
        net=_float(payload["net"]),
        gross=_float(payload["gross"]),
        paths=tuple(
            Contribution(p["sleeve"], float(p["sleeve_weight"]), float(p["weight"])) for p in paths
        ),
    )


def _malformed(what: str, where: str) -> ConfigError:
    return ConfigError(
        what,
        where=where,
        why=f"sleeves form a tree of at most {MOST_LEVELS} levels whose leaves are symbols",
        fix="correct the sleeves of the run profile",
    )


def _float(value: Json) -> float:
    return float(cast("float", value))
