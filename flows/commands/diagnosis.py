"""`doctor`: checks of machine, checkout and workspace, each with its fix."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from dataclasses import asdict, dataclass
from importlib.metadata import packages_distributions, version
from pathlib import Path
from typing import TYPE_CHECKING

from flows.errors import FlowError
from flows.keyring import load_key
from ledger import LedgerError, verify
from replay.environment import CHECKOUT, capture
from replay.errors import EnvironmentUnknownError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flows.output import Output
    from flows.settings import Settings, Workspace

OURS = ("flows", "ledger", "pipeline", "replay", "warehouse")
FREE_BYTES = 1 << 30

TRAPS = (
    ("fastapi", (0, 139), (0, 155), "prefect does not start with later versions"),
    ("sqlalchemy", (2, 0), (2, 1), "prefect's schedules never fire with 2.1"),
    ("scipy", (1, 17), (1, 18), "PyPortfolioOpt uses a name that 1.18 removed"),
    ("prefect", (3, 8), (3, 9), "3.9 asks for a certifi that is not released"),
    ("dbt-core", (1, 11), (1, 12), "1.12 downloads a parser while it is built"),
)
"""Package, first tested version, first version known to break, reason."""


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the doctor's report."""

    name: str
    ok: bool
    found: str
    fix: str = ""


def doctor(settings: Settings, output: Output) -> int:
    """Run every check; exit 1 when one finds something."""
    checks = [*machine_checks(), *_workspace_checks(settings)]
    lines = []
    for check in checks:
        lines.append(f"{'PASS' if check.ok else 'FAIL'}  {check.name}: {check.found}")
        if not check.ok:
            lines.append(f"      fix  {check.fix}")
    code = 0 if all(check.ok for check in checks) else 1
    return output.done("\n".join(lines), [asdict(check) for check in checks], code=code)


def machine_checks() -> Iterator[Check]:
    """Yield the checks that need no workspace."""
    found = f"{sys.version_info.major}.{sys.version_info.minor}"
    fits = (3, 11) <= sys.version_info[:2] <= (3, 13)
    yield Check("python", fits, found, "use Python 3.11, 3.12 or 3.13")
    for name, first, broken, reason in TRAPS:
        installed = tuple(int(part) for part in version(name).split(".")[:2])
        fix = f"{reason}; run `make dev` to install the locked version"
        yield Check(name, first <= installed < broken, version(name), fix)
    for name in OURS:
        place = package_place(name)
        fix = f"another distribution owns the name; uninstall {packages_distributions().get(name)}"
        yield Check(f"package {name}", place == CHECKOUT / name, str(place), fix)
    yield _git_check()


def package_place(name: str) -> Path | None:
    """Return the folder that `import name` takes."""
    spec = importlib.util.find_spec(name)
    return None if spec is None or spec.origin is None else Path(spec.origin).resolve().parent


def _git_check() -> Check:
    try:
        environment = capture()
    except EnvironmentUnknownError as error:
        return Check("checkout", ok=False, found=error.what, fix=error.fix)
    state = "uncommitted changes, recorded with every run" if environment.dirty else "clean"
    return Check("checkout", ok=True, found=f"commit {environment.commit[:12]}, {state}")


def _workspace_checks(settings: Settings) -> Iterator[Check]:
    try:
        workspace = settings.find_workspace()
    except FlowError as error:
        yield Check("workspace", ok=False, found=error.what, fix=error.fix)
        return
    yield Check("workspace", ok=True, found=str(workspace.root))
    yield _key_check(workspace)
    free = shutil.disk_usage(workspace.root).free
    yield Check("space", free > FREE_BYTES, f"{free >> 20} MiB free", "free at least 1 GiB")
    try:
        report = verify(workspace.ledger, level="fast")
    except LedgerError as error:
        yield Check("ledger", ok=False, found=error.what, fix=error.fix)
        return
    size = 0 if report.checkpoint is None else report.checkpoint.size
    found = f"{report.count} records, checkpoint at {size}, {report.verdict}"
    yield Check("ledger", report.ok, found, "run `assay verify`: it names every finding")


def _key_check(workspace: Workspace) -> Check:
    try:
        key = load_key(workspace)
    except LedgerError as error:
        return Check("key", ok=False, found=error.what, fix=error.fix)
    return Check("key", ok=True, found=key.verify_key.text)
