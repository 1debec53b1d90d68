"""Commands about what is derived from the ledger: warehouse and reports."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flows.cli.invocation import Json, call, settings

commands = typer.Typer()


@commands.command()
def build(
    rebuild: Annotated[bool, typer.Option("--rebuild", help="Start from nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Build the warehouse from the ledger and publish a snapshot."""
    from flows.commands import analysis  # noqa: PLC0415

    call("build", as_json, False, lambda out: analysis.build(settings(), out, rebuild=rebuild))


@commands.command()
def sql(
    statement: Annotated[str, typer.Argument(help="One SELECT; - reads standard input.")],
    limit: Annotated[int, typer.Option(min=1, help="Most rows.")] = 1000,
    seconds: Annotated[float, typer.Option(min=0.01, help="Most seconds.")] = 10.0,
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    as_json: Json = False,
) -> None:
    """Run one SELECT on the published snapshot, read-only and without file access."""
    from flows.commands import analysis  # noqa: PLC0415

    call(
        "sql",
        as_json,
        False,
        lambda out: analysis.sql(settings(), out, statement, limit=limit, seconds=seconds, csv=csv),
    )


@commands.command()
def ask(
    number: Annotated[int | None, typer.Argument(help="Number of the question.")] = None,
    values: Annotated[list[str] | None, typer.Argument(help="Parameters: name=value.")] = None,
    show_sql: Annotated[bool, typer.Option("--sql", help="Show the statement too.")] = False,
    as_json: Json = False,
) -> None:
    """List the auditor's questions, or answer one."""
    from flows.commands import analysis  # noqa: PLC0415

    call(
        "ask",
        as_json,
        False,
        lambda out: analysis.ask(settings(), out, number, values or (), show_sql=show_sql),
    )


@commands.command()
def report(
    run_id: Annotated[
        str | None, typer.Option("--run", help="The newest backtest if absent.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Where to write the file.")] = None,
    as_json: Json = False,
) -> None:
    """Write the report of a run: one HTML file that needs nothing else."""
    from flows.commands import analysis  # noqa: PLC0415

    call(
        "report",
        as_json,
        False,
        lambda output: analysis.report(settings(), output, run_id=run_id, out=out),
    )
