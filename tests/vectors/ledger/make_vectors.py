"""Write the vectors of tampered ledgers: `python -m tests.vectors.ledger.make_vectors`.

`base.json` holds every file of a small ledger. Each other file names one attack: what it changes of
the base, what the verifier brings, and what it must report::

    {"desc": ..., "changes": {path: text, {"base64": ...} or null}, "brings": {...}, "want": {...}}

Everything is made from fixed keys and a fixed clock, so that the files come out the same.
"""

from __future__ import annotations

import base64
import gzip
import json
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

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
from ledger.note import cosign_text, format_note, parse_note, sign_note
from ledger.record import splice
from ledger.rotation import sign_change
from ledger.segments import Summary

if TYPE_CHECKING:
    from ledger.note import Note

HERE = Path(__file__).parent
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


# Bytes of one record, its hash left as it was. Records: 0 genesis, 1 run-a, 2..9 its four
# decisions, 10 run-b, 11..16 its three decisions, 17 run-c, 18..19 one decision, 20..21 notes.

changing("bytes-weight", "A weight is made larger.", 3, '"AAA":0.25', '"AAA":0.35')
changing("bytes-status", "A failed solve is made optimal.", 5, '"optimal"', '"optimum"')
changing("bytes-actor", "Somebody else did it.", 5, "caf\u00e9@host", "cafe@hos")
changing("bytes-time", "The decision was made a year earlier.", 5, '"ts":"2026', '"ts":"2025')
changing("bytes-seq", "Two digits of seq are swapped.", 12, '"seq":12', '"seq":21')
changing("bytes-link", "One digit of prev_hash.", 4, '"prev_hash":"', '"prev_hash":"0')
changing("bytes-space", "A space after a colon.", 4, '"gamma":', '"gamma": ')
changing("bytes-number", "0.5 is spelled 0.50.", 4, '"gamma":0.5', '"gamma":0.50')
changing("bytes-exponent", "1e-7 is spelled 0.0000001.", 5, "1e-7", "0.0000001")
changing("bytes-escape", "A letter is spelled as an escape.", 5, "caf\u00e9", "caf\\u00e9")
changing("bytes-case", "The hash in upper case.", 5, '"hash":"', '"HASH":"')
changing("bytes-duplicate", "A second gamma before the first.", 4, '{"gamma"', '{"gamma":9,"gamma"')
changing("bytes-order", "Two members change places.", 1, '"type":"run","v":1', '"v":1,"type":"run"')
changing("bytes-return", "CR before LF.", 5, '"}\n', '"}\r\n')
changing("bytes-tab", "A tab after the record.", 5, '"}\n', '"}\t\n')
changing(
    "bytes-nul", "A NUL byte in a record that a checkpoint covers.", 5, "optimal", "opt\x00mal"
)
changing("bytes-blank-line", "An empty line.", 5, '"}\n', '"}\n\n')
changing("bytes-joined", "Two records on one line.", 5, '"}\n', '"}')
changing("bytes-split", "One record on two lines.", 5, ',"id"', '\n,"id"')
changing(
    "bytes-genesis-key",
    "The ledger names another key.",
    0,
    "example.org/firm",
    "example.net/firm",
    "signature",
)
changing("bytes-unsealed", "A record that no checkpoint covers yet.", 20, "caf\u00e9", "cafe!")
changing("bytes-not-utf8", "An accent is dropped.", 3, "\u00e9", "e")


@attack("bytes-hash", "altered")
def _(world: World) -> None:
    """One digit of a hash."""
    lines = world.lines(FIRST)
    lines[5] = lines[5][:-10] + (b"0" if lines[5][-10:-9] != b"0" else b"1") + lines[5][-9:]
    world.put(lines, FIRST)


@attack("bytes-bom", "altered")
def _(world: World) -> None:
    """A byte order mark at the beginning of the first file."""
    world.files[FIRST] = b"\xef\xbb\xbf" + world.files[FIRST]


@attack("bytes-binary", "altered")
def _(world: World) -> None:
    """A byte that is not UTF-8."""
    world.files[FIRST] = world.files[FIRST].replace(b"optimal", b"opt\xffmal", 1)


# Lines moved about, hashes left as they were.


@attack("lines-deleted", "altered")
def _(world: World) -> None:
    """A record is gone."""
    lines = world.lines(FIRST)
    world.put(lines[:5] + lines[6:], FIRST)


