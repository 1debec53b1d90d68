"""Every rule finds exactly the fact that breaks it; machinery that fails stops the build."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from tests.warehouse.derivation import derive, failing_tests, nodes, rows_of, run_models
from tests.warehouse.payloads import digest_of
from tests.warehouse.synthetic import changed, records_of, tell, write_workspace
from tests.warehouse.test_load import erase

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ledger import Draft

Change = "Callable[[list[Draft]], list[Draft]]"
RUN = "20261120T040000Z-demo"
WEIGHTS = f"{RUN}/optimize/stocks.custom.hrp.0001/1"
WINDOW = f"{RUN}/simulate/stocks.custom.hrp.0001/1"


def edited(id_: str, type_: str, edit: Callable[[Any], None]) -> Callable[[list[Draft]], Any]:
    """Return a change of the data of one record."""
    return lambda drafts: changed(drafts, id_, type_, edit)


def replaced(id_: str, type_: str, **fields: Any) -> Callable[[list[Draft]], Any]:
    """Return a change of other fields of one record."""
    return lambda drafts: [
        replace(d, **fields) if (d.id, d.type) == (id_, type_) else d for d in drafts
    ]


def without(id_: str, type_: str) -> Callable[[list[Draft]], Any]:
    """Return a change that leaves one record out."""
    return lambda drafts: [d for d in drafts if (d.id, d.type) != (id_, type_)]


def move_weight(data: Any) -> None:
    """Raise one recorded weight, and leave the sum wrong."""
    data["result"]["weights"]["AAA"] += 0.01


def breach_cap(data: Any) -> None:
    """Record a constraint beyond its limit."""
    data["result"]["constraints"][1].update(value=0.31, slack=-0.01)


def hide_breach(data: Any) -> None:
    """Move weight above the cap without saying so in the constraints."""
    weights = data["result"]["weights"]
    weights["AAA"] += 0.15
    weights["BBB"] -= 0.15


def shift_nav(data: Any) -> None:
    """Let the window start from another NAV than the last one ended with."""
    result = data["result"]
    scale = 1.5
    result["nav_start"] *= scale
    result["nav"] = [value * scale for value in result["nav"]]
    result["nav_end"] *= scale


def charge_nothing(data: Any) -> None:
    """Record a net return that does not bear its cost."""
    result = data["result"]
    result["net_returns"][0] = result["gross_returns"][0]


def understate_turnover(data: Any) -> None:
    """Record half the turnover."""
    data["result"]["turnover_one_way"] /= 2


def boast(data: Any) -> None:
    """Record a better Sharpe ratio than the returns have."""
    data["result"]["net"]["sharpe"] += 0.5


def annualise(data: Any) -> None:
    """Annualise fifteen days."""
    data["result"]["gross"]["annual_return"] = 18.53


def lose_weight(data: Any) -> None:
    """Flatten to less than the sleeves hold."""
    data["result"]["weights"][0]["net"] /= 2


def look_ahead(data: Any) -> None:
    """Let the rows end one day after the decision date."""
    data["slice"]["last"] = "2025-01-26"


def date_result_late(data: Any) -> None:
    """Let the result be of a later day than the decision."""
    data["result"]["as_of"] = "2025-01-26"


def count_wrong(data: Any) -> None:
    """Let the closing record miss one intent."""
    data["intents"] -= 1


def use_another(data: Any) -> None:
    """Name another upstream result than the one that was recorded."""
    data["upstream_sha256"]["regime"] = digest_of("another")


def state_another_digest(drafts: list[Draft]) -> list[Draft]:
    """Record a digest that is not that of the result."""
    measured = f"{RUN}/measure/meta.custom.hrp/1"
    return [
        replace(d, data={**d.data, "result_sha256": digest_of("another")})
        if (d.id, d.type) == (measured, "outcome")
        else d
        for d in drafts
    ]


def use_another_result(drafts: list[Draft]) -> list[Draft]:
    """Record the use of a result that nobody made."""
    used = {"regime": digest_of("x"), "selection": digest_of("y")}
    return [
        replace(d, data={**d.data, "upstream_sha256": used})
        if (d.id, d.type) == (WEIGHTS, "outcome")
        else d
        for d in drafts
    ]


def use_another_series(drafts: list[Draft]) -> list[Draft]:
    """Record a measure of other windows than those of its prefix."""
    measured = f"{RUN}/measure/meta.custom.hrp/1"
    return [
        replace(d, data={**d.data, "upstream_sha256": {"simulations": digest_of("x")}})
        if (d.id, d.type) == (measured, "outcome")
        else d
        for d in drafts
    ]


def decide_twice(drafts: list[Draft]) -> list[Draft]:
    """Take one decision again, with success, in the same run."""
    id_ = f"{RUN}/detect/stocks.0000/1"
    at = next(i for i, d in enumerate(drafts) if d.id == f"{RUN}/close")
    again = [replace(d, id=d.id.removesuffix("1") + "2") for d in drafts if d.id == id_]
    return [*drafts[:at], *again, *drafts[at:]]


def end_twice(drafts: list[Draft]) -> list[Draft]:
    """Append a second outcome of one intent."""
    outcome = next(d for d in drafts if (d.id, d.type) == (WEIGHTS, "outcome"))
    return [*drafts, outcome]


def intend_twice(drafts: list[Draft]) -> list[Draft]:
    """Append a second intent of one id."""
    intent = next(d for d in drafts if (d.id, d.type) == (WEIGHTS, "intent"))
    return [*drafts, intent]


CASES = [
    pytest.param(edited(WEIGHTS, "outcome", move_weight), {"weights_not_summing": 1}, id="weights"),
    pytest.param(edited(WEIGHTS, "outcome", breach_cap), {"cap_breached": 1}, id="cap"),
    pytest.param(edited(WEIGHTS, "outcome", hide_breach), {"cap_breached": 1}, id="hidden-cap"),
    pytest.param(
        edited(WINDOW, "outcome", shift_nav), {"nav_discontinuous": 2}, id="nav-in-and-out"
    ),
    pytest.param(
        edited(WINDOW, "outcome", charge_nothing),
        # NAV is then wrong too, and with it what was measured on the series, net.
        {"return_equation_broken": 1, "metric_differs": 4},
        id="cost",
    ),
    pytest.param(
        edited(f"{RUN}/rebalance/stocks.custom.hrp.0001/1", "outcome", understate_turnover),
        {"turnover_differs": 1},
        id="turnover",
    ),
    pytest.param(
        edited(f"{RUN}/measure/stocks.custom.hrp/1", "outcome", boast),
        {"metric_differs": 1},
        id="sharpe",
    ),
    pytest.param(
        edited(f"{RUN}/measure/stocks.custom.hrp/1", "outcome", annualise),
        {"metric_differs": 1},
        id="annualised-below-a-year",
    ),
    pytest.param(
        edited(f"{RUN}/flatten/meta.custom.hrp.0001/1", "outcome", lose_weight),
        {"flattening_not_conserved": 1},
        id="flattening",
    ),
    pytest.param(edited(WEIGHTS, "intent", look_ahead), {"look_ahead": 1}, id="late-rows"),
    pytest.param(edited(WEIGHTS, "outcome", date_result_late), {"look_ahead": 1}, id="late-result"),
    pytest.param(
        edited(f"{RUN}/close", "run", count_wrong), {"run_count_differs": 1}, id="run-count"
    ),
    pytest.param(state_another_digest, {"result_digest_differs": 1}, id="result-digest"),
    pytest.param(use_another_result, {"upstream_digest_differs": 2}, id="upstream-digest"),
    pytest.param(use_another_series, {"upstream_digest_differs": 1}, id="series-digest"),
    pytest.param(
        without(f"{RUN}/measure/meta.custom.hrp/1", "outcome"),
        {"intent_orphaned": 1, "run_count_differs": 1},
        id="lost-outcome",
    ),
    pytest.param(
        without(f"{RUN}/measure/meta.custom.hrp/1", "intent"),
        {"outcome_unmatched": 1, "run_count_differs": 1},
        id="lost-intent",
    ),
    pytest.param(
        decide_twice, {"decision_repeated": 1, "run_count_differs": 1}, id="decided-twice"
    ),
    pytest.param(end_twice, {"outcome_repeated": 1, "run_count_differs": 1}, id="ended-twice"),
    pytest.param(intend_twice, {"record_repeated": 1, "run_count_differs": 1}, id="intended-twice"),
]


@pytest.mark.parametrize(("change", "expected"), CASES)
def test_a_defect_is_found_under_its_rule_and_no_other(
    tmp_path: Path, change: Callable[[list[Draft]], Any], expected: dict[str, int]
) -> None:
    """The fact is published and listed; no machinery test fails because of it."""
    database = derive(write_workspace(tmp_path, change=change))
    found = rows_of(database, "select rule, count(*) from health.fct_findings group by rule")
    assert dict(found) == expected
    severities = {test.name: test.severity.lower() for test in nodes("test")}
    failed = failing_tests(database)
    assert failed
    assert {severities[name] for name in failed} == {"warn"}


def test_a_sound_ledger_has_no_finding(derived: Path) -> None:
    """The story with a crash, a failure, a fallback and a relaxed cap breaks no rule."""
    assert rows_of(derived, "select * from health.fct_findings") == []
    assert failing_tests(derived) == {}


def test_every_rule_has_a_fact_test() -> None:
    """A finding that no test of the project reports would be seen by readers of a table only."""
    tested = {
        word
        for test in nodes("test")
        if "fct_findings" in test.sql and test.name.startswith("assert_")
        for word in test.sql.replace("'", " ").replace(",", " ").split()
        if "_" in word
    }
    rules = {rule for case in CASES for rule in case.values[1]}  # type: ignore[union-attr]
    assert rules <= tested


def test_every_rule_has_a_case() -> None:
    """Each rule of the mart has at least one case here."""
    (findings,) = [model for model in nodes("model") if model.name == "fct_findings"]
    rules = {rule for case in CASES for rule in case.values[1]}  # type: ignore[union-attr]
    stated = {
        line.split("'")[1]
        for line in findings.sql.splitlines()
        if line.strip().endswith("as rule,") and "'" in line
    } | {"outcome_unmatched", "outcome_repeated"}
    assert rules == stated


MACHINERY = [
    pytest.param(
        "update raw.records set prev_hash = repeat('0', 64) where seq = 9",
        "assert_chain_holds",
        id="link",
    ),
    pytest.param("delete from raw.records where seq = 9", "assert_chain_holds", id="gap"),
    pytest.param(
        "update raw.records set line = replace(line, 'quant@', 'quAnt@') where seq = 9",
        "assert_chain_holds",
        id="bytes",
    ),
    pytest.param(
        "update raw.checkpoints set root = repeat('0', 64)", "assert_chain_holds", id="root"
    ),
    pytest.param(
        "update raw.head set through_hash = 'x'", "assert_marts_stand_on_the_head", id="head"
    ),
    pytest.param(
        "update raw.records set type = 'omen' where seq = 9",
        "assert_every_record_is_staged",
        id="type",
    ),
    pytest.param(
        "update raw.records set step = 'divine' where seq = 9",
        "assert_every_result_is_staged",
        id="step",
    ),
]


@pytest.mark.parametrize(("statement", "test"), MACHINERY)
def test_broken_tables_stop_the_build(tmp_path: Path, statement: str, test: str) -> None:
    """What is no fact of the ledger but a fault of the tables is an error, not a finding."""
    database = derive(write_workspace(tmp_path))
    with duckdb.connect(str(database)) as connection:
        connection.execute(statement)
    run_models(database)
    assert test in failing_tests(database)
    (found,) = [each for each in nodes("test") if each.name == test]
    assert found.severity.lower() == "error"


def test_the_story_has_a_place_for_every_mart(derived: Path) -> None:
    """Every mart but the record of builds has rows, so nothing above passes on an empty table."""
    empty = {
        model.name
        for model in nodes("model")
        if model.schema in {"health", "metrics", "meta"}
        and rows_of(derived, f"select 1 from {model.schema}.{model.name} limit 1") == []  # noqa: S608
    }
    # Live runs and their approvals have a story of their own: `tests/warehouse/test_approvals.py`.
    # Certifications have theirs below, scores rows by hand in `_metrics__scores_unit_tests.yml`.
    elsewhere = {"fct_approvals", "fct_gate_verdicts", "fct_certifications", "fct_scores"}
    assert empty == {"fct_findings", "fct_builds"} | elsewhere
    assert tell().drafts


def test_a_certification_is_a_row_of_the_decision_that_it_certifies(tmp_path: Path) -> None:
    """Cell and window are those of the decision; one that no record knows has none."""
    story = tell()
    story.open("20261127T040000Z-certify", "certify", None)
    id_ = story.intend("certify", "all", sleeve="all", params={"decisions": [WEIGHTS, "unknown"]})
    confirmed = {"decision_id": WEIGHTS, "cell": "custom.hrp", "verdict": "confirmed",
                 "kind": "duality_gap"}  # fmt: skip
    absent = {"decision_id": "unknown", "cell": "custom.hrp", "verdict": "absent",
              "kind": "none", "reason": "no such decision"}  # fmt: skip
    story.conclude(id_, {"verdicts": [confirmed, absent]})
    story.close()
    database = derive(write_workspace(tmp_path, story))
    assert failing_tests(database) == {}
    step, cell = WEIGHTS.split("/")[1:3]
    rows = rows_of(
        database,
        "select decision_id, sleeve, engine, risk_profile, verdict, reason "
        "from meta.fct_certifications order by certification_id",
    )
    assert step == "optimize"
    assert rows == [
        (WEIGHTS, *cell.split(".")[:3], "confirmed", None),
        ("unknown", None, None, None, "absent", "no such decision"),
    ]


def test_an_erased_record_is_no_finding(tmp_path: Path) -> None:
    """What was erased lawfully leaves its place in the chain, and nothing in the fact marts."""
    workspace = write_workspace(tmp_path)
    seq = next(r.seq for r in records_of(workspace) if (r.id, r.type) == (WEIGHTS, "outcome"))
    erase(workspace, seq, named=True)
    database = derive(workspace)
    assert failing_tests(database) == {}
    rows = rows_of(database, "select decision_id, pairing, outcome_status from health.fct_intents")
    assert (WEIGHTS, "paired", "redacted") in rows
    weighed = {row[0] for row in rows_of(database, "select decision_id from metrics.fct_weights")}
    assert WEIGHTS not in weighed
    assert weighed
