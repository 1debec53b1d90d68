"""Every stable error code, read from the classes that carry it: one source for page and command.

The sources are parsed, not imported: no library is loaded to explain a code.
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("ledger", "pipeline", "warehouse", "flows", "replay")


class Code(NamedTuple):
    """A stable error code and where it comes from."""

    code: str
    name: str
    meaning: str
    module: str
    exit_code: int


def error_codes() -> list[Code]:
    """Return every class with a class attribute `code`, by code."""
    return sorted(found for package in PACKAGES for found in _codes_of(package))


def _codes_of(package: str) -> Iterator[Code]:
    places = {
        node.name: (node, str(path.relative_to(ROOT)))
        for path in sorted((ROOT / package).rglob("*.py"))
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef)
    }
    classes = {name: node for name, (node, _) in places.items()}
    for name, (node, module) in places.items():
        code = _assigned(node, "code")
        if isinstance(code, str):
            meaning = (ast.get_docstring(node) or "").partition("\n\n")[0]
            exit_code = _exit_code(name, classes)
            yield Code(code, name, " ".join(meaning.split()), module, exit_code)


def _exit_code(name: str, classes: Mapping[str, ast.ClassDef]) -> int:
    """Return the exit code of a class: its own, or that of the nearest base that has one."""
    node = classes[name]
    own = _assigned(node, "exit_code")
    if isinstance(own, int):
        return own
    bases = [base.id for base in node.bases if isinstance(base, ast.Name) and base.id in classes]
    return _exit_code(bases[0], classes) if bases else 1


def _assigned(node: ast.ClassDef, name: str) -> object:
    """Return the constant that a class assigns to `name`, or None."""
    for statement in node.body:
        targets: list[ast.expr] = []
        if isinstance(statement, ast.Assign):
            targets = statement.targets
        elif isinstance(statement, ast.AnnAssign):
            targets = [statement.target]
        named = any(isinstance(target, ast.Name) and target.id == name for target in targets)
        value = getattr(statement, "value", None)
        if named and isinstance(value, ast.Constant):
            return value.value
    return None
