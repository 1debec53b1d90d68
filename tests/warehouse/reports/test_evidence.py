"""Every number comes from a printed statement, and the statement gives it again."""

from __future__ import annotations

import datetime as dt
import json
import re
from importlib.resources import files
from typing import TYPE_CHECKING

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import canonical_digest
from tests.warehouse.reports.outline import outline_of
from tests.warehouse.reports.test_compliance import report_of
from warehouse.query import check_statement, format_json, open_snapshot, run_query
from warehouse.reports.errors import CitedRecordDiffersError, UnexpectedAnswerError
from warehouse.reports.evidence import Answer, Evidence, RecordRef, Row, bind, literal

if TYPE_CHECKING:
    from pathlib import Path

    from tests.warehouse.reports.outline import Element

QUERIES = sorted(
    path.name.removesuffix(".sql")
    for path in files("warehouse.reports").joinpath("queries").iterdir()
)


def row(**values: object) -> Row:
    """Return a row of these columns."""
    places = {name: i for i, name in enumerate(values)}
    return Row("made", places, tuple(values.values()))  # type: ignore[arg-type]


def test_every_printed_statement_gives_the_printed_digest(page: Element, snapshot: Path) -> None:
    """Pasting a statement into `assay sql --json` gives rows with the digest beside it."""
    queries = page.of_class("query")
    assert len(queries) > 40
    for query in queries:
        result = run_query(snapshot, query.all("pre")[0].text, rows=1_000_000)
        answered = json.loads(json.dumps(format_json(result)))
        digest = canonical_digest({key: answered[key] for key in ("columns", "rows")})
        assert digest == query.of_class("digest")[0].text, query.all("code")[0].text


def test_every_query_is_used_and_printed(page: Element, snapshot: Path) -> None:
    """No query lies around unused: missing are books without sleeves, and the checkpoint."""
    adviser = outline_of(report_of(snapshot, "sec-ia"))
    signs = [*page.of_class("query"), *adviser.of_class("query")]
    printed = {query.all("code")[0].text for query in signs}
    unprinted = {"weights", "held_checkpoint", "held_note", "hashes_below"}
    assert set(QUERIES) - printed == unprinted


@pytest.mark.parametrize("name", QUERIES)
def test_statements_only_read_and_say_what_they_answer(name: str) -> None:
    """Each statement is one SELECT, ordered or of one row, with a sentence at its head."""
    text = files("warehouse.reports").joinpath("queries", f"{name}.sql").read_text(encoding="utf-8")
    assert re.match(r"-- [A-Z].*\.$", text.split("\n")[0]) or ". " in text.split("\n")[0]
    assert text.endswith("\n")
    params = dict.fromkeys(re.findall(r"(?<!\$)\$([a-z_]+)", text), "x")
    sql = text.replace("$seqs", "1") if "seqs" in params else bind(text, **params)
    check_statement(sql)
    assert "order by" in text or name in {"judgements", "trials"}


@given(st.text())
def test_literal_is_the_text_itself(text: str) -> None:
    """Whatever a text holds, its literal is read back as that text."""
    if "\x00" in text:
        return
    with duckdb.connect() as connection:
        assert connection.execute(f"select {literal(text)}").fetchall() == [(text,)]


def test_literals_of_other_values() -> None:
    """Numbers and nothing are spelled as SQL does."""
    assert (literal(25), literal(None), literal("it's")) == ("25", "null", "'it''s'")


def test_parameter_without_value_is_refused() -> None:
    """A statement is never run with a parameter left open."""
    with pytest.raises(KeyError):
        bind("select $a, $b", a=1)


def test_row_reads_each_type() -> None:
    """A column is read by the type it must have."""
    day = dt.date(2020, 3, 16)
    made = row(a="x", b=3, c=0.5, d=day, e=dt.datetime(2020, 3, 16, 4), f=True, g=None)  # noqa: DTZ001
    assert (made.text("a"), made.count("b"), made.real("c"), made.real("b")) == ("x", 3, 0.5, 3.0)
    assert (made.day("d"), made.day("e"), made.flag("f")) == (day, day, True)
    assert made.moment("e") == "2020-03-16 04:00:00Z"
    assert made.moment("g") == ""
    assert [
        made.maybe("g"),
        made.maybe_count("g"),
        made.maybe_text("g"),
        made.maybe_day("g"),
        made.maybe_flag("g"),
    ] == [None] * 5


@pytest.mark.parametrize(
    ("method", "value"),
    [
        ("text", 1),
        ("count", True),
        ("count", 1.0),
        ("real", float("nan")),
        ("real", float("inf")),
        ("real", True),
        ("real", None),
        ("day", "2020-03-16"),
        ("day", None),
        ("moment", "x"),
        ("flag", 1),
    ],
)
def test_row_refuses_another_type(method: str, value: object) -> None:
    """What is not of the type is an error that names query and column."""
    with pytest.raises(UnexpectedAnswerError, match="column") as caught:
        getattr(row(column=value), method)("column")
    assert "query made" in caught.value.where


def test_row_refuses_a_missing_column() -> None:
    """A column that is not there is named."""
    with pytest.raises(UnexpectedAnswerError, match="absent"):
        row(a=1).count("absent")


def test_digest_covers_columns_and_rows() -> None:
    """The digest is that of the canonical JSON of columns and rows, dates as ISO text."""
    answer = Answer("x", "select", ("a", "b"), ((dt.date(2020, 1, 2), 1.0), (None, 0.5)))
    expected = {"columns": ["a", "b"], "rows": [["2020-01-02", 1], [None, 0.5]]}
    assert answer.sha256 == canonical_digest(expected)
    moment = Answer("x", "select", ("a",), ((dt.datetime(2020, 1, 2, 3),),))  # noqa: DTZ001
    times = {"columns": ["a"], "rows": [["2020-01-02T03:00:00.000000Z"]]}
    assert moment.sha256 == canonical_digest(times)
    assert len(answer) == 2
    assert answer.first is not None
    assert answer.first.real("b") == 1.0
    assert Answer("x", "", (), ()).first is None


def test_answers_are_kept_in_the_order_of_asking(snapshot: Path) -> None:
    """A query runs once in a report, however often it is asked."""
    with open_snapshot(snapshot) as connection:
        evidence = Evidence(connection)
        first = evidence.ask("runs")
        evidence.ask("integrity")
        assert evidence.ask("runs") is first
        assert [answer.name for answer in evidence.answers] == ["runs", "integrity"]


def test_cited_records_are_those_of_the_ledger(snapshot: Path) -> None:
    """What was cited is read back from the raw records; a wrong hash is an integrity breach."""
    with open_snapshot(snapshot) as connection:
        evidence = Evidence(connection)
        assert len(evidence.cited()) == 0
        run = evidence.ask("runs").first
        assert run is not None
        ref = evidence.cite(run)
        assert [RecordRef(r.count("seq"), r.text("hash")) for r in evidence.cited()] == [ref]
        evidence.cite(row(record_seq=ref.seq, record_hash="0" * 64))
        with pytest.raises(CitedRecordDiffersError, match=f"record {ref.seq}"):
            evidence.cited()
