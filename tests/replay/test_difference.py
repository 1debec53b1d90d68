"""What differs is found, causes before consequences."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from ledger import BlobStore, read_records
from pipeline.ingestion.source import Bars
from replay.difference import ASPECTS, compare_decisions, compare_runs, compare_snapshots
from replay.environment import capture
from replay.errors import UnknownDecisionError
from replay.history import History

if TYPE_CHECKING:
    from tests.conftest import Workplace

DAYS = ["2024-01-02", "2024-01-03", "2024-01-04"]


def bars(symbols: str = "AB", **changed: float) -> Bars:
    """Return closes of three days; `A2=5.0` sets the close of A on the third."""
    rows = [
        (s, day, float(10 * i + d)) for i, s in enumerate(symbols, 1) for d, day in enumerate(DAYS)
    ]
    values = [changed.get(f"{s}{DAYS.index(day)}", value) for s, day, value in rows]
    return Bars.of([r[0] for r in rows], [r[1] for r in rows], {"close": values})


def history(place: Workplace) -> History:
    """Return what the ledger of a workspace holds."""
    return History(read_records(place.root / "ledger"), BlobStore(place.root / "blobs"))


def test_equal_bars_do_not_differ() -> None:
    """Also where a value is missing on both sides."""
    gaps = bars(A1=np.nan)
    assert compare_snapshots(("a", gaps), ("b", bars(A1=np.nan))).changes == ()


def test_bars_differ_by_symbol_day_and_value() -> None:
    """Each kind once, with both sides; the first value named and the others counted."""
    found = compare_snapshots(("a", bars("ABC")), ("b", bars("ABD", B0=7.5, B2=np.nan)))
    assert [(c.where, c.a, c.b, c.count) for c in found.changes] == [
        ("symbols of one side only", ["C"], ["D"], 1),
        ("B close on 2024-01-02", 20.0, 7.5, 2),
    ]
    short = Bars.of(["A"] * 2, DAYS[:2], {"close": [10.0, 11.0], "open": [1.0, 1.0]})
    found = compare_snapshots(("a", bars("A")), ("b", short))
    assert [(c.where, c.a, c.b) for c in found.changes] == [
        ("fields", ["close"], ["open", "close"]),
        ("A days of one side only", "1: 2024-01-04..2024-01-04", None),
    ]


@pytest.fixture
def steady(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let two runs of a test see one checkout, also while somebody edits it."""
    environment = capture()
    monkeypatch.setattr("flows.session.capture", lambda: environment)


def rerun(place: Workplace, *values: str) -> Any:
    """Run the profile `stocks` again with other values and return the difference of both runs."""
    for extra in ((), values):
        sets = [word for value in extra for word in ("--set", value)]
        called = place.assay("run", "-m", "manifest.json", "-p", "stocks", "-q", *sets)
        assert called.code == 0, called.err
    runs = [record["run_id"] for record in place.records if record["id"].endswith("/open")]
    return compare_runs(history(place), runs[-2], runs[-1])


@pytest.mark.usefixtures("steady")
def test_the_same_run_twice_does_not_differ(workplace: Workplace) -> None:
    """Every pair of decisions is compared, and nothing is found."""
    found = rerun(workplace)
    assert found.changes == ()
    assert found.first_cause is None
    assert found.compared > 50
    ids = [record["run_id"] for record in workplace.records if record["id"].endswith("/open")]
    called = workplace.assay("diff", "run", ids[-2], ids[-1])
    assert called.code == 0
    assert "no difference in" in called.out


