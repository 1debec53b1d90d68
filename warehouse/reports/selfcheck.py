"""What the page carries so that it can check itself in a browser, without a network.

The page holds the canonical rows of the results that its numbers came from, the digest of every
result, the digest of the text and drawings of every part, the signed checkpoint, and the nodes of
the Merkle tree that lead from the cited records to the root of the checkpoint. One script, allowed
by its digest, compares all of them (`templates/selfcheck.js`).

What this shows and what not: a number, a row, a record or a line that was changed alone is named.
Who changes a page in every place, script included, can make it say anything; that is what
`assay report verify` is for, which renders the page again from the ledger.

Invariants
----------
1. Nothing embedded is read by the renderer again: the digests are of the finished parts.
2. Rows of results above `MOST_ROWS` are not embedded, their digest is, save the cited records.
"""

from __future__ import annotations

import base64
import hashlib
import html
import re
from importlib.resources import files
from typing import TYPE_CHECKING

from markupsafe import Markup, escape

from ledger import canonical_digest, dumps
from ledger.merkle import tree_root
from warehouse.reports.traced import Shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from warehouse.reports.evidence import Answer, Evidence
    from warehouse.reports.stamp import Stamp

MOST_ROWS = 2000
"""A result with more rows is checked by its digest only."""

_REGION = re.compile(r'<(\w+)[^>]* data-region="([^"]+)"[^>]*>(.*?)</\1>', re.DOTALL)
_PIECE = re.compile(r"<[^>]*>|[^<]+")
_PATH = re.compile(r' d="([^"]*)"')
_MARK = re.compile(r' data-n="([a-z0-9_]+):')
_SPACE = re.compile(r"[ \t\n\f\r]+")


def mark(value: object) -> Markup:
    """Return the attribute that says which cell of which result a number shows, or nothing."""
    if not isinstance(value, Shown):
        return Markup()
    place = value.origin
    return Markup(' data-n="{}:{}:{}:{}"').format(place.query, place.row, place.column, value.scale)


def policy_digest(text: str) -> str:
    """Return the digest by which a content security policy allows inline text."""
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def read_script() -> str:
    """Return the script of the page."""
    place = files("warehouse.reports").joinpath("templates", "selfcheck.js")
    return place.read_text(encoding="utf-8")


def results_root(answers: Sequence[Answer]) -> str:
    """Return one digest over the names and digests of all results."""
    return canonical_digest({answer.name: answer.sha256 for answer in answers})


def embed(text: str, stamp: Stamp, evidence: Evidence) -> str:
    """Return the page with what its script compares, before the end of its body."""
    regions = {name: digest_region(body) for _, name, body in _REGION.findall(text)}
    shown = set(_MARK.findall(text)) | {"integrity"}
    answers = {answer.name: answer for answer in evidence.answers}
    embedded = [
        answer
        for answer in evidence.answers
        if answer.name == "cited_records" or (answer.name in shown and len(answer) <= MOST_ROWS)
    ]
    note = evidence.held_note()
    size = note.size if note else 0
    seqs = [seq for seq in _cited(answers) if seq < size]
    data = {
        "head": {"seq": stamp.head_seq, "hash": stamp.head_hash},
        "regions": regions,
        "results": {name: answer.sha256 for name, answer in answers.items()},
        "root": results_root(evidence.answers),
        "size": size,
        "note": note.text if note else "",
        "key": stamp.vkey,
        "tree": prove_many(_leaves(evidence, size), seqs),
    }
    parts = [_template("report", dumps(data))]
    parts += [_template(answer.name, dumps(answer.to_payload())) for answer in embedded]
    place = text.rindex("<script>")
    return text[:place] + "".join(parts) + text[place:]


def digest_region(body: str) -> str:
    """Return the digest of the text and the drawn paths of a part, white space left out.

    The browser computes the same from its tree: texts and `d` attributes in their order.
    """
    pieces = []
    for piece in _PIECE.findall(body):
        if piece.startswith("<"):
            pieces += _PATH.findall(piece)
        else:
            pieces.append(html.unescape(piece))
    return hashlib.sha256(_SPACE.sub("", "".join(pieces)).encode()).hexdigest()


def prove_many(leaves: Sequence[bytes], seqs: Sequence[int]) -> list[str]:
    """Return the nodes that, with the leaves `seqs`, give the root of `leaves`.

    The tree of RFC 6962 is walked from left to right; where no wanted leaf lies in a part, the root
    of the part stands in the list (base64).
    """
    wanted, nodes = sorted(set(seqs)), []

    def walk(first: int, stop: int, wanted: Sequence[int]) -> None:
        if not wanted:
            nodes.append(base64.b64encode(tree_root(leaves[first:stop])).decode())
        elif stop - first > 1:
            middle = first + (1 << ((stop - first - 1).bit_length() - 1))
            walk(first, middle, [seq for seq in wanted if seq < middle])
            walk(middle, stop, [seq for seq in wanted if seq >= middle])

    if leaves:
        walk(0, len(leaves), wanted)
    return nodes


def _leaves(evidence: Evidence, size: int) -> list[bytes]:
    return [bytes.fromhex(hash_) for hash_ in evidence.hashes_below(size)]


def _cited(answers: dict[str, Answer]) -> list[int]:
    answer = answers.get("cited_records")
    return [row.count("seq") for row in answer] if answer is not None else []


def _template(name: str, content: bytes) -> Markup:
    return Markup('<template data-rows="{}">{}</template>\n').format(name, escape(content.decode()))
