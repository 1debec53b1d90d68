"""Commands about the evidence: ledger, proofs, replay."""

from __future__ import annotations

from typing import Annotated

import typer

from flows.cli.invocation import Json, Quiet, call, settings

commands = typer.Typer()


@commands.command()
def verify(
    fast: Annotated[bool, typer.Option("--fast", help="Bytes only: hashes, links, roots.")] = False,
    blobs: Annotated[bool, typer.Option("--blobs", help="Check every blob too.")] = False,
    as_json: Json = False,
) -> None:
    """Verify the ledger; exit 3 when anything in it was changed."""
    from flows.commands import evidence  # noqa: PLC0415

    call(
        "verify",
        as_json,
        False,
        lambda out: evidence.verify_workspace(settings(), out, fast=fast, with_blobs=blobs),
    )


@commands.command()
def log(
    step: Annotated[str | None, typer.Option(help="Only this step.")] = None,
    run_id: Annotated[str | None, typer.Option("--run", help="Only this run.")] = None,
    type_: Annotated[str | None, typer.Option("--type", help="Only this record type.")] = None,
    count: Annotated[int, typer.Option("-n", min=1, help="How many.")] = 20,
    as_json: Json = False,
) -> None:
    """List the last records."""
    from flows.commands import evidence  # noqa: PLC0415

    call(
        "log",
        as_json,
        False,
        lambda out: evidence.show_log(
            settings(), out, step=step, run_id=run_id, type_=type_, count=count
        ),
    )


@commands.command()
def show(
    text: Annotated[str, typer.Argument(metavar="ID", help="Seq, id, or a unique part of an id.")],
    as_json: Json = False,
) -> None:
    """Show a record, or intent and outcome of a decision."""
    from flows.commands import evidence  # noqa: PLC0415

    call("show", as_json, False, lambda out: evidence.show_record(settings(), out, text))


@commands.command()
def checkpoint(as_json: Json = False) -> None:
    """Sign a checkpoint over the whole ledger and print it."""
    from flows.commands import evidence  # noqa: PLC0415

    call("checkpoint", as_json, False, lambda out: evidence.sign_checkpoint(settings(), out))


@commands.command()
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

    call(
        "replay",
        as_json,
        quiet,
        lambda out: evidence.replay_decisions(
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
