"""The rules of the dbt project, read from its compiled models."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import sqlglot
from sqlglot import exp

from tests.warehouse.derivation import manifest, nodes, rows_of
from warehouse import lineage
from warehouse.build import PROJECT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.warehouse.derivation import Model

MARTS = ("health", "metrics", "meta")
EVIDENCE = ["record_seq", "record_hash", "run_id"]
UNORDERED_FLOATS = (
    exp.Sum,
    exp.Avg,
    exp.Stddev,
    exp.StddevSamp,
    exp.StddevPop,
    exp.Variance,
    exp.VariancePop,
    exp.AnyValue,
    exp.First,
    exp.Last,
    exp.ArrayAgg,
    exp.GroupConcat,
)
CLOCKS = {
    "current_date", "current_timestamp", "now", "random", "uuid", "gen_random_uuid", "today",
    "current_localtimestamp", "nextval", "rand", "setseed",
}  # fmt: skip
PREFIXES = {
    "staging": ("stg_ledger__",),
    "intermediate": ("int_",),
    "health": ("fct_",),
    "metrics": ("fct_",),
    "meta": ("fct_", "dim_", "bdg_"),
}


def marts() -> list[Model]:
    """Return the models that readers see."""
    return [model for model in nodes("model") if model.schema in MARTS]


def tree_of(model: Model) -> exp.Expr:
    """Return the parsed SQL of a model."""
    tree = sqlglot.parse_one(model.sql, dialect="duckdb")
    assert isinstance(tree, exp.Select)
    return tree


def faults_of(tree: exp.Expr) -> Iterator[str]:
    """Yield what in a model could give another result tomorrow, or with another thread."""
    for node in tree.walk():
        if isinstance(node, exp.Func):
            name = node.name if isinstance(node, exp.Anonymous) else node.sql_name()
            if name.lower() in CLOCKS:
                yield f"{name} depends on the clock or on chance"
        if isinstance(node, UNORDERED_FLOATS) and not is_ordered(node):
            yield f"{node.sql(dialect='duckdb')} does not say in which order"


def is_ordered(node: exp.Expr) -> bool:
    """Tell whether an aggregate states its order, or adds whole numbers."""
    inside = node.find(exp.Order) is not None
    window = node.parent if isinstance(node.parent, exp.Window) else None
    named = window is not None and (
        window.args.get("order") is not None or window.args.get("alias") is not None
    )
    counts = isinstance(node, exp.Sum) and "_count" in node.sql()
    return inside or named or counts


def columns_of(model: Model) -> dict[str, Any]:
    """Return the documented columns of a model in order."""
    found: dict[str, Any] = model.node["columns"]
    return found


def test_the_lint_itself_finds_what_it_looks_for() -> None:
    """A lint that finds nothing anywhere proves nothing."""
    for sql in (
        "select sum(x) from t",
        "select any_value(x) from t",
        "select avg(x) over (partition by y) from t",
        "select string_agg(x, ',') from t",
        "select now()",
        "select random() from t",
        "select current_timestamp",
    ):
        assert list(faults_of(sqlglot.parse_one(sql, dialect="duckdb"))), sql
    for sql in (
        "select sum(x order by y) from t",
        "select sum(x) over (order by y rows unbounded preceding) from t",
        "select count(*), max(x), max_by(x, y), string_agg(x, ',' order by x) from t",
    ):
        assert not list(faults_of(sqlglot.parse_one(sql, dialect="duckdb"))), sql


@pytest.mark.parametrize("model", nodes("model"), ids=lambda model: model.name)
def test_a_model_gives_the_same_rows_every_time(model: Model) -> None:
    """No clock, no chance, no sum of floats in an order that DuckDB chooses."""
    assert list(faults_of(tree_of(model))) == []


@pytest.mark.parametrize("model", marts(), ids=lambda model: model.name)
def test_a_mart_lists_its_columns(model: Model) -> None:
    """`select *` stands in the last line only, so lineage can follow every column."""
    tree = tree_of(model)
    stars = [
        select for select in tree.find_all(exp.Select) if any(e.is_star for e in select.expressions)
    ]
    assert stars == [tree]
    assert tree.sql(dialect="duckdb").rstrip().endswith("SELECT * FROM final")


@pytest.mark.parametrize("model", marts(), ids=lambda model: model.name)
def test_a_mart_is_described_column_by_column(model: Model) -> None:
    """The grain comes first, every column has a description and a type, the contract holds."""
    assert re.match(r"(One row|Every row)\b", model.node["description"])
    assert model.node["contract"]["enforced"]
    for name, column in columns_of(model).items():
        assert column["description"].rstrip().endswith("."), name
        assert column["data_type"], name


@pytest.mark.parametrize("model", marts(), ids=lambda model: model.name)
def test_a_mart_has_a_key_and_cites_its_evidence(model: Model) -> None:
    """The first column is the primary key, tested; the last three name a record."""
    names = list(columns_of(model))
    assert names[-3:] == EVIDENCE
    assert names[0].endswith(("_id", "_key"))
    tests = {
        test.node["column_name"]
        for test in nodes("test")
        if test.node.get("attached_node") == model.node["unique_id"]
        and test.node["test_metadata"]["name"] == "primary_key"
    }
    assert tests == {names[0]}
    must = {name for name, c in columns_of(model).items() if c["constraints"]}
    assert {names[0], "record_seq", "record_hash"} <= must


def test_columns_of_a_mart_are_those_of_its_table(derived: Path) -> None:
    """Names, order and types in YAML are those of the table."""
    for model in marts():
        found = rows_of(
            derived,
            "select column_name, lower(data_type) from information_schema.columns where "  # noqa: S608
            f"table_schema = '{model.schema}' and table_name = '{model.name}' "
            "order by ordinal_position",
        )
        stated = [(name, column["data_type"]) for name, column in columns_of(model).items()]
        assert found == stated, model.name


@pytest.mark.parametrize("model", nodes("model"), ids=lambda model: model.name)
def test_a_model_is_named_after_its_layer(model: Model) -> None:
    """The folder is the schema, the prefix the layer, and every model has a description."""
    assert model.name.startswith(PREFIXES[model.schema])
    assert Path(model.node["path"]).stem == model.name
    assert model.schema in Path(model.node["path"]).parts or model.schema == "staging"
    assert model.node["description"]


def test_only_staging_reads_the_raw_tables() -> None:
    """Everything else goes through the records that are typed and named once."""
    readers = {
        model.name
        for model in nodes("model")
        if any(name.startswith("source.") for name in model.node["depends_on"]["nodes"])
    }
    assert readers == {
        "stg_ledger__records",
        "stg_ledger__checkpoints",
        "stg_ledger__documents",
    }


def test_layers_point_down() -> None:
    """Staging never reads intermediate, intermediate never reads a mart."""
    rank = {"staging": 0, "intermediate": 1, "health": 2, "metrics": 2, "meta": 2}
    schemas = {model.node["unique_id"]: model.schema for model in nodes("model")}
    for model in nodes("model"):
        for name in model.node["depends_on"]["nodes"]:
            if name in schemas:
                assert rank[schemas[name]] <= rank[model.schema], (model.name, name)


def test_every_mart_is_exposed_to_somebody() -> None:
    """A mart that nobody reads is not worth a contract."""
    exposed = {
        name
        for exposure in manifest()["exposures"].values()
        for name in exposure["depends_on"]["nodes"]
    }
    assert {model.node["unique_id"] for model in marts()} <= exposed
    for exposure in manifest()["exposures"].values():
        assert exposure["owner"]["name"]
        assert exposure["description"]


def test_questions_read_what_their_exposure_says() -> None:
    """The exposure of the questions lists the marts that their statements name."""
    from warehouse.questions import QUESTIONS  # noqa: PLC0415

    (exposure,) = [e for e in manifest()["exposures"].values() if e["name"] == "questions"]
    listed = {name.rpartition(".")[2] for name in exposure["depends_on"]["nodes"]}
    read = {
        table.name
        for question in QUESTIONS
        for table in sqlglot.parse_one(question.sql, dialect="duckdb").find_all(exp.Table)
        # The lineage is written after dbt, from its models.
        if table.db in MARTS and f"{table.db}.{table.name}" != lineage.TABLE
    }
    assert read == listed


def test_the_project_has_no_path_of_a_machine() -> None:
    """Places come from one variable."""
    for path in sorted(PROJECT.rglob("*")):
        if path.suffix in {".sql", ".yml", ".md"}:
            text = path.read_text(encoding="utf-8")
            assert not re.search(r"(?<![\w$])/(work|home|root|tmp|Users)/", text), path
