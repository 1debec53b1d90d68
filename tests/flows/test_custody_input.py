"""Paths nobody can use, evidence that was erased, decisions nobody took: answers, never a trace."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from flows.audit import choose, decided, load_history
from flows.cli import invocation
from flows.commands.erasure import SHOWN
from flows.rebalance import _last_trades
from flows.settings import Workspace
from flows.tournament import tried
from ledger import Draft, Log, SigningKey, dumps
from pipeline.config import Cell
from replay.errors import EvidenceMissingError
from replay.reconstruct import Replayer

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Workplace

GROUND = "GDPR Art. 17(1)(b), consent withdrawn"


def append(place: Workplace, *drafts: Draft) -> None:
    """Append records to the ledger of a workplace and sign a checkpoint."""
    from flows.settings import now  # noqa: PLC0415

    with Log.open(place.root / "ledger", clock=now) as log:
        log.append(list(drafts))
        log.checkpoint(SigningKey.load(place.root / "keys" / "log.key"))


def outcome(place: Workplace, step: str) -> dict[str, Any]:
    """Return the first outcome of a step."""
    found: dict[str, Any] = next(
        r for r in place.records if r["type"] == "outcome" and r["step"] == step
    )
    return found


@pytest.mark.parametrize(
    "arguments",
    [
        ("verify", "--bundle", "folder"),
        ("verify", "--bundle", "absent.zip"),
        ("verify", "--key", "folder"),
        ("verify", "--policy", "folder"),
        ("verify", "--last-seen", "folder"),
        ("prove", "0", "--out", "folder"),
        ("prove", "0", "--out", "absent/0.proof"),
        ("export", "--out", "absent/evidence.zip"),
        ("approver", "add", "a" * 300),
        ("checkpoint", "--heartbeat", "--every", "nan"),
        ("checkpoint", "--heartbeat", "--every", "inf"),
    ],
)
def test_a_path_or_value_nobody_can_use_is_wrong_use(
    workplace: Workplace, arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit 2 with one JSON object: no integrity failure, no defect, no file with a trace."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(workplace.root.parent / "config"))
    (workplace.root.parent / "folder").mkdir()
    before = workplace.lines
    called = workplace.assay(*arguments, "--json")
    assert called.code == 2
    assert json.loads(called.out)["data"]["error"]["fix"]
    assert workplace.lines == before
    assert not list(workplace.root.parent.glob("assay-error-*"))


def test_a_defect_is_shown_where_no_file_can_be_written(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The report goes to another folder, or into the error itself; it never raises."""
    (tmp_path / "no").touch()
    monkeypatch.setattr(Path, "cwd", lambda: tmp_path / "no")
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    shown = invocation._defect(KeyError("kind"))
    assert Path(shown.where).parent == tmp_path
    assert "KeyError" in Path(shown.where).read_text(encoding="utf-8")
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path / "no"))
    assert "KeyError" in invocation._defect(KeyError("kind")).where


def test_a_long_list_is_cut_for_people_and_whole_for_programs(walked: Workplace) -> None:
    """The plan of a blob that many records name shows ten and counts the rest."""
    ingested = next(r for r in walked.records if r["step"] == "ingest" and r.get("inputs"))
    digest = ingested["inputs"]["snapshot"]
    plan = walked.assay("redact", "blob", digest, "--dry-run", "--json").data
    count = len(plan["records"])
    assert count > SHOWN
    lines = walked.assay("redact", "blob", digest, "--dry-run").out.splitlines()
    assert f"  and {count - SHOWN} more records; --json lists all" in lines
    assert len([line for line in lines if " intent " in line]) == SHOWN


def test_what_was_never_decided_is_left_out_and_counted(walked: Workplace) -> None:
    """Aborted decisions are no mismatch; named one by one they are wrong use."""
    history = load_history(Workspace(walked.root))
    intent = next(r for r in history.decisions() if "/detect/" in r)
    run_id = intent.partition("/")[0]
    twin = history.decision(intent).intent
    id_, never = f"{run_id}/detect/stocks.9999/1", f"{run_id}/detect/stocks.9998/1"
    same: dict[str, Any] = {"run_id": run_id, "step": "detect"}
    append(
        walked,
        Draft(type="intent", id=id_, data=twin.data, inputs=twin.inputs, **same),
        Draft(
            type="outcome",
            id=id_,
            status="aborted",
            data={"error": {"what": "stopped"}, "upstream_sha256": {}},
            **same,
        ),
        Draft(type="intent", id=never, data=twin.data, inputs=twin.inputs, **same),
    )
    history = load_history(Workspace(walked.root))
    assert decided(history, run_id, taken=False) == [id_, never]
    assert not {id_, never} & set(choose(history, every=True))
    called = walked.assay("replay", "--run", run_id, "--sample", "2", "--json", "-q")
    assert (called.code, called.data["counts"]) == (0, {"exact": 2})
    assert called.data["never_decided"] == 2
    assert walked.assay("replay", "stocks.9999", "--json").code == 2


