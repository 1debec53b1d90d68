"""`retention check`: what is kept of each class, what is missing, what was lawfully erased."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flows.errors import BreachError
from flows.output import table
from flows.retention import read_years, survey
from flows.settings import now
from ledger import VerifyKey, verify

if TYPE_CHECKING:
    from datetime import datetime

    from flows.output import Output
    from flows.retention import Holding
    from flows.settings import Settings, Workspace
    from ledger import Report

FINDINGS = 1
LOSS = 3
_SETTINGS_FILE = "assay.toml"
_DAYS_OF_A_YEAR = 365.25


def check(settings: Settings, output: Output) -> int:
    """Survey the workspace; exit 1 when something went early or away, 3 when something is lost.

    Raises
    ------
    BreachError
        If the ledger does not verify: then nobody can say what is missing.
    """
    workspace = settings.find_workspace()
    report = _verified(workspace)
    holdings = survey(workspace, read_years(workspace.root.parent / _SETTINGS_FILE))
    lost = [f"{each.name}: {name} is missing" for each in holdings for name in each.missing]
    early = [
        f"{each.name}: {name} was erased before its {each.years:g} years were over"
        for each in holdings
        for name in each.early
    ]
    away = [f"records: the segment of record {first} is not here" for first in report.unread]
    findings = [*lost, *early, *away]
    code = LOSS if lost else FINDINGS if findings else 0
    data = {"classes": [each.to_payload() for each in holdings], "findings": findings}
    grounds = [
        f"{each.name}: {count} erased, {ground}"
        for each in holdings
        for ground, count in sorted(each.erased.items())
    ]
    text = "\n".join([_to_table(holdings, now()), *grounds, *findings])
    return output.done(text, data, code=code, head=(report.head, report.count))


def _verified(workspace: Workspace) -> Report:
    public = workspace.keys / "log.pub"
    keys = (VerifyKey.load(public),) if public.exists() else ()
    report = verify(workspace.ledger, level="fast", keys=keys)
    if not report.ok:
        raise BreachError(
            f"the ledger does not verify: {report.verdict}",
            where=str(workspace.ledger),
            why="what a record names can be looked for only when the records hold",
            fix="run `assay verify`, which names the first fault",
        )
    return report


def _to_table(holdings: list[Holding], at: datetime) -> str:
    rows = [
        (
            each.name,
            f"{each.years:g}",
            each.items,
            _age(each, at),
            len(each.missing),
            sum(each.erased.values()),
            len(each.early),
        )
        for each in holdings
    ]
    header = ("class", "years", "items", "oldest, years", "missing", "erased", "early")
    return table(header, rows)


def _age(holding: Holding, at: datetime) -> str:
    if not holding.oldest:
        return "-"
    days = (at - type(at).fromisoformat(holding.oldest)).total_seconds() / 86_400
    return f"{days / _DAYS_OF_A_YEAR:.2f}"
