"""Every command answers, in text and as one JSON object, and says what is wrong."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from flows import cli
from flows.output import _finite

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Workplace

READING = [
    pytest.param(("verify",), id="verify"),
    pytest.param(("verify", "--fast"), id="verify --fast"),
    pytest.param(("verify", "--blobs"), id="verify --blobs"),
    pytest.param(("status",), id="status"),
    pytest.param(("log", "-n", "3"), id="log"),
    pytest.param(("log", "--step", "optimize", "--type", "outcome"), id="log --step"),
    pytest.param(("show", "select/stocks.0002"), id="show"),
    pytest.param(("show", "5"), id="show seq"),
    pytest.param(("config", "show"), id="config show"),
    pytest.param(("config", "show", "--origin", "--set", "seed=5"), id="config show --origin"),
    pytest.param(("schema", "manifest"), id="schema"),
    pytest.param(("version",), id="version"),
    pytest.param(("engines",), id="engines"),
    pytest.param(("ask",), id="ask"),
    pytest.param(("run", "--dry-run", "-p", "sp500"), id="run --dry-run"),
]


@pytest.mark.parametrize("arguments", READING)
def test_reading_commands_answer(walked_once: Workplace, arguments: tuple[str, ...]) -> None:
    """Exit 0, something on standard output, and a JSON object with the agreed members."""
    before = walked_once.lines
    text = walked_once.assay(*arguments)
    assert (text.code, bool(text.out.strip())) == (0, True), text.err
    called = walked_once.assay(*arguments, "--json")
    document = json.loads(called.out)
    assert set(document) == {"schema", "ok", "code", "data", "warnings", "ledger"}
    assert document["schema"].startswith(f"assay.{arguments[0]}/")
    assert (document["ok"], document["code"]) == (True, 0)
    assert walked_once.lines == before


@pytest.mark.parametrize(
    ("arguments", "code", "expected"),
    [
        pytest.param(("show", "nothing-like-it"), 2, "0 ids match", id="show unknown"),
        pytest.param(("show", "optimize"), 2, "expected one", id="show ambiguous"),
        pytest.param(("replay", "nothing"), 2, "0 decisions match", id="replay unknown"),
        pytest.param(("replay",), 2, "nothing to replay", id="replay nothing"),
        pytest.param(("schema", "ledger"), 2, "unknown schema", id="schema"),
        pytest.param(("run", "dance"), 2, "unknown stage", id="stage"),
        pytest.param(("run", "--runner", "ray"), 2, "unknown runner", id="runner"),
        pytest.param(("run", "--set", "seed"), 2, "has no `=`", id="--set"),
        pytest.param(("run", "-p", "sp5000"), 2, "did you mean 'sp500'", id="profile"),
        pytest.param(("init",), 2, "a workspace already", id="init twice"),
        pytest.param(("sql", "select 1"), 2, "assay build", id="sql before build"),
        pytest.param(("report",), 2, "assay build", id="report before build"),
    ],
)
def test_wrong_use_is_explained(
    walked_once: Workplace, arguments: tuple[str, ...], code: int, expected: str
) -> None:
    """The exit code is the documented one, and the fix is named."""
    before = walked_once.lines
    called = walked_once.assay(*arguments)
    assert called.code == code, called.err
    assert expected in called.err
    assert "  fix" in called.err
    assert walked_once.lines == before


def test_error_is_part_of_the_json_object(walked_once: Workplace) -> None:
    """A caller that parses JSON gets the four parts."""
    called = walked_once.assay("show", "nothing-like-it", "--json")
    error = json.loads(called.out)["data"]["error"]
    assert set(error) == {"code", "what", "where", "why", "fix"}


def test_environment_overrides_reach_the_resolved_profile(walked_once: Workplace) -> None:
    """`ASSAY_...` variables are part of what is hashed, and an unknown one is refused."""
    shown = walked_once.assay("config", "show", "--json", env={"ASSAY_SEED": "9"})
    assert shown.data["resolved"]["seed"] == 9
    assert shown.data["origin"]["seed"] == "environment ASSAY_SEED"
    wrong = walked_once.assay("config", "show", env={"ASSAY_SEDE": "9"})
    assert wrong.code == 2
    assert "did you mean 'seed'" in wrong.err


def test_checkpoint_covers_the_whole_ledger(walked: Workplace) -> None:
    """Its size is the number of records, and the note is printed."""
    called = walked.assay("checkpoint", "--json")
    assert called.code == 0
    assert called.data["size"] == len(walked.lines)
    assert (walked.root / "ledger" / "checkpoint").read_text() == called.data["note"]


def test_init_keeps_the_key_private(workplace: Workplace) -> None:
    """The signing key is readable by its owner only; the public one is beside it."""
    keys = workplace.root / "keys"
    assert (keys / "log.key").stat().st_mode & 0o777 == 0o600
    assert keys.stat().st_mode & 0o777 == 0o700
    assert (keys / "log.pub").read_text().startswith("assay.local/")


def test_status_of_an_altered_ledger_exits_3(walked: Workplace) -> None:
    """A breach is shown first, and is not mistaken for an empty ledger."""
    path = walked.root / "ledger" / "audit.jsonl"
    path.write_bytes(path.read_bytes().replace(b"AAPL", b"AAPX", 1))
    called = walked.assay("status")
    assert called.code == 3
    assert "FAIL" in called.out


def test_nothing_is_built_on_an_altered_ledger(walked: Workplace) -> None:
    """Exit 3 for a run, a checkpoint and a replay; not one byte is appended or signed."""
    path = walked.root / "ledger" / "audit.jsonl"
    path.write_bytes(path.read_bytes().replace(b"AAPL", b"AAPX", 1))
    before, signed = path.read_bytes(), (walked.root / "ledger" / "checkpoint").read_bytes()
    run = ("run", "ingestion", "-m", "manifest.json", "-p", "factors")
    for arguments in (run, ("checkpoint",), ("replay", "--last"), ("build",)):
        called = walked.assay(*arguments)
        assert called.code == 3, called.err
    assert path.read_bytes() == before
    assert (walked.root / "ledger" / "checkpoint").read_bytes() == signed


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        pytest.param(("run", "--as-of", "2020-03-02"), "no decision date", id="backtest"),
        pytest.param(("run", "selection", "--as-of", "2020-13-01"), "not a date", id="month 13"),
        pytest.param(("run", "selection", "--as-of", "yesterday"), "not a date", id="word"),
    ],
)
def test_wrong_dates_are_refused(
    walked_once: Workplace, arguments: tuple[str, ...], expected: str
) -> None:
    """A date that cannot be used is no reason to use another."""
    called = walked_once.assay(*arguments, "-m", "manifest.json", "-p", "stocks")
    assert called.code == 2
    assert expected in called.err


def test_date_after_the_last_bar_closes_the_gate(workplace: Workplace) -> None:
    """A feed that ended is stale on the date that was asked for, and the record names that date."""
    arguments = ("rebalance", "-m", "manifest.json", "-p", "stocks", "--as-of", "2020-09-01", "-q")
    called = workplace.assay("run", *arguments)
    assert called.code == 5
    assert "stale" in called.err
    assessed = next(r for r in workplace.records if r["step"] == "assess")
    assert assessed["data"]["as_of"] == "2020-09-01"


def test_numbers_that_json_lacks_are_texts() -> None:
    """NaN and infinities are written as records write them."""
    assert json.loads(json.dumps(_finite({"a": [float("nan"), float("-inf"), 1.5]}))) == {
        "a": ["NaN", "-Infinity", 1.5]
    }


def test_doctor_names_what_to_fix(workplace: Workplace) -> None:
    """A key that others can read is found, with its fix."""
    (workplace.root / "keys" / "log.key").chmod(0o644)
    called = workplace.assay("doctor")
    assert called.code == 1
    assert "FAIL  key" in called.out
    assert "fix" in called.out


def test_defect_leaves_a_file_with_its_trace(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Exit 70 and the trace on disk: nobody has to reproduce it."""
    monkeypatch.chdir(tmp_path)

    def broken(*_arguments: object) -> int:
        message = "a defect"
        raise RuntimeError(message)

    monkeypatch.setattr("flows.commands.workspace.status", broken)
    called = workplace.assay("status")
    assert called.code == 70
    (written,) = tmp_path.glob("assay-error-*.txt")
    assert "RuntimeError: a defect" in written.read_text()


