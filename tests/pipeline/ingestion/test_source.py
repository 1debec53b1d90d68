"""Bars, the registry of sources, and the cut to what a run asks for."""

from __future__ import annotations

import datetime as dt
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config import DataParams, SourceParams
from pipeline.errors import ConfigError, DataError
from pipeline.fingerprint import bars_digest
from pipeline.ingestion import source
from pipeline.ingestion.source import Bars, open_source, restrict, source_name

if TYPE_CHECKING:
    from pipeline.ingestion.source import BarSource

BASE = Path()


def bars(*rows: tuple[str, str, float]) -> Bars:
    """Return bars from (symbol, date, close)."""
    symbols, dates, closes = zip(*rows, strict=True)
    return Bars.of(symbols, dates, {"close": closes})


TWO = bars(
    ("A", "2020-02-28", 1.0),
    ("A", "2020-02-29", 2.0),
    ("A", "2021-02-28", 3.0),
    ("B", "2020-02-29", 4.0),
    ("B", "2021-02-28", 5.0),
)


class OtherSource:
    """A source of another distribution."""

    name = "other"

    def read(self) -> Bars:
        """Return two bars."""
        return TWO


def open_other(params: SourceParams, base: Path) -> BarSource:
    """Return the source of another distribution."""
    assert params.kind == "other"
    assert base == BASE
    return OtherSource()


def test_bars_are_sorted_by_symbol_then_date() -> None:
    """Invariant 1: rows given in any order come out sorted, fields with them."""
    found = Bars.of(
        ["B", "A", "A"],
        ["2024-01-02", "2024-01-03", "2024-01-02"],
        {"volume": [7.0, 8.0, 9.0], "close": [1.0, 2.0, 3.0]},
    )
    assert found.symbol.tolist() == ["A", "A", "B"]
    assert [str(day) for day in found.date] == ["2024-01-02", "2024-01-03", "2024-01-02"]
    assert list(found.fields) == ["close", "volume"]
    assert found.fields["close"].tolist() == [3.0, 2.0, 1.0]
    assert found.fields["volume"].tolist() == [9.0, 8.0, 7.0]
    assert found.symbols == ("A", "B")
    assert len(found) == 3


def test_bars_cannot_be_written() -> None:
    """A stage that wrote into its input could not be replayed."""
    for column in (TWO.symbol, TWO.date, TWO.fields["close"]):
        assert not column.flags.writeable
    with pytest.raises(TypeError):
        TWO.fields["close"] = TWO.fields["close"]  # type: ignore[index]


@pytest.mark.parametrize(
    ("symbol", "date", "fields", "message"),
    [
        (["A", "A"], ["2024-01-02"] * 2, {"close": [1, 2]}, "more than one bar on 2024-01-02"),
        (["A"], ["2024-01-02"], {"open": [1]}, "expected close"),
        (["A"], ["2024-01-02"], {"close": [1], "vwap": [1]}, "vwap"),
        (["A"], ["NaT"], {"close": [1]}, "no date"),
        (["A"], ["2024-01-02"], {"close": [1, 2]}, "differ in length"),
    ],
)
def test_bars_refuse_what_is_no_table_of_bars(
    symbol: list[str], date: list[str], fields: dict[str, object], message: str
) -> None:
    """Invariants 1 and 2 hold for every value that exists."""
    with pytest.raises(ValueError, match=message):
        Bars.of(symbol, date, fields)


def test_unknown_kind_suggests_a_known_one() -> None:
    """A misspelt kind is answered with the nearest."""
    with pytest.raises(ConfigError) as caught:
        open_source(SourceParams(kind="parqet"), BASE)
    assert caught.value.fix == "did you mean parquet?"
    assert "parqet" in caught.value.what


@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_file_source_needs_a_path(kind: str) -> None:
    """A file source without a file is a mistake in the manifest."""
    with pytest.raises(ConfigError, match="needs a path"):
        open_source(SourceParams(kind=kind), BASE)


def test_every_built_in_source_has_the_recorded_name() -> None:
    """What is recorded is the kind and what is read, without a path of the machine."""
    for params, name in [
        (SourceParams(), "sample:sp500"),
        (SourceParams(dataset="factors"), "sample:factors"),
        (SourceParams(kind="csv", path="data/p.csv"), "csv:data/p.csv"),
        (SourceParams(kind="parquet", path="p.parquet"), "parquet:p.parquet"),
    ]:
        assert open_source(params, Path("somewhere")).name == source_name(params) == name


def registered(monkeypatch: pytest.MonkeyPatch, *entries: EntryPoint) -> None:
    """Pretend that distributions registered `entries`."""
    monkeypatch.setattr(source, "entry_points", lambda group: entries if group else ())


def test_source_of_another_distribution_is_opened_by_its_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An entry point in the group `assay.sources` adds a kind."""
    registered(monkeypatch, EntryPoint("other", f"{__name__}:open_other", "assay.sources"))
    monkeypatch.setattr(EntryPoint, "load", lambda _: open_other)
    assert open_source(SourceParams(kind="other"), BASE).read() is TWO


def test_kind_that_two_register_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which source is read does not depend on what was installed first."""
    registered(monkeypatch, EntryPoint("csv", "elsewhere:open_csv", "assay.sources"))
    with pytest.raises(ConfigError, match="registered 2 times"):
        open_source(SourceParams(kind="csv", path="p.csv"), BASE)


