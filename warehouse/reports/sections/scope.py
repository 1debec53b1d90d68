"""Section 4: what the report covers, and how the population was established."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from warehouse.reports.page import Column, Fact, Line, Table
from warehouse.reports.wording import ABSENT, count, parameter, words

if TYPE_CHECKING:
    from warehouse.reports.evidence import Evidence, Row
    from warehouse.reports.subject import Subject

MOST_RUNS = 12

_STATUSES = ("ok", "failed", "aborted", "open", "orphan")


@dataclass(frozen=True, slots=True)
class Scope:
    """Counts, the run's environment, its decisions by step, and the runs around it."""

    facts: tuple[Fact, ...]
    environment: tuple[Fact, ...]
    decisions: Table
    replays: Table
    runs: Table
    environment_changes: Table


def tell_scope(evidence: Evidence, subject: Subject, integrity: Row) -> Scope:
    """Return the population of the report."""
    return Scope(
        _facts(evidence, subject, integrity),
        _environment(evidence, subject),
        _decisions(evidence, subject),
        _replays(evidence, subject),
        _runs(evidence, subject),
        _environment_changes(evidence, subject),
    )


def _facts(evidence: Evidence, subject: Subject, integrity: Row) -> tuple[Fact, ...]:
    head, run = evidence.cite(integrity), evidence.cite(subject.run)
    trials = evidence.ask("trials", run_id=subject.run_id).first
    assert trials is not None  # noqa: S101 - an aggregate without GROUP BY has one row
    return (
        Fact("Records up to the head", count(integrity.count("record_count")), "integrity", head),
        Fact("Runs in the ledger", count(integrity.count("run_count")), "integrity", head),
        Fact("Intents in the ledger", count(integrity.count("intent_count")), "integrity", head),
        Fact("Intents of this run", count(subject.run.maybe_count("intent_count")), "run", run),
        Fact("Outcomes of this run", count(subject.run.maybe_count("outcome_count")), "run", run),
        Fact("Sleeves of this run", ", ".join(subject.sleeves) or ABSENT, "run", run),
        Fact("Cells tried in this run", count(trials.count("trials_of_run")), "trials", run),
        Fact("Cells tried in the ledger", count(trials.count("trials")), "trials", head),
    )


def _environment(evidence: Evidence, subject: Subject) -> tuple[Fact, ...]:
    run, ref = subject.run, evidence.cite(subject.run)
    texts = (
        ("Commit", run.text("commit_sha"), True),
        ("Tree", "dirty" if run.flag("is_dirty") else "clean", False),
        ("Lock file", run.maybe_text("lock_sha256") or ABSENT, True),
        ("Manifest", run.text("manifest_sha256"), True),
        ("Seed", parameter(str(run.count("seed"))), False),
        ("Python", run.maybe_text("python") or ABSENT, False),
        ("Platform", run.maybe_text("platform") or ABSENT, False),
        ("Processor", run.maybe_text("processor") or ABSENT, False),
        ("BLAS", _listed(run.maybe_text("blas")), False),
        ("Opened by", run.maybe_text("actor") or ABSENT, False),
        ("Opened", run.moment("opened_at"), False),
        ("Closed", run.moment("closed_at") or ABSENT, False),
        ("Closed as", run.text("close_status"), False),
    )
    return tuple(Fact(name, text, "run", ref, code) for name, text, code in texts)


def _listed(text: str | None) -> str:
    return parameter(text).strip("[]").replace('"', "") or ABSENT


def _decisions(evidence: Evidence, subject: Subject) -> Table:
    answer = evidence.ask("decisions_by_step", run_id=subject.run_id)
    columns = (
        Column("Step", "text"),
        Column("intents"),
        *(Column(status, group="status of the outcome") for status in _STATUSES),
        Column("sleeves"),
        Column("windows"),
    )
    lines = tuple(
        Line(
            (
                row.text("step"),
                count(row.count("intents")),
                *(count(row.count(status)) for status in _STATUSES),
                count(row.count("sleeves")),
                count(row.count("windows")),
            ),
            evidence.cite(row),
        )
        for row in answer
    )
    caption = "Decisions by step, with the first record of each"
    return Table("decisions-by-step", caption, columns, lines, answer.name)


def _replays(evidence: Evidence, subject: Subject) -> Table:
    answer = evidence.ask("replays", run_id=subject.run_id)
    columns = (Column("Verdict", "text"), Column("decisions"), Column("replays"))
    lines = tuple(
        Line(
            (
                words(row.text("verdict")),
                count(row.count("decisions")),
                count(row.count("replays")),
            ),
            evidence.cite(row),
        )
        for row in answer
    )
    return Table(
        "replays-table",
        "Decisions of this run that were replayed",
        columns,
        lines,
        answer.name,
        empty="None was replayed up to this head: assay replay --sample 25 replays some.",
    )


def _runs(evidence: Evidence, subject: Subject) -> Table:
    answer = evidence.ask("runs")
    columns = (
        Column("Run", "code"),
        Column("kind", "text"),
        Column("profile", "text"),
        Column("closed as", "text"),
        Column("tree", "text"),
        Column("intents"),
        Column("outcomes"),
    )
    lines = [
        Line(
            (
                row.text("run_id"),
                row.text("kind"),
                row.maybe_text("profile") or ABSENT,
                row.text("close_status"),
                "dirty" if row.flag("is_dirty") else "clean",
                count(row.maybe_count("intent_count")),
                count(row.maybe_count("outcome_count")),
            ),
            evidence.cite(row),
            "main" if row.text("run_id") == subject.run_id else "",
        )
        for row in list(answer)[:MOST_RUNS]
    ]
    omitted = len(answer) - len(lines)
    caption = "Runs of the ledger, newest first"
    return Table("runs-table", caption, columns, tuple(lines), answer.name, omitted=omitted)


def _environment_changes(evidence: Evidence, subject: Subject) -> Table:
    answer = evidence.ask("environment_changes", run_id=subject.run_id)
    columns = (Column("Field", "code"), Column("run before", "code"), Column("this run", "code"))
    lines = tuple(
        Line(
            (
                row.text("field"),
                row.maybe_text("previous_value") or ABSENT,
                row.maybe_text("value") or ABSENT,
            ),
            evidence.cite(row),
        )
        for row in answer
    )
    return Table(
        "environment-changes",
        "Environment: differences from the run before",
        columns,
        lines,
        answer.name,
        empty="No difference, or no run before this one.",
    )
