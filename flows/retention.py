"""How long each kind of evidence is kept, and whether it still is.

A class is a kind of thing that the ledger names or that lies in the workspace. Its retention is a
number of years, counted from the last record that names the thing; nothing is deleted by this
module, and nothing needs to be: it says what is kept, what is gone, and on which ground.

The defaults are the longest that a regulation known to us asks for records of this kind: six years
(17 CFR 240.17a-4(a), with the audit trail of 17a-4(f)(2)(i)(A)). `[retention]` in `assay.toml` of
the workspace sets other numbers.
"""

from __future__ import annotations

import tomllib
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final

from flows.errors import FlowError
from ledger import BlobStore, read_records

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from flows.settings import Workspace
    from ledger import Digest, Record

CLASSES: Final[dict[str, tuple[float, str]]] = {
    "records": (6, "lines of the ledger"),
    "checkpoints": (6, "signed checkpoints, and what anchors them outside"),
    "inputs": (6, "blobs that a decision read: prices, snapshots"),
    "manifests": (6, "blobs that a run stands on: manifest, lock, diff of the checkout"),
    "results": (6, "blobs that a decision made"),
    "reports": (6, "rendered reports"),
    "snapshots": (0, "warehouse snapshots: derived, may be deleted at any time"),
    "unnamed": (0, "blobs that no record names"),
}
"""Class -> years by default, and what it holds."""

_DAYS_OF_A_YEAR = 365.25
_OF_A_RUN = "manifests"


class RetentionError(FlowError):
    """`[retention]` of `assay.toml` names what is no class, or no number of years."""

    code = "E0418"


@dataclass(slots=True)
class Holding:
    """What there is of one class.

    Attributes
    ----------
    name : str
        The class, one of `CLASSES`.
    years : float
        How long it is to be kept.
    items : int
        How many are here.
    oldest : str
        Time of the oldest, as far as a record states it; empty if none does.
    missing : list of str
        What a record names and is neither here nor lawfully erased.
    erased : Counter
        How many were lawfully erased, by ground.
    early : list of str
        What was erased before the end of its retention.
    """

    name: str
    years: float
    items: int = 0
    oldest: str = ""
    missing: list[str] = field(default_factory=list)
    erased: Counter[str] = field(default_factory=Counter)
    early: list[str] = field(default_factory=list)

    def add(self, ts: str) -> None:
        """Count an item that is here."""
        self.items += 1
        self.oldest = min(self.oldest or ts, ts)

    def erase(self, name: str, ts: str, redaction: Record) -> None:
        """Count an item of time `ts` that a redaction record took away."""
        self.erased[str(redaction.data.get("ground", ""))] += 1
        kept_until = _time(ts) + timedelta(days=self.years * _DAYS_OF_A_YEAR)
        if _time(redaction.ts) < kept_until:
            self.early.append(name)

    def to_payload(self) -> dict[str, object]:
        """Return the row of `assay retention check --json`."""
        return {
            "class": self.name,
            "holds": CLASSES[self.name][1],
            "years": self.years,
            "items": self.items,
            "oldest": self.oldest or None,
            "missing": self.missing,
            "erased": dict(sorted(self.erased.items())),
            "early": self.early,
        }


def read_years(path: Path) -> dict[str, float]:
    """Return the years of every class: the defaults under `[retention]` of a settings file.

    Raises
    ------
    RetentionError
        For an unknown class or a value that is no number of years.
    """
    years = {name: default for name, (default, _) in CLASSES.items()}
    if not path.is_file():
        return years
    try:
        chosen = tomllib.loads(path.read_text(encoding="utf-8")).get("retention", {})
    except (ValueError, OSError) as error:
        raise _refuse(path, f"{path.name} is not TOML: {error}") from error
    if not isinstance(chosen, dict):
        raise _refuse(path, "retention is not a table")
    for name, value in chosen.items():
        if name not in CLASSES:
            near = get_close_matches(name, CLASSES, 1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise _refuse(path, f"unknown class {name!r}{hint}")
        if type(value) not in (int, float) or not 0 <= value < 1000:  # noqa: PLR2004
            raise _refuse(path, f"{name}: expected a number of years, found {value!r}")
        years[name] = value
    return years


def survey(workspace: Workspace, years: Mapping[str, float]) -> list[Holding]:
    """Return what there is of every class, in the order of `CLASSES`.

    The ledger is taken at its word: verify it first.
    """
    holdings = {name: Holding(name, years[name]) for name in CLASSES}
    records = list(read_records(workspace.ledger))
    redactions = _redactions(records)
    _count_records(records, redactions, holdings)
    _count_blobs(records, redactions, BlobStore(workspace.blobs), holdings)
    for path in _files(workspace.ledger / "checkpoints", workspace.ledger / "anchors"):
        holdings["checkpoints"].add(_ts_of(path, records))
    holdings["reports"].items = len(_files(workspace.reports))
    holdings["snapshots"].items = sum(
        path.suffix == ".duckdb" and not path.is_symlink() for path in _files(workspace.warehouse)
    )
    return list(holdings.values())


def _redactions(records: Iterable[Record]) -> dict[object, Record]:
    """Return the first redaction record of each seq and each blob."""
    found: dict[object, Record] = {}
    for record in records:
        if record.type == "redaction":
            for name in (record.data.get("seq"), record.data.get("blob")):
                if isinstance(name, int | str):
                    found.setdefault(name, record)
    return found


def _count_records(
    records: Iterable[Record], redactions: Mapping[object, Record], holdings: Mapping[str, Holding]
) -> None:
    for record in records:
        if record.redacted:
            name = f"record {record.seq}"
            holdings["records"].erase(name, record.ts, redactions[record.seq])
        else:
            holdings["records"].add(record.ts)


def _count_blobs(
    records: Iterable[Record],
    redactions: Mapping[object, Record],
    store: BlobStore,
    holdings: Mapping[str, Holding],
) -> None:
    named: dict[Digest, tuple[str, str]] = {}
    for record in records:
        source = _OF_A_RUN if record.type == "run" else "inputs"
        for digest in record.inputs.values():
            named[digest] = (source, record.ts)
        for digest in record.outputs.values():
            named[digest] = ("results", record.ts)
    here = set(store)
    for digest, (name, ts) in named.items():
        if digest in here:
            holdings[name].add(ts)
        elif (redaction := redactions.get(digest)) is not None:
            holdings[name].erase(f"blob {digest}", ts, redaction)
        else:
            holdings[name].missing.append(f"blob {digest}")
    holdings["unnamed"].items = len(here - named.keys())


def _files(*folders: Path) -> list[Path]:
    found = [each for folder in folders if folder.is_dir() for each in folder.iterdir()]
    return [each for each in found if not each.name.startswith(".")]


def _ts_of(path: Path, records: list[Record]) -> str:
    """Return the time of the last record that a checkpoint or anchor covers."""
    digits = path.name[:12]
    size = int(digits) if digits.isdigit() else len(records)
    return records[min(size, len(records)) - 1].ts


def _time(ts: str) -> datetime:
    return datetime.fromisoformat(ts)


def _refuse(path: Path, what: str) -> RetentionError:
    return RetentionError(
        what,
        where=str(path),
        why=f"[retention] names classes and years; the classes are {', '.join(CLASSES)}",
        fix="correct the line, for example `results = 7`",
    )
