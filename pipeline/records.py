"""What a decision says about itself before it is taken.

An `Intent` names the stage, its complete parameters, the rows it may use and the decisions it
builds on. Together with the snapshot blob and the upstream results it determines the result, which
is why `pipeline.walk.decide` takes nothing else and a replay needs nothing else. The fields are
described in `docs/spec/records.md`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from pipeline.config import Cell
from pipeline.values import iso

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.values import Payload

STEPS = (
    "ingest",
    "assess",
    "detect",
    "select",
    "optimize",
    "rebalance",
    "simulate",
    "measure",
    "compose",
    "flatten",
    "trial",
    "score",
)
"""Every step that decides, in the order of the walk."""


class MalformedIntentError(ValueError):
    """The `data` of an intent record does not describe a decision."""


@dataclass(frozen=True, slots=True)
class Slice:
    """Which rows of a snapshot a decision may use.

    Attributes
    ----------
    field : str
        Price column of the snapshot: `close` or `adj_close`.
    first, last : str
        First and last market day, inclusive, `YYYY-MM-DD`.
    rows, columns : int
        Shape of the slice; the columns are all symbols of the snapshot.
    sha256 : str
        Logical digest of exactly these values (`pipeline.fingerprint.panel_digest`).
    """

    field: str
    first: str
    last: str
    rows: int
    columns: int
    sha256: str

    def to_payload(self) -> Payload:
        """Return the slice as a JSON object."""
        return {
            "field": self.field,
            "first": self.first,
            "last": self.last,
            "rows": self.rows,
            "columns": self.columns,
            "sha256": self.sha256,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """A decision that is about to be taken.

    Attributes
    ----------
    step : str
        One of `STEPS`.
    version : int
        Version of the stage function; raised when the same inputs may give another result.
    sleeve : str
        Name of the sleeve, `meta` for the combination of sleeves.
    as_of : str or None
        Decision date: the last day whose bars may be used.
    window : mapping or None
        Ordinal and dates of the walk-forward window.
    cell : Cell or None
        Engine and risk profile requested.
    params : mapping
        Complete resolved parameters of the stage.
    rows : Slice or None
        Rows of the snapshot that may be used.
    upstream : mapping of str to str
        Role -> id of the decision whose result is an input; an id ending in `*` stands for all
        decisions with that prefix, in order.
    seed : int
        Seed of everything random in the stage.
    """

    step: str
    version: int = 1
    sleeve: str
    as_of: str | None = None
    window: Payload | None = None
    cell: Cell | None = None
    params: Payload = field(default_factory=dict)
    rows: Slice | None = None
    upstream: Mapping[str, str] = field(default_factory=dict)
    seed: int = 0

    @property
    def ordinal(self) -> str:
        """Sleeve, cell and window in one word: unique within a run and step."""
        parts = [self.sleeve]
        if self.cell is not None:
            parts.append(self.cell.label)
        if self.window is not None:
            parts.append(f"{cast('int', self.window['ordinal']):04d}")
        return ".".join(parts)

    def to_payload(self) -> Payload:
        """Return the `data` of the intent record."""
        return {
            "stage": f"{self.step}@{self.version}",
            "sleeve": self.sleeve,
            "as_of": self.as_of,
            "window": self.window,
            "cell": None if self.cell is None else self.cell.model_dump(mode="json"),
            "params": self.params,
            "slice": None if self.rows is None else self.rows.to_payload(),
            "upstream": dict(sorted(self.upstream.items())),
            "seed": self.seed,
        }

    @classmethod
    def from_payload(cls, payload: Mapping[str, object]) -> Intent:
        """Return the intent that `to_payload` wrote.

        Raises
        ------
        MalformedIntentError
            If a field is missing or has another type.
        """
        try:
            step, _, version = cast("str", payload["stage"]).partition("@")
            cell, rows = payload["cell"], payload["slice"]
            return cls(
                step=step,
                version=int(version),
                sleeve=cast("str", payload["sleeve"]),
                as_of=cast("str | None", payload["as_of"]),
                window=cast("Payload | None", payload["window"]),
                cell=None if cell is None else Cell.model_validate(cell),
                params=cast("Payload", payload["params"]),
                rows=None if rows is None else Slice(**cast("dict[str, str]", rows)),  # type: ignore[arg-type]
                upstream=cast("dict[str, str]", payload["upstream"]),
                seed=cast("int", payload["seed"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            msg = f"expected the data of an intent, found {dict(payload)!r:.200}"
            raise MalformedIntentError(msg) from error


def window_payload(
    ordinal: int, train: tuple[object, object], test: tuple[object, object]
) -> Payload:
    """Return the `window` of an intent from its ordinal and its first and last days."""
    return {
        "ordinal": ordinal,
        "train_first": iso(train[0]),
        "train_last": iso(train[1]),
        "test_first": None if test[0] is None else iso(test[0]),
        "test_last": None if test[1] is None else iso(test[1]),
    }
