"""What happens rarely: lookalikes, races, leftovers and strangers, across the modules."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ledger import (
    BlobMissingError,
    BlobStore,
    BrokenChainError,
    Draft,
    MalformedStatementError,
    SigningKey,
    erase_line,
    plan_line,
    read_approvals,
    sha256,
    standalone,
    verify,
    write_time,
)
from ledger.bundle import write_bundle
from ledger.note import format_note, parse_note, sign_text
from ledger.policy import parse_policy
from ledger.record import make_stub
from ledger.redaction import _put_stub, _remove_leftovers
from ledger.rotation import sign_change
from ledger.segments import Segment, open_segment
from ledger.statement import Statement, check_person, draft_halt
from tests.ledger.bundles import alter_blob, unpack
from tests.ledger.conftest import ORIGIN, fill, note

if TYPE_CHECKING:
    from pathlib import Path

    from ledger import Log
    from tests.ledger.conftest import Clock, MakeLog

GROUND = "erasure on request, article 17"
BY = "compliance@example.org"


def erase(log: Log, seq: int, key: SigningKey) -> None:
    """Erase the content of one record."""
    erase_line(log, seq, key, ground=GROUND, by=BY)


def test_a_missing_blob_is_named_by_its_digest(tmp_path: Path) -> None:
    """Whoever looks for it elsewhere need not take the message apart."""
    with pytest.raises(BlobMissingError) as caught:
        BlobStore(tmp_path).get(sha256(b"x"))
    assert caught.value.digest == sha256(b"x")


def test_erasing_a_blob_that_is_gone_changes_nothing(tmp_path: Path) -> None:
    """The second erasure is no error, and what is stored again is there."""
    store = BlobStore(tmp_path)
    digest = store.put(b"x")
    store.erase(digest)
    store.erase(digest)
    assert not store.has(digest)
    assert store.put(b"x") == digest
    assert store.get(digest) == b"x"


def test_a_ledger_without_statements_has_no_state(log: Log) -> None:
    """Nobody may approve, and nothing is halted."""
    log.append([note(1)])
    approvals = read_approvals(log.path)
    assert (approvals.persons, approvals.approved(), approvals.halts) == ((), (), ())


def test_a_record_with_an_own_type_in_its_data_is_what_its_type_says(
    make_log: MakeLog, key: SigningKey, tmp_path: Path
) -> None:
    """Neither a change of keys, nor an erasure, nor an anchor, for reader, verifier and bundle."""
    log = make_log()
    log.append([note(n, type=name) for n, name in enumerate(("key", "redaction", "anchor"))])
    run = Draft(type="run", run_id="", step="", id="", data={"type": "anchor"})
    log.append([note(7), run])
    log.checkpoint(key)
    erase(log, 4, key)
    assert verify(log.path).keys == (key.verify_key.text,)
    assert [record.redacted for record in log.read()] == [False] * 4 + [True, False, False]
    assert write_bundle(log.path, tmp_path / "e.zip").checkpoint.size == 7


def test_an_erasure_before_the_cut_does_not_stop_an_export(
    make_log: MakeLog, key: SigningKey, tmp_path: Path
) -> None:
    """Two of them: what allows each stub is inside."""
    log = make_log()
    log.append([note(1), note(2), note(3)])
    log.checkpoint(key)
    erase(log, 1, key)
    erase(log, 2, key)
    write_bundle(log.path, tmp_path / "e.zip")
    folder = unpack(tmp_path / "e.zip", tmp_path / "e")
    assert verify(folder / "ledger").ok


def test_an_altered_record_is_not_erased(log: Log, key: SigningKey) -> None:
    """Its stub would hide what was done to it."""
    log.append([note(1), note(2)])
    log.checkpoint(key)
    path = log.path / "audit.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"n":1', b'"n":9'))
    with pytest.raises(BrokenChainError, match="record 1"):
        plan_line(log.path, 1)


def test_a_stub_that_is_there_is_not_written_again(log: Log, key: SigningKey) -> None:
    """Another process may have finished the erasure meanwhile."""
    log.append([note(1), note(2)])
    log.checkpoint(key)
    path = log.path / "audit.jsonl"
    stub = make_stub(path.read_bytes().splitlines(keepends=True)[1])
    erase(log, 1, key)
    before = path.stat()
    _put_stub(log.path, 1, stub)
    assert path.stat() == before
    assert verify(log.path).ok


def test_leftovers_of_segments_are_removed_and_others_stay(tmp_path: Path) -> None:
    """What a crash left may hold the line that was erased; a half-written key holds none."""
    for name, content in {"a": b'{"data":1}\n', "b": b"\x1f\x8b\x08\x00", "c": b"PRIVATE"}.items():
        (tmp_path / f".tmp-{name}").write_bytes(content)
    _remove_leftovers(tmp_path)
    assert [each.name for each in tmp_path.iterdir()] == [".tmp-c"]


def test_a_segment_that_vanishes_is_an_error_of_the_system(tmp_path: Path) -> None:
    """Closed or not, when no compressed one took its place."""
    for closed in (True, False):
        with pytest.raises(FileNotFoundError):
            open_segment(Segment(0, tmp_path / "audit.jsonl", closed=closed))
    (tmp_path / "audit.jsonl.gz").write_bytes(b"")
    with pytest.raises(FileNotFoundError):
        open_segment(Segment(0, tmp_path / "audit.jsonl", closed=False))


def test_lost_checkpoints_come_back_from_the_memory_of_the_key(
    make_log: MakeLog, root: Path, key: SigningKey, tmp_path: Path
) -> None:
    """The very note that was given out, not another signature of the same tree."""
    key.save(tmp_path / "log.key")
    loaded = SigningKey.load(tmp_path / "log.key")
    log = make_log()
    log.append([note(1)])
    signed = log.checkpoint(loaded)
    shutil.rmtree(root / "checkpoints")
    (root / "checkpoint").unlink()
    assert log.checkpoint(loaded) == signed
    assert (root / "checkpoint").read_bytes() == signed.note
    assert (root / "checkpoints" / "000000000002").read_bytes() == signed.note


def test_the_standalone_verifier_judges_a_bundle(
    make_log: MakeLog, key: SigningKey, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Blobs and listed files too; an altered blob fails."""
    log, store = make_log(8), BlobStore(tmp_path / "blobs")
    fill(log, 5)
    references = {"prices": store.put(b"x")}
    log.append([Draft(type="note", run_id="", step="", id="", inputs=references)])
    log.checkpoint(key)
    write_bundle(log.path, tmp_path / "e.zip", blobs=store.root, choice=["all"])
    folder = unpack(tmp_path / "e.zip", tmp_path / "e")
    assert standalone.main(["bundle", str(folder), key.verify_key.text]) == 0
    assert capsys.readouterr().out.startswith("PASS 12 records, ")
    alter_blob(folder)
    assert standalone.main(["bundle", str(folder), key.verify_key.text]) == 3
    assert standalone.main(["ledger", str(folder / "ledger"), "", str(folder / "blobs")]) == 3
    assert "altered: " in capsys.readouterr().out


