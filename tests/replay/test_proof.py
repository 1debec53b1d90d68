"""A weight is proven by one file, to our reader and to one that shares nothing with it."""

from __future__ import annotations

import ast
import base64
import contextlib
import copy
import io
import json
import random
import shutil
import subprocess
import sys
import tokenize
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import (
    BlobStore,
    Draft,
    LedgerError,
    Log,
    NotCoveredError,
    SigningKey,
    UntrustedNoteError,
    VerifyKey,
    Witness,
    add_cosignature,
    canonical_digest,
    dumps,
    make_request,
    policy_of,
    prove,
    read_records,
    sha256,
)
from ledger.keys import COSIGNATURE
from ledger.proof import parse_proof
from replay import standalone
from replay.chain import WeightProofError
from replay.errors import EvidenceMissingError, UnknownDecisionError
from replay.proof import MAX_BYTES, ProvenWeight, check_weight
from replay.proving import NotProvableError, prove_weight

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.conftest import Workplace

SOURCE = Path(standalone.__file__)
WITNESSES = [
    SigningKey(f"example.org/witness/{name}", bytes([number]) * 32, COSIGNATURE)
    for number, name in enumerate("ab", 1)
]
QUICK, ALL = 300, 10_000


@dataclass(frozen=True)
class Place:
    """A walked workspace whose newest checkpoint two witnesses cosigned."""

    root: Path
    run_id: str
    key: VerifyKey

    @property
    def keys(self) -> list[VerifyKey]:
        """The key of the log, then those of the witnesses."""
        return [self.key, *(each.verify_key for each in WITNESSES)]

    def prove(self, ordinal: str, symbol: str, *keys: VerifyKey) -> bytes:
        """Return the proof of a weight for somebody who holds `keys`."""
        blobs, policy = BlobStore(self.root / "blobs"), policy_of(keys or [self.key])
        id_ = f"{self.run_id}/{ordinal}/1"
        return prove_weight(self.root / "ledger", blobs, id_, symbol, policy)


