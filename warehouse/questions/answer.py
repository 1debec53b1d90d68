"""Answers one question from the published snapshot."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, NoReturn

from warehouse.errors import UnknownQuestionError
from warehouse.query import ROWS, SECONDS, run_query
from warehouse.questions.registry import QUESTIONS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from warehouse.query import QueryResult
    from warehouse.questions.registry import Parameter, Question

Value = str | int | date | None


@dataclass(frozen=True, slots=True)
class Answer:
    """A question, its statement and what the snapshot says.

    Attributes
    ----------
    question : Question
        What was asked.
    sql : str
        The statement as run.
    parameters : mapping of str to value
        What `$name` stood for; None where the default was taken.
    result : QueryResult
        The rows.
    note : str
        What the rows, or their absence, mean, and what they do not show.
    """

    question: Question
    sql: str
    parameters: Mapping[str, Value]
    result: QueryResult
    note: str


def ask(
    place: Path,
    number: int,
    values: Mapping[str, str] | None = None,
    *,
    rows: int = ROWS,
    seconds: float = SECONDS,
) -> Answer:
    """Answer question `number` from a snapshot.

    Parameters
    ----------
    place : Path
        Workspace folder (`.assay`) or snapshot file.
    number : int
        Number of the question.
    values : mapping of str to str, optional
        Parameter -> text of its value.
    rows, seconds : int, float
        Limits, as in `run_query`.

    Raises
    ------
    UnknownQuestionError
        If there is no such question, or no such parameter, or a value cannot be read.
    """
    question = find_question(number)
    given = dict(values or {})
    parameters = {one.name: _read(one, given.pop(one.name, None)) for one in question.parameters}
    if given:
        names = ", ".join(one.name for one in question.parameters) or "none"
        _refuse(question, f"no parameter {min(given)!r}; there are: {names}")
    result = run_query(place, question.sql, parameters, rows=rows, seconds=seconds)
    meaning = [] if result.rows else [question.when_empty]
    note = " ".join([*meaning, question.note])
    return Answer(question, question.sql, parameters, result, note)


def find_question(number: int) -> Question:
    """Return the question of that number.

    Raises
    ------
    UnknownQuestionError
        If there is none.
    """
    for question in QUESTIONS:
        if question.number == number:
            return question
    raise UnknownQuestionError(
        f"there is no question {number}; the last is {QUESTIONS[-1].number}",
        where="assay ask",
        why="questions have fixed numbers, so that an answer can be cited",
        fix="run `assay ask` for the list",
    )


def _read(parameter: Parameter, text: str | None) -> Value:
    if text is None or parameter.kind == "text":
        return text
    try:
        return int(text) if parameter.kind == "count" else date.fromisoformat(text)
    except ValueError:
        expected = {"count": "a whole number", "date": "a day as 2026-01-31"}[parameter.kind]
        _refuse(None, f"{parameter.name} is {text!r}; expected {expected}")


def _refuse(question: Question | None, what: str) -> NoReturn:
    raise UnknownQuestionError(
        what,
        where="assay ask" if question is None else f"question {question.number}",
        why="a question takes the parameters that it names",
        fix="run `assay ask` for the parameters of each question",
    )
