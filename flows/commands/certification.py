"""`certify`: were the recorded weights the best? Confirmed from the record, without a solver."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from flows.errors import UsageError
from flows.output import Progress

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flows.output import Output
    from flows.settings import Settings
    from replay.certification import Certification

ABSENT, INTEGRITY, MISMATCH = 1, 3, 4
SHOWN = 10
"""Broken certificates that are printed; all are in the JSON object and in the ledger."""


def certify_decisions(
    settings: Settings,
    output: Output,
    *,
    text: str | None,
    run_id: str | None,
    every: bool,
    last: bool,
    sample: int | None,
    seed: int,
) -> int:
    """Check certificates in a fresh process; exit 4 if one does not hold, 1 if one is missing."""
    from flows.audit import certify, choose, load_history  # noqa: PLC0415 - imports replay
    from replay.certification import REFUSED, certifiable  # noqa: PLC0415
    from replay.comparison import BREACHES  # noqa: PLC0415

    history = load_history(settings.find_workspace())
    chosen = choose(
        history,
        text=text,
        run_id=run_id,
        every=every,
        last=last,
        sample=sample,
        seed=seed,
        steps=("optimize",),
        command="certify",
    )
    ids = list(certifiable(history, chosen))
    if not ids:
        raise UsageError(
            "none of the decisions named has weights to certify",
            where="assay certify",
            why="a certificate stands in the outcome of an `optimize` decision",
            fix="`assay log --step optimize` lists them",
        )
    with Progress(output) as progress:
        found = certify(settings, ids, progress)
    verdicts = {one.verdict for one in found}
    data = {
        "counts": dict(sorted(Counter(one.verdict for one in found).items())),
        "kinds": dict(sorted(Counter(one.kind for one in found if one.kind).items())),
        "absent_by_cell": dict(
            sorted(Counter(one.cell for one in found if one.verdict == "absent").items())
        ),
        "decisions": [one.to_payload() for one in found],
    }
    code = MISMATCH if verdicts & set(REFUSED) else ABSENT if "absent" in verdicts else 0
    if verdicts & BREACHES:
        code = INTEGRITY
    return output.done("\n".join(_lines(found)), data, code=code)


def _lines(found: Sequence[Certification]) -> list[str]:
    """Return one line for each verdict and kind, then what is missing or does not hold."""
    kinds = Counter((one.verdict, one.kind or "") for one in found)
    lines = [
        f"{f'{verdict} {kind}':<24} {count}" for (verdict, kind), count in sorted(kinds.items())
    ]
    without = Counter((one.cell, one.reason) for one in found if one.verdict == "absent")
    lines += [
        f"  {cell}: {count} without, {reason}" for (cell, reason), count in sorted(without.items())
    ]
    others = [one for one in found if one.verdict not in {"confirmed", "absent"}]
    lines += [f"  {one.decision_id}: {one.verdict}, {one.reason}" for one in others[:SHOWN]]
    if len(others) > SHOWN:
        lines.append(f"  and {len(others) - SHOWN} more")
    return lines
