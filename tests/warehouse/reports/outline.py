"""Reads a page the way a browser does: elements, ids, links, text."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = frozenset({"meta", "link", "br", "hr", "img", "input", "col", "path", "rect"})


@dataclass(slots=True)
class Element:
    """One element with its attributes, what stands in it, and its text."""

    tag: str
    attributes: dict[str, str]
    parent: Element | None = None
    children: list[Element] = field(default_factory=list)
    pieces: list[str | Element] = field(default_factory=list)

    @property
    def text(self) -> str:
        """Text of the element and of all in it."""
        return "".join(p if isinstance(p, str) else p.text for p in self.pieces)

    def all(self, tag: str) -> list[Element]:
        """Return every element of that tag within, in order."""
        found = []
        for child in self.children:
            found += ([child] if child.tag == tag else []) + child.all(tag)
        return found

    def of_class(self, name: str) -> list[Element]:
        """Return every element of that class within, in order."""
        found = []
        for child in self.children:
            mine = name in child.attributes.get("class", "").split()
            found += ([child] if mine else []) + child.of_class(name)
        return found

    def by_id(self, name: str) -> Element:
        """Return the element of that id."""
        found = [e for e in self.everything() if e.attributes.get("id") == name]
        assert len(found) == 1, f"{len(found)} elements with id {name}"
        return found[0]

    def everything(self) -> list[Element]:
        """Return all elements within, in order."""
        return [e for child in self.children for e in (child, *child.everything())]


class Outline(HTMLParser):
    """Builds the tree and refuses what a browser would have to repair."""

    def __init__(self) -> None:
        super().__init__()
        self.root = Element("document", {})
        self._open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Open an element."""
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"attribute twice in <{tag}>: {names}"
        element = Element(tag, {name: value or "" for name, value in attrs}, self._open[-1])
        self._open[-1].children.append(element)
        self._open[-1].pieces.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Add an empty element of a drawing."""
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        """Close an element."""
        assert self._open[-1].tag == tag, f"</{tag}> closes <{self._open[-1].tag}>"
        self._open.pop()

    def handle_data(self, data: str) -> None:
        """Add text."""
        self._open[-1].pieces.append(data)


def outline_of(html: str) -> Element:
    """Return the tree of a page.

    Fails if an element is not closed, or if two attributes of one element have the same name.
    """
    parser = Outline()
    parser.feed(html)
    parser.close()
    assert parser._open == [parser.root], f"not closed: {[e.tag for e in parser._open[1:]]}"
    return parser.root
