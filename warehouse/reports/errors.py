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
