"""Errors of the reports."""

from __future__ import annotations

from warehouse.errors import EvidenceAlteredError, WarehouseError


class NothingToReportError(WarehouseError):
    """The snapshot holds no such run."""

    code = "E0340"
    exit_code = 2


class UnexpectedAnswerError(WarehouseError):
    """A mart has not the columns or types that the report reads: another version made it."""

    code = "E0341"
    exit_code = 2


class CitedRecordDiffersError(EvidenceAlteredError):
    """A mart cites a record that the ledger does not hold with that hash."""

    code = "E0342"


class UnreadablePeriodError(WarehouseError):
    """The period of a report is not a year, a quarter or two days in order."""

    code = "E0350"
    exit_code = 2


class UnknownFrameworkError(WarehouseError):
    """There is no mapping for a framework of that name."""

    code = "E0351"
    exit_code = 2


class UnreadableReportError(WarehouseError):
    """A file is not a report that says what it was made from."""

    code = "E0352"
    exit_code = 2
