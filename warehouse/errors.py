"""Errors of the warehouse, one kind for each party who must act.

Every error says what was expected and found, where, why it matters and what to do; `code` is
stable and explained in `docs/errors.md`. What the records themselves say wrong (a breached cap, a
run without an end) is no error: it is a row of `health.fct_findings`.
"""

from __future__ import annotations


class WarehouseError(Exception):
    """Base of all errors raised by the warehouse.

    Parameters
    ----------
    what : str
        One line: what is wrong, with expected and found values.
    where : str
        File, record, table or statement concerned.
    why : str
        The rule that was broken and its reason.
    fix : str
        What the reader should do.
    """

    code = "E0300"
    exit_code = 70

    def __init__(self, what: str, *, where: str, why: str, fix: str) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.why = why
        self.fix = fix

    def __str__(self) -> str:
        """Return the four parts, one a line, as the command line prints them."""
        parts = (("where", self.where), ("why", self.why), ("fix", self.fix))
        return "\n".join(
            [f"error[{self.code}]: {self.what}", *(f"  {name:<6} {text}" for name, text in parts)]
        )


class EvidenceAlteredError(WarehouseError):
    """The ledger, a blob or the warehouse itself is not what was written."""

    code = "E0301"
    exit_code = 3


class HistoryDiffersError(EvidenceAlteredError):
    """The ledger no longer begins with the records that the warehouse has loaded."""

    code = "E0302"


class NothingToBuildError(WarehouseError):
    """There is no ledger, no record, or no such head in the workspace."""

    code = "E0310"
    exit_code = 2


class BuildFileError(WarehouseError):
    """The build file is damaged, or is no file of the warehouse."""

    code = "E0311"
    exit_code = 2


class BuildFailedError(WarehouseError):
    """A model or a test of the dbt project failed; nothing was published."""

    code = "E0320"


class WarehouseBusyError(WarehouseError):
    """Another process builds the warehouse of this workspace."""

    code = "E0321"
    exit_code = 75


class SnapshotMissingError(WarehouseError):
    """The warehouse of the workspace was never built."""

    code = "E0330"
    exit_code = 2


class QueryRefusedError(WarehouseError):
    """The statement is not exactly one harmless SELECT."""

    code = "E0331"
    exit_code = 2


class QueryFailedError(WarehouseError):
    """The statement could not be answered: it does not bind, or it exceeded a limit."""

    code = "E0332"
    exit_code = 2


class UnknownQuestionError(WarehouseError):
    """There is no question of that number, or it was asked with other parameters."""

    code = "E0333"
    exit_code = 2


class LineageError(WarehouseError):
    """There is no such column, or the SQL of a model cannot be followed."""

    code = "E0343"
    exit_code = 2


class OutputFileError(WarehouseError):
    """A file that somebody asked for cannot be written."""

    code = "E0344"
    exit_code = 2
