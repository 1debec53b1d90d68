"""What stands in the raw tables is the ledger, byte for byte, or nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

import warehouse.load
from ledger import (
    BlobAlteredError,
    Checkpoint,
    Digest,
    Draft,
    IntegrityError,
    SigningKey,
    sha256,
    sign_checkpoint,
    tree_root,
)
from ledger.record import make_stub, seal
from ledger.rotation import sign_change
from tests.warehouse.synthetic import (
    KEY,
    Size,
    changed,
    records_of,
    seal_all,
    tell,
    write_workspace,
)
from warehouse.errors import (
    BuildFileError,
    EvidenceAlteredError,
    HistoryDiffersError,
    NothingToBuildError,
)
from warehouse.load import LoadResult, load

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


RUN = "20261120T040000Z-demo"


def lines_of(workspace: Path) -> list[bytes]:
    """Return the lines of the ledger, LF included."""
    return (workspace / "ledger" / "audit.jsonl").read_bytes().splitlines(keepends=True)


def write_lines(workspace: Path, lines: list[bytes]) -> None:
    """Replace the ledger by `lines`."""
    (workspace / "ledger" / "audit.jsonl").write_bytes(b"".join(lines))


def fetch(database: Path, sql: str) -> list[tuple[Any, ...]]:
    """Return the rows of a statement."""
    with duckdb.connect(str(database), read_only=True) as connection:
        return connection.execute(sql).fetchall()


@pytest.fixture
def database(workspace: Path) -> Path:
    """Return where the warehouse of the workspace is built."""
    return workspace / "warehouse" / "build.duckdb"


def test_every_line_is_loaded_byte_for_byte(workspace: Path, database: Path) -> None:
    """`line` holds the exact bytes, and the columns are what the line says."""
    result = load(database, workspace)
    lines = lines_of(workspace)
    rows = fetch(database, "select seq, line, data ->> 'stage' from raw.records order by seq")
    assert result.added == len(lines) == len(rows)
    assert [row[1].encode() + b"\n" for row in rows] == lines
    assert [row[0] for row in rows] == list(range(len(lines)))
    assert {row[2] for row in rows} >= {None, "optimize@1", "simulate@1"}


def test_loading_twice_adds_nothing(workspace: Path, database: Path) -> None:
    """The second load finds what the first one left."""
    first = load(database, workspace)
    second = load(database, workspace)
    assert second == LoadResult(0, first.through_seq, first.through_hash)
    assert fetch(database, "select count(*) from raw.loads") == [(1,)]


@pytest.mark.parametrize("cut", [1, 40, 100])
def test_loading_in_parts_is_loading_at_once(workspace: Path, database: Path, cut: int) -> None:
    """How often was loaded cannot be seen in the records."""
    lines = lines_of(workspace)
    for note in (workspace / "ledger" / "checkpoints").iterdir():
        note.unlink()
    write_lines(workspace, lines[:cut])
    assert load(database, workspace).added == cut
    write_lines(workspace, lines)
    assert load(database, workspace).added == len(lines) - cut
    whole = workspace / "warehouse" / "whole.duckdb"
    load(whole, workspace)
    everything = "select * from raw.records order by seq"
    assert fetch(database, everything) == fetch(whole, everything)


@pytest.mark.parametrize("position", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("seq", [0, 7, 156])
def test_one_changed_byte_is_refused_by_seq(
    workspace: Path, database: Path, seq: int, position: float
) -> None:
    """A line that does not have the hash it states is not loaded, nor anything else."""
    lines = lines_of(workspace)
    line = bytearray(lines[seq])
    line[int(len(line) * position)] ^= 1
    lines[seq] = bytes(line)
    write_lines(workspace, lines)
    with pytest.raises(IntegrityError, match=rf"record {seq}\b") as caught:
        load(database, workspace)
    assert caught.value.exit_code == 3
    assert fetch(database, "select count(*) from raw.records") == [(0,)]


def drop(lines: list[bytes]) -> list[bytes]:
    """Return the lines without one in the middle."""
    return [*lines[:20], *lines[21:]]


def swap(lines: list[bytes]) -> list[bytes]:
    """Return the lines with two neighbours exchanged."""
    return [*lines[:20], lines[21], lines[20], *lines[22:]]


def repeat(lines: list[bytes]) -> list[bytes]:
    """Return the lines with one of them twice."""
    return [*lines[:21], *lines[20:]]


@pytest.mark.parametrize("tamper", [drop, swap, repeat])
def test_a_broken_link_is_refused_by_seq(
    workspace: Path, database: Path, tamper: Callable[[list[bytes]], list[bytes]]
) -> None:
    """Lines that were removed, exchanged or repeated break the chain where they stood."""
    write_lines(workspace, tamper(lines_of(workspace)))
    with pytest.raises(IntegrityError, match=r"record 2[01]\b"):
        load(database, workspace)


def test_a_sound_chain_with_another_seq_is_refused(tmp_path: Path) -> None:
    """A forger may seal a chain anew, but each record must state its place."""
    workspace = write_workspace(tmp_path, checkpoint_at=())
    lines = lines_of(workspace)[:5]
    head = lines[4][-67:-3].decode()
    draft = tell().drafts[5]
    forged, _ = seal(draft, seq=9, ts="2026-11-22T00:00:00.000000Z", prev_hash=head)  # type: ignore[arg-type]
    write_lines(workspace, [*lines, forged])
    with pytest.raises(EvidenceAlteredError, match=r"expected seq 5 .* found 9"):
        load(workspace / "warehouse" / "build.duckdb", workspace)


def test_a_torn_tail_is_left_for_the_next_load(workspace: Path, database: Path) -> None:
    """Bytes after the last LF belong to a writer at work, not to a record."""
    lines = lines_of(workspace)
    write_lines(workspace, [*lines, lines[-1][:50]])
    assert load(database, workspace).added == len(lines)


def test_a_rewritten_history_is_refused_at_its_first_difference(
    workspace: Path, database: Path
) -> None:
    """A chain sealed anew after an edit is sound; the warehouse remembers the other one."""
    load(database, workspace)

    def edit(data: Any) -> None:
        data["result"]["score"] = 0.9

    drafts = changed(tell().drafts, f"{RUN}/detect/stocks.0001/1", "outcome", edit)
    seq = next(i for i, d in enumerate(drafts) if d.id.endswith("detect/stocks.0001/1")) + 1
    write_lines(workspace, seal_all(drafts)[0])
    with pytest.raises(HistoryDiffersError, match=rf"differs at seq {seq}\b") as caught:
        load(database, workspace)
    assert caught.value.exit_code == 3


def test_a_shortened_history_is_refused(workspace: Path, database: Path) -> None:
    """A ledger that lost records it had is not the ledger that was loaded."""
    load(database, workspace)
    write_lines(workspace, lines_of(workspace)[:100])
    with pytest.raises(HistoryDiffersError, match="differs at seq 100"):
        load(database, workspace)


def test_a_failed_load_leaves_nothing_behind(
    workspace: Path, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All batches of a load are one transaction."""
    monkeypatch.setattr(warehouse.load, "_BATCH_BYTES", 5_000)
    lines = lines_of(workspace)
    write_lines(workspace, [*lines[:140], lines[141]])
    with pytest.raises(IntegrityError):
        load(database, workspace)
    assert fetch(database, "select count(*) from raw.records") == [(0,)]
    assert not list(database.parent.glob("*.incoming"))


