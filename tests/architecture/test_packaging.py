"""The five generic import names are ours, and no known trap of a dependency is stepped into."""

from __future__ import annotations

import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from flows.commands.diagnosis import OURS, TRAPS, machine_checks, package_place

ROOT = Path(__file__).resolve().parents[2]
LOCK = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", OURS)
def test_packages_are_imported_from_this_checkout(name: str) -> None:
    """An audit by somebody else's `replay` is worthless."""
    assert package_place(name) == ROOT / name


@pytest.mark.parametrize("name", OURS)
def test_no_other_distribution_owns_our_names(name: str) -> None:
    """No installed distribution but ours provides the name."""
    assert set(packages_distributions().get(name, ["assay"])) == {"assay"}


@pytest.mark.parametrize(("name", "first", "broken", "reason"), TRAPS)
def test_locked_versions_avoid_known_traps(
    name: str, first: tuple[int, int], broken: tuple[int, int], reason: str
) -> None:
    """The lock holds a tested version of every package that is known to break."""
    (version,) = [p["version"] for p in LOCK["package"] if p["name"] == name]
    found = tuple(int(part) for part in version.split(".")[:2])
    assert first <= found < broken, reason


def test_doctor_finds_nothing_on_this_machine() -> None:
    """The machine that passes the tests passes the doctor."""
    assert [check for check in machine_checks() if not check.ok] == []


def test_lock_names_public_registries_only() -> None:
    """The lock can be installed anywhere."""
    sources = {p["source"].get("registry") for p in LOCK["package"] if "registry" in p["source"]}
    assert sources == {"https://pypi.org/simple"}


def test_no_module_of_flows_shadows_another() -> None:
    """Prefect puts the folder of a flow on the path: a file there must not hide a module."""
    names = {path.stem for path in (ROOT / "flows").glob("*.py")} - {"__init__"}
    installed = set(packages_distributions())
    assert names & (set(sys.stdlib_module_names) | set(OURS) | installed) == set()


def test_test_folders_are_no_packages() -> None:
    """A package `tests/ledger` would shadow ours."""
    found = sorted(str(p.relative_to(ROOT)) for p in (ROOT / "tests").rglob("__init__.py"))
    assert found == ["tests/__init__.py"]


def test_makefile_has_at_most_twelve_targets() -> None:
    """A newcomer reads them on one screen."""
    lines = (ROOT / "Makefile").read_text(encoding="utf-8").splitlines()
    assert len([line for line in lines if "## " in line and ":" in line.split("##")[0]]) <= 12
