"""The check that every line passes before it is loaded: its own hash, its link, its place.

Works on the bytes alone. The shape of a line is fixed at both ends of what matters here: the hash
is the last member, and after `"prev_hash"` a line holds only texts, numbers and flat objects of
digests, in which the bytes `"prev_hash":"` and `"seq":` cannot occur unescaped. So no JSON is
parsed, and no two parsers can disagree.

Known limits: that a line is the canonical form of its value, and that pairs of records fit, is
checked by `ledger.verify`; this is the part of it that costs a microsecond a line.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NoReturn

from warehouse.errors import EvidenceAlteredError

if TYPE_CHECKING:
    from collections.abc import Iterable

_TAIL = 75
"""Bytes of `,"hash":"<64 hex>"}` at the end of a line without its LF."""
_PREV = b'"prev_hash":"'
_SEQ = b'"seq":'
_FIX = "run `assay verify`; restore the ledger from a copy that agrees with a signed checkpoint"


def check_lines(lines: Iterable[bytes], first_seq: int, head: str) -> str:
    """Check that `lines` continue a chain, and return the hash of the last one.

    Parameters
    ----------
    lines : iterable of bytes
        Lines without LF, in the order of the file.
    first_seq : int
        The seq that the first of them must state.
    head : str
        The hash of the record before; 64 zeros before the first.

    Raises
    ------
    EvidenceAlteredError
        At the first line whose hash, link or seq is not what it must be, naming the seq.

    Examples
    --------
    >>> check_lines([], 0, "0" * 64) == "0" * 64
    True
    """
    sha256 = hashlib.sha256
    seq, previous = first_seq, head.encode()
    for line in lines:
        tail = line[-_TAIL:]
        stated = tail[9:73]
        if tail[:9] != b',"hash":"' or tail[73:] != b'"}':
            _refuse(seq, 'a line that ends in ,"hash":"<64 hex>"}', repr(tail))
        found = sha256(b"\x00" + line[:-_TAIL] + b"}").hexdigest().encode()
        if found != stated:
            _refuse(seq, f"hash {found.decode()} of its bytes", repr(stated.decode()))
        at = line.rfind(_PREV) + len(_PREV)
        if line[at : at + 64] != previous:
            _refuse(seq, f"prev_hash {previous.decode()}", repr(line[at : at + 64].decode()))
        start = line.find(_SEQ, at) + len(_SEQ)
        number = line[start : line.find(b",", start)]
        if number != b"%d" % seq:
            _refuse(seq, f"seq {seq}", repr(number.decode()))
        seq, previous = seq + 1, stated
    return previous.decode()


def _refuse(seq: int, expected: str, found: str) -> NoReturn:
    raise EvidenceAlteredError(
        f"the chain breaks at seq {seq}: expected {expected}, found {found}",
        where=f"ledger, record {seq}",
        why="only verified records are loaded; a table made from others would prove nothing",
        fix=_FIX,
    )
