"""Findings say where and what, and a report says it as text and as JSON.

What the verifier finds in each attack of `tests/vectors/ledger` stands in `findings.json`, all but
the sentences; `python -m tests.ledger.test_findings` writes it again.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import pytest

from ledger import ZERO, Anchored, Checkpoint, Finding, Report, sha256, verify
from ledger.findings import KINDS, TRUST, Findings
from tests.ledger.test_vectors import NAMES, options, unpack

FILE = Path(__file__).with_name("findings.json")
KEPT = (
    "verdict",
    "trust",
    "count",
    "head",
    "root",
    "checkpoint",
    "unanswered",
    "unread",
    "keys",
)
LEVELS: tuple[Literal["strict", "fast"], ...] = ("strict", "fast")


def judge(name: str, folder: Path) -> dict[str, Any]:
    """Return what is found in an attack at both levels, and what the report says of the rest."""
    judged: dict[str, Any] = {}
    for level in LEVELS:
        given: Any = options(unpack(name, folder), folder)
        if level == "strict":
            given["blobs"] = folder / "blobs"
        report = verify(folder / "ledger", level=level, **given)
        findings = [asdict(each) for each in report.findings]
        messages = [each.pop("message") for each in findings]
        assert all(isinstance(each, str) and len(each) > 8 for each in messages), messages
        for finding in findings:
            for part in ("where", "found"):
                finding[part] = finding[part].replace(str(folder), "")
        payload = report.to_payload()
        judged[level] = {member: payload[member] for member in KEPT} | {"findings": findings}
    # Spelled out once where the levels agree.
    if judged["fast"]["findings"] == judged["strict"]["findings"]:
        judged["fast"]["findings"] = "as strict"
    return {"strict": judged["strict"], "fast": _less(judged["fast"], judged["strict"])}


def _less(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in one.items() if value != other[name]}


def make_findings() -> str:
    """Return the content of `findings.json`."""
    with tempfile.TemporaryDirectory() as folder:
        judged = {name: judge(name, Path(folder) / name) for name in NAMES}
    return json.dumps(judged, indent=1, sort_keys=True) + "\n"


@pytest.mark.parametrize("name", NAMES)
def test_an_attack_is_found_where_it_was_made(name: str, tmp_path: Path) -> None:
    """Record, byte, file, what was expected and what is there, at both levels."""
    assert judge(name, tmp_path) == json.loads(FILE.read_text(encoding="utf-8"))[name]


CHECKPOINT = Checkpoint("example.org/log", 3, sha256(b"three"))
FINDING = Finding("altered", "a line is not its own", 2, 70, "a\n", "b", "audit.jsonl")


def test_a_report_without_findings_passes() -> None:
    """As text, and as the object of `verify --json`."""
    report = Report(
        trust="anchored",
        count=5,
        head=sha256(b"head"),
        root=sha256(b"root"),
        checkpoint=CHECKPOINT,
        unread=(0, 4),
        unanswered=1,
        anchors=(Anchored("git", 2), Anchored("tsa", 2), Anchored("tsa", 3, "2026-01-02")),
        keys=("a", "b"),
    )
    assert report.ok
    assert report.to_text().split("\n") == [
        "PASS",
        "  records     5",
        f"  head        {sha256(b'head')}",
        f"  root        {sha256(b'root')}",
        "  checkpoint  3 records, and 2 after it",
        f"  trust       anchored: {TRUST['anchored']}",
        "  anchors     git 2 records, tsa 3 records at 2026-01-02",
    ]
    assert report.to_payload() == {
        "ok": True,
        "verdict": "ok",
        "trust": "anchored",
        "count": 5,
        "head": sha256(b"head"),
        "root": sha256(b"root"),
        "checkpoint": {"size": 3, "root": sha256(b"three")},
        "findings": [],
        "unanswered": 1,
        "anchors": [
            {"kind": "git", "size": 2, "time": ""},
            {"kind": "tsa", "size": 2, "time": ""},
            {"kind": "tsa", "size": 3, "time": "2026-01-02"},
        ],
        "keys": ["a", "b"],
        "unread": [0, 4],
    }


def test_a_report_with_findings_fails_by_the_worst_kind() -> None:
    """Whatever their order; nothing but the kind is made up of them."""
    findings = (Finding("lint", "a rule"), FINDING)
    report = Report(trust="none", count=0, root=sha256(b"root"), findings=findings)
    assert (report.ok, report.verdict) == (False, "altered")
    assert report.to_text().split("\n") == [
        f"FAIL  altered: {KINDS['altered']}",
        "  records     0",
        f"  head        {ZERO}",
        f"  root        {sha256(b'root')}",
        "  checkpoint  none agrees with the records",
        "  trust       none: findings stand against it",
        "lint: a rule",
        "  where     -",
        "altered: a line is not its own",
        "  where     audit.jsonl, record 2, byte 70",
        "  expected  'a\\n'",
        "  found     'b'",
    ]
    payload = report.to_payload()
    assert (payload["ok"], payload["verdict"], payload["checkpoint"]) == (False, "altered", None)
    assert payload["findings"] == [asdict(each) for each in findings]


@pytest.mark.parametrize(
    ("finding", "lines"),
    [
        (Finding("torn", "m", seq=0), ["  where     record 0"]),
        (Finding("torn", "m", offset=0, where="f"), ["  where     f, byte 0"]),
        (
            Finding("torn", "m", expected="é"),
            ["  where     -", "  expected  '\\xe9'", "  found     ''"],
        ),
        (Finding("torn", "m", found="x"), ["  where     -", "  expected  ''", "  found     'x'"]),
    ],
)
def test_a_finding_shows_what_it_knows(finding: Finding, lines: list[str]) -> None:
    """Place and bytes, each if it has one; nothing that a terminal would obey."""
    assert finding.to_text().split("\n") == ["torn: m", *lines]


def test_findings_are_kept_up_to_a_limit() -> None:
    """A thousand, unless told otherwise."""
    few, usual = Findings(limit=2), Findings()
    for findings in (few, usual):
        for _ in range(1001):
            findings.add(FINDING)
    assert (len(few.items), len(usual.items)) == (2, 1000)


if __name__ == "__main__":
    FILE.write_text(make_findings(), encoding="utf-8")
