"""Errors of replay: the evidence of a decision cannot be found or used.

A decision whose evidence is there and gives another result is no error but a verdict.
"""

from __future__ import annotations


class ReplayError(Exception):
    """Base of the errors raised by replay."""

    code = "E0500"
    exit_code = 2

    def __init__(self, what: str, *, where: str, why: str, fix: str) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.why = why
        self.fix = fix


class UnknownDecisionError(ReplayError):
    """No record, or more than one, has the id or prefix that was asked for."""

    code = "E0501"


class EvidenceMissingError(ReplayError):
    """A blob or an upstream result that an intent names is not there."""

    code = "E0502"


class EnvironmentUnknownError(ReplayError):
    """The state of the code cannot be established."""

    code = "E0503"
