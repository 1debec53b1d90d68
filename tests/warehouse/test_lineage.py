"""Lineage says what the compiled SQL computes, down to the field of a record."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.warehouse.derivation import nodes, rows_of
from warehouse.errors import LineageError
from warehouse.lineage import Column, Lineage, derive_lineage, read_lineage

if TYPE_CHECKING:
    from pathlib import Path

TYPES = {
    "raw.records": {"line": "VARCHAR", "seq": "BIGINT", "size": "BIGINT"},
    "staging.a": {"number": "BIGINT", "text": "VARCHAR"},
    "metrics.b": {"total": "HUGEINT", "joined": "VARCHAR", "both": "VARCHAR", "count": "BIGINT"},
}
MODELS = {
    "staging.a": """
        with parsed as (select seq as number, line -> 'data' as data from raw.records)
        select number, data ->> 'text' as text from parsed
    """,
    "metrics.b": """
        with recursive steps as (
            select number, text from staging.a
            union all
            select number + 1 as number, text from steps where number < 9
        ),
        final as (
            select
                sum(steps.number) over (order by other.text) as total,
                steps.text || '!' as joined,
                (select max(size) from raw.records where seq = steps.number) || steps.text as both,
                1 as count
            from steps inner join staging.a as other on steps.number = other.number
        )
        select * from final
    """,
}


def sources_of(name: str) -> dict[str, int]:
    """Return column -> depth of a column of the small project."""
    steps = Lineage(MODELS, TYPES).trace(Column("metrics.b", name))
    return {str(step.column): step.depth for step in steps}


def test_columns_are_followed_through_queries_of_every_kind() -> None:
    """Windows, recursion, unions, subqueries and structs lead to the columns written by hand."""
    assert sources_of("total") == {
        "metrics.b.total": 0,
        "staging.a.number": 1,
        "staging.a.text": 1,
        "raw.records.seq": 2,
        "raw.records.line": 2,
    }
    assert sources_of("joined") == {
        "metrics.b.joined": 0,
        "staging.a.text": 1,
        "raw.records.line": 2,
    }
    assert sources_of("both") == {
        "metrics.b.both": 0,
        "raw.records.size": 1,
        "raw.records.seq": 1,
        "staging.a.number": 1,
        "staging.a.text": 1,
        "raw.records.line": 2,
    }
    assert sources_of("count") == {"metrics.b.count": 0}


def test_a_column_that_is_not_there_is_refused() -> None:
    """Nobody gets an empty way for a name that was misspelt."""
    with pytest.raises(LineageError, match=r"there is no column metrics\.b\.nothing"):
        Lineage(MODELS, TYPES).trace(Column("metrics.b", "nothing"))


CONSTANT = {
    "meta.bdg_sleeves.is_dropped",
    "meta.dim_blobs.direction",
    "meta.fct_approvals.run_id",
    "meta.fct_gate_verdicts.gate",
    "metrics.fct_metric_checks.basis",
    "metrics.fct_metric_checks.metric",
}
"""Columns that the models write themselves."""
RESULT = [
    "staging.stg_ledger__results.result",
    "staging.stg_ledger__documents.document",
    "staging.stg_ledger__records.line",
    "raw.documents.content",
    "raw.records.line",
]


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (
            "health.fct_asset_health.status",
            ["staging.stg_ledger__assessments.symbols", *RESULT],
        ),
        ("metrics.fct_weights.weight", ["staging.stg_ledger__optimizations.weights", *RESULT]),
        (
            "metrics.fct_portfolio_returns.drawdown",
            [
                "intermediate.int_returns_stitched_across_windows.nav",
                "intermediate.int_returns_stitched_across_windows.nav_peak",
                "staging.stg_ledger__simulations.nav_start",
                "staging.stg_ledger__simulations.navs",
                *RESULT,
            ],
        ),
        (
            "meta.dim_runs.commit_sha",
            [
                "staging.stg_ledger__openings.commit_sha",
                "staging.stg_ledger__records.data",
                "raw.records.data",
            ],
        ),
        (
            "meta.dim_checkpoints.is_root_right",
            [
                "intermediate.int_checkpoints_recomputed_from_records.root_recomputed",
                "staging.stg_ledger__checkpoints.root",
                "raw.checkpoints.root",
                "staging.stg_ledger__checkpoints.size",
                "staging.stg_ledger__records.record_hash",
                "raw.checkpoints.size",
                "raw.records.hash",
            ],
        ),
    ],
)
def test_marts_lead_to_the_fields_that_were_written_down_by_hand(
    derived: Path, target: str, expected: list[str]
) -> None:
    """The way of some numbers, from the mart to the raw tables."""
    assert [str(step.column) for step in read_lineage(derived, target)] == [target, *expected]


def test_every_column_of_every_mart_has_a_lineage(derived: Path) -> None:
    """Each leads to a raw column, but those that count rows or are written in the SQL."""
    found = dict(
        rows_of(
            derived,
            "select target, bool_or(layer = 'raw') from meta.column_lineage group by target",
        )
    )
    columns = {
        f"{model.schema}.{model.name}.{name}"
        for model in nodes("model")
        if model.schema in {"health", "metrics", "meta"}
        for name in model.node["columns"]
    }
    assert set(found) == columns
    rootless = {target for target, is_rooted in found.items() if not is_rooted}
    assert {name for name in rootless if not name.endswith("_count")} <= CONSTANT


def test_every_step_is_read_by_one_nearer(derived: Path) -> None:
    """The rows of a target form one tree: each step is read by a step one nearer to the mart."""
    torn = rows_of(
        derived,
        """
        select steps.target, steps.relation, steps.column_name
        from meta.column_lineage as steps
        left join meta.column_lineage as nearer
            on
                steps.target = nearer.target
                and steps.read_by = nearer.relation || '.' || nearer.column_name
                and steps.depth = nearer.depth + 1
        where (steps.depth = 0) != (nearer.target is null)
        """,
    )
    assert torn == []


def test_lineage_does_not_depend_on_the_order_of_anything() -> None:
    """Models and columns in another order give the same rows."""
    backwards = {
        relation: dict(reversed(columns.items())) for relation, columns in reversed(TYPES.items())
    }
    once = derive_lineage(MODELS, TYPES)
    again = derive_lineage(dict(reversed(MODELS.items())), backwards)
    assert sorted(once, key=str) == sorted(again, key=str)
    assert len({row["lineage_id"] for row in once}) == len(once)
