"""Bad input gets a four-part error and an exit code, and leaves the ledger as it was."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Workplace


def prices(rows: int = 300, columns: int = 4) -> pd.DataFrame:
    """Return wide closes on consecutive days, rising and falling a little."""
    generator = np.random.Generator(np.random.PCG64(1))
    moves = generator.normal(0.0003, 0.01, (rows, columns))
    days = pd.date_range("2019-01-02", periods=rows).strftime("%Y-%m-%d")
    frame = pd.DataFrame(100 * np.cumprod(1 + moves, axis=0), columns=list("ABCDEFGH")[:columns])
    frame.insert(0, "date", days)
    return frame


def manifest(**data: Any) -> dict[str, Any]:
    """Return a manifest that runs `prices.csv` with the given `data` section."""
    source = {"kind": "csv", "path": "prices.csv"} | data.pop("source", {})
    profile = {"data": {"source": source, "calendar": "24x7", "strict_health": False} | data}
    return {"version": 1, "profiles": {"mine": profile}}


def one_asset() -> pd.DataFrame:
    """One column only."""
    return prices(columns=1)


def short() -> pd.DataFrame:
    """A hundred rows where a decision learns from 252."""
    return prices(rows=100)


def nan_column() -> pd.DataFrame:
    """A column without any price."""
    return prices().assign(B=np.nan)


def duplicate_dates() -> pd.DataFrame:
    """The same day twice."""
    frame = prices()
    return pd.concat([frame.iloc[:10], frame.iloc[9:]])


def unsorted_dates() -> pd.DataFrame:
    """Days in the wrong order."""
    return prices().iloc[::-1]


def constant_column() -> pd.DataFrame:
    """A price that is the same on every day."""
    return prices().assign(B=100.0)


def text_cell() -> pd.DataFrame:
    """A cell that is no number."""
    frame = prices().astype(object)
    frame.loc[5, "C"] = "n/a?"
    return frame


@pytest.mark.parametrize(
    ("make", "code", "expected"),
    [
        pytest.param(one_asset, 2, "one", id="one asset"),
        pytest.param(short, 2, "100", id="100 rows"),
        pytest.param(nan_column, 2, "B", id="a NaN column"),
        pytest.param(constant_column, 2, "never changes: B", id="a constant column"),
        pytest.param(duplicate_dates, 2, "twice|duplicate|repeat", id="duplicate dates"),
        pytest.param(unsorted_dates, 2, "order|unsorted|before|ascend", id="unsorted dates"),
        pytest.param(text_cell, 2, r"n/a\?", id="non-numeric cell"),
    ],
)
def test_unusable_prices(
    workplace: Workplace, make: Callable[[], pd.DataFrame], code: int, expected: str
) -> None:
    """The message names what is wrong with the file."""
    make().to_csv(workplace.folder / "prices.csv", index=False)
    refused(workplace, manifest(), code, expected)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(None, "prices.csv", id="missing file"),
        pytest.param(b"", "empty", id="empty file"),
    ],
)
def test_unreadable_files(workplace: Workplace, content: bytes | None, expected: str) -> None:
    """A file that is not there or has nothing in it."""
    if content is not None:
        (workplace.folder / "prices.csv").write_bytes(content)
    refused(workplace, manifest(), 2, expected)


def test_column_that_stops_moving_is_dropped_and_recorded(workplace: Workplace) -> None:
    """A symbol without variance in the lookback is a recorded finding, and is not held."""
    frame = prices(rows=560)
    frame.loc[3:, "B"] = 100.0
    frame.to_csv(workplace.folder / "prices.csv", index=False)
    document = manifest()
    document["profiles"]["mine"]["optimization"] = {"infeasible_caps": "relax"}
    called = workplace.assay("run", "-m", workplace.write("m.json", document), "-q")
    assert called.code == 0, called.err
    assessed = [r for r in workplace.records if r["step"] == "assess" and r["type"] == "outcome"]
    symbols = {s["symbol"]: s["status"] for s in assessed[-1]["data"]["result"]["symbols"]}
    assert symbols["B"] == "dropped"


def test_closed_health_gate_stops_the_run(workplace: Workplace) -> None:
    """Exit 5 names the date and the symbol; the verdict and the stop are recorded."""
    frame = prices(rows=270)
    frame.loc[255:257, "B"] = np.nan
    frame.to_csv(workplace.folder / "prices.csv", index=False)
    document = manifest(strict_health=True)
    document["profiles"]["mine"]["optimization"] = {"infeasible_caps": "relax"}
    called = workplace.assay("run", "-m", workplace.write("m.json", document), "-q")
    assert called.code == 5
    assert "B degraded" in called.err
    assert workplace.records[-1]["status"] == "failed"


def test_unknown_key_in_the_manifest(workplace: Workplace) -> None:
    """The nearest key is proposed."""
    prices().to_csv(workplace.folder / "prices.csv", index=False)
    refused(workplace, manifest(lookback=500), 2, "did you mean 'lookback_days'")


def test_cap_that_cannot_be_met(workplace: Workplace) -> None:
    """Four symbols at most 0.2 each cannot sum to 1."""
    prices().to_csv(workplace.folder / "prices.csv", index=False)
    document = manifest()
    document["profiles"]["mine"]["optimization"] = {"symbol_caps": {"normal": 0.2}}
    refused(workplace, document, 2, "0.2")


def test_unknown_engine(workplace: Workplace) -> None:
    """A cell that no engine can solve is refused before anything runs."""
    prices().to_csv(workplace.folder / "prices.csv", index=False)
    document = manifest()
    document["profiles"]["mine"]["optimization"] = {"cells": [{"engine": "costum"}]}
    refused(workplace, document, 2, "custom")


def test_workspace_without_key(workplace: Workplace) -> None:
    """Without the signing key nothing is appended."""
    (workplace.root / "keys" / "log.key").unlink()
    refused(workplace, None, 2, "key")


def test_key_that_others_can_read(workplace: Workplace) -> None:
    """A signing key open to others is refused."""
    (workplace.root / "keys" / "log.key").chmod(0o644)
    refused(workplace, None, 2, "0600|chmod")


@pytest.mark.slow
def test_ledger_held_by_another_process(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit 75: try again, naming who holds it."""
    monkeypatch.setattr("flows.session.LOCK_WAIT_SECONDS", 0.2)
    lock = workplace.root / "ledger" / "lock"
    program = (
        "import fcntl,sys,time;f=open(sys.argv[1],'r+');fcntl.flock(f,fcntl.LOCK_EX);"
        "print('held',flush=True);time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(lock)], stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        refused(workplace, None, 75, "lock")
        holder.kill()


def test_no_workspace(workplace: Workplace) -> None:
    """Outside a workspace the way to make one is named."""
    (workplace.root).rename(workplace.folder / "moved")
    called = workplace.assay("run")
    assert called.code == 2
    assert "assay init" in called.err


def refused(place: Workplace, document: object, code: int, expected: str) -> None:
    """Run and assert: this exit code, four parts, the expected words, nothing written."""
    before = place.lines
    name = "manifest.json" if document is None else place.write("m.json", document)
    arguments = ["run", "-m", name, *(["-p", "factors"] if document is None else []), "-q"]
    called = place.assay(*arguments)
    assert called.code == code, called.err
    for part in ("error[E", "  where", "  why", "  fix"):
        assert part in called.err
    assert re.search(expected, called.err), called.err
    assert place.lines == before
    assert list((place.root / "runs").glob("*")) == []


def test_cell_named_twice_is_refused_before_anything_runs(workplace: Workplace) -> None:
    """One cell has one decision in each window, so it stands in the manifest once."""
    document = manifest()
    document["profiles"]["mine"]["optimization"] = {"cells": [{}, {}]}
    refused(workplace, document, 2, "cells named twice: custom.equal_weight")


def test_sample_prices_that_nobody_asked_for_are_named(workplace: Workplace) -> None:
    """A manifest without a source runs on the bundled sample, and says so."""
    name = workplace.write("m.json", {"version": 1, "profiles": {"mine": {}}})
    called = workplace.assay("run", "ingestion", "-m", name, "-p", "mine", "--as-of", "2020-06-30")
    assert called.code == 0, called.err
    assert "warning: the manifest names no `data.source`" in called.err


@pytest.mark.parametrize("command", ["verify", "status", "run", "log", "report"])
def test_ledger_that_was_deleted_is_a_breach(workplace: Workplace, command: str) -> None:
    """Its key signed a checkpoint, so its absence is no new beginning."""
    shutil.rmtree(workplace.root / "ledger")
    called = workplace.assay(command)
    assert called.code == 3, called.err
    assert "the ledger is gone" in called.err
    assert workplace.assay("init").code == 3
    assert not (workplace.root / "ledger").exists()


def test_init_that_was_stopped_is_finished_by_the_next(workplace: Workplace) -> None:
    """Killed after the genesis record and before its checkpoint."""
    shutil.rmtree(workplace.root / "ledger" / "checkpoints")
    (workplace.root / "ledger" / "checkpoint").unlink()
    (workplace.root / "keys" / "log.key.signed").unlink()
    assert workplace.assay("verify").code == 3
    assert workplace.assay("init").code == 0
    assert workplace.assay("verify").code == 0
    assert workplace.assay("init").code == 2
