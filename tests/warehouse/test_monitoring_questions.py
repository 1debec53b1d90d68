"""Questions 13 to 32: each finds exactly the defect that was put in, and nothing without it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from ledger import Draft
from tests.warehouse.derivation import derive
from tests.warehouse.payloads import digest_of
from tests.warehouse.synthetic import changed, relinked, tell, write_workspace
from tests.warehouse.test_questions import (
    CRASHED,
    RUN,
    answers,
    copy_of_run,
    derived_with,
    edited,
)
from warehouse.questions import ask

if TYPE_CHECKING:
    from pathlib import Path

SOLVED = f"{RUN}/optimize/stocks.custom.hrp.0001/1"
OTHER_RUN = "20261127T040000Z-demo"


@pytest.mark.parametrize("number", [17, 19, 23, 27, 30, 32])
def test_a_sound_ledger_gives_no_answer(derived: Path, number: int) -> None:
    """Where nothing is wrong, no row is returned, and the note says what that means."""
    answer = ask(derived, number)
    assert answer.result.rows == ()
    assert answer.note.startswith(answer.question.when_empty)


def test_q13_lists_the_intent_that_never_ended_and_the_one_ended_by_another(derived: Path) -> None:
    """The crashed run left one intent open; one more was concluded after the process died."""
    found = {row["decision_id"]: row["state"] for row in answers(derived, 13)}
    assert found == {
        f"{CRASHED}/assess/stocks.0000/1": "the process died; a later run wrote the outcome",
        f"{CRASHED}/detect/stocks.0000/1": "the run is not closed: it died, or still runs",
    }
    assert answers(derived, 13, {"run_id": RUN}) == []


def test_q13_lists_the_orphan_of_a_closed_run(tmp_path: Path) -> None:
    """A run that was closed without the outcome of an intent is named."""
    lost = f"{RUN}/measure/meta.custom.hrp/1"
    database = derived_with(
        tmp_path, lambda drafts: [d for d in drafts if (d.id, d.type) != (lost, "outcome")]
    )
    (row,) = answers(database, 13, {"run_id": RUN})
    assert (row["decision_id"], row["state"]) == (lost, "the run was closed without it")


def test_q14_counts_the_replayed_and_the_never_replayed(derived: Path) -> None:
    """Two decisions were replayed, one of them differently; all others never."""
    found = answers(derived, 14)
    assert [row["verdict"] for row in found[:3]] == ["diverged", "exact", "never"]
    assert found[0]["first_difference"] == "weights.AAA"
    never = answers(derived, 14, {"verdict": "never", "run_id": RUN})
    assert {row["verdict"] for row in never} == {"never"}
    assert {row["decisions_with_verdict"] for row in never} == {len(never)}
    assert len(never) == len(answers(derived, 14, {"run_id": RUN})) - 2


def live(drafts: list[Draft]) -> list[Draft]:
    """Return the drafts with the backtest as a rebalance, and one check of it failed."""
    drafts = changed(drafts, f"{RUN}/open", "run", lambda data: data.update(kind="rebalance"))

    def fail(data: Any) -> None:
        for row in data["result"]["symbols"]:
            if row["symbol"] in {"AAA", "FFF"}:
                row.update(status="stale", stale=4, reasons=["4 days without a bar"])

    return changed(drafts, f"{RUN}/assess/stocks.0001/1", "outcome", fail)


def test_q17_names_the_stale_symbol_that_a_live_run_holds(tmp_path: Path) -> None:
    """A stale symbol with weight is named in every cell; one without weight is not."""
    database = derived_with(tmp_path, live)
    found = answers(database, 17)
    assert {(r["symbol"], r["status"], r["reasons"], str(r["failing_since"])) for r in found} == {
        ("AAA", "stale", "4 days without a bar", "2025-01-25")
    }
    assert [row["decision_id"] for row in found] == [
        f"{RUN}/optimize/stocks.custom.hrp.0001/1",
        f"{RUN}/optimize/stocks.skfolio.min_variance.0001/1",
    ]
    assert answers(database, 17, {"kind": "backtest"}) == []


def test_q18_gives_the_first_reason_for_every_symbol(derived: Path) -> None:
    """Held, dropped, vetoed, outranked, unknown: each symbol has its reason."""
    values = {"as_of": "2025-01-30", "run_id": RUN, "sleeve": "stocks"}
    found = {
        row["symbol"]: row["reason"]
        for row in answers(derived, 18, values)
        if row["decision_id"] == f"{RUN}/optimize/stocks.custom.hrp.0002/1"
    }
    assert found == {
        "AAA": "held",
        "BBB": "held",
        "CCC": "held",
        "DDD": "held",
        "EEE": "not among the best of its cluster: rank 5",
        "FFF": "vetoed: entropy: 0.999 beyond 0.99; volatility: 0.999 beyond 0.99",
        "OLD": "dropped: no price on the decision date",
    }
    (unknown,) = {row["reason"] for row in answers(derived, 18, {**values, "symbol": "NO-SUCH"})}
    assert unknown == "not known to this sleeve"
    assert answers(derived, 18, {"as_of": "1999-01-01"}) == []


def test_q18_tells_unhealthy_and_unweighted_from_vetoed(tmp_path: Path) -> None:
    """A symbol that left the universe for its health says so; a zero weight is the solver's."""

    def unweigh(data: Any) -> None:
        weights = data["result"]["weights"]
        weights["AAA"] += weights["BBB"]
        weights["BBB"] = 0.0

    def leave(data: Any) -> None:
        data["result"]["universe"].remove("EEE")
        for name in ("features", "verdicts", "scores"):
            data["result"][name] = [r for r in data["result"][name] if r["symbol"] != "EEE"]

    def go_stale(data: Any) -> None:
        (row,) = [row for row in data["result"]["symbols"] if row["symbol"] == "EEE"]
        row.update(status="dropped", reasons=["too short"])

    def change(drafts: list[Draft]) -> list[Draft]:
        drafts = changed(drafts, SOLVED, "outcome", unweigh)
        drafts = changed(drafts, f"{RUN}/select/stocks.0001/1", "outcome", leave)
        return changed(drafts, f"{RUN}/assess/stocks.0001/1", "outcome", go_stale)

    database = derived_with(tmp_path, change)
    found = {
        row["symbol"]: row["reason"]
        for row in answers(database, 18, {"as_of": "2025-01-25", "run_id": RUN})
        if row["decision_id"] == SOLVED
    }
    assert found["BBB"] == "selected, and given no weight by the solver"
    assert found["EEE"] == "not healthy: dropped, too short"


