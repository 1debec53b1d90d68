"""Checkpoints in annotated tags of a Git repository that others clone.

A tag `ledger/<size>` holds the three lines of a checkpoint as its message, and points at a blob
with the signed note; the repository needs no commit. Whoever has fetched the tag remembers the
checkpoint, and who rewrites the ledger cannot make them forget it.

Git runs as a process, with lists of arguments and without a shell.

Known limits: the repository is believed as it is. What counts is the auditor's own clone: tags of
the ledger's own machine can be deleted together with the ledger.
"""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Final

from ledger.checkpoint import parse_checkpoint
from ledger.errors import ConfigError
from ledger.note import MalformedNoteError

if TYPE_CHECKING:
    from pathlib import Path

    from ledger.checkpoint import Checkpoint

PREFIX: Final = "ledger/"
SECONDS: Final = 120.0
_LINES: Final = 3


class AnchorError(ConfigError):
    """An anchor that cannot be made, or none where one was expected."""

    code = "E0152"


def tag_checkpoint(repository: Path, checkpoint: Checkpoint, *, remote: str = "") -> bytes:
    """Tag a checkpoint, push the tag if a remote is named, and return the bytes of the tag.

    A tag that is there already with the same lines is left as it is.

    Raises
    ------
    AnchorError
        If git refuses, or the tag holds another checkpoint.
    """
    name = f"{PREFIX}{checkpoint.size}"
    if not _git(repository, "tag", "--list", name):
        blob = _git(repository, "hash-object", "-w", "--stdin", given=checkpoint.note)
        arguments = ("tag", "-a", "--no-sign", "--cleanup=verbatim", "-F", "-", name)
        _git(repository, *arguments, blob.decode().strip(), given=checkpoint.text.encode())
    tag = _git(repository, "cat-file", "tag", name)
    if read_tag(tag) != checkpoint:
        raise AnchorError(
            what=f"the tag {name} holds another checkpoint",
            where=str(repository),
            why="a tag is never replaced: somebody may have fetched it",
            fix="compare both with `git show` and `python -m ledger verify`; for another ledger "
            "use another repository",
        )
    if remote:
        _git(repository, "push", "--", remote, f"refs/tags/{name}")
    return tag


def read_tags(repository: Path, origin: str) -> list[Checkpoint]:
    """Return the checkpoints of a log that a repository holds in tags, the smallest first.

    Raises
    ------
    AnchorError
        If it is no repository, or has no tag of this log.
    """
    listed = _git(repository, "for-each-ref", "--format=%(objecttype) %(refname)", _REFS).decode()
    pairs = (line.split(" ", 1) for line in listed.splitlines())
    tags = [_git(repository, "cat-file", "tag", name) for kind, name in pairs if kind == "tag"]
    found = [each for each in map(read_tag, tags) if each is not None and each.origin == origin]
    if not found:
        raise AnchorError(
            what=f"no tag {PREFIX}<size> with a checkpoint of {origin}",
            where=str(repository),
            why="the repository is to say which checkpoints were published",
            fix="fetch with `git fetch --tags`, or name the clone that has them",
        )
    return sorted(found, key=lambda each: each.size)


_REFS: Final = f"refs/tags/{PREFIX}"


def read_tag(tag: bytes) -> Checkpoint | None:
    """Return the checkpoint in the bytes of a tag, or None if its message is another."""
    message = tag.partition(b"\n\n")[2].decode("utf-8", "replace")
    lines = message.split("\n")[:_LINES]
    try:
        return parse_checkpoint("\n".join(lines) + "\n")
    except MalformedNoteError:
        return None


def _git(repository: Path, *arguments: str, given: bytes = b"") -> bytes:
    try:
        done = subprocess.run(  # noqa: S603 - a list of arguments; names are made here
            ["git", "-C", str(repository), *arguments],  # noqa: S607 - the one on PATH
            input=given,
            capture_output=True,
            timeout=SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _refused(repository, arguments[0], str(error)) from error
    if done.returncode:
        raise _refused(repository, arguments[0], done.stderr.decode("utf-8", "replace").strip())
    return done.stdout


def _refused(repository: Path, command: str, said: str) -> AnchorError:
    return AnchorError(
        what=f"git {command} failed: {said}",
        where=str(repository),
        why="the checkpoint is kept in a tag of this repository",
        fix="name a repository that you may write, with user.name and user.email set",
    )
