"""The edge: the only module that reads the environment, the clock and who is at the keyboard.

Everything else gets a frozen `Settings` or a value taken from it.
"""

from __future__ import annotations

import getpass
import os
import socket
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from flows.errors import BreachError, WorkspaceError
from ledger.keyfile import read_passphrase

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PREFIX = "ASSAY_"
FOLDER = ".assay"
KEY_FILE = "log.key"
PASSPHRASE_VARIABLE = "ASSAY_KEY_PASSPHRASE_FILE"  # noqa: S105 - a name
"""Names a file, never the passphrase: other processes may read the environment."""

QUIET_CHILDREN = {
    # An audit tool does not phone home, and neither do the tools that it starts.
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AUTH_MODE": "disabled",
}
"""Set for this process and every process it starts."""

ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}
"""Set before numpy is imported: the bits of third-party engines depend on the thread count."""


@dataclass(frozen=True, slots=True)
class Workspace:
    """The folders of one workspace (`.assay`)."""

    root: Path

    @property
    def ledger(self) -> Path:
        """The ledger: `audit.jsonl`, lock, checkpoints."""
        return self.root / "ledger"

    @property
    def blobs(self) -> Path:
        """Content-addressed inputs and outputs."""
        return self.root / "blobs"

    @property
    def keys(self) -> Path:
        """The log's signing key."""
        return self.root / "keys"

    @property
    def warehouse(self) -> Path:
        """The DuckDB build file and the published snapshots."""
        return self.root / "warehouse"

    @property
    def reports(self) -> Path:
        """Rendered reports."""
        return self.root / "reports"

    @property
    def runs(self) -> Path:
        """One file per open run, locked while its process lives."""
        return self.root / "runs"

    @property
    def prefect(self) -> Path:
        """Home of Prefect; never the record."""
        return self.root / "prefect"


@dataclass(frozen=True, slots=True)
class Settings:
    """What the process was started with.

    Attributes
    ----------
    cwd : Path
        The folder that relative paths and the search for a workspace start from.
    overrides : mapping of str to str
        `ASSAY_...` variables without the prefix, as text.
    actor : str
        `user@host`: a claim that is recorded, not a proof.
    """

    cwd: Path
    overrides: Mapping[str, str]
    actor: str

    def find_workspace(self) -> Workspace:
        """Return the nearest workspace at or above `cwd`.

        Raises
        ------
        WorkspaceError
            If there is none.
        BreachError
            If its ledger was signed once and is not there.
        """
        for folder in (self.cwd, *self.cwd.parents):
            if (folder / FOLDER).is_dir():
                workspace = Workspace(folder / FOLDER)
                _refuse_lost_ledger(workspace)
                return workspace
        raise WorkspaceError(
            f"no workspace: expected a folder {FOLDER} here or above, found none",
            where=str(self.cwd),
            why="runs, ledger and reports live in a workspace, found upward like .git",
            fix="run `assay init` here, or name its folder with `assay -C DIR`",
        )


def _refuse_lost_ledger(workspace: Workspace) -> None:
    signed = workspace.keys / f"{KEY_FILE}.signed"
    if signed.exists() and not workspace.ledger.is_dir():
        raise BreachError(
            f"the ledger is gone: expected the folder {workspace.ledger.name}, found none",
            where=str(workspace.root),
            why=f"its key signed a checkpoint of it: {signed}",
            fix="restore the folder from a copy, then run `assay verify`",
        )


def read_settings(directory: Path | None = None) -> Settings:
    """Read the environment once.

    Parameters
    ----------
    directory : Path, optional
        The folder given with `-C`; the current folder if absent.
    """
    overrides = {
        name.removeprefix(PREFIX): value
        for name, value in sorted(os.environ.items())
        if name.startswith(PREFIX) and name != PASSPHRASE_VARIABLE
    }
    return Settings(
        cwd=(directory or Path.cwd()).resolve(),
        overrides=overrides,
        actor=f"{getpass.getuser()}@{socket.gethostname()}",
    )


def config_folder() -> Path:
    """Return where the person at the keyboard keeps keys: `$XDG_CONFIG_HOME/assay`."""
    base = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(base) / "assay"


def passphrase_file() -> Path | None:
    """Return the file that `ASSAY_KEY_PASSPHRASE_FILE` names."""
    name = os.environ.get(PASSPHRASE_VARIABLE)
    return Path(name) if name else None


def ask_passphrase(key: Path) -> Callable[[], bytes] | None:
    """Return how to get the passphrase of a key: from the named file, else from the keyboard.

    Returns
    -------
    callable or None
        None where no file is named and nobody is at the keyboard.
    """
    named = passphrase_file()
    if named is not None:
        return lambda: read_passphrase(named)
    if sys.stdin is None or not sys.stdin.isatty():
        return None
    return lambda: getpass.getpass(f"passphrase of {key}: ").encode()


def prepare_process() -> None:
    """Fix thread counts and silence telemetry; call before numpy or Prefect is imported."""
    os.environ.update(QUIET_CHILDREN | ONE_THREAD)


def child_environment(extra: Mapping[str, str]) -> dict[str, str]:
    """Return the environment for a process that we start, with `extra` added."""
    return {**os.environ, **QUIET_CHILDREN, **extra}


def set_environment(values: Mapping[str, str]) -> None:
    """Set variables that a library reads when it is imported (Prefect does)."""
    os.environ.update(values)


def has_display() -> bool:
    """Return whether a window could be opened here."""
    if sys.platform in ("darwin", "win32"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def available_cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def now() -> datetime:
    """Return the current time in UTC; the clock of every recorder."""
    return datetime.now(UTC)
