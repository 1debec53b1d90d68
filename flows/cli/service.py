"""Commands that keep running: scheduled flows."""

from __future__ import annotations

from typing import Annotated

import typer

from flows.cli.invocation import Json, Manifest, Profile, call, settings
from flows.output import Output

commands = typer.Typer()
flow_app = typer.Typer(help="Run scheduled flows with Prefect.", no_args_is_help=True)
commands.add_typer(flow_app, name="flow")


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
    heartbeat: Annotated[
        float | None,
        typer.Option(min=1, help="Sign a checkpoint every so many seconds, runs or no runs."),
    ] = None,
) -> None:
    """Start a local Prefect server with its user interface and a scheduled deployment."""
    from flows.commands import service  # noqa: PLC0415

    call(
        "flow",
        False,
        False,
        lambda out: service.serve(
            settings(),
            out,
            manifest=manifest,
            profile=profile,
            stage=stage,
            cron=cron,
            every_seconds=every_seconds,
            port=port,
            heartbeat=heartbeat,
        ),
    )


@commands.command("serve")
def serve(
    host: Annotated[
        str,
        typer.Option(help="Address to listen on; another machine's reach needs --allow-remote."),
    ] = "127.0.0.1",
    port: Annotated[
        int | None, typer.Option(help="Port; 4210 or a free one if absent.", min=1, max=65535)
    ] = None,
    allow_remote: Annotated[
        bool, typer.Option("--allow-remote", help="Let other machines read; there is no login.")
    ] = False,
    open_browser: Annotated[
        bool, typer.Option("--open", help="Open a browser, where there is a display.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show runs, decisions, health, lineage and questions as read-only pages in a browser."""

    def work(output: Output) -> int:
        from flows.commands import explorer  # noqa: PLC0415 - starlette, duckdb, numpy

        return explorer.serve(
            settings(),
            output,
            host=host,
            port=port,
            allow_remote=allow_remote,
            open_browser=open_browser,
        )

    call("serve", as_json, False, work)