@pytest.fixture(scope="module")
def place(walked_once: Workplace, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Return a copy of the walked workspace, cosigned."""
    folder = tmp_path_factory.mktemp("proven")
    shutil.copytree(walked_once.root, folder / ".assay")
    root = folder / ".assay"
    key = VerifyKey.load(root / "keys" / "log.pub")
    for each in WITNESSES:
        witness = Witness(folder / each.name, key=each, logs=[key], clock=lambda: _at(0))
        answer = witness.add_checkpoint(make_request(root / "ledger", 0))
        add_cosignature(root / "ledger", answer, each.verify_key)
    run_id = next(record.run_id for record in read_records(root / "ledger") if record.run_id)
    return Place(root, run_id, key)


def _at(second: int) -> datetime:
    return datetime(2026, 1, 2, tzinfo=UTC) + timedelta(seconds=second)


CASES = {
    "sleeve": ("optimize/stocks.custom.hrp.0003", "JNJ"),
    "meta": ("optimize/meta.custom.risk_parity.0003", "stocks"),
    "flattened": ("flatten/meta.custom.risk_parity.0003", "JNJ"),
}


@pytest.fixture(scope="module")
def proofs(place: Place) -> dict[str, bytes]:
    """Return a proof of each kind under the key of the log, and one that is cosigned."""
    made = {name: place.prove(*case) for name, case in CASES.items()}
    return {**made, "cosigned": place.prove(*CASES["sleeve"], *place.keys)}


def keys_of(place: Place, name: str) -> list[VerifyKey]:
    """Return whose signatures a proof has."""
    return place.keys if name == "cosigned" else [place.key]


def verdicts(data: bytes, keys: list[VerifyKey]) -> tuple[bool, bool]:
    """Return whether our reader and the standalone accept; both refuse in their own way only."""
    try:
        check_weight(data, policy_of(keys))
        ours = True
    except WeightProofError:
        ours = False
    try:
        standalone.check(data, [key.text for key in keys])
        theirs = True
    except standalone.ERRORS:
        theirs = False
    return ours, theirs


ACCEPTED, REFUSED = (True, True), (False, False)


@pytest.mark.parametrize("name", [*CASES, "cosigned"])
def test_both_verifiers_accept(place: Place, proofs: dict[str, bytes], name: str) -> None:
    """A weight of a sleeve, of a sleeve in the meta-portfolio, of a symbol through it."""
    assert verdicts(proofs[name], keys_of(place, name)) == ACCEPTED


def test_the_chain_ends_in_the_bar_of_the_snapshot(
    place: Place, proofs: dict[str, bytes], walked_once: Workplace
) -> None:
    """Weight, bar, run and head are those of ledger and blobs."""
    from pipeline.ingestion.snapshot import from_snapshot  # noqa: PLC0415

    proven = check_weight(proofs["sleeve"], policy_of([place.key]))
    (outcome,) = [
        record
        for record in walked_once.records
        if record["type"] == "outcome" and record["id"] == proven.decided.id
    ]
    assert proven.value == outcome["data"]["result"]["weights"]["JNJ"]
    bars = from_snapshot(BlobStore(place.root / "blobs").get(proven.to_payload()["snapshots"][0]))  # type: ignore[index,arg-type]
    at = [str(d) + s for d, s in zip(bars.date, bars.symbol, strict=True)]
    (bar,) = proven.bars
    assert bar.price == bars.fields["close"][at.index(bar.date + "JNJ")]
    assert bar.date == outcome["data"]["result"]["as_of"]
    assert proven.run.id == f"{place.run_id}/open"
    assert proven.checkpoint.size == len(walked_once.records)


def test_every_weight_of_a_run_is_proven(place: Place) -> None:
    """One symbol of each decision that weighs, whatever engine and window."""
    count = 0
    for record in read_records(place.root / "ledger"):
        if record.type != "outcome" or record.step not in ("optimize", "flatten"):
            continue
        weights: Any = record.data["result"]["weights"]  # type: ignore[index]
        flat = record.step == "flatten"
        held = [w["symbol"] for w in weights] if flat else [s for s, w in weights.items() if w]
        ordinal = record.id.removeprefix(f"{place.run_id}/").removesuffix("/1")
        if count % 7 == 0 or flat:
            assert verdicts(place.prove(ordinal, held[-1]), [place.key]) == ACCEPTED
        count += 1
    assert count > 60


def changed_bytes(data: bytes, count: int, seed: int) -> Iterator[bytes]:
    """Yield copies with one byte at a random place replaced by a random other one."""
    rng = random.Random(seed)  # noqa: S311 - draws places, not keys
    for _ in range(count):
        at = rng.randrange(len(data))
        other = (data[at] + rng.randrange(1, 256)) % 256
        yield data[:at] + bytes([other]) + data[at + 1 :]


@pytest.mark.parametrize("name", ["sleeve", "flattened", "cosigned"])
def test_no_byte_can_be_changed(place: Place, proofs: dict[str, bytes], name: str) -> None:
    """Some hundred random changes of one byte are refused by both."""
    keys = keys_of(place, name)
    for data in changed_bytes(proofs[name], QUICK, 1):
        assert verdicts(data, keys) == REFUSED


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sleeve", "flattened", "cosigned"])
def test_no_byte_can_be_changed_ten_thousand_times(
    place: Place, proofs: dict[str, bytes], name: str
) -> None:
    """10,000 random changes of one byte are refused by both."""
    keys = keys_of(place, name)
    refused = sum(verdicts(d, keys) == REFUSED for d in changed_bytes(proofs[name], ALL, 2))
    assert refused == ALL


@pytest.mark.parametrize("step", [23, pytest.param(1, marks=pytest.mark.slow)])
def test_no_byte_of_the_signatures_can_be_changed(
    place: Place, proofs: dict[str, bytes], step: int
) -> None:
    """Bytes of the note in turn: three lines, the log's signature, two cosignatures."""
    data = proofs["cosigned"]
    start = data.index(b'"checkpoint":"') + 14
    for at in range(start, data.index(b'","format"'), step):
        other = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        assert verdicts(other, place.keys) == REFUSED, at


@pytest.mark.parametrize("name", ["sleeve", "cosigned"])
def test_nothing_can_be_cut_off_or_added(place: Place, proofs: dict[str, bytes], name: str) -> None:
    """At the ends, and of one byte anywhere."""
    data, keys = proofs[name], keys_of(place, name)
    for at in range(0, len(data), 997):
        assert verdicts(data[:at], keys) == REFUSED
        assert verdicts(data[:at] + data[at + 1 :], keys) == REFUSED
        assert verdicts(data[:at] + b" " + data[at:], keys) == REFUSED
    for other in (data + b"\n", b"\n" + data, data[:-1], b"\xef\xbb\xbf" + data, data + data):
        assert verdicts(other, keys) == REFUSED


def structures(value: Any, rebuild: Callable[[Any], Any]) -> Iterator[Any]:
    """Yield the document with one member deleted, added, doubled, swapped or of another type."""
    others: list[Any] = [{}, [], "", 0, None, True]
    for other in others:
        if other != value:
            yield rebuild(other)
    if isinstance(value, dict):
        yield rebuild({**value, "comment": "x"})
        for key, member in value.items():
            yield rebuild({k: v for k, v in value.items() if k != key})
            yield from structures(member, partial(_with_member, value, key, rebuild))
    if isinstance(value, list):
        yield rebuild([*value, "x"])
        for at, member in enumerate(value):
            yield rebuild(value[:at] + value[at + 1 :])
            yield rebuild([*value, member])
            if at and value[at - 1] != member:
                yield rebuild([*value[: at - 1], member, value[at - 1], *value[at + 1 :]])
            yield from structures(member, partial(_with_item, value, at, rebuild))


def _with_member(value: Any, key: str, rebuild: Callable[[Any], Any], new: Any) -> Any:
    return rebuild({**value, key: new})


def _with_item(value: Any, at: int, rebuild: Callable[[Any], Any], new: Any) -> Any:
    return rebuild([*value[:at], new, *value[at + 1 :]])


@pytest.mark.parametrize("name", ["meta", pytest.param("flattened", marks=pytest.mark.slow)])
def test_no_member_can_be_deleted_added_or_swapped(
    place: Place, proofs: dict[str, bytes], name: str
) -> None:
    """Every object and list of the file, at every depth."""
    count = 0
    for other in structures(json.loads(proofs[name]), lambda new: new):
        data = dumps(other) + b"\n"
        assert verdicts(data, [place.key]) == REFUSED, data[:200]
        count += 1
    assert count > 500


def respelled(data: bytes) -> Iterator[bytes]:
    """Yield other spellings of the same document."""
    value = json.loads(data)
    yield json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False).encode() + b"\n"
    yield json.dumps(value, sort_keys=True, separators=(",", ":")).encode() + b"\n"
    backwards = dict(reversed(value.items()))
    yield json.dumps(backwards, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"
    yield data.replace(b'"value":0.2', b'"value":0.20')
    yield data.replace(b'"value":0.2', b'"value":2e-1')
    yield data.replace(b'"price":136.853', b'"price":136.85300000000000001')
    yield data.replace(b'{"bars"', b'{"bars":[],"bars"')
    yield data.replace(b"\\n", b"\\u000a", 1)
    yield data[:-1] + b"\r\n"


def test_a_document_has_one_spelling(place: Place, proofs: dict[str, bytes]) -> None:
    """White space, order, escapes, numbers, a member twice."""
    for data in respelled(proofs["sleeve"]):
        assert data != proofs["sleeve"]
        assert verdicts(data, [place.key]) == REFUSED


def edited(data: bytes, edit: Callable[[Any], None]) -> bytes:
    """Return the proof with its document changed."""
    value = json.loads(data)
    edit(value)
    return dumps(value) + b"\n"


def test_base64_has_one_spelling(place: Place, proofs: dict[str, bytes]) -> None:
    """Bits that no byte holds, missing padding, the other alphabet, blanks."""
    value = json.loads(proofs["sleeve"])
    path = value["records"][2]["path"]
    node = next(each for each in path if "+" in each or "/" in each)
    at, start = path.index(node), value["slices"][0]
    others = [
        node[:-2] + chr(ord(node[-2]) + 1) + "=",
        node[:-1],
        node.translate(str.maketrans("+/", "-_")),
        node + "\n",
    ]
    for other in others:

        def edit(value: Any, other: str = other) -> None:
            value["records"][2]["path"][at] = other

        assert verdicts(edited(proofs["sleeve"], edit), [place.key]) == REFUSED
    data = edited(proofs["sleeve"], lambda value: value.update(slices=[start.rstrip("=") + "\n"]))
    assert verdicts(data, [place.key]) == REFUSED


def test_parts_of_another_proof_are_refused(place: Place, proofs: dict[str, bytes]) -> None:
    """Value, bar, slice, path and record of another weight, symbol or window."""
    own, other = (json.loads(data) for data in (proofs["sleeve"], proofs["flattened"]))
    symbol = json.loads(place.prove("optimize/stocks.custom.hrp.0003", "KO"))
    window = json.loads(place.prove("optimize/stocks.custom.hrp.0004", "JNJ"))
    swaps = [
        {"weight": {**own["weight"], "value": symbol["weight"]["value"]}},
        {"weight": symbol["weight"]},
        {"weight": window["weight"]},
        {"bars": symbol["bars"]},
        {"bars": window["bars"]},
        {"weight": symbol["weight"], "bars": own["bars"]},
        {"slices": window["slices"]},
        {"slices": other["slices"]},
        {"records": window["records"]},
        {"records": other["records"]},
        {"records": [*own["records"], *window["records"][4:]]},
    ]
    swaps += [
        {"records": [*own["records"][:at], each, *own["records"][at + 1 :]]}
        for at, (mine, theirs) in enumerate(zip(own["records"], window["records"], strict=True))
        for each in (theirs, {**mine, "path": theirs["path"]}, {**theirs, "path": mine["path"]})
        if each != mine
    ]
    assert len(swaps) > 20
    for swap in swaps:
        assert verdicts(dumps({**own, **swap}) + b"\n", [place.key]) == REFUSED, list(swap)


def test_another_symbol_of_the_decision_needs_its_own_bar(place: Place) -> None:
    """Two proofs of one decision differ in weight and bar alone."""
    one, two = (json.loads(place.prove(CASES["sleeve"][0], s)) for s in ("JNJ", "KO"))
    assert [name for name in one if one[name] != two[name]] == ["bars", "weight"]


def test_only_the_signatures_of_the_verifier_count(place: Place, proofs: dict[str, bytes]) -> None:
    """Not fewer, not more, not those of others, not in another order."""
    stranger = SigningKey.generate(place.key.name).verify_key
    other_witness = SigningKey.generate(WITNESSES[0].name, algorithm=COSIGNATURE).verify_key
    log, one, two = place.keys
    for keys in (
        [log],
        [log, one],
        [stranger, one, two],
        [log, one, other_witness],
        [log, one, two, other_witness],
    ):
        assert verdicts(proofs["cosigned"], keys) == REFUSED
    assert verdicts(proofs["cosigned"], [log, two, one]) == ACCEPTED
    assert verdicts(proofs["sleeve"], place.keys) == REFUSED
    note = json.loads(proofs["cosigned"])["checkpoint"]
    head, blank, block = note.partition("\n\n")
    lines = block.splitlines(keepends=True)
    notes = [head + "\n", head + blank] + [
        head + blank + "".join(chosen)
        for chosen in (
            lines[:1],
            lines[1:],
            lines[:2],
            [*lines, lines[-1]],
            [lines[0], lines[0], *lines[1:]],
            [lines[0], lines[2], lines[1]],
            [lines[1], lines[0], lines[2]],
        )
    ]
    for other in notes:
        data = dumps({**json.loads(proofs["cosigned"]), "checkpoint": other}) + b"\n"
        assert verdicts(data, place.keys) == REFUSED


def test_a_checkpoint_of_another_ledger_is_refused(
    place: Place, proofs: dict[str, bytes], tmp_path: Path
) -> None:
    """Of the same key and size too: the records are not under its root."""
    own = SigningKey.load(place.root / "keys" / "log.key")
    key = SigningKey(own.name, own.seed)  # without the memory of what it signed before
    with Log.create(tmp_path / "ledger", origin=key.name, key=key, clock=lambda: _at(1)) as log:
        count = check_weight(proofs["sleeve"], policy_of([place.key])).checkpoint.size
        note = Draft(type="note", run_id="", step="", id="", data={"n": 1})
        log.append([note] * (count - 1))
        checkpoint = log.checkpoint(key).note.decode()
    data = edited(proofs["sleeve"], lambda value: value.update(checkpoint=checkpoint))
    assert verdicts(data, [place.key]) == REFUSED


def test_large_files_are_not_read() -> None:
    """The size is bounded before anything is parsed."""
    key = SigningKey.generate("example.org/log").verify_key
    assert verdicts(b"[" * (MAX_BYTES + 1), [key]) == REFUSED
    assert verdicts(b"[" * 100_000 + b"\n", [key]) == REFUSED


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=60))
def test_foreign_bytes_are_refused_in_one_way(data: bytes) -> None:
    """Alone, and as members of a right document."""
    key = SigningKey("example.org/log", bytes(32)).verify_key
    assert verdicts(data, [key]) == REFUSED
    text = data.decode("latin-1")
    members: dict[str, Any] = {"bars": [], "checkpoint": text, "format": "assay-weight-proof/1"}
    document = {**members, "records": [{"line": text, "path": [text]}], "slices": [text]}
    document["weight"] = {"decision": text, "symbol": text, "value": 1}
    assert verdicts(dumps(document) + b"\n", [key]) == REFUSED


