"""`tournament run`, `tournament show`: many cells over the same windows, and their scoreboard."""

from __future__ import annotations

import csv
import io
import math
from typing import TYPE_CHECKING, cast

from flows.audit import load_history
from flows.commands.runs import resolve_profile, runner_named
from flows.errors import UsageError
from flows.output import Progress, table
from flows.settings import available_cores

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flows.output import Output
    from flows.settings import Settings
    from ledger import Record
    from pipeline.values import Json, Payload
    from replay.history import History

FINDINGS, NO_WEIGHTS = 1, 6
BAR_WIDTH = 10


def run(
    settings: Settings,
    output: Output,
    *,
    manifest: str | None,
    profile: str | None,
    values: Sequence[str],
    engines: Sequence[str],
    risk_profiles: Sequence[str],
    every: bool,
    jobs: int | None,
    resume: str | None,
) -> int:
    """Run a tournament, or go on with one; exit 1 if a cell failed, 6 if all did."""
    from flows.tournament import go_on, hold, with_cells  # noqa: PLC0415 - imports the pipeline

    settings.find_workspace()
    jobs = available_cores() if jobs is None else jobs
    runner = runner_named("plain")
    if resume is not None:
        if manifest or profile or values or engines or risk_profiles or every:
            raise UsageError(
                "--resume takes no profile and no cells",
                where="assay tournament run",
                why="a run goes on with the manifest and the cells that it recorded",
                fix="give --resume alone (and --jobs), or start a new tournament without it",
            )
        with Progress(output) as progress:
            summary = go_on(settings, resume, runner, jobs=jobs, progress=progress)
    else:
        resolved = resolve_profile(settings, manifest, profile, values)
        resolved = with_cells(resolved, engines, risk_profiles, every=every)
        cells = sum(len(sleeve.optimization.cells) for sleeve in resolved.sleeves.values())
        output.note(f"{cells} cells, {jobs} at a time")
        with Progress(output) as progress:
            summary = hold(settings, resolved, runner, jobs=jobs, progress=progress)
    found = scoreboard(load_history(settings.find_workspace()), summary.run_id)
    head = (summary.head, summary.checkpoint.size)
    return output.done(as_text(found), found, code=_code(found), head=head)


def _code(found: Payload) -> int:
    sleeves = cast("list[Payload]", found["sleeves"])
    if any(sleeve["score"] is None for sleeve in sleeves):
        return NO_WEIGHTS
    return FINDINGS if any(_score(sleeve)["failed"] for sleeve in sleeves) else 0


def show(settings: Settings, output: Output, text: str | None, *, as_csv: bool) -> int:
    """Show the scoreboard of a tournament, the newest if none is named."""
    history = load_history(settings.find_workspace())
    found = scoreboard(history, _find(history, text).run_id)
    return output.done(as_table_file(found) if as_csv else as_text(found), found)


def _find(history: History, text: str | None) -> Record:
    held = [run for run in history.runs.values() if run.data["kind"] == "tournament"]
    chosen = held[-1:] if text is None else [history.run(text)]
    if not chosen or chosen[0] not in held:
        raise UsageError(
            "no tournament was held" if text is None else f"{text} is no tournament",
            where="assay tournament show",
            why="a scoreboard is the result of `assay tournament run`",
            fix="run `assay tournament run`, or find one with `assay log --type run`",
        )
    return chosen[0]


def scoreboard(history: History, run_id: str) -> Payload:
    """Return what the ledger holds about a tournament: rule, trials, and scores where it is done.

    Parameters
    ----------
    history : History
        The recorded decisions.
    run_id : str
        The tournament.
    """
    opening = history.runs[run_id]
    sealed = cast("Payload", opening.data["tournament"])
    cells = cast("dict[str, list[str]]", sealed["cells"])
    return {
        "run_id": run_id,
        "profile": cast("str", opening.data["profile"]),
        "rule": sealed["rule"],
        "rule_recorded_at": opening.seq,
        "sleeves": [_sleeve(history, run_id, name, labels) for name, labels in cells.items()],
    }


def _sleeve(history: History, run_id: str, name: str, labels: Sequence[str]) -> Payload:
    ids = history.decisions(run_id)
    states: Payload = {}
    for label in labels:
        attempts = [id_ for id_ in ids if id_.startswith(f"{run_id}/trial/{name}.{label}/")]
        decision = history.get(attempts[-1]) if attempts else None
        outcome = None if decision is None else decision.outcome
        states[label] = {
            "status": "open" if outcome is None else outcome.status,
            "attempts": len(attempts),
        }
    scores = [id_ for id_ in ids if id_.startswith(f"{run_id}/score/{name}/")]
    done = [id_ for id_ in scores if _is_ok(history, id_)]
    score = history.result(done[-1])[0] if done else None
    return {"sleeve": name, "trials": states, "score": score}


def _is_ok(history: History, id_: str) -> bool:
    outcome = history.decision(id_).outcome
    return outcome is not None and outcome.status == "ok"