@pytest.mark.parametrize(
    ("code", "what", "verdict"),
    [("E0201", "found", "exact"), ("E0201", "else", "diverged"), (None, "found", "diverged")],
)
def test_a_failure_is_replayed_by_the_same_error(
    walked: Workplace,
    monkeypatch: pytest.MonkeyPatch,
    code: str | None,
    what: str,
    verdict: str,
) -> None:
    """Code and message count; an error without a code is compared like any other."""
    history = load_history(Workspace(walked.root))
    intent = next(r for r in history.decisions() if "/detect/" in r)
    twin, id_ = history.decision(intent).intent, f"{intent.partition('/')[0]}/detect/stocks.9999/1"
    same: dict[str, Any] = {"run_id": twin.run_id, "step": "detect", "id": id_}
    raised = _raised(code)
    told = {"what": what if code else repr(raised)}
    error = {"code": "E0201", **told} if code else {"code": "E0201", "what": repr(raised)}
    append(
        walked,
        Draft(type="intent", data=twin.data, inputs=twin.inputs, **same),
        Draft(
            type="outcome", status="failed", data={"error": error, "upstream_sha256": {}}, **same
        ),
    )

    def fail(*_: object) -> None:
        raise raised

    monkeypatch.setattr("replay.reconstruct.decide", fail)
    assert Replayer(load_history(Workspace(walked.root)), {}).replay(id_).verdict == verdict


def _raised(code: str | None) -> Exception:
    from pipeline.errors import PipelineError  # noqa: PLC0415

    if code is None:
        return ZeroDivisionError("found")
    error = PipelineError("found", where="", why="", fix="")
    error.code = code
    return error


def test_the_own_result_of_a_decision_may_be_gone_or_altered(walked: Workplace) -> None:
    """A verdict for that decision, not the end of the whole replay."""
    history = load_history(Workspace(walked.root))
    decided_id = next(r for r in history.decisions() if "/detect/" in r)
    twin, id_ = history.decision(decided_id), f"{decided_id.partition('/')[0]}/detect/stocks.9999/1"
    assert twin.outcome is not None
    digest = history.blobs.put(dumps(twin.outcome.data["result"]))
    data = {key: value for key, value in twin.outcome.data.items() if key != "result"}
    same: dict[str, Any] = {"run_id": twin.intent.run_id, "step": "detect", "id": id_}
    intended = Draft(type="intent", data=twin.intent.data, inputs=twin.intent.inputs, **same)
    named = {"result": digest}
    append(walked, intended, Draft(type="outcome", status="ok", data=data, outputs=named, **same))
    assert walked.assay("replay", id_, "--json", "-q").data["counts"] == {"exact": 1}
    blob = walked.root / "blobs" / "sha256" / digest[:2] / digest[2:]
    blob.chmod(0o644)
    blob.write_bytes(b"{}")
    called = walked.assay("replay", id_, "--json", "-q")
    assert (called.code, called.data["counts"]) == (3, {"input_altered": 1})
    blob.unlink()
    called = walked.assay("replay", id_, "--json", "-q")
    assert (called.code, called.data["counts"]) == (4, {"input_missing": 1})


def test_commands_live_with_an_erased_opening(walked: Workplace) -> None:
    """What read the opening record of a run says that it is not known, or goes on without."""
    run = next(r for r in walked.records if r["type"] == "run" and r["status"] == "open")
    seq = str(run["seq"])
    assert walked.assay("redact", "record", seq, "--ground", GROUND, "--yes").code == 0
    status = walked.assay("status", "--json")
    assert status.code == 0
    assert [each["kind"] for each in status.data["runs"]] == [None]
    assert "erased" in walked.assay("status").out
    id_ = outcome(walked, "detect")["id"]
    assert walked.assay("replay", id_, "--json", "-q").data["counts"] == {"exact": 1}


@pytest.mark.parametrize("part", ["run", "intent", "outcome"])
def test_erased_trades_are_no_reason_to_take_older_ones(
    make_place: Callable[[str], Workplace], part: str
) -> None:
    """The last trades of a cell: known, or refused with the ground; never those before."""
    place = make_place("few")
    for day in ("2022-01-31", "2022-02-28"):
        run = ("run", "rebalance", "-m", "few.json", "--as-of", day, "-q")
        assert place.assay(*run).code == 0
    cell = Cell(engine="custom", risk_profile="min_variance")

    def last() -> str:
        history = load_history(Workspace(place.root))
        found = _last_trades(history, "few", "few", cell, "2022-03-31")
        assert found is not None
        return found.as_of

    def erase(number: int, type_: str) -> None:
        records = [r for r in place.records if r["type"] == type_]
        chosen = [r for r in records if "/rebalance/" in r["id"] or r["id"].endswith("/open")]
        seq = str(chosen[number]["seq"])
        assert place.assay("redact", "record", seq, "--ground", GROUND, "--yes").code == 0

    assert last() == "2022-02-28"
    erase(0, part)
    assert last() == "2022-02-28"
    erase(1, part)
    with pytest.raises(EvidenceMissingError, match="consent withdrawn"):
        last()
    called = place.assay("run", "rebalance", "-m", "few.json", "--as-of", "2022-03-31", "--json")
    assert called.code == 2


def test_an_erasure_does_not_lower_the_number_of_trials(workplace: Workplace) -> None:
    """Neither the opening of a tournament nor a trial can be erased out of the honest N."""
    run, trial = "20260101T000000000Z-p", "20260101T000000000Z-p/trial/s.custom.hrp/1"
    append(
        workplace,
        Draft(
            type="run",
            run_id=run,
            step="run",
            id=f"{run}/open",
            status="open",
            data={"profile": "p"},
        ),
        Draft(type="intent", run_id=run, step="trial", id=trial, data={"sleeve": "s"}),
    )
    ledger = workplace.root / "ledger"
    assert (tried(ledger, "p", "s"), tried(ledger, "q", "s"), tried(ledger, "p", "t")) == (1, 0, 0)
    for seq in ("2", "1"):
        called = workplace.assay("redact", "record", seq, "--ground", GROUND, "--yes", "--json")
        assert called.code == 0
        assert tried(ledger, "p", "s") == 1
