"""`build`, `sql`, `ask`, `report`: the warehouse and what is read from it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from flows.errors import UsageError
from flows.output import table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from flows.output import Output
    from flows.settings import Settings

FINDINGS = 1
INTEGRITY = 3


def build(settings: Settings, output: Output, *, rebuild: bool) -> int:
    """Build the warehouse; exit 1 when recorded facts break a rule."""
    from flows.build_warehouse import build_warehouse  # noqa: PLC0415 - duckdb

    result = build_warehouse(settings, rebuild=rebuild)
    rows = [(mart.name, mart.rows, mart.sha256[:16]) for mart in result.marts]
    lines = [
        table(("mart", "rows", "sha256"), rows),
        f"\nthrough record {result.through_seq}, {result.seconds:.1f} s, {result.snapshot.name}",
    ]
    lines += [f"finding {f.rule}: {f.count}" for f in result.findings]
    data = {**result.to_payload(), "snapshot": str(result.snapshot)}
    head = (result.through_hash, result.through_seq + 1)
    return output.done("\n".join(lines), data, code=FINDINGS if result.findings else 0, head=head)


def sql(
    settings: Settings,
    output: Output,
    statement: str,
    *,
    limit: int,
    seconds: float,
    csv: bool,
) -> int:
    """Run one SELECT on the published snapshot in the auditor's sandbox."""
    from warehouse.query import format_csv, format_json, format_table, run_query  # noqa: PLC0415

    text = sys.stdin.read() if statement == "-" else statement
    result = run_query(settings.find_workspace().root, text, rows=limit, seconds=seconds)
    shown = format_csv(result) if csv else format_table(result)
    return output.done(shown, format_json(result))


def ask(
    settings: Settings,
    output: Output,
    number: int | None,
    values: Sequence[str],
    *,
    show_sql: bool,
) -> int:
    """List the auditor's questions, or answer one; exit 0 whatever the answer."""
    from warehouse.query import format_json, format_table  # noqa: PLC0415
    from warehouse.questions import QUESTIONS  # noqa: PLC0415
    from warehouse.questions import ask as answer_question  # noqa: PLC0415

    if number is None:
        rows = [(q.number, q.title, ", ".join(p.name for p in q.parameters)) for q in QUESTIONS]
        listed = [{"number": q.number, "title": q.title} for q in QUESTIONS]
        return output.done(table(("no", "question", "parameters"), rows), listed)
    answer = answer_question(settings.find_workspace().root, number, _parameters(values))
    lines = [f"Q{number:02d} {answer.question.title}", ""]
    if show_sql:
        lines += [answer.sql, ""]
    lines += [format_table(answer.result), "", answer.note]
    data = {
        "number": number,
        "title": answer.question.title,
        "sql": answer.sql,
        "note": answer.note,
        "answer": format_json(answer.result),
    }
    return output.done("\n".join(lines), data)


def _parameters(values: Sequence[str]) -> dict[str, str]:
    found = {}
    for value in values:
        name, separator, text = value.partition("=")
        if not separator:
            raise UsageError(
                f"parameter {value!r} has no `=`",
                where="assay ask",
                why="a question takes named parameters",
                fix="write it as `assay ask 6 run_a=RUN run_b=RUN`; `assay ask` lists the names",
            )
        found[name] = text
    return found


def report(settings: Settings, output: Output, *, run_id: str | None, out: Path | None) -> int:
    """Render the report of a run as one HTML file."""
    from flows.reporting import write_report  # noqa: PLC0415 - duckdb and jinja2

    written = write_report(settings, run_id=run_id, out=out)
    data = {"path": str(written.path), "sha256": written.sha256, "bytes": written.size}
    text = f"{written.path}\nsha256 {written.sha256}, {written.size:,} bytes"
    if not written.verified:
        output.warnings.append("the ledger does not verify; the report says FAIL: `assay verify`")
    return output.done(text, data, code=0 if written.verified else INTEGRITY)
