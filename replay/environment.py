"""What a run stood on: commit and dirty state, lock, versions, processor, threads.

An unknown state is an error, never the word "unknown" in a record.
"""

from __future__ import annotations

import hashlib
import platform
import sys
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, cast

from replay.errors import EnvironmentUnknownError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from git import Repo

    from pipeline.values import Payload

CHECKOUT = Path(__file__).resolve().parent.parent
"""The checkout this code runs from."""

PACKAGES = (
    "clarabel",
    "duckdb",
    "hmmlearn",
    "numpy",
    "pandas",
    "pyarrow",
    "scikit-learn",
    "scipy",
    "skfolio",
)
"""Packages whose version can change the result of a decision."""

DECISIVE = ("commit", "dirty", "lock_sha256", "python", "platform", "processor", "packages", "blas")
"""Fields whose difference is reported beside a verdict."""


@dataclass(frozen=True, slots=True)
class Environment:
    """The environment of a run.

    Attributes
    ----------
    root : str
        Folder of the checkout; not recorded.
    commit : str
        Commit id of HEAD, 40 hex digits.
    dirty : bool
        Whether tracked files differ from HEAD or untracked ones exist.
    untracked : mapping of str to str
        Path -> SHA-256 of files that git neither tracks nor ignores.
    documents : mapping of str to bytes
        `lock` (uv.lock) and, when dirty, `diff` (`git diff HEAD --binary`).
    """

    root: str
    commit: str
    dirty: bool
    untracked: Mapping[str, str]
    lock_sha256: str
    python: str
    platform: str
    processor: str
    packages: Mapping[str, str]
    blas: tuple[str, ...]
    threads: Mapping[str, int]
    documents: Mapping[str, bytes] = field(repr=False)

    def to_payload(self) -> Payload:
        """Return the `environment` of a run record."""
        return {
            "commit": self.commit,
            "dirty": self.dirty,
            "untracked": dict(sorted(self.untracked.items())),
            "lock_sha256": self.lock_sha256,
            "python": self.python,
            "platform": self.platform,
            "processor": self.processor,
            "packages": dict(sorted(self.packages.items())),
            "blas": list(self.blas),
            "threads": dict(sorted(self.threads.items())),
        }


def capture(checkout: Path = CHECKOUT) -> Environment:
    """Return the environment of this process.

    Raises
    ------
    EnvironmentUnknownError
        If the code does not run from a git checkout with a commit and a lock file.
    """
    repo = _repository(checkout)
    untracked = {
        path: hashlib.sha256((checkout / path).read_bytes()).hexdigest()
        for path in sorted(repo.untracked_files)
        if (checkout / path).is_file()
    }
    diff = _diff(repo)
    lock = _lock(checkout)
    documents = {"lock": lock} | ({"diff": diff} if diff else {})
    blas, threads = _threadpools()
    return Environment(
        root=str(checkout),
        commit=repo.head.commit.hexsha,
        dirty=bool(diff or untracked),
        untracked=untracked,
        lock_sha256=hashlib.sha256(lock).hexdigest(),
        python=platform.python_version(),
        platform=f"{platform.system()}-{platform.machine()}-{platform.libc_ver()[1]}",
        processor=_processor(),
        packages={name: version(name) for name in PACKAGES},
        blas=blas,
        threads=threads,
        documents=documents,
    )


def compare(recorded: Mapping[str, object], found: Mapping[str, object]) -> list[str]:
    """Return a line for each decisive field in which two recorded environments differ."""
    return [
        f"{name}: recorded {_short(recorded.get(name))}, found {_short(found.get(name))}"
        for name in DECISIVE
        if recorded.get(name) != found.get(name)
    ]


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."  # noqa: PLR2004 - a line on a terminal


def _repository(checkout: Path) -> Repo:
    """Return the repository of `checkout` with a commit."""
    from git import InvalidGitRepositoryError, Repo  # noqa: PLC0415 - needs git on PATH

    try:
        repo = Repo(checkout)
        _ = repo.head.commit
    except (InvalidGitRepositoryError, ValueError) as error:
        raise EnvironmentUnknownError(
            "the code does not run from a git checkout with a commit",
            where=str(checkout),
            why="every run records the commit of its code; an unknown state is not recorded",
            fix="clone the repository with git, and commit at least once",
        ) from error
    return repo


def _diff(repo: Repo) -> bytes:
    """Return the change of tracked files against HEAD, exact bytes, without external filters."""
    command = ["git", "diff", "HEAD", "--binary", "--no-ext-diff", "--no-textconv", "--no-color"]
    return cast(
        "bytes", repo.git.execute(command, stdout_as_string=False, strip_newline_in_stdout=False)
    )


def _lock(checkout: Path) -> bytes:
    try:
        return (checkout / "uv.lock").read_bytes()
    except FileNotFoundError:
        raise EnvironmentUnknownError(
            "no uv.lock beside the code",
            where=str(checkout),
            why="the lock file says which versions decided",
            fix="restore uv.lock from git",
        ) from None


def _processor() -> str:
    """Return the processor's model name where the system tells it."""
    info = Path("/proc/cpuinfo")
    if sys.platform == "linux" and info.is_file():
        for line in info.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _threadpools() -> tuple[tuple[str, ...], dict[str, int]]:
    """Return the BLAS builds with their thread counts, as loaded now."""
    # Each brings its BLAS; loaded here, the list does not depend on what ran before.
    import numpy as np  # noqa: PLC0415, F401
    import scipy.linalg  # noqa: PLC0415, F401

    pools = sorted({(_blas(pool), int(pool["num_threads"])) for pool in _loaded_blas()})
    return tuple(name for name, _ in pools), dict(pools)


def _loaded_blas() -> list[dict[str, str]]:
    from threadpoolctl import threadpool_info  # noqa: PLC0415 - after its BLAS is loaded

    return [pool for pool in threadpool_info() if pool["user_api"] == "blas"]


def _blas(pool: Mapping[str, str]) -> str:
    return f"{pool['internal_api']} {pool['version']} {pool.get('architecture', '')}".strip()
