"""Commands of the two-person gate: who may approve, what is approved, halt and resume."""

from __future__ import annotations

from typing import Annotated

import typer

from flows.cli.invocation import Json, Manifest, Profile, Values, call, settings

commands = typer.Typer()
approver_app = typer.Typer(help="Who may approve what runs live.", no_args_is_help=True)
commands.add_typer(approver_app, name="approver")

Key = Annotated[
    str | None, typer.Option("--key", help="The person's key; the one in ~/.config/assay if absent")
]
NoteOut = Annotated[
    str | None, typer.Option("--note-out", help="Sign, write the note here, record nothing.")
]
Note = Annotated[str | None, typer.Option("--note", help="Record this note, signed elsewhere.")]
Origin = Annotated[
    str | None, typer.Option("--origin", help="Name of the ledger, where there is no workspace.")
]
Reason = Annotated[str | None, typer.Option("--reason", help="One line; it is recorded.")]
Digest = Annotated[
    str | None, typer.Option("--digest", help="Of what; by default what a run here stands on.")
]


@approver_app.command("add")
def approver_add(
    name: Annotated[str | None, typer.Argument(help="Such as alice@example.org.")] = None,
    key: Key = None,
    note_out: NoteOut = None,
    note: Note = None,
    origin: Origin = None,
    as_json: Json = False,
) -> None:
    """Make a person's key where there is none, and enrol the person."""
    from flows.commands import approvals  # noqa: PLC0415

    signing = approvals.Signing(key, note_out, note, origin)
    call(
        "approver",
        as_json,
        False,
        lambda out: approvals.add_approver(settings(), out, name, signing),
    )


@approver_app.command("remove")
def approver_remove(name: str, reason: Reason = None, as_json: Json = False) -> None:
    """Dismiss a person: what they approved no longer counts."""
    from flows.commands import approvals  # noqa: PLC0415

    call(
        "approver",
        as_json,
        False,
        lambda out: approvals.remove_approver(settings(), out, name, reason),
    )


@approver_app.command("list")
def approver_list(as_json: Json = False) -> None:
    """List who may approve."""
    from flows.commands import approvals  # noqa: PLC0415

    call("approver", as_json, False, lambda out: approvals.list_approvers(settings(), out))


@commands.command()
def approve(
    kind: Annotated[str | None, typer.Argument(help="manifest, lock, code; or list.")] = None,
    manifest: Manifest = None,
    profile: Profile = None,
    values: Values = None,
    digest: Digest = None,
    reason: Reason = None,
    key: Key = None,
    note_out: NoteOut = None,
    note: Note = None,
    origin: Origin = None,
    as_json: Json = False,
) -> None:
    """Approve what a live run stands on, or list what is approved."""
    from flows.commands import approvals  # noqa: PLC0415

    if kind == "list":
        call("approve", as_json, False, lambda out: approvals.list_approvals(settings(), out))
    subject = approvals.Subject(kind, digest, manifest, profile, values or ())
    signing = approvals.Signing(key, note_out, note, origin)
    call(
        "approve",
        as_json,
        False,
        lambda out: approvals.agree(
            settings(), out, "approve", subject, reason=reason, signing=signing
        ),
    )


@commands.command()
def withdraw(
    kind: Annotated[str | None, typer.Argument(help="manifest, lock or code.")] = None,
    manifest: Manifest = None,
    profile: Profile = None,
    values: Values = None,
    digest: Digest = None,
    reason: Reason = None,
    key: Key = None,
    note_out: NoteOut = None,
    note: Note = None,
    origin: Origin = None,
    as_json: Json = False,
) -> None:
    """Take back everybody's approval of something."""
    from flows.commands import approvals  # noqa: PLC0415

    subject = approvals.Subject(kind, digest, manifest, profile, values or ())
    signing = approvals.Signing(key, note_out, note, origin)
    call(
        "withdraw",
        as_json,
        False,
        lambda out: approvals.agree(
            settings(), out, "withdraw", subject, reason=reason, signing=signing
        ),
    )


@commands.command()
def override(
    gate: Annotated[str | None, typer.Argument(help="tree, manifest, lock or code.")] = None,
    until: Annotated[
        str | None, typer.Option("--until", help="2026-01-31T18:00:00Z, at most seven days off.")
    ] = None,
    reason: Reason = None,
    key: Key = None,
    note_out: NoteOut = None,
    note: Note = None,
    origin: Origin = None,
    as_json: Json = False,
) -> None:
    """Hold one gate of live runs open for a while."""
    from flows.commands import approvals  # noqa: PLC0415

    signing = approvals.Signing(key, note_out, note, origin)
    call(
        "override",
        as_json,
        False,
        lambda out: approvals.override(
            settings(), out, gate, until=until, reason=reason, signing=signing
        ),
    )


@commands.command()
def halt(
    reason: Annotated[str, typer.Option("--reason", help="One line; it is recorded.")],
    key: Annotated[str | None, typer.Option("--key", help="Sign it; not needed.")] = None,
    as_json: Json = False,
) -> None:
    """Let no live run start, from now until somebody resumes."""
    from flows.commands import approvals  # noqa: PLC0415

    call(
        "halt", as_json, False, lambda out: approvals.halt(settings(), out, reason=reason, key=key)
    )


@commands.command()
def resume(
    reason: Reason = None,
    halted: Annotated[
        str | None, typer.Option("--halt", help="Hash of the halt; the newest if absent.")
    ] = None,
    key: Key = None,
    note_out: NoteOut = None,
    note: Note = None,
    origin: Origin = None,
    as_json: Json = False,
) -> None:
    """Lift a halt and all before it; needs an enrolled person."""
    from flows.commands import approvals  # noqa: PLC0415

    signing = approvals.Signing(key, note_out, note, origin)
    call(
        "resume",
        as_json,
        False,
        lambda out: approvals.resume(
            settings(), out, reason=reason, halted=halted, signing=signing
        ),
    )
