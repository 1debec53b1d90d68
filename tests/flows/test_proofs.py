"""`assay prove`: one file for a record or a weight, and the check of either."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest

from ledger import SigningKey, VerifyKey, standalone
from ledger.keys import COSIGNATURE

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Workplace

DECISION = "optimize/stocks.custom.hrp.0003"


@pytest.fixture
def place(walked: Workplace) -> Workplace:
    """Return a walked workspace with the keys of a friend and of a stranger beside it."""
    shutil.copy(walked.root / "keys" / "log.pub", walked.folder / "log.pub")
    name = VerifyKey.load(walked.folder / "log.pub").name
    SigningKey.generate(name).verify_key.save(walked.folder / "stranger.pub")
    witness = SigningKey.generate("example.org/witness", algorithm=COSIGNATURE).verify_key
    witness.save(walked.folder / "witness.pub")
    return walked


@pytest.mark.parametrize("symbol", [[], ["--symbol", "JNJ"]], ids=["record", "weight"])
def test_a_proof_is_written_and_checked(place: Workplace, symbol: list[str]) -> None:
    """With the workspace's key, with one that was brought, and not with a stranger's."""
    made = place.assay("prove", DECISION, *symbol, "--out", "proof")
    assert made.code == 0, made.err
    own = place.assay("prove", "--check", "proof")
    assert (own.code, own.out.rstrip()[-4:]) == (0, "PASS"), own.err
    assert "self-consistent" in own.out
    brought = place.assay("prove", "--check", "proof", "--key", "log.pub", "--json")
    assert (brought.code, brought.data["trust"]) == (0, "signed")
    assert brought.data["kind"] == ("weight" if symbol else "record")
    for keys in (["stranger.pub"], ["log.pub", "witness.pub"]):
        options = [word for key in keys for word in ("--key", key)]
        assert place.assay("prove", "--check", "proof", *options).code == 3


@pytest.mark.parametrize("symbol", [[], ["--symbol", "JNJ"]], ids=["record", "weight"])
def test_a_changed_proof_is_an_integrity_breach(place: Workplace, symbol: list[str]) -> None:
    """Exit code 3, with an error in four parts."""
    place.assay("prove", DECISION, *symbol, "--out", "proof")
    path = place.folder / "proof"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    called = place.assay("prove", "--check", "proof")
    assert called.code == 3
    assert "  fix " in called.err


def test_without_a_file_the_proof_is_printed(place: Workplace) -> None:
    """The same bytes, on standard output and as JSON."""
    place.assay("prove", DECISION, "--symbol", "JNJ", "--out", "proof")
    data = (place.folder / "proof").read_text("utf-8")
    assert place.assay("prove", DECISION, "--symbol", "JNJ").out == data
    called = place.assay("prove", DECISION, "--symbol", "JNJ", "--json").data
    assert called["proof"] == data
    assert called["bytes"] == len(data.encode())
    assert json.loads(data)["weight"]["symbol"] == "JNJ"


def test_a_receipt_is_of_the_outcome_and_opens_without_us(place: Workplace, tmp_path: Path) -> None:
    """By seq, id or a part of it; of a decision the outcome."""
    outcome = next(
        record
        for record in place.records
        if record["type"] == "outcome" and DECISION in record["id"]
    )
    for text in (str(outcome["seq"]), outcome["id"], DECISION):
        called = place.assay("prove", text, "--json")
        assert called.data["seq"] == outcome["seq"]
    (tmp_path / "proof").write_text(called.data["proof"], encoding="utf-8")
    key = VerifyKey.load(place.folder / "log.pub").text
    assert standalone.main(["proof", str(tmp_path / "proof"), key]) == 0


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ([], 2, "--check FILE"),
        ([DECISION, "--check", "proof"], 2, "--check FILE"),
        (["--check", "nothing"], 2, "cannot read"),
        (["--check", "log.pub", "--key", "log.pub", "--policy", "p"], 2, "both"),
        (["nothing"], 2, "0 ids match"),
        (["stocks"], 2, "ids match"),
        (["99999"], 2, "0 ids match"),
        ([DECISION, "--symbol", "ZZZ"], 2, "name one of: AAPL"),
        (["select/stocks.0003", "--symbol", "JNJ"], 2, "gives no weights"),
        (["--check", "log.pub"], 3, "does not hold"),
    ],
)
def test_wrong_use_says_what_is_right(
    place: Workplace, arguments: list[str], code: int, said: str
) -> None:
    """Nothing is proven by accident."""
    called = place.assay("prove", *arguments)
    assert called.code == code
    assert said in called.err


@pytest.mark.parametrize("symbol", [[], ["--symbol", "JNJ"]], ids=["record", "weight"])
def test_an_uncovered_record_needs_a_checkpoint(place: Workplace, symbol: list[str]) -> None:
    """The error names the command."""
    folder = place.root / "ledger"
    for path in (folder / "checkpoints").glob("0000000005*"):
        path.unlink()
    shutil.copy(folder / "checkpoints" / f"{1:012d}", folder / "checkpoint")
    called = place.assay("prove", DECISION, *symbol)
    assert called.code == 2
    assert "assay checkpoint" in called.err


def test_a_policy_says_whose_signatures_count(place: Workplace) -> None:
    """Its quorum must have cosigned; without one the log's signature is enough."""
    log, witness = (VerifyKey.load(place.folder / name).text for name in ("log.pub", "witness.pub"))
    (place.folder / "open").write_text(f"log {log}\nquorum none\n", encoding="utf-8")
    lines = f"log {log}\nwitness w {witness}\nquorum w\n"
    (place.folder / "closed").write_text(lines, encoding="utf-8")
    for symbol in ([], ["--symbol", "JNJ"]):
        made = place.assay("prove", DECISION, *symbol, "--policy", "open", "--out", "proof")
        assert made.code == 0
        assert place.assay("prove", "--check", "proof", "--policy", "open").code == 0
        assert place.assay("prove", "--check", "proof", "--policy", "closed").code == 3
    assert place.assay("prove", DECISION, "--symbol", "JNJ", "--policy", "closed").code == 3
