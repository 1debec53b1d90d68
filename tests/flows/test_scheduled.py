"""A run as a Prefect flow leaves the same records as a plain one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from flows.commands.runs import resolve_profile
from flows.errors import PackageShadowedError, UsageError
from flows.runner import PrefectRunner
from flows.runs import KINDS
from flows.settings import read_settings
from pipeline.errors import DataError
from tests.flows.conftest import FEW
from tests.flows.test_runner import Failing

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import Workplace

    MakePlace = Callable[[str], Workplace]

SHORT = json.loads(json.dumps(FEW).replace("2022-03-31", "2021-02-01"))
"""The same with twenty days of prices: too short to decide anything."""


def comparable(place: Workplace) -> list[Any]:
    """Return the records of a workspace with one run, without what honest runs may differ in."""
    (run_id,) = {record["run_id"] for record in place.records if record["run_id"]}
    records = []
    for record in place.records:
        if record["type"] == "genesis":
            continue
        for field in ("ts", "hash", "prev_hash"):
            record.pop(field)
        record["data"].pop("observed", None)
        # What this process has loaded so far, and the state of the checkout meanwhile.
        record["data"].pop("environment", None)
        record.get("inputs", {}).pop("diff", None)
        records.append(json.loads(json.dumps(record).replace(run_id, "RUN")))
    return records


@pytest.mark.usefixtures("prefect_home")
def test_there_is_a_flow_for_every_kind_of_run() -> None:
    """What `assay run` can run can be scheduled, under the same name."""
    from flows.scheduled import FLOWS  # noqa: PLC0415

    assert set(FLOWS) == set(KINDS)
    assert [flow.name for flow in FLOWS.values()] == list(FLOWS)
    assert all(flow.retries == 0 for flow in FLOWS.values())


@pytest.mark.usefixtures("prefect_home")
def test_unknown_flow_names_the_known_ones() -> None:
    """The error lists what can be run."""
    from flows.scheduled import find_flow  # noqa: PLC0415

    with pytest.raises(UsageError, match="unknown stage 'dance'") as caught:
        find_flow("dance")
    assert "rebalance" in caught.value.why


@pytest.mark.usefixtures("prefect_home")
def test_flow_refuses_a_package_from_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A record that other code made would be worth nothing."""
    from flows.commands import diagnosis  # noqa: PLC0415
    from flows.scheduled import check_packages  # noqa: PLC0415

    check_packages()
    monkeypatch.setattr(diagnosis, "package_place", lambda name: tmp_path / name)
    with pytest.raises(PackageShadowedError, match="the package flows comes from elsewhere"):
        check_packages()


@pytest.mark.usefixtures("prefect_home")
@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param(
            DataError("no prices", where="file", why="empty", fix="fill it"),
            "error[E0210]: no prices\n  where  file\n  why    empty\n  fix    fill it\n",
            id="four parts",
        ),
        pytest.param(ZeroDivisionError("by zero"), "ZeroDivisionError: by zero\n", id="a defect"),
        pytest.param(None, "the process vanished\n", id="no error"),
    ],
)
def test_failure_of_a_scheduled_run_is_shown(
    capsys: pytest.CaptureFixture[str], data: object, expected: str
) -> None:
    """There is no command line that would show it; the failing run says it itself."""
    from prefect.client.schemas.objects import FlowRun, State, StateType  # noqa: PLC0415

    from flows.scheduled import rebalance, show_failure  # noqa: PLC0415

    run = FlowRun.model_construct(name="quiet-heron", flow_id=uuid4())
    state = State[Any].model_construct(
        type=StateType.FAILED, message="the process vanished", data=data
    )
    show_failure(rebalance, run, state)
    shown = capsys.readouterr().err
    assert shown.startswith("rebalance quiet-heron failed\n")
    assert shown.endswith(expected)


@pytest.mark.slow
@pytest.mark.usefixtures("prefect_server")
@pytest.mark.parametrize("kind", ["backtest", "rebalance"])
def test_flow_leaves_the_records_of_a_plain_run(make_place: MakePlace, kind: str) -> None:
    """Same records in the same order, but for times, ids of the run, and what is observed."""
    from flows.scheduled import FLOWS  # noqa: PLC0415

    plain, scheduled = make_place("plain"), make_place("scheduled")
    assert plain.assay("run", kind, "-m", "few.json", "-q").code == 0
    summary = FLOWS[kind](str(scheduled.folder), manifest="few.json")
    assert comparable(scheduled) == comparable(plain)
    assert scheduled.results() == plain.results()
    assert summary["kind"] == kind
    assert summary["decisions"] == len(plain.results())