ORDERS = f"{RUN}/rebalance/stocks.custom.hrp.0001/1"


def test_q19_finds_orders_without_a_completed_decision(tmp_path: Path) -> None:
    """No decision named, a decision that failed, and one that is not there."""
    nowhere = f"{RUN}/rebalance/stocks.custom.hrp.0002/1"

    def change(drafts: list[Draft]) -> list[Draft]:
        out = []
        for draft in drafts:
            data = dict(draft.data)
            if (draft.id, draft.type) == (ORDERS, "intent"):
                data["upstream"] = {}
            if (draft.id, draft.type) == (nowhere, "intent"):
                data["upstream"] = {"weights": "no/such/decision/1"}
            if (draft.id, draft.type) == (SOLVED.replace("0001", "0000"), "outcome"):
                draft = replace(draft, status="failed")  # noqa: PLW2901 - the edited draft
                data = {"upstream_sha256": {}, "error": {"code": "E0240", "what": "infeasible"}}
            out.append(replace(draft, data=data))
        return out

    database = derived_with(tmp_path, change)
    found = {
        row["ordered_by"]: row["finding"]
        for row in answers(database, 19)
        if row["ordered_by"].startswith(f"{RUN}/rebalance/stocks.custom.hrp")
    }
    assert found == {
        f"{RUN}/rebalance/stocks.custom.hrp.0000/1": "the decision named ended as failed",
        ORDERS: "names no decision about weights",
        nowhere: "the decision named is not in the ledger",
    }


def test_q19_finds_an_order_for_another_weight(tmp_path: Path) -> None:
    """Five points more of one symbol than was decided, five less of another."""

    def stray(data: Any) -> None:
        data["result"]["targets"]["AAA"] += 0.05
        data["result"]["targets"]["BBB"] -= 0.05

    database = derived_with(tmp_path, edited(ORDERS, "outcome", stray))
    found = answers(database, 19)
    assert [(row["ordered_by"], row["symbol"]) for row in found] == [
        (ORDERS, "AAA"),
        (ORDERS, "BBB"),
    ]
    assert [row["ordered_weight"] - row["decided_weight"] for row in found] == pytest.approx(
        [0.05, -0.05]
    )