@pytest.mark.parametrize("value", ["no_such_package:f", "json:no_such_function"])
def test_broken_source_names_its_entry_point(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """A plugin that cannot be imported is an error of the installation, with its place."""
    registered(monkeypatch, EntryPoint("other", value, "assay.sources"))
    with pytest.raises(ConfigError, match="cannot be imported") as caught:
        open_source(SourceParams(kind="other"), BASE)
    assert value in caught.value.where


def params(**source_params: object) -> DataParams:
    """Return parameters with these source parameters."""
    return DataParams(source=SourceParams.model_validate(source_params))


def test_everything_is_kept_by_default() -> None:
    """Without symbols and dates nothing is cut."""
    assert restrict(TWO, params()) is TWO


@pytest.mark.parametrize(
    ("field", "value"), [("close", 0.0), ("close", np.inf), ("adj_close", -1.0), ("volume", -1.0)]
)
def test_values_of_a_plug_in_are_checked_too(field: str, value: float) -> None:
    """A source that is no file passes the same limits before anything is recorded."""
    fields = {"close": [1.0, 2.0], field: [1.0, value]}
    prices = Bars.of(["A", "B"], ["2024-01-02"] * 2, fields)
    with pytest.raises(DataError, match=f"1 values of {field}") as caught:
        restrict(prices, params())
    assert "B 2024-01-02" in caught.value.where


def test_dates_are_inclusive() -> None:
    """The first and the last date belong to the run."""
    kept = restrict(TWO, params(first_date="2020-02-29", last_date="2020-02-29"))
    assert [str(day) for day in kept.date] == ["2020-02-29", "2020-02-29"]


def test_history_years_end_on_the_last_day_kept() -> None:
    """One year before 28 February 2021 starts on the day after 28 February 2020."""
    kept = restrict(TWO, params(history_years=1))
    assert min(str(day) for day in kept.date) == "2020-02-29"
    leap = bars(
        ("A", "2019-02-28", 1.0),
        ("A", "2019-03-01", 1.0),
        ("B", "2019-03-01", 1.0),
        ("B", "2020-02-29", 1.0),
    )
    kept = restrict(leap, params(history_years=1))
    assert min(str(day) for day in kept.date) == "2019-03-01"


@pytest.mark.property
@given(
    st.lists(
        st.tuples(
            st.sampled_from("ABC"),
            st.dates(
                min_value=dt.date(2018, 1, 1),
                max_value=dt.date(2022, 12, 31),
            ).map(str),
        ),
        min_size=1,
        max_size=30,
        unique=True,
    ),
    st.one_of(st.none(), st.integers(1, 3)),
    st.one_of(st.none(), st.just("2021-06-30")),
    st.one_of(st.none(), st.just("2018-06-30")),
)
def test_restricting_twice_changes_nothing(
    keys: list[tuple[str, str]], years: int | None, last: str | None, first: str | None
) -> None:
    """The snapshot of the cut stands for the source."""
    wanted = params(history_years=years, last_date=last, first_date=first)
    try:
        once = restrict(bars(*((s, d, 1.0) for s, d in keys)), wanted)
    except DataError:
        return
    assert bars_digest(restrict(once, wanted)) == bars_digest(once)


def test_unknown_symbols_are_named_with_suggestions() -> None:
    """A misspelt symbol is not left out silently."""
    prices = bars(("AAPL", "2024-01-02", 1.0), ("MSFT", "2024-01-02", 1.0))
    with pytest.raises(DataError) as caught:
        restrict(prices, params(symbols=["APPL", "MSFT", "ZZ"]))
    assert caught.value.what.startswith("2 of 3 symbols")
    assert "APPL: did you mean AAPL?" in caught.value.fix
    assert "ZZ: known: AAPL, MSFT" in caught.value.fix


def test_symbols_are_cut() -> None:
    """Only the symbols asked for remain, in ascending order."""
    prices = bars(*((s, "2024-01-02", 1.0) for s in "ABC"))
    assert restrict(prices, params(symbols=["C", "A"])).symbols == ("A", "C")


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"symbols": ["A"]}, "at least 2 symbols, found A alone"),
        ({"first_date": "2030-01-01"}, "no bar is left of 5"),
        ({"last_date": "2020-02-28"}, "at least 2 symbols"),
        ({"last_date": "2020-02-28", "symbols": ["A", "B"]}, "1 symbols asked for have no bar"),
    ],
)
def test_cut_that_leaves_too_little_is_refused(wanted: dict[str, object], message: str) -> None:
    """An empty panel or one of a single symbol never leaves ingestion."""
    with pytest.raises(DataError, match=message):
        restrict(TWO, params(**wanted))


@pytest.mark.parametrize("text", ["2020-13-01", "20200101", "2020-W01-1", "today", "", "2020-1-1"])
def test_dates_have_one_spelling(text: str) -> None:
    """No spelling that numpy would read from the clock, and no second one of the same day."""
    with pytest.raises(ConfigError, match="expected a date YYYY-MM-DD"):
        restrict(TWO, params(first_date=text))
