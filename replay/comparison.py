"""The verdict of a replay: recorded result against the one computed again."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, cast

from ledger import dumps, sha256

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.values import Json, Payload

Verdict: TypeAlias = Literal[
    "exact",
    "within_tolerance",
    "diverged",
    "input_missing",
    "input_altered",
    "environment_differs",
    "chain_broken",
]

BREACHES: Final[frozenset[str]] = frozenset({"input_altered", "chain_broken"})
"""Verdicts that say that evidence is there and is not what was recorded."""

WEIGHT_TOLERANCE = 1e-6
"""Largest difference of a weight for `within_tolerance`."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a replay found for one decision.

    Attributes
    ----------
    decision_id : str
        Which decision.
    verdict : str
        See `Verdict`.
    first_difference : str or None
        Path, recorded and found value of the first field that differs, or what is missing.
    expected_sha256, found_sha256 : str or None
        Digests of the recorded and the computed result; `None` when exact.
    """

    decision_id: str
    verdict: Verdict
    first_difference: str | None = None
    expected_sha256: str | None = None
    found_sha256: str | None = None

    def to_payload(self) -> Payload:
        """Return the comparison as recorded; only what is not `exact` says more."""
        payload: Payload = {"decision_id": self.decision_id, "verdict": self.verdict}
        if self.verdict != "exact":
            payload["first_difference"] = self.first_difference
            payload["expected_sha256"] = self.expected_sha256
            payload["found_sha256"] = self.found_sha256
        return payload

    @classmethod
    def from_payload(cls, payload: Payload) -> Comparison:
        """Return the comparison that `to_payload` wrote."""
        return cls(**cast("dict[str, str]", payload))  # type: ignore[arg-type]


def compare(
    decision_id: str, recorded: Payload, found: Payload, environment: Sequence[str]
) -> Comparison:
    """Return the verdict on a result computed again.

    Parameters
    ----------
    decision_id : str
        Which decision.
    recorded, found : payload
        The recorded result and the one computed again.
    environment : sequence of str
        Differences between the recorded and the present environment.
    """
    expected, computed = dumps(recorded), dumps(found)
    if expected == computed:
        return Comparison(decision_id, "exact")
    difference = first_difference(recorded, found)
    verdict: Verdict = "environment_differs" if environment else "diverged"
    if _weights_agree(recorded, found):
        verdict = "within_tolerance"
    return Comparison(decision_id, verdict, difference, sha256(expected), sha256(computed))


def first_difference(recorded: Json, found: Json, path: str = "result") -> str | None:
    """Return path and both values of the first difference, keys in ascending order."""
    if isinstance(recorded, dict) and isinstance(found, dict):
        return _first_of_objects(recorded, found, path)
    if isinstance(recorded, list) and isinstance(found, list):
        return _first_of_lists(recorded, found, path)
    same = recorded == found and isinstance(recorded, bool) == isinstance(found, bool)
    return None if same else f"{path}: recorded {recorded!r}, found {found!r}"


def _first_of_objects(recorded: dict[str, Json], found: dict[str, Json], path: str) -> str | None:
    for key in sorted({*recorded, *found}):
        if key not in recorded or key not in found:
            return f"{path}.{key}: {'found' if key in found else 'recorded'} only"
        inner = first_difference(recorded[key], found[key], f"{path}.{key}")
        if inner:
            return inner
    return None


def _first_of_lists(recorded: list[Json], found: list[Json], path: str) -> str | None:
    for i, (one, other) in enumerate(zip(recorded, found, strict=False)):
        inner = first_difference(one, other, f"{path}[{i}]")
        if inner:
            return inner
    if len(recorded) != len(found):
        return f"{path}: recorded {len(recorded)} items, found {len(found)}"
    return None


def _weights_agree(recorded: Payload, found: Payload) -> bool:
    """Tell whether both are solutions of the same problem with weights that agree."""
    if recorded.get("slice_sha256") is None or recorded["slice_sha256"] != found.get(
        "slice_sha256"
    ):
        return False
    same = all(recorded.get(k) == found.get(k) for k in ("requested", "actual", "caps"))
    one, other = recorded.get("weights"), found.get("weights")
    if (
        not same
        or not isinstance(one, dict)
        or not isinstance(other, dict)
        or set(one) != set(other)
    ):
        return False
    return all(
        math.isclose(
            cast("float", one[symbol]),
            cast("float", other[symbol]),
            rel_tol=0.0,
            abs_tol=WEIGHT_TOLERANCE,
        )
        for symbol in one
    )
