"""The recorder leaves intents before outcomes, and closes what a dead run left open."""

from __future__ import annotations

import fcntl
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from flows.recorder import INLINE_BYTES, Encoded, Outcome, Recorder, close_dead_runs, running
from flows.session import open_ledger
from flows.settings import Workspace
from ledger import DuplicateIdError, loads, sha256
from ledger.checkpoints import list_sizes
from pipeline.records import Intent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ledger import Log, SigningKey
    from pipeline.values import Payload
    from tests.conftest import Workplace


def clock() -> datetime:
    """Return the time: runs get their ids from it."""
    return datetime.now(UTC)


@pytest.fixture
def opened(workplace: Workplace) -> Iterator[tuple[Workspace, Log, SigningKey]]:
    """Return workspace, ledger and key."""
    workspace = Workspace(workplace.root)
    log, key = open_ledger(workspace)
    with log:
        yield workspace, log, key


def recorder_of(workspace: Workspace, log: Log, key: SigningKey) -> Recorder:
    """Open a run."""
    return Recorder.open(
        workspace,
        log,
        key,
        name="test",
        actor="t@h",
        clock=clock,
        data={"kind": "test"},
        inputs={"lock": b"x"},
    )


def intent(ordinal: int) -> Intent:
    """Return an intent of a window."""
    window: Payload = {"ordinal": ordinal}
    return Intent(step="detect", sleeve="s", window=window)


def test_run_is_opened_counted_and_sealed(
    opened: tuple[Workspace, Log, SigningKey], workplace: Workplace
) -> None:
    """Opening record, intents, outcomes, closing record with counts, checkpoint over all."""
    recorder = recorder_of(*opened)
    ids = recorder.intend([intent(0), intent(1)])
    recorder.conclude([Outcome(id_, "detect", "ok", Encoded.of({"a": 1.0})) for id_ in ids])
    recorder.close("ok")
    kinds = [(r["type"], r["status"]) for r in workplace.records[-6:]]
    assert kinds == [
        ("run", "open"),
        ("intent", ""),
        ("intent", ""),
        ("outcome", "ok"),
        ("outcome", "ok"),
        ("run", "ok"),
    ]
    closing = workplace.records[-1]["data"]
    assert (closing["intents"], closing["outcomes"]) == (2, 2)
    assert recorder.checkpoint is not None
    assert recorder.checkpoint.size == len(workplace.lines)
    assert list(opened[0].runs.iterdir()) == []


def test_large_result_stands_in_a_blob(
    opened: tuple[Workspace, Log, SigningKey], workplace: Workplace
) -> None:
    """The digest is the same; the line stays short."""
    recorder = recorder_of(*opened)
    (id_,) = recorder.intend([intent(0)])
    result: Payload = {"text": "x" * INLINE_BYTES}
    recorder.conclude([Outcome(id_, "detect", "ok", Encoded.of(result))])
    record = workplace.records[-1]
    assert "result" not in record["data"]
    stored = recorder.blobs.get(record["outputs"]["result"])
    assert loads(stored) == result
    assert record["data"]["result_sha256"] == record["outputs"]["result"] == sha256(stored)


def test_second_outcome_is_refused(opened: tuple[Workspace, Log, SigningKey]) -> None:
    """A decision ends once."""
    recorder = recorder_of(*opened)
    (id_,) = recorder.intend([intent(0)])
    recorder.conclude([Outcome(id_, "detect", "ok", Encoded.of({"a": 1}))])
    with pytest.raises(DuplicateIdError):
        recorder.conclude([Outcome(id_, "detect", "ok", Encoded.of({"a": 2}))])


def test_live_run_is_left_alone(
    opened: tuple[Workspace, Log, SigningKey], workplace: Workplace
) -> None:
    """Another run that starts meanwhile does not close it."""
    recorder = recorder_of(*opened)
    recorder.intend([intent(0)])
    assert running(opened[0]) == {recorder.run_id}
    assert close_dead_runs(opened[0], opened[1], "t@h") == []
    assert workplace.records[-1]["type"] == "intent"


def test_dead_run_is_closed_once(
    opened: tuple[Workspace, Log, SigningKey], workplace: Workplace
) -> None:
    """Its open intents become `aborted`, it gets a closing record, and its file is gone."""
    workspace, log, _ = opened
    recorder = recorder_of(*opened)
    ids = recorder.intend([intent(0), intent(1)])
    recorder.conclude([Outcome(ids[0], "detect", "ok", Encoded.of({"a": 1}))])
    assert recorder._lock is not None
    os.close(recorder._lock)  # what the end of a process does
    assert close_dead_runs(workspace, log, "t@h") == [recorder.run_id]
    outcome, closing = workplace.records[-2:]
    assert (outcome["id"], outcome["status"]) == (ids[1], "aborted")
    assert (closing["status"], closing["data"]["outcomes"]) == ("aborted", 2)
    assert close_dead_runs(workspace, log, "t@h") == []
    assert len(workplace.records) == closing["seq"] + 1


@pytest.mark.parametrize("content", ["", '{"first_seq": 0, "pid": 1}'])
def test_run_that_died_before_its_opening_leaves_nothing(
    opened: tuple[Workspace, Log, SigningKey], workplace: Workplace, content: str
) -> None:
    """A file without an opening record is removed, and nothing is appended."""
    workspace, log, _ = opened
    (workspace.runs / "20200101T000000000Z-x").write_text(content, encoding="utf-8")
    before = workplace.lines
    assert close_dead_runs(workspace, log, "t@h") == ["20200101T000000000Z-x"]
    assert workplace.lines == before
    assert list(workspace.runs.iterdir()) == []


def test_two_runs_of_one_moment_get_two_names(opened: tuple[Workspace, Log, SigningKey]) -> None:
    """A letter is added while the name is taken."""
    workspace, log, key = opened
    moment = clock()
    recorders = [
        Recorder.open(
            workspace,
            log,
            key,
            name="x",
            actor="t@h",
            clock=lambda: moment,
            data={"kind": "test"},
            inputs={},
        )
        for _ in range(3)
    ]
    names = [recorder.run_id for recorder in recorders]
    assert [name.removeprefix(names[0]) for name in names] == ["", "-a", "-b"]
    for recorder in recorders:
        assert recorder._lock is not None
        with (workspace.runs / recorder.run_id).open() as file, pytest.raises(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_long_run_is_sealed_while_it_is_open(
    opened: tuple[Workspace, Log, SigningKey],
) -> None:
    """Over every 1,024 records, not at its end alone; a killed run leaves the seal."""
    workspace, log, key = opened
    recorder = recorder_of(workspace, log, key)
    for start in range(0, 2200, 200):
        recorder.intend([intent(ordinal) for ordinal in range(start, start + 200)])
    sizes = list_sizes(workspace.ledger)
    assert log.head().count - sizes[-1] < 1024
    assert sizes == [1, 2, 1202]
    recorder.close("failed")
