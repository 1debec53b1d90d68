"""Commands about how long evidence is kept, and how it lawfully goes."""

from __future__ import annotations

from typing import Annotated

import typer

from flows.cli.invocation import Json, call, settings

commands = typer.Typer()
_redact = typer.Typer(help="Erase on a legal ground; the ledger states it.", no_args_is_help=True)
_retention = typer.Typer(help="How long evidence is kept.", no_args_is_help=True)
commands.add_typer(_redact, name="redact")
commands.add_typer(_retention, name="retention")

Ground = Annotated[str, typer.Option(help="The legal ground, in a sentence.")]
Yes = Annotated[bool, typer.Option("--yes", help="Erase without asking.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only show what would go.")]


@_redact.command()
def blob(
    digest: Annotated[str, typer.Argument(help="Digest of the blob.")],
    ground: Ground = "",
    yes: Yes = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Erase the bytes of a blob; the records that name it stay."""
    _call("blob", digest, ground, yes, dry_run, as_json)


@_redact.command()
def record(
    seq: Annotated[str, typer.Argument(metavar="SEQ", help="Number of the record.")],
    ground: Ground = "",
    yes: Yes = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Erase the content of a record; place, ids and hash stay."""
    _call("record", seq, ground, yes, dry_run, as_json)


def _call(kind: str, name: str, ground: str, yes: bool, dry_run: bool, as_json: bool) -> None:
    from flows.commands import erasure  # noqa: PLC0415

    call(
        "redact",
        as_json,
        False,
        lambda out: erasure.redact(
            settings(),
            out,
            kind=kind,
            name=name,
            ground=ground,
            confirmed=yes,
            dry_run=dry_run,
        ),
    )


@_retention.command()
def check(as_json: Json = False) -> None:
    """Say for each class what is kept, missing and erased; exit 1 with findings, 3 on a loss."""
    from flows.commands import retention  # noqa: PLC0415

    call("retention", as_json, False, lambda out: retention.check(settings(), out))
