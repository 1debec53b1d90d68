"""A clock that is told the time, a key with a fixed seed, and small ledgers."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ledger import Draft, LedgerError, Log, SigningKey

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ledger import Receipt

ORIGIN = "example.org/firm/workspace"

MakeLog = Callable[..., Log]


class Clock:
    """A clock that moves one second with each look, and can be set back."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 2, tzinfo=UTC)

    def __call__(self) -> datetime:
        """Return a second later than the last time."""
        self.now += timedelta(seconds=1)
        return self.now

    def shift(self, seconds: float) -> None:
        """Move the clock without a look at it."""
        self.now += timedelta(seconds=seconds)


@pytest.fixture(autouse=True, scope="session")
def _errors_have_four_parts() -> Iterator[None]:
    """Every error that any test meets says what, where, why and what to do, as text."""
    raised = LedgerError.__init__

    def check(error: LedgerError, **parts: str) -> None:
        assert all(type(part) is str and part != "None" for part in parts.values()), parts
        # A test that raises an error of its own may leave all but the first empty.
        assert all(parts.values()) or not any([*parts.values()][1:]), parts
        raised(error, **parts)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LedgerError, "__init__", check)
        yield


@pytest.fixture
def clock() -> Clock:
    """Return a clock that starts at the second day of 2026."""
    return Clock()


@pytest.fixture
def key() -> SigningKey:
    """Return the log's signing key, the same in every run."""
    return SigningKey(ORIGIN, bytes(range(32)))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return the folder of the ledger."""
    return tmp_path / "ledger"


@pytest.fixture
def make_log(root: Path, key: SigningKey, clock: Clock) -> MakeLog:
    """Make a ledger with segments of any size."""

    def make(segment_records: int = 65_536, **options: object) -> Log:
        arguments: dict[str, Any] = {"origin": ORIGIN, "key": key, "clock": clock, **options}
        return Log.create(root, segment_records=segment_records, **arguments)

    return make


@pytest.fixture
def log(make_log: MakeLog) -> Log:
    """Return a ledger of one record, and one checkpoint over it."""
    return make_log()


@pytest.fixture(scope="session")
def transparency() -> dict[str, Any]:
    """Public conformance vectors, where the machine has a copy beside the repository."""
    for folder in Path(__file__).resolve().parents:
        path = folder / "shared" / "vectors" / "transparency.json"
        if path.exists():
            vectors: dict[str, Any] = json.loads(path.read_text())
            return vectors
    pytest.skip("no copy of the public transparency vectors beside the repository")


def note(number: int, **data: object) -> Draft:
    """Return a small draft without id."""
    return Draft(type="note", run_id="run-a", step="select", id="", data={"n": number, **data})


def decision(number: int, run_id: str = "run-a") -> list[Draft]:
    """Return an intent and its outcome."""
    key = f"{run_id}/select/{number}/1"
    return [
        Draft(type="intent", run_id=run_id, step="select", id=key, data={"gamma": 0.5}),
        Draft(
            type="outcome", run_id=run_id, step="select", id=key, status="ok", data={"n": number}
        ),
    ]


def fill(log: Log, decisions: int, run_id: str = "run-a") -> list[Receipt]:
    """Append so many decisions in one call."""
    return log.append([draft for n in range(decisions) for draft in decision(n, run_id)])
