"""What a command prints: results on standard output, everything else on standard error.

`--json` prints one object: `{schema, ok, code, data, warnings, ledger}`.
"""

from __future__ import annotations

import json
import math
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from flows.errors import as_json, describe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flows.errors import Explained

PLAIN_SECONDS = 10.0
"""Without a terminal, progress is a line at most this often."""


@dataclass(slots=True)
class Output:
    """Where a command writes.

    Attributes
    ----------
    command : str
        Name of the command, part of the schema.
    as_json : bool
        One JSON object instead of text.
    quiet : bool
        No progress and no notes.
    warnings : list of str
        Shown at the end, and in the JSON object.
    """

    command: str
    as_json: bool = False
    quiet: bool = False
    warnings: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
        """Print a line for people on standard error."""
        if not self.quiet:
            print(text, file=sys.stderr)  # noqa: T201

    def done(
        self,
        text: str,
        data: object,
        *,
        code: int = 0,
        head: tuple[str, int] | None = None,
    ) -> int:
        """Print the result and return `code`.

        Parameters
        ----------
        text : str
            What people read.
        data : object
            The same as JSON values.
        code : int
            Exit code.
        head : tuple of str and int, optional
            Hash of the last record and number of records.
        """
        if self.as_json:
            ledger = None if head is None else {"head": head[0], "count": head[1]}
            self._print_json(ok=code == 0, code=code, data=data, ledger=ledger)
            return code
        if text:
            print(text)  # noqa: T201
        for warning in self.warnings:
            self.note(f"warning: {warning}")
        return code

    def failed(self, error: Explained) -> int:
        """Print an error in four parts and return its exit code."""
        if self.as_json:
            self._print_json(ok=False, code=error.exit_code, data={"error": as_json(error)})
        print(describe(error), file=sys.stderr)  # noqa: T201
        return error.exit_code

    def _print_json(self, *, ok: bool, code: int, data: object, ledger: object = None) -> None:
        envelope: dict[str, Any] = {
            "schema": f"assay.{self.command}/1",
            "ok": ok,
            "code": code,
            "data": data,
            "warnings": self.warnings,
            "ledger": ledger,
        }
        text = json.dumps(_finite(envelope), indent=2, ensure_ascii=False, allow_nan=False)
        print(text)  # noqa: T201


def _finite(value: object) -> object:
    """Return JSON values with NaN and infinities as the texts that records use."""
    if isinstance(value, dict):
        return {key: _finite(member) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(member) for member in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


class Progress:
    """Bars on a terminal, a line now and then elsewhere, nothing when quiet.

    Parameters
    ----------
    output : Output
        Decides whether and how progress is shown.
    """

    def __init__(self, output: Output) -> None:
        self._output = output
        self._bars: Any = None
        self._tasks: dict[str, Any] = {}
        self._last_line = time.monotonic()
        if not output.quiet and sys.stderr.isatty():
            self._bars = _rich_progress()

    def __enter__(self) -> Self:
        """Start showing."""
        if self._bars is not None:
            self._bars.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        """Stop showing."""
        if self._bars is not None:
            self._bars.stop()

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Show that `done` of `total` windows of `stage` are decided."""
        if self._bars is not None:
            if stage not in self._tasks:
                self._tasks[stage] = self._bars.add_task(stage, total=total)
            self._bars.update(self._tasks[stage], completed=done, total=total)
        elif time.monotonic() - self._last_line > PLAIN_SECONDS or done == total:
            self._last_line = time.monotonic()
            self._output.note(f"{stage}: {done} of {total}")


def _rich_progress() -> Any:  # noqa: ANN401 - rich is imported only on a terminal
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import (  # noqa: PLC0415
        BarColumn,
        MofNCompleteColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.progress import Progress as Bars  # noqa: PLC0415

    return Bars(
        TextColumn("{task.description:<10}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return rows as text columns; numbers to the right."""
    cells = [[_cell(value) for value in row] for row in rows]
    widths = [max(len(line[i]) for line in [list(header), *cells]) for i in range(len(header))]
    numeric = [
        all(isinstance(row[i], int | float) or row[i] is None for row in rows)
        for i in range(len(header))
    ]
    lines = [list(header), ["-" * width for width in widths], *cells]
    return "\n".join(
        "  ".join(
            text.rjust(width) if right else text.ljust(width)
            for text, width, right in zip(line, widths, numeric, strict=True)
        ).rstrip()
        for line in lines
    )


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.4f}" if isinstance(value, float) else str(value)
