"""The explorer as its tests use it: pages of a workspace, and documents read as a browser would."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.explorer.app import make_app, make_site
from flows.settings import Workspace

if TYPE_CHECKING:
    from collections.abc import Callable

    from flows.explorer.index import Entry, LedgerIndex
    from flows.explorer.view import Site
    from tests.conftest import Workplace

VOID = {"meta", "link", "input", "br", "hr", "img"}


@dataclass
class Explorer:
    """The application over one workspace, without a server."""

    site: Site
    client: Any

    def get(self, path: str, **options: Any) -> Any:
        """Return the answer to GET; redirections are followed unless asked otherwise."""
        return self.client.get(path, **options)

    def page(self, path: str) -> Document:
        """Return a page that must be there."""
        answer = self.get(path)
        assert answer.status_code == 200, answer.text
        return read(answer.text)

    @property
    def index(self) -> LedgerIndex:
        """The places of the records, current."""
        return self.site.watch.look()[1]

    def entry(self, part: str, type_: str = "intent") -> Entry:
        """Return the first record of a type whose id holds `part`."""
        return next(e for e in self.index.entries if e.type == type_ and part in e.id)

    def addresses(self) -> list[str]:
        """Return one address of every page."""
        run = next(e for e in self.index.runs() if not e.run_id.endswith("-build"))
        decision, flat = self.entry("/optimize/stocks"), self.entry("/flatten/")
        rebalance = self.entry("/rebalance/stocks.custom.hrp.0002")
        pair = [self.entry(f"/optimize/stocks.custom.hrp.000{n}").id for n in (1, 2)]
        return [
            "/",
            "/runs",
            "/runs?sort=seconds&order=ascending",
            f"/run/{run.hash}",
            f"/run/{run.hash}?step=optimize",
            f"/decision/{decision.hash}",
            f"/decision/{flat.hash}",
            f"/decision/{rebalance.hash}",
            f"/record/{self.index.entries[0].hash}",
            f"/record/{decision.hash}",
            "/diff",
            f"/diff?kind=decision&a={pair[0]}&b={pair[1]}",
            f"/diff?kind=run&a={run.run_id}&b={run.run_id}",
            "/health",
            "/lineage",
            "/lineage?column=health.fct_findings.rule",
            "/ask",
            "/ask/1",
            "/ask/18?symbol=AAPL",
            "/sql?q=select+1+as+one",
            "/find?q=stocks.custom.hrp.0001",
        ]


def open_explorer(place: Workplace | Path, **names: frozenset[str]) -> Explorer:
    """Return the application over a workspace; close its sandbox in the end."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the client itself: it prefers another HTTP library
        from starlette.testclient import TestClient  # noqa: PLC0415
    root = place if isinstance(place, Path) else place.root
    site = make_site(Workspace(root))
    app = make_app(site, **names)
    return Explorer(site, TestClient(app, "http://127.0.0.1:4210", raise_server_exceptions=False))


@dataclass
class Element:
    """One element: name, attributes, and what is in it, in order."""

    name: str
    attributes: dict[str, str]
    content: list[Element | str] = field(default_factory=list)

    @property
    def children(self) -> list[Element]:
        """The elements in it."""
        return [each for each in self.content if isinstance(each, Element)]

    @property
    def text(self) -> str:
        """All text in it."""
        return "".join(each if isinstance(each, str) else each.text for each in self.content)


@dataclass
class Document:
    """All elements of a page in order."""

    elements: list[Element]

    def all(self, *names: str) -> list[Element]:
        """Return the elements of these names, in order."""
        return [each for each in self.elements if each.name in names]

    def one(self, name: str) -> Element:
        """Return the only element of a name."""
        (found,) = self.all(name)
        return found

    def where(self, test: Callable[[Element], bool]) -> list[Element]:
        """Return the elements that pass a test."""
        return [each for each in self.elements if test(each)]


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.elements: list[Element] = []
        self.open: list[Element] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.elements.append(element)
        if self.open:
            self.open[-1].content.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open[-1].name == tag, f"</{tag}> closes <{self.open[-1].name}>"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        if self.open:
            self.open[-1].content.append(data)


def read(text: str) -> Document:
    """Return the elements of a page; one that is not closed is a failure."""
    reader = _Reader()
    reader.feed(text)
    reader.close()
    assert [each.name for each in reader.open] == []
    return Document(reader.elements)
