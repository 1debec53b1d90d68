"""`explain CODE`: what an error code means, and who must act."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from flows.error_codes import error_codes
from flows.errors import UsageError

if TYPE_CHECKING:
    from flows.output import Output

EXIT_CODES = {
    1: "done, with findings",
    2: "wrong use, wrong manifest, prices that cannot be used",
    3: "integrity: chain, signature or blob",
    4: "a replay did not give the recorded result, or a certificate does not hold",
    5: "a gate is closed: health, caps, dirty tree in live mode",
    6: "no engine of the fallback chain found weights",
    70: "a defect of assay",
    75: "try again: another process holds what is needed, or a server does not run",
    130: "interrupted; what was recorded stays",
}
"""As in `docs/cli.md`."""


def explain(output: Output, text: str) -> int:
    """Print the entry of a code.

    Raises
    ------
    UsageError
        If there is no such code.
    """
    codes = {code.code: code for code in error_codes()}
    wanted = text.strip().upper().removeprefix("ERROR[").removesuffix("]")
    found = codes.get(wanted)
    if found is None:
        near = difflib.get_close_matches(wanted, list(codes), n=1, cutoff=0.6)
        guess = f"; did you mean {near[0]}?" if near else ""
        raise UsageError(
            f"no error has the code {text!r}{guess}",
            where="assay explain",
            why="a code stands in brackets behind `error`, such as error[E0402]",
            fix="docs/errors.md lists all codes",
        )
    ends = EXIT_CODES.get(found.exit_code, "")
    shown = (
        f"{found.code} {found.name}\n"
        f"  meaning  {found.meaning}\n"
        f"  raised   {found.module}\n"
        f"  exit     {found.exit_code}, {ends}"
    )
    return output.done(shown, {**found._asdict(), "ends": ends})
