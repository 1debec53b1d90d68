"""Attacks on records, their chain and their order, and on the end of the ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ledger.record import splice

if TYPE_CHECKING:
    from collections.abc import Callable

    from ledger import (
        SigningKey,
    )
    from tests.vectors.ledger.world import (
        World,
    )


from tests.vectors.ledger.world import (
    ACTIVE,
    FIRST,
    KEY,
    ORIGIN,
    POLICY,
    SEGMENT,
    STRANGER,
    attack,
    changing,
    setting,
)

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
