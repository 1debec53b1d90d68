"""Commands about what is derived from the ledger: warehouse and reports."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flows.cli.invocation import Json, call, settings
from flows.output import Output

commands = typer.Typer()

Parquet = Annotated[
    Path | None, typer.Option("--parquet", help="Write a Parquet file with head and checkpoint.")
]


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
    statement: Annotated[
        str | None, typer.Argument(help="One SELECT; - reads standard input, none opens a shell.")
    ] = None,
    file: Annotated[Path | None, typer.Option("-f", "--file", help="Read it from a file.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Most rows.")] = 1000,
    seconds: Annotated[float, typer.Option(min=0.01, help="Most seconds.")] = 10.0,
    memory: Annotated[str, typer.Option(help="Most memory.")] = "1GB",
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    parquet: Parquet = None,
    as_json: Json = False,
) -> None:
    """Run one SELECT on the published snapshot, read-only and without file access."""
    from flows.commands import analysis  # noqa: PLC0415

    def work(output: Output) -> int:
        from warehouse.query import Limits  # noqa: PLC0415 - duckdb

        return analysis.sql(
            settings(),
            output,
            statement,
            file=file,
            limits=Limits(limit, seconds, memory),
            form=analysis.Form(csv, parquet),
        )

    call("sql", as_json, False, work)


@commands.command()
def ask(
    number: Annotated[int | None, typer.Argument(help="Number of the question.")] = None,
    values: Annotated[list[str] | None, typer.Argument(help="Parameters: name=value.")] = None,
    runs: Annotated[
        list[str] | None, typer.Option("--run", help="A run it is about; again for the second.")
    ] = None,
    show_sql: Annotated[bool, typer.Option("--sql", help="Show the statement too.")] = False,
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    parquet: Parquet = None,
    as_json: Json = False,
) -> None:
    """List the auditor's questions, or answer one."""
    from flows.commands import analysis  # noqa: PLC0415

    call(
        "ask",
        as_json,
        False,
        lambda out: analysis.ask(
            settings(),
            out,
            number,
            analysis.read_parameters(number, values or (), runs or ()),
            show_sql=show_sql,
            form=analysis.Form(csv, parquet),
        ),
    )


@commands.command()
def snapshot(as_json: Json = False) -> None:
    """List the published snapshots and the records they stand on."""
    from flows.commands import analysis  # noqa: PLC0415

    call("snapshot", as_json, False, lambda out: analysis.snapshots(settings(), out))


@commands.command()
def lineage(
    column: Annotated[str, typer.Argument(help="`schema.table.column` of a mart.")],
    as_json: Json = False,
) -> None:
    """Show from which fields of records a number in a mart is computed."""
    from flows.commands import analysis  # noqa: PLC0415

    call("lineage", as_json, False, lambda out: analysis.lineage(settings(), out, column))


report_app = typer.Typer(
    help="Write a report of a run or for a framework; verify it; sign it off.",
    invoke_without_command=True,
)
commands.add_typer(report_app, name="report")


@report_app.callback()
def report(
    context: typer.Context,
    run_id: Annotated[
        str | None, typer.Option("--run", help="The newest backtest if absent.")
    ] = None,
    framework: Annotated[
        str, typer.Option(help="sec-ia, sec-bd, mifid, model-risk, gips-style or dora.")
    ] = "",
    period: Annotated[str, typer.Option(help="2020, 2020-Q1 or FROM..TO, whole days.")] = "",
    form: Annotated[str, typer.Option("--format", help="html, json, md or pdf.")] = "html",
    out: Annotated[Path | None, typer.Option(help="Where to write the file.")] = None,
    as_json: Json = False,
) -> None:
    """Write a report, one file that needs nothing else, and record that it was written."""
    if context.invoked_subcommand is not None:
        return
    from flows.commands import reporting  # noqa: PLC0415
    from flows.reporting import Order  # noqa: PLC0415

    order = Order(run_id, framework, period, form)
    call(
        "report",
        as_json,
        False,
        lambda output: reporting.report(settings(), output, order, out=out),
    )


@report_app.command("verify")
def report_verify(
    file: Annotated[Path, typer.Argument(help="What `assay report` wrote.")],
    as_json: Json = False,
) -> None:
    """Make a report again from the ledger and compare every byte; exit 3 on a difference."""
    from flows.commands import reporting  # noqa: PLC0415

    call("report", as_json, False, lambda output: reporting.verify(settings(), output, file))


@report_app.command("sign")
def report_sign(
    file: Annotated[Path, typer.Argument(help="What `assay report` wrote.")],
    role: Annotated[str, typer.Option(help="prepared, reviewed or approved.")],
    key: Annotated[
        Path | None, typer.Option(help="The person's key; the one in ~/.config/assay if absent.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Sign off a recorded report with a person's key."""
    from flows.commands import reporting  # noqa: PLC0415

    call(
        "report",
        as_json,
        False,
        lambda output: reporting.sign(settings(), output, file, role=role, key=key),
    )
