"""The engine of the guide, installed as a distribution of its own, walks like any other."""

from __future__ import annotations

import copy
import importlib
import re
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pipeline.optimization.engines.base import capability_table, open_engine
from tests.conftest import SMALL, make_workplace

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.walk

GUIDE = (Path(__file__).parents[2] / "docs" / "guides" / "engines.md").read_text(encoding="utf-8")


def block(before: str, language: str) -> str:
    """Return the code block of the guide that follows a text."""
    start = GUIDE.index(before)
    found = re.search(rf"```{language}\n(.*?)```", GUIDE[start:], re.DOTALL)
    assert found is not None
    return found[1]


@pytest.fixture
def _installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Put module and metadata where an installer would."""
    site = tmp_path / "site"
    project = tomllib.loads(block("`pyproject.toml` of its distribution", "toml"))["project"]
    name, version = project["name"], project["version"]
    metadata = site / f"{name.replace('-', '_')}-{version}.dist-info"
    metadata.mkdir(parents=True)
    (site / "assay_gradient.py").write_text(block("`assay_gradient.py`:", "python"))
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (group, points), *_ = project["entry-points"].items()
    lines = "".join(f"{key} = {value}\n" for key, value in points.items())
    (metadata / "entry_points.txt").write_text(f"[{group}]\n{lines}")
    monkeypatch.syspath_prepend(str(site))
    importlib.invalidate_caches()
    open_engine.cache_clear()
    yield
    open_engine.cache_clear()
    sys.modules.pop("assay_gradient", None)


def manifest() -> dict[str, Any]:
    """Return the stocks weighed by the engine of the guide and by ours."""
    profile = copy.deepcopy(SMALL["profiles"]["stocks"])
    profile["data"]["source"]["last_date"] = "2020-03-31"
    profile["optimization"]["cells"] = [
        {"engine": "gradient", "risk_profile": "min_variance"},
        {"engine": "custom", "risk_profile": "min_variance"},
    ]
    return {"version": 1, "profiles": {"stocks": profile}}


@pytest.mark.usefixtures("_installed")
def test_the_engine_of_the_guide_walks(tmp_path: Path) -> None:
    """Listed, run, recorded with distribution and version, certified, equal to ours, replayed."""
    rows = [row for row in capability_table() if row.engine == "gradient" and not row.refused]
    assert [row.risk_profile for row in rows] == ["min_variance"]
    place = make_workplace(tmp_path / "place")
    place.write("manifest.json", manifest())
    called = place.assay("run", "-m", "manifest.json", "-q")
    assert called.code == 0, called.err
    taken = {
        record["id"].split("/")[2]: record["data"]["result"]
        for record in place.records
        if record["step"] == "optimize" and record["type"] == "outcome"
    }
    theirs = {ordinal: found for ordinal, found in taken.items() if ".gradient." in ordinal}
    assert len(theirs) >= 3
    for ordinal, found in theirs.items():
        ours = taken[ordinal.replace("gradient", "custom")]
        assert found["provider"] == {"distribution": "assay-gradient", "version": "0.3.0"}
        assert "provider" not in ours
        assert found["certificate"]["gap"] < 1e-8
        for symbol, weight in found["weights"].items():
            assert weight == pytest.approx(ours["weights"][symbol], abs=1e-6)


@pytest.mark.usefixtures("_installed")
def test_what_its_table_does_not_declare_is_refused(tmp_path: Path) -> None:
    """Costs of trading with an engine that knows none: an error before the run."""
    told = manifest()
    told["profiles"]["stocks"]["optimization"]["trading"] = {"linear_bps": 5.0}
    place = make_workplace(tmp_path / "place")
    place.write("manifest.json", told)
    called = place.assay("run", "-m", "manifest.json", "-q")
    assert called.code == 2
    assert "gradient.min_variance cannot honour linear_costs" in called.err
