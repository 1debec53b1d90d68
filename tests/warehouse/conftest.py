"""Workspaces for the tests of the warehouse."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.warehouse.derivation import derive
from tests.warehouse.synthetic import write_workspace

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """Return a workspace with the whole story in its ledger and nothing derived."""
    return write_workspace(tmp_path)


@pytest.fixture(scope="session")
def derived(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the database of the whole story, with every model run; read it only."""
    return derive(write_workspace(tmp_path_factory.mktemp("story")))
