"""Stage 6: the best of every cluster, and the selection as it is recorded."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

from pipeline.selection.clusters import ClusterSpec
from pipeline.selection.context import Features, Score, Verdict, number
from pipeline.selection.top import Top, top_counts
from pipeline.values import iso

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pipeline.selection.context import Context
    from pipeline.values import Json, Payload


@dataclass(frozen=True, slots=True)
class Selection:
    """What was selected in one window, with everything that led to it.

    Attributes
    ----------
    as_of : str
        Last date of the training rows, `YYYY-MM-DD`.
    universe : tuple of str
        Usable symbols, ascending.
    features : tuple of Features
        One per symbol of the universe.
    verdicts : tuple of Verdict
        Every veto on every symbol of the panel, the passed ones too.
    relaxed : int
        Round of relaxation (see `vetoes`), 0 if none.
    scores : tuple of Score
        One per survivor, ascending by symbol.
    clusters : mapping of int to tuple of str
        Cluster number, from 1, to its symbols; covers the survivors of the vetoes.
    clusters_sha256 : str
        Digest of the clusters, see `clusters.digest`.
    selected : tuple of str
        Ascending.
    top : tuple of Top
        How many symbols of each cluster were taken and why; empty for a fixed number.
    """

    as_of: str
    universe: tuple[str, ...]
    features: tuple[Features, ...]
    verdicts: tuple[Verdict, ...]
    relaxed: int
    scores: tuple[Score, ...]
    clusters: Mapping[int, tuple[str, ...]]
    clusters_sha256: str
    selected: tuple[str, ...]
    top: tuple[Top, ...] = ()

    @property
    def spec(self) -> ClusterSpec:
        """The clusters with their recorded digest."""
        return ClusterSpec(self.clusters, self.clusters_sha256)

    @classmethod
    def of(cls, context: Context) -> Selection:
        """Return the selection that a context after the last stage holds."""
        return cls(
            as_of=iso(context.panel.dates[-1]),
            universe=context.universe,
            features=context.features,
            verdicts=context.verdicts,
            relaxed=context.relaxed,
            scores=context.scores,
            clusters=context.clusters,
            clusters_sha256=context.clusters_sha256,
            selected=context.selected,
            top=context.top,
        )

    def to_payload(self) -> Payload:
        """Return the result of `select` as recorded."""
        clusters: list[Json] = [
            {"cluster": one, "symbols": list(self.clusters[one])} for one in sorted(self.clusters)
        ]
        return {
            "as_of": self.as_of,
            "universe": list(self.universe),
            "features": [features.to_payload() for features in self.features],
            "verdicts": [verdict.to_payload() for verdict in self.verdicts],
            "relaxed": self.relaxed,
            "scores": [score.to_payload() for score in self.scores],
            "clusters": clusters,
            "clusters_sha256": self.clusters_sha256,
            "selected": list(self.selected),
            **({"top": [entry.to_payload() for entry in self.top]} if self.top else {}),
        }

    @classmethod
    def from_payload(cls, payload: Payload) -> Selection:
        """Return the selection that `to_payload` wrote."""
        clusters = {
            int(number(one["cluster"])): _symbols(one["symbols"])
            for one in _objects(payload["clusters"])
        }
        return cls(
            as_of=str(payload["as_of"]),
            universe=_symbols(payload["universe"]),
            features=tuple(Features.from_payload(one) for one in _objects(payload["features"])),
            verdicts=tuple(Verdict.from_payload(one) for one in _objects(payload["verdicts"])),
            relaxed=int(number(payload["relaxed"])),
            scores=tuple(Score.from_payload(one) for one in _objects(payload["scores"])),
            clusters=clusters,
            clusters_sha256=str(payload["clusters_sha256"]),
            selected=_symbols(payload["selected"]),
            top=tuple(Top.from_payload(one) for one in _objects(payload.get("top", []))),
        )


def synthesis(context: Context) -> Context:
    """Set `selected`: the best ranks of every cluster, as many as the rule says, and `top`."""
    rank = {score.symbol: score.rank for score in context.scores}
    top: tuple[Top, ...] = ()
    counts = dict.fromkeys(context.clusters, context.params.top_per_cluster)
    if context.params.top_rule == "dispersion" and context.clusters:
        top = top_counts(context.returns, context.clusters, context.params)
        counts = {entry.cluster: entry.count for entry in top}
    best = (
        sorted(symbols, key=rank.__getitem__)[: counts[cluster]]
        for cluster, symbols in context.clusters.items()
    )
    selected = tuple(sorted(symbol for group in best for symbol in group))
    return replace(context, selected=selected, top=top)


def _objects(value: Json) -> Sequence[Payload]:
    if not isinstance(value, list):
        msg = f"expected a list of objects, found {value!r}"
        raise TypeError(msg)
    return [cast("Payload", one) for one in value]


def _symbols(value: Json) -> tuple[str, ...]:
    if not isinstance(value, list):
        msg = f"expected a list of symbols, found {value!r}"
        raise TypeError(msg)
    return tuple(str(symbol) for symbol in value)
