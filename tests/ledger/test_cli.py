"""`python -m ledger`: exit codes, and one object of JSON."""

from __future__ import annotations

import io
import json
import runpy
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ledger import BlobStore, SigningKey
from ledger.cli import main
from tests.ledger.conftest import ORIGIN, fill

if TYPE_CHECKING:
    from collections.abc import Callable

    from ledger import Log
    from tests.ledger.conftest import Clock

    Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], clock: Clock) -> Run:
    """Run a command in this process; return its exit code, output and errors."""

    def call(*arguments: object) -> tuple[int, str, str]:
        code = main([str(each) for each in arguments], clock=clock)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


def test_a_ledger_is_made_signed_and_verified(run: Run, tmp_path: Path) -> None:
    """From nothing to a verified ledger, with files only."""
    key, folder = tmp_path / "log.key", tmp_path / "ledger"
    code, vkey, _ = run("keygen", key, "--name", ORIGIN)
    assert (code, vkey) == (0, SigningKey.load(key).verify_key.text + "\n")
    assert run("create", folder, "--sign", key) == (0, vkey, "")
    code, out, _ = run("verify", folder)
    assert (code, out.splitlines()[0]) == (0, "PASS")
    (tmp_path / "log.pub").write_text(vkey)
    (tmp_path / "policy").write_text(f"log {vkey}quorum none\n")
    for options in (["--key", tmp_path / "log.pub"], ["--policy", tmp_path / "policy"]):
        code, out, _ = run("verify", folder, "--json", *options)
        assert (code, json.loads(out)["trust"]) == (0, "signed")
    assert run("verify", folder, "--last-seen", tmp_path / "seen")[0] == 0
    assert run("checkpoint", folder)[1] == (tmp_path / "seen").read_text()


def test_json_has_the_agreed_members(run: Run, log: Log) -> None:
    """ok, trust, count, head and findings with their places."""
    fill(log, 2)
    path = log.path / "audit.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"ok"', b'"no"', 1))
    code, out, _ = run("verify", log.path, "--json", "--fast", "--since", 1)
    report: dict[str, Any] = json.loads(out)
    assert code == 3
    assert (report["ok"], report["trust"], report["count"]) == (False, "none", 5)
    assert report["head"] == log.head().hash
    (finding,) = report["findings"]
    assert (finding["kind"], finding["seq"]) == ("altered", 2)
    assert len(finding["expected"]) == len(finding["found"]) == 64


def test_a_failure_names_the_place(run: Run, log: Log) -> None:
    """Record, byte, what was expected and found."""
    fill(log, 2)
    path = log.path / "audit.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"ok"', b'"no"', 1))
    code, out, _ = run("verify", log.path)
    assert code == 3
    assert out.startswith("FAIL  altered")
    assert "audit.jsonl, record 2, byte" in out


def test_records_are_listed_and_chosen(run: Run, log: Log) -> None:
    """By range, run and type, as text or JSON lines."""
    fill(log, 2)
    fill(log, 1, "run-b")
    assert len(run("log", log.path)[1].splitlines()) == 7
    assert len(run("log", log.path, "--start", 1, "--stop", 3)[1].splitlines()) == 2
    assert len(run("log", log.path, "--run", "run-b")[1].splitlines()) == 2
    lines = run("log", log.path, "--type", "intent", "--json")[1].splitlines()
    assert [json.loads(line)["seq"] for line in lines] == [1, 3, 5]


def test_text_of_a_record_cannot_move_the_cursor(run: Run, log: Log) -> None:
    """Control characters are shown, not obeyed."""
    fill(log, 1, "run\u009b2J")
    out = run("log", log.path)[1] + run("show", log.path, 1)[1]
    assert "\u009b" not in out


def test_a_record_is_shown_by_id_seq_or_hash(run: Run, log: Log) -> None:
    """An unknown name is a wrong use."""
    receipt = fill(log, 1)[1]
    for name, count in ((receipt.id, 2), (2, 1), (receipt.hash[:12], 1)):
        code, out, _ = run("show", log.path, name)
        assert (code, out.count('"seq": ')) == (0, count)
    code, _, err = run("show", log.path, "unknown")
    assert code == 2
    assert err.startswith("error[E0120]: no record 'unknown'\n  where  ")


def test_a_checkpoint_is_signed_on_demand(run: Run, log: Log, tmp_path: Path) -> None:
    """And printed; without one, that is said."""
    SigningKey(ORIGIN, bytes(range(32))).save(tmp_path / "key")
    fill(log, 1)
    code, out, _ = run("checkpoint", log.path, "--sign", tmp_path / "key")
    assert (code, out.split("\n")[:2]) == (0, [ORIGIN, "3"])
    (log.path / "checkpoint").unlink()
    assert run("checkpoint", log.path)[0] == 2


def test_a_record_is_proven_and_checked(run: Run, log: Log, tmp_path: Path) -> None:
    """One file and one key are enough."""
    key = SigningKey(ORIGIN, bytes(range(32)))
    key.verify_key.save(tmp_path / "pub")
    receipt = fill(log, 3)[3]
    assert run("prove", log.path, receipt.id)[0] == 2
    log.checkpoint(key)
    assert run("prove", log.path, receipt.id, "--out", tmp_path / "proof") == (0, "", "")
    assert run("prove", log.path, receipt.id)[1] == (tmp_path / "proof").read_text()
    code, out, _ = run("check", tmp_path / "proof", "--key", tmp_path / "pub")
    assert (code, out.splitlines()[0]) == (0, f"PASS  record {receipt.seq} of 7 in {ORIGIN}")
    (tmp_path / "proof").write_text((tmp_path / "proof").read_text().replace("index 4", "index 3"))
    assert run("check", tmp_path / "proof", "--key", tmp_path / "pub")[0] == 3
    assert run("prove", log.path, "unknown")[0] == 2


