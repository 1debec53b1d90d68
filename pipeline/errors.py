"""Errors of the pipeline, one kind for each party who must act.

Every error says what was expected, what was found, where, and what to do; `code` is stable and is
explained in `docs/errors.md`. Findings about data are values (`values.Finding`), not exceptions.
"""

from __future__ import annotations


class PipelineError(Exception):
    """Base of all errors raised by the pipeline.

    Parameters
    ----------
    what : str
        One line: what is wrong, with expected and found values.
    where : str
        File, symbol, date or parameter concerned.
    why : str
        The rule that was broken and its reason.
    fix : str
        What the reader should do.
    """

    code = "E0200"
    exit_code = 70

    def __init__(self, what: str, *, where: str, why: str, fix: str) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.why = why
        self.fix = fix


class DataError(PipelineError):
    """The prices given cannot be used as they are; the user repairs the file."""

    code = "E0210"
    exit_code = 2


class ConfigError(PipelineError):
    """The manifest or a parameter cannot be used as it is; the user edits it."""

    code = "E0220"
    exit_code = 2


class GateClosedError(PipelineError):
    """A declared gate (health, caps) forbids going on; the user decides."""

    code = "E0230"
    exit_code = 5


class SolverError(PipelineError):
    """No engine of the declared fallback chain found weights."""

    code = "E0240"
    exit_code = 6
