"""Makes the page: snapshot in, bytes of one HTML file out.

The page needs nothing but itself: no script, no font, no picture from elsewhere. A content
security policy in its head forbids all of them, so that a text in a record, whatever it says, can
neither run nor load anything; the one style sheet is allowed by its digest.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from string import Template
from typing import TYPE_CHECKING

import jinja2
from markupsafe import Markup

from ledger.note import parse_note
from warehouse.query import open_snapshot
from warehouse.reports.compliance import CompliancePage, compose_compliance
from warehouse.reports.document import kind_of
from warehouse.reports.errors import UnexpectedAnswerError
from warehouse.reports.evidence import Evidence, read_query
from warehouse.reports.formats import document_of, to_json, to_markdown
from warehouse.reports.page import State
from warehouse.reports.request import Request
from warehouse.reports.sections.appendix import tell_appendix, tell_marts
from warehouse.reports.sections.assumptions import tell_assumptions
from warehouse.reports.sections.check import tell_check
from warehouse.reports.sections.combination import tell_combination
from warehouse.reports.sections.decisions import tell_decisions
from warehouse.reports.sections.exceptions import tell_exceptions
from warehouse.reports.sections.health import tell_health
from warehouse.reports.sections.performance import tell_performance
from warehouse.reports.sections.scope import tell_scope
from warehouse.reports.sections.verdicts import judge
from warehouse.reports.sections.weights import tell_weights
from warehouse.reports.selfcheck import embed, mark, policy_digest, read_script, results_root
from warehouse.reports.stamp import Stamp
from warehouse.reports.subject import Verified, choose_subject
from warehouse.reports.wording import MINUS, count, percent, plural

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from warehouse.reports.evidence import RecordRef, Row
    from warehouse.reports.page import Verdict
    from warehouse.reports.request import Form
    from warehouse.reports.sections.appendix import Appendix
    from warehouse.reports.sections.assumptions import Assumptions
    from warehouse.reports.sections.check import Check
    from warehouse.reports.sections.combination import Combination
    from warehouse.reports.sections.decisions import Decisions
    from warehouse.reports.sections.exceptions import Exceptions
    from warehouse.reports.sections.health import Health
    from warehouse.reports.sections.performance import Performance
    from warehouse.reports.sections.scope import Scope
    from warehouse.reports.sections.weights import Weights
    from warehouse.reports.subject import Subject

SECTIONS = (
    ("verdicts", "Verdicts"),
    ("check", "Check this without us"),
    ("assumptions", "Assumptions"),
    ("scope", "Scope"),
    ("performance", "Performance"),
    ("weights", "Weights and limits"),
    ("combination", "Meta-portfolio"),
    ("health", "Health"),
    ("decisions", "Decisions"),
    ("exceptions", "Exceptions"),
    ("limits-of-proof", "What this does not prove"),
    ("appendix", "Appendix"),
)
"""Anchor and title of each section, in order."""


_PAGE_RULE = Template(
    "@page { margin: 17mm 14mm 15mm; @top-left { content: '$left'; font: 7.5pt sans-serif; } "
    "@bottom-right { content: counter(page) ' / ' counter(pages); font: 7.5pt sans-serif; } }\n"
)


@dataclass(frozen=True, slots=True)
class Page:
    """Everything the templates show."""

    subject: Subject
    integrity: Row
    head: RecordRef
    verified: Verified
    verdicts: tuple[Verdict, ...]
    check: Check
    assumptions: Assumptions
    scope: Scope
    performance: Performance | None
    weights: Weights
    combination: Combination | None
    health: Health
    decisions: Decisions
    exceptions: Exceptions
    appendix: Appendix

    @property
    def report_id(self) -> str:
        """Run and head: what this report is about, and nothing else."""
        return f"{self.subject.run_id}@{self.head.seq}-{self.head.short}"


def render(
    snapshot: Path,
    *,
    run_id: str | None,
    checkpoint_lines: tuple[str, ...],
    key_id: str,
    origin: str,
    verification: Mapping[str, str],
) -> bytes:
    """Return the report of a run as one HTML file.

    Parameters
    ----------
    snapshot : Path
        A published snapshot of the warehouse, or the workspace that has one.
    run_id : str or None
        The run; `None` takes the newest closed backtest run of the snapshot.
    checkpoint_lines : tuple of str
        The three lines of the newest checkpoint; empty when there is none.
    key_id : str
        Id of the key that signed it.
    origin : str
        Name of the ledger.
    verification : mapping of str to str
        What the verifier of the ledger found: name -> `PASS`, `FAIL` or `NONE`, with a reason after
        a colon. `chain` is joined with what SQL recomputed; others get a line of their own.

    Returns
    -------
    bytes
        UTF-8. The same snapshot and arguments give the same bytes.

    Raises
    ------
    SnapshotMissingError
        If there is no snapshot.
    NothingToReportError
        If the snapshot has no such run.
    UnexpectedAnswerError
        If the snapshot was made by another version.
    CitedRecordDiffersError
        If a mart cites a record that the ledger does not hold.
    """
    verified = Verified(checkpoint_lines, key_id, origin, verification)
    return render_report(snapshot, Request(run_id), verified)


def render_report(
    snapshot: Path, request: Request, verified: Verified, form: Form = "html"
) -> bytes:
    """Return what `request` asks for in one form; errors as `render`.

    Parameters
    ----------
    snapshot : Path
        A published snapshot of the warehouse, or the workspace that has one.
    request : Request
        Run, framework and period.
    verified : Verified
        What the caller knows of the ledger.
    form : {"html", "json", "md"}
        The same numbers in every form.
    """
    with open_snapshot(snapshot) as connection:
        evidence = Evidence(connection, request.period)
        if request.framework is None:
            page: Page | CompliancePage = compose_page(evidence, request.run_id, verified)
        else:
            page = compose_compliance(evidence, request, request.framework, verified)
        stamp = _stamp(page, request)
        if form == "html":
            return to_html(page, stamp, evidence)
        document = document_of(page, stamp, evidence)
        return to_json(document) if form == "json" else to_markdown(document)


def held_checkpoint(snapshot: Path) -> tuple[str, ...]:
    """Return the three lines of the newest checkpoint at or before the head of a snapshot.

    Unlike the newest checkpoint of the ledger it does not change when the ledger grows, so a report
    made with it is a function of the head. Empty when there is none.
    """
    with open_snapshot(snapshot) as connection:
        row = connection.execute(read_query("held_checkpoint")).fetchone()
    return tuple(row[0].partition("\n\n")[0].split("\n")) if row else ()


def held_key_id(snapshot: Path, name: str) -> str:
    """Return the id of the key of that name that signed the held checkpoint; empty if none did."""
    with open_snapshot(snapshot) as connection:
        held = Evidence(connection).held_note()
    if held is None:
        return ""
    signatures = parse_note(held.text.encode()).signatures
    return next((each.key_id.hex() for each in signatures if each.name == name), "")


def compose_page(evidence: Evidence, run_id: str | None, verified: Verified) -> Page:
    """Return the values of the page; the appendix last, for it lists what the others asked."""
    subject = choose_subject(evidence, run_id)
    integrity = evidence.ask("integrity").first
    if integrity is None:
        raise UnexpectedAnswerError(
            "expected one head, found none",
            where="health.fct_ledger_integrity",
            why="a report stands on the head of a ledger",
            fix="build the warehouse again: `assay build`",
        )
    measured = evidence.ask("metrics", run_id=subject.run_id)
    sampled = next(
        (row for row, book in zip(measured, subject.books, strict=True) if book == subject.main),
        subject.run,
    )
    marts = tell_marts(evidence)
    return Page(
        subject,
        integrity,
        evidence.cite(integrity),
        verified,
        judge(evidence, subject, integrity, verified),
        tell_check(subject, integrity, verified, evidence.cite(sampled)),
        tell_assumptions(evidence, subject),
        tell_scope(evidence, subject, integrity),
        tell_performance(evidence, subject),
        tell_weights(evidence, subject),
        tell_combination(evidence, subject),
        tell_health(evidence, subject),
        tell_decisions(evidence, subject),
        tell_exceptions(evidence, subject),
        tell_appendix(evidence, marts),
    )


def to_html(page: Page | CompliancePage, stamp: Stamp, evidence: Evidence) -> bytes:
    """Return the page as bytes of HTML."""
    style = _style() + _running_head(page)
    script = read_script()
    combined = isinstance(page, CompliancePage) or page.combination is not None
    if isinstance(page, CompliancePage):
        sections = [(section.anchor, section.title) for section in page.sections]
        blocks_of = {section.anchor: section.blocks for section in page.sections}
    else:
        sections = [entry for entry in SECTIONS if entry[0] != "combination" or combined]
        blocks_of = {}
    text = (
        _environment()
        .get_template("report.html")
        .render(
            page=page,
            sections=sections,
            blocks_of=blocks_of,
            opening="opening-compliance.html" if blocks_of else "opening.html",
            style=Markup(style),  # noqa: S704 - our own file
            style_sha256=policy_digest(style),
            script=Markup(script),  # noqa: S704 - our own file
            script_sha256=policy_digest(script),
            states=State,
            stamp=stamp.text,
            results_root=results_root(evidence.answers),
        )
    )
    return embed(text, stamp, evidence).encode()


def _stamp(page: Page | CompliancePage, request: Request) -> Stamp:
    return Stamp(
        page.subject.run_id,
        request.framework.id if request.framework else "",
        request.period.text if request.period else "",
        page.head.seq,
        page.head.hash,
        request.version,
        page.verified.vkey,
    )


def _running_head(page: Page | CompliancePage) -> str:
    """Return the rule that prints head and verdicts on every sheet; digits and hex only."""
    failed = sum(verdict.state is State.FAIL for verdict in page.verdicts)
    head = f"head {page.head.short}, {page.integrity.count('record_count')} records"
    size = "none" if page.verified.size is None else str(page.verified.size)
    left = f"assay report, {head}, checkpoint {size}, {failed} FAIL of {len(page.verdicts)}"
    return _PAGE_RULE.substitute(left=left)


def _style() -> str:
    place = files("warehouse.reports").joinpath("templates", "style.css")
    return place.read_text(encoding="utf-8")


@cache
def _environment() -> jinja2.Environment:
    """Return the templates: every text is escaped, and a name that is missing raises."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("warehouse.reports", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(count=count, percent=percent, proof=mark, kind=kind_of)
    environment.globals.update(plural=plural, minus=MINUS)
    return environment
