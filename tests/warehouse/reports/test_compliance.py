"""Framework reports: twelve sections, every framework, periods, and what is absent is said."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from tests.warehouse.reports.conftest import RUN, signed_by
from tests.warehouse.reports.outline import outline_of
from warehouse.questions import QUESTIONS
from warehouse.reports.compliance import TITLES
from warehouse.reports.errors import (
    UnknownFrameworkError,
    UnreadablePeriodError,
    UnreadableReportError,
)
from warehouse.reports.frameworks import FRAMEWORKS, read_framework
from warehouse.reports.period import Period, narrow, parse_period
from warehouse.reports.render import render_report
from warehouse.reports.request import Request
from warehouse.reports.stamp import read_stamp
from warehouse.reports.subject import Verified

if TYPE_CHECKING:
    from pathlib import Path

    from warehouse.reports.request import Form

NEVER = "1950"
"""A period in which nothing was decided or recorded."""


def report_of(snapshot: Path, framework: str, period: str = "", form: Form = "html") -> str:
    """Return a framework report of the story."""
    signed = signed_by(snapshot)
    verified = Verified(signed.checkpoint_lines, signed.key_id, signed.origin, {"chain": "PASS"})
    request = Request(
        RUN, read_framework(framework), parse_period(period) if period else None, "0.0"
    )
    return render_report(snapshot, request, verified, form).decode()


@pytest.fixture(scope="module")
def adviser(snapshot: Path) -> str:
    """Return the report for advisers over everything."""
    return report_of(snapshot, "sec-ia")


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_mapping_names_sections_and_questions_that_exist(name: str) -> None:
    """Every article leads to a section of the report and to questions that can be asked."""
    framework = read_framework(name)
    numbers = {question.number for question in QUESTIONS}
    assert framework.articles
    for article in framework.articles:
        assert article.section in TITLES
        assert set(article.questions) <= numbers
        assert article.statute
        assert article.article


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_no_framework_claims_that_a_rule_is_satisfied(name: str) -> None:
    """The mapping says supports; it never says that anything complies."""
    framework = read_framework(name)
    said = json.dumps(
        [framework.note, framework.binds, *[(a.asks, a.supports) for a in framework.articles]]
    )
    assert not re.search(r"\bcompl(y|ies|iant|iance)\b|\bsatisf|\bguarantee", said, re.IGNORECASE)


def test_gips_style_makes_no_claim(snapshot: Path) -> None:
    """The report says that it is not a GIPS report, and that the arithmetic is in its style."""
    text = outline_of(report_of(snapshot, "gips-style")).text
    assert "it is not a GIPS report" in text
    assert "in accordance with" not in text


def test_twelve_sections_stand_in_order(adviser: str) -> None:
    """Identity first, the appendix with mapping and sign-off last."""
    page = outline_of(adviser)
    assert [e.attributes["id"] for e in page.all("section")] == list(TITLES)
    assert len(TITLES) == 12
    assert page.by_id("mapping-table").all("tr")
    assert page.by_id("sign-offs-table").all("tr")


def test_every_link_has_its_target(adviser: str) -> None:
    """Verdicts, signs and records lead to something on the page; no id occurs twice."""
    page = outline_of(adviser)
    ids = [e.attributes["id"] for e in page.everything() if "id" in e.attributes]
    assert len(ids) == len(set(ids))
    for element in page.all("a"):
        assert element.attributes["href"][1:] in ids, element.attributes["href"]


def test_banner_stands_in_the_opening_and_in_the_section(adviser: str) -> None:
    """Hypothetical performance is said twice, and no option leaves it out."""
    page = outline_of(adviser)
    assert len(page.of_class("banner")) == 2
    assert all("Hypothetical performance" in each.text for each in page.of_class("banner"))


def test_same_request_gives_the_same_bytes(snapshot: Path) -> None:
    """Every form of a report is a function of head, framework and period."""
    for form in ("html", "json", "md"):
        first = report_of(snapshot, "dora", "2020", form)
        assert (first == report_of(snapshot, "dora", "2020", form)) is True


@pytest.mark.parametrize("name", ["sec-ia", "mifid"])
def test_what_a_period_lacks_is_said(snapshot: Path, name: str) -> None:
    """A period without anything has every section, and each says that there is nothing."""
    text = outline_of(report_of(snapshot, name, NEVER)).text
    assert "No book of this run was measured from 1950-01-01 to 1950-12-31" in text
    assert "No approvals, withdrawals, overrides or halts were recorded from 1950-01-01" in text
    assert "Nothing was exported, reported, signed, anchored or erased from 1950-01-01" in text
    assert "No exception was recorded from 1950-01-01" in text


def test_verdicts_stand_red_first(adviser: str) -> None:
    """The strip begins with what failed."""
    found = [each.text.split()[0] for each in outline_of(adviser).of_class("pills")[0].all("a")]
    assert found == sorted(found, key=["FAIL", "NONE", "PASS"].index)


def test_numbers_of_the_json_form_name_cell_result_and_record(snapshot: Path) -> None:
    """Each traced number equals its cell, and names a result of the report with its digest."""
    data = json.loads(report_of(snapshot, "sec-ia", form="json"))
    results = data["results"]
    tables = [
        block for section in data["sections"] for block in section["blocks"] if "rows" in block
    ]
    cells = [cell for table in tables for row in table["rows"] for cell in row["cells"]]
    traced = [cell for cell in cells if "query" in cell]
    assert len(traced) > 50
    for cell in traced:
        assert cell["result_sha256"] == results[cell["query"]]["sha256"]
        assert isinstance(cell["value"], int | float)
    cited = [row["record"] for table in tables for row in table["rows"] if "record" in row]
    assert all(re.fullmatch(r"[0-9a-f]{64}", each["hash"]) for each in cited)


def test_markdown_tables_have_one_width(snapshot: Path) -> None:
    """A cell with a bar or a star in it does not break its row."""
    lines = report_of(snapshot, "sec-ia", form="md").split("\n")
    width = 0
    for line in lines:
        if not line.startswith("| "):
            width = 0
            continue
        found = len(re.findall(r"(?<!\\)\|", line))
        width = width or found
        assert found == width, line


def test_stamp_leads_back_to_the_request(snapshot: Path) -> None:
    """Every form says what it was made from."""
    for form in ("html", "json", "md"):
        content = report_of(snapshot, "dora", "2020-Q1", form).encode()
        stamp, found = read_stamp(content)
        assert found == form
        assert (stamp.run_id, stamp.framework) == (RUN, "dora")
        assert stamp.period == "2020-01-01..2020-03-31"


@pytest.mark.parametrize("content", [b"", b"\xff", b"{}", b"<html>", b'{"stamp": {"format": 1}}'])
def test_file_without_a_stamp_is_refused(content: bytes) -> None:
    """Anything else than a report is an error in four parts, never a traceback."""
    with pytest.raises(UnreadableReportError):
        read_stamp(content)


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("2020", "2020-01-01", "2020-12-31"),
        ("2020-Q1", "2020-01-01", "2020-03-31"),
        ("2020-Q4", "2020-10-01", "2020-12-31"),
        ("2020-02-29..2020-02-29", "2020-02-29", "2020-02-29"),
    ],
)
def test_periods_are_whole_days_both_ends_included(text: str, first: str, last: str) -> None:
    """A year, a quarter and a span have one meaning each."""
    assert parse_period(text).text == f"{first}..{last}"


@pytest.mark.parametrize("text", ["20", "2020-Q5", "2020-13", "2021-02-29..2021-03-01", "0000"])
def test_other_periods_are_refused(text: str) -> None:
    """What is no period is refused."""
    with pytest.raises(UnreadablePeriodError):
        parse_period(text)


def test_period_that_ends_before_it_begins_is_refused() -> None:
    """The first day comes first."""
    with pytest.raises(UnreadablePeriodError):
        parse_period("2020-02-01..2020-01-01")


def test_narrowing_keeps_the_alias_and_leaves_other_tables() -> None:
    """A dated table becomes a selection under the same name; what has no day is left."""
    period = parse_period("2020")
    sql = "select * from metrics.fct_weights as w join meta.dim_runs as r on true"
    narrowed = narrow(sql, period)
    assert "where as_of_date between date '2020-01-01' and date '2020-12-31') as w join" in narrowed
    assert narrowed.endswith("join meta.dim_runs as r on true")
    assert ") as fct_regimes" in narrow("select 1 from meta.fct_regimes", period)


def test_growth_of_a_period_begins_at_one(snapshot: Path) -> None:
    """The first growth within a period is one and the return of its first day."""
    from warehouse.query import open_snapshot  # noqa: PLC0415

    with open_snapshot(snapshot) as connection:
        dates = "select return_date from metrics.fct_portfolio_returns order by 1"
        days = [row[0] for row in connection.execute(dates).fetchall()]
        period = Period(days[len(days) // 2], days[-1])
        sql = "select net_growth, net_return, sleeve, engine, risk_profile, return_date "
        sql += "from metrics.fct_portfolio_returns order by return_date"
        first: dict[tuple[str, ...], tuple[float, float]] = {}
        for growth, gain, *book, _ in connection.execute(narrow(sql, period)).fetchall():
            first.setdefault(tuple(book), (growth, gain))
    assert first
    for growth, gain in first.values():
        assert growth == pytest.approx(1 + gain, rel=1e-12)


def test_unknown_framework_is_refused() -> None:
    """A framework without a mapping is an error that names those there are."""
    with pytest.raises(UnknownFrameworkError):
        read_framework("sox")
