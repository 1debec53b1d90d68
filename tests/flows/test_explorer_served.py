"""The explorer as a process: it answers a browser, loads nothing from elsewhere, ends in order."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.flows.explorer import open_explorer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Workplace

Served = tuple[subprocess.Popen[str], dict[str, Any]]
BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
HEADLESS = [
    "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--enable-logging=stderr",
]  # fmt: skip


@contextmanager
def served(
    place: Workplace, *options: str
) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """Yield the process that serves a workspace, and what it announced."""
    command = [sys.executable, "-c", "from flows.cli import main; main()", "-C", str(place.folder)]
    process = subprocess.Popen(
        [*command, "serve", "--json", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY")},
        cwd=Path(__file__).resolve().parents[2],
    )
    watch = threading.Timer(120, process.kill)
    watch.start()
    try:
        assert process.stdout is not None
        text = ""
        for line in process.stdout:
            text += line
            if line == "}\n":
                break
        yield process, json.loads(text)
    finally:
        watch.cancel()
        process.kill()
        process.communicate()


def ask(url: str, path: str) -> tuple[int, bytes]:
    """Return status and body of an answer of the server."""
    connection = http.client.HTTPConnection(url.removeprefix("http://").rstrip("/"), timeout=60)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def children(pid: int) -> list[int]:
    """Return the processes that a process started."""
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for task in tasks for child in task.read_text("ascii").split()]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_a_signal_ends_it_in_order(workplace: Workplace, number: signal.Signals) -> None:
    """It leaves with 0, says so, and leaves no process behind."""
    with served(workplace, "--open") as (process, announced):
        data = announced["data"]
        assert data["ledger"] == "PASS"
        assert announced["ledger"]["count"] == len(workplace.lines)
        assert ask(data["url"], "/")[0] == 200
        started = children(process.pid)
        assert started
        process.send_signal(number)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert "stopped" in said
    assert "no display" in said
    assert "Traceback" not in said
    for pid in started:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")
def test_a_browser_shows_every_page_and_asks_nobody_else(
    built_once: Workplace, tmp_path: Path
) -> None:
    """Each page renders without a message on the console; all requests go to the explorer."""
    addresses = open_explorer(built_once).addresses()
    with served(built_once) as (_, announced):
        url = announced["data"]["url"]
        for path in addresses:
            log = tmp_path / "net.json"
            shown = subprocess.run(
                [str(BROWSER), *HEADLESS, f"--user-data-dir={tmp_path / 'profile'}",
                 f"--log-net-log={log}", "--dump-dom", url + path.removeprefix("/")],
                capture_output=True,
                text=True,
                timeout=120,
                check=True,
            )  # fmt: skip
            assert '<main id="content"' in shown.stdout, path
            assert [line for line in shown.stderr.splitlines() if "CONSOLE" in line] == []
            asked = requests_of_pages(log)
            assert f"{url}style.css" in asked, path
            assert [each for each in asked if not each.startswith((url, "data:"))] == []


def requests_of_pages(log: Path) -> set[str]:
    """Return the addresses that pages asked for, from the browser's own log of the network.

    What a browser asks for itself (its own updates) has no page as initiator.
    """
    text = log.read_text("utf-8").rstrip().removesuffix(",")
    found = json.loads(text if text.endswith("}") and text.count("]}") else text + "]}")
    params = [each.get("params", {}) for each in found["events"]]
    return {
        str(each["url"])
        for each in params
        if "url" in each and str(each.get("initiator", "")).startswith("http://127.0.0.1")
    }
