"""Confirming recorded weights without a solver: certificates of `optimize` decisions, one by one.

Rows, clusters and holdings are loaded by the digests that the record names; then
`replay.certificate.certify` checks the recorded certificate with numpy alone. What the decision
stood on is read from the payloads here a second time: no code that takes decisions is imported.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias, cast

from ledger import BlobAlteredError, LedgerError
from pipeline.records import Intent, MalformedIntentError
from pipeline.values import Holdings
from replay.certificate import certify
from replay.errors import EvidenceMissingError
from replay.reconstruct import Snapshots

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pipeline.values import Panel, Payload
    from replay.certificate import Findings
    from replay.history import History

Verdict: TypeAlias = Literal[
    "confirmed", "broken", "absent", "input_missing", "input_altered", "chain_broken"
]

REFUSED: tuple[Verdict, ...] = ("broken", "input_missing", "input_altered", "chain_broken")
"""Verdicts that say that the weights are not those a certificate vouches for."""


@dataclass(frozen=True, slots=True)
class Certification:
    """What the certificate of one decision came to.

    Attributes
    ----------
    decision_id : str
        Which decision.
    cell : str
        Engine and risk profile that gave the weights.
    verdict : str
        See `Verdict`.
    kind : str or None
        Kind of certificate.
    reason : str or None
        Every condition that does not hold with value and limit, or why there is no certificate.
    """

    decision_id: str
    cell: str
    verdict: Verdict
    kind: str | None = None
    reason: str | None = None

    def to_payload(self) -> Payload:
        """Return the certification as recorded; only what is not `confirmed` says more."""
        payload: Payload = {
            "decision_id": self.decision_id,
            "cell": self.cell,
            "verdict": self.verdict,
            "kind": self.kind,
        }
        if self.verdict != "confirmed":
            payload["reason"] = self.reason
        return payload

    @classmethod
    def from_payload(cls, payload: Payload) -> Certification:
        """Return the certification that `to_payload` wrote."""
        return cls(**cast("dict[str, str]", payload))  # type: ignore[arg-type]


class Certifier:
    """Checks the certificates of recorded decisions.

    Parameters
    ----------
    history : History
        The recorded decisions.
    """

    def __init__(self, history: History) -> None:
        self._history = history
        self._snapshots = Snapshots(history.blobs)

    def certify(self, id_: str) -> Certification:
        """Return the verdict on the certificate of one `optimize` decision with a result.

        Raises
        ------
        UnknownDecisionError
            If the ledger has no such decision.
        """
        record = self._history.decision(id_).intent
        cell = ""
        try:
            intent = Intent.from_payload(record.data)
            result, _ = self._history.result(id_)
            cell = _cell(result)
            if result["certificate"] is None:
                return Certification(id_, cell, "absent", reason=_why_absent(result))
            results = {
                role: self._history.result(upstream)[0]
                for role, upstream in sorted(intent.upstream.items())
            }
            panel = self._snapshots.rows(intent, record.inputs.get("snapshot"))
        except BlobAlteredError as error:
            return Certification(id_, cell, "input_altered", reason=str(error))
        except (EvidenceMissingError, LedgerError, MalformedIntentError) as error:
            return Certification(id_, cell, "input_missing", reason=str(error))
        try:
            found = confirm(result, intent, results, cast("Panel", panel))
        except (LookupError, TypeError, ValueError, ArithmeticError) as error:
            # A certificate that cannot be read vouches for nothing.
            return Certification(id_, cell, "broken", reason=f"not a certificate: {error!r}")
        if found.confirmed:
            return Certification(id_, cell, "confirmed", found.kind)
        return Certification(id_, cell, "broken", found.kind, _broken(found))


def confirm(
    result: Payload, intent: Intent, results: Mapping[str, Payload], panel: Panel
) -> Findings:
    """Check the certificate of a result against what its intent names.

    Parameters
    ----------
    result : payload
        Of the `optimize` decision.
    intent : Intent
        What it declares.
    results : mapping of str to payload
        Role -> result of the upstream decision.
    panel : Panel
        The rows that it may use.
    """
    symbols, clusters = weighed(intent, results, panel)
    book = results.get("holdings")
    held: dict[str, float] = {}
    if book is not None:
        holdings = Holdings.from_payload(cast("Payload", book["holdings_end"]))
        held = holdings.weights() if holdings.positions else {}
    return certify(result, panel.columns(symbols).returns(), clusters, intent.params, held)


def weighed(
    intent: Intent, results: Mapping[str, Payload], panel: Panel
) -> tuple[tuple[str, ...], dict[int, tuple[str, ...]]]:
    """Return the symbols that a decision weighs and their clusters.

    The rule of `pipeline.walk.candidates`, read from the payload of the selection.
    """
    if "selection" not in results:
        # The sleeves of a meta-portfolio: all are held, each is its own cluster.
        return panel.symbols, {i + 1: (symbol,) for i, symbol in enumerate(panel.symbols)}
    selection = results["selection"]
    clusters = {
        cast("int", entry["cluster"]): tuple(cast("list[str]", entry["symbols"]))
        for entry in cast("list[Payload]", selection["clusters"])
    }
    symbols = set(cast("list[str]", selection["selected"]))
    if intent.cell is not None and intent.cell.risk_profile == "market":
        universe = set(cast("list[str]", selection["universe"]))
        usable = universe & set(cast("list[str]", intent.params["benchmark_symbols"]))
        clustered = {symbol for members in clusters.values() for symbol in members}
        for symbol in sorted(usable - clustered):
            clusters[max(clusters, default=0) + 1] = (symbol,)
        symbols |= usable
    held = {number: _kept(members, symbols) for number, members in clusters.items()}
    return tuple(sorted(symbols)), {number: kept for number, kept in held.items() if kept}


def _kept(members: Sequence[str], symbols: set[str]) -> tuple[str, ...]:
    return tuple(symbol for symbol in members if symbol in symbols)


def _cell(result: Payload) -> str:
    actual = cast("dict[str, str]", result["actual"])
    return f"{actual['engine']}.{actual['risk_profile']}"


def _why_absent(result: Payload) -> str:
    """Return why a result has no certificate, as far as the record says."""
    engine = cast("dict[str, str]", result["actual"])["engine"]
    return f"{engine} gave no prices or steps that lead to these weights"


def _broken(found: Findings) -> str:
    parts = [
        f"{check.name} {check.value:.6g} > {check.limit:g}"
        if math.isfinite(check.value)
        else f"{check.name} is no number, limit {check.limit:g}"
        for check in found.broken
    ]
    return "; ".join(parts)


def certifiable(history: History, ids: Sequence[str]) -> Iterator[str]:
    """Yield those of `ids` that weighed a portfolio and have a result."""
    for id_ in ids:
        outcome = history.decision(id_).outcome
        if id_.split("/")[1] == "optimize" and outcome is not None and outcome.status == "ok":
            yield id_
