"""Check that a weight is what a signed ledger says it is, without the ledger.

A weight proof is one file of canonical JSON. It leads from the weight of a symbol to the record of
the decision, to what that decision was asked and built on, to the closes it was computed from, and
from each record to one signed checkpoint. The bytes are specified in `docs/spec/weight-proof.md`;
`replay/standalone.py` checks the same with the standard library alone and shares nothing with this.

Invariants
----------
1. Every byte of an accepted file is hashed, computed again or fixed: whatever one byte is replaced
   by, the file is refused.
2. Every record that the chain needs is there, and no other.
3. `check_weight` raises nothing but `WeightProofError`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast

import numpy as np

from ledger import LedgerError, dumps, loads, open_trusted, read_checkpoint, sha256
from ledger.policy import known_signatures
from pipeline.fingerprint import panel_digest, parse_panel
from pipeline.values import iso
from replay.chain import (
    FOLLOWED,
    Chain,
    decode,
    exact,
    member,
    members,
    open_entry,
    refuse,
    require,
    text,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ledger import Checkpoint, Policy, Record, VerifyKey
    from pipeline.values import Panel, Payload
    from replay.chain import Decided

FORMAT: Final = "assay-weight-proof/1"
MAX_BYTES: Final = 1 << 26
MEMBERS: Final = ("bars", "checkpoint", "format", "records", "slices", "weight")


@dataclass(frozen=True, slots=True)
class Bar:
    """The last close of a symbol in the rows that a sleeve was weighed on."""

    sleeve: str
    symbol: str
    date: str
    price: float

    def to_payload(self) -> Payload:
        """Return `{"date", "price", "sleeve", "symbol"}`."""
        return {
            "date": self.date,
            "price": self.price,
            "sleeve": self.sleeve,
            "symbol": self.symbol,
        }


@dataclass(frozen=True, slots=True)
class ProvenWeight:
    """What a proof that holds says.

    Attributes
    ----------
    symbol : str
        The symbol.
    value : float
        Its weight, a fraction of the NAV of the sleeve or, of `flatten`, of the whole.
    bars : tuple of Bar
        Its last close in each sleeve that holds it, by sleeve.
    decided : Decided
        The decision that gave the weight.
    below : tuple of Decided
        Every other decision of the chain, in the order of their outcomes.
    run : Record
        What the run was opened with.
    checkpoint : Checkpoint
        The head that all records are under.
    signers : tuple of VerifyKey
        Keys whose signatures were checked: of the log, then of witnesses.
    """

    symbol: str
    value: float
    bars: tuple[Bar, ...]
    decided: Decided
    below: tuple[Decided, ...]
    run: Record
    checkpoint: Checkpoint
    signers: tuple[VerifyKey, ...]

    def to_payload(self) -> Payload:
        """Return the chain as JSON."""
        every = (self.decided, *self.below)
        return {
            "weight": {"decision": self.decided.id, "symbol": self.symbol, "value": self.value},
            "seq": self.decided.outcome.seq,
            "hash": self.decided.outcome.hash,
            "bars": [bar.to_payload() for bar in self.bars],
            "slices": [
                cast("Payload", each.intent.data["slice"])
                for each in every
                if each.step == "optimize"
            ],
            "below": [{"id": each.id, "seq": each.outcome.seq} for each in self.below],
            "snapshots": [*sorted({each.snapshot for each in every if each.snapshot is not None})],
            "run": {
                "id": self.run.run_id,
                "commit": cast("Payload", self.run.data["environment"])["commit"],
                "lock": self.run.inputs["lock"],
                "manifest": self.run.inputs["manifest"],
            },
            "head": {
                "origin": self.checkpoint.origin,
                "size": self.checkpoint.size,
                "root": self.checkpoint.root,
                "signers": [key.name for key in self.signers],
            },
        }


def check_weight(data: bytes, policy: Policy) -> ProvenWeight:
    """Return what a weight proof proves.

    Parameters
    ----------
    data : bytes
        The file.
    policy : Policy
        Whose signatures count; the file may have no others. `ledger.policy_of(keys)` asks for all
        the keys that the caller holds.

    Raises
    ------
    WeightProofError
        If the file has another spelling than the canonical one, or anything in it does not hold.
    """
    stated = _parse(data)
    checkpoint, signers = _open_checkpoint(text(stated, "checkpoint"), policy)
    chain = Chain([open_entry(each, checkpoint) for each in members(stated, "records")])
    weight = exact(stated["weight"], "decision", "symbol", "value")
    decided, symbol = chain.decision(text(weight, "decision")), text(weight, "symbol")
    value, sleeves = find_weight(decided, symbol)
    require(dumps([weight["value"]]) == dumps([value]), f"the weight {value}", weight["value"])
    below = chain.follow(decided, sleeves)
    books = [chain.decision(decided.upstream[f"sleeve.{sleeve}"]) for sleeve in sleeves]
    check_books(decided, books, below, symbol, value)
    optimized = [each for each in (decided, *below.values()) if each.step == "optimize"]
    sources = [chain.source(each) for each in optimized]
    panels = open_slices(members(stated, "slices"), optimized, sources)
    bearing = [optimized_of(book, below) for book in books] or [decided]
    bars = tuple(last_bar(panels[each.id], each.sleeve, symbol) for each in bearing)
    same = dumps(stated["bars"]) == dumps([bar.to_payload() for bar in bars])
    require(same, f"the last bars {bars}", dumps(stated["bars"]))
    run = chain.opening(decided.intent.run_id)
    chain.check_all_used()
    below |= {source.id: source for source in sources}
    ordered = tuple(sorted(below.values(), key=lambda each: each.outcome.seq))
    return ProvenWeight(symbol, value, bars, decided, ordered, run, checkpoint, signers)


def _parse(data: bytes) -> Payload:
    """Return the members of the file, which has one spelling."""
    require(len(data) <= MAX_BYTES, f"at most {MAX_BYTES} bytes", len(data))
    require(data.endswith(b"\n"), "a last line feed", data[-1:])
    try:
        stated = loads(data[:-1])
    except LedgerError as error:
        refuse("canonical JSON and one line feed", error.why)
    return exact(stated, *MEMBERS, format=FORMAT)


def _open_checkpoint(note: str, policy: Policy) -> tuple[Checkpoint, tuple[VerifyKey, ...]]:
    try:
        opened = open_trusted(note.encode(), policy)
        checkpoint = read_checkpoint(opened_note := known_signatures(opened))
    except LedgerError as error:
        refuse("a checkpoint that the policy trusts", error.what)
    require(
        opened_note == note.encode(),
        "signatures of known keys only, one of each, the log's first",
        "others; bring the keys of all witnesses",
    )
    logs = {key.name for key in opened.verified if key in policy.logs}
    require(checkpoint.origin in logs, "the checkpoint of the log that signed it", logs)
    signers = sorted(opened.verified, key=lambda key: (key.algorithm, key.name, key.key_id))
    return checkpoint, tuple(signers)


def find_weight(decided: Decided, symbol: str) -> tuple[float, list[str]]:
    """Return the weight of a symbol that is held and, of `flatten`, the sleeves that hold it."""
    if decided.step == "flatten":
        flat = _flat(decided, symbol)
        sleeves = [text(path, "sleeve") for path in members(flat, "paths")]
        require(sleeves, "sleeves that hold it", sleeves)
        return held_weight(flat.get("net"), symbol), sleeves
    require(decided.step == "optimize", "a decision of optimize or flatten", decided.step)
    return held_weight(decided.weights.get(symbol), symbol), []


def held_weight(value: object, symbol: str) -> float:
    """Return a number other than zero."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value == 0:
        refuse(f"a weight of {symbol} other than zero", value)
    return value