def test_interruption_exits_130(workplace: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C is neither success nor a defect."""

    def interrupted(*_arguments: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("flows.commands.workspace.status", interrupted)
    assert workplace.assay("status").code == 130


def test_older_name_of_replay_calls_replay(monkeypatch: pytest.MonkeyPatch) -> None:
    """`replay_backtest` is `assay replay`."""
    monkeypatch.setattr("sys.argv", ["replay_backtest", "--last"])
    seen: list[list[str]] = []
    monkeypatch.setattr(cli, "run_app", seen.append)
    with pytest.raises(SystemExit):
        cli.replay_main()
    assert seen == [["replay", "--last"]]


def test_wrong_use_is_an_error_like_every_other(capsys: pytest.CaptureFixture[str]) -> None:
    """What the parser of arguments refuses has four parts, and with `--json` is an object."""
    assert cli.run_app(["ask", "--json", "first"]) == 2
    shown = capsys.readouterr()
    assert json.loads(shown.out)["data"]["error"]["fix"] == "see `assay ask --help`"
    assert shown.err.startswith("error[E0403]: Invalid value")


def test_an_interrupt_is_said_in_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ctrl-C ends with 130 and one object, so that a wrapper never parses nothing."""

    def stop(_output: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("flows.commands.workspace.show_version", stop)
    assert cli.run_app(["version", "--json"]) == 130
    assert json.loads(capsys.readouterr().out)["data"]["error"]["code"] == "E0406"
