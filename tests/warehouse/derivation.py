"""Marts of a workspace without starting dbt for each: its models are compiled once and then run.

`test_build` says that this gives the same marts as a build.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from warehouse import build
from warehouse.lineage import derive_lineage, read_columns, write_lineage
from warehouse.load import load

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Model:
    """One compiled model or test of the dbt project."""

    name: str
    schema: str
    kind: str
    sql: str
    severity: str
    node: Any


@cache
def manifest() -> Any:
    """Return the manifest of the dbt project, compiled once in a session."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "target"
        database = Path(folder) / "build.duckdb"
        with duckdb.connect(str(database)) as connection:
            connection.execute(Path(build.__file__).with_name("raw.sql").read_text())
        build.run_dbt(database, target, "compile")
        return json.loads((target / "manifest.json").read_text(encoding="utf-8"))


@cache
def nodes(resource_type: str) -> tuple[Model, ...]:
    """Return all models or tests in an order in which each comes after what it reads."""
    found = {
        name: node
        for name, node in manifest()["nodes"].items()
        if node["resource_type"] == resource_type
    }
    order = TopologicalSorter(
        {
            name: set(node["depends_on"]["nodes"]) & set(found)
            for name, node in sorted(found.items())
        }
    ).static_order()
    return tuple(
        Model(
            node["name"],
            node["schema"],
            node["config"]["materialized"],
            node["compiled_code"],
            node["config"].get("severity", ""),
            node,
        )
        for node in (found[name] for name in order)
    )


def derive(workspace: Path, *, through_seq: int | None = None) -> Path:
    """Load the ledger of `workspace`, run every model and return the database."""
    database = workspace / "warehouse" / "build.duckdb"
    loaded = load(database, workspace)
    build._set_head(database, loaded.through_seq if through_seq is None else through_seq)
    run_models(database)
    return database


def run_models(database: Path) -> None:
    """Run every model on a loaded database."""
    with duckdb.connect(str(database), config={"threads": 1}) as connection:
        for schema in ("staging", "intermediate", *build_schemas()):
            connection.execute(f"create schema if not exists {schema}")
        for model in nodes("model"):
            what = "view" if model.kind == "view" else "table"
            connection.execute(
                f"create or replace {what} {model.schema}.{model.name} as {model.sql}"
            )
        write_lineage(connection, lineage_rows(connection))


_LINEAGE: list[list[dict[str, str | int]]] = []


def lineage_rows(connection: duckdb.DuckDBPyConnection) -> list[dict[str, str | int]]:
    """Return the lineage of every column, derived once in a session: it depends on no record."""
    if not _LINEAGE:
        models = {f"{model.schema}.{model.name}": model.sql for model in nodes("model")}
        _LINEAGE.append(derive_lineage(models, read_columns(connection)))
    return _LINEAGE[0]


def failing_tests(database: Path) -> dict[str, int]:
    """Return name -> number of rows of every data test that returns any."""
    with duckdb.connect(str(database), read_only=True) as connection:
        counts = {}
        for test in nodes("test"):
            rows = connection.execute(test.sql).fetchall()
            if rows:
                counts[test.name] = len(rows)
    return counts


def build_schemas() -> Sequence[str]:
    """Return the schemas of marts."""
    return ("health", "metrics", "meta")


def rows_of(database: Path, sql: str) -> list[tuple[Any, ...]]:
    """Return the rows of a statement."""
    with duckdb.connect(str(database), read_only=True) as connection:
        return connection.execute(sql).fetchall()