# What the holder of the log's key may write: records that hold, and do not hold together.

Drafts = list[dict[str, Any]]


def drafts_of(data: bytes) -> Drafts:
    """Return the records of a proof as drafts, in their order."""
    fields = ("type", "run_id", "step", "id", "status", "inputs", "outputs", "data")
    records = [json.loads(entry["line"]) for entry in json.loads(data)["records"]]
    return [{name: record[name] for name in fields if name in record} for record in records]


def find(drafts: Drafts, type_: str, step: str, sleeve: str = "") -> dict[str, Any]:
    """Return the record of a type and step."""
    return next(
        each
        for each in drafts
        if (each["type"], each["step"]) == (type_, step) and f"/{sleeve}" in each["id"]
    )


def reseal(drafts: Drafts) -> None:
    """State the digests of all results again, where they stand and where they are used."""
    outcomes = {each["id"]: each for each in drafts if each["type"] == "outcome"}
    intents = {each["id"]: each for each in drafts if each["type"] == "intent"}
    for id_, each in outcomes.items():
        each["data"]["result_sha256"] = canonical_digest(each["data"]["result"])
        for role, below in intents[id_]["data"]["upstream"].items():
            if below in outcomes:
                digest = outcomes[below]["data"]["result_sha256"]
                each["data"]["upstream_sha256"][role] = digest


