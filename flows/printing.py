"""Prints a report as PDF with a browser of this machine, or with WeasyPrint where it is installed.

The PDF holds what the page holds, but its bytes are the printer's: it names time and program, so
two of them differ. What is verified is the page.
"""

from __future__ import annotations

import importlib
import importlib.util
import shutil
import subprocess
import tempfile
from pathlib import Path

from flows.errors import FlowError

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
"""Programs that are looked for, in this order."""
_SECONDS = 180


class PrinterError(FlowError):
    """There is nothing on this machine that prints a page as PDF, or it failed."""

    code = "E0427"


def print_pdf(page: bytes) -> bytes:
    """Return a page as PDF.

    Raises
    ------
    PrinterError
        If neither a browser nor WeasyPrint is installed, or the program failed.
    """
    browser = find_browser()
    if browser:
        return _by_browser(browser, page)
    if importlib.util.find_spec("weasyprint"):
        printed: bytes = (
            importlib.import_module("weasyprint").HTML(string=page.decode()).write_pdf()
        )
        return printed
    raise PrinterError(
        "no program that prints a page as PDF was found",
        where=f"PATH, for {', '.join(BROWSERS)}, and the package weasyprint",
        why="a PDF is printed from the HTML report by a browser of this machine",
        fix="install Chromium or WeasyPrint, or take `--format html` and print it by hand",
    )


def find_browser() -> str | None:
    """Return the path of a browser that prints, or `None`."""
    found = (shutil.which(name) for name in BROWSERS)
    return next((path for path in found if path), None)


def _by_browser(browser: str, page: bytes) -> bytes:
    with tempfile.TemporaryDirectory(prefix="assay-print-") as scratch:
        source, target = Path(scratch) / "report.html", Path(scratch) / "report.pdf"
        source.write_bytes(page)
        command = [
            browser,
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            f"--user-data-dir={scratch}/profile",
            "--virtual-time-budget=30000",
            "--no-pdf-header-footer",
            f"--print-to-pdf={target}",
            source.as_uri(),
        ]
        try:
            done = subprocess.run(  # noqa: S603 - a program found on PATH, arguments of ours
                command, capture_output=True, timeout=_SECONDS, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise _failed(browser, f"it did not end within {_SECONDS} s") from error
        if done.returncode or not target.exists():
            lines = done.stderr.decode(errors="replace").strip().splitlines() or ["no message"]
            raise _failed(browser, lines[-1])
        return target.read_bytes()


def _failed(browser: str, why: str) -> PrinterError:
    return PrinterError(
        "the browser did not print the report",
        where=browser,
        why=why,
        fix="take `--format html` and print it by hand",
    )
