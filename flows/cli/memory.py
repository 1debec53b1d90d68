"""Commands of the ledger's memory outside itself: keys and anchors."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flows.cli.invocation import Json, call, settings

commands = typer.Typer()
keys_app = typer.Typer(help="Keys that sign checkpoints.", no_args_is_help=True)
anchor_app = typer.Typer(help="Keep a checkpoint outside the ledger.", no_args_is_help=True)
commands.add_typer(keys_app, name="keys")
commands.add_typer(anchor_app, name="anchor")


@keys_app.command("list")
def keys_list(as_json: Json = False) -> None:
    """List every key of the ledger and for which sizes it may sign."""
    from flows.commands import keys  # noqa: PLC0415

    call("keys", as_json, False, lambda out: keys.list_keys(settings(), out))


@keys_app.command("rotate")
def keys_rotate(as_json: Json = False) -> None:
    """Let a new key take over and retire the old one; goes on where it was stopped."""
    from flows.commands import keys  # noqa: PLC0415

    call("keys", as_json, False, lambda out: keys.rotate(settings(), out))


@anchor_app.command("git")
def anchor_git(
    repository: Annotated[Path, typer.Argument(help="A Git repository.")],
    push: Annotated[str, typer.Option(help="Push the tag to this remote.")] = "",
    as_json: Json = False,
) -> None:
    """Keep the newest checkpoint in an annotated tag `ledger/<size>`."""
    from flows.commands import anchors  # noqa: PLC0415

    call(
        "anchor",
        as_json,
        False,
        lambda out: anchors.anchor_git(settings(), out, repository, push=push),
    )


@anchor_app.command("tsa")
def anchor_tsa(
    url: Annotated[str, typer.Argument(help="Address of a time stamping authority (RFC 3161).")],
    ca: Annotated[Path, typer.Option("--ca", help="Its certificates, in PEM.")],
    timeout: Annotated[float, typer.Option(help="Most seconds to wait.")] = 30.0,
    as_json: Json = False,
) -> None:
    """Have an authority sign when the newest checkpoint existed."""
    from flows.commands import anchors  # noqa: PLC0415

    call(
        "anchor",
        as_json,
        False,
        lambda out: anchors.anchor_tsa(settings(), out, url, authority=ca, timeout=timeout),
    )
