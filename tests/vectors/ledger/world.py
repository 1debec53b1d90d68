"""A small ledger that attacks start from, and the ways in which they change it.

Fixed keys and a fixed clock: the files come out the same each time.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeAlias

from ledger import (
    Checkpoint,
    Digest,
    Draft,
    Log,
    SigningKey,
    dumps,
    sha256,
    sign_checkpoint,
    tree_root,
)
from ledger.keys import COSIGNATURE
from ledger.record import splice
from ledger.segments import Summary

ORIGIN = "example.org/firm/workspace"
KEY = SigningKey(ORIGIN, bytes(range(32)))
SECOND = SigningKey(ORIGIN, bytes([2]) * 32)
STRANGER = SigningKey(ORIGIN, bytes([3]) * 32)
OTHER = SigningKey("example.org/other", bytes([4]) * 32)
WITNESS = SigningKey("example.org/witness", bytes([5]) * 32, COSIGNATURE)
SEGMENT = 8
ACTIVE = "ledger/audit.jsonl"
FIRST = "ledger/audit-000000000000.jsonl"
POLICY = f"log {KEY.verify_key.text}\nquorum none\n"
WITNESSED = f"log {KEY.verify_key.text}\nwitness w {WITNESS.verify_key.text}\nquorum w\n"

Body: TypeAlias = dict[str, Any]


@dataclass
class World:
    """The files of a ledger, and what a verifier brings."""

    files: dict[str, bytes]
    brings: dict[str, Any] = field(default_factory=dict)

    def lines(self, path: str = ACTIVE) -> list[bytes]:
        """Return the lines of a file, with their LF."""
        return self.files[path].splitlines(keepends=True)

    def put(self, lines: list[bytes], path: str = ACTIVE) -> None:
        """Write the lines of a file."""
        self.files[path] = b"".join(lines)

    def change(self, seq: int, old: str, new: str) -> None:
        """Replace text in one line and leave its hash as it is."""
        path, at = self.place(seq)
        lines = self.lines(path)
        changed = lines[at].replace(old.encode(), new.encode(), 1)
        assert changed != lines[at], (seq, old)
        lines[at] = changed
        self.put(lines, path)

    def place(self, seq: int) -> tuple[str, int]:
        """Return file and line number of a record."""
        first = seq // SEGMENT * SEGMENT
        path = f"ledger/audit-{first:012d}.jsonl"
        return (path if path in self.files else ACTIVE), seq - first

    def bodies(self) -> list[Body]:
        """Return all records without their hash."""
        paths = [path for path in sorted(self.files) if path.startswith("ledger/audit")]
        records = [json.loads(line) for path in paths for line in self.lines(path)]
        for record in records:
            del record["hash"]
        return records

    def reseal(
        self,
        bodies: list[Body | bytes],
        *,
        renumber: bool = True,
        sign: SigningKey | None = None,
    ) -> None:
        """Write records with right hashes and links, and summaries; perhaps sign them anew."""
        lines: list[bytes] = []
        before = "0" * 64
        for seq, body in enumerate(bodies):
            if isinstance(body, bytes):
                text = body.replace(b"PREV", before.encode())
            else:
                numbered = {**body, "seq": seq} if renumber else dict(body)
                text = dumps({**numbered, "prev_hash": before})
            line, digest = splice(text)
            lines.append(line)
            before = str(digest)
        self.write_segments(lines)
        if sign:
            self.sign(lines, sign)

    def write_segments(self, lines: list[bytes]) -> None:
        """Write lines into segments of eight, with summaries of the closed ones."""
        for path in [path for path in self.files if "/audit" in path or "/segments/" in path]:
            del self.files[path]
        last = (len(lines) - 1) // SEGMENT * SEGMENT
        for first in range(0, last, SEGMENT):
            part = lines[first : first + SEGMENT]
            self.files[f"ledger/audit-{first:012d}.jsonl"] = b"".join(part)
            self.files[f"ledger/segments/{first:012d}"] = summary_of(first, part)
        self.put(lines[last:])

    def sign(self, lines: list[bytes], key: SigningKey) -> None:
        """Replace all checkpoints by those of a signer that follows."""
        sizes = [int(path[-12:]) for path in self.files if "/checkpoints/" in path]
        for path in [path for path in self.files if "checkpoint" in path]:
            del self.files[path]
        for size in sorted({min(size, len(lines)) for size in sizes}):
            note = checkpoint_of(lines[:size], key).note
            self.files[f"ledger/checkpoints/{size:012d}"] = note
            self.files["ledger/checkpoint"] = note


def summary_of(first: int, lines: list[bytes]) -> bytes:
    """Return the summary file of a closed segment."""
    leaves = [leaf(line) for line in lines]
    data = b"".join(lines)
    summary = Summary(
        first=first,
        count=len(lines),
        head=Digest(leaves[-1].hex()),
        root=Digest(tree_root(leaves).hex()),
        ts=json.loads(lines[-1])["ts"],
        size=len(data),
        sha256=sha256(data),
    )
    return dumps(asdict(summary)) + b"\n"


def leaf(line: bytes) -> bytes:
    """Return the hash that a line states."""
    return bytes.fromhex(line[-67:-3].decode())


def checkpoint_of(
    lines: list[bytes], key: SigningKey, *, size: int | None = None, origin: str = ORIGIN
) -> Checkpoint:
    """Return a signed checkpoint over lines, perhaps with a size that is not theirs."""
    root = Digest(tree_root([leaf(line) for line in lines]).hex())
    return sign_checkpoint(Checkpoint(origin, size or len(lines), root), key)


def make_base() -> World:
    """Make the ledger that all attacks start from: 22 records, checkpoints at 1, 10 and 17."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "ledger"
        now = datetime(2026, 1, 2, tzinfo=UTC)

        def clock() -> datetime:
            nonlocal now
            now += timedelta(seconds=1)
            return now

        log = Log.create(root, origin=ORIGIN, key=KEY, clock=clock, segment_records=SEGMENT)
        blob = b"prices\n"
        for run, count in (("run-a", 4), ("run-b", 3)):
            log.append([opening(run)])
            for number in range(count):
                log.append(decision(run, number, sha256(blob)))
            log.checkpoint(KEY)
        log.append([opening("run-c"), *decision("run-c", 0, sha256(blob))])
        log.append([Draft(type="note", run_id="run-c", step="", id="", actor="caf\u00e9@host")])
        log.append([Draft(type="note", run_id="run-c", step="", id="", data={"last": True})])
        log.close()
        files = {
            str(path.relative_to(folder)): path.read_bytes()
            for path in sorted(root.rglob("*"))
            if path.is_file() and "cache" not in path.parts and path.name != "lock"
        }
    digest = sha256(blob)
    files[f"blobs/sha256/{digest[:2]}/{digest[2:]}"] = blob
    return World(files)


