"""Lineage of columns: from a number in a mart back to the field of a record.

Read from the compiled SQL, so it says what was run, not what somebody drew. Only what decides a
value counts: joins, filters and groupings choose rows and are not followed. A result is one JSON
document in the line of a record (or in a blob that the record names), so the way ends at a field
such as `raw.records.line` with the path `data.result.weights`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NoReturn

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import Scope, build_scope

from warehouse.digest import SCHEMAS
from warehouse.errors import LineageError
from warehouse.query import run_query

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    import duckdb

TABLE = "meta.column_lineage"
"""Where the lineage of every column of every mart stands in a snapshot."""
_TRACED = f"""
select depth, relation, column_name, expression, read_by
from {TABLE} where target = $target order by depth, relation, column_name
"""  # noqa: S608 - our own table
_MOST = 10_000
_LONGEST = 200
"""An expression is shown up to this length."""
DESCRIPTION = (
    "One row per column of a mart and column it is computed from, itself included. It depends on "
    "the models only and cites no record."
)
COLUMNS = {
    "lineage_id": ("VARCHAR", "Both columns."),
    "target": ("VARCHAR", "Column of a mart, as `<schema>.<mart>.<column>`."),
    "depth": ("BIGINT", "Steps from that column; 0 is the column itself."),
    "relation": ("VARCHAR", "Table or view of the column on the way."),
    "column_name": ("VARCHAR", "The column on the way."),
    "layer": ("VARCHAR", "Its schema; `raw` is what the record says, word for word."),
    "expression": ("VARCHAR", "How it is computed from the next step; empty for a raw column."),
    "read_by": ("VARCHAR", "Column one step nearer to the mart; empty for the column itself."),
}
"""Name, type and description of every column of `meta.column_lineage`."""
_CREATE = (
    f"create or replace table {TABLE} ("
    + ", ".join(f"{name} {kind} not null" for name, (kind, _) in COLUMNS.items())
    + ")"
)


@dataclass(frozen=True, slots=True, order=True)
class Column:
    """One column of one relation.

    Attributes
    ----------
    relation : str
        `<schema>.<table>`.
    name : str
        The column.
    """

    relation: str
    name: str

    def __str__(self) -> str:
        """Return `<schema>.<table>.<column>`."""
        return f"{self.relation}.{self.name}"


@dataclass(frozen=True, slots=True)
class Step:
    """One column on the way from a mart to a record.

    Attributes
    ----------
    depth : int
        0 for the column asked for.
    column : Column
        The column.
    expression : str
        How it is computed from what stands one step deeper; empty for a raw column.
    read_by : str
        The column one step nearer to the mart; empty for the one asked for.
    """

    depth: int
    column: Column
    expression: str
    read_by: str

    @property
    def layer(self) -> str:
        """The schema: `raw`, `staging`, `intermediate`, or that of a mart."""
        return self.column.relation.partition(".")[0]


@dataclass(frozen=True, slots=True)
class _Origin:
    """What a column is computed from: its expression and the columns in it."""

    expression: str
    columns: frozenset[Column]


class Lineage:
    """The lineage of all models of a compiled project.

    Parameters
    ----------
    models : mapping of str to str
        `<schema>.<model>` -> compiled SQL.
    columns : mapping of str to mapping
        `<schema>.<table>` -> column -> type, of every relation in the database.
    """

    def __init__(self, models: Mapping[str, str], columns: Mapping[str, Mapping[str, str]]) -> None:
        self._models = models
        self._columns = columns
        self._scopes: dict[str, Scope] = {}
        self._origins: dict[Column, _Origin] = {}

    def trace(self, target: Column) -> tuple[Step, ...]:
        """Return every column that `target` is computed from, nearest first.

        A column that is reached in two ways stands where it is nearest.

        Raises
        ------
        LineageError
            If there is no such column, or its model cannot be read.
        """
        if target.name not in self._columns.get(target.relation, {}):
            _refuse(f"there is no column {target}")
        steps: list[Step] = []
        level, seen = {target: ""}, {target}
        depth = 0
        while level:
            deeper: dict[Column, str] = {}
            for column, reader in sorted(level.items()):
                origin = self._origin(column)
                steps.append(Step(depth, column, origin.expression, reader))
                for source in sorted(origin.columns):
                    deeper.setdefault(source, str(column))
            level = {column: reader for column, reader in deeper.items() if column not in seen}
            seen |= set(level)
            depth += 1
        return tuple(steps)

    def _origin(self, column: Column) -> _Origin:
        if column.relation not in self._models:
            return _Origin("", frozenset())
        if column not in self._origins:
            scope = self._scope(column.relation)
            self._origins[column] = _resolve(scope, column.name, frozenset())
        return self._origins[column]

    def _scope(self, relation: str) -> Scope:
        if relation not in self._scopes:
            self._scopes[relation] = _read(relation, self._models[relation], self._schema)
        return self._scopes[relation]

    @cached_property
    def _schema(self) -> dict[str, object]:
        nested: dict[str, dict[str, dict[str, str]]] = {}
        for relation, columns in self._columns.items():
            schema, _, table = relation.partition(".")
            nested.setdefault(schema, {})[table] = dict(columns)
        return dict(nested)


def _read(relation: str, sql: str, schema: dict[str, object]) -> Scope:
    """Return the scopes of a model, every column of it qualified."""
    try:
        tree = qualify(
            sqlglot.parse_one(sql, dialect="duckdb"),
            schema=schema,
            dialect="duckdb",
            validate_qualify_columns=False,
            allow_partial_qualification=True,
            quote_identifiers=False,
        )
        scope = build_scope(tree)
    except SqlglotError as error:
        _refuse(f"the SQL of {relation} cannot be followed: {str(error).splitlines()[0]}")
    if scope is None:
        _refuse(f"the SQL of {relation} selects nothing")
    return scope


def _resolve(scope: Scope, name: str, visited: frozenset[tuple[int, str]]) -> _Origin:
    """Return what column `name` of a scope is computed from, in terms of other relations."""
    if (id(scope), name) in visited:
        # A recursive query reads its own rows: they came from its first part.
        return _Origin("", frozenset())
    visited |= {(id(scope), name)}
    if scope.set_operation_scopes:
        return _resolve_union(scope, name, visited)
    projection = _projection(scope, name)
    if projection is None:
        # A function of a row, such as the leaves of a document: everything it reads counts.
        return _collect(scope, scope.expression, "", visited)
    value = projection.unalias()
    if isinstance(value, exp.Column):
        source = scope.sources.get(value.table)
        if isinstance(source, Scope):
            return _resolve(source, value.name, visited)
    return _collect(scope, value, value.sql(dialect="duckdb", comments=False), visited)


def _resolve_union(scope: Scope, name: str, visited: frozenset[tuple[int, str]]) -> _Origin:
    place = _names(scope).index(name)
    parts = [_resolve(part, _names(part)[place], visited) for part in scope.set_operation_scopes]
    columns = frozenset[Column]().union(*(part.columns for part in parts))
    return _Origin(" | ".join(dict.fromkeys(p.expression for p in parts if p.expression)), columns)


def _names(scope: Scope) -> list[str]:
    return [str(name) for name in getattr(scope.expression, "named_selects", ())]


def _projection(scope: Scope, name: str) -> exp.Expr | None:
    for projection in getattr(scope.expression, "selects", ()):
        if projection.alias_or_name == name:
            found: exp.Expr = projection
            return found
    return None


def _collect(
    scope: Scope, value: exp.Expr, text: str, visited: frozenset[tuple[int, str]]
) -> _Origin:
    """Return all columns of other relations in an expression."""
    columns: set[Column] = set()
    for column in value.find_all(exp.Column):
        source = _source(scope, column.table)
        if isinstance(source, exp.Table) and not source.db:
            # A function that yields rows: what goes in is what comes out.
            columns |= _collect(scope, source.this, "", visited).columns
        elif isinstance(source, exp.Table):
            columns.add(Column(f"{source.db}.{source.name}", column.name))
        elif isinstance(source, Scope):
            columns |= _resolve(source, column.name, visited).columns
    return _Origin(text, frozenset(columns))


def _source(scope: Scope, alias: str) -> object:
    """Return what an alias stands for here, in a subquery within, or around."""
    for one in (scope, *scope.subquery_scopes):
        if alias in one.sources:
            return one.sources[alias]
    return None if scope.parent is None else scope.parent.sources.get(alias)


def read_models(target: Path) -> dict[str, str]:
    """Return `<schema>.<model>` -> compiled SQL from the target folder of a dbt run."""
    folder = target / "compiled" / "assay" / "models"
    schemas = {"staging", "intermediate", *SCHEMAS}
    models = {}
    for path in sorted(folder.rglob("*.sql")):
        if any(part.endswith(".yml") for part in path.parts):
            continue  # A test, which stands beside the models.
        (schema,) = schemas & set(path.relative_to(folder).parts)
        models[f"{schema}.{path.stem}"] = path.read_text(encoding="utf-8")
    return models


def read_columns(connection: duckdb.DuckDBPyConnection) -> dict[str, dict[str, str]]:
    """Return `<schema>.<table>` -> column -> type of every relation of a database."""
    columns: dict[str, dict[str, str]] = {}
    for relation, name, kind in connection.execute(
        "select table_schema || '.' || table_name, column_name, data_type "
        "from information_schema.columns order by 1, ordinal_position"
    ).fetchall():
        columns.setdefault(relation, {})[name] = kind
    return columns


def derive_lineage(
    models: Mapping[str, str], columns: Mapping[str, Mapping[str, str]]
) -> list[dict[str, str | int]]:
    """Return the rows of `meta.column_lineage`: the lineage of every column of every mart.

    Parameters
    ----------
    models, columns : mapping
        As `Lineage` takes them.
    """
    lineage = Lineage(models, columns)
    return [
        row
        for relation in sorted(models)
        if relation.partition(".")[0] in SCHEMAS
        for name in columns.get(relation, {})
        for row in _rows(lineage.trace(Column(relation, name)))
    ]


def write_lineage(
    connection: duckdb.DuckDBPyConnection, rows: Iterable[Mapping[str, str | int]]
) -> None:
    """Write the rows of `derive_lineage` into `meta.column_lineage`, with its descriptions."""
    connection.execute(_CREATE)
    fields = ", ".join(f'"{name}": "{kind}"' for name, (kind, _) in COLUMNS.items())
    connection.execute(
        f"insert into {TABLE} "  # noqa: S608 - our own table
        f"select entry.* from (select unnest(from_json(?, '[{{{fields}}}]')) as entry)",
        [json.dumps(list(rows))],
    )
    connection.execute(f"comment on table {TABLE} is '{DESCRIPTION}'")
    for name, (_, description) in COLUMNS.items():
        connection.execute(f"comment on column {TABLE}.{name} is '{description}'")


def read_lineage(place: Path, target: str) -> tuple[Step, ...]:
    """Return the lineage of a column as a snapshot holds it, nearest first.

    Parameters
    ----------
    place : Path
        Workspace folder (`.assay`) or snapshot file.
    target : str
        `<schema>.<mart>.<column>`.

    Raises
    ------
    LineageError
        If there is no such column.
    """
    result = run_query(place, _TRACED, {"target": target}, rows=_MOST)
    if not result.rows:
        _refuse(f"there is no column {target} in a mart")
    return tuple(
        Step(int(str(depth)), Column(str(relation), str(name)), str(expression), str(read_by))
        for depth, relation, name, expression, read_by in result.rows
    )


def _rows(steps: Iterable[Step]) -> list[dict[str, str | int]]:
    first, *_ = steps = list(steps)
    return [
        {
            "lineage_id": f"{first.column}/{step.column}",
            "target": str(first.column),
            "depth": step.depth,
            "relation": step.column.relation,
            "column_name": step.column.name,
            "layer": step.layer,
            "expression": step.expression[:_LONGEST],
            "read_by": step.read_by,
        }
        for step in steps
    ]


def _refuse(what: str) -> NoReturn:
    raise LineageError(
        what,
        where="lineage",
        why="lineage follows the columns of a built warehouse through its compiled SQL",
        fix="name one as `health.fct_asset_health.status`; docs/spec/marts.md lists them",
    )
