"""The application: addresses, what every answer carries, and how every error is shown.

The guard stands outside everything: it answers GET and HEAD only, to names of this machine only (a
page of another site that has its name resolve to this machine is refused), and no answer leaves
without the policy that lets a browser run and load nothing.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from flows.errors import DefectError, Explained, FlowError, as_json
from flows.explorer.decision import decision
from flows.explorer.difference import difference
from flows.explorer.errors import RequestError
from flows.explorer.health import health
from flows.explorer.home import home
from flows.explorer.lineage import lineage
from flows.explorer.questions import question, questions, sql
from flows.explorer.records import find, line, record, record_proof, weight_proof
from flows.explorer.rendering import render, style
from flows.explorer.run import run
from flows.explorer.runs import runs
from flows.explorer.sandbox import Sandbox
from flows.explorer.standing import Watch
from flows.explorer.view import Site, View
from ledger import LedgerError
from pipeline.errors import PipelineError
from replay.errors import ReplayError, UnknownDecisionError
from warehouse.errors import (
    LineageError,
    QueryFailedError,
    QueryRefusedError,
    SnapshotMissingError,
    UnknownQuestionError,
    WarehouseError,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from flows.settings import Workspace

    Page = Callable[[View], Response]

LOOPBACK_NAMES: Final = frozenset({"127.0.0.1", "localhost", "::1"})
"""Names under which a browser on this machine asks."""
POLICY: Final = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
HEADERS: Final = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
    "cache-control": "no-store",
}
"""What every answer carries; nothing is stored, for the ledger may have changed since."""
PAGES: Final[tuple[tuple[str, Page], ...]] = (
    ("/", home),
    ("/runs", runs),
    ("/run/{hash}", run),
    ("/decision/{hash}", decision),
    ("/decision/{hash}/proof", weight_proof),
    ("/record/{hash}.json", line),
    ("/record/{hash}", record),
    ("/record/{hash}/proof", record_proof),
    ("/find", find),
    ("/diff", difference),
    ("/health", health),
    ("/lineage", lineage),
    ("/ask", questions),
    ("/ask/{number}", question),
    ("/sql", sql),
)
_STATUS: Final = (
    (UnknownDecisionError, HTTPStatus.NOT_FOUND),
    (UnknownQuestionError, HTTPStatus.NOT_FOUND),
    (LineageError, HTTPStatus.NOT_FOUND),
    (QueryRefusedError, HTTPStatus.BAD_REQUEST),
    (QueryFailedError, HTTPStatus.BAD_REQUEST),
    (SnapshotMissingError, HTTPStatus.SERVICE_UNAVAILABLE),
)


class Guard:
    """Answers what may be asked, with the headers that every answer carries.

    Parameters
    ----------
    app : ASGIApp
        Behind it.
    names : frozenset of str
        Names in the Host header that are answered; empty for all.
    refuse : callable
        Returns the page for what is refused.
    """

    def __init__(
        self, app: ASGIApp, names: frozenset[str], refuse: Callable[[RequestError], Response]
    ) -> None:
        self._app = app
        self._names = names
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        refused = self._refusal(scope)
        answer: ASGIApp = self._app if refused is None else self._refuse(refused)
        await answer(scope, receive, guarded)

    def _refusal(self, scope: Scope) -> RequestError | None:
        if scope["method"] not in ("GET", "HEAD"):
            return RequestError(
                f"method {scope['method']}; expected GET or HEAD",
                where=scope["path"],
                why="the explorer only shows; nothing is changed through it",
                fix="use the command line for what changes something",
                status=HTTPStatus.METHOD_NOT_ALLOWED,
            )
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if _is_embedded(headers):
            return RequestError(
                "asked for by a page of another site",
                where=scope["path"],
                why="another site could have statements run here by naming them as its pictures",
                fix="open the address in a tab of its own",
            )
        if self._names and host_name(host) not in self._names:
            return RequestError(
                f"host {host[:80]!r}; expected a name of this machine",
                where="Host header",
                why="a site whose name resolves to this machine could read what is shown",
                fix="open the address that `assay serve` printed",
            )
        return None


def _is_embedded(headers: Headers) -> bool:
    """Tell whether a browser says that another site asks, other than by a link to a page."""
    site, mode = headers.get("sec-fetch-site", ""), headers.get("sec-fetch-mode", "")
    return site in ("cross-site", "same-site") and mode != "navigate"


def host_name(host: str) -> str:
    """Return the name in a Host header, without port and brackets, in lower case.

    >>> host_name("[::1]:8000"), host_name("LOCALHOST:80"), host_name("127.0.0.1")
    ('::1', 'localhost', '127.0.0.1')
    """
    if host.startswith("["):
        name, bracket, rest = host[1:].partition("]")
        return name.lower() if bracket and (not rest or rest[1:].isdecimal()) else ""
    name, colon, port = host.partition(":")
    return name.lower() if not colon or port.isdecimal() else ""


def make_site(workspace: Workspace) -> Site:
    """Return what all requests to a workspace share; close its sandbox in the end."""
    return Site(workspace, Watch(workspace), Sandbox(workspace.root))


def make_app(site: Site, names: frozenset[str] = LOOPBACK_NAMES) -> ASGIApp:
    """Return the application.

    Parameters
    ----------
    site : Site
        What it shows.
    names : frozenset of str
        Names in the Host header that are answered; empty for all.
    """
    sheet = style()

    def styled(_request: Request) -> Response:
        return Response(sheet, media_type="text/css; charset=utf-8")

    def failed(request: Request, error: Exception) -> Response:
        return _error_page(site, request, error)

    def refuse(error: RequestError) -> Response:
        allow = {"allow": "GET, HEAD"} if error.status is HTTPStatus.METHOD_NOT_ALLOWED else None
        return HTMLResponse(
            _plain_error(error, error.status), status_code=error.status, headers=allow
        )

    errors = (FlowError, LedgerError, PipelineError, ReplayError, WarehouseError)
    app = Starlette(
        routes=[
            *(Route(path, _endpoint(site, page), methods=["GET"]) for path, page in PAGES),
            Route("/style.css", styled, methods=["GET"]),
        ],
        exception_handlers=dict.fromkeys((*errors, HTTPException, Exception), failed),
    )
    app.router.redirect_slashes = False
    return Guard(app, names, refuse)


def _endpoint(site: Site, page: Page) -> Callable[[Request], Response]:
    def answer(request: Request) -> Response:
        with View(site, request) as view:
            return page(view)

    return answer


def _error_page(site: Site, request: Request, error: Exception) -> Response:
    explained, status = _explained(request, error)
    if isinstance(explained, DefectError):
        # Whatever failed may be what every page begins with.
        return HTMLResponse(_plain_error(explained, status), status_code=status)
    title = f"{status.value} {status.phrase}"
    with View(site, request) as view:
        answer = view.page("error.html", "", title, error=as_json(explained))
    answer.status_code = status
    return answer


def _explained(request: Request, error: Exception) -> tuple[Explained, HTTPStatus]:
    """Return an error in four parts and the status it is answered with."""
    status = HTTPStatus.INTERNAL_SERVER_ERROR
    if isinstance(error, RequestError):
        return error, error.status
    if isinstance(error, HTTPException):
        wrong = _no_page(request, HTTPStatus(error.status_code))
        return wrong, wrong.status
    if isinstance(error, Explained):
        return error, next((each for kind, each in _STATUS if isinstance(error, kind)), status)
    defect = DefectError(
        f"internal error: {type(error).__name__}",
        where=request.url.path,
        why="this is a defect of assay",
        fix="report it with what the server printed",
    )
    return defect, status


def _no_page(request: Request, status: HTTPStatus) -> RequestError:
    return RequestError(
        f"{status.phrase.lower()}: there is no such page",
        where=request.url.path[:200],
        why="the address names no page of the explorer",
        fix="go on from the home page, or find the record by id, seq or hash",
        status=status,
    )


def _plain_error(error: Explained, status: HTTPStatus) -> str:
    """Return a page for what is answered without looking at the ledger."""
    return render("refused.html", {"error": as_json(error), "status": status})
