"""Attacks on what stands around the records: segments, checkpoints, blobs, keys, witnesses."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

from ledger import dumps, sha256
from ledger.note import cosign_text, format_note, parse_note, sign_note
from ledger.rotation import sign_change

if TYPE_CHECKING:
    from collections.abc import Callable

    from ledger import (
        Draft,
        SigningKey,
    )
    from ledger.note import Note
    from tests.vectors.ledger.world import (
        Body,
        World,
    )

from tests.vectors.ledger.attacks_on_records import roll_back
from tests.vectors.ledger.world import (
    ACTIVE,
    FIRST,
    KEY,
    ORIGIN,
    OTHER,
    SECOND,
    STRANGER,
    WITNESS,
    WITNESSED,
    attack,
    breaking,
    checkpoint_of,
    decision_body,
    setting,
    spelling,
)

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


@attack("segment-moved-after-cut", "altered", "missing", "truncated")
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
summarizing("summary-file-size", "Another size of the file.", size=1)
summarizing("summary-file-digest", "Another digest of the file.", sha256="1" * 64)
summarizing("summary-file-ts", "Another last time.", ts="2026-01-01T00:00:00.000000Z")


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


def sign_all(world: World, key: SigningKey = KEY) -> None:
    """Sign a checkpoint over all records."""
    paths = [path for path in sorted(world.files) if path.startswith("ledger/audit")]
    lines = [line for path in paths for line in world.lines(path)]
    note = checkpoint_of(lines, key).note
    world.files[f"ledger/checkpoints/{len(lines):012d}"] = note
    world.files["ledger/checkpoint"] = note


def _erase_blob(world: World) -> None:
    path = _blob(world)
    digest = path.removeprefix("blobs/sha256/").replace("/", "")
    del world.files[path]
    world.reseal([*world.bodies(), redaction(blob=digest)])


@attack("blob-erased", "none")
def _(world: World) -> None:
    """An input was erased, and a redaction record says so."""
    _erase_blob(world)
    sign_all(world)


@attack("blob-erased-unsigned", "missing")
def _(world: World) -> None:
    """An input was erased, and nobody signed for the redaction record."""
    _erase_blob(world)


@attack("blob-erased-other", "missing")
def _(world: World) -> None:
    """An input is gone, and a redaction record names another."""
    del world.files[_blob(world)]
    world.reseal([*world.bodies(), redaction(blob="0" * 64)])
    sign_all(world)


# Content erased from a line.


def stub_of(world: World, seq: int, /, **changes: object) -> bytes:
    """Return the stub of a record, perhaps a wrong one."""
    path, at = world.place(seq)
    record = json.loads(world.lines(path)[at])
    digest = record.pop("hash")
    kept = ("v", "seq", "ts", "type", "prev_hash", "run_id", "step", "id")
    stub = {name: record[name] for name in kept if name in record}
    stub |= {"redacted": True, **changes}
    return dumps(stub)[:-1] + f',"hash":"{digest}"}}\n'.encode()


def erase(world: World, seq: int, /, stub: bytes = b"") -> None:
    """Put a stub in the place of a line."""
    path, at = world.place(seq)
    lines = world.lines(path)
    lines[at] = stub or stub_of(world, seq)
    world.put(lines, path)


def allow(world: World, seq: int, line: bytes = b"", /, **changes: object) -> None:
    """Append a redaction record that allows a stub, and sign for it."""
    stub = sha256((line or stub_of(world, seq))[:-1])
    stated: dict[str, object] = {"seq": seq, "stub": stub}
    world.reseal([*world.bodies(), redaction(**{**stated, **changes})])
    sign_all(world)


@attack("stub-allowed", "none")
def _(world: World) -> None:
    """A line was erased, and a later redaction record names it."""
    allow(world, 5)
    erase(world, 5)


@attack("stub-allowed-later", "none")
def _(world: World) -> None:
    """A line was not erased yet, and a redaction record names it already."""
    allow(world, 5)


@attack("stub-alone", "altered")
def _(world: World) -> None:
    """A line was erased, and nothing says so."""
    erase(world, 5)


@attack("stub-unsigned", "altered")
def _(world: World) -> None:
    """A line was erased, and nobody signed for the redaction record."""
    allowed = sha256(stub_of(world, 5)[:-1])
    world.reseal([*world.bodies(), redaction(seq=5, stub=allowed)])
    erase(world, 5)


@attack("stub-of-another", "altered")
def _(world: World) -> None:
    """A line was erased, and the redaction record names another."""
    allow(world, 7)
    erase(world, 5)


@attack("stub-without-digest", "altered")
def _(world: World) -> None:
    """The redaction record does not state which stub it allows."""
    allow(world, 5, stub=None)
    erase(world, 5)


@attack("stub-odd-redaction", "none")
def _(world: World) -> None:
    """A redaction record of odd values allows nothing, and harms nothing."""
    allow(world, 5, seq=[5], blob={"x": 1})


@attack("stub-seq-true", "altered")
def _(world: World) -> None:
    """True is not 1."""
    allow(world, 1, seq=True)
    erase(world, 1)


@attack("stub-announced", "altered")
def _(world: World) -> None:
    """A redaction record names a line that comes later."""
    bodies: list[Any] = list(world.bodies())
    bodies[21].update({"run_id": "r", "step": "s", "id": "i"})
    bodies[20] = {**redaction(seq=21, stub="0" * 64), "ts": bodies[20]["ts"]}
    world.reseal(bodies)
    sign_all(world)
    erase(world, 21)


@attack("stub-edited", "altered")
def _(world: World) -> None:
    """The id in a lawful stub was changed afterwards: its hash cannot tell, its digest can."""
    allow(world, 5)
    erase(world, 5, stub_of(world, 5, id="run-a/optimize/0/2", type="intent"))


@attack("stub-other-link", "altered")
def _(world: World) -> None:
    """A stub whose link is not that of the record."""
    stub = stub_of(world, 5, prev_hash="1" * 64)
    allow(world, 5, stub)
    erase(world, 5, stub)


@attack("stub-other-seq", "lint")
def _(world: World) -> None:
    """A stub with the seq of another record, allowed by the holder of the key."""
    stub = stub_of(world, 5, seq=6)
    allow(world, 5, stub)
    erase(world, 5, stub)


@attack("stub-with-content", "altered")
def _(world: World) -> None:
    """A stub that brings content of its own."""
    stub = stub_of(world, 5, data={"weights": {"SPY": 1}})
    allow(world, 5, stub)
    erase(world, 5, stub)


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
    sign_all(world, sign)


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


@attack("stub-of-key", "altered", "signature")
def _(world: World) -> None:
    """A change of keys was erased: what the added key signed is nobody's any more."""
    change_keys(world, ADD, sign=SECOND)
    seq = len(world.bodies()) - 1
    stub = stub_of(world, seq)
    world.reseal([*world.bodies(), redaction(seq=seq, stub=sha256(stub[:-1]))])
    sign_all(world, SECOND)
    erase(world, seq, stub)


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
