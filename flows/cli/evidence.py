"""Commands about the evidence: ledger, proofs, replay."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flows.cli.invocation import Json, Quiet, call, settings

commands = typer.Typer()


@commands.command()
def verify(
    fast: Annotated[bool, typer.Option("--fast", help="Bytes only: hashes, links, roots.")] = False,
    blobs: Annotated[bool, typer.Option("--blobs", help="Check every blob too.")] = False,
    bundle: Annotated[
        Path | None, typer.Option(help="Verify this evidence bundle, not the workspace.")
    ] = None,
    keys: Annotated[
        list[Path] | None, typer.Option("--key", help="A verifier key that you trust.")
    ] = None,
    policy: Annotated[Path | None, typer.Option(help="Log keys and witness quorum.")] = None,
    last_seen: Annotated[
        Path | None, typer.Option(help="Your newest checkpoint; moved forward when all holds.")
    ] = None,
    anchor_git: Annotated[
        Path | None, typer.Option(help="Your own clone with the tags `ledger/<size>`.")
    ] = None,
    anchor_tsa: Annotated[
        Path | None, typer.Option(help="Certificates of the time stamping authority, in PEM.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Verify the ledger; exit 3 when anything in it was changed."""
    from flows.commands import evidence  # noqa: PLC0415

    trust = evidence.Brought(tuple(keys or ()), policy, last_seen, anchor_git, anchor_tsa)
    call(
        "verify",
        as_json,
        False,
        lambda out: (
            evidence.verify_received(settings(), out, bundle, fast=fast, trust=trust)
            if bundle
            else evidence.verify_workspace(
                settings(), out, fast=fast, with_blobs=blobs, trust=trust
            )
        ),
    )


@commands.command()
def export(
    out: Annotated[Path, typer.Option(help="The zip to write.")] = Path("evidence.zip"),
    as_of: Annotated[
        str | None, typer.Option(help="Cut at the last checkpoint of this day, YYYY-MM-DD.")
    ] = None,
    blobs: Annotated[
        list[str] | None, typer.Option(help="all, run:RUN_ID or decision:ID; none if absent.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file.")] = False,
    as_json: Json = False,
) -> None:
    """Write the evidence as one zip that anybody can verify without assay."""
    from flows.commands import export as exports  # noqa: PLC0415

    call(
        "export",
        as_json,
        False,
        lambda output: exports.export(
            settings(), output, out=out, as_of=as_of, blobs=blobs or (), force=force
        ),
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
def prove(
    text: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="Seq, id, or a unique part of an id.")
    ] = None,
    symbol: Annotated[
        str | None, typer.Option(help="Prove the weight of this symbol, down to its bars.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Where to write the proof.")] = None,
    check: Annotated[Path | None, typer.Option(help="Check this proof, of either kind.")] = None,
    keys: Annotated[
        list[Path] | None, typer.Option("--key", help="A verifier key: the log's, a witness's.")
    ] = None,
    policy: Annotated[Path | None, typer.Option(help="Log keys and witness quorum.")] = None,
    as_json: Json = False,
) -> None:
    """Prove a record or a weight in one file, or check such a file; exit 3 if it does not hold."""
    from flows.commands import proofs  # noqa: PLC0415

    asked = proofs.Asked(text, symbol, out, check, tuple(keys or ()), policy)
    call("prove", as_json, False, lambda output: proofs.run(settings(), output, asked))


@commands.command()
def checkpoint(
    heartbeat: Annotated[
        bool, typer.Option("--heartbeat", help="Sign again and again, also when nothing happened.")
    ] = False,
    every: Annotated[float, typer.Option(help="Seconds between two heartbeats.")] = 60.0,
    once: Annotated[bool, typer.Option("--once", help="A single heartbeat.")] = False,
    as_json: Json = False,
) -> None:
    """Sign a checkpoint over the whole ledger and print it."""
    from flows.commands import anchors, evidence  # noqa: PLC0415

    if heartbeat:
        call(
            "checkpoint",
            as_json,
            False,
            lambda out: anchors.heartbeat(settings(), out, every=every, once=once),
        )
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


@commands.command()
def diff(
    kind: Annotated[str, typer.Argument(help="run, decision, manifest or data.")],
    a: Annotated[str, typer.Argument(help="Id, a part of one, a digest, or a manifest file.")],
    b: Annotated[str, typer.Argument(help="The other one.")],
    stat: Annotated[
        bool, typer.Option("--stat", help="Only how many changes of each kind.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show what differs, causes first: code, lock, manifest, data, parameters, weights, returns."""
    from flows.commands import comparison  # noqa: PLC0415

    call(
        "diff",
        as_json,
        False,
        lambda out: comparison.show_difference(settings(), out, kind, a, b, stat=stat),
    )
