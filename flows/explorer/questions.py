"""Ask and SQL: the auditor's questions, and one SELECT in the sandbox."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from starlette.responses import Response

from flows.explorer.rendering import Cell, Column, Table, address, record_link, shown
from flows.explorer.sandbox import ROWS, SECONDS
from ledger import is_digest
from warehouse.query import format_csv, format_json
from warehouse.questions.answer import ask as answer
from warehouse.questions.answer import find_question
from warehouse.questions.registry import QUESTIONS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flows.explorer.view import View

FORMATS = ("html", "csv", "json")
EXAMPLE = "select run_id, kind, profile, opened_at, close_status from meta.dim_runs"


def questions(view: View) -> Response:
    """Return the list of questions."""
    return view.page("ask.html", "ask", "Ask and SQL", questions=QUESTIONS, example=EXAMPLE)


def question(view: View) -> Response:
    """Return one question with its answer from the snapshot."""
    text = str(view.request.path_params["number"])
    if not (text.isascii() and text.isdecimal() and len(text) < 4):  # noqa: PLR2004 - digits
        raise view.refused(f"question {text[:20]!r}", f"a number from 1 to {len(QUESTIONS)}")
    asked = find_question(int(text))
    form = view.choice("format", FORMATS, "html")
    given = dict(view.request.query_params)
    given.pop("format", None)
    values = {name: value for name, value in given.items() if value.strip()}
    found = answer(view.place, asked.number, values, rows=ROWS, seconds=SECONDS)
    if form == "csv":
        return _csv(format_csv(found.result), f"q{asked.number:02d}.csv")
    if form == "json":
        return _json({**format_json(found.result), **_stands_on(view)}, f"q{asked.number:02d}.json")
    path = f"/ask/{asked.number}"
    return view.page(
        "question.html",
        "ask",
        f"Question {asked.number}",
        question=asked,
        path=path,
        values=values,
        table=_table("Answer", found.result.columns, found.result.rows, asked.when_empty),
        truncated=found.result.truncated,
        most=ROWS,
        note=found.note,
        links=[(form, address(path, {**values, "format": form})) for form in FORMATS[1:]],
    )


def sql(view: View) -> Response:
    """Return what one SELECT answers, from a process of its own."""
    statement = view.text("q")
    if not statement:
        raise view.refused("no statement", f"one SELECT, such as {EXAMPLE}")
    form = view.choice("format", FORMATS, "html")
    found = view.site.sandbox.answer(statement)
    if form == "csv":
        return _csv(found.csv, "answer.csv")
    if form == "json":
        parts = {
            "columns": found.columns,
            "types": found.types,
            "rows": found.rows,
            "truncated": found.truncated,
        }
        return _json({**parts, **_stands_on(view)}, "answer.json")
    return view.page(
        "sql.html",
        "ask",
        "SQL",
        statement=statement,
        table=_table("Answer", found.columns, found.rows, "No row."),
        truncated=found.truncated,
        most=ROWS,
        links=[(form, address("/sql", {"q": statement, "format": form})) for form in FORMATS[1:]],
    )


def _stands_on(view: View) -> dict[str, object]:
    """Return the record that an answer was derived through."""
    head = view.snapshot.head
    if head is None:
        return {}
    return {"through_seq": head.through_seq, "through_hash": head.through_hash}


def _table(
    caption: str, names: Sequence[str], rows: Sequence[Sequence[object]], empty: str
) -> Table:
    """Return an answer as a table; a hash of a record leads to it."""
    numeric = [_is_numeric([row[at] for row in rows]) for at in range(len(names))]
    heads = [
        Column(name, "number" if right else "code")
        for name, right in zip(names, numeric, strict=True)
    ]
    linked = [name.endswith("record_hash") or name == "hash" for name in names]
    filled = [
        [
            record_link(str(value), str(value)) if link and is_digest(value) else _cell(value)
            for value, link in zip(row, linked, strict=True)
        ]
        for row in rows
    ]
    return Table(caption, heads, filled, empty)


def _is_numeric(values: Sequence[object]) -> bool:
    """Tell whether a column holds numbers, and nothing else where it is not empty."""
    found = [value for value in values if value is not None]
    return bool(found) and all(
        isinstance(value, int | float) and not isinstance(value, bool) for value in found
    )


def _cell(value: object) -> Cell:
    if isinstance(value, list | dict):
        return Cell(json.dumps(value, ensure_ascii=False, default=str))
    return Cell(shown(value))


def _csv(text: str, name: str) -> Response:
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    return Response(text + "\n", media_type="text/csv; charset=utf-8", headers=headers)


def _json(value: object, name: str) -> Response:
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    text = json.dumps(value, indent=2, ensure_ascii=False)
    return Response(text + "\n", media_type="application/json", headers=headers)
