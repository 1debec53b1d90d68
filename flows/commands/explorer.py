"""`serve`: the explorer on this machine, until Ctrl-C or SIGTERM."""

from __future__ import annotations

import contextlib
import ipaddress
import signal
import socket
import sys
import webbrowser
from typing import TYPE_CHECKING, Final

import uvicorn

from flows.explorer.app import LOOPBACK_NAMES, make_app, make_site
from flows.explorer.errors import ExplorerError
from flows.settings import has_display

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.types import ASGIApp

    from flows.output import Output
    from flows.settings import Settings

USUAL_PORT: Final = 4210
STOP_SECONDS: Final = 5
"""A request that still runs is given this long."""


class _Server(uvicorn.Server):
    """A server that takes a signal as the wish to end, and not as a failure."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """End in order at Ctrl-C and SIGTERM; the second signal ends at once."""
        both = (signal.SIGINT, signal.SIGTERM)
        before = {number: signal.signal(number, self.handle_exit) for number in both}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def serve(
    settings: Settings,
    output: Output,
    *,
    host: str,
    port: int | None,
    allow_remote: bool,
    open_browser: bool,
) -> int:
    """Serve the explorer of the workspace until Ctrl-C or SIGTERM; return the exit code.

    Raises
    ------
    WorkspaceError
        If there is no workspace.
    ExplorerError
        If the host is not of this machine and that was not allowed, or the port is taken.
    """
    workspace = settings.find_workspace()
    local = is_loopback(host)
    if not local and not allow_remote:
        raise ExplorerError(
            f"host {host} can be reached from other machines",
            where="assay serve --host",
            why="the explorer has no login: whoever reaches it reads the whole ledger",
            fix="leave --host out, or add --allow-remote behind something that asks who it is",
        )
    with listen(host, port) as listener:
        url = address_of(listener, host)
        site = make_site(workspace)
        standing, _ = site.watch.look()
        site.sandbox.warm()
        if not local:
            output.warnings.append(f"no login: everybody who reaches {url} reads the whole ledger")
        _announce(output, url, standing.state, (standing.head, standing.count))
        if open_browser:
            _open(output, url)
        try:
            _run(make_app(site, LOOPBACK_NAMES if local else frozenset()), listener)
        finally:
            site.sandbox.close()
    output.note("stopped")
    return 0


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine and nothing else."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def listen(host: str, wanted: int | None) -> socket.socket:
    """Return a socket that listens on `wanted`, or the usual port, or a free one where it is taken.

    Raises
    ------
    ExplorerError
        If `wanted` is taken, or the host is not of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    why = ""
    for port in (USUAL_PORT, 0) if wanted is None else (wanted,):
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
            listener.listen()
        except (OSError, OverflowError) as error:
            listener.close()
            why = str(error)
        else:
            return listener
    raise ExplorerError(
        f"cannot listen on port {wanted or USUAL_PORT} of {host}",
        where=f"{host}:{wanted or USUAL_PORT}",
        why=f"the system says: {why}; most often another process listens there",
        fix="name another --port, or leave it out to take a free one",
    )


def address_of(listener: socket.socket, host: str) -> str:
    """Return the address to open in a browser."""
    port = listener.getsockname()[1]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/"


def _announce(output: Output, url: str, state: str, head: tuple[str, int]) -> None:
    text = f"explorer  {url}\nledger    {state}, {head[1]} records\nCtrl-C stops it"
    output.done(text, {"url": url, "ledger": state}, head=head)
    sys.stdout.flush()


def _open(output: Output, url: str) -> None:
    """Open a browser where there is a display; a browser in this terminal would take it over."""
    if not has_display() or not webbrowser.open(url):
        output.note(f"no display to open a browser on: open {url} yourself")


def _run(app: ASGIApp, listener: socket.socket) -> None:
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        lifespan="off",
        server_header=False,
        ws="none",
        timeout_graceful_shutdown=STOP_SECONDS,
    )
    _Server(config).run(sockets=[listener])