def _flat(decided: Decided, symbol: str) -> Payload:
    flat = members(decided.result, "weights")
    found = [each for each in flat if text(each, "symbol") == symbol]
    require(len(found) == 1, f"one weight of {symbol}", len(found))
    return cast("Payload", found[0])


def check_books(
    decided: Decided,
    books: Sequence[Decided],
    below: Mapping[str, Decided],
    symbol: str,
    value: float,
) -> None:
    """Refuse a flattened weight that is not the sum over its sleeves, and books off their targets.

    The products and their correctly rounded sum are those of `pipeline.meta.flatten`, bit for bit.
    """
    for each in below.values():
        if each.step == "rebalance":
            target = optimized_of(each, below).weights.get(symbol)
            require(each.weights.get(symbol) == target, f"the target {target}", each.id)
    if not books:
        return
    top, parts = below[decided.upstream["weights"]], []
    for book, path in zip(books, members(_flat(decided, symbol), "paths"), strict=True):
        share, sleeve = held_weight(book.weights.get(symbol), symbol), text(path, "sleeve")
        weight = held_weight(top.weights.get(sleeve), sleeve)
        found = member(path, "sleeve_weight", kind=object), member(path, "weight", kind=object)
        require(found == (weight, weight * share), f"the product {weight * share}", found)
        parts.append(weight * share)
    require(math.fsum(parts) == value, f"the sum {math.fsum(parts)}", value)