def _score(sleeve: Payload) -> Payload:
    return cast("Payload", sleeve["score"])


COLUMNS = {
    "rank": "rank",
    "cell": "cell",
    "windows": "windows",
    "failed_windows": "failed",
    "net_annual": "net",
    "gross_annual": "gross",
    "volatility": "vol",
    "sharpe": "Sharpe",
    "max_drawdown": "fall",
    "turnover_annual": "turnover",
    "costs": "costs",
    "fallbacks": "fallbacks",
    "psr": "PSR",
    "dsr": "DSR",
    "excess_sharpe": "over EW",
    "excess_annual": "over EW",
}
"""Columns in CSV, and as they are headed on a terminal."""


def rows_of(score: Payload) -> list[list[object]]:
    """Return the rows of a scoreboard in the order of `COLUMNS`; failed cells come last."""
    rows: list[list[object]] = []
    for row in cast("list[Payload]", score["rows"]):
        net, gross = cast("Payload", row["net"]), cast("Payload", row["gross"])
        measures = [net["annual_return"], gross["annual_return"]]
        measures += [net[name] for name in ("volatility", "sharpe", "max_drawdown")]
        measures += [row["turnover_one_way_annual"], row["costs_total"]]
        judged = (
            "probabilistic_sharpe",
            "deflated_sharpe",
            "excess_sharpe",
            "excess_annual_return",
        )
        rows.append(
            [
                *(row[name] for name in ("rank", "cell", "windows", "failed_windows")),
                *map(_float, measures),
                row["fallbacks"],
                *(_float(row[name]) for name in judged),
            ]
        )
    for row in cast("list[Payload]", score["failed"]):
        empty = [None] * (len(COLUMNS) - 4)
        rows.append([None, row["cell"], row["windows"], row["failed_windows"], *empty])
    return rows


def _float(value: Json) -> float | None:
    """Return a number as a float: records write 1.0 as 1."""
    return None if value is None else float(cast("float", value))


def as_table_file(found: Payload) -> str:
    """Return the scoreboard as CSV with one header."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["sleeve", *COLUMNS])
    for sleeve in cast("list[Payload]", found["sleeves"]):
        if sleeve["score"] is not None:
            for row in rows_of(_score(sleeve)):
                writer.writerow([sleeve["sleeve"], *("" if cell is None else cell for cell in row)])
    return text.getvalue().rstrip("\n")


def as_text(found: Payload) -> str:
    """Return the scoreboard as people read it."""
    rule = cast("Payload", found["rule"])
    sealed = f"in record {found['rule_recorded_at']}, before the first result"
    lines = [
        f"tournament {found['run_id']}, profile {found['profile']}",
        f"rule       {rule['rule']} after costs, {sealed}",
    ]
    for sleeve in cast("list[Payload]", found["sleeves"]):
        lines += ["", *_sleeve_text(sleeve, cast("str", found["run_id"]))]
    return "\n".join(lines)


def _sleeve_text(sleeve: Payload, run_id: str) -> list[str]:
    if sleeve["score"] is None:
        states = cast("dict[str, Payload]", sleeve["trials"])
        tried = [(label, state["status"], state["attempts"]) for label, state in states.items()]
        note = (
            f"{sleeve['sleeve']}: not scored; go on with `assay tournament run --resume {run_id}`"
        )
        return [note, table(("cell", "status", "attempts"), tried)]
    score = _score(sleeve)
    rows = rows_of(score)
    highest = max((abs(cast("float", row[7])) for row in rows if row[7] is not None), default=0.0)
    shown = [[*row[:8], _bar(cast("float | None", row[7]), highest), *row[8:]] for row in rows]
    header = list(COLUMNS.values())
    failed = [
        f"failed     {row['cell']}: {row['code']} {row['what']}"
        for row in cast("list[Payload]", score["failed"])
    ]
    board = table([*header[:8], "", *header[8:]], shown)
    return [f"sleeve     {sleeve['sleeve']}", *_judgement(score), *failed, board]


def _bar(value: float | None, highest: float) -> str:
    if value is None or not highest:
        return ""
    return ("#" if value > 0 else "-") * max(1, round(BAR_WIDTH * abs(value) / highest))


def _judgement(score: Payload) -> list[str]:
    """Return what the number of tries means, in words."""
    hurdle, found = score["expected_maximum_sharpe"], cast("Payload | None", score["overfitting"])
    lines = [f"trials     {score['trials']} of this profile so far, failed and aborted ones too"]
    if hurdle is not None:
        annual = cast("float", hurdle) * math.sqrt(_periods(score))
        lines.append(f"hurdle     Sharpe {annual:.4f} a year: the best of so many without skill")
    if found is not None:
        lines.append(
            f"overfit    PBO {found['probability']:.4f}: share of {found['halvings']} halvings in "
            "which the best of one half was in the worse half of the other"
        )
    return lines


def _periods(score: Payload) -> int:
    return cast("int", score["periods_per_year"])
