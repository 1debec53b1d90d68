"""How a command is called: shared options, the edge that shows every error, exit codes.

Errors of ours are shown in four parts and become the exit code they carry; with `--json` every way
to end, wrong use and an interrupt included, prints one JSON object.
"""

from __future__ import annotations

import errno
import sys
import tempfile
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer._click import exceptions  # Typer's own copy of click; it names its errors nowhere else
from typer.main import get_command

from flows.errors import DefectError, Explained, PathRefusedError, StoppedError, UsageError
from flows.output import Output
from flows.settings import now, read_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from flows.settings import Settings

USAGE = 2
REFUSED = frozenset(
    {
        errno.EACCES,
        errno.EISDIR,
        errno.ELOOP,
        errno.ENAMETOOLONG,
        errno.ENOTDIR,
        errno.EPERM,
        errno.EROFS,
    }
)
"""What the operating system says of a path or its mode, and not of our code or of a disk."""

app = typer.Typer(
    name="assay",
    help="Weighs portfolios and proves the weights.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no notes.")]
Manifest = Annotated[
    str | None, typer.Option("--manifest", "-m", help="Manifest file; the bundled one if absent.")
]
Profile = Annotated[str | None, typer.Option("--profile", "-p", help="Run profile.")]
Values = Annotated[
    list[str] | None, typer.Option("--set", help="Override a value: section.key=value.")
]
Runner = Annotated[str, typer.Option("--runner", help="plain or prefect.")]

_directory: list[Path] = []


@app.callback()
def common(
    directory: Annotated[
        Path | None,
        typer.Option("-C", "--directory", help="Work as if started in this folder."),
    ] = None,
) -> None:
    """Weighs portfolios and proves the weights."""
    _directory[:] = [] if directory is None else [directory]


def settings() -> Settings:
    """Return where the command works."""
    return read_settings(_directory[0] if _directory else None)


def call(command: str, as_json: bool, quiet: bool, work: Callable[[Output], int]) -> None:
    """Run the work of a command and leave with its exit code."""
    output = Output(command, as_json=as_json, quiet=quiet)
    try:
        code = work(output)
    except KeyboardInterrupt:
        code = output.failed(_stopped())
    except BrokenPipeError:
        # The reader, such as `head`, has seen enough.
        sys.stdout = None
        code = 0
    except Exception as error:  # noqa: BLE001 - the edge: every error is shown, none is swallowed
        code = output.failed(_explained(error))
    raise typer.Exit(code)


def _stopped() -> StoppedError:
    return StoppedError(
        "interrupted",
        where="keyboard or signal",
        why="somebody stopped the command",
        fix="start it again; what was recorded stays, open intents are closed by the next run",
    )


def _explained(error: Exception) -> Explained:
    if isinstance(error, Explained):
        return error
    if isinstance(error, OSError) and error.errno in REFUSED and error.filename is not None:
        return PathRefusedError(
            f"the operating system refused: {error.strerror}",
            where=str(error.filename),
            why="a command reads and writes files, where its user may",
            fix="name another path, or change its mode or owner",
        )
    return _defect(error)


def _defect(error: Exception) -> DefectError:
    """Write a report of a defect of ours and return how to show it."""
    name = f"assay-error-{now():%Y%m%dT%H%M%S%fZ}.txt"
    trace = "".join(traceback.format_exception(error))
    for folder in (Path.cwd(), Path(tempfile.gettempdir())):
        path = folder / name
        try:
            path.write_text(trace, encoding="utf-8", errors="backslashreplace")
        except OSError:
            continue  # A folder that nobody may write, or a full disk, does not hide the defect.
        where = str(path)
        break
    else:
        where = trace
    return DefectError(
        f"internal error: {error!r}",
        where=where,
        why="this is a defect of assay",
        fix="report it with the file",
    )


def run_app(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code.

    What Typer refuses is shown like every other error; with `--json` as a JSON object.
    """
    command = get_command(app)
    try:
        code: int = command.main(list(arguments), prog_name="assay", standalone_mode=False) or 0
    except exceptions.NoArgsIsHelpError as error:
        error.show()
        return USAGE
    except exceptions.UsageError as error:
        return _output_of(arguments).failed(_refusal(error))
    except typer.Abort:
        return _output_of(arguments).failed(_stopped())
    return code


def _output_of(arguments: Sequence[str]) -> Output:
    return Output("usage", as_json="--json" in arguments)


def _refusal(error: exceptions.UsageError) -> UsageError:
    place = error.ctx.command_path if error.ctx else "assay"
    return UsageError(
        error.format_message(),
        where=place,
        why="the command does not take this",
        fix=f"see `{place} --help`",
    )
