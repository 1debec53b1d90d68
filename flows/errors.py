"""Errors of the shell and how any error of ours is shown.

An error of any package has `code`, `what`, `where`, `why`, `fix` and an `exit_code`; `describe`
renders the four parts for people and for `--json`.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable


@runtime_checkable
class Explained(Protocol):
    """What every error of ours carries."""

    code: str
    exit_code: int
    what: str
    where: str
    why: str
    fix: str


class FlowError(Exception):
    """Base of the errors raised by flows and the command line."""

    code = "E0400"
    exit_code = 2

    def __init__(self, what: str, *, where: str, why: str, fix: str) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.why = why
        self.fix = fix


class WorkspaceError(FlowError):
    """There is no workspace, or it is not complete."""

    code = "E0401"


class ManifestError(FlowError):
    """The manifest cannot be read or does not validate."""

    code = "E0402"


class UsageError(FlowError):
    """The command was asked for something that does not exist."""

    code = "E0403"


class PathRefusedError(FlowError):
    """The operating system does not let a file be read or written where it was named."""

    code = "E0404"


class PackageShadowedError(FlowError):
    """One of the five packages was imported from elsewhere."""

    code = "E0405"


class BreachError(FlowError):
    """The ledger does not verify; nothing is built on it."""

    code = "E0408"
    exit_code = 3


class StoppedError(FlowError):
    """Somebody stopped the command."""

    code = "E0406"
    exit_code = 130


class DefectError(FlowError):
    """A defect of assay."""

    code = "E0430"
    exit_code = 70


def describe(error: Explained) -> str:
    """Return the four-part text of `error`."""
    parts = (("where", error.where), ("why", error.why), ("fix", error.fix))
    shown = "".join(f"\n  {name:<6} {_indented(text)}" for name, text in parts)
    return f"error[{error.code}]: {_indented(error.what)}{shown}"


def _indented(text: str) -> str:
    """Return a text of several lines with the later ones below the first."""
    return "\n".join(
        (text.splitlines() or [""])[:1]
        + [f"{'':9}{line.strip()}" for line in text.splitlines()[1:]]
    )


def as_json(error: Explained) -> dict[str, str]:
    """Return the parts of `error` as recorded in a failed outcome."""
    return {
        "code": error.code,
        "what": error.what,
        "where": error.where,
        "why": error.why,
        "fix": error.fix,
    }