def test_only_a_person_passes_for_one() -> None:
    """A right key raises nothing."""
    check_person(SigningKey("alice@example.org", bytes(32)).verify_key, ORIGIN)


def test_only_a_halt_needs_no_signature(clock: Clock) -> None:
    """A draft without a note says nothing but stop."""
    at = write_time(clock())
    halt = Statement(origin=ORIGIN, action="halt", at=at, reason="because")
    assert draft_halt(halt, actor="op@desk").type == "approval"
    resume = Statement(origin=ORIGIN, action="resume", subject=sha256(b""), at=at, reason="because")
    with pytest.raises(MalformedStatementError, match="a signature"):
        draft_halt(resume, actor="op@desk")


def test_a_wrong_signature_of_a_retired_key_is_found_by_whoever_brings_it(
    log: Log, key: SigningKey
) -> None:
    """The ledger does not ask for that key any more; the policy still knows it."""
    second = SigningKey(ORIGIN, bytes(32))
    log.append([sign_change("add", second.verify_key, ORIGIN, key, second)])
    log.append([sign_change("retire", key.verify_key, ORIGIN, second)])
    parsed = parse_note(log.checkpoint(second).note)
    forged = replace(sign_text(parsed.text, key), value=bytes(64))
    content = format_note(parsed.text, [*parsed.signatures, forged])
    for name in ("checkpoint", "checkpoints/000000000003"):
        (log.path / name).chmod(0o644)
        (log.path / name).write_bytes(content)
    assert verify(log.path, keys=[key.verify_key]).trust == "signed"
    policy = parse_policy(f"log {key.verify_key.text}\nquorum none\n".encode())
    (finding,) = verify(log.path, policy=policy).findings
    assert (finding.kind, finding.where) == ("signature", "checkpoint")
    assert "a right signature" in finding.message
