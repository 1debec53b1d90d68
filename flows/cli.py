"""`assay`: the umbrella command.

Arguments are read here and handed to `flows.commands`; errors of ours are shown in four parts and
become the exit code they carry. Nothing heavy is imported before a command needs it.
"""

from __future__ import annotations

import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.errors import Explained
from flows.output import Output
from flows.settings import now, prepare_process, read_settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from flows.settings import Settings

INTERNAL = 70
INTERRUPTED = 130

app = typer.Typer(
    name="assay",
    help="Weighs portfolios and proves the weights.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
config_app = typer.Typer(help="Show the resolved configuration.", no_args_is_help=True)
flow_app = typer.Typer(help="Run scheduled flows with Prefect.", no_args_is_help=True)
app.add_typer(config_app, name="config")
app.add_typer(flow_app, name="flow")

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


def _call(command: str, as_json: bool, quiet: bool, work: Callable[[Output], int]) -> None:
    """Run the work of a command and leave with its exit code."""
    output = Output(command, as_json=as_json, quiet=quiet)
    try:
        code = work(output)
    except KeyboardInterrupt:
        output.note("interrupted; what was recorded stays, open intents are closed by the next run")
        code = INTERRUPTED
    except BrokenPipeError:
        # The reader, such as `head`, has seen enough.
        sys.stdout = None
        code = 0
    except Exception as error:  # noqa: BLE001 - the edge: every error is shown, none is swallowed
        code = output.failed(error) if isinstance(error, Explained) else _internal(output, error)
    raise typer.Exit(code)


def _internal(output: Output, error: Exception) -> int:
    """Write a report of a defect of ours and return its exit code."""
    path = Path(f"assay-error-{now():%Y%m%dT%H%M%SZ}.txt").resolve()
    path.write_text("".join(traceback.format_exception(error)), encoding="utf-8")
    output.note(f"error[E0000]: internal error: {error!r}")
    output.note(
        f"  where  {path}\n  why    this is a defect of assay\n  fix    report it with the file"
    )
    return INTERNAL


def _settings() -> Settings:
    return read_settings(_directory[0] if _directory else None)


@app.command()
def init(
    origin: Annotated[str | None, typer.Option(help="Name of the ledger in checkpoints.")] = None,
    as_json: Json = False,
) -> None:
    """Make a workspace here: signing key, ledger, first checkpoint."""
    from flows.commands import workspace  # noqa: PLC0415

    _call("init", as_json, False, lambda out: workspace.init(_settings(), out, origin))


@app.command()
def demo(
    folder: Annotated[str | None, typer.Option(help="Where; ./assay-demo if absent.")] = None,
    runner: Runner = "plain",
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Run the main job on bundled prices, verify, replay a sample, and write the report."""
    from flows.commands import runs  # noqa: PLC0415

    _call("demo", as_json, quiet, lambda out: runs.demo(_settings(), out, folder, runner))


@app.command()
def run(
    stage: Annotated[
        str,
        typer.Argument(
            help="backtest, rebalance, or a stage for one date: ingestion, selection, "
            "optimization, simulation."
        ),
    ] = "backtest",
    manifest: Manifest = None,
    profile: Profile = None,
    as_of: Annotated[str | None, typer.Option(help="Decision date, YYYY-MM-DD.")] = None,
    runner: Runner = "plain",
    values: Values = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only resolve the manifest.")] = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Run a profile and record every decision."""
    from flows.commands import runs  # noqa: PLC0415

    _call(
        "run",
        as_json,
        quiet,
        lambda out: runs.run(
            _settings(),
            out,
            stage=stage,
            manifest=manifest,
            profile=profile,
            as_of=as_of,
            runner=runner,
            values=values or (),
            dry_run=dry_run,
        ),
    )


@app.command()
def verify(
    fast: Annotated[bool, typer.Option("--fast", help="Bytes only: hashes, links, roots.")] = False,
    blobs: Annotated[bool, typer.Option("--blobs", help="Check every blob too.")] = False,
    as_json: Json = False,
) -> None:
    """Verify the ledger; exit 3 when anything in it was changed."""
    from flows.commands import evidence  # noqa: PLC0415

    _call(
        "verify",
        as_json,
        False,
        lambda out: evidence.verify_workspace(_settings(), out, fast=fast, with_blobs=blobs),
    )


@app.command()
def log(
    step: Annotated[str | None, typer.Option(help="Only this step.")] = None,
    run_id: Annotated[str | None, typer.Option("--run", help="Only this run.")] = None,
    type_: Annotated[str | None, typer.Option("--type", help="Only this record type.")] = None,
    count: Annotated[int, typer.Option("-n", min=1, help="How many.")] = 20,
    as_json: Json = False,
) -> None:
    """List the last records."""
    from flows.commands import evidence  # noqa: PLC0415

    _call(
        "log",
        as_json,
        False,
        lambda out: evidence.show_log(
            _settings(), out, step=step, run_id=run_id, type_=type_, count=count
        ),
    )


@app.command()
def show(
    text: Annotated[str, typer.Argument(metavar="ID", help="Seq, id, or a unique part of an id.")],
    as_json: Json = False,
) -> None:
    """Show a record, or intent and outcome of a decision."""
    from flows.commands import evidence  # noqa: PLC0415

    _call("show", as_json, False, lambda out: evidence.show_record(_settings(), out, text))


@app.command()
def checkpoint(as_json: Json = False) -> None:
    """Sign a checkpoint over the whole ledger and print it."""
    from flows.commands import evidence  # noqa: PLC0415

    _call("checkpoint", as_json, False, lambda out: evidence.sign_checkpoint(_settings(), out))


@app.command()
def replay(
    text: Annotated[str | None, typer.Argument(metavar="[ID]", help="One decision.")] = None,
    run_id: Annotated[str | None, typer.Option("--run", help="All decisions of a run.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All decisions.")] = False,
    last: Annotated[bool, typer.Option("--last", help="The last decision.")] = False,
    sample: Annotated[int | None, typer.Option(help="So many, drawn.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the draw.")] = 0,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Take recorded decisions again in a fresh process and compare; exit 4 on a difference."""
    from flows.commands import evidence  # noqa: PLC0415

    _call(
        "replay",
        as_json,
        quiet,
        lambda out: evidence.replay_decisions(
            _settings(),
            out,
            text=text,
            run_id=run_id,
            every=every,
            last=last,
            sample=sample,
            seed=seed,
        ),
    )


@app.command()
def build(
    rebuild: Annotated[bool, typer.Option("--rebuild", help="Start from nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Build the warehouse from the ledger and publish a snapshot."""
    from flows.commands import analysis  # noqa: PLC0415

    _call("build", as_json, False, lambda out: analysis.build(_settings(), out, rebuild=rebuild))


@app.command()
def sql(
    statement: Annotated[str, typer.Argument(help="One SELECT; - reads standard input.")],
    limit: Annotated[int, typer.Option(min=1, help="Most rows.")] = 1000,
    seconds: Annotated[float, typer.Option(min=0.01, help="Most seconds.")] = 10.0,
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    as_json: Json = False,
) -> None:
    """Run one SELECT on the published snapshot, read-only and without file access."""
    from flows.commands import analysis  # noqa: PLC0415

    _call(
        "sql",
        as_json,
        False,
        lambda out: analysis.sql(
            _settings(), out, statement, limit=limit, seconds=seconds, csv=csv
        ),
    )


@app.command()
def ask(
    number: Annotated[int | None, typer.Argument(help="Number of the question.")] = None,
    values: Annotated[list[str] | None, typer.Argument(help="Parameters: name=value.")] = None,
    show_sql: Annotated[bool, typer.Option("--sql", help="Show the statement too.")] = False,
    as_json: Json = False,
) -> None:
    """List the auditor's questions, or answer one."""
    from flows.commands import analysis  # noqa: PLC0415

    _call(
        "ask",
        as_json,
        False,
        lambda out: analysis.ask(_settings(), out, number, values or (), show_sql=show_sql),
    )


@app.command()
def report(
    run_id: Annotated[
        str | None, typer.Option("--run", help="The newest backtest if absent.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Where to write the file.")] = None,
    as_json: Json = False,
) -> None:
    """Write the report of a run: one HTML file that needs nothing else."""
    from flows.commands import analysis  # noqa: PLC0415

    _call(
        "report",
        as_json,
        False,
        lambda output: analysis.report(_settings(), output, run_id=run_id, out=out),
    )


@app.command()
def status(as_json: Json = False) -> None:
    """Show chain, runs, open intents and warehouse on one screen."""
    from flows.commands import workspace  # noqa: PLC0415

    _call("status", as_json, False, lambda out: workspace.status(_settings(), out))


@app.command()
def doctor(as_json: Json = False) -> None:
    """Check this machine, checkout and workspace; every finding comes with its fix."""
    from flows.commands import diagnosis  # noqa: PLC0415

    _call("doctor", as_json, False, lambda out: diagnosis.doctor(_settings(), out))


@app.command()
def engines(as_json: Json = False) -> None:
    """List which engine solves which risk profile, and how it treats the limits."""
    from flows.commands import runs  # noqa: PLC0415

    _call("engines", as_json, False, runs.show_engines)


@app.command()
def schema(
    name: Annotated[str, typer.Argument(help="manifest")],
    as_json: Json = False,
) -> None:
    """Print the JSON Schema of the manifest, for editors."""
    from flows.commands import runs  # noqa: PLC0415

    _call("schema", as_json, False, lambda out: runs.show_schema(out, name))


@config_app.command("show")
def config_show(
    manifest: Manifest = None,
    profile: Profile = None,
    values: Values = None,
    origin: Annotated[bool, typer.Option("--origin", help="Where each value came from.")] = False,
    as_json: Json = False,
) -> None:
    """Print the resolved profile."""
    from flows.commands import runs  # noqa: PLC0415

    _call(
        "config",
        as_json,
        False,
        lambda out: runs.show_config(
            _settings(),
            out,
            manifest=manifest,
            profile=profile,
            values=values or (),
            origin=origin,
        ),
    )


@flow_app.command("serve")
def flow_serve(
    manifest: Manifest = None,
    profile: Profile = None,
    stage: Annotated[
        str, typer.Option(help="What runs: rebalance, backtest or a stage.")
    ] = "rebalance",
    cron: Annotated[str | None, typer.Option(help="When, as a cron line in UTC.")] = None,
    every_seconds: Annotated[int | None, typer.Option(help="Or every so many seconds.")] = None,
    port: Annotated[
        int | None,
        typer.Option(help="Port of the local Prefect server; 4200 or a free one if absent."),
    ] = None,
) -> None:
    """Start a local Prefect server with its user interface and a scheduled deployment."""
    from flows.commands import service  # noqa: PLC0415

    _call(
        "flow",
        False,
        False,
        lambda out: service.serve(
            _settings(),
            out,
            manifest=manifest,
            profile=profile,
            stage=stage,
            cron=cron,
            every_seconds=every_seconds,
            port=port,
        ),
    )


@app.command()
def version(as_json: Json = False) -> None:
    """Show version, commit, Python and lock."""
    from flows.commands import workspace  # noqa: PLC0415

    _call("version", as_json, False, workspace.show_version)


def main() -> None:
    """Run the command line."""
    prepare_process()
    app()


def replay_main() -> None:
    """Run `assay replay` under its older name, `replay_backtest`."""
    prepare_process()
    sys.argv[1:1] = ["replay"]
    app()