def test_q20_is_the_modelled_cost_in_basis_points(derived: Path) -> None:
    """The first window buys 100 % at 6 bps; what was traded costs that rate."""
    found = answers(derived, 20, {"sleeve": "stocks"})
    assert len(found) == 6
    for row in found:
        assert row["slippage_bps"] + row["commission_bps"] == pytest.approx(row["cost_bps"])
        assert row["shortfall_bps"] == pytest.approx(row["cost_bps"], rel=0.1)
    first = min(found, key=lambda row: (row["as_of_date"], row["engine"]))
    assert first["cost_bps"] == pytest.approx(6.0)
    assert first["slippage_bps"] == pytest.approx(5.0)
    assert first["cost_bps_of_traded_value"] == pytest.approx(3.0)


def test_q21_counts_entries_and_exits(tmp_path: Path) -> None:
    """Four symbols enter at first; one sold and one bought later are an exit and an entry."""

    def exchange(data: Any) -> None:
        result = data["result"]
        result["targets"]["EEE"] = result["targets"].pop("DDD")
        for trade in result["trades"]:
            if trade["symbol"] == "DDD":
                trade.update(side="sell", weight=-result["holdings"]["DDD"])
        bought = result["targets"]["EEE"]
        result["trades"].append({"symbol": "EEE", "side": "buy", "weight": bought, "value": bought})

    database = derived_with(tmp_path, edited(ORDERS, "outcome", exchange))
    values = {"sleeve": "stocks", "engine": "custom", "risk_profile": "hrp"}
    found = answers(database, 21, values)
    assert [(row["entries"], row["exits"]) for row in found] == [(4, 0), (1, 1), (0, 0)]
    total = sum(row["turnover_one_way"] for row in found)
    assert found[-1]["turnover_so_far"] == pytest.approx(total)
    assert found[0]["turnover_one_way"] == pytest.approx(1.0)


def test_q22_never_annualises_below_a_year_and_says_who_did(tmp_path: Path) -> None:
    """Fifteen days have a total return, no annual one; a record that claims one is named."""

    def annualise(data: Any) -> None:
        data["result"]["net"]["annual_return"] = 18.53

    id_ = f"{RUN}/measure/stocks.custom.hrp/1"
    database = derived_with(tmp_path, edited(id_, "outcome", annualise))
    found = answers(database, 22, {"sleeve": "stocks"})
    assert {row["net_annual_return"] for row in found} == {None}
    assert {row["simulator"] for row in found} == {"vectorized"}
    assert {(row["engine"], row["risk_profile"]): row["finding"] for row in found} == {
        ("custom", "hrp"): "less than a year was annualised",
        ("skfolio", "min_variance"): None,
    }


def test_q23_compares_two_simulators_on_equal_weights(tmp_path: Path) -> None:
    """The same weights, another simulator, one window twenty basis points worse."""
    worse = f"{OTHER_RUN}/simulate/stocks.custom.hrp.0001/1"

    def edit(draft: Draft) -> Draft:
        data = dict(draft.data)
        if draft.type == "intent" and draft.step == "simulate":
            params: Any = data["params"]
            data["params"] = {**params, "simulator": "vectorbt"}
        if (draft.id, draft.type) == (worse, "outcome"):
            result: Any = dict(data["result"])  # type: ignore[call-overload]
            result["net_returns"] = [result["net_returns"][0] - 0.002, *result["net_returns"][1:]]
            data["result"] = result
        return replace(draft, data=data)

    database = derived_with(tmp_path, lambda drafts: copy_of_run(drafts, edit))
    found = answers(database, 23)
    assert {(r["simulator_a"], r["simulator_b"]) for r in found} == {("vectorbt", "vectorized")}
    apart = [row for row in found if not row["is_in_parity"]]
    (row,) = apart
    assert (row["sleeve"], row["engine"], str(row["as_of_date"])) == (
        "stocks", "custom", "2025-01-25",
    )  # fmt: skip
    assert row["net_difference_bps"] == pytest.approx(20, rel=0.1)
    assert row["gross_difference_bps"] == 0
    assert answers(database, 23, {"parity_bps": "30"})[0]["is_in_parity"]
    assert len(found) == 14


