"""The same report as JSON and as Markdown: the blocks of the page, spelled for other readers."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from warehouse.reports.compliance import CompliancePage
from warehouse.reports.document import Facts, Heading, Prose, Section, Verdicts, kind_of
from warehouse.reports.evidence import RecordRef
from warehouse.reports.page import Chart, Table
from warehouse.reports.sections.check import Check
from warehouse.reports.sections.returns import BANNER
from warehouse.reports.selfcheck import results_root
from warehouse.reports.traced import Shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from warehouse.reports.document import Block
    from warehouse.reports.evidence import Answer, Evidence
    from warehouse.reports.page import Column, Fact, Verdict
    from warehouse.reports.render import Page
    from warehouse.reports.sections.appendix import Appendix
    from warehouse.reports.stamp import Stamp
    from warehouse.reports.subject import Verified


@dataclass(frozen=True, slots=True)
class Document:
    """A report without its form.

    Attributes
    ----------
    id : str
        Run, head, framework and period.
    stamp : Stamp
        What it was made from.
    verified : Verified
        Checkpoint and key.
    verdicts : tuple of Verdict
    sections : tuple of Section
    answers : tuple of Answer
        Every statement with its result.
    """

    id: str
    stamp: Stamp
    verified: Verified
    verdicts: tuple[Verdict, ...]
    sections: tuple[Section, ...]
    answers: tuple[Answer, ...]


class Result(NamedTuple):
    """An answer with its digest, which is computed once."""

    answer: Answer
    sha256: str


Results: TypeAlias = "dict[str, Result]"


def document_of(page: Page | CompliancePage, stamp: Stamp, evidence: Evidence) -> Document:
    """Return what a page shows, without its form."""
    sections = page.sections if isinstance(page, CompliancePage) else _sections(page)
    return Document(page.report_id, stamp, page.verified, page.verdicts, sections, evidence.answers)


def _sections(page: Page) -> tuple[Section, ...]:
    """Return the sections of the plain report as blocks; small drawings stand in its tables."""
    told, combined = page.performance, page.combination
    performance: tuple[Block, ...] = (Prose("No book was measured in this run.", "none"),)
    if told is not None:
        performance = (told.metrics, told.curve, told.months, told.years, told.checks)
    charts = (page.weights.weights, page.weights.turnover, page.weights.caps)
    blocks: dict[str, tuple[Block | None, ...]] = {
        "Verdicts": (Verdicts(page.verdicts),),
        "Check this without us": (page.check,),
        "Assumptions": (page.assumptions.table, page.assumptions.parameters),
        "Scope": (
            Facts(page.scope.facts),
            page.scope.decisions,
            page.scope.replays,
            page.scope.runs,
            Facts(page.scope.environment),
            page.scope.environment_changes,
        ),
        "Performance": (Prose(BANNER, "banner"), *performance),
        "Weights and limits": (
            *charts,
            page.weights.breaches,
            page.weights.relaxations,
            page.weights.limits,
        ),
        "Meta-portfolio": ()
        if combined is None
        else (combined.sleeves, combined.weights, combined.conservation, combined.flattened),
        "Health": (
            page.health.failures,
            page.health.solver,
            page.health.fallbacks,
            page.health.fallbacks_by_regime,
        ),
        "Decisions": (page.decisions.recent, *page.decisions.vetoes),
        "Exceptions": (
            page.exceptions.findings,
            page.exceptions.unsuccessful,
            page.exceptions.replays,
            page.exceptions.runs,
        ),
        "Appendix": (page.appendix,),
    }
    return tuple(
        Section(title.lower().replace(" ", "-"), title, tuple(b for b in found if b is not None))
        for title, found in blocks.items()
        if found
    )


def to_json(document: Document) -> bytes:
    """Return the report as JSON: every number with its query, result, cell and record."""
    results = {answer.name: Result(answer, answer.sha256) for answer in document.answers}
    data = {
        "stamp": json.loads(document.stamp.text),
        "report_id": document.id,
        "hypothetical": BANNER,
        "checkpoint": list(document.verified.checkpoint_lines),
        "key_id": document.verified.key_id,
        "origin": document.verified.origin,
        "verdicts": [_verdict(each) for each in document.verdicts],
        "sections": [
            {
                "anchor": section.anchor,
                "title": section.title,
                "blocks": [_block(block, results) for block in section.blocks],
            }
            for section in document.sections
        ],
        "results": {
            name: {"sha256": each.sha256, "rows": len(each.answer), "sql": each.answer.sql}
            for name, each in results.items()
        },
        "results_root": results_root(document.answers),
    }
    text = json.dumps(data, ensure_ascii=False, indent=1, sort_keys=True, allow_nan=False)
    return f"{text}\n".encode()


def _verdict(verdict: Verdict) -> dict[str, object]:
    return {
        "name": verdict.name,
        "state": verdict.state.name,
        "reason": verdict.reason,
        "query": verdict.query,
        "section": verdict.section,
    }


def _block(block: Block, results: Results) -> dict[str, object]:  # noqa: PLR0911 - one a kind
    kind = {"kind": kind_of(block)}
    if isinstance(block, Prose | Heading):
        return {**kind, "text": block.text}
    if isinstance(block, Facts):
        return {**kind, "facts": [_fact(each, results) for each in block.facts]}
    if isinstance(block, Table):
        return {**kind, **_table(block, results)}
    if isinstance(block, Chart):
        return {**kind, "caption": block.caption, "table": _table(block.table, results)}
    if isinstance(block, Verdicts):
        return {**kind, "verdicts": [each.name for each in block.verdicts]}
    if isinstance(block, Check):
        commands = [
            {"title": each.title, "command": each.text, "expect": each.expect}
            for each in block.commands
        ]
        return {**kind, "commands": commands}
    return {
        **kind,
        "marts": _table(block.marts, results),
        "records": _table(block.records, results),
        "glossary": dict(block.glossary),
    }


def _fact(fact: Fact, results: Results) -> dict[str, object]:
    said = {"name": fact.name, **_cell(fact.text, results), **_query(fact.query, results)}
    return said if fact.ref is None else {**said, "record": _record(fact.ref)}


def _table(table: Table, results: Results) -> dict[str, object]:
    return {
        "id": table.id,
        "caption": table.caption,
        **_query(table.query, results),
        "also": list(table.also),
        "columns": [_heading(c) for c in table.columns],
        "omitted": table.omitted,
        "empty": "" if table.lines else table.empty,
        "rows": [
            {
                "cells": [_cell(value, results) for value in line.cells],
                **({} if line.ref is None else {"record": _record(line.ref)}),
            }
            for line in table.lines
        ],
    }


def _query(name: str, results: Results) -> dict[str, object]:
    return {"query": name, "result_sha256": results[name].sha256} if name in results else {}


def _cell(value: str | RecordRef, results: Results) -> dict[str, object]:
    if isinstance(value, RecordRef):
        return {"record": _record(value)}
    if not isinstance(value, Shown):
        return {"text": value}
    query, row, column = value.origin
    return {
        "text": str(value),
        "value": results[query].answer.values[row][column],
        "query": query,
        "result_sha256": results[query].sha256,
        "row": row,
        "column": results[query].answer.columns[column],
    }


def _record(ref: RecordRef) -> dict[str, object]:
    return {"seq": ref.seq, "hash": ref.hash}


def to_markdown(document: Document) -> bytes:
    """Return the report as Markdown; drawings are left out, their tables stand."""
    lines = [
        f"<!-- {document.stamp.text.replace('--', chr(92) + 'u002d-')} -->",
        f"# Report {document.id}",
        "",
        f"**{BANNER}**",
        "",
        "```",
        *document.verified.checkpoint_lines,
        "```",
    ]
    for number, section in enumerate(document.sections, start=1):
        lines += ["", f"## {number} {section.title}"]
        for block in section.blocks:
            lines += ["", *_markdown(block)]
    lines += ["", f"Results `{results_root(document.answers)}`.", ""]
    return "\n".join(lines).encode()


def _markdown(block: Block) -> list[str]:  # noqa: PLR0911 - one a kind
    if isinstance(block, Prose):
        return [_escape(block.text)]
    if isinstance(block, Heading):
        return [f"### {_escape(block.text)}"]
    if isinstance(block, Facts):
        return [f"- {_escape(each.name)}: {_escape(each.text)}" for each in block.facts]
    if isinstance(block, Table):
        return _grid(block)
    if isinstance(block, Chart):
        return _grid(block.table)
    if isinstance(block, Verdicts):
        return [
            f"- **{each.state.name}** {_escape(each.name)}: {_escape(each.reason)}"
            for each in block.verdicts
        ]
    if isinstance(block, Check):
        said = [(c.title, ["```", c.text, "```", f"expect `{c.expect}`"]) for c in block.commands]
        return [line for title, rest in said for line in (_escape(title), "", *rest, "")]
    return _appendix(block)


def _appendix(appendix: Appendix) -> list[str]:
    lines = ["### Statements"]
    for query in appendix.queries:
        said = f"`{query.name}`, {query.rows} rows, SHA-256 `{query.sha256}`"
        lines += ["", said, "", "```sql", query.sql, "```"]
    lines += ["", "### Marts", "", *_grid(appendix.marts)]
    lines += ["", "### Records", "", *_grid(appendix.records), "", "### Glossary", ""]
    return lines + [f"- **{word}**: {_escape(meaning)}" for word, meaning in appendix.glossary]


def _grid(table: Table) -> list[str]:
    if not table.lines:
        return [f"**{_escape(table.caption)}.** {_escape(table.empty)}"]
    cites = table.cites
    heads = [_heading(column) for column in table.columns] + (["record"] if cites else [])
    ruler = ["---:" if column.kind == "num" else "---" for column in table.columns]
    rows = [_row([_escape(head) for head in heads])]
    rows.append(_row(ruler + (["---"] if cites else [])))
    for line in table.lines:
        ends = [_reference(line.ref) if line.ref else ""] if cites else []
        rows.append(_row([_spell(value) for value in line.cells] + ends))
    said = f" Query `{table.query}`." if table.query else ""
    more = [f"{table.omitted} more rows not shown."] if table.omitted else []
    return [f"**{_escape(table.caption)}.**{said}", "", *rows, *([""] if more else []), *more]


def _heading(column: Column) -> str:
    return f"{column.group} {column.label}".strip()


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _spell(value: str | RecordRef) -> str:
    return _reference(value) if isinstance(value, RecordRef) else _escape(value)


def _reference(ref: RecordRef) -> str:
    return f"{ref.seq} `{ref.short}`"


_SPECIAL = frozenset("\\`*_[]<>|#&")


def _escape(text: str) -> str:
    """Return `text` so that Markdown shows it as it is, on one line."""
    plain = " ".join(text.split("\n"))
    return "".join(f"\\{char}" if char in _SPECIAL else char for char in plain)
