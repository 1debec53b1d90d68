"""The SQL is written one way (`dbt_project/.sqlfluff`)."""

from __future__ import annotations

import subprocess
import sys

import pytest

from warehouse.build import PROJECT


@pytest.mark.slow
def test_models_and_tests_keep_to_the_style() -> None:
    """Keywords in lower case, one column a line, at most 100 characters, joins spelled out."""
    command = [sys.executable, "-m", "sqlfluff", "lint", "--config", str(PROJECT / ".sqlfluff")]
    done = subprocess.run(
        [*command, str(PROJECT / "models"), str(PROJECT / "tests")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:]