def signed_again(data: bytes, drafts: Drafts, root: Path, key: SigningKey) -> bytes:
    """Return the proof with these records, in a ledger of their own that holds."""
    value = json.loads(data)
    with Log.create(root, origin=key.name, key=key, clock=lambda: _at(1)) as log:
        blobs = [each.pop("blob", None) for each in drafts]
        log.append([Draft(**{"run_id": "", "step": "", "id": "", **each}) for each in drafts])
        value["checkpoint"] = log.checkpoint(key).note.decode()
    value["records"] = []
    for seq, blob in enumerate(blobs, 1):
        proof = parse_proof(prove(root, seq))
        path = [base64.b64encode(node).decode() for node in proof.path]
        entry = {"line": proof.line.decode()[:-1], "path": path}
        value["records"].append(entry if blob is None else {**entry, "result": blob})
    return dumps(value) + b"\n"


def change(type_: str, step: str, path: str, new: object, sleeve: str = "") -> Any:
    """Return a function that sets a field of a record; text in `path` is split at dots."""

    def apply(drafts: Drafts) -> None:
        record = find(drafts, type_, step, sleeve)
        *above, last = path.split(".")
        for name in above:
            record = record[name]
        record[last] = new(record.get(last)) if callable(new) else new

    return apply


def drop(step: str) -> Any:
    """Return a function that takes a decision away."""

    def apply(drafts: Drafts) -> None:
        drafts[:] = [each for each in drafts if each["step"] != step]

    return apply


def later(step: str) -> Any:
    """Return a function that moves an outcome to the end."""

    def apply(drafts: Drafts) -> None:
        outcome = find(drafts, "outcome", step)
        drafts.remove(outcome)
        drafts.append(outcome)

    return apply


def double(step: str) -> Any:
    """Return a function that adds a decision like another one."""

    def apply(drafts: Drafts) -> None:
        for type_ in ("intent", "outcome"):
            drafts.append(copy.deepcopy({**find(drafts, type_, step), "id": "another/1"}))

    return apply


def flat(edit: Callable[[dict[str, Any]], None]) -> Any:
    """Return a function that edits the flattened weight of JNJ."""

    def apply(drafts: Drafts) -> None:
        weights = find(drafts, "outcome", "flatten")["data"]["result"]["weights"]
        edit(next(each for each in weights if each["symbol"] == "JNJ"))

    return apply