def test_q25_finds_the_cells_with_equal_weights(derived: Path, tmp_path: Path) -> None:
    """Both cells of the story hold the same weights; five points apart is no convergence."""
    found = answers(derived, 25, {"run_id": RUN})
    assert [(r["sleeve"], r["windows"], r["windows_converged"]) for r in found] == [
        ("crypto", 3, 3),
        ("stocks", 3, 3),
    ]

    def move(data: Any) -> None:
        data["result"]["weights"]["AAA"] += 0.05
        data["result"]["weights"]["BBB"] -= 0.05

    database = derived_with(tmp_path, edited(SOLVED, "outcome", move))
    (row,) = answers(database, 25, {"run_id": RUN, "sleeve": "stocks"})
    assert (row["windows"], row["windows_converged"]) == (3, 2)
    assert row["farthest_bps"] == pytest.approx(500)
    wide = {"run_id": RUN, "sleeve": "stocks", "distance_bps": "501"}
    assert answers(database, 25, wide)[0]["windows_converged"] == 3


def test_q26_leads_from_a_number_to_the_line_of_a_record(derived: Path) -> None:
    """The Sharpe ratio of a report is a field of the recorded result, in line or blob."""
    found = answers(derived, 26)
    assert [(r["depth"], f"{r['relation']}.{r['column_name']}") for r in found] == [
        (0, "metrics.fct_run_metrics.net_sharpe"),
        (1, "staging.stg_ledger__measurements.net_sharpe"),
        (2, "staging.stg_ledger__results.result"),
        (3, "staging.stg_ledger__documents.document"),
        (3, "staging.stg_ledger__records.line"),
        (4, "raw.documents.content"),
        (4, "raw.records.line"),
    ]
    assert found[1]["expression"] == "parsed.result.net.sharpe"
    assert answers(derived, 26, {"column": "no.such.column"}) == []


def record_builds(drafts: list[Draft]) -> list[Draft]:
    """Return the drafts with two builds of one head; the second has another mart."""
    out = list(drafts)
    for number, content in enumerate(("one", "other")):
        run = f"20261201T04000{number}Z-build"
        shared: dict[str, Any] = {"run_id": run, "actor": "quant@desk"}
        marts = [
            {"name": "meta.dim_runs", "rows": 3, "sha256": digest_of("equal")},
            {"name": "metrics.fct_weights", "rows": 9, "sha256": digest_of(content)},
        ]
        result = {"through_seq": 20, "through_hash": digest_of("head"), "marts": marts}
        opening = next(d for d in drafts if d.id == f"{RUN}/open")
        out += [
            replace(opening, run_id=run, id=f"{run}/open", data={**opening.data, "kind": "build"}),
            Draft(type="intent", step="build", id=f"{run}/build/warehouse/1", data={
                "stage": "build@1", "sleeve": "warehouse", "as_of": None, "window": None,
                "cell": None, "params": {}, "slice": None, "upstream": {}, "seed": 0}, **shared),
            Draft(type="outcome", step="build", id=f"{run}/build/warehouse/1", status="ok", data={
                "result": result, "result_sha256": digest_of("x"), "upstream_sha256": {},
            }, **shared),
        ]  # fmt: skip
    return relinked(out)


def test_q27_names_the_mart_that_was_not_built_the_same_twice(tmp_path: Path) -> None:
    """One head, two builds, one mart with two contents: this one and no other."""
    database = derived_with(tmp_path, record_builds)
    found = answers(database, 27)
    assert [(row["mart"], row["content_sha256"]) for row in found] == [
        ("metrics.fct_weights", digest_of("one")),
        ("metrics.fct_weights", digest_of("other")),
    ]
    assert {row["contents"] for row in found} == {2}


def test_q28_is_a_timeline_that_adds_up(derived: Path, tmp_path: Path) -> None:
    """Every record is counted once; the stranger is found by name."""
    with duckdb.connect(str(derived), read_only=True) as connection:
        total = connection.execute("select count(*) from raw.records").fetchall()[0][0]
    found = answers(derived, 28)
    assert sum(row["records"] for row in found) == total
    assert {row["actor"] for row in found} == {None, "quant@desk"}
    assert answers(derived, 28, {"actor": "stranger"}) == []
    assert answers(derived, 28, {"last_day": "2020-01-01"}) == []

    def disguise(drafts: list[Draft]) -> list[Draft]:
        return [replace(d, actor="stranger") if d.id == SOLVED else d for d in drafts]

    database = derived_with(tmp_path, disguise)
    strange = answers(database, 28, {"actor": "stranger"})
    assert [(row["type"], row["step"], row["records"]) for row in strange] == [
        ("intent", "optimize", 1),
        ("outcome", "optimize", 1),
    ]