@pytest.mark.slow
@pytest.mark.usefixtures("prefect_server")
def test_flow_run_id_is_observed_and_nothing_else(make_place: MakePlace) -> None:
    """The closing record leads to Prefect; what is compared does not know it."""
    from flows.scheduled import run_as_flow  # noqa: PLC0415

    place = make_place("place")
    settings = read_settings(place.folder)
    resolved = resolve_profile(settings, "few.json", None)
    seen: list[tuple[str, int, int]] = []
    run_as_flow(
        settings,
        resolved,
        stage="ingestion",
        as_of="2022-01-31",
        progress=lambda *step: seen.append(step),
    )
    closing = place.records[-1]
    assert len(closing["data"]["observed"].pop("flow_run_id")) == 36
    assert seen == [("few", 1, 1)]
    assert "flow_run_id" not in json.dumps([*place.records[:-1], closing])


@pytest.mark.slow
@pytest.mark.usefixtures("prefect_server")
def test_flow_raises_what_its_work_raised(
    make_place: MakePlace, capfd: pytest.CaptureFixture[str]
) -> None:
    """The error is the one of a plain run, shown once in four parts; nothing was recorded."""
    from flows.scheduled import FLOWS  # noqa: PLC0415

    place = make_place("place")
    place.write("short.json", SHORT)
    before = place.lines
    with pytest.raises(DataError, match="20 rows of prices"):
        FLOWS["rebalance"](str(place.folder), manifest="short.json")
    assert place.lines == before
    shown = capfd.readouterr().err
    assert (shown.count("error[E0210]"), shown.count("Traceback")) == (1, 0)


@pytest.mark.slow
@pytest.mark.usefixtures("prefect_server")
def test_tasks_are_tried_again_like_plain_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Errors of the operating system are outlived twice; every other error is raised at once."""
    from prefect import flow  # noqa: PLC0415

    from flows import runner  # noqa: PLC0415

    monkeypatch.setattr(runner, "IO_DELAYS_SECONDS", (0.0, 0.0))
    refused, wrong = Failing(OSError("reset"), 2), Failing(ValueError("wrong"), 1)
    decision = Failing(OSError("reset"), 1)

    @flow
    def run() -> int:
        steps = PrefectRunner()
        found = steps.call("read", refused, does_io=True)
        with pytest.raises(ValueError, match="wrong"):
            steps.call("read", wrong, does_io=True)
        with pytest.raises(OSError, match="reset"):
            steps.call("decide", decision)
        return found

    assert run() == 3
    assert (wrong.calls, decision.calls) == (1, 1)


@pytest.mark.slow
def test_command_needs_no_server_and_leaves_nothing_at_home(make_place: MakePlace) -> None:
    """`assay run --runner prefect` alone: Prefect's files in the workspace, no noise, no trace."""
    plain, alone = make_place("plain"), make_place("alone")
    assert plain.assay("run", "-m", "few.json", "-q").code == 0
    home = alone.folder / "home"
    home.mkdir()
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PREFECT_")}
    command = [sys.executable, "-c", "from flows.cli import main; main()", "-C", str(alone.folder)]
    done = subprocess.run(
        [*command, "run", "-m", "few.json", "--runner", "prefect"],
        env={**environment, "HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines() == [
        "starting a temporary Prefect server: some ten seconds",
        "few: 7 of 7",
    ]
    assert alone.results() == plain.results()
    assert (alone.root / "prefect" / "prefect.db").is_file()
    assert list(home.iterdir()) == []


@pytest.mark.slow
def test_server_that_does_not_answer_stops_the_run_before_it_is_recorded(
    make_place: MakePlace,
) -> None:
    """Exit 75, four parts, no record."""
    place = make_place("place")
    before = place.lines
    command = [sys.executable, "-c", "from flows.cli import main; main()", "-C", str(place.folder)]
    done = subprocess.run(
        [*command, "run", "-m", "few.json", "--runner", "prefect"],
        env={**os.environ, "PREFECT_API_URL": "http://127.0.0.1:9/api"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 75, done.stderr
    assert done.stderr.startswith("error[E0407]: the Prefect server does not answer")
    assert "fix    " in done.stderr
    assert place.lines == before