@pytest.mark.usefixtures("steady")
def test_a_parameter_is_the_cause_of_weights_and_returns(workplace: Workplace) -> None:
    """The manifest comes first, then the parameters, then what followed from them."""
    found = rerun(workplace, "optimization.symbol_caps.normal=0.2")
    assert found.first_cause.aspect == "manifest"
    assert found.first_cause.where.endswith("optimization.symbol_caps.normal")
    assert (found.first_cause.a, found.first_cause.b) == (0.25, 0.2)
    counts = found.counts()
    assert counts["code"] == counts["lock"] == counts["data"] == 0
    assert counts["parameters"] > 0
    assert counts["weights"] > 0
    assert counts["returns"] > 0
    order = [ASPECTS.index(change.aspect) for change in found.changes]
    assert order == sorted(order)


@pytest.mark.usefixtures("steady")
def test_other_prices_are_named_by_day(workplace: Workplace) -> None:
    """A shorter history changes no common bar, and the decisions of the missing days are named."""
    found = rerun(workplace, "data.source.last_date=2020-05-29")
    data = [change for change in found.changes if change.aspect == "data"]
    assert data[0].where.startswith("stocks AAPL days of one side only")
    assert data[0].a == "22: 2020-06-01..2020-06-30"
    assert not any("close on" in change.where for change in data)
    assert any("decided" in c.where and (c.a, c.b) == (True, False) for c in found.changes)


def test_two_decisions_of_a_run(walked: Workplace) -> None:
    """Two windows differ in their rows, and so in their weights; code and manifest are one."""
    ids = [r["id"] for r in walked.records if r["type"] == "intent" and r["step"] == "optimize"]
    found = compare_decisions(history(walked), ids[0], ids[3])
    assert found.compared == 1
    assert found.first_cause is not None
    assert found.first_cause.where.startswith("optimize rows")
    assert {change.aspect for change in found.changes} <= {"data", "parameters", "weights"}


def test_command_shows_and_counts(walked: Workplace) -> None:
    """Exit 1 with differences; `--stat` leaves the table out; `--json` has both sides."""
    ids = [r["id"] for r in walked.records if r["type"] == "intent" and r["step"] == "optimize"]
    shown = walked.assay("diff", "decision", ids[0], ids[3])
    assert shown.code == 1
    assert "first cause: data: optimize rows" in shown.out
    assert "times" not in walked.assay("diff", "decision", ids[0], ids[3], "--stat").out
    found = json.loads(walked.assay("diff", "decision", ids[0], ids[3], "--json").out)["data"]
    assert found["first_cause"] == found["changes"][0]
    assert sum(found["counts"].values()) == sum(change["count"] for change in found["changes"])


def test_manifests_and_prices_by_run_digest_or_file(walked: Workplace) -> None:
    """A run stands for its manifest and for its prices."""
    opened = next(r for r in walked.records if r["id"].endswith("/open"))
    digest = opened["inputs"]["manifest"]
    assert walked.assay("diff", "manifest", opened["run_id"], digest).code == 0
    called = walked.assay("diff", "manifest", digest, "manifest.json")
    assert called.code == 0, called.out
    snapshots = sorted(
        {r["inputs"]["snapshot"] for r in walked.records if r["step"] == "ingest" and "inputs" in r}
    )
    called = walked.assay("diff", "data", *snapshots)
    assert called.code == 1
    assert "symbols of one side only" in called.out
    assert walked.assay("diff", "data", opened["run_id"], snapshots[0]).code in (0, 1)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("weather", "a", "b"), "run, decision, manifest, data"),
        (("run", "nothing", "nothing"), "0 runs match 'nothing'"),
        (("decision", "nothing", "nothing"), "0 decisions match 'nothing'"),
    ],
)
def test_what_is_not_there_is_said(
    walked_once: Workplace, arguments: tuple[str, ...], expected: str
) -> None:
    """Exit 2 with what could be meant."""
    called = walked_once.assay("diff", *arguments)
    assert called.code == 2
    assert expected in called.err


def test_part_of_a_run_id_must_name_one(walked_once: Workplace) -> None:
    """A part that fits none or several is refused."""
    with pytest.raises(UnknownDecisionError, match="0 runs match"):
        history(walked_once).run("9999")
