"""Commands of the tournament: many cells over the same windows, and what they came to."""

from __future__ import annotations

from typing import Annotated

import typer

from flows.cli.invocation import Json, Manifest, Profile, Quiet, Values, call, settings

commands = typer.Typer()
tournament_app = typer.Typer(
    help="Walk engines and risk profiles side by side, and rank them.", no_args_is_help=True
)
commands.add_typer(tournament_app, name="tournament")

Jobs = Annotated[
    int | None, typer.Option("--jobs", min=1, help="Cells at a time; all cores if absent.")
]


@tournament_app.command("run")
def tournament_run(
    manifest: Manifest = None,
    profile: Profile = None,
    engine: Annotated[
        list[str] | None, typer.Option("--engine", help="With every risk profile it solves.")
    ] = None,
    risk_profile: Annotated[
        list[str] | None, typer.Option("--risk-profile", help="With every engine that solves it.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Every cell that an engine solves.")] = False,
    jobs: Jobs = None,
    resume: Annotated[
        str | None, typer.Option("--resume", metavar="RUN", help="Go on with a run that ended.")
    ] = None,
    values: Values = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Walk every cell forward; each is a trial that is recorded before it has a result."""
    from flows.commands import tournament  # noqa: PLC0415

    call(
        "tournament",
        as_json,
        quiet,
        lambda out: tournament.run(
            settings(),
            out,
            manifest=manifest,
            profile=profile,
            values=values or (),
            engines=engine or (),
            risk_profiles=risk_profile or (),
            every=every,
            jobs=jobs,
            resume=resume,
        ),
    )


@tournament_app.command("show")
def tournament_show(
    run_id: Annotated[
        str | None, typer.Argument(metavar="[RUN]", help="The newest tournament if absent.")
    ] = None,
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    as_json: Json = False,
) -> None:
    """Show the scoreboard: what every trial came to, and whether the best is more than luck."""
    from flows.commands import tournament  # noqa: PLC0415

    call(
        "tournament",
        as_json,
        False,
        lambda out: tournament.show(settings(), out, run_id, as_csv=csv),
    )