def test_long_results_come_from_their_blobs(tmp_path: Path) -> None:
    """A result that does not fit a line is loaded from the blob that the record names."""
    workspace = write_workspace(tmp_path, tell(Size(windows=1, symbols=300)))
    database = workspace / "warehouse" / "build.duckdb"
    load(database, workspace)
    ((count, largest),) = fetch(
        database, "select count(*), max(strlen(content)) from raw.documents where role = 'result'"
    )
    assert count >= 2
    assert largest > 24_000


@pytest.mark.parametrize("attack", ["missing", "altered"])
def test_a_result_blob_that_is_not_as_written_is_refused(tmp_path: Path, attack: str) -> None:
    """Without the blob the tables would have a hole; with another one, a lie."""
    workspace = write_workspace(tmp_path, tell(Size(windows=1, symbols=300)))
    blob = max((workspace / "blobs").rglob("*"), key=lambda path: path.stat().st_size)
    blob.chmod(0o644)
    if attack == "missing":
        blob.unlink()
    else:
        blob.write_bytes(blob.read_bytes().replace(b"0.9", b"0.8"))
    expected = EvidenceAlteredError if attack == "missing" else BlobAlteredError
    assert expected.exit_code == 3
    with pytest.raises(expected):
        load(workspace / "warehouse" / "build.duckdb", workspace)