def test_q29_shows_proxy_fallback_and_changed_series(tmp_path: Path) -> None:
    """A sleeve that stood in for another says why, and an exchanged series is not unchanged."""

    def stand_in(data: Any) -> None:
        (row,) = [row for row in data["result"]["sleeves"] if row["sleeve"] == "crypto"]
        row["used"] = {"engine": "skfolio", "risk_profile": "min_variance"}
        row.update(proxy=True, reason="no series of custom.hrp")

    def change(drafts: list[Draft]) -> list[Draft]:
        composed = f"{RUN}/compose/meta/1"
        drafts = changed(drafts, composed, "outcome", stand_in)
        used = {"sleeve.crypto": digest_of("another"), "sleeve.stocks": digest_of("another")}
        return [
            replace(d, data={**d.data, "upstream_sha256": used})
            if (d.id, d.type) == (composed, "outcome")
            else d
            for d in drafts
        ]

    database = derived_with(tmp_path, change)
    crypto, stocks = answers(database, 29)
    assert (crypto["used"], crypto["is_proxy"], crypto["windows_fallen_back"]) == (
        "skfolio.min_variance", True, 1,
    )  # fmt: skip
    assert (stocks["is_proxy"], stocks["windows_fallen_back"]) == (False, 0)
    assert stocks["is_series_unchanged"] is False
    assert (stocks["replays"], stocks["replays_exact"]) == (1, 1)


def test_q29_confirms_the_series_of_a_sound_portfolio(derived: Path) -> None:
    """Both series have the digests that the meta-portfolio used."""
    assert [row["is_series_unchanged"] for row in answers(derived, 29)] == [True, True]


def test_q30_names_the_run_with_another_lock(derived: Path, tmp_path: Path) -> None:
    """Measured by the first run's lock, and by the lock that the auditor names."""

    def relock(data: Any) -> None:
        data["environment"]["lock_sha256"] = digest_of("other lock")

    database = derived_with(tmp_path, edited(f"{CRASHED}/open", "run", relock))
    (row,) = answers(database, 30)
    assert (row["run_id"], row["found_lock"]) == (CRASHED, digest_of("other lock"))
    assert row["standard"] == "the lock of the first run; none was ever approved"
    named = answers(database, 30, {"approved_lock": digest_of("other lock")})
    assert CRASHED not in {row["run_id"] for row in named}
    assert len(named) == 2
    assert answers(derived, 30) == []


def test_q31_rates_are_shares_by_engine_and_regime(derived: Path) -> None:
    """Of six windows asked of skfolio two fell back as infeasible; one crashed solve failed."""
    found = {
        (row["run_id"], row["engine"], row["regime"]): (
            row["decision_count"], row["fallback_rate"], row["infeasible_rate"], row["failed_rate"],
        )
        for row in answers(derived, 31)
    }  # fmt: skip
    assert found == {
        (RUN, "custom", "normal"): (8, 0.0, 0.0, 0.0),
        (RUN, "skfolio", "normal"): (6, pytest.approx(1 / 3), pytest.approx(1 / 3), 0.0),
        (CRASHED, "custom", "unknown"): (1, 0.0, 0.0, 1.0),
    }


def test_q32_finds_the_pause(tmp_path: Path) -> None:
    """An hour in which a run recorded nothing is named; a pause between runs is not."""
    opened = next(i for i, d in enumerate(tell().drafts) if d.run_id.endswith("-replay"))
    hour = timedelta(hours=1)
    database = derive(write_workspace(tmp_path, pauses={40: hour, opened: 5 * hour}))
    (row,) = answers(database, 32)
    assert (row["run_id"], row["record_seq"], row["previous_seq"]) == (RUN, 40, 39)
    assert row["minutes"] == pytest.approx(60 + 0.25 / 60)
    assert answers(database, 32, {"minutes": "61"}) == []
    every = answers(database, 32, {"minutes": "0", "run_id": RUN})
    assert [row["gap_rank"] for row in every] == list(range(1, 11))