@attack("lines-deleted-first", "altered")
def _(world: World) -> None:
    """The genesis record is gone."""
    world.put(world.lines(FIRST)[1:], FIRST)


@attack("lines-deleted-unsealed", "altered")
def _(world: World) -> None:
    """A record above every checkpoint is gone."""
    lines = world.lines()
    world.put(lines[:4] + lines[5:])


@attack("lines-repeated", "altered")
def _(world: World) -> None:
    """A record stands there twice."""
    lines = world.lines(FIRST)
    world.put(lines[:5] + lines[4:], FIRST)


@attack("lines-swapped", "altered")
def _(world: World) -> None:
    """Two records change places."""
    lines = world.lines(FIRST)
    lines[4], lines[5] = lines[5], lines[4]
    world.put(lines, FIRST)


@attack("lines-moved", "altered")
def _(world: World) -> None:
    """A decision is moved to the end."""
    lines = world.lines(FIRST)
    world.put(lines[:4] + lines[6:], FIRST)
    world.put(world.lines() + lines[4:6])


# One record sealed again, the rest left.


@attack("seal-one", "altered")
def _(world: World) -> None:
    """An edit with a right hash; the next link does not fit."""
    lines = world.lines(FIRST)
    lines[5] = splice(lines[5][:-76].replace(b"0.5", b"0.6") + b"}")[0]
    world.put(lines, FIRST)


@attack("seal-last-covered", "altered", "rewritten")
def _(world: World) -> None:
    """The last covered record, sealed again."""
    path, at = world.place(16)
    lines = world.lines(path)
    lines[at] = splice(lines[at][:-76].replace(b"optimal", b"optimum") + b"}")[0]
    world.put(lines, path)


# The chain sealed again to the end: only a checkpoint shows it.


def rewriting(name: str, desc: str, *steps: Callable[[list[Any]], None], kinds: str = "") -> None:
    """Register a change under a right chain, the checkpoints left as they were."""

    def change(world: World) -> None:
        bodies: list[Any] = list(world.bodies())
        for step in steps:
            step(bodies)
        world.reseal(bodies)

    change.__doc__ = desc
    attack(name, *(kinds.split() or ["rewritten"]))(change)


def dropping(*seqs: int) -> Callable[[list[Any]], None]:
    """Return a step that takes records out."""

    def step(bodies: list[Any]) -> None:
        for seq in sorted(seqs, reverse=True):
            del bodies[seq]

    return step


def swapping(bodies: list[Any]) -> None:
    """Let two decisions change places."""
    bodies[2:4], bodies[4:6] = bodies[4:6], bodies[2:4]


def inserting(bodies: list[Any]) -> None:
    """Put a decision in that was never made."""
    new = [dict(body) for body in bodies[4:6]]
    for body in new:
        body["id"] = "run-a/optimize/9/1"
    bodies[6:6] = new


rewriting("chain-edit", "An edit, sealed to the end.", setting(5, status="failed"))
rewriting("chain-delete", "A decision taken out.", dropping(4, 5))
rewriting("chain-insert", "A decision put in.", inserting)
rewriting("chain-swap", "Two decisions change places.", swapping, kinds="rewritten lint")
rewriting("chain-run", "A whole run taken out.", dropping(*range(10, 17)), kinds="truncated")
rewriting(
    "chain-genesis",
    "Another key in the genesis record; the checkpoints do not open.",
    setting(
        0,
        data={
            "format": "assay-ledger/1",
            "origin": ORIGIN,
            "segment": SEGMENT,
            "vkey": STRANGER.verify_key.text,
        },
    ),
    kinds="signature",
)
rewriting(
    "chain-dates",
    "Everything a year earlier.",
    *(setting(seq, ts=f"2025-01-02T00:00:{seq:02d}.000000Z") for seq in range(22)),
)
rewriting(
    "chain-unsealed",
    "An edit above every checkpoint: not seen.",
    setting(21, data={"last": False}),
    kinds="none",
)


# Rewritten and signed again.


@attack("signed-by-stranger", "signature")
def _(world: World) -> None:
    """Rewritten and signed by a key that the ledger does not name."""
    bodies: list[Any] = list(world.bodies())
    setting(5, status="failed")(bodies)
    world.reseal(bodies, sign=STRANGER)


def _with_key(bodies: list[Any], key: SigningKey) -> None:
    bodies[0] = {**bodies[0], "data": {**bodies[0]["data"], "vkey": key.verify_key.text}}


