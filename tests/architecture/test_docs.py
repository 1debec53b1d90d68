"""The documentation is true: links resolve, generated pages are current, commands exist."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from docs.generate import ERRORS, MARTS, errors_page, marts_page
from flows.cli import app
from flows.error_codes import error_codes
from flows.manifest import read_manifest, resolve

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")])
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
WRITTEN = [p for p in PAGES if p.name != "0000-template.md"]


def blocks(language: str) -> list[Any]:
    """Return every code block of a language, with the page it stands on."""
    return [
        pytest.param(match[2], id=f"{page.name}-{number}")
        for page in PAGES
        for number, match in enumerate(BLOCK.finditer(page.read_text(encoding="utf-8")))
        if match[1] == language
    ]


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link names a file of the project."""
    text = page.read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)#]+)[^)]*\)", text) if "://" not in link]
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_error_codes_are_unique() -> None:
    """A code names one kind of error."""
    assert [c for c, n in Counter(code.code for code in error_codes()).items() if n > 1] == []


def test_error_page_is_current() -> None:
    """`make docs` was run after the last change of an error."""
    assert ERRORS.read_text(encoding="utf-8") == errors_page()


def test_page_of_marts_is_current() -> None:
    """`make docs` was run after the last change of a mart, and every mart is on the page."""
    page = MARTS.read_text(encoding="utf-8")
    assert page == marts_page()
    models = (ROOT / "dbt_project" / "models" / "marts").rglob("*.sql")
    assert [path.stem for path in models if f".{path.stem}\n" not in page] == []


@pytest.mark.parametrize("text", [b for b in blocks("json") if '"profiles"' in b.values[0]])
def test_manifests_of_the_docs_resolve(text: str, tmp_path: Path) -> None:
    """A manifest that is shown can be run."""
    path = tmp_path / "manifest.json"
    path.write_text(text, encoding="utf-8")
    manifest = read_manifest(path)
    for name in json.loads(text)["profiles"]:
        assert resolve(manifest, name).profile.optimization.cells


@pytest.mark.parametrize("text", blocks("console"))
def test_commands_of_the_docs_exist(text: str) -> None:
    """Every `assay COMMAND --flag` that is shown is understood."""
    command: Any = get_command(app)
    for line in text.splitlines():
        words = line.partition("#")[0].replace("$ ", "").split()
        if not words or not words[0].endswith("assay"):
            continue
        rest = words[3:] if "-C" in words else words[1:]
        found = command.commands[rest[0]]
        while hasattr(found, "commands"):
            # `assay report --run RUN`: a group that does something by itself.
            if found.invoke_without_command and (len(rest) == 1 or rest[1].startswith("-")):
                break
            rest = rest[1:]
            found = found.commands[rest[0]]
        known = {flag for parameter in found.params for flag in parameter.opts}
        assert {word for word in rest[1:] if word.startswith("-")} <= known, line


def test_every_command_is_documented() -> None:
    """`docs/cli.md` names each command of `assay --help`."""
    command: Any = get_command(app)
    page = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    assert [name for name in command.commands if f"`{name}" not in page] == []


def test_help_answers_without_heavy_imports() -> None:
    """`assay --help` does not pay for solvers, Prefect or DuckDB."""
    result = CliRunner().invoke(app, ["--help"])
    assert result.exit_code == 0
