"""A verdict is what the numbers say: red first, and silence is not a pass."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.warehouse.reports.conftest import page_of
from tests.warehouse.reports.outline import outline_of
from warehouse.reports import render
from warehouse.reports.page import State
from warehouse.reports.sections.verdicts import parse_verdict

if TYPE_CHECKING:
    from pathlib import Path

    from tests.warehouse.reports.conftest import Change, Signed


def verdicts(html: str) -> dict[str, tuple[str, str]]:
    """Return name -> state and reason, in the order of the page."""
    found = {}
    for item in outline_of(html).of_class("verdicts")[0].all("li"):
        state, reason = item.all("span")[0].text, item.all("span")[-1].text
        found[item.all("a")[0].text] = (state, reason.removesuffix("§").strip())
    return found


def test_whole_story_is_judged(html: str) -> None:
    """Everything that has evidence passes, and the numbers are those of the story."""
    found = verdicts(html)
    assert found["chain"][0] == "PASS"
    assert "verifier: bytes and links" in found["chain"][1]
    assert found["completeness"][0] == "PASS"
    assert found["data health"][1] == "192 checks, 0 not ok; every gate open."
    assert found["limits"][0] == "PASS"
    assert "relaxed by rule" in found["limits"][1]
    assert found["environment"][0] == "PASS"
    assert found["signature"] == ("PASS", "As the verifier found.")


def test_strip_and_list_agree(html: str) -> None:
    """The sticky strip shows the same verdicts in the same order as the first section."""
    pills = [pill.text for pill in outline_of(html).of_class("pills")[0].all("a")]
    assert pills == [f"{state} {name}" for name, (state, _) in verdicts(html).items()]


def test_worst_comes_first(change: Change) -> None:
    """FAIL stands before NONE before PASS."""
    changed = change(
        "update meta.dim_runs set is_dirty = true where run_id = $run",
        "delete from meta.fct_replays",
    )
    states = [
        State[state] for state, _ in verdicts(page_of(changed, anchor="NONE: no anchor")).values()
    ]
    assert states == sorted(states)
    assert {State.FAIL, State.NONE, State.PASS} == set(states)


@pytest.mark.parametrize(
    ("statement", "name", "state", "words"),
    [
        (
            "update health.fct_ledger_integrity set is_intact = false, bad_hash_count = 2",
            "chain",
            "FAIL",
            "2 wrong hashes",
        ),
        (
            "update health.fct_ledger_integrity set is_intact = false, wrong_root_count = 1",
            "chain",
            "FAIL",
            "1 wrong checkpoint root",
        ),
        (
            "update health.fct_ledger_integrity set checkpoint_root = repeat('0', 64)",
            "checkpoint",
            "FAIL",
            "another root",
        ),
        (
            "update health.fct_intents set pairing = 'orphan' where step = 'measure'",
            "completeness",
            "FAIL",
            "without outcome",
        ),
        (
            "update meta.dim_runs set recorded_intent_count = 5 where run_id = $run",
            "completeness",
            "FAIL",
            "The run says 5 intents",
        ),
        (
            "update meta.dim_runs set close_status = 'failed' where run_id = $run",
            "completeness",
            "FAIL",
            "closed as failed",
        ),
        (
            "update health.fct_intents set outcome_status = 'failed' where step = 'measure'",
            "completeness",
            "PASS",
            "5 failed or aborted",
        ),
        (
            """
            update health.fct_asset_health set gate = 'closed', status = 'stale'
            where window_ordinal = 3 and sleeve = 'stocks'
            """,
            "data health",
            "FAIL",
            "6 not ok; 1 gate closed",
        ),
        ("delete from health.fct_asset_health", "data health", "NONE", "No health check"),
        (
            "update metrics.fct_cap_usage set is_breached = true where name = 'AAA'",
            "limits",
            "FAIL",
            "32 exceeded",
        ),
        ("delete from metrics.fct_cap_usage", "limits", "NONE", "No limit"),
        (
            "update metrics.fct_metric_checks set is_equal = false where metric = 'sharpe'",
            "recomputation",
            "FAIL",
            "10 different",
        ),
        ("delete from meta.fct_replays", "replay coverage", "NONE", "No decision was replayed"),
        (
            "update meta.fct_replays set verdict = 'exact'",
            "replay coverage",
            "PASS",
            "2 exact",
        ),
        (
            "update meta.fct_replays set verdict = 'diverged'",
            "replay coverage",
            "FAIL",
            "2 diverged",
        ),
        (
            "update meta.dim_runs set is_dirty = true, diff_sha256 = 'x' where run_id = $run",
            "environment",
            "FAIL",
            "kept as a blob",
        ),
    ],
)
def test_each_defect_shows(
    change: Change, statement: str, name: str, state: str, words: str
) -> None:
    """A defect in the marts turns its verdict, and the reason says what it is."""
    found = verdicts(page_of(change(statement)))
    assert found[name][0] == state
    assert words in found[name][1]


def test_no_metric_is_no_verdict(change: Change) -> None:
    """Without metrics and findings nothing was recomputed."""
    changed = change("delete from metrics.fct_metric_checks", "delete from health.fct_findings")
    assert verdicts(page_of(changed))["recomputation"][0] == "NONE"


def test_open_run_is_not_complete(snapshot: Path) -> None:
    """A run that has not closed can still grow: nothing is said about its completeness."""
    found = verdicts(page_of(snapshot, "20261126T040000Z-demo"))
    assert found["completeness"][0] == "NONE"
    assert found["environment"][0] == "FAIL"


def test_verifier_can_fail_what_sql_passes(snapshot: Path) -> None:
    """Either of the two may fail the chain."""
    found = verdicts(page_of(snapshot, chain="FAIL: signature of checkpoint 26"))
    assert found["chain"][0] == "FAIL"
    assert "signature of checkpoint 26" in found["chain"][1]
    assert next(iter(found)) == "chain"


def test_checkpoint_behind_the_head_is_no_pass(html: str) -> None:
    """Records after the newest checkpoint are not covered by it."""
    state, reason = verdicts(html)["checkpoint"]
    assert state == "NONE"
    assert "covers" in reason


def test_checkpoint_over_everything_passes(snapshot: Path, signed: Signed) -> None:
    """A checkpoint at or beyond the head covers every record of the page."""
    lines = (signed.origin, "100000", signed.checkpoint_lines[2])
    content = render(
        snapshot,
        run_id=None,
        checkpoint_lines=lines,
        key_id=signed.key_id,
        origin=signed.origin,
        verification={},
    )
    assert verdicts(content.decode())["checkpoint"][0] == "PASS"


def test_run_that_counted_otherwise_is_not_complete(change: Change) -> None:
    """An intent that never ended in a run that has closed is a gap."""
    changed = change("update health.fct_intents set pairing = 'open' where step = 'measure'")
    assert verdicts(page_of(changed))["completeness"][0] == "FAIL"


def test_verdicts_are_parsed_strictly() -> None:
    """State and reason are read; another state is refused."""
    assert parse_verdict("FAIL: record 7: altered") == (State.FAIL, "record 7: altered")
    assert parse_verdict("NONE") == (State.NONE, "")
    with pytest.raises(ValueError, match="PASS, FAIL or NONE"):
        parse_verdict("ok")
