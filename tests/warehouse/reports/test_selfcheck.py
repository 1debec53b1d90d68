"""The page checks itself in a browser: green untouched, red after any edit, without a network."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.printing import find_browser
from ledger import sha256
from ledger.merkle import node_hash, tree_root
from tests.warehouse.reports.conftest import RUN, signed_by
from warehouse.query import open_snapshot
from warehouse.reports.render import render_report
from warehouse.reports.request import Request
from warehouse.reports.selfcheck import digest_region, prove_many
from warehouse.reports.subject import Verified

if TYPE_CHECKING:
    from pathlib import Path

BROWSER = find_browser()
browser = pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine")


@pytest.fixture(scope="module")
def text(snapshot: Path) -> str:
    """Return the page with the key that signed its checkpoint."""
    signed = signed_by(snapshot)
    with open_snapshot(snapshot) as connection:
        found = connection.execute("select data ->> '$.vkey' from raw.records where seq = 0")
        (vkey,) = found.fetchone() or ("",)
    verified = Verified(
        signed.checkpoint_lines, signed.key_id, signed.origin, {"chain": "PASS"}, vkey
    )
    return render_report(snapshot, Request(RUN), verified).decode()


def strip_of(page: str, folder: Path) -> tuple[str, str]:
    """Return class and text of the strip after the script ran, and refuse console messages."""
    assert BROWSER is not None
    path = folder / "page.html"
    path.write_text(page, encoding="utf-8")
    command = [
        BROWSER,
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--enable-logging=stderr",
        f"--user-data-dir={folder}/profile",
        "--virtual-time-budget=30000",
        "--dump-dom",
        path.as_uri(),
    ]
    done = subprocess.run(command, capture_output=True, check=True, timeout=300)
    assert b"CONSOLE" not in done.stderr
    found = re.search(
        r'<p class="selfcheck ?(\w*)" id="selfcheck"[^>]*>(.*?)</p>',
        done.stdout.decode(),
        re.DOTALL,
    )
    assert found is not None
    return found[1], found[2]


@browser
@pytest.mark.slow
def test_untouched_page_is_green(text: str, tmp_path: Path) -> None:
    """Numbers, parts, records and signature agree; nothing is written to the console."""
    state, said = strip_of(text, tmp_path)
    assert state == "pass", said
    assert "cited records under the checkpoint" in said
    assert "signed with key" in said


@browser
@pytest.mark.slow
def test_edited_digit_is_red_and_named(text: str, tmp_path: Path) -> None:
    """One digit of one number: the strip names section, row and both values."""
    found = re.search(r'data-n="metrics:\d+:\d+:100"[^>]*>[^<]*?(\d)(?=[^<\d]*%?<)', text)
    assert found is not None
    digit = found.start(1)
    edited = text[:digit] + str((int(text[digit]) + 5) % 10) + text[digit + 1 :]
    state, said = strip_of(edited, tmp_path)
    assert state == "fail"
    assert "Performance" in said
    assert "its result metrics holds" in said


@browser
@pytest.mark.slow
@pytest.mark.parametrize(
    ("pattern", "named"),
    [
        (r'<template data-rows="metrics">.*?\d\.\d{3}(\d)', "rows carried for the result metrics"),
        (r'<section id="assumptions".*?basis (p)oints', "section Assumptions"),
        (
            r'<section id="performance".*?<path class="line net" d="M\d+(?:\.\d)? (\d)',
            "section Perf",
        ),
        (r'<template data-rows="cited_records">.*?&#34;[0-9a-f]{40}(\d)', "cited_records"),
    ],
)
def test_other_edits_are_red(text: str, tmp_path: Path, pattern: str, named: str) -> None:
    """A row that is carried, a word, a drawn line, a record: each alone turns the strip red."""
    found = re.search(pattern, text, re.DOTALL)
    assert found is not None
    place = found.start(1)
    other = "1" if text[place] != "1" else "2"
    state, said = strip_of(text[:place] + other + text[place + 1 :], tmp_path)
    assert state == "fail"
    assert named in said


@browser
@pytest.mark.slow
def test_signature_of_another_key_is_red(text: str, tmp_path: Path) -> None:
    """A checkpoint with a changed signature is refused."""
    found = re.search(r"\u2014 \S+ (\S{30})", text)
    assert found is not None
    place = found.end(1) - 1
    other = "A" if text[place] != "A" else "B"
    assert strip_of(text[:place] + other + text[place + 1 :], tmp_path)[0] == "fail"


def test_page_reads_without_script(text: str) -> None:
    """What the strip says before, or without, the script is that nothing was checked yet."""
    assert re.search(r'<p class="selfcheck" id="selfcheck" role="status">Not checked yet', text)


def test_region_digest_sees_texts_and_paths_only() -> None:
    """White space and attributes do not count; a text and a drawn path do."""
    base = '<p class="a">1 &amp; 2</p><path d="M1 2"/>'
    assert digest_region(base) == digest_region('<p>\n1&amp;2 </p><path class="x" d="M1 2"/>')
    assert digest_region(base) == sha256(b"1&2M12")
    assert digest_region(base) != digest_region(base.replace("M1 2", "M1 3"))
    assert digest_region(base) != digest_region(base.replace("1 &", "7 &"))


@given(st.integers(1, 70), st.sets(st.integers(0, 69)))
def test_nodes_and_leaves_give_the_root(size: int, wanted: set[int]) -> None:
    """Whatever leaves are wanted, they and the nodes give the root of the tree, all nodes used."""
    import base64  # noqa: PLC0415

    leaves = [bytes.fromhex(sha256(bytes([i]))) for i in range(size)]
    seqs = [seq for seq in sorted(wanted) if seq < size]
    nodes = [base64.b64decode(node) for node in prove_many(leaves, seqs)]

    def root(first: int, stop: int, seqs: list[int]) -> bytes:
        if not seqs:
            return nodes.pop(0)
        if stop - first == 1:
            return leaves[first]
        half = 1
        while half * 2 < stop - first:
            half *= 2
        left = root(first, first + half, [s for s in seqs if s < first + half])
        return node_hash(left, root(first + half, stop, [s for s in seqs if s >= first + half]))

    assert root(0, size, seqs) == tree_root(leaves)
    assert nodes == []
