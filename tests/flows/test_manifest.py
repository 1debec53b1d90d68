"""A manifest resolves to one complete profile, and says what is wrong with it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from flows.errors import ManifestError
from flows.manifest import BUNDLED, read_manifest, resolve

if TYPE_CHECKING:
    from pathlib import Path

    from flows.manifest import ManifestFile


def write(folder: Path, profiles: object, **top: object) -> ManifestFile:
    """Write a manifest with `profiles` and read it back."""
    path = folder / "manifest.json"
    path.write_text(json.dumps({"version": 1, "profiles": profiles, **top}), encoding="utf-8")
    return read_manifest(path)


def test_bundled_profiles_all_resolve() -> None:
    """Every profile that ships with the project validates."""
    manifest = read_manifest(BUNDLED)
    for name in manifest.profiles:
        assert resolve(manifest, name).name == name


def test_default_profile_of_the_bundle_has_two_sleeves() -> None:
    """The demo combines the stocks and the factor funds."""
    resolved = resolve(read_manifest(BUNDLED), None)
    assert sorted(resolved.sleeves) == ["factors", "stocks"]


def test_plain_profile_is_its_own_sleeve(tmp_path: Path) -> None:
    """A profile without sleeves runs as one sleeve named like it."""
    resolved = resolve(write(tmp_path, {"my-etf": {}}), None)
    assert list(resolved.sleeves) == ["my_etf"]


def test_later_layers_win_and_say_where_a_value_came_from(tmp_path: Path) -> None:
    """defaults < assay.toml < extended profile < profile < environment < flag."""
    toml = tmp_path / "assay.toml"
    toml.write_text("seed = 1\n[simulation]\nslippage_bps = 1.0\ncommission_bps = 9.0\n")
    manifest = write(
        tmp_path,
        {
            "base": {"simulation": {"slippage_bps": 2.0}, "seed": 2},
            "mine": {"extends": "base", "seed": 3},
        },
    )
    resolved = resolve(
        manifest,
        "mine",
        workspace_file=toml,
        overrides={"SIMULATION__WEALTH_FLOOR": "0.02"},
        flags={"simulation.initial_nav": "100"},
    )
    simulation = resolved.profile.simulation
    assert (simulation.commission_bps, simulation.slippage_bps) == (9.0, 2.0)
    assert (simulation.wealth_floor, simulation.initial_nav, resolved.profile.seed) == (
        0.02,
        100,
        3,
    )
    assert resolved.origin["simulation.commission_bps"] == "assay.toml"
    assert resolved.origin["simulation.slippage_bps"] == "profile base (manifest.json)"
    assert resolved.origin["seed"] == "profile mine (manifest.json)"
    assert (
        resolved.origin["simulation.wealth_floor"] == "environment ASSAY_SIMULATION__WEALTH_FLOOR"
    )
    assert resolved.origin["simulation.initial_nav"] == "flag --set simulation.initial_nav"
    assert resolved.origin["simulation.rebalance"] == "default"


def test_overrides_appear_in_the_resolved_form_and_its_digest() -> None:
    """Nothing hides in the environment: the recorded manifest changes with it."""
    manifest = read_manifest(BUNDLED)
    plain, other = resolve(manifest, "demo"), resolve(manifest, "demo", overrides={"SEED": "7"})
    assert plain.sha256 != other.sha256
    assert other.sleeves["stocks"].seed == 7


def test_same_profile_has_the_same_digest() -> None:
    """The digest depends on values only."""
    assert resolve(read_manifest(BUNDLED), "sp500").sha256 == (
        resolve(read_manifest(BUNDLED), "sp500").sha256
    )


def test_profile_extends_a_bundled_one_of_its_own_name(tmp_path: Path) -> None:
    """One may refine `sp500` under the same name."""
    resolved = resolve(write(tmp_path, {"sp500": {"extends": "sp500", "seed": 5}}), None)
    assert resolved.profile.seed == 5
    assert len(resolved.profile.optimization.cells) == 10


@pytest.mark.parametrize(
    ("profile", "expected"),
    [
        pytest.param({"sede": 1}, "did you mean 'seed'", id="unknown key"),
        pytest.param(
            {"simulation": {"slipage_bps": 5}}, "did you mean 'slippage_bps'", id="nested key"
        ),
        pytest.param(
            {"optimization": {"cells": [{"engin": "custom"}]}},
            "did you mean 'engine'",
            id="key inside a list",
        ),
        pytest.param({"seed": "many"}, "seed", id="wrong type"),
        pytest.param(
            {"walk_forward": {"step_days": 5}}, "step_days is 5 and test_days is 10", id="rule"
        ),
        pytest.param({"data": {"floor_days": 100}}, "at least train_days", id="rule across"),
        pytest.param({"extends": "nothing"}, "unknown profile 'nothing'", id="unknown parent"),
        pytest.param({"extends": "mine"}, "unknown profile 'mine'", id="parent is itself"),
    ],
)
def test_wrong_profiles_are_refused_with_the_reason(
    tmp_path: Path, profile: dict[str, object], expected: str
) -> None:
    """The message names the key, and the nearest known one."""
    with pytest.raises(ManifestError, match=expected):
        resolve(write(tmp_path, {"mine": profile}), "mine")


def test_circle_of_extends_is_refused(tmp_path: Path) -> None:
    """a -> b -> a is named as a circle."""
    with pytest.raises(ManifestError, match="circle: a -> b -> a"):
        resolve(write(tmp_path, {"a": {"extends": "b"}, "b": {"extends": "a"}}), "a")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(None, "no manifest", id="missing"),
        pytest.param(b"", "not JSON", id="empty"),
        pytest.param(b"[]", "expected a JSON object", id="list"),
        pytest.param(b'{"version": 1, "version": 1}', "stands twice", id="key twice"),
        pytest.param(
            b'{"profiles": {"a": {"optimization": {"cells": []}}}}', "cells", id="no cell"
        ),
        pytest.param(b"{}", "profiles", id="no profiles"),
        pytest.param(b'{"profiles": {"a": {}}, "version": 2}', "version", id="other version"),
    ],
)
def test_unreadable_manifests_are_refused(
    tmp_path: Path, content: bytes | None, expected: str
) -> None:
    """A file that is no manifest gives one error with a fix."""
    path = tmp_path / "manifest.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ManifestError, match=expected) as caught:
        read_manifest(path)
    assert caught.value.fix


def test_every_problem_is_named_at_once(tmp_path: Path) -> None:
    """Two mistakes give one error with both."""
    with pytest.raises(ManifestError) as caught:
        write(tmp_path, {"mine": {"sede": 1, "data": {"calender": "24x7"}}})
    assert "seed" in caught.value.what
    assert "calendar" in caught.value.what


def test_workspace_file_that_is_not_toml_is_refused(tmp_path: Path) -> None:
    """A broken assay.toml stops the run."""
    toml = tmp_path / "assay.toml"
    toml.write_text("seed = [")
    with pytest.raises(ManifestError, match="not TOML"):
        resolve(read_manifest(BUNDLED), "demo", workspace_file=toml)