def test_an_erased_result_is_no_breach_when_a_redaction_says_so(tmp_path: Path) -> None:
    """Lawful erasure is recorded; what is gone is then simply not there."""
    story = tell(Size(windows=1, symbols=300))
    digests = {digest for result, digest in story.results.values()}

    def redact(drafts: list[Draft]) -> list[Draft]:
        named = [d.outputs["result"] for d in drafts if "result" in d.outputs]
        redactions = [
            replace(drafts[0], type="redaction", id=f"redaction/{name}", data={"blob": name})
            for name in sorted(set(named) & digests)
        ]
        return [*drafts, *redactions]

    workspace = write_workspace(tmp_path, story, change=redact)
    for blob in (workspace / "blobs").rglob("*"):
        if blob.is_file():
            blob.unlink()
    database = workspace / "warehouse" / "build.duckdb"
    load(database, workspace)
    assert fetch(database, "select count(*) from raw.documents where role = 'result'") == [(0,)]


def test_checkpoints_are_opened_with_the_pinned_key(workspace: Path, database: Path) -> None:
    """Every checkpoint on disk is loaded; one that the key of the log did not sign is refused."""
    load(database, workspace)
    folder = workspace / "ledger" / "checkpoints"
    sizes = [int(path.name) for path in sorted(folder.iterdir())]
    loaded = fetch(database, "select size, origin from raw.checkpoints order by size")
    assert loaded == [(size, KEY.name) for size in sizes]
    note = folder / f"{sizes[0]:012d}"
    note.write_bytes(note.read_bytes().replace(str(sizes[0]).encode(), str(sizes[0] - 1).encode()))
    with pytest.raises(IntegrityError):
        load(database, workspace)


def test_a_workspace_without_ledger_cannot_be_loaded(tmp_path: Path) -> None:
    """Nothing is derived from nothing."""
    (tmp_path / ".assay").mkdir()
    with pytest.raises(NothingToBuildError) as caught:
        load(tmp_path / ".assay" / "warehouse" / "build.duckdb", tmp_path / ".assay")
    assert caught.value.exit_code == 2


def erase(workspace: Path, seq: int, *, named: bool) -> None:
    """Put a stub in the place of record `seq`, with a redaction at the end if it is to be named."""
    lines = lines_of(workspace)
    lines[seq] = make_stub(lines[seq])
    allowed = {"seq": seq if named else 1, "stub": sha256(lines[seq][:-1])}
    redaction = Draft(type="redaction", run_id="", step="", id="r", data=allowed)
    last = json.loads(lines[-1])
    sealed, _ = seal(redaction, seq=len(lines), ts=last["ts"], prev_hash=last["hash"])
    write_lines(workspace, [*lines, sealed])


def test_the_stub_of_an_erased_record_is_loaded_when_a_redaction_names_it(
    workspace: Path, database: Path
) -> None:
    """Chain and tree go on with the hash of what was erased; the content is gone."""
    erase(workspace, 24, named=True)
    load(database, workspace)
    rows = fetch(database, "select seq, data, status from raw.records where redacted")
    assert rows == [(24, None, None)]


def test_a_stub_that_no_redaction_names_is_refused(workspace: Path, database: Path) -> None:
    """Otherwise whoever may write could erase what he likes."""
    erase(workspace, 24, named=False)
    with pytest.raises(EvidenceAlteredError, match="content of record 24 was erased"):
        load(database, workspace)