def opening(run: str) -> Draft:
    """Return the opening record of a run."""
    return Draft(type="run", run_id=run, step="", id=f"{run}/open", data={"seed": 7})


def decision_body(seq: int) -> Body:
    """Return the body of a note that comes later."""
    ts = f"2026-01-02T02:00:{seq:02d}.000000Z"
    return {"v": 1, "ts": ts, "type": "note", "run_id": "run-d", "data": {"n": seq}}


def decision(run: str, number: int, blob: Digest) -> list[Draft]:
    """Return an intent and its outcome."""
    key = f"{run}/optimize/{number}/1"
    weights = {"AAA": 0.25 + number / 16, "BBB": 0.5, "CCC": 1e-7}
    data = {"prev_hash": "0" * 64, "weights": weights}
    intent = Draft(
        type="intent",
        run_id=run,
        step="optimize",
        id=key,
        inputs={"prices": blob},
        data={"gamma": 0.5},
    )
    outcome = replace(
        intent, type="outcome", status="optimal", actor="caf\u00e9@host", inputs={}, data=data
    )
    return [intent, outcome]


Attack: TypeAlias = Callable[[World], None]
ATTACKS: dict[str, tuple[Attack, str, tuple[str, ...]]] = {}


def attack(name: str, *kinds: str) -> Callable[[Attack], Attack]:
    """Register an attack, and the kinds of finding that it must give; none for no finding."""

    def register(change: Attack) -> Attack:
        assert name not in ATTACKS, name
        ATTACKS[name] = (change, (change.__doc__ or "").strip(), kinds)
        return change

    return register


def changing(name: str, desc: str, seq: int, old: str, new: str, *kinds: str) -> None:
    """Register an edit of one line that leaves its hash."""

    def change(world: World) -> None:
        world.change(seq, old, new)

    change.__doc__ = desc
    attack(name, "altered", *kinds)(change)


def breaking(
    name: str, desc: str, *steps: Callable[[list[Any]], None], renumber: bool = True
) -> None:
    """Register records that break a rule under a right chain and a right signature."""

    def change(world: World) -> None:
        bodies: list[Any] = list(world.bodies())
        for step in steps:
            step(bodies)
        world.reseal(bodies, renumber=renumber, sign=KEY)

    change.__doc__ = desc
    attack(name, "lint")(change)


def setting(seq: int, /, **fields: Any) -> Callable[[list[Any]], None]:
    """Return a step that sets fields of a record; None takes one out."""

    def step(bodies: list[Any]) -> None:
        bodies[seq] = {k: v for k, v in {**bodies[seq], **fields}.items() if v is not None}

    return step


def spelling(seq: int, old: str, new: str) -> Callable[[list[Any]], None]:
    """Return a step that spells a record in another way."""

    def step(bodies: list[Any]) -> None:
        body = {**bodies[seq], "seq": seq, "prev_hash": "PREV"}
        text = dumps(body)
        assert old.encode() in text, (seq, old)
        bodies[seq] = text.replace(old.encode(), new.encode(), 1)

    return step
