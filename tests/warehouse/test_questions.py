"""Each question finds exactly the defect that was put in, and nothing where there is none."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
import sqlglot

from ledger import tree_root
from tests.warehouse.derivation import derive
from tests.warehouse.payloads import digest_of
from tests.warehouse.synthetic import (
    KEY,
    Size,
    changed,
    records_of,
    relinked,
    seal_all,
    tell,
    write_workspace,
)
from warehouse.errors import UnknownQuestionError
from warehouse.query import check_statement
from warehouse.questions import QUESTIONS, ask, find_question

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from ledger import Draft

RUN = "20261120T040000Z-demo"
CRASHED = "20261126T040000Z-demo"


def answers(place: Path, number: int, values: Mapping[str, str] | None = None) -> list[Any]:
    """Return the rows of an answer as dictionaries."""
    result = ask(place, number, values).result
    return [dict(zip(result.columns, row, strict=True)) for row in result.rows]


def derived_with(tmp_path: Path, change: Callable[[list[Draft]], Any], **options: Any) -> Path:
    """Return the database of the story with a defect."""
    return derive(write_workspace(tmp_path, change=change, **options))


def edited(id_: str, type_: str, edit: Callable[[Any], None]) -> Callable[[list[Draft]], Any]:
    """Return a change of one record."""
    return lambda drafts: changed(drafts, id_, type_, edit)


def copy_of_run(drafts: list[Draft], edit: Callable[[Draft], Draft]) -> list[Draft]:
    """Return the drafts with the backtest once more at the end, every draft edited."""

    def renamed(value: Any) -> Any:
        if isinstance(value, str):
            return value.replace(RUN, "20261127T040000Z-demo")
        if isinstance(value, dict):
            return {key: renamed(member) for key, member in value.items()}
        return [renamed(member) for member in value] if isinstance(value, list) else value

    again = [
        edit(
            replace(
                draft,
                run_id=renamed(draft.run_id),
                id=renamed(draft.id),
                data=renamed(copy.deepcopy(dict(draft.data))),
            )
        )
        for draft in drafts
        if draft.run_id == RUN
    ]
    return relinked([*drafts, *again])


@pytest.mark.parametrize("number", [1, 2, 3, 9, 11])
def test_a_sound_ledger_gives_no_answer(derived: Path, number: int) -> None:
    """Where nothing is wrong, no row is returned, and the note says what that means."""
    answer = ask(derived, number)
    assert answer.result.rows == ()
    assert answer.note.startswith(answer.question.when_empty)


def test_questions_are_numbered_described_and_one_statement() -> None:
    """A question can be cited by number and copied into any DuckDB shell."""
    numbers = [question.number for question in QUESTIONS]
    assert numbers == sorted(set(numbers))
    for question in QUESTIONS:
        assert question.title.endswith("?")
        assert question.note
        assert question.when_empty.endswith(".")
        check_statement(question.sql)
        (tree,) = sqlglot.parse(question.sql, dialect="duckdb")
        assert tree is not None
        names = {p.name for p in tree.find_all(sqlglot.exp.Placeholder, sqlglot.exp.Parameter)}
        assert names == {parameter.name for parameter in question.parameters}
        for table in question.tables:
            assert table in question.sql


def test_q01_names_the_record_whose_bytes_changed(tmp_path: Path) -> None:
    """An edited line, a lost line: each is named with what was expected."""
    database = derive(write_workspace(tmp_path))
    with duckdb.connect(str(database)) as connection:
        connection.execute(
            "update raw.records set line = replace(line, 'quant@', 'quAnt@') where seq = 5"
        )
        connection.execute("delete from raw.records where seq = 50")
    found = {(row["seq"], row["member"]) for row in answers(database, 1)}
    assert found == {(5, "hash"), (51, "seq"), (51, "prev_hash")}


def test_q02_finds_a_cut_and_a_rewritten_tail(tmp_path: Path) -> None:
    """A checkpoint beyond the end, or with another root, is a finding."""
    database = derive(write_workspace(tmp_path))
    with duckdb.connect(str(database)) as connection:
        connection.execute("delete from raw.records where seq > 147")
    (cut,) = answers(database, 2)
    assert (cut["size"], cut["expected"], cut["found"]) == (151, "151", "148")
    with duckdb.connect(str(database)) as connection:
        connection.execute("update raw.records set hash = repeat('a', 64) where seq = 3")
    assert {row["finding"] for row in answers(database, 2)} == {
        "the ledger is shorter than what was signed",
        "the records are not those that were signed",
    }


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 100, 147, 157])
def test_q02_agrees_with_the_tree_of_the_ledger(derived: Path, tmp_path: Path, size: int) -> None:
    """The root folded in SQL is the RFC 6962 root, for every shape of tree."""
    hashes = [bytes.fromhex(record.hash) for record in records_of(write_workspace(tmp_path))]
    root = tree_root(hashes[:size]).hex()
    seen = {"seen_size": str(size), "seen_root": root}
    assert answers(derived, 2, seen) == []
    other = {**seen, "seen_root": root[::-1]}
    (row,) = answers(derived, 2, other)
    assert (row["expected"], row["found"]) == (root[::-1], root)


def test_q02_says_when_nothing_was_signed(tmp_path: Path) -> None:
    """No checkpoint is not the same as no finding."""
    database = derived_with(tmp_path, lambda drafts: drafts, checkpoint_at=())
    (row,) = answers(database, 2)
    assert row["finding"] == "nothing was ever signed"


def test_q03_finds_the_breached_and_the_relaxed_cap(tmp_path: Path) -> None:
    """By how much, under which regime; the caps that hold are not named."""

    def breach(data: Any) -> None:
        data["result"]["caps"]["regime"] = "turbulent"
        data["result"]["constraints"].append(
            {"kind": "cluster_cap", "name": "7", "value": 0.274, "limit": 0.2, "slack": -0.074,
             "binding": True}
        )  # fmt: skip

    id_ = f"{RUN}/optimize/stocks.custom.hrp.0001/1"
    database = derived_with(tmp_path, edited(id_, "outcome", breach))
    (row,) = answers(database, 3)
    assert (row["decision_id"], row["name"], row["regime"]) == (id_, "7", "turbulent")
    assert row["excess"] == pytest.approx(0.074)
    assert row["breach"] == "cap in force"
    assert answers(database, 3, {"run_id": CRASHED}) == []


def test_q04_walks_back_to_the_snapshot(derived: Path) -> None:
    """The weights of a day lead to regime, selection, health and the digest of the prices."""
    values = {"as_of": "2025-01-23", "sleeve": "stocks", "run_id": RUN}
    found = answers(derived, 4, values)
    mine = [r for r in found if r["weights_of"] == f"{RUN}/optimize/stocks.custom.hrp.0000/1"]
    assert {(row["depth"], row["role"]) for row in mine} == {
        (0, "weights"), (1, "regime"), (1, "selection"), (2, "health"),
    }  # fmt: skip
    assert {row["snapshot_sha256"] for row in mine} == {digest_of("snapshot of stocks")}
    assert {str(row["slice_last_date"]) for row in mine} == {"2025-01-20"}
    assert {row["source"] for row in mine} == {"sample"}
    assert answers(derived, 4, {"as_of": "1999-01-01"}) == []


def test_q05_lists_the_dirty_run_and_its_difference(derived: Path) -> None:
    """One run was dirty; its diff is named and the untracked file too."""
    (row,) = answers(derived, 5)
    assert (row["run_id"], row["decisions"], row["is_diff_preserved"]) == (CRASHED, 3, True)
    assert row["diff_sha256"] == digest_of("diff")
    assert "notes.txt" in row["untracked"]


def test_q06_names_every_field_that_changed(derived: Path) -> None:
    """Code, environment and nothing else; the newest two runs by default."""
    found = {row["field"]: (row["value_a"], row["value_b"]) for row in answers(derived, 6)}
    assert found == {
        "diff_sha256": (None, digest_of("diff")),
        "dirty": ("false", "true"),
        "python": ("3.12.1", "3.13.0"),
        "untracked.notes.txt": (None, digest_of("notes")),
    }
    assert answers(derived, 6, {"run_a": RUN, "run_b": RUN}) == []


def test_q07_names_the_parameter_of_the_decision(tmp_path: Path) -> None:
    """Of two equal runs with one parameter changed, this parameter is the answer."""

    def edit(draft: Draft) -> Draft:
        if draft.type == "intent" and draft.id.endswith("/optimize/stocks.custom.hrp.0001/1"):
            params = {**draft.data["params"], "l2_penalty": 0.05}  # type: ignore[dict-item]
            return replace(draft, data={**draft.data, "params": params})
        return draft

    database = derived_with(tmp_path, lambda drafts: copy_of_run(drafts, edit))
    values = {"run_a": RUN, "run_b": "20261127T040000Z-demo"}
    (row,) = answers(database, 7, values)
    assert row == {
        "decision": "optimize/stocks.custom.hrp.0001",
        "stage": "optimize@1",
        "parameter": "l2_penalty",
        "value_a": "0",
        "value_b": "0.05",
    }
    assert answers(database, 8, values) == []


def test_q08_shows_which_weights_moved(tmp_path: Path) -> None:
    """Two weights of one decision moved by five points: five points one way."""

    def edit(draft: Draft) -> Draft:
        id_ = "/optimize/crypto.custom.hrp.0002/1"
        if draft.type == "outcome" and draft.id.endswith(id_):
            data = copy.deepcopy(dict(draft.data))
            data["result"]["weights"]["BTC"] += 0.05  # type: ignore[index]
            data["result"]["weights"]["ETH"] -= 0.05  # type: ignore[index]
            return replace(draft, data=data)
        return draft

    database = derived_with(tmp_path, lambda drafts: copy_of_run(drafts, edit))
    values = {"run_a": RUN, "run_b": "20261127T040000Z-demo"}
    found = answers(database, 8, values)
    assert [(row["sleeve"], row["symbol"]) for row in found] == [
        ("crypto", "BTC"),
        ("crypto", "ETH"),
    ]
    assert [row["change"] for row in found] == pytest.approx([0.05, -0.05])
    assert [row["decision_change_one_way"] for row in found] == pytest.approx([0.05, 0.05])
    assert answers(database, 7, values) == []


def test_q09_finds_rows_after_the_decision_date(tmp_path: Path) -> None:
    """A slice that ends a day late, a test that begins a day early, a snapshot from nowhere."""
    late = f"{RUN}/optimize/stocks.custom.hrp.0001/1"
    early = f"{RUN}/detect/crypto.0000/1"
    nowhere = f"{RUN}/select/crypto.0001/1"

    def change(drafts: list[Draft]) -> list[Draft]:
        drafts = changed(drafts, late, "intent", lambda d: d["slice"].update(last="2025-01-26"))
        drafts = changed(
            drafts, early, "intent", lambda d: d["window"].update(test_first="2025-01-20")
        )
        return [
            replace(d, inputs={"snapshot": digest_of("nowhere")})
            if (d.id, d.type) == (nowhere, "intent")
            else d
            for d in drafts
        ]

    database = derived_with(tmp_path, change)
    found = {row["decision_id"]: row["finding"] for row in answers(database, 9)}
    assert found == {
        late: "rows after the decision date",
        early: "test rows overlap train rows",
        nowhere: "snapshot was never recorded",
    }


def test_q10_leads_to_the_blob_with_the_prices(derived: Path) -> None:
    """The snapshot, its place among the blobs, and the rows that the decision could see."""
    id_ = f"{RUN}/optimize/stocks.custom.hrp.0002/1"
    (row,) = answers(derived, 10, {"decision_id": id_})
    digest = digest_of("snapshot of stocks")
    assert row["blob"] == f"blobs/sha256/{digest[:2]}/{digest[2:]}"
    assert (str(row["slice_first_date"]), str(row["slice_last_date"])) == (
        "2025-01-11", "2025-01-30",
    )  # fmt: skip
    assert answers(derived, 10, {"decision_id": "no/such/decision/1"}) == []


def test_q11_finds_prices_that_changed_under_equal_days(tmp_path: Path) -> None:
    """The same days of the same sleeve with another digest were restated in between."""

    def edit(draft: Draft) -> Draft:
        if draft.type == "intent" and draft.data.get("window"):
            window, rows = draft.data["window"], draft.data["slice"]
            assert isinstance(window, dict)
            assert isinstance(rows, dict)
            if (draft.data["sleeve"], window["ordinal"]) == ("stocks", 1):
                restated = {**rows, "sha256": digest_of("restated")}
                return replace(draft, data={**draft.data, "slice": restated})
        return draft

    database = derived_with(tmp_path, lambda drafts: copy_of_run(drafts, edit))
    (row,) = answers(database, 11)
    assert (row["sleeve"], str(row["slice_last_date"])) == ("stocks", "2025-01-25")
    assert (row["sha256_before"], row["sha256_after"]) == (
        digest_of("slice 1"), digest_of("restated"),
    )  # fmt: skip


def test_q12_lists_every_fallback_and_where_it_came_from(derived: Path) -> None:
    """Both sleeves fell back once, from skfolio to custom, because nothing was feasible."""
    found = answers(derived, 12)
    assert {
        (row["sleeve"], row["tried_engine"], row["tried_status"], row["actual_engine"])
        for row in found
    } == {
        ("stocks", "skfolio", "infeasible", "custom"),
        ("crypto", "skfolio", "infeasible", "custom"),
    }


def test_answers_do_not_depend_on_the_order_of_a_table(derived: Path) -> None:
    """Every statement orders its rows, so an answer can be compared with another."""
    for question in QUESTIONS:
        first, second = ask(derived, question.number), ask(derived, question.number)
        assert first.result.rows == second.result.rows
        (tree,) = sqlglot.parse(question.sql, dialect="duckdb")
        assert tree is not None
        assert tree.args.get("order") is not None


def test_an_unknown_question_or_parameter_is_refused(derived: Path) -> None:
    """The error says which there are."""
    with pytest.raises(UnknownQuestionError, match="the last is"):
        find_question(99)
    with pytest.raises(UnknownQuestionError, match="there are: kind, run_id"):
        ask(derived, 3, {"sleeve": "stocks"})
    with pytest.raises(UnknownQuestionError, match="as 2026-01-31"):
        ask(derived, 4, {"as_of": "yesterday"})
    with pytest.raises(UnknownQuestionError, match="a whole number"):
        ask(derived, 2, {"seen_size": "many"})


def test_a_large_ledger_is_answered_in_time(tmp_path: Path) -> None:
    """Ten runs, and no question takes long."""
    story = tell(Size(runs=10))
    database = derive(write_workspace(tmp_path, story))
    for question in QUESTIONS:
        assert ask(database, question.number, seconds=5.0).result.elapsed < 5.0
    assert len(seal_all(story.drafts)[0]) > 1000
    assert KEY.name
