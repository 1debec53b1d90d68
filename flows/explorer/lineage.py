"""Lineage: from a column of a mart to the fields of records, and to a record that it came from."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from flows.explorer.drawing import Node, lineage_columns
from flows.explorer.errors import missing
from flows.explorer.rendering import Cell, Table, address, cells, columns, record_link
from warehouse.errors import LineageError
from warehouse.lineage import TABLE, read_lineage

if TYPE_CHECKING:
    from starlette.responses import Response

    from flows.explorer.view import View
    from warehouse.lineage import Step

DEFAULT = "metrics.fct_weights.weight"
DRAWN = 60
"""Columns drawn; all of them stand in the table."""
SAMPLES = 5
_NAME = re.compile(r"[a-z_]+\.[a-z0-9_]+\.[a-z0-9_]+")
_TARGETS = f"select distinct target from {TABLE} order by target"  # noqa: S608 - our own table


def lineage(view: View) -> Response:
    """Return the way of one column to its records."""
    targets = [str(row["target"]) for row in view.ask(_TARGETS)]
    usual = DEFAULT if DEFAULT in targets else next(iter(targets), "")
    column = view.text("column", usual) or usual
    if not _NAME.fullmatch(column):
        raise view.refused(f"column is {column[:80]!r}", "schema.table.column")
    try:
        steps = read_lineage(view.place, column)
    except LineageError as error:
        raise missing(error.what, "/lineage", error.fix) from error
    return view.page(
        "lineage.html",
        "lineage",
        "Lineage",
        column=column,
        targets=targets,
        picture=lineage_columns([_node(step) for step in steps[:DRAWN]]),
        cut=len(steps) - DRAWN,
        table=_table(steps),
        samples=_samples(view, column),
    )


def _node(step: Step) -> Node:
    return Node(str(step.column), step.read_by, step.depth, step.layer)


def _table(steps: tuple[Step, ...]) -> Table:
    rows = [
        cells(
            (
                Cell(str(step.column), _address(step)),
                step.depth,
                step.expression or "as it stands",
                step.read_by or "-",
            )
        )
        for step in steps
    ]
    heads = columns("column", ("steps", "number"), ("computed as", "code"), "read by")
    return Table("Columns on the way, nearest first", heads, rows)


def _address(step: Step) -> str:
    is_mart = step.depth > 0 and step.layer in ("health", "metrics", "meta")
    return address("/lineage", {"column": str(step.column)}) if is_mart else ""


def _samples(view: View, column: str) -> Table:
    """Return the newest values of a column, each with the record it came from."""
    relation, _, name = column.rpartition(".")
    heads = columns((name, "code"), "record", ("record hash", "code"))
    known = view.ask(
        "select count(*) as count from information_schema.columns where column_name in "
        "('record_seq', 'record_hash') and table_schema || '.' || table_name = $relation",
        {"relation": relation},
    )
    if known[0]["count"] != 2:  # noqa: PLR2004 - both columns
        return Table("Records behind it", heads, [], "This table cites no record.")
    # Both names are those of a column that the snapshot lists, and match `_NAME`.
    sql = (
        f'select "{name}" as value, record_seq, record_hash from {relation} '  # noqa: S608
        f"order by record_seq desc limit {SAMPLES}"
    )
    rows = [
        cells(
            (
                row["value"],
                record_link(str(row["record_hash"]), str(row["record_seq"])),
                row["record_hash"],
            )
        )
        for row in view.ask(sql)
    ]
    return Table("Newest values and the records behind them", heads, rows, "The table is empty.")