def optimized_of(book: Decided, below: Mapping[str, Decided]) -> Decided:
    """Return the `optimize` decision that a book goes back to."""
    while book.step in FOLLOWED:
        book = below[book.upstream[FOLLOWED[book.step][0]]]
    require(book.step == "optimize", "a book of an optimized sleeve", book.id)
    return book


def open_slices(
    encoded: Sequence[object], optimized: Sequence[Decided], sources: Sequence[Decided]
) -> dict[str, Panel]:
    """Return id of an `optimize` decision -> its closes, read out of what its digest names."""
    slices = {sha256(preimage): preimage for preimage in map(decode, encoded)}
    ordered = [sha256(decode(each)) for each in encoded]
    require(ordered == sorted(slices), "slices by digest, once", ordered)
    described = [member(each.intent.data, "slice", kind=dict) for each in optimized]
    wanted = sorted({text(each, "sha256") for each in described})
    require(ordered == wanted, f"the slices {wanted}", ordered)
    return {
        each.id: _open_slice(slices[rows["sha256"]], rows, each, source)
        for each, rows, source in zip(optimized, described, sources, strict=True)
    }


def _open_slice(
    preimage: bytes, described: Mapping[str, object], decided: Decided, source: Decided
) -> Panel:
    try:
        panel = parse_panel(preimage)
    except ValueError as error:
        refuse("a panel", error)
    require(len(panel.dates) > 0, "rows", "none")
    first, last, as_of = iso(panel.dates[0]), iso(panel.dates[-1]), decided.intent.data.get("as_of")
    found = (first, last, len(panel.dates), len(panel.symbols))
    stated = tuple(described.get(name) for name in ("first", "last", "rows", "columns"))
    require(found == stated, f"first, last, rows and columns {stated}", found)
    require(isinstance(as_of, str) and last <= as_of, f"no bar after {as_of}", last)
    names, price_field = _origin_of(source)
    require(names == list(panel.symbols), "the symbols of the snapshot", panel.symbols)
    require(described.get("field") == price_field, f"{price_field}", described.get("field"))
    weighed = sorted(decided.weights)
    require(set(weighed) <= set(panel.symbols), "weights of symbols with closes", weighed)
    used = panel_digest(panel.columns(weighed))
    require(decided.result.get("slice_sha256") == used, "the closes that were weighed", used)
    return panel


def _origin_of(source: Decided) -> tuple[list[object], object]:
    """Return the columns of a snapshot and the price that decisions are taken on."""
    if source.step == "ingest":
        return members(source.result, "symbols"), source.result.get("price_field")
    return [text(row, "sleeve") for row in members(source.result, "sleeves")], "close"


def last_bar(panel: Panel, sleeve: str, symbol: str) -> Bar:
    """Return the last close of a symbol."""
    require(symbol in panel.symbols, f"closes of {symbol}", panel.symbols)
    closes = panel.closes[:, panel.symbols.index(symbol)]
    rows = np.flatnonzero(np.isfinite(closes))
    require(len(rows) > 0, f"a close of {symbol}", "none")
    return Bar(sleeve, symbol, iso(panel.dates[rows[-1]]), float(closes[rows[-1]]))