def rewrite_all(world: World, key: SigningKey) -> None:
    """Rewrite from the genesis on, with another key."""
    bodies: list[Any] = list(world.bodies())
    setting(5, status="failed")(bodies)
    _with_key(bodies, key)
    world.reseal(bodies, sign=key)


@attack("signed-from-genesis", "none")
def _(world: World) -> None:
    """Rewritten from the genesis with a new key: not seen by who brings nothing."""
    rewrite_all(world, STRANGER)


@attack("signed-from-genesis-policy", "signature")
def _(world: World) -> None:
    """The same, seen by who brings the key."""
    rewrite_all(world, STRANGER)
    world.brings = {"policy": POLICY}


@attack("signed-from-genesis-seen", "forked")
def _(world: World) -> None:
    """The same, seen by who saw the ledger before."""
    world.brings = {"last_seen": world.files["ledger/checkpoint"].decode()}
    rewrite_all(world, STRANGER)


@attack("signed-by-key-holder", "none")
def _(world: World) -> None:
    """Rewritten and signed with the log's own key: not seen by who has no memory."""
    rewrite_all(world, KEY)
    world.brings = {"policy": POLICY}


@attack("signed-by-key-holder-seen", "forked")
def _(world: World) -> None:
    """The same, seen by who saw the ledger before."""
    world.brings = {"policy": POLICY, "last_seen": world.files["ledger/checkpoint"].decode()}
    rewrite_all(world, KEY)


# The end cut off.


@attack("cut-unsealed", "none")
def _(world: World) -> None:
    """The last record, above every checkpoint: only a receipt shows it."""
    world.put(world.lines()[:-1])


@attack("cut-covered", "truncated")
def _(world: World) -> None:
    """The last covered record and all after it."""
    del world.files[ACTIVE]


@attack("cut-empty", "truncated")
def _(world: World) -> None:
    """The active file is empty."""
    world.files[ACTIVE] = b""


@attack("cut-middle", "torn")
def _(world: World) -> None:
    """Inside the last record, above every checkpoint."""
    world.files[ACTIVE] = world.files[ACTIVE][:-30]


@attack("cut-newline", "torn")
def _(world: World) -> None:
    """The last LF."""
    world.files[ACTIVE] = world.files[ACTIVE][:-1]


@attack("cut-nul", "torn")
def _(world: World) -> None:
    """NUL bytes at the end, as after a power failure."""
    world.files[ACTIVE] += bytes(300)


@attack("cut-nul-line", "torn")
def _(world: World) -> None:
    """A record above every checkpoint whose page did not reach the disk."""
    lines = world.lines()
    lines[-2] = lines[-2][:40] + bytes(20) + lines[-2][60:]
    world.put(lines)


@attack("cut-middle-covered", "torn", "truncated")
def _(world: World) -> None:
    """Inside a covered record."""
    world.files[ACTIVE] = world.files[ACTIVE][:30]
    del world.files["ledger/audit-000000000008.jsonl"]
    del world.files["ledger/segments/000000000008"]


@attack("cut-everything", "truncated")
def _(world: World) -> None:
    """All but the genesis record."""
    first = world.lines(FIRST)[0]
    world.write_segments([first])


@attack("cut-with-checkpoints", "none")
def _(world: World) -> None:
    """Rolled back together with the newer checkpoints: not seen by who has no memory."""
    roll_back(world)


@attack("cut-with-checkpoints-seen", "rolled_back")
def _(world: World) -> None:
    """The same, seen by who saw the ledger before."""
    world.brings = {"last_seen": world.files["ledger/checkpoint"].decode()}
    roll_back(world)


def roll_back(world: World, count: int = 10) -> None:
    """Put the ledger back to its first records, and to the checkpoint of ten."""
    paths = (FIRST, "ledger/audit-000000000008.jsonl")
    lines = [line for path in paths for line in world.lines(path)]
    world.write_segments(lines[:count])
    del world.files["ledger/checkpoints/000000000017"]
    world.files["ledger/checkpoint"] = world.files["ledger/checkpoints/000000000010"]


# Segments and their summaries.


@attack("segment-moved", "none")
def _(world: World) -> None:
    """A closed segment was moved away; its summary and a checkpoint speak for it."""
    del world.files["ledger/audit-000000000008.jsonl"]


@attack("segment-moved-first", "missing")
def _(world: World) -> None:
    """The segment with the genesis record was moved away."""
    del world.files[FIRST]