def test_a_witness_is_asked_and_answers(
    run: Run, log: Log, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Standard input and output are all the transport there is."""
    SigningKey(ORIGIN, bytes(range(32))).verify_key.save(tmp_path / "log.pub")
    _, vkey, _ = run("keygen", tmp_path / "w.key", "--name", "example.org/w", "--witness")
    (tmp_path / "w.pub").write_text(vkey)
    request = run("request", log.path)[1]
    monkeypatch.setattr("sys.stdin", io.StringIO(request))
    options = ["--sign", tmp_path / "w.key", "--key", tmp_path / "log.pub"]
    code, answer, _ = run("witness", tmp_path / "state", *options)
    assert code == 0
    monkeypatch.setattr("sys.stdin", io.StringIO(answer))
    code, note, _ = run("cosign", log.path, "--key", tmp_path / "w.pub")
    assert (code, note.endswith(answer)) == (0, True)
    (tmp_path / "policy").write_text(f"witness w {vkey}quorum w\n")
    _, out, _ = run("verify", log.path, "--json", "--policy", tmp_path / "policy")
    assert json.loads(out)["trust"] == "witnessed"


def test_wrong_use_has_exit_code_2(run: Run, tmp_path: Path) -> None:
    """No folder, no key, no command."""
    assert run("verify", tmp_path)[0] == 2
    assert run("create", tmp_path / "ledger", "--sign", tmp_path / "missing")[0] == 2
    with pytest.raises(SystemExit) as caught:
        run("unknown")
    assert caught.value.code == 2


def test_a_reader_that_has_seen_enough_is_no_error(
    log: Log, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as `head`."""

    class Closed(io.StringIO):
        def write(self, _: str) -> int:
            raise BrokenPipeError

    monkeypatch.setattr("sys.stdout", Closed())
    monkeypatch.setattr("sys.stderr", io.StringIO())
    assert main(["log", str(log.path)], clock=clock) == 0


def test_the_module_has_a_clock(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """`python -m ledger` ends with the exit code of the command."""
    monkeypatch.setattr("sys.argv", ["ledger", "verify", str(log.path)])
    with pytest.raises(SystemExit) as caught:
        runpy.run_module("ledger", run_name="__main__")
    assert caught.value.code == 0
    runpy.run_module("ledger.__main__", run_name="imported")


def test_a_ledger_without_checkpoint_is_described(run: Run, log: Log) -> None:
    """What is missing is said."""
    shutil.rmtree(log.path / "checkpoints")
    (log.path / "checkpoint").unlink()
    code, out, _ = run("verify", log.path)
    assert code == 3
    assert "none agrees with the records" in out


def test_the_module_runs_alone(log: Log) -> None:
    """In a process of its own; a reader that has seen enough is no error."""
    fill(log, 5)
    command = [sys.executable, "-m", "ledger"]
    root = Path(__file__).parents[2]
    verified = subprocess.run([*command, "verify", str(log.path)], cwd=root, check=False)
    assert verified.returncode == 0
    piped = f"'{sys.executable}' -m ledger log '{log.path}' --json | head -n 1"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", piped], cwd=root, check=False, capture_output=True
    )
    assert (done.returncode, done.stderr) == (0, b"")


def test_erasing_and_compressing(
    run: Run, make_log: Callable[..., Log], key: SigningKey, tmp_path: Path
) -> None:
    """What would go is shown first; then it goes, and the ledger verifies."""
    log = make_log(4)
    fill(log, 5)
    log.checkpoint(key)
    key.save(tmp_path / "log.key")
    count = log.head().count
    code, out, _ = run("redact", log.path, "--record", 1, "--dry-run")
    assert (code, out.splitlines()[1].split("  ")[0], log.head().count) == (0, "1", count)
    code, _, err = run("redact", log.path, "--record", 1)
    assert (code, "--sign" in err) == (2, True)
    code, _, err = run("redact", log.path, "--blob", "0" * 64)
    assert (code, "--blobs" in err) == (2, True)
    signed = ["--sign", tmp_path / "log.key", "--by", "compliance", "--ground", "on request"]
    code, _, err = run("redact", log.path, "--record", 1, *signed[:2])
    assert (code, err.partition("]")[0]) == (2, "error[E0156")
    code, out, _ = run("redact", log.path, "--record", 1, *signed)
    assert (code, out.splitlines()[-1].split(",")[0]) == (0, f"erased under record {count}")
    store = BlobStore(tmp_path / "blobs")
    blob = store.put(b"x")
    assert run("redact", log.path, "--blob", blob, "--blobs", store.root, *signed)[0] == 0
    assert run("redact", log.path, "--record", 0, *signed)[0] == 2
    assert not store.has(blob)
    code, out, _ = run("compress", log.path)
    assert (code, [Path(each).name for each in out.splitlines()[:3]]) == (
        0,
        [f"audit-{first:012d}.jsonl.gz" for first in (0, 4, 8)],
    )
    assert run("verify", log.path, "--blobs", store.root)[0] == 0
    assert run("compress", log.path)[1].startswith("PASS")
    assert run("log", log.path, "--type", "redaction")[1].count("\n") == 2
