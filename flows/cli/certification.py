"""`certify`: whether recorded weights were the best ones, without a solver."""

from __future__ import annotations

from typing import Annotated

import typer

from flows.cli.invocation import Json, Quiet, call, settings

commands = typer.Typer()


@commands.command()
def certify(
    text: Annotated[str | None, typer.Argument(metavar="[ID]", help="One decision.")] = None,
    run_id: Annotated[str | None, typer.Option("--run", help="All decisions of a run.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All decisions.")] = False,
    last: Annotated[bool, typer.Option("--last", help="The last decision.")] = False,
    sample: Annotated[int | None, typer.Option(min=1, help="So many, drawn.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the draw.")] = 0,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Confirm recorded weights by their certificates, without a solver; exit 4 if one fails."""
    from flows.commands import certification  # noqa: PLC0415

    call(
        "certify",
        as_json,
        quiet,
        lambda out: certification.certify_decisions(
            settings(),
            out,
            text=text,
            run_id=run_id,
            every=every,
            last=last,
            sample=sample,
            seed=seed,
        ),
    )