@attack("segment-compressed", "none")
def _(world: World) -> None:
    """A closed segment is compressed."""
    world.files[FIRST + ".gz"] = gzip.compress(world.files.pop(FIRST), mtime=0)


@attack("segment-compressed-altered", "altered")
def _(world: World) -> None:
    """And altered on the way."""
    data = world.files.pop(FIRST).replace(b"optimal", b"optimum", 1)
    world.files[FIRST + ".gz"] = gzip.compress(data, mtime=0)


@attack("segment-compressed-broken", "altered", "truncated")
def _(world: World) -> None:
    """And cut off."""
    world.files[FIRST + ".gz"] = gzip.compress(world.files.pop(FIRST), mtime=0)[:-200]


@attack("segment-deleted", "altered", "truncated")
def _(world: World) -> None:
    """A closed segment and its summary are gone."""
    del world.files["ledger/audit-000000000008.jsonl"]
    del world.files["ledger/segments/000000000008"]


@attack("segment-moved-after-cut", "altered", "truncated")
def _(world: World) -> None:
    """A segment was moved away, and the one before it lost its last record."""
    world.put(world.lines(FIRST)[:-1], FIRST)
    del world.files["ledger/audit-000000000008.jsonl"]


@attack("segment-lost-in-the-middle", "missing")
def _(world: World) -> None:
    """The second of three closed segments is gone without a trace."""
    later = [decision_body(seq) for seq in range(22, 26)]
    world.reseal([*world.bodies(), *later], sign=KEY)
    del world.files["ledger/audit-000000000008.jsonl"]
    del world.files["ledger/segments/000000000008"]


@attack("segment-moved-uncovered", "missing")
def _(world: World) -> None:
    """A segment was moved away that no checkpoint covers."""
    del world.files["ledger/audit-000000000008.jsonl"]
    del world.files["ledger/checkpoints/000000000017"]
    world.files["ledger/checkpoint"] = world.files["ledger/checkpoints/000000000010"]


@attack("segment-unfinished", "torn")
def _(world: World) -> None:
    """The writer stopped while it closed a segment."""
    roll_back(world, 16)
    world.files["ledger/audit-000000000008.jsonl"] = world.files.pop(ACTIVE)


@attack("summary-deleted", "missing")
def _(world: World) -> None:
    """The summary of a segment is gone."""
    del world.files["ledger/segments/000000000000"]


@attack("summary-malformed", "altered")
def _(world: World) -> None:
    """The summary of a segment is nonsense."""
    world.files["ledger/segments/000000000000"] = b"{}\n"


def summarizing(name: str, desc: str, **fields: object) -> None:
    """Register a summary that does not say what its segment came to."""

    def change(world: World) -> None:
        path = "ledger/segments/000000000000"
        world.files[path] = dumps({**json.loads(world.files[path]), **fields}) + b"\n"

    change.__doc__ = desc
    attack(name, "altered")(change)


summarizing("summary-root", "Another subtree root.", root="1" * 64)
summarizing("summary-head", "Another head.", head="1" * 64)


@attack("summary-root-moved", "missing", "rewritten")
def _(world: World) -> None:
    """Another subtree root for a segment that was moved away."""
    path = "ledger/segments/000000000008"
    world.files[path] = dumps({**json.loads(world.files[path]), "root": "1" * 64}) + b"\n"
    del world.files["ledger/audit-000000000008.jsonl"]


# Checkpoints.


def checkpointing(name: str, desc: str, change: Callable[[bytes], bytes], *kinds: str) -> None:
    """Register a change of the newest checkpoint, in both its files."""

    def apply(world: World) -> None:
        for path in ("ledger/checkpoint", "ledger/checkpoints/000000000017"):
            world.files[path] = change(world.files[path])

    apply.__doc__ = desc
    attack(name, *kinds)(apply)


def _flip(note: bytes) -> bytes:
    return note[:-20] + (b"A" if note[-20:-19] != b"A" else b"B") + note[-19:]


