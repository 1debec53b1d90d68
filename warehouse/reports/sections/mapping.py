"""Compliance section 12: articles of the framework, what supports each, and the sign-offs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from warehouse.questions import find_question
from warehouse.reports.document import Heading, Prose
from warehouse.reports.page import Column, Line, Table
from warehouse.reports.signoff import ROLES, Enrolment, judge_sign_off
from warehouse.reports.wording import ABSENT, plural

if TYPE_CHECKING:
    from collections.abc import Mapping

    from warehouse.reports.document import Block
    from warehouse.reports.evidence import Evidence, Row
    from warehouse.reports.frameworks import Article, Framework

_SUPPORTS = (
    "What follows says where this report shows something about what an article asks. It supports a "
    "reader's own judgement; no software satisfies a rule, and this one makes no claim to. A "
    "paragraph marked with an asterisk was not compared with the official text."
)
_SIGNING = (
    "A report is signed off with assay report sign FILE --role ROLE --key KEY; the signature is "
    "over the SHA-256 of the file, so it stands in the reports of later heads, never in its own."
)


def tell_mapping(
    evidence: Evidence, framework: Framework, titles: Mapping[str, str]
) -> tuple[Block, ...]:
    """Return the mapping from articles to sections and questions, and what each question found."""
    return (
        Heading("Articles", "articles"),
        Prose(f"{framework.binds} {framework.note}"),
        Prose(_SUPPORTS),
        _articles(framework, titles),
        _questions(evidence, framework),
    )


def _articles(framework: Framework, titles: Mapping[str, str]) -> Table:
    columns = tuple(
        Column(name, "text")
        for name in ("Statute", "article", "asks for", "supported by", "section", "questions")
    )
    lines = tuple(
        Line(
            (
                each.statute,
                each.article if each.confirmed else f"{each.article} *",
                each.asks,
                each.supports + (f" See also {each.evidence}." if each.evidence else ""),
                titles[each.section],
                _numbers(each),
            )
        )
        for each in framework.articles
    )
    caption = f"{framework.title}: what supports which article"
    return Table("mapping-table", caption, columns, lines, "")


def _numbers(article: Article) -> str:
    return ", ".join(f"Q{number:02d}" for number in article.questions) or ABSENT


def _questions(evidence: Evidence, framework: Framework) -> Table:
    columns = (Column("Question", "code"), Column("asked", "text"), Column("answer", "text"))
    lines, names = [], []
    for number in framework.questions:
        answer, question = evidence.ask_question(number), find_question(number)
        names.append(answer.name)
        said = plural(len(answer), "row") if len(answer) else f"No row. {question.when_empty}"
        lines.append(Line((answer.name, question.title, f"{said} {question.note}")))
    caption = "The questions named above, and how many rows answer each"
    return Table("asked-table", caption, columns, tuple(lines), "", tuple(names))


def tell_sign_offs(evidence: Evidence, origin: str) -> tuple[Block, ...]:
    """Return one line for each sign-off up to the head, and one for each role without any."""
    enrolments = tuple(
        Enrolment(row.count("record_seq"), row.text("action"), row.text("note"))
        for row in evidence.ask("enrolments")
        if row.maybe_text("note")
    )
    answer = evidence.ask("sign_offs")
    lines = [_sign_off(evidence, row, origin, enrolments) for row in answer]
    signed = {line.cells[0] for line in lines}
    lines += [
        Line((role, "not signed", ABSENT, ABSENT, ABSENT, "no sign-off is recorded up to the head"))
        for role in ROLES
        if role not in signed
    ]
    columns = (
        Column("Role", "text"),
        Column("person", "text"),
        Column("report, SHA-256", "code"),
        Column("head of that report", "code"),
        Column("signed", "date"),
        Column("signature", "text"),
    )
    table = Table("sign-offs-table", "Sign-offs", columns, tuple(lines), answer.name)
    return (Heading("Sign-off", "sign-off"), Prose(_SIGNING), table)


def _sign_off(evidence: Evidence, row: Row, origin: str, enrolments: tuple[Enrolment, ...]) -> Line:
    found, person, fault = judge_sign_off(
        row.maybe_text("note") or "", row.count("record_seq"), origin, enrolments
    )
    if found is None:
        return Line((ABSENT, person, ABSENT, ABSENT, ABSENT, fault), evidence.cite(row), "fail")
    head = f"{found.head_seq} {found.head_hash[:12]}"
    state = fault or "verified against the key of an enrolled person"
    cells = (found.role, person, found.sha256, head, found.at[:19], state)
    return Line(cells, evidence.cite(row), "fail" if fault else "")