def test_what_is_erased_after_loading_is_forgotten(workspace: Path, database: Path) -> None:
    """The build file held it, so it is made anew; the bytes are not in it any more."""
    load(database, workspace)
    erase(workspace, 24, named=True)
    count = len(lines_of(workspace))
    assert load(database, workspace).added == count
    assert fetch(database, "select seq, data from raw.records where redacted") == [(24, None)]
    assert load(database, workspace).added == 0


def test_an_edited_stub_after_loading_is_another_history(workspace: Path, database: Path) -> None:
    """Only the stub that the redaction names stands for what was loaded."""
    load(database, workspace)
    erase(workspace, 24, named=True)
    lines = lines_of(workspace)
    lines[24] = lines[24].replace(b'"step":"', b'"step":"x')
    write_lines(workspace, lines)
    with pytest.raises(HistoryDiffersError, match="differs at seq 24"):
        load(database, workspace)


def test_a_result_that_is_erased_after_loading_is_forgotten(tmp_path: Path) -> None:
    """Its bytes stood in the build file; the record that names it stays."""
    workspace = write_workspace(tmp_path, tell(Size(windows=1, symbols=300)))
    database = workspace / "warehouse" / "build.duckdb"
    load(database, workspace)
    ((digest,),) = fetch(database, "select min(sha256) from raw.documents where role = 'result'")
    lines = lines_of(workspace)
    last = json.loads(lines[-1])
    draft = Draft(type="redaction", run_id="", step="", id="r", data={"blob": digest})
    sealed, _ = seal(draft, seq=len(lines), ts=last["ts"], prev_hash=last["hash"])
    write_lines(workspace, [*lines, sealed])
    for _ in range(2):
        load(database, workspace)
        held = fetch(database, "select sha256 from raw.documents where role = 'result'")
        assert (digest,) not in held
        assert held
    assert fetch(database, "select count(*) from raw.records") == [(len(lines) + 1,)]


def test_checkpoints_of_a_later_key_are_opened(workspace: Path, database: Path) -> None:
    """A key that the ledger adds may sign what comes after, and nothing before."""
    added = SigningKey(KEY.name, bytes([7]) * 32)
    draft = sign_change("add", added.verify_key, KEY.name, KEY, added)
    lines = lines_of(workspace)
    last = json.loads(lines[-1])
    sealed, _ = seal(draft, seq=len(lines), ts=last["ts"], prev_hash=last["hash"])
    write_lines(workspace, [*lines, sealed])
    hashes = [bytes.fromhex(record.hash) for record in records_of(workspace)]
    folder = workspace / "ledger" / "checkpoints"
    for size in (len(hashes), 10):
        root = Digest(tree_root(hashes[:size]).hex())
        note = sign_checkpoint(Checkpoint(KEY.name, size, root), added).note
        (folder / f"{size:012d}").write_bytes(note)
        if size == len(hashes):
            load(database, workspace)
            newest = fetch(database, "select max(size) from raw.checkpoints")
            assert newest == [(size,)]
    with pytest.raises(IntegrityError):
        load(database, workspace)


@pytest.mark.parametrize("content", [b"not a database", b""])
def test_a_build_file_that_is_none_is_named(
    workspace: Path, database: Path, content: bytes
) -> None:
    """A damaged file, or one of another layout, can simply be built again."""
    database.parent.mkdir(exist_ok=True)
    database.write_bytes(content)
    with pytest.raises(BuildFileError, match="cannot be used") as caught:
        load(database, workspace)
    assert "--rebuild" in caught.value.fix


def test_a_build_file_of_another_layout_is_made_anew(workspace: Path, database: Path) -> None:
    """Tables of another version of this code are not filled further: all are derived once more."""
    first = load(database, workspace)
    assert first.anew == ""
    with duckdb.connect(str(database)) as connection:
        connection.execute("update raw.layout set sha256 = 'older'")
    again = load(database, workspace)
    assert "another version" in again.anew
    assert again.added == first.added
    assert load(database, workspace).anew == ""
