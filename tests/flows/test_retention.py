"""What is kept, what is lawfully gone, and what is simply missing."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from flows.errors import FlowError
from flows.retention import CLASSES, Holding, RetentionError, read_years
from ledger import Digest, Record

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Called, Workplace

GROUND = "GDPR Art. 17(1)(b), consent withdrawn"


def classes(called: Called) -> dict[str, Any]:
    """Return the rows of `retention check --json` by class."""
    return {row["class"]: row for row in called.data["classes"]}


def outcome_with_blob(place: Workplace) -> Any:
    """Return the record of an ingestion: it names a snapshot."""
    return next(r for r in place.records if r["type"] == "intent" and r.get("inputs"))


def test_a_fresh_workspace_has_nothing_to_complain_about(workplace: Workplace) -> None:
    """Every class has its row, in text and as JSON."""
    called = workplace.assay("retention", "check", "--json")
    assert (called.code, called.data["findings"]) == (0, [])
    assert list(classes(called)) == list(CLASSES)
    assert classes(called)["records"]["items"] == 1
    assert workplace.assay("retention", "check").out.startswith("class")


def test_what_is_there_is_counted(walked: Workplace) -> None:
    """Records, checkpoints, and each blob in one class."""
    (walked.root / "reports" / "r").mkdir()
    rows = classes(walked.assay("retention", "check", "--json"))
    assert rows["records"]["items"] == len(walked.lines)
    assert rows["reports"]["items"] == 1
    stored = [path for path in (walked.root / "blobs").rglob("*") if path.is_file()]
    kinds = ("inputs", "manifests", "results", "unnamed")
    assert sum(rows[name]["items"] for name in kinds) == len(stored)
    assert rows["manifests"]["items"] >= 2


def test_a_blob_that_disappeared_is_a_loss(walked: Workplace) -> None:
    """Exit 3, and the blob is named."""
    digest = next(iter(outcome_with_blob(walked)["inputs"].values()))
    (walked.root / "blobs" / "sha256" / digest[:2] / digest[2:]).unlink()
    called = walked.assay("retention", "check", "--json")
    assert called.code == 3
    assert classes(called)["inputs"]["missing"] == [f"blob {digest}"]


def test_an_erased_blob_is_a_finding_until_its_time_is_over(walked: Workplace) -> None:
    """Exit 1 with the ground; with a retention of nothing it is in order."""
    digest = next(iter(outcome_with_blob(walked)["inputs"].values()))
    erased = walked.assay("redact", "blob", digest, "--ground", GROUND, "--yes", "--json")
    assert (erased.code, erased.data["erased"]) == (0, True)
    called = walked.assay("retention", "check", "--json")
    assert called.code == 1
    row = classes(called)["inputs"]
    assert (row["erased"], row["early"], row["missing"]) == ({GROUND: 1}, [f"blob {digest}"], [])
    (walked.folder / "assay.toml").write_text("[retention]\ninputs = 0\n", encoding="utf-8")
    assert walked.assay("retention", "check").code == 0
    assert walked.assay("verify", "--blobs").code == 0
    # The same file still configures runs.
    assert walked.assay("run", "--dry-run", "-m", "manifest.json").code == 0


def test_an_erased_record_is_counted_with_its_ground(walked: Workplace) -> None:
    """Its line stays as a stub; nothing is missing."""
    seq = outcome_with_blob(walked)["seq"]
    assert walked.assay("redact", "record", str(seq), "--ground", GROUND, "--yes").code == 0
    row = classes(walked.assay("retention", "check", "--json"))["records"]
    assert (row["erased"], row["early"], row["missing"]) == ({GROUND: 1}, [f"record {seq}"], [])


def test_an_altered_ledger_is_not_surveyed(walked: Workplace) -> None:
    """Exit 3: what a record names can be looked for only when the records hold."""
    path = walked.root / "ledger" / "audit.jsonl"
    path.write_bytes(path.read_bytes().replace(b"optimize", b"optimise", 1))
    called = walked.assay("retention", "check", "--json")
    assert (called.code, called.data["error"]["code"]) == (3, "E0408")


@pytest.mark.parametrize(
    "text",
    [
        "[retention]\nresult = 7\n",
        "[retention]\nresults = -1\n",
        "[retention]\nresults = true\n",
        '[retention]\nresults = "7"\n',
        "retention = 7\n",
        "[retention\n",
    ],
)
def test_settings_that_make_no_sense_are_refused(tmp_path: Path, text: str) -> None:
    """An unknown class with the nearest name; nothing is guessed."""
    (tmp_path / "assay.toml").write_text(text, encoding="utf-8")
    with pytest.raises(RetentionError) as caught:
        read_years(tmp_path / "assay.toml")
    assert isinstance(caught.value, FlowError)
    if "result =" in text:
        assert "did you mean 'results'" in caught.value.what


def test_years_are_those_of_the_settings(tmp_path: Path) -> None:
    """The defaults where nothing is said."""
    (tmp_path / "assay.toml").write_text("[retention]\nresults = 7.5\n", encoding="utf-8")
    years = read_years(tmp_path / "assay.toml")
    assert (years["results"], years["records"], years["snapshots"]) == (7.5, 6, 0)
    assert read_years(tmp_path / "none.toml") == {n: y for n, (y, _) in CLASSES.items()}


def test_nothing_is_erased_without_ground_or_consent(walked: Workplace) -> None:
    """A dry run shows; without --yes, or without a ground, nothing happens."""
    seq = str(outcome_with_blob(walked)["seq"])
    before = walked.lines
    shown = walked.assay("redact", "record", seq, "--dry-run")
    assert (shown.code, f"record {seq}: would go" in shown.out) == (0, True)
    assert "blob " in shown.out
    for arguments in (
        ("redact", "record", seq),
        ("redact", "record", seq, "--ground", GROUND),
        ("redact", "record", seq, "--yes"),
        ("redact", "record", "0", "--ground", GROUND, "--yes"),
        ("redact", "record", "first", "--ground", GROUND, "--yes"),
        ("redact", "blob", "abc", "--ground", GROUND, "--yes"),
        ("redact", "blob", "0" * 64, "--ground", GROUND, "--yes"),
    ):
        called = walked.assay(*arguments, "--json")
        assert (called.code, json.loads(called.out)["ok"]) == (2, False)
    assert walked.lines == before


def test_a_redacted_decision_has_no_replay_and_says_why(walked: Workplace) -> None:
    """`input_missing` with the ground, for the decision and for what was built on it."""
    outcome = next(r for r in walked.records if r["type"] == "outcome" and r["step"] == "select")
    seq = str(outcome["seq"])
    assert walked.assay("redact", "record", seq, "--ground", GROUND, "--yes").code == 0
    called = walked.assay("replay", outcome["id"], "--json")
    assert called.code == 4
    (verdict,) = called.data["decisions"]
    assert verdict["verdict"] == "input_missing"
    assert GROUND in verdict["first_difference"]
    id_ = next(
        r["id"]
        for r in walked.records
        if r["type"] == "intent"
        and r["step"] == "optimize"
        and outcome["id"] in r.get("data", {}).get("upstream", {}).values()
    )
    (verdict,) = walked.assay("replay", id_, "--json").data["decisions"]
    assert verdict["verdict"] == "input_missing"
    assert GROUND in verdict["first_difference"]
    for command in (("log",), ("show", seq), ("status",), ("verify", "--blobs")):
        assert walked.assay(*command).code == 0, command


def test_the_years_of_a_class_decide_what_is_early() -> None:
    """A day before the end is early, a day after is not."""
    made = datetime.fromisoformat("2020-03-01T00:00:00.000000+00:00")
    for days, early in ((2191, ["blob x"]), (2192, [])):
        at = (made + timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        zero = Digest("0" * 64)
        redaction = Record(
            seq=1, ts=at, type="redaction", prev_hash=zero, hash=zero, data={"ground": "g"}
        )
        holding = Holding("inputs", 6)
        holding.erase("blob x", "2020-03-01T00:00:00.000000Z", redaction)
        assert (holding.early, dict(holding.erased)) == (early, {"g": 1})


def test_a_run_whose_opening_was_erased_is_replayed(walked: Workplace) -> None:
    """Its environment is not known any more; its decisions are."""
    opening = next(r for r in walked.records if r["type"] == "run")
    seq = str(opening["seq"])
    assert walked.assay("redact", "record", seq, "--ground", GROUND, "--yes").code == 0
    id_ = next(r["id"] for r in walked.records if r["type"] == "outcome" and r["step"] == "select")
    (verdict,) = walked.assay("replay", id_, "--json").data["decisions"]
    assert verdict["verdict"] == "exact"
    assert walked.assay("status").code == 0