checkpointing("note-signature", "One character of the signature.", _flip, "signature")
checkpointing(
    "note-size", "Another size.", lambda note: note.replace(b"\n17\n", b"\n18\n"), "signature"
)
checkpointing(
    "note-origin", "Another origin.", lambda note: note.replace(b".org", b".net", 1), "signature"
)
checkpointing("note-nonsense", "No note at all.", lambda _: b"nonsense\n", "signature")
checkpointing("note-empty", "An empty file.", lambda _: b"", "signature")
checkpointing(
    "note-unsigned", "No signature.", lambda note: note.partition(b"\n\n")[0] + b"\n\n", "signature"
)
checkpointing(
    "note-root", "Another root.", lambda note: note.replace(b"=\n\n", b"=\n", 1), "signature"
)
checkpointing(
    "note-extension",
    "A line more, signed.",
    lambda note: sign_note(parse_note(note).text + "extension\n", KEY),
    "signature",
)
checkpointing(
    "note-leading-zero",
    "A size with a leading zero, signed.",
    lambda note: sign_note(parse_note(note).text.replace("\n17\n", "\n017\n"), KEY),
    "signature",
)
checkpointing(
    "note-stranger",
    "Signed by a stranger's key of the same name.",
    lambda note: sign_note(parse_note(note).text, STRANGER),
    "signature",
)
checkpointing(
    "note-other-ledger",
    "The checkpoint of another ledger.",
    lambda _: checkpoint_of([], OTHER, size=17, origin="example.org/other").note,
    "signature",
)
checkpointing(
    "note-other-origin",
    "Signed by the key of the log for another origin.",
    lambda _: checkpoint_of([], KEY, size=17, origin="example.org/other").note,
    "signature",
)
checkpointing(
    "note-beyond",
    "A signed size that the ledger does not reach.",
    lambda _: checkpoint_of([], KEY, size=99).note,
    "truncated",
)
checkpointing(
    "note-other-root",
    "A signed root that is not that of the records.",
    lambda _: checkpoint_of([], KEY, size=17).note,
    "rewritten",
)


@attack("note-all-lost", "missing")
def _(world: World) -> None:
    """Every checkpoint is gone."""
    for path in [path for path in world.files if "checkpoint" in path]:
        del world.files[path]


@attack("note-newest-lost", "none")
def _(world: World) -> None:
    """The newest is gone, its kept copy is not."""
    del world.files["ledger/checkpoint"]


@attack("note-older-put-back", "none")
def _(world: World) -> None:
    """An older one in the place of the newest; the kept copy still covers the records."""
    world.files["ledger/checkpoint"] = world.files["ledger/checkpoints/000000000010"]


@attack("note-kept-altered", "signature")
def _(world: World) -> None:
    """An older, kept one is altered."""
    path = "ledger/checkpoints/000000000010"
    world.files[path] = _flip(world.files[path])


# Rules of the format, under a right chain and a right signature.

breaking("rule-seq", "seq has a gap.", setting(5, seq=50), renumber=False)
breaking("rule-time", "ts goes back.", setting(5, ts="2026-01-01T00:00:00.000000Z"))
breaking("rule-second-intent", "A second intent of one id.", setting(4, id="run-a/optimize/0/1"))
breaking("rule-second-outcome", "A second outcome of one id.", setting(5, id="run-a/optimize/0/1"))
breaking("rule-no-intent", "An outcome that nobody announced.", setting(5, id="run-a/optimize/7/1"))
breaking("rule-other-run", "An outcome in another run than its intent.", setting(5, run_id="run-b"))
breaking("rule-second-open", "A run is opened twice.", setting(10, id="run-a/open"))
breaking("rule-no-id", "An intent without id.", setting(4, id=None))
breaking("rule-second-genesis", "A second genesis record.", setting(20, type="genesis"))
breaking("rule-type", "A type that is not in the list.", setting(20, type="decision"))
breaking("rule-field", "A field that is not known.", setting(20, extra=1))
breaking("rule-version", "Another version.", setting(20, v=2))
breaking("rule-ts-form", "ts without microseconds.", setting(20, ts="2026-01-02T00:00:59Z"))
breaking("rule-empty", "A text that is empty.", setting(20, status=""))
breaking("rule-blob-name", "An input that is no digest.", setting(4, inputs={"prices": "x"}))
breaking("rule-number", "A number in another spelling.", spelling(4, '"gamma":0.5', '"gamma":0.50'))
breaking("rule-space", "A space.", spelling(4, '"gamma":', '"gamma": '))
breaking(
    "rule-order",
    "Members in another order.",
    spelling(4, '"type":"intent","v":1', '"v":1,"type":"intent"'),
)
breaking(
    "rule-duplicate", "A member twice.", spelling(4, '{"gamma":0.5', '{"gamma":0.5,"gamma":0.5')
)
breaking("rule-nan", "A number that is none.", spelling(4, '"gamma":0.5', '"gamma":NaN'))
breaking(
    "rule-large", "An integer beyond 2**53.", spelling(4, '"gamma":0.5', '"gamma":9007199254740993')
)
breaking("rule-key", "A key that is not ASCII.", spelling(4, '"gamma"', '"g\u00e4mma"'))
breaking("rule-escape", "An escape that is not needed.", spelling(5, "caf\u00e9", "caf\\u00e9"))


