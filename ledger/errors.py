"""Kinds of bad news that more than one module of the ledger raises.

Every error has four parts, as the command line prints them: what happened, where, why, and what to
do. A kind that one module alone raises lives beside the code that raises it. Findings about the
evidence itself are not errors: `ledger.verify` returns those.
"""

from __future__ import annotations

import functools
from typing import ClassVar


class LedgerError(Exception):
    """Something the ledger refuses or cannot do.

    Parameters
    ----------
    what : str
        What happened: expected and found.
    where : str
        The file, record or field.
    why : str
        The rule or the cause.
    fix : str
        What the reader can do about it.
    """

    code: ClassVar[str] = "E0100"
    exit_code: ClassVar[int] = 70

    def __init__(self, *, what: str, where: str, why: str, fix: str) -> None:
        super().__init__(what, where, why, fix)
        self.what = what
        self.where = where
        self.why = why
        self.fix = fix

    def __reduce__(self) -> tuple[object, ...]:
        """Let a process of a pool hand the error to its parent."""
        parts = {"what": self.what, "where": self.where, "why": self.why, "fix": self.fix}
        return functools.partial(type(self), **parts), ()

    def __str__(self) -> str:
        """Return the four parts, one a line, as the command line prints them."""
        parts = (("where", self.where), ("why", self.why), ("fix", self.fix))
        lines = [f"  {name:<6} {text}" for name, text in parts]
        return "\n".join([f"error[{self.code}]: {self.what}", *lines])


class IntegrityError(LedgerError):
    """The evidence is not what was written: bytes, chain, signature or blob."""

    code = "E0101"
    exit_code = 3


class ConfigError(LedgerError):
    """The caller asked for something that cannot be: a path, a key, an origin, a setting."""

    code = "E0120"
    exit_code = 2


class AlreadyThereError(ConfigError):
    """A ledger or a key stands where one was to be made; neither is ever replaced."""

    code = "E0127"


class StorageError(LedgerError):
    """The disk or the operating system refused; nothing was acknowledged."""

    code = "E0111"
    exit_code = 70


class UnrecordableError(LedgerError):
    """A value has no place in a record: not a number, too long, of a foreign type."""

    code = "E0130"
    exit_code = 70
