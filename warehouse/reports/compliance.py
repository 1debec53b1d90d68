"""The report of a framework: twelve sections over one run and the whole ledger around it.

Sections about decisions and returns are those of the plain report, limited to the period; what
people and machines did is limited by when it was recorded. Where there is nothing, the section says
that there is nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from warehouse.reports.document import Facts, Heading, Prose, Section, Verdicts, tabulate
from warehouse.reports.errors import UnexpectedAnswerError
from warehouse.reports.page import Column, Fact, State, Verdict
from warehouse.reports.sections.appendix import Appendix, tell_appendix, tell_marts
from warehouse.reports.sections.certificates import tell_certificates
from warehouse.reports.sections.check import Check, tell_check
from warehouse.reports.sections.custody import tell_custody
from warehouse.reports.sections.decisions import tell_decisions
from warehouse.reports.sections.health import tell_health
from warehouse.reports.sections.inventory import tell_inventory
from warehouse.reports.sections.mapping import tell_mapping, tell_sign_offs
from warehouse.reports.sections.performance import book_params
from warehouse.reports.sections.register import tell_register
from warehouse.reports.sections.returns import tell_returns
from warehouse.reports.sections.scope import tell_scope
from warehouse.reports.sections.sources import tell_sources
from warehouse.reports.sections.trading import tell_execution
from warehouse.reports.sections.verdicts import judge
from warehouse.reports.sections.weights import tell_weights
from warehouse.reports.subject import choose_subject
from warehouse.reports.wording import ABSENT, count, day, percent, plural, words

if TYPE_CHECKING:
    from warehouse.reports.document import Block
    from warehouse.reports.evidence import Evidence, RecordRef, Row
    from warehouse.reports.frameworks import Framework
    from warehouse.reports.page import Table
    from warehouse.reports.request import Request
    from warehouse.reports.sections.weights import Weights
    from warehouse.reports.subject import Subject, Verified

TITLES = {
    "identity": "Identity",
    "verdicts": "Verdicts",
    "scope": "Scope and population",
    "models": "Models and changes",
    "data": "Data",
    "decisions": "Decisions",
    "exceptions": "Exceptions",
    "performance": "Performance",
    "execution": "Execution",
    "replays": "Replay certificates",
    "retention": "Retention and access",
    "appendix": "Appendix",
}
"""Anchor and title of each section, in order."""

_ANCHORS = {"check": "identity", "health": "data"}
"""Sections of the plain report that have another name here."""

_COUNTED = (
    "Decisions, limits and returns count by the day they are for; what people and machines did "
    "counts by the time it was recorded, in UTC. The population is every record from the first to "
    "the head: the chain has no gap, and an intent is recorded before the work."
)
_LAST_REBALANCES = 60


@dataclass(frozen=True, slots=True)
class CompliancePage:
    """Everything that is shown of a framework report."""

    request: Request
    framework: Framework
    subject: Subject
    integrity: Row
    head: RecordRef
    verified: Verified
    verdicts: tuple[Verdict, ...]
    sections: tuple[Section, ...]

    @property
    def check(self) -> Check:
        """The checkpoint and the commands."""
        return next(b for s in self.sections for b in s.blocks if isinstance(b, Check))

    @property
    def appendix(self) -> Appendix:
        """Statements, marts, records and glossary."""
        return next(b for s in self.sections for b in s.blocks if isinstance(b, Appendix))

    @property
    def report_id(self) -> str:
        """Run, head, framework and period: what this report is about, and nothing else."""
        return report_id(self.subject.run_id, self.head, self.request)


def report_id(run_id: str, head: RecordRef, request: Request) -> str:
    """Return what names a report: run, head, framework and period."""
    parts = [f"{run_id}@{head.seq}-{head.short}"]
    parts += [request.framework.id] if request.framework else []
    parts += [request.period.text] if request.period else []
    return "/".join(parts)


def compose_compliance(
    evidence: Evidence, request: Request, framework: Framework, verified: Verified
) -> CompliancePage:
    """Return the twelve sections; the appendix last, for it lists what the others asked."""
    subject = choose_subject(evidence, request.run_id)
    integrity = evidence.ask("integrity").first
    if integrity is None:
        raise UnexpectedAnswerError(
            "expected one head, found none",
            where="health.fct_ledger_integrity",
            why="a report stands on the head of a ledger",
            fix="build the warehouse again: `assay build`",
        )
    verdicts = _judge(evidence, subject, integrity, verified, request)
    scope = tell_scope(evidence, subject, integrity)
    weights = tell_weights(evidence, subject)
    health = tell_health(evidence, subject)
    blocks: dict[str, tuple[Block, ...]] = {
        "identity": _identity(evidence, subject, integrity, verified, request),
        "verdicts": (Verdicts(verdicts),),
        "scope": (
            Prose(_COUNTED),
            Facts(scope.facts),
            _population(evidence, request),
            scope.decisions,
            _gaps(evidence, request),
            scope.runs,
            Heading("Environment of the run"),
            Facts(scope.environment),
        ),
        "models": tell_inventory(evidence, request),
        "data": tell_sources(evidence, subject, request, health),
        "decisions": (
            *_decided(evidence, subject, weights),
            health.solver,
            health.fallbacks,
            health.fallbacks_by_regime,
            *tell_decisions(evidence, subject).vetoes,
        ),
        "exceptions": tell_register(evidence, subject, request),
        "performance": tell_returns(evidence, subject, request),
        "execution": tell_execution(evidence, subject, request, weights),
        "replays": tell_certificates(evidence, request, scope),
        "retention": tell_custody(evidence, request),
    }
    signed = tell_sign_offs(evidence, verified.origin)
    mapped = tell_mapping(evidence, framework, TITLES)
    marts = tell_marts(evidence)
    blocks["appendix"] = (*signed, *mapped, tell_appendix(evidence, marts))
    sections = tuple(Section(anchor, title, blocks[anchor]) for anchor, title in TITLES.items())
    head = evidence.cite(integrity)
    return CompliancePage(
        request, framework, subject, integrity, head, verified, verdicts, sections
    )


def _judge(
    evidence: Evidence, subject: Subject, integrity: Row, verified: Verified, request: Request
) -> tuple[Verdict, ...]:
    """Return the verdicts of the plain report, and those about people and clocks."""
    judged = [
        replace(verdict, section=_ANCHORS.get(verdict.section, verdict.section))
        for verdict in judge(evidence, subject, integrity, verified)
    ]
    judged += [_approvals(evidence, request), _clock(integrity)]
    return tuple(sorted(judged, key=lambda verdict: verdict.state))


def _approvals(evidence: Evidence, request: Request) -> Verdict:
    gates = list(evidence.ask("gates", **request.days))
    if not gates:
        reason = f"No live run was opened {request.spoken}, so none needed an approval."
        return Verdict("approvals", State.NONE, reason, "gates", "models")
    shut = sum(row.text("found_status") != "passed" for row in gates)
    state = State.FAIL if shut else State.PASS
    reason = f"{plural(len(gates), 'gate')} of live runs asked again, {count(shut)} not passed."
    return Verdict("approvals", state, reason, "gates", "models")


def _clock(integrity: Row) -> Verdict:
    back = integrity.count("backward_time_count")
    if back:
        reason = f"Time went back {plural(back, 'time')}."
        return Verdict("clock", State.FAIL, reason, "integrity", "scope")
    reason = "Times never go back; no source of time is recorded, so the time of day is a claim."
    return Verdict("clock", State.NONE, reason, "integrity", "scope")


def _identity(
    evidence: Evidence,
    subject: Subject,
    integrity: Row,
    verified: Verified,
    request: Request,
) -> tuple[Block, ...]:
    framework = request.framework
    assert framework is not None  # noqa: S101 - who composes this page has one
    run, head = subject.run, evidence.cite(integrity)
    ref = evidence.cite(run)
    size = verified.size
    facts = (
        Fact("Framework", f"{framework.title} ({framework.id})"),
        Fact("Period", "all that is recorded" if request.period is None else request.period.words),
        Fact("Report", report_id(subject.run_id, head, request), code=True),
        Fact("Entity", "not recorded: the ledger knows the name of its origin only"),
        Fact("Ledger", verified.origin, code=True),
        Fact("Strategy", run.maybe_text("profile") or ABSENT, "run", ref),
        Fact("Run", subject.run_id, "run", ref, code=True),
        Fact("Head", head.hash, "integrity", head, code=True),
        Fact("Records", count(integrity.count("record_count")), "integrity", head),
        Fact("Checkpoint", "none" if size is None else f"size {count(size)}"),
        Fact("Key", verified.key_id, code=True),
        Fact("Software", request.version or ABSENT),
        Fact("Commit of the run", run.text("commit_sha"), "run", ref, code=True),
        Fact("Tree of the run", "dirty" if run.flag("is_dirty") else "clean", "run", ref),
    )
    check = tell_check(subject, integrity, verified, ref, _flags(request, framework))
    marts = replace(tell_marts(evidence), id="identity-marts")
    return (Facts(facts), marts, Heading("Check this without us", "check"), check)


def _flags(request: Request, framework: Framework) -> str:
    period = "" if request.period is None else f" --period {request.period.text}"
    return f" --framework {framework.id}{period}"


def _population(evidence: Evidence, request: Request) -> Table:
    return tabulate(
        evidence,
        evidence.ask("period_population"),
        "population-table",
        f"Decisions {request.spoken}, every run of the ledger",
        (
            (Column("Kind of run", "text"), lambda row: row.text("kind")),
            (Column("step", "code"), lambda row: row.text("step")),
            (Column("runs"), lambda row: count(row.count("runs"))),
            (Column("intents"), lambda row: count(row.count("intents"))),
            (Column("outcomes"), lambda row: count(row.count("outcomes"))),
            (Column("orders"), lambda row: count(row.count("orders"))),
            (Column("first day", "date"), lambda row: day(row.maybe_day("first_date"))),
            (Column("last day", "date"), lambda row: day(row.maybe_day("last_date"))),
        ),
        empty=f"Nothing was decided {request.spoken}.",
    )


def _gaps(evidence: Evidence, request: Request) -> Table:
    return tabulate(
        evidence,
        evidence.ask("gaps", **request.days),
        "gaps-table",
        "The longest pauses between consecutive records of a run",
        (
            (Column("Run", "code"), lambda row: row.maybe_text("run_id") or ABSENT),
            (Column("seconds"), lambda row: row.plain("seconds")),
            (Column("from", "date"), lambda row: row.moment("previous_at")),
            (Column("to", "date"), lambda row: row.moment("recorded_at")),
        ),
        empty=f"No run recorded anything {request.spoken}.",
    )


def _decided(evidence: Evidence, subject: Subject, weights: Weights) -> tuple[Block, ...]:
    """Return the rebalances of the main book, its weights, and the limits of every book."""
    charts = [chart for chart in (weights.weights, weights.caps) if chart is not None]
    listed = [] if subject.main is None else [_rebalances(evidence, subject)]
    return (
        *listed,
        *charts,
        Heading("Limits", "limits"),
        weights.breaches,
        weights.relaxations,
        weights.limits,
    )


def _rebalances(evidence: Evidence, subject: Subject) -> Table:
    answer = evidence.ask("rebalances", **book_params(subject))
    return tabulate(
        evidence,
        answer,
        "rebalances-table",
        f"Rebalances of {subject.main.name if subject.main else ABSENT}",
        (
            (Column("For", "date"), lambda row: day(row.maybe_day("as_of_date"))),
            (Column("symbols"), lambda row: count(row.maybe_count("symbols"))),
            (Column("selected"), lambda row: count(row.maybe_count("selected"))),
            (Column("vetoed"), lambda row: count(row.maybe_count("vetoed"))),
            (Column("regime", "text"), lambda row: row.maybe_text("regime") or ABSENT),
            (Column("engine", "text"), lambda row: row.maybe_text("actual_engine") or ABSENT),
            (
                Column("solver", "text"),
                lambda row: words(row.maybe_text("solver_status") or ABSENT),
            ),
            (Column("fallbacks"), lambda row: count(row.maybe_count("fallback_count"))),
            (Column("weights"), lambda row: count(row.maybe_count("weight_count"))),
            (Column("binding"), lambda row: count(row.maybe_count("binding"))),
            (Column("exceeded"), lambda row: count(row.maybe_count("breached"))),
            (Column("least slack"), lambda row: percent(row.maybe("least_slack"), 2)),
        ),
        empty="Nothing was rebalanced in the period.",
        most=_LAST_REBALANCES,
    )
