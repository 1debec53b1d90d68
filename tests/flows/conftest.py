"""A small manifest, and Prefect as the tests use it: below a temporary folder, never at home."""

from __future__ import annotations

import os
import shutil
import warnings
from typing import TYPE_CHECKING, Any

import pytest

from flows.local_server import client_environment
from flows.settings import Workspace
from tests.conftest import Workplace, make_workplace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

FEW: dict[str, Any] = {
    "version": 1,
    "profiles": {
        "few": {
            "data": {
                "source": {
                    "dataset": "factors",
                    "first_date": "2021-01-04",
                    "last_date": "2022-03-31",
                }
            },
            "optimization": {
                "infeasible_caps": "relax",
                "cells": [{"engine": "custom", "risk_profile": "min_variance"}],
            },
        }
    },
}
"""Five factor funds over fifteen months, one cell: seven windows, less than a second."""


@pytest.fixture
def make_place(tmp_path: Path) -> Callable[[str], Workplace]:
    """Return a function that makes a workspace with the small manifest `few.json`."""

    def make(name: str) -> Workplace:
        place = make_workplace(tmp_path / name)
        place.write("few.json", FEW)
        return place

    return make


@pytest.fixture(scope="session")
def built_once(walked_once: Workplace, tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    """Return the walked workspace with a snapshot, shared by all tests: read it only."""
    folder = tmp_path_factory.mktemp("built") / "place"
    shutil.copytree(walked_once.folder, folder)
    place = Workplace(folder)
    assert place.assay("build").code in (0, 1)
    return place


@pytest.fixture(scope="session")
def prefect_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Set the environment that Prefect reads when it is imported, and import it."""
    home = Workspace(tmp_path_factory.mktemp("prefect"))
    before = dict(os.environ)
    os.environ.update(client_environment(home))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its own modules
        import flows.scheduler  # noqa: F401, PLC0415
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(scope="session")
def prefect_server(prefect_home: None) -> Iterator[None]:  # noqa: ARG001 - must come first
    """Run a temporary Prefect server for all tests that need one: it takes ten seconds."""
    from prefect.testing.utilities import prefect_test_harness  # noqa: PLC0415

    with prefect_test_harness(server_startup_timeout=180):
        yield
