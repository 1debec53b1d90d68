"""`build`, `sql`, `ask`, `snapshot`, `lineage`: the warehouse and who reads from it."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flows.commands.answers import describe_head, hard_limits, judge_ledger, save_parquet
from flows.errors import UsageError
from flows.output import table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from flows.output import Output
    from flows.settings import Settings, Workspace
    from warehouse.query import Limits, QueryResult

FINDINGS = 1


def build(settings: Settings, output: Output, *, rebuild: bool) -> int:
    """Build the warehouse; exit 1 when recorded facts break a rule."""
    from flows.build_warehouse import build_warehouse  # noqa: PLC0415 - duckdb

    result = build_warehouse(settings, rebuild=rebuild)
    rows = [(mart.name, mart.rows, mart.sha256[:16]) for mart in result.marts]
    lines = [
        table(("mart", "rows", "sha256"), rows),
        f"\nthrough record {result.through_seq}, {result.seconds:.1f} s, {result.snapshot.name}",
    ]
    if result.loaded.anew:
        lines.append(f"the build file was made anew from the ledger: {result.loaded.anew}")
    lines += [f"finding {f.rule}: {f.count}" for f in result.findings]
    data = {**result.to_payload(), "snapshot": str(result.snapshot)}
    head = (result.through_hash, result.through_seq + 1)
    return output.done("\n".join(lines), data, code=FINDINGS if result.findings else 0, head=head)


@dataclass(frozen=True, slots=True)
class Form:
    """How an answer is given.

    Attributes
    ----------
    csv : bool
        CSV instead of columns.
    parquet : Path or None
        A Parquet file too.
    """

    csv: bool = False
    parquet: Path | None = None


@dataclass(frozen=True, slots=True)
class _Answered:
    """An answer, its statement, what the JSON object holds, and the text around the rows."""

    result: QueryResult
    statement: str
    data: dict[str, object]
    before: tuple[str, ...] = ()
    note: str = ""


def sql(
    settings: Settings,
    output: Output,
    statement: str | None,
    *,
    file: Path | None,
    limits: Limits,
    form: Form,
) -> int:
    """Run one SELECT on the published snapshot in the auditor's sandbox, or a shell for several."""
    from warehouse.query import format_json, run_query  # noqa: PLC0415 - duckdb

    workspace = settings.find_workspace()
    if statement is None and file is None and sys.stdin.isatty() and not output.as_json:
        return _shell(workspace, output, limits)
    text = _statement(statement, file)
    with hard_limits(output, limits):
        result = run_query(
            workspace.root, text, rows=limits.rows, seconds=limits.seconds, memory=limits.memory
        )
    return _give(workspace, output, _Answered(result, text, format_json(result)), form)


def _shell(workspace: Workspace, output: Output, limits: Limits) -> int:
    from flows.commands.shell import run_shell  # noqa: PLC0415 - duckdb
    from warehouse.snapshots import read_head  # noqa: PLC0415

    head = read_head(workspace.root)
    output.note(describe_head(head))
    output.warnings.extend(judge_ledger(workspace, head))
    output.note("one SELECT at a time, ended by a semicolon; Ctrl-C stops it, Ctrl-D leaves")
    run_shell(workspace.root, limits, show=print, history=workspace.warehouse / "history")
    return output.done("", None, head=(head.through_hash, head.through_seq + 1))


def _statement(statement: str | None, file: Path | None) -> str:
    """Return the statement given as argument, in a file, or on standard input."""
    if statement is not None and file is not None:
        raise UsageError(
            "a statement and a file with one",
            where="assay sql",
            why="one SELECT is answered at a time",
            fix="give the statement, or `-f FILE`",
        )
    if file is not None:
        try:
            return file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(
                "the file with the statement cannot be read",
                where=str(file),
                why=str(error),
                fix="name a text file with one SELECT",
            ) from error
    return sys.stdin.read() if statement in (None, "-") else str(statement)


def ask(
    settings: Settings,
    output: Output,
    number: int | None,
    values: Mapping[str, str],
    *,
    show_sql: bool,
    form: Form,
) -> int:
    """List the auditor's questions, or answer one; exit 0 whatever the answer."""
    from warehouse.query import format_json  # noqa: PLC0415 - duckdb
    from warehouse.questions import QUESTIONS  # noqa: PLC0415
    from warehouse.questions import ask as answer_question  # noqa: PLC0415

    if number is None:
        rows = [(q.number, q.title, ", ".join(p.name for p in q.parameters)) for q in QUESTIONS]
        listed = [{"number": q.number, "title": q.title} for q in QUESTIONS]
        return output.done(table(("no", "question", "parameters"), rows), listed)
    workspace = settings.find_workspace()
    answer = answer_question(workspace.root, number, values)
    title = f"Q{number:02d} {answer.question.title}"
    before = (title, "", answer.sql, "") if show_sql else (title, "")
    data = {
        "number": number,
        "title": answer.question.title,
        "sql": answer.sql,
        "note": answer.note,
        "answer": format_json(answer.result),
    }
    given = _Answered(answer.result, answer.sql, data, before, answer.note)
    return _give(workspace, output, given, form)


