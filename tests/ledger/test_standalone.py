"""The verifier in one file agrees with the package, and with nothing of it inside."""

from __future__ import annotations

import ast
import runpy
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import SigningKey, standalone, verify
from ledger.proof import prove
from tests.ledger.conftest import fill
from tests.ledger.test_vectors import NAMES, options, read, unpack

if TYPE_CHECKING:
    from ledger import Log
    from tests.ledger.conftest import MakeLog

SOURCE = Path(standalone.__file__)


def test_it_is_short_and_stands_alone() -> None:
    """At most 320 lines, and only the standard library."""
    text = SOURCE.read_text(encoding="utf-8")
    assert text.count("\n") <= 320
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            assert {each.name for each in node.names} <= sys.stdlib_module_names
        if isinstance(node, ast.ImportFrom):
            assert node.module in sys.stdlib_module_names


@settings(max_examples=20, deadline=None)
@given(st.binary(min_size=32, max_size=32), st.binary(max_size=40), st.integers(0, 511))
def test_signatures_are_judged_as_by_the_library(seed: bytes, message: bytes, bit: int) -> None:
    """A right one passes; with one bit changed it does not."""
    key = SigningKey("example.org/log", seed)
    signature = bytearray(key.sign(message))
    public = key.verify_key.public
    assert standalone.verify_ed25519(public, message, bytes(signature))
    signature[bit // 8] ^= 1 << bit % 8
    try:
        passed = standalone.verify_ed25519(public, message, bytes(signature))
    except ValueError:
        passed = False
    assert not passed
    assert not key.verify_key.verify(message, bytes(signature))


def test_a_ledger_and_a_proof_pass_in_a_process_of_their_own(
    make_log: MakeLog, key: SigningKey, tmp_path: Path
) -> None:
    """As an auditor runs it: a copied file, isolated from everything installed."""
    log = make_log(4)
    fill(log, 5)
    log.checkpoint(key)
    copy = tmp_path / "verifier.py"
    copy.write_bytes(SOURCE.read_bytes())
    (tmp_path / "proof").write_bytes(prove(log.path, 6))
    for arguments in (
        ["ledger", str(log.path)],
        ["ledger", str(log.path), key.verify_key.text],
        ["proof", str(tmp_path / "proof"), key.verify_key.text],
    ):
        command = [sys.executable, "-I", str(copy), *arguments]
        done = subprocess.run(command, capture_output=True, check=False)
        assert (done.returncode, done.stdout[:5]) == (0, b"PASS "), done


@pytest.mark.parametrize(
    "name",
    [
        name
        for name in NAMES
        # What it does not judge: rules, blobs that are not there, witnesses, memories, moved
        # segments, and what no signed record is touched by.
        if not name.startswith(("rule", "blob", "witness", "policy", "seen"))
        and not read(name)["brings"]
        and "segment-moved" not in name
        and not name.startswith("summary")
        and name not in ("segment-unfinished", "note-newest-lost", "note-all-lost")
    ],
)
def test_attacks_have_the_verdict_of_the_package(name: str, tmp_path: Path) -> None:
    """Bytes, chain, truncation and checkpoints."""
    vector = unpack(name, tmp_path)
    ok = verify(tmp_path / "ledger", level="fast", **options(vector, tmp_path)).ok
    assert standalone.main(["ledger", str(tmp_path / "ledger")]) == (0 if ok else 3)


def test_every_record_of_a_ledger_is_proven(
    make_log: MakeLog, key: SigningKey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Left and right leaves, and those that stand alone at a level."""
    log = make_log(4)
    fill(log, 5)
    log.checkpoint(key)
    monkeypatch.setattr("sys.argv", ["standalone.py", "ledger", str(log.path)])
    with pytest.raises(SystemExit) as caught:
        runpy.run_path(str(SOURCE), run_name="__main__")
    assert caught.value.code == 0
    for seq in range(11):
        (tmp_path / "proof").write_bytes(prove(log.path, seq))
        assert standalone.main(["proof", str(tmp_path / "proof"), key.verify_key.text]) == 0


def test_any_changed_byte_of_a_proof_is_found(
    log: Log, key: SigningKey, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One bit of each byte in turn."""
    fill(log, 2)
    log.checkpoint(key)
    whole = prove(log.path, 3)
    path = tmp_path / "proof"
    path.write_bytes(whole)
    assert standalone.main(["proof", str(path), key.verify_key.text]) == 0
    for at in range(len(whole)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        assert standalone.main(["proof", str(path), key.verify_key.text]) == 3, at
    assert capsys.readouterr().out.count("PASS") == 1
