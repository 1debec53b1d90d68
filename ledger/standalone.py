"""A verifier in one file, with the standard library of Python 3.8 or later and nothing else.

It shares no code with the rest, so that the two can contradict each other. Copy it anywhere::

    python standalone.py ledger LEDGER_FOLDER [VKEY]
    python standalone.py proof PROOF_FILE VKEY

The first checks every line, link and checkpoint; without a key it takes the one that the ledger
names itself. The second checks that one record is under a signed root. Exit code 0 or 3.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
import sys
import zlib
from pathlib import Path
from typing import Tuple  # noqa: UP035 - Python 3.8

LINE = re.compile(rb'(.*),"hash":"([0-9a-f]{64})"\}\n', re.DOTALL)
LINK = re.compile(rb'.*"prev_hash":"([0-9a-f]{64})"', re.DOTALL)
NOTE = re.compile(rb"((.+)\n(0|[1-9][0-9]*)\n([^\n]{44})\n)\n((?:.+\n)+)")
P = 2**255 - 19
Q = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT_OF_MINUS_1 = pow(2, (P - 1) // 4, P)
LENGTH = 32
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


def leaf_of(line: bytes, before: bytes | None) -> bytes:
    """Return the hash of a line, which must be its own and follow `before`."""
    match = LINE.fullmatch(line)
    if match is None or b"\n" in match[1]:
        raise ValueError("not a record")
    digest = hashlib.sha256(b"\0" + match[1] + b"}").digest()
    require(digest.hex().encode() == match[2], "a record does not state its own hash")
    link = LINK.match(match[1])
    require(before is None or (link and link[1] == before.hex().encode()), "a link is broken")
    return digest


def root_of(leaves: list[bytes]) -> bytes:
    """Return the RFC 6962 root."""
    nodes = leaves or [hashlib.sha256(b"").digest()]
    while len(nodes) > 1:
        pairs = zip(nodes[::2], nodes[1::2])  # noqa: B905 - `strict` came with Python 3.10
        rest = nodes[-1:] if len(nodes) % 2 else []
        nodes = [hashlib.sha256(b"\1" + left + right).digest() for left, right in pairs] + rest
    return nodes[0]


def climb(leaf: bytes, index: int, size: int, path: list[bytes]) -> bytes:
    """Return the root to which an inclusion proof leads."""
    require(index < size and all(len(node) == LENGTH for node in path), "not a proof")
    node, last, rest = leaf, size - 1, list(path)
    while last:
        if index % 2 or index < last:
            other = rest.pop(0)
            node = hashlib.sha256(b"\1" + (other + node if index % 2 else node + other)).digest()
        index, last = index // 2, last // 2
    require(not rest, "a proof that is too long")
    return node


def open_note(note: bytes, vkey: str) -> tuple[str, int, bytes]:
    """Return origin, size and root of a checkpoint that the key signed."""
    name, key_id, key = vkey.strip().split("+", 2)
    match = NOTE.fullmatch(note)
    if match is None:
        raise ValueError("not a checkpoint")
    start = f"\u2014 {name} "
    lines = [line for line in match[5].decode().split("\n") if line.startswith(start)]
    signatures = [decode(line[len(start) :]) for line in lines]
    own = [each[4:] for each in signatures if each[:4].hex() == key_id]
    require(own and verify_ed25519(decode(key)[1:], match[1], own[0]), f"not signed by {name}")
    return match[2].decode(), int(match[3]), decode(match[4].decode())


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


def verify_ledger(folder: Path, vkey: str = "") -> str:
    """Check all lines and checkpoints of a ledger; every segment must be there."""
    leaves: list[bytes] = []
    before = bytes(LENGTH)
    for path in sorted(path for path in folder.iterdir() if path.name.startswith("audit")):
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as lines:
            for line in lines:
                before = leaf_of(line, before)
                vkey = vkey or json.loads(line)["data"]["vkey"]
                leaves.append(before)
    newest = 0
    for path in [*sorted((folder / "checkpoints").iterdir()), folder / "checkpoint"]:
        _, size, root = open_note(path.read_bytes(), vkey)
        require(size <= len(leaves), "records that were signed are not there")
        require(root_of(leaves[:size]) == root, f"not the records that were signed: {path.name}")
        newest = max(newest, size)
    return f"{len(leaves)} records, head {before.hex()}, {newest} under a checkpoint"


def verify_proof(path: Path, vkey: str) -> str:
    """Check the proof of one record."""
    head, _, note = path.read_bytes().partition(b"\n\n")
    lines = head.decode().split("\n")
    fixed = [lines[0], lines[1][:6], lines[2][:6]]
    require(fixed == ["c2sp.org/tlog-proof@v1", "extra ", "index "], "not a proof")
    record, index = decode(lines[1][6:]), int(lines[2][6:])
    origin, size, root = open_note(note, vkey)
    nodes = [decode(line) for line in lines[3:]]
    require(json.loads(record)["seq"] == index, "a record of another place")
    require(climb(leaf_of(record, None), index, size, nodes) == root, "not under the signed root")
    return f"record {index} of {origin}: {record.decode().strip()}"


def main(arguments: list[str]) -> int:
    """Run one check; print PASS or FAIL."""
    what, path, *rest = arguments
    try:
        result = (verify_proof if what == "proof" else verify_ledger)(Path(path), *rest)
    except (OSError, EOFError, ValueError, TypeError, LookupError, zlib.error) as error:
        sys.stdout.write(f"FAIL {error}\n")
        return 3
    sys.stdout.write(f"PASS {result}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