@attack("rule-not-a-record", "altered")
def _(world: World) -> None:
    """A line with a right hash that is no record, and looks like a change of keys."""
    bodies: list[Any] = list(world.bodies())
    bodies[20] = b'{"note":"PREV","type":"key"}'
    world.reseal(bodies)


# Blobs.


def _blob(world: World) -> str:
    return next(path for path in world.files if path.startswith("blobs/"))


@attack("blob-altered", "altered")
def _(world: World) -> None:
    """A price in an input."""
    world.files[_blob(world)] = b"prizes\n"


@attack("blob-deleted", "missing")
def _(world: World) -> None:
    """An input is gone."""
    del world.files[_blob(world)]


def redaction(**data: object) -> Body:
    """Return the body of a redaction record."""
    return {
        "v": 1,
        "ts": "2026-01-02T01:00:00.000000Z",
        "type": "redaction",
        "actor": "compliance",
        "data": {"ground": "erasure on request", **data},
    }


@attack("blob-erased", "none")
def _(world: World) -> None:
    """An input was erased, and a redaction record says so."""
    path = _blob(world)
    digest = path.removeprefix("blobs/sha256/").replace("/", "")
    del world.files[path]
    bodies: list[Any] = [*world.bodies(), redaction(blob=digest)]
    world.reseal(bodies)


# Content erased from a line.


def erase(world: World, seq: int, /, **changes: object) -> None:
    """Replace a line by a stub that keeps place, link and hash."""
    path, at = world.place(seq)
    lines = world.lines(path)
    record = json.loads(lines[at])
    digest = record.pop("hash")
    kept = ("v", "seq", "ts", "type", "prev_hash", "run_id", "step", "id")
    stub = {name: record[name] for name in kept} | {"redacted": True, **changes}
    lines[at] = dumps(stub)[:-1] + f',"hash":"{digest}"}}\n'.encode()
    world.put(lines, path)


@attack("stub-allowed", "none")
def _(world: World) -> None:
    """A line was erased, and a later redaction record names it."""
    world.reseal([*world.bodies(), redaction(seq=5)])
    erase(world, 5)


@attack("stub-alone", "altered")
def _(world: World) -> None:
    """A line was erased, and nothing says so."""
    erase(world, 5)


@attack("stub-announced", "altered")
def _(world: World) -> None:
    """A redaction record names a line that comes later."""
    bodies: list[Any] = list(world.bodies())
    bodies[20] = {**redaction(seq=21), "ts": bodies[20]["ts"]}
    bodies[21].update({"run_id": "r", "step": "s", "id": "i"})
    world.reseal(bodies)
    erase(world, 21)


@attack("stub-other-link", "altered")
def _(world: World) -> None:
    """A stub whose link is not that of the record."""
    world.reseal([*world.bodies(), redaction(seq=5)])
    erase(world, 5, prev_hash="1" * 64)


@attack("stub-other-seq", "lint")
def _(world: World) -> None:
    """A stub with the seq of another record."""
    world.reseal([*world.bodies(), redaction(seq=5)])
    erase(world, 5, seq=6)


# Keys.


def change_keys(world: World, *changes: Draft, sign: SigningKey) -> None:
    """Append changes of keys, and sign a checkpoint over all."""
    bodies: list[Any] = list(world.bodies())
    for draft in changes:
        body = {
            "v": 1,
            "ts": "2026-01-02T01:00:00.000000Z",
            "type": "key",
            "data": dict(draft.data),
        }
        bodies.append(body)
    world.reseal(bodies)
    paths = [path for path in sorted(world.files) if path.startswith("ledger/audit")]
    lines = [line for path in paths for line in world.lines(path)]
    note = checkpoint_of(lines, sign).note
    world.files[f"ledger/checkpoints/{len(lines):012d}"] = note
    world.files["ledger/checkpoint"] = note


