"""Reports are recorded, made again from the ledger of their head, and signed off."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from typing import TYPE_CHECKING

import pytest

from flows import printing
from flows.printing import PrinterError, print_pdf
from tests.conftest import Workplace

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def place(built_once: Workplace, tmp_path: Path) -> Workplace:
    """Return a copy of the built workspace that a test may write to."""
    folder = tmp_path / "place"
    shutil.copytree(built_once.folder, folder, symlinks=True)
    return Workplace(folder)


def written(place: Workplace, *options: str) -> Path:
    """Return the path of a report of the workspace."""
    done = place.assay("report", "--json", *options)
    assert done.code == 0, done.out
    return place.folder / str(done.data["path"])


def test_report_is_recorded_and_its_record_does_not_change_it(place: Workplace) -> None:
    """The note names the SHA-256 of the file; the second report has the same bytes."""
    first = written(place, "--framework", "dora", "--out", "a.html").read_bytes()
    second = written(place, "--framework", "dora", "--out", "b.html").read_bytes()
    assert (first == second) is True
    lines = (place.folder / ".assay" / "ledger" / "audit.jsonl").read_text().splitlines()
    notes = [json.loads(line) for line in lines if '"step":"report"' in line]
    assert [note["data"]["sha256"] for note in notes] == [hashlib.sha256(first).hexdigest()] * 2
    assert notes[0]["data"]["framework"] == "dora"
    assert place.assay("verify").code == 0


@pytest.mark.parametrize("form", ["html", "json", "md"])
def test_verify_makes_the_same_bytes_and_names_an_edit(place: Workplace, form: str) -> None:
    """An untouched file is identical; one edited digit is exit 3 with section and both texts."""
    path = written(place, "--framework", "sec-ia", "--format", form, "--out", f"r.{form}")
    assert place.assay("report", "verify", path.name).code == 0
    text = path.read_text()
    found = re.search(r"(?:\d\.\d)(\d)", text[text.index("Sharpe") :])
    assert found is not None
    at = text.index("Sharpe") + found.start(1)
    path.write_text(text[:at] + str((int(text[at]) + 1) % 10) + text[at + 1 :])
    done = place.assay("report", "verify", path.name, "--json")
    assert done.code == 3
    difference = json.loads(done.out)["data"]["difference"]
    assert difference["expected"] != difference["found"]
    assert difference["section"]


@pytest.mark.slow
def test_report_of_an_earlier_head_is_verified_without_its_snapshot(place: Workplace) -> None:
    """The marts of the head are built again where the snapshot was removed."""
    path = written(place, "--framework", "mifid", "--out", "r.html")
    assert place.assay("build").code in (0, 1)
    current = (place.folder / ".assay" / "warehouse" / "snapshot.duckdb").resolve()
    for kept in current.parent.glob("*.duckdb"):
        if kept != current:
            kept.unlink()
    assert place.assay("report", "verify", path.name).code == 0


def test_workspace_behind_a_report_is_told_so(place: Workplace) -> None:
    """A head beyond the end of the ledger, or another version, is an error and no breach."""
    path = written(place, "--out", "r.html")
    text = path.read_text()
    path.write_text(re.sub(r"head_seq&#34;: \d+", "head_seq&#34;: 99999999", text, count=1))
    done = place.assay("report", "verify", path.name, "--json")
    assert done.code == 2
    assert done.data["error"]["code"] == "E0425"
    path.write_text(re.sub(r"version&#34;: &#34;[^&]*", "version&#34;: &#34;9.9", text, count=1))
    assert place.assay("report", "verify", path.name).code == 2


def test_other_hash_at_the_head_is_a_breach(place: Workplace) -> None:
    """A report of another history is exit 3."""
    path = written(place, "--out", "r.html")
    text = path.read_text()
    found = re.search(r"head_hash&#34;: &#34;(\w)", text)
    assert found is not None
    other = "1" if found[1] != "1" else "2"
    path.write_text(text[: found.start(1)] + other + text[found.end(1) :])
    assert place.assay("report", "verify", path.name).code == 3


def test_sign_off_needs_an_enrolled_person_and_a_recorded_file(
    place: Workplace, tmp_path: Path
) -> None:
    """A stranger's key and a changed file are refused, and nothing is recorded."""
    path, key = written(place, "--framework", "dora", "--out", "r.html"), tmp_path / "a.key"
    assert place.assay("approver", "add", "alice@example.org", "--key", str(key)).code == 0
    sign = ("report", "sign", path.name, "--role", "reviewed", "--key")
    stranger = tmp_path / "b.key"
    assert place.assay("approver", "add", "bob@example.org", "--key", str(stranger)).code == 0
    assert place.assay("approver", "remove", "bob@example.org").code == 0
    assert place.assay(*sign, str(stranger)).code == 2
    assert place.assay(*sign, str(key)).code == 0
    path.write_bytes(path.read_bytes() + b" ")
    assert place.assay(*sign, str(key)).code == 2
    assert place.assay("verify").code == 0


@pytest.mark.slow
def test_later_report_shows_the_sign_off_verified(place: Workplace, tmp_path: Path) -> None:
    """After the next build the signature stands in the appendix, checked, with its report."""
    path, key = written(place, "--framework", "dora", "--out", "r.html"), tmp_path / "a.key"
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    place.assay("approver", "add", "alice@example.org", "--key", str(key))
    place.assay("report", "sign", path.name, "--role", "approved", "--key", str(key))
    assert place.assay("build").code in (0, 1)
    data = json.loads(written(place, "--framework", "dora", "--format", "json").read_text())
    blocks = [block for section in data["sections"] for block in section["blocks"]]
    table = next(block for block in blocks if block.get("id") == "sign-offs-table")
    rows = [[cell["text"] for cell in row["cells"]] for row in table["rows"]]
    approved = next(row for row in rows if row[0] == "approved")
    assert approved[1:3] == ["alice@example.org", digest]
    assert approved[5] == "verified against the key of an enrolled person"
    assert {row[0] for row in rows if row[1] == "not signed"} == {"prepared", "reviewed"}


def test_without_a_printer_the_error_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither browser nor WeasyPrint: four parts, and the HTML form as the way out."""
    monkeypatch.setattr(printing, "find_browser", lambda: None)
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(PrinterError) as caught:
        print_pdf(b"<html></html>")
    assert "--format html" in caught.value.fix


def test_unknown_form_and_role_are_wrong_use(place: Workplace) -> None:
    """What is not offered is refused before anything is rendered."""
    assert place.assay("report", "--format", "docx").code == 2
    path = written(place, "--out", "r.html")
    assert place.assay("report", "sign", path.name, "--role", "liked").code == 2
