"""Commands that set up, run and look around."""

from __future__ import annotations

from typing import Annotated

import typer

from flows.cli.invocation import Json, Manifest, Profile, Quiet, Runner, Values, call, settings

commands = typer.Typer()
config_app = typer.Typer(help="Show the resolved configuration.", no_args_is_help=True)
commands.add_typer(config_app, name="config")


@commands.command()
def init(
    origin: Annotated[str | None, typer.Option(help="Name of the ledger in checkpoints.")] = None,
    post_quantum: Annotated[
        bool, typer.Option("--post-quantum", help="Sign with an ML-DSA-44 key too.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Make a workspace here: signing key, ledger, first checkpoint."""
    from flows.commands import workspace  # noqa: PLC0415

    call(
        "init",
        as_json,
        False,
        lambda out: workspace.init(settings(), out, origin, post_quantum=post_quantum),
    )


@commands.command()
def demo(
    folder: Annotated[str | None, typer.Option(help="Where; ./assay-demo if absent.")] = None,
    runner: Runner = "plain",
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Run the main job on bundled prices, verify, replay a sample, and write the report."""
    from flows.commands import runs  # noqa: PLC0415

    call("demo", as_json, quiet, lambda out: runs.demo(settings(), out, folder, runner))


@commands.command()
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
    jobs: Annotated[
        int, typer.Option(min=1, help="Processes of a backtest that decide side by side.")
    ] = 1,
    values: Values = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only resolve the manifest.")] = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Run a profile and record every decision."""
    from flows.commands import runs  # noqa: PLC0415

    call(
        "run",
        as_json,
        quiet,
        lambda out: runs.run(
            settings(),
            out,
            stage=stage,
            manifest=manifest,
            profile=profile,
            as_of=as_of,
            runner=runner,
            jobs=jobs,
            values=values or (),
            dry_run=dry_run,
        ),
    )


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

    call(
        "config",
        as_json,
        False,
        lambda out: runs.show_config(
            settings(),
            out,
            manifest=manifest,
            profile=profile,
            values=values or (),
            origin=origin,
        ),
    )


@commands.command()
def engines(as_json: Json = False) -> None:
    """List which engine solves which risk profile, and how it treats the limits."""
    from flows.commands import runs  # noqa: PLC0415

    call("engines", as_json, False, runs.show_engines)


@commands.command()
def schema(
    name: Annotated[str, typer.Argument(help="manifest")],
    as_json: Json = False,
) -> None:
    """Print the JSON Schema of the manifest, for editors."""
    from flows.commands import runs  # noqa: PLC0415

    call("schema", as_json, False, lambda out: runs.show_schema(out, name))


@commands.command()
def status(as_json: Json = False) -> None:
    """Show chain, runs, open intents and warehouse on one screen."""
    from flows.commands import workspace  # noqa: PLC0415

    call("status", as_json, False, lambda out: workspace.status(settings(), out))


@commands.command()
def doctor(as_json: Json = False) -> None:
    """Check this machine, checkout and workspace; every finding comes with its fix."""
    from flows.commands import diagnosis  # noqa: PLC0415

    call("doctor", as_json, False, lambda out: diagnosis.doctor(settings(), out))


@commands.command()
def explain(
    code: Annotated[str, typer.Argument(help="A code, such as E0402.")],
    as_json: Json = False,
) -> None:
    """Say what an error code means and who must act."""
    from flows.commands import explanation  # noqa: PLC0415

    call("explain", as_json, False, lambda out: explanation.explain(out, code))


@commands.command()
def version(as_json: Json = False) -> None:
    """Show version, commit, Python and lock."""
    from flows.commands import workspace  # noqa: PLC0415

    call("version", as_json, False, workspace.show_version)