OTHER = "0" * 64
LIES: dict[str, Any] = {
    "result of another digest": change("outcome", "select", "data.result_sha256", OTHER),
    "upstream of another digest": change(
        "outcome", "optimize", "data.upstream_sha256.selection", OTHER
    ),
    "no digest of an upstream": change("outcome", "optimize", "data.upstream_sha256", {}),
    "role without a decision": change("intent", "detect", "data.upstream.more", "x/y/z"),
    "another version": change("intent", "optimize", "data.stage", "optimize@2"),
    "another stage": change("intent", "detect", "data.stage", "select@1"),
    "another step": change("outcome", "detect", "step", "select"),
    "unknown step": lambda d: [
        change(t, "detect", "step", "guess")(d) for t in ("intent", "outcome")
    ],
    "failed": change("outcome", "detect", "status", "failed"),
    "rows": change("intent", "optimize", "data.slice.rows", 253),
    "columns": change("intent", "optimize", "data.slice.columns", 9),
    "first row": change("intent", "optimize", "data.slice.first", "2019-02-13"),
    "last row": change("intent", "optimize", "data.slice.last", "2020-02-14"),
    "price": change("intent", "optimize", "data.slice.field", "open"),
    "slice": change("intent", "optimize", "data.slice.sha256", OTHER),
    "no slice": change("intent", "optimize", "data.slice", None),
    "bars of the future": change("intent", "optimize", "data.as_of", "2020-02-12"),
    "no date": change("intent", "optimize", "data.as_of", None),
    "closes that were not weighed": change(
        "outcome", "optimize", "data.result.slice_sha256", OTHER
    ),
    "weights without closes": change(
        "outcome", "optimize", "data.result.weights", lambda w: {**w, "ZZZ": 0}
    ),
    "fewer weights": change(
        "outcome", "optimize", "data.result.weights", lambda w: {"JNJ": w["JNJ"]}
    ),
    "text as a weight": change(
        "outcome", "optimize", "data.result.weights", lambda w: {**w, "JNJ": "0.2"}
    ),
    "weights as a list": change("outcome", "optimize", "data.result.weights", [0.2]),
    "no weight": change("outcome", "optimize", "data.result.weights", lambda w: {**w, "JNJ": 0}),
    "truth as a weight": change(
        "outcome", "optimize", "data.result.weights", lambda w: {**w, "JNJ": True}
    ),
    "snapshot of one": change("intent", "detect", "inputs", {"snapshot": OTHER}),
    "no snapshot": change("intent", "optimize", "inputs", {}),
    "snapshot read": change("intent", "ingest", "inputs", {"snapshot": OTHER}),
    "symbols read": change("outcome", "ingest", "data.result.symbols", lambda s: [*s, "ZZZ"]),
    "price read": change("outcome", "ingest", "data.result.price_field", "open"),
    "sleeve read": change("intent", "ingest", "data.sleeve", "bonds"),
    "run of a decision": lambda d: [
        change(t, "select", "run_id", "another")(d) for t in ("intent", "outcome")
    ],
    "run opened": change("run", "run", "run_id", "another"),
    "run closed": change("run", "run", "status", "ok"),
    "lock": change("run", "run", "data.environment.lock_sha256", OTHER),
    "manifest": change("run", "run", "inputs", lambda i: {**i, "manifest": OTHER}),
    "no environment": change("run", "run", "data.environment", None),
    "no ingestion": drop("ingest"),
    "no selection": drop("select"),
    "no opening": drop("run"),
    "two of one": double("detect"),
    "two ingestions": double("ingest"),
    "result after its use": later("select"),
    "ingestion after its use": later("ingest"),
}
FLAT_LIES: dict[str, Any] = {
    "net": flat(lambda w: w.update(net=0.1)),
    "path": flat(lambda w: w["paths"][0].update(weight=0.1)),
    "sleeve weight": flat(lambda w: w["paths"][0].update(sleeve_weight=0.1)),
    "sleeve": flat(lambda w: w["paths"][0].update(sleeve="factors")),
    "no path": flat(lambda w: w.update(paths=[])),
    "twice": change("outcome", "flatten", "data.result.weights", lambda w: [*w, *w]),
    "target": change("outcome", "rebalance", "data.result.targets", lambda t: {**t, "JNJ": 0.19}),
    "sleeve in the composition": change("outcome", "compose", "data.result.sleeves", []),
    "snapshot of the composition": change("outcome", "compose", "outputs", {"snapshot": OTHER}),
    "book without targets": change("outcome", "rebalance", "data.result", {"as_of": None}),
    "no regime": drop("detect"),
    "weights of a decision that weighs nothing": lambda drafts: change(
        "intent", "flatten", "data.upstream.weights", find(drafts, "intent", "detect")["id"]
    )(drafts),
}


def told(proofs: dict[str, bytes], name: str, tmp_path: Path, lie: Any) -> tuple[bytes, VerifyKey]:
    """Return a proof over records that a lie was told in, and the key that signed it."""
    key = SigningKey("example.org/liar", bytes(32))
    drafts = drafts_of(proofs[name])
    lie(drafts)
    return signed_again(proofs[name], drafts, tmp_path / "ledger", key), key.verify_key


@pytest.mark.parametrize("name", list(CASES))
def test_records_that_hold_together_are_accepted_wherever_they_stand(
    proofs: dict[str, bytes], name: str, tmp_path: Path
) -> None:
    """The same records in a ledger of another key: so the lies below are refused for themselves."""
    data, key = told(proofs, name, tmp_path, reseal)
    assert verdicts(data, [key]) == ACCEPTED


@pytest.mark.parametrize("lie", list(LIES))
def test_lies_of_the_signer_are_refused(proofs: dict[str, bytes], lie: str, tmp_path: Path) -> None:
    """Records that a right key signed, and that contradict each other."""

    def tell(drafts: Drafts) -> None:
        LIES[lie](drafts)
        if "digest" not in lie and "step" not in lie:
            reseal(drafts)

    data, key = told(proofs, "sleeve", tmp_path, tell)
    assert verdicts(data, [key]) == REFUSED


@pytest.mark.parametrize("lie", list(FLAT_LIES))
def test_lies_about_sleeves_are_refused(proofs: dict[str, bytes], lie: str, tmp_path: Path) -> None:
    """Products, sums and targets are computed again."""

    def tell(drafts: Drafts) -> None:
        FLAT_LIES[lie](drafts)
        reseal(drafts)

    data, key = told(proofs, "flattened", tmp_path, tell)
    assert verdicts(data, [key]) == REFUSED


