"""The unit tests of the dbt project: arithmetic against rows computed by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb

from tests.warehouse.derivation import manifest
from warehouse.build import PROJECT, run_dbt

if TYPE_CHECKING:
    from pathlib import Path

TESTED = {
    "returns_compound_across_windows",
    "metrics_of_a_year_of_four_days",
    "less_than_a_year_is_not_annualised",
    "intents_are_paired_open_orphaned_or_repeated",
    "turnover_counts_the_cash_leg",
    "a_cap_is_breached_only_beyond_the_tolerance",
    "window_metrics_compound",
    "a_closing_is_lifted_when_its_run_goes_on",
    "failed_cells_stay_on_the_scoreboard",
    "pauses_are_ranked_within_their_run",
    "rates_are_shares_of_what_ended",
    "a_spell_ends_when_the_status_changes",
    "the_inventory_counts_what_was_asked_for",
    "a_blob_is_cited_by_the_first_record_that_names_it",
    "approvals_end_by_withdrawal_dismissal_and_resumption",
}


def test_arithmetic_agrees_with_rows_computed_by_hand(derived: Path, tmp_path: Path) -> None:
    """dbt runs every unit test; a failure is an error with its name."""
    copied = tmp_path / "build.duckdb"
    copied.write_bytes(derived.read_bytes())
    run_dbt(copied, tmp_path / "target", "test", "--select", "test_type:unit")
    assert {test["name"] for test in manifest()["unit_tests"].values()} == TESTED


def test_recomputed_metrics_are_those_of_a_second_implementation(derived: Path) -> None:
    """Every metric of every series agrees with plain Python to nine digits."""
    with duckdb.connect(str(derived), read_only=True) as connection:
        checks = connection.execute(
            "select count(*), count(recorded_value), bool_and(is_equal), max(abs(difference)) "
            "from metrics.fct_metric_checks"
        ).fetchone()
    assert checks is not None
    count, numbers, equal, largest = checks
    assert (count, equal) == (90, True)
    assert numbers == 70
    assert largest < 1e-9


def test_the_project_is_complete() -> None:
    """One project, one profile, no packages from elsewhere."""
    assert not (PROJECT / "packages.yml").exists()
    assert (PROJECT / "profiles.yml").exists()
