"""The sections show the numbers of the marts, and say where they are missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb
import pytest

from tests.warehouse.reports.conftest import RUN, page_of
from tests.warehouse.reports.outline import outline_of
from warehouse.reports.sections.health import merged
from warehouse.reports.wording import ABSENT, MINUS, decimal, percent

if TYPE_CHECKING:
    from pathlib import Path

    from tests.warehouse.reports.conftest import Change
    from tests.warehouse.reports.outline import Element


def cells(page: Element, table: str) -> list[list[str]]:
    """Return the texts of a table, row by row."""
    body = page.by_id(table).all("tbody")[0]
    return [[c.text for c in row.children] for row in body.all("tr")]


def rows(snapshot: Path, sql: str) -> list[tuple[object, ...]]:
    """Return the rows of a statement."""
    with duckdb.connect(str(snapshot), read_only=True) as connection:
        return connection.execute(sql).fetchall()


def test_metrics_are_those_recorded(page: Element, snapshot: Path) -> None:
    """Each book has its row with gross and net numbers and the record of its measure."""
    recorded = rows(
        snapshot,
        "select sleeve, engine, risk_profile, gross_total_return, net_total_return, net_sharpe, "
        "record_seq from metrics.fct_run_metrics order by record_seq",
    )
    shown = cells(page, "metrics-table")
    assert len(shown) == len(recorded) == 5
    for line, (sleeve, engine, profile, gross, net, sharpe, seq) in zip(
        shown, recorded, strict=True
    ):
        assert isinstance(gross, float)
        assert isinstance(net, float)
        assert isinstance(sharpe, float)
        assert line[0] == f"{sleeve} · {engine} · {str(profile).replace('_', ' ')}"
        assert line[1:3] == [percent(gross), percent(net)]
        assert line[7] == decimal(sharpe)
        assert line[-1].startswith(f"{seq} ")


def test_no_annual_return_below_a_year(page: Element) -> None:
    """Eighty days are not made into a year."""
    assert {line[3] for line in cells(page, "metrics-table")} == {ABSENT}


def test_trials_of_the_whole_ledger_are_counted(page: Element) -> None:
    """The cell of the run that crashed was a trial too."""
    assert "6 cells were tried in this ledger" in page.by_id("performance").text


def test_assumptions_state_costs_geometry_and_source(page: Element) -> None:
    """Costs in basis points, days learned from and held for, source and dates, by sleeve."""
    found = {line[0]: line[1:] for line in cells(page, "assumptions-table")}
    assert found["Slippage"] == ["5 bps"] * 3
    assert found["Commission"] == ["1 bps"] * 3
    assert found["Learned from"] == ["20 days"] * 3
    assert found["Held for"] == ["5 days"] * 3
    assert found["Windows"] == ["16", "16", "15"]
    assert found["Prices from"][:2] == ["sample", "sample"]
    assert "Survivorship" in page.by_id("assumptions").text
    assert "bundled sample" in page.by_id("assumptions").text


def test_survivorship_of_another_source_is_left_open(change: Change) -> None:
    """For prices that are not the sample the page says that it does not know."""
    page = outline_of(page_of(change("update meta.dim_snapshots set source = 'parquet'")))
    assert "is not recorded" in page.by_id("assumptions").text


def test_months_compound_to_the_year(page: Element) -> None:
    """The product of the months is the return of the year, to the digits shown."""
    (line,) = cells(page, "months-table")
    growth = 1.0
    for text in line[1:13]:
        if text:
            growth *= 1 + float(text.replace(MINUS, "-")) / 100
    assert growth - 1 == pytest.approx(float(line[13].replace(MINUS, "-")) / 100, abs=0.003)


def test_other_books_are_drawn_small_by_sleeve(page: Element) -> None:
    """Every book but the main one has its own small drawing."""
    smalls = page.by_id("performance").of_class("smalls")
    assert [len(group.all("li")) for group in smalls] == [2, 2]
    assert [h.text for h in page.by_id("performance").all("h4")] == ["stocks", "crypto"]


def test_weights_of_the_last_window_sum_to_one(page: Element) -> None:
    """The table below the areas holds the weights of each window in percent."""
    for line in cells(page, "weights-table"):
        assert sum(float(text or 0) for text in line[2:-1]) == pytest.approx(100, abs=0.5)


def test_plain_run_shows_target_weights(change: Change) -> None:
    """Without a meta-portfolio the first book is the main one, and there is no section seven."""
    changed = change(
        "delete from metrics.fct_run_metrics where sleeve = 'meta'",
        "delete from metrics.fct_cap_usage where sleeve = 'meta'",
        "delete from health.fct_solver_outcomes where sleeve = 'meta'",
        "delete from meta.bdg_sleeves",
    )
    page = outline_of(page_of(changed))
    assert "stocks · custom · hrp" in page.by_id("fig-curve").all("figcaption")[0].text
    assert "Target weights" in page.by_id("fig-weights").all("figcaption")[0].text
    assert not [e for e in page.all("section") if e.attributes["id"] == "combination"]


def test_fewer_symbols_than_colours_all_have_a_name(page: Element) -> None:
    """The eight symbols held are named in the key; nothing is put together."""
    keys = [item.text.strip() for item in page.by_id("fig-weights").of_class("keys")[0].all("li")]
    assert len(keys) == 8
    assert all(key.split()[0] == str(n) for n, key in enumerate(keys, start=1))


def test_many_symbols_share_the_last_area(change: Change) -> None:
    """Beyond twelve the smaller symbols are one area, named by their number."""
    copies = (
        "insert into meta.fct_flattened_weights "
        "select * replace (symbol || n as symbol, net_weight / 4 as net_weight) "
        "from meta.fct_flattened_weights, range(3) as more(n)"
    )
    page = outline_of(page_of(change(copies.replace("select *", "select * exclude (n)"))))
    keys = [item.text.strip() for item in page.by_id("fig-weights").of_class("keys")[0].all("li")]
    assert keys[-1] == "13 the other 20 symbols"


def test_relaxed_caps_are_listed_with_their_reason(page: Element) -> None:
    """What was asked for, what was applied, under which regime, how often."""
    lines = cells(page, "relaxations-table")
    assert len(lines) == 4
    assert {line[2] for line in lines} == {"relax"}
    assert all(line[3] == percent(0.30) and line[4] == percent(0.35) for line in lines)


def test_breaches_are_listed(change: Change) -> None:
    """A limit that was exceeded is a row with value and allowance."""
    changed = change(
        "update metrics.fct_cap_usage set is_breached = true, excess = 0.05 "
        "where name = 'AAA' and window_ordinal = 3"
    )
    lines = cells(outline_of(page_of(changed)), "breaches-table")
    assert len(lines) == 2
    assert all("symbol cap AAA" in line[2] for line in lines)


def test_long_lists_say_what_they_leave_out(change: Change) -> None:
    """A list that is cut says how many rows are missing and where to get them."""
    changed = change("update metrics.fct_cap_usage set is_breached = true")
    ((total,),) = rows(changed, "select count(*) - 100 from metrics.fct_cap_usage")
    section = outline_of(page_of(changed)).by_id("weights")
    (note,) = [e.text for e in section.of_class("note") if "more rows not shown" in e.text]
    assert note.startswith(f"{total} more rows")


def test_unhealthy_symbols_are_drawn_and_listed(change: Change) -> None:
    """A stale symbol is a span of another height, and a row with dates and reasons."""
    changed = change(
        "update health.fct_asset_health set status = 'stale', reasons = 'no bar for 3 sessions' "
        "where symbol = 'BBB' and window_ordinal between 4 and 6"
    )
    page = outline_of(page_of(changed))
    (line,) = cells(page, "health-failures-table")
    assert line[:4] == ["stocks", "BBB", "stale", "3"]
    assert line[6] == "no bar for 3 sessions"
    drawn = [
        e for e in page.by_id("health-stocks").all("rect") if "s-stale" in e.attributes["class"]
    ]
    assert [(e.attributes["x"], e.attributes["width"]) for e in drawn] == [("4", "3")]
    assert "13 ok, 3 stale" in page.by_id("health-stocks").text


def test_fallbacks_are_counted_by_regime(page: Element) -> None:
    """The engine that fell back is named with regime, rate and reason."""
    lines = cells(page, "fallbacks-by-regime-table")
    assert ["skfolio", "normal", "32", "2", percent(2 / 32)] in [line[:5] for line in lines]
    assert any("no feasible point" in line for line in cells(page, "fallbacks-table"))


def test_last_decisions_have_their_records(page: Element) -> None:
    """The newest decisions are listed with the record of their outcome."""
    lines = cells(page, "recent-table")
    assert len(lines) == 25
    seqs = [int(line[-1].split()[0]) for line in lines]
    assert seqs == sorted(seqs, reverse=True)
    assert f"{RUN}/" in page.by_id("decisions").text


def test_last_solution_of_each_cell_is_shown_in_full(page: Element) -> None:
    """Five cells, each with weights, limits with slack, and what was asked for."""
    solutions = page.of_class("solution")
    assert len(solutions) == 5
    assert [("open" in s.attributes) for s in solutions] == [False, False, False, False, True]
    for solution in solutions:
        assert "slack" in solution.text
        assert "weight" in solution.text


def test_vetoes_name_rule_value_and_limit(page: Element) -> None:
    """The symbol that was vetoed in the last selection is named with the numbers."""
    assert [line[:4] for line in cells(page, "vetoes-stocks")] == [
        ["FFF", "entropy", "0.9990", "0.9900"],
        ["FFF", "volatility", "0.9990", "0.9900"],
    ]


def test_register_lists_what_deviated(page: Element) -> None:
    """Failed, aborted and unfinished decisions and the dirty run are in the register."""
    lines = cells(page, "unsuccessful-table")
    assert [line[1] for line in lines] == ["failed", "aborted", "no outcome, run not closed"]
    assert "no engine found weights" in lines[0]
    (dirty,) = cells(page, "dirty-runs-table")
    assert dirty[2] == "dirty, 1 untracked file"


def test_replays_that_differ_are_named(change: Change) -> None:
    """A decision that did not come out the same is in the register with the field that differs."""
    changed = change(
        "update meta.fct_replays set verdict = 'diverged', first_difference = 'weights.AAA'"
    )
    for line in cells(outline_of(page_of(changed)), "replay-differences-table"):
        assert line[0].startswith(RUN)
        assert line[1:3] == ["diverged", "weights.AAA"]


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        ('{"code": "E0320", "what": "it fails", "why": "long"}', "E0320 it fails"),
        ('{"why": "only"}', ABSENT),
        ("[1]", "[1]"),
        ("killed", "killed"),
    ],
)
def test_errors_of_runs_are_shown_short(change: Change, error: str, shown: str) -> None:
    """Of a recorded error the code and the first part are shown, of another text all."""
    page = outline_of(page_of(change("update meta.dim_runs set error = $error", error=error)))
    assert {line[5] for line in cells(page, "dirty-runs-table")} == {shown}


def test_caps_are_listed_by_regime(change: Change) -> None:
    """Caps of the four regimes stand in one cell, as percentages."""
    regimes = "from (values ('quiet'), ('normal'), ('turbulent'), ('crisis')) as r(regime)"
    changed = change(
        "insert into meta.dim_parameters "
        "select p.* replace ('symbol_caps.' || r.regime as parameter, '0.25' as value) "
        f"{regimes}, meta.dim_parameters as p where p.parameter = 'l2_penalty'"
    )
    found = {line[0]: line[1:] for line in cells(outline_of(page_of(changed)), "assumptions-table")}
    assert found["Symbol cap by regime"][0] == " / ".join([percent(0.25, 0)] * 4)


def test_book_without_windows_has_no_charts_of_windows(change: Change) -> None:
    """Where weights and windows are missing their charts are left out, not drawn empty."""
    changed = change(
        "delete from meta.fct_flattened_weights",
        "delete from metrics.fct_weights",
        "delete from metrics.fct_window_metrics",
        "delete from meta.fct_regimes",
    )
    page = outline_of(page_of(changed))
    assert [f.attributes["id"] for f in page.all("figure")] == ["fig-curve", "fig-caps"]
    assert "No regime was recorded" in page.by_id("health").text


def test_flattened_weights_are_conserved(page: Element) -> None:
    """Each flattening is counted, and its largest difference shown."""
    (line,) = cells(page, "conservation-table")
    assert line[1] == line[2] == "15"


def test_dropped_sleeve_is_marked(change: Change) -> None:
    """A sleeve without a series is dropped, with the reason."""
    changed = change(
        "update meta.bdg_sleeves set is_dropped = true, reason = 'no series', used_engine = null, "
        "used_risk_profile = null where sleeve = 'crypto'"
    )
    (line,) = [r for r in cells(outline_of(page_of(changed)), "sleeves-table") if r[0] == "crypto"]
    assert line[2] == "dropped"
    assert "no series" in line


def test_builds_are_shown_when_recorded(change: Change) -> None:
    """Hashes of marts recorded by an earlier build are printed in full."""
    sha = "ab" * 32
    changed = change(
        "insert into meta.fct_builds by name select 'x' as build_id, 5 as through_seq, "
        "'h' as through_hash, 'metrics.fct_weights' as mart, 7 as row_count, "
        "$sha as content_sha256, seq as record_seq, hash as record_hash, run_id "
        "from raw.records where seq = 5",
        sha=sha,
    )
    assert sha in cells(outline_of(page_of(changed)), "marts-table")[0]


def test_neighbours_of_one_kind_are_joined() -> None:
    """Cells of one class beside each other are one span."""
    spans = [(0, 0, "a"), (1, 1, "a"), (2, 2, "b"), (4, 4, "b")]
    assert merged(spans) == [(0, 1, "a"), (2, 2, "b"), (4, 4, "b")]