def _give(workspace: Workspace, output: Output, answered: _Answered, form: Form) -> int:
    """Print an answer with the head it stands on."""
    from warehouse.query import format_csv, format_table  # noqa: PLC0415 - duckdb
    from warehouse.snapshots import read_head  # noqa: PLC0415

    head = read_head(workspace.root)
    output.warnings.extend(judge_ledger(workspace, head))
    if form.parquet is not None:
        save_parquet(output, answered.result, form.parquet, head, answered.statement)
    if form.csv:
        text = format_csv(answered.result)
        output.note(describe_head(head))
    else:
        after = ["", answered.note] if answered.note else []
        shown = format_table(answered.result)
        text = "\n".join([*answered.before, shown, *after, "", describe_head(head)])
    return output.done(text, answered.data, head=(head.through_hash, head.through_seq + 1))


def read_parameters(
    number: int | None, values: Sequence[str], runs: Sequence[str]
) -> dict[str, str]:
    """Return the parameters of a question from `name=value` and repeated `--run`.

    Raises
    ------
    UsageError
        If one is not of that form, or the question does not take so many runs.
    """
    found = _parameters(values)
    if not runs or number is None:
        return found
    from warehouse.questions import find_question  # noqa: PLC0415 - duckdb

    names = [one.name for one in find_question(number).parameters if one.name.startswith("run_")]
    if len(runs) > len(names):
        raise UsageError(
            f"question {number} is about at most {len(names)} runs, found {len(runs)}",
            where="assay ask",
            why="`--run` names the runs that a question is about",
            fix="`assay ask` lists the parameters of each question",
        )
    return {**found, **dict(zip(names, runs, strict=False))}


def snapshots(settings: Settings, output: Output) -> int:
    """List the published snapshots: head, time, size, and which one answers."""
    from warehouse.build import SNAPSHOTS_KEPT  # noqa: PLC0415 - duckdb
    from warehouse.snapshots import list_snapshots  # noqa: PLC0415

    workspace = settings.find_workspace()
    found = list_snapshots(workspace.root)
    rows = [
        (
            "*" if one.is_current else "",
            one.head.through_seq,
            one.head.through_hash[:16],
            f"{one.built_at:%Y-%m-%dT%H:%M:%SZ}",
            f"{one.size / 2**20:.1f} MiB",
            one.path.name,
        )
        for one in found
    ]
    data = [
        {
            "path": str(one.path),
            "through_seq": one.head.through_seq,
            "through_hash": one.head.through_hash,
            "built_at": f"{one.built_at:%Y-%m-%dT%H:%M:%SZ}",
            "bytes": one.size,
            "current": one.is_current,
        }
        for one in found
    ]
    current = next((one.head for one in found if one.is_current), None)
    if current is not None:
        output.warnings.extend(judge_ledger(workspace, current))
    shown = table(("", "record", "head", "built", "size", "file"), rows)
    text = f"{shown}\n\nthe last {SNAPSHOTS_KEPT} are kept; questions are answered from *"
    head = None if current is None else (current.through_hash, current.through_seq + 1)
    return output.done(text if found else "no snapshot: run `assay build`", data, head=head)


def lineage(settings: Settings, output: Output, column: str) -> int:
    """Show from which fields of records a column of a mart is computed."""
    from warehouse.lineage import read_lineage  # noqa: PLC0415 - duckdb
    from warehouse.snapshots import read_head  # noqa: PLC0415

    workspace = settings.find_workspace()
    steps = read_lineage(workspace.root, column)
    head = read_head(workspace.root)
    lines = [
        f"{'  ' * step.depth}{step.column}" + (f"  <- {step.expression}" if step.expression else "")
        for step in steps
    ]
    data = [
        {
            "depth": step.depth,
            "column": str(step.column),
            "layer": step.layer,
            "expression": step.expression,
            "read_by": step.read_by,
        }
        for step in steps
    ]
    return output.done("\n".join(lines), data, head=(head.through_hash, head.through_seq + 1))


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
