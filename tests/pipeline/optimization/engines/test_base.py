"""Engines by name, and what each can do."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from typing import TYPE_CHECKING, get_args

import pytest

from pipeline.config import Cell, OptimizationParams, RiskProfile
from pipeline.errors import ConfigError
from pipeline.optimization.engines import base
from pipeline.optimization.engines.base import (
    Answer,
    Capability,
    Engine,
    capabilities,
    capability_table,
    check_cells,
    installed,
    open_engine,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.optimization.problem import Problem


class Registered:
    """An engine of another distribution."""

    name = "registered"
    capabilities = (Capability("registered", "hrp", "solved", "solved", "not_applicable"),)

    def solve(self, problem: Problem) -> Answer:
        """Find nothing."""
        return Answer("failed", reason=problem.risk_profile)


ENGINE = Registered()
NOT_AN_ENGINE = object()


@pytest.fixture
def _fresh() -> Iterator[None]:
    open_engine.cache_clear()
    yield
    open_engine.cache_clear()


def register(monkeypatch: pytest.MonkeyPatch, name: str, attribute: str) -> None:
    """Pretend that a distribution registers `attribute` of this module as engine `name`."""
    point = EntryPoint(name, f"{__name__}:{attribute}", base.ENTRY_POINT_GROUP)
    monkeypatch.setattr(EntryPoint, "load", lambda self: globals()[self.attr])
    monkeypatch.setattr(base, "entry_points", lambda group: [point] if group else [])


@pytest.mark.parametrize("name", sorted({row.engine for row in capability_table()}))
def test_built_in_engines_solve_what_the_table_says(name: str) -> None:
    """The table and the functions of each adapter name the same risk profiles."""
    engine = open_engine(name)
    assert isinstance(engine, Engine)
    declared = {entry.risk_profile for entry in capabilities(name)}
    module = __import__(f"pipeline.optimization.engines.{name}", fromlist=["PROFILES"])
    solved = {entry.risk_profile for entry in engine.capabilities} - {"adaptive"}
    assert declared - {"adaptive"} == set(module.PROFILES) == solved


def test_our_engine_solves_every_risk_profile() -> None:
    """Each risk profile of the manifest has at least one engine."""
    assert {entry.risk_profile for entry in capabilities("custom")} == set(get_args(RiskProfile))


def test_the_table_has_one_row_per_combination() -> None:
    """No combination is declared twice."""
    rows = [(entry.engine, entry.risk_profile) for entry in capabilities()]
    assert len(rows) == len(set(rows))


def test_the_whole_table_is_engine_by_risk_profile() -> None:
    """Every engine has one row for every risk profile, in the same order; some are refused."""
    rows = capability_table()
    engines = list(dict.fromkeys(row.engine for row in rows))
    assert [(row.engine, row.risk_profile) for row in rows] == [
        (engine, profile) for engine in engines for profile in get_args(RiskProfile)
    ]
    assert not any(row.refused for row in rows if row.engine == "custom")


@pytest.mark.parametrize(
    "row", capability_table(), ids=lambda row: f"{row.engine}.{row.risk_profile}"
)
def test_every_cell_is_declared_or_refused(row: Capability) -> None:
    """A refused cell is an error before the run that names what the engine can do."""
    cell = Cell(engine=row.engine, risk_profile=row.risk_profile)
    if row.refused:
        with pytest.raises(ConfigError, match=f"{row.engine} cannot solve {row.risk_profile}"):
            check_cells([cell])
    else:
        check_cells([cell], OptimizationParams(benchmark_symbols=("SPY",)))


@pytest.mark.usefixtures("_fresh")
def test_an_engine_that_is_not_installed_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the run and without importing anything."""
    monkeypatch.setattr(base, "find_spec", lambda _: None)
    assert not installed("riskfolio")
    assert installed("custom")
    with pytest.raises(ConfigError, match="engine riskfolio is not installed") as caught:
        check_cells([Cell(engine="riskfolio", risk_profile="hrp")])
    assert "--extra riskfolio" in caught.value.fix
    with pytest.raises(ConfigError, match="engine cvxportfolio is not installed"):
        open_engine("cvxportfolio")


def test_market_without_symbols_is_refused() -> None:
    """Nothing is taken for the market that the manifest does not name."""
    with pytest.raises(ConfigError, match="no benchmark symbol is declared"):
        check_cells([Cell(risk_profile="market")], OptimizationParams())


def test_a_ridge_that_an_engine_ignores_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A declared penalty is used or refused, never dropped."""
    row = Capability("custom", "hrp", "projected", "projected", "refused")
    monkeypatch.setattr(base, "CAPABILITIES", (row,))
    check_cells([Cell(risk_profile="hrp")], OptimizationParams())
    with pytest.raises(ConfigError, match=r"custom\.hrp cannot honour l2_penalty"):
        check_cells([Cell(risk_profile="hrp")], OptimizationParams(l2_penalty=0.1))


def test_cells_are_checked_before_a_run() -> None:
    """What an engine cannot do is refused by name, with what it can do."""
    check_cells([Cell(), Cell(engine="skfolio", risk_profile="hrp")])
    with pytest.raises(ConfigError, match="skfolio cannot solve barbell; it can min_variance"):
        check_cells([Cell(engine="skfolio", risk_profile="barbell")])


@pytest.mark.usefixtures("_fresh")
def test_an_unknown_engine_is_refused() -> None:
    """The message lists the engines there are."""
    with pytest.raises(ConfigError, match="there are custom, cvxportfolio, pyp"):
        check_cells([Cell(engine="nonesuch")])


@pytest.mark.usefixtures("_fresh")
def test_an_engine_of_another_distribution_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The entry point group opens the door, the table of that engine decides."""
    register(monkeypatch, "registered", "ENGINE")
    found: object = open_engine("registered")
    assert found is ENGINE
    check_cells([Cell(engine="registered", risk_profile="hrp")])
    with pytest.raises(ConfigError):
        check_cells([Cell(engine="registered", risk_profile="barbell")])


@pytest.mark.usefixtures("_fresh")
def test_something_else_under_the_entry_point_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """An object without `solve` is no engine."""
    register(monkeypatch, "broken", "NOT_AN_ENGINE")
    with pytest.raises(ConfigError, match="registered as engine 'broken'"):
        open_engine("broken")