ADD = sign_change("add", SECOND.verify_key, ORIGIN, KEY, SECOND)
RETIRE = sign_change("retire", KEY.verify_key, ORIGIN, KEY)


@attack("key-added", "none")
def _(world: World) -> None:
    """A second key signs after it was added."""
    change_keys(world, ADD, sign=SECOND)


@attack("key-replaced", "none")
def _(world: World) -> None:
    """The second key takes over from the first."""
    change_keys(world, ADD, RETIRE, sign=SECOND)


@attack("key-retired", "signature")
def _(world: World) -> None:
    """The retired key signs."""
    change_keys(world, ADD, RETIRE, sign=KEY)


@attack("key-not-added", "signature")
def _(world: World) -> None:
    """A key signs that was never added."""
    change_keys(world, sign=SECOND)


@attack("key-added-by-stranger", "signature")
def _(world: World) -> None:
    """A stranger adds a key without any valid one."""
    change_keys(world, sign_change("add", STRANGER.verify_key, ORIGIN, STRANGER), sign=STRANGER)


@attack("key-added-unproven", "signature")
def _(world: World) -> None:
    """A key is added that did not sign its addition."""
    change_keys(world, sign_change("add", SECOND.verify_key, ORIGIN, KEY), sign=KEY)


@attack("key-comes-back", "signature")
def _(world: World) -> None:
    """A retired key is added once more."""
    back = sign_change("add", KEY.verify_key, ORIGIN, SECOND, KEY)
    change_keys(world, ADD, RETIRE, back, sign=SECOND)


@attack("key-last-retired", "signature")
def _(world: World) -> None:
    """The only key is retired."""
    change_keys(world, RETIRE, sign=KEY)


# Witnesses.


def cosign(world: World, *, time: int = 1_800_000_000, text: str = "") -> None:
    """Let the witness cosign the newest checkpoint, or another text."""
    for path in ("ledger/checkpoint", "ledger/checkpoints/000000000017"):
        note: Note = parse_note(world.files[path])
        line = cosign_text(text or note.text, WITNESS, time=time)
        world.files[path] = format_note(note.text, [*note.signatures, line])


@attack("witness-signed", "none")
def _(world: World) -> None:
    """The witness of the policy has cosigned."""
    cosign(world)
    world.brings = {"policy": WITNESSED}


@attack("witness-absent", "signature")
def _(world: World) -> None:
    """The witness has not."""
    world.brings = {"policy": WITNESSED}


@attack("witness-wrong", "signature")
def _(world: World) -> None:
    """The witness has cosigned something else."""
    cosign(world, text="example.org/firm/workspace\n1\nAAAA\n")
    world.brings = {"policy": WITNESSED}


@attack("policy-other-log", "signature")
def _(world: World) -> None:
    """The policy names another log."""
    world.brings = {"policy": f"log {STRANGER.verify_key.text}\nquorum none\n"}


@attack("seen-itself", "none")
def _(world: World) -> None:
    """The ledger as it was last seen, and what came since."""
    world.brings = {"last_seen": world.files["ledger/checkpoints/000000000010"].decode()}


@attack("untouched", "none")
def _(world: World) -> None:
    """Nothing was changed."""


def make_vectors() -> dict[str, str]:
    """Return the text of each vector file by its name."""
    base = make_base()
    texts = {"base": _to_text({"files": _encode(base.files)})}
    for name, (change, desc, kinds) in ATTACKS.items():
        world = World(dict(base.files))
        change(world)
        paths = sorted(base.files.keys() | world.files.keys())
        changes = {
            path: world.files.get(path)
            for path in paths
            if world.files.get(path) != base.files.get(path)
        }
        want = sorted(kind for kind in kinds if kind != "none")
        vector = {"desc": desc, "changes": _encode(changes), "brings": world.brings}
        texts[name] = _to_text({**vector, "want": {"ok": not want, "kinds": want}})
    return texts


def _encode(files: dict[str, bytes] | dict[str, bytes | None]) -> dict[str, object]:
    return {path: _encode_file(data) for path, data in files.items()}


def _encode_file(data: bytes | None) -> object:
    if data is None:
        return None
    try:
        return data.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(data).decode()}


def _to_text(value: object) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"


def main() -> None:
    """Write all vectors, and take away those that are no more."""
    texts = make_vectors()
    for path in HERE.glob("*.json"):
        if path.stem not in texts:
            path.unlink()
    for name, text in texts.items():
        (HERE / f"{name}.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