NEW_VALUES: list[Any] = [
    *(None, True, False, 0, 1, -1, 2.5, 1e300, "", "x", OTHER, [], {}, [1], {"a": 1}),
    *("JNJ", "2020-02-13", "ingest", "optimize@1"),
]


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every container of a record with each of its keys."""
    members = value.items() if isinstance(value, dict) else enumerate(value)
    for key, member in list(members):
        yield value, key
        if isinstance(member, dict | list):
            yield from places(member)


def random_lie(rng: random.Random) -> Any:
    """Return a function that changes one value anywhere in the records."""

    def apply(drafts: Drafts) -> None:
        record = drafts[rng.randrange(len(drafts))]
        found = [place for place in places(record) if place[1] not in ("type", "constraints")]
        container, key = found[rng.randrange(len(found))]
        if rng.random() < 0.3 and isinstance(container, dict):
            del container[key]
        else:
            top = container is record and key not in ("data", "inputs", "outputs")
            values = [value for value in NEW_VALUES if isinstance(value, str) or not top]
            container[key] = copy.deepcopy(values[rng.randrange(len(values))])
        if rng.random() < 0.7:
            with contextlib.suppress(KeyError, TypeError, AttributeError, LedgerError):
                reseal(drafts)

    return apply


@pytest.mark.parametrize("count", [60, pytest.param(1_000, marks=pytest.mark.slow)])
def test_the_verifiers_agree_on_whatever_was_signed(
    proofs: dict[str, bytes], tmp_path: Path, count: int
) -> None:
    """One value anywhere in the records is changed before they are signed: the verdicts agree."""
    rng = random.Random(3)  # noqa: S311 - draws places, not keys
    seen = Counter[tuple[bool, bool]]()
    for number in range(count):
        name = list(CASES)[number % len(CASES)]
        try:
            data, key = told(proofs, name, tmp_path / str(number), random_lie(rng))
        except LedgerError:  # no ledger holds such a record
            continue
        seen[verdicts(data, [key])] += 1
    assert set(seen) == {ACCEPTED, REFUSED}


def as_blob(drafts: Drafts) -> None:
    """Move the result of the selection to a blob."""
    outcome = find(drafts, "outcome", "select")
    outcome["blob"] = dumps(outcome["data"].pop("result")).decode()
    outcome["outputs"] = {"result": sha256(outcome["blob"].encode())}


def test_a_result_in_a_blob_is_part_of_the_proof(proofs: dict[str, bytes], tmp_path: Path) -> None:
    """Its bytes are hashed like any other; without them, or with others, nothing is proven."""
    data, key = told(proofs, "sleeve", tmp_path, as_blob)
    assert verdicts(data, [key]) == ACCEPTED
    (at,) = [n for n, entry in enumerate(json.loads(data)["records"]) if "result" in entry]

    def without(value: Any) -> None:
        del value["records"][at]["result"]

    def other(value: Any) -> None:
        value["records"][at]["result"] += " "

    def beside(value: Any) -> None:
        value["records"][at - 1]["result"] = value["records"][at]["result"]

    for edit in (without, other, beside):
        assert verdicts(edited(data, edit), [key]) == REFUSED


def test_only_an_outcome_has_a_result(proofs: dict[str, bytes], tmp_path: Path) -> None:
    """The bytes of any other would stand in the file without a digest that is compared."""

    def tell(drafts: Drafts) -> None:
        intent = find(drafts, "intent", "select")
        intent["blob"], intent["outputs"] = "{}", {"result": sha256(b"{}")}

    data, key = told(proofs, "sleeve", tmp_path, tell)
    assert verdicts(data, [key]) == REFUSED


def test_a_slice_is_a_panel(proofs: dict[str, bytes], tmp_path: Path) -> None:
    """Bytes with the right digest that are no rows at all."""
    lie = change("intent", "optimize", "data.slice.sha256", sha256(b"rows"))
    data, key = told(proofs, "sleeve", tmp_path, lie)
    slices = {"slices": [base64.b64encode(b"rows").decode()]}
    assert verdicts(dumps({**json.loads(data), **slices}) + b"\n", [key]) == REFUSED


def drifted(drafts: Drafts) -> None:
    """Let the meta-portfolio take what the sleeve held at the end of a window."""
    traded = find(drafts, "outcome", "rebalance")
    intent = copy.deepcopy(find(drafts, "intent", "rebalance"))
    id_ = intent["id"].replace("/rebalance/", "/simulate/")
    intent |= {"id": id_, "step": "simulate"}
    intent["data"] |= {"stage": "simulate@1", "upstream": {"trades": traded["id"]}}
    targets = traded["data"]["result"]["targets"]
    held: dict[str, Any] = {
        "cash": 0.01,
        "positions": {symbol: 3 * share for symbol, share in targets.items()},
    }
    data = {"result": {"holdings_end": held}, "upstream_sha256": {"trades": ""}}
    outcome = {**traded, "id": id_, "step": "simulate", "data": data}
    at = drafts.index(find(drafts, "intent", "compose"))
    drafts[at:at] = [intent, outcome]
    roles = find(drafts, "intent", "flatten")["data"]["upstream"]
    roles["sleeve.stocks"] = id_
    nav = held["cash"]
    for symbol in sorted(held["positions"]):
        nav += held["positions"][symbol]

    def edit(weight: dict[str, Any]) -> None:
        (path,) = weight["paths"]
        path["weight"] = path["sleeve_weight"] * (held["positions"]["JNJ"] / nav)
        weight["net"] = path["weight"]

    flat(edit)(drafts)
    reseal(drafts)


def test_a_book_that_drifted_is_followed_to_its_trades(
    proofs: dict[str, bytes], tmp_path: Path
) -> None:
    """A simulation stands for what the sleeve held; its shares are computed again."""
    data, key = told(proofs, "flattened", tmp_path, drifted)
    net = next(
        weight["net"]
        for weight in find(drafts_of(data), "outcome", "flatten")["data"]["result"]["weights"]
        if weight["symbol"] == "JNJ"
    )
    right = edited(data, lambda value: value["weight"].update(value=net))
    assert verdicts(right, [key]) == ACCEPTED
    assert verdicts(data, [key]) == REFUSED


def test_truth_is_not_one(proofs: dict[str, bytes], tmp_path: Path) -> None:
    """JSON has both, Python calls them equal."""
    whole = change("outcome", "optimize", "data.result.weights", lambda w: {**w, "JNJ": 1})

    def tell(drafts: Drafts) -> None:
        whole(drafts)
        reseal(drafts)

    data, key = told(proofs, "sleeve", tmp_path, tell)
    for value, wanted in ((1, ACCEPTED), (True, REFUSED)):
        document = json.loads(data)
        document["weight"]["value"] = value
        assert verdicts(dumps(document) + b"\n", [key]) == wanted


@pytest.mark.parametrize("held", [{}, {"cash": "1", "positions": {}}, {"cash": 0, "positions": {}}])
def test_a_drifted_book_has_cash_and_positions(
    proofs: dict[str, bytes], tmp_path: Path, held: dict[str, Any]
) -> None:
    """Shares of nothing are no shares."""

    def tell(drafts: Drafts) -> None:
        drifted(drafts)
        change("outcome", "simulate", "data.result.holdings_end", held)(drafts)
        reseal(drafts)

    data, key = told(proofs, "flattened", tmp_path, tell)
    assert verdicts(data, [key]) == REFUSED


# The prover.


def recorded(
    proofs: dict[str, bytes], tmp_path: Path, edit: Any, blobs: BlobStore
) -> Callable[[], bytes]:
    """Return a function that proves a weight in a ledger with edited records."""
    data, key = told(proofs, "sleeve", tmp_path, edit)
    id_ = json.loads(data)["weight"]["decision"]
    return partial(prove_weight, tmp_path / "ledger", blobs, id_, "JNJ", policy_of([key]))


def test_a_large_result_is_read_from_its_blob(
    place: Place, proofs: dict[str, bytes], tmp_path: Path
) -> None:
    """The proof carries its bytes."""
    blobs = BlobStore(shutil.copytree(place.root / "blobs", tmp_path / "blobs"))

    def edit(drafts: Drafts) -> None:
        as_blob(drafts)
        blobs.put(find(drafts, "outcome", "select")["blob"].encode())

    data = recorded(proofs, tmp_path, edit, blobs)()
    assert sum("result" in entry for entry in json.loads(data)["records"]) == 1


@pytest.mark.parametrize(
    ("edit", "error"),
    [
        (drop("run"), EvidenceMissingError),
        (drop("ingest"), EvidenceMissingError),
        (drop("select"), UnknownDecisionError),
        (change("outcome", "select", "status", "failed"), EvidenceMissingError),
        (LIES["run of a decision"], NotProvableError),
    ],
)
def test_a_chain_with_a_hole_is_not_proven(
    place: Place, proofs: dict[str, bytes], tmp_path: Path, edit: Any, error: type[Exception]
) -> None:
    """Opening, ingestion, a decision; or one of them of another run."""
    with pytest.raises(error):
        recorded(proofs, tmp_path, edit, BlobStore(place.root / "blobs"))()


def test_an_older_head_serves_while_the_newest_is_not_cosigned(
    place: Place, tmp_path: Path
) -> None:
    """The newest checkpoint over the records that meets the policy."""
    root = tmp_path / ".assay"
    shutil.copytree(place.root, root)
    key = SigningKey.load(root / "keys" / "log.key")
    with Log.open(root / "ledger", clock=lambda: datetime.now(UTC)) as log:
        log.append([Draft(type="note", run_id="", step="", id="", data={"n": 1})])
        newest = log.checkpoint(key).size
    mine = Place(root, place.run_id, place.key)
    for keys, size in (([place.key], newest), (place.keys, newest - 1)):
        proven = check_weight(mine.prove(*CASES["sleeve"], *keys), policy_of(keys))
        assert proven.checkpoint.size == size


@pytest.mark.parametrize(
    ("ordinal", "symbol", "error"),
    [
        ("optimize/stocks.custom.hrp.0003", "ZZZ", NotProvableError),
        ("optimize/stocks.custom.min_variance.0003", "BAC", NotProvableError),
        ("flatten/meta.custom.risk_parity.0003", "ZZZ", NotProvableError),
        ("select/stocks.0003", "JNJ", NotProvableError),
        ("optimize/nothing", "JNJ", UnknownDecisionError),
    ],
)
def test_what_has_no_weight_is_not_proven(
    place: Place, ordinal: str, symbol: str, error: type[Exception]
) -> None:
    """A symbol that is not there or has weight zero, a decision that weighs nothing."""
    with pytest.raises(error):
        place.prove(ordinal, symbol)


def test_no_checkpoint_no_proof(walked: Workplace, place: Place) -> None:
    """The error names the command that signs one."""
    for path in (walked.root / "ledger" / "checkpoints").iterdir():
        if path.name != f"{1:012d}":
            path.unlink()
    shutil.copy(
        walked.root / "ledger" / "checkpoints" / f"{1:012d}", walked.root / "ledger" / "checkpoint"
    )
    with pytest.raises(NotCoveredError) as caught:
        Place(walked.root, place.run_id, place.key).prove(*CASES["sleeve"])
    assert "assay checkpoint" in caught.value.fix


def test_a_policy_that_is_not_met_is_not_proven(place: Place) -> None:
    """A witness that never cosigned cannot be conjured."""
    absent = SigningKey.generate("example.org/absent", algorithm=COSIGNATURE).verify_key
    with pytest.raises(UntrustedNoteError):
        place.prove(*CASES["sleeve"], place.key, absent)


def test_altered_evidence_is_not_proven(walked: Workplace, place: Place) -> None:
    """Neither records nor blobs."""
    path = walked.root / "ledger" / "audit.jsonl"
    whole = path.read_bytes()
    mine = Place(walked.root, place.run_id, place.key)
    path.write_bytes(whole.replace(b'"JNJ":0.2,', b'"JNJ":0.3,'))
    with pytest.raises((WeightProofError, EvidenceMissingError, LedgerError)):
        mine.prove(*CASES["sleeve"])
    path.write_bytes(whole)
    proven = check_weight(mine.prove(*CASES["sleeve"]), policy_of([place.key]))
    snapshot = proven.decided.snapshot
    assert snapshot is not None
    BlobStore(walked.root / "blobs").path(snapshot).unlink()
    with pytest.raises(LedgerError):
        mine.prove(*CASES["sleeve"])


def test_a_proof_says_what_it_proves(place: Place, proofs: dict[str, bytes]) -> None:
    """The payload is JSON with the same names for every kind."""
    payloads = [
        check_weight(proofs[name], policy_of(keys_of(place, name))).to_payload() for name in proofs
    ]
    assert len({tuple(payload) for payload in payloads}) == 1
    assert json.loads(dumps(payloads[0])) == payloads[0]
    assert payloads[-1]["head"]["signers"] == [key.name for key in place.keys]  # type: ignore[index,call-overload]
    assert isinstance(check_weight(proofs["meta"], policy_of([place.key])), ProvenWeight)


# The verifier in one file.


def test_the_standalone_runs_alone(place: Place, proofs: dict[str, bytes], tmp_path: Path) -> None:
    """As a stranger runs it: a copied file, without site packages and environment."""
    shutil.copy(SOURCE, tmp_path / "verifier.py")
    (tmp_path / "proof").write_bytes(proofs["cosigned"])
    command = [sys.executable, "-I", "-S", str(tmp_path / "verifier.py"), str(tmp_path / "proof")]
    keys = [key.text for key in place.keys]
    done = subprocess.run([*command, *keys], capture_output=True, check=False, text=True)
    assert done.returncode == 0, done
    assert done.stdout.endswith("\nPASS\n")
    assert "JNJ 0.2" in done.stdout
    done = subprocess.run([*command, keys[0]], capture_output=True, check=False, text=True)
    assert (done.returncode, done.stdout[:5]) == (3, "FAIL ")


def test_main_prints_the_first_thing_that_does_not_hold(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], proofs: dict[str, bytes], place: Place
) -> None:
    """Exit code 3, also for a file that is not there."""
    (tmp_path / "proof").write_bytes(proofs["sleeve"].replace(b"136.853", b"136.854"))
    for name in ("proof", "nothing"):
        assert standalone.main([str(tmp_path / name), place.key.text]) == 3
    said = capsys.readouterr().out
    assert said.count("FAIL") == 2
    assert "last bars" in said


Json = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(max_codepoint=127), max_size=6), inner, max_size=4)
    ),
    max_leaves=8,
)


@given(Json)
def test_the_standalone_spells_json_as_the_ledger_does(value: Any) -> None:
    """Numbers, escapes and order; its numbers are floats."""
    try:
        expected = dumps(value)
    except LedgerError:
        return
    assert standalone.canonical(value).encode() == expected
    assert standalone.canonical(standalone.parse(expected)).encode() == expected


@settings(max_examples=15, deadline=None)
@given(st.binary(min_size=32, max_size=32), st.binary(max_size=40), st.integers(0, 511))
def test_the_standalone_judges_signatures_as_the_library(
    seed: bytes, message: bytes, bit: int
) -> None:
    """A right one passes; with one bit changed it does not."""
    key = SigningKey("example.org/log", seed)
    signature = bytearray(key.sign(message))
    assert standalone.is_signed(key.verify_key.public, message, bytes(signature))
    signature[bit // 8] ^= 1 << bit % 8
    assert not standalone.is_signed(key.verify_key.public, message, bytes(signature))


def lines_of_code(text: str) -> set[int]:
    """Return the lines that are no blank line, comment or docstring."""
    described = {
        number
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Module | ast.FunctionDef) and ast.get_docstring(node)
        for number in range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1)
    }
    silent = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT}
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    told = {
        number
        for token in tokens
        if token.type not in silent and token.type != tokenize.ENDMARKER
        for number in range(token.start[0], token.end[0] + 1)
    }
    return told - described


def test_the_standalone_is_short_and_stands_alone() -> None:
    """At most 200 lines of code, and only the standard library."""
    text = SOURCE.read_text(encoding="utf-8")
    assert ast.parse(text, feature_version=(3, 8))
    assert len(lines_of_code(text)) <= 200
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            assert {each.name for each in node.names} <= sys.stdlib_module_names
        if isinstance(node, ast.ImportFrom):
            assert node.module in sys.stdlib_module_names
