"""A verifier in one file, with the standard library of Python 3.8 or later and nothing else.

It shares no code with the rest, so that the two can contradict each other. Copy it anywhere::

    python standalone.py bundle FOLDER [VKEY]
    python standalone.py ledger LEDGER_FOLDER [VKEY [BLOBS_FOLDER]]
    python standalone.py proof PROOF_FILE VKEY

The first checks an unpacked evidence bundle: its list of files, then its ledger and blobs. The
second checks every line, link, checkpoint and change of keys, and that each blob of a folder has
its name and is named by a record. Without a key, or with `-`, the one that the ledger names is
taken. The third checks that one record is under a signed root. Exit code 0 or 3.
"""

from __future__ import annotations

import base64
import fileinput
import hashlib
import json
import re
import sys
import zlib
from pathlib import Path
from typing import AnyStr, Tuple  # noqa: UP035 - Python 3.8

PROOF = re.compile(
    rb"c2sp\.org/tlog-proof@v1\nextra (\S+)\nindex (0|[1-9][0-9]*)\n((?:\S{44}\n)*)\n(.*)",
    re.DOTALL,
)
LINE = re.compile(rb'([^\n]*"prev_hash":"([0-9a-f]{64})"[^\n]*),"hash":"([0-9a-f]{64})"\}\n')
NOTE = re.compile(rb"((?:[^\x00-\x1f\x7f]+\n)+)\n((?:[^\x00-\x1f\x7f]+\n)+)")
CHECKPOINT = re.compile(r"(.+)\n(0|[1-9][0-9]*)\n(.{44})\n")
CHANGE = re.compile(r"assay-ledger/1 key\n(.+)\n(add|retire) (.+)\n")
FILES = re.compile(
    r"README\.md|verify(\.sh|\.sql|(-weight)?\.py)|keys/(windows\.txt|[0-9a-f]{8}\.vkey)"
    r"|ledger/(audit(-[0-9]{12})?\.jsonl|checkpoint|(checkpoints|segments)/[0-9]{12})"
    r"|ledger/anchors/[0-9]{12}[-._A-Za-z0-9]*|blobs/sha256/[0-9a-f]{2}/[0-9a-f]{62}"
)
P = 2**255 - 19
Q = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT_OF_MINUS_1 = pow(2, (P - 1) // 4, P)
LENGTH = 32
FOREVER = 1 << 62
CONTENT = {"status", "actor", "inputs", "outputs", "data"}
MARKS = (b'"type":"key"', b'"type":"redaction"')
Point = Tuple[int, int, int, int]  # noqa: UP006 - Python 3.8 evaluates this


def require(holds: object, message: str) -> None:
    """Stop at the first thing that does not hold; `python -O` does not take this away."""
    if not holds:
        raise ValueError(message)


def decode(text: str) -> bytes:
    """Return the bytes of base64 in its one spelling."""
    data = base64.b64decode(text, validate=True)
    require(base64.b64encode(data).decode() == text, "another spelling of base64")
    return data


def sha256(data: bytes) -> str:
    """Return the digest in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def match_of(pattern: re.Pattern[AnyStr], text: AnyStr) -> tuple[AnyStr, ...]:
    """Return the groups of a pattern that must match a whole text."""
    match = pattern.fullmatch(text)
    if match is None:
        raise ValueError(f"malformed: {text[:40]!r}")
    return match.groups()


def leaf_of(line: bytes, before: str) -> tuple[str, bool]:
    """Return the hash that a line states, which must follow `before`, and whether it is its own."""
    body, link, stated = match_of(LINE, line)
    require(before in ("", link.decode()), "a link is broken")
    return stated.decode(), sha256(b"\0" + body + b"}").encode() == stated


def roots_at(sizes: set[int], leaves: list[str]) -> dict[int, str]:
    """Return the RFC 6962 root of the first so many leaves, for each of the sizes."""
    nodes: list[str] = []
    roots = {0: sha256(b"")}
    for size, leaf in enumerate(leaves, 1):
        nodes.append(leaf)
        for _ in range((size & -size).bit_length() - 1):
            nodes[-2:] = [sha256(b"\1" + bytes.fromhex(nodes[-2] + nodes[-1]))]
        if size in sizes:
            roots[size] = nodes[-1]
            for node in nodes[-2::-1]:
                roots[size] = sha256(b"\1" + bytes.fromhex(node + roots[size]))
    return roots


def climb(leaf: str, index: int, size: int, path: list[str]) -> str:
    """Return the root to which an inclusion proof leads."""
    require(index < size, "not a proof")
    node, last = leaf, size - 1
    while last:
        if index % 2 or index < last:
            other = path.pop(0)
            node = sha256(b"\1" + bytes.fromhex(other + node if index % 2 else node + other))
        index, last = index // 2, last // 2
    require(not path, "a proof that is too long")
    return node


def open_note(note: bytes, vkeys: list[str]) -> tuple[str, set[str]]:
    """Return the text of a note, and those of the keys that signed it; a wrong signature stops."""
    text, lines = match_of(NOTE, note)
    known = {tuple(vkey.split("+", 2)[:2]): vkey for vkey in vkeys}
    signers = set()
    for line in lines.decode()[:-1].split("\n"):
        dash, name, encoded = line.split(" ")
        signature = decode(encoded)
        vkey = known.get((name, signature[:4].hex()), "")
        if vkey and vkey not in signers:
            public = decode(vkey.split("+", 2)[2])[1:]
            holds = verify_ed25519(public, text, signature[4:])
            require(dash == "\u2014" and holds, f"a wrong signature of {name}")
            signers.add(vkey)
    require(signers, "not signed by a known key")
    return text.decode(), signers


def open_checkpoint(note: bytes, vkeys: list[str]) -> tuple[str, int, str]:
    """Return origin, size and root of a checkpoint that one of the keys signed."""
    origin, size, root = match_of(CHECKPOINT, open_note(note, vkeys)[0])
    return origin, int(size), decode(root).hex()


def add(a: Point, b: Point) -> Point:
    """Add two points of Edwards25519, in extended coordinates."""
    s = (a[1] - a[0]) * (b[1] - b[0]) % P
    t = (a[1] + a[0]) * (b[1] + b[0]) % P
    u, v = 2 * a[3] * b[3] * D % P, 2 * a[2] * b[2] % P
    e, f, g, h = t - s, v - u, v + u, t + s
    return e * f % P, g * h % P, f * g % P, e * h % P


def multiply(factor: int, point: Point) -> Point:
    """Return a multiple of a point."""
    total: Point = (0, 1, 1, 0)
    while factor:
        total = add(total, point) if factor & 1 else total
        point, factor = add(point, point), factor >> 1
    return total


def decompress(text: bytes) -> Point:
    """Return the point of 32 bytes."""
    y = int.from_bytes(text, "little")
    sign, y = y >> 255, y & ((1 << 255) - 1)
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    x = x if (x * x - square) % P == 0 else x * ROOT_OF_MINUS_1 % P
    require(y < P and (x * x - square) % P == 0 and (x or not sign), "not a point")
    x = x if x & 1 == sign else P - x
    return x, y, 1, x * y % P


def verify_ed25519(public: bytes, message: bytes, signature: bytes) -> bool:
    """Return whether a signature of RFC 8032 holds."""
    r, s = signature[:LENGTH], int.from_bytes(signature[LENGTH:], "little")
    digest = hashlib.sha512(r + public + message).digest()
    factor = int.from_bytes(digest, "little") % Q
    left = multiply(s, decompress((4 * pow(5, P - 2, P) % P).to_bytes(LENGTH, "little")))
    right = add(decompress(r), multiply(factor, decompress(public)))
    same_x = (left[0] * right[2] - right[0] * left[2]) % P == 0
    same_y = (left[1] * right[2] - right[1] * left[2]) % P == 0
    return len(signature) == 2 * LENGTH and s < Q and same_x and same_y


def valid_at(size: int, keys: dict[str, tuple[int, int]]) -> list[str]:
    """Return the keys that may sign for so many records."""
    return [key for key, (first, last) in keys.items() if first <= size <= last]


def change_keys(keys: dict[str, tuple[int, int]], note: str, seq: int, origin: str) -> None:
    """Take over what the `key` record at `seq` states."""
    text = note.partition("\n\n")[0] + "\n"
    name, action, vkey = match_of(CHANGE, text)
    valid, left = valid_at(seq, keys), valid_at(seq + 1, keys)
    signers = open_note(note.encode(), [*valid, vkey])[1]
    require(name == origin and signers & {*valid}, f"record {seq}: no valid key signed the change")
    if action == "add":
        require(vkey in signers and vkey not in keys, f"record {seq}: a key that may not come")
        keys[vkey] = (seq + 1, FOREVER)
    else:
        require(vkey in left and len(left) > 1, f"record {seq}: a key that may not go")
        keys[vkey] = (keys[vkey][0], seq)


def read_lines(
    folder: Path, vkey: str, blobs: set[str], covered: int
) -> tuple[str, list[str], dict[str, tuple[int, int]]]:
    """Check all lines; return origin, hashes, keys. Blobs that records name leave the set."""
    origin, leaves, before = "", [], "0" * 64
    keys: dict[str, tuple[int, int]] = {}
    stubs: dict[str, int] = {}
    paths = sorted(path for path in folder.iterdir() if path.name.startswith("audit"))
    require(paths, "no segment")
    with fileinput.FileInput(paths, mode="rb", openhook=fileinput.hook_compressed) as lines:
        for seq, line in enumerate(lines):
            if lines.isfirstline():
                named = Path(lines.filename()).name
                fits = named.startswith(("audit.jsonl", f"audit-{seq:012d}.jsonl"))
                require(fits, f"not the segment of record {seq}: {named}")
            before, own = leaf_of(line, before)
            leaves.append(before)
            if own and seq and not (blobs or any(mark in line for mark in MARKS)):
                continue
            record = json.loads(line)
            data = record.get("data", {})
            blobs -= {*record.get("inputs", {}).values(), *record.get("outputs", {}).values()}
            if not own:
                erased = record.get("redacted") is True and not CONTENT & record.keys()
                require(erased, f"record {seq} does not state its own hash")
                stubs[sha256(line[:-1])] = seq
            elif seq == 0:
                origin = data["origin"]
                keys[data["vkey"] if vkey in ("", "-") else vkey.strip()] = (0, FOREVER)
            elif record["type"] == "key":
                change_keys(keys, data["note"], seq, origin)
            elif stubs.get(data.get("stub"), seq) < seq < covered:
                require(str(stubs.pop(data["stub"])) == str(data["seq"]), "a stub of another place")
    require(not stubs, f"no later redaction allows the stubs {sorted(stubs.values())[:3]}")
    require(not blobs, f"a blob that no record names: {sorted(blobs)[:1]}")
    return origin, leaves, keys


def verify_ledger(folder: Path, vkey: str = "", blobs: str = "", stated: str = "") -> str:
    """Check all lines, changes of keys and checkpoints of a ledger, and the blobs of a folder."""
    stored = [path for path in Path(blobs).rglob("*") if path.is_file()] if blobs else []
    for path in stored:
        require(sha256(path.read_bytes()) == path.parent.name + path.name, f"altered: {path}")
    notes = [*sorted((folder / "checkpoints").iterdir()), folder / "checkpoint"]
    sizes = [int(path.read_bytes().split(b"\n")[1]) for path in notes]
    named = {path.parent.name + path.name for path in stored}
    origin, leaves, keys = read_lines(folder, vkey, named, max(sizes))
    roots = roots_at(set(sizes), leaves)
    for path, size in zip(notes, sizes):  # noqa: B905 - `strict` came with Python 3.10
        name, _, root = open_checkpoint(path.read_bytes(), valid_at(size, keys))
        require(name == origin, f"a checkpoint of another ledger: {path.name}")
        require(size in roots, "records that were signed are not there")
        require(roots[size] == root, f"not the records that were signed: {path.name}")
    pinned = {path.read_text(encoding="utf-8").strip() for path in Path(stated).glob("*.vkey")}
    require(not stated or pinned == set(keys), "not the keys that the ledger states")
    checked = f"{len(notes) - 1} checkpoints, {len(keys)} keys, {len(stored)} blobs"
    covered = f"{max(sizes)} under a checkpoint"
    return f"{len(leaves)} records, head {leaves[-1]}, {covered}\n  checked: {checked}"


def verify_bundle(folder: Path, vkey: str = "") -> str:
    """Check an unpacked evidence bundle: every file that is listed, and no other."""
    manifest = (folder / "MANIFEST.sha256").read_text(encoding="utf-8").splitlines()
    listed = {line[66:]: line[:64] for line in manifest}
    found = [path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir()]
    names = {path.relative_to(folder).as_posix() for path in found} - {"MANIFEST.sha256"}
    require(names == set(listed), f"not as listed: {sorted(names ^ set(listed))[:3]}")
    for name, digest in listed.items():
        require(FILES.fullmatch(name) and not (folder / name).is_symlink(), f"not ours: {name}")
        require(sha256((folder / name).read_bytes()) == digest, f"not as listed: {name}")
    result = verify_ledger(folder / "ledger", vkey, str(folder / "blobs"), str(folder / "keys"))
    newest = max((folder / "ledger" / "checkpoints").iterdir()).read_bytes()
    require((folder / "ledger" / "checkpoint").read_bytes() == newest, "not the newest checkpoint")
    require(result.split()[0] == result.split()[4], "records that are not under the checkpoint")
    return f"{result}, {len(listed)} files"


def verify_proof(path: Path, vkey: str) -> str:
    """Check the proof of one record."""
    extra, index, nodes, note = match_of(PROOF, path.read_bytes())
    record = decode(extra.decode())
    origin, size, root = open_checkpoint(note, [vkey.strip()])
    leaf, own = leaf_of(record, "")
    require(own and json.loads(record)["seq"] == int(index), "a record of another place")
    steps = [decode(line).hex() for line in nodes.decode().split()]
    require(climb(leaf, int(index), size, steps) == root, "not under the signed root")
    return f"record {int(index)} of {origin}: {record.decode().strip()}"


CHECKS = {"bundle": verify_bundle, "ledger": verify_ledger, "proof": verify_proof}


def main(arguments: list[str]) -> int:
    """Run one check; print PASS or FAIL."""
    what, path, *rest = arguments
    try:
        result = CHECKS[what](Path(path), *rest)  # type: ignore[operator]
    except (
        OSError,
        EOFError,
        ValueError,
        TypeError,
        LookupError,
        zlib.error,
        RecursionError,
    ) as error:
        sys.stdout.write(f"FAIL {error}\n")
        return 3
    sys.stdout.write(f"PASS {result}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
