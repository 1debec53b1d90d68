"""Every error code can be looked up on the command line."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from flows.commands.explanation import EXIT_CODES
from flows.error_codes import error_codes
from flows.workers import WorkerError
from pipeline.errors import GateClosedError, SolverError

if TYPE_CHECKING:
    from tests.conftest import Workplace

CLI_PAGE = Path(__file__).resolve().parents[2] / "docs" / "cli.md"


def test_code_is_explained(workplace: Workplace) -> None:
    """Meaning, class and exit code, also in the spelling of a message."""
    for spelling in ("E0240", "e0240", "error[E0240]"):
        called = workplace.assay("explain", spelling)
        assert called.code == 0
        assert "No engine of the declared fallback chain found weights." in called.out
        assert "pipeline/errors.py" in called.out
    assert workplace.assay("explain", "E0240", "--json").data["exit_code"] == 6


def test_unknown_code_names_the_nearest(workplace: Workplace) -> None:
    """A slip of the finger is answered with the code that was meant."""
    called = workplace.assay("explain", "E0204")
    assert called.code == 2
    assert re.search(r"did you mean E0\d{3}\?", called.err)


@pytest.mark.parametrize("error", [GateClosedError, SolverError, WorkerError])
def test_exit_code_is_that_of_the_class(error: type[SolverError]) -> None:
    """Read from the source, inherited ones too, it is what the class carries."""
    found = {code.name: code for code in error_codes()}[error.__name__]
    assert (found.code, found.exit_code) == (error.code, error.exit_code)


def test_every_exit_code_is_explained_as_on_the_page() -> None:
    """No class ends with a code that the page of the commands does not know."""
    page = CLI_PAGE.read_text(encoding="utf-8")
    assert {code.exit_code for code in error_codes()} <= set(EXIT_CODES)
    for code in EXIT_CODES:
        assert f"| {code} |" in page
