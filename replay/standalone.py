"""A verifier of weight proofs in one file, with the standard library of Python 3.8 or later.

It shares no code with the rest, so that the two can contradict each other. Copy it anywhere::

    python standalone.py PROOF VKEY [WITNESS_VKEY...]

VKEY is the log's, from somebody you trust more than who gave you the proof; all witnesses named
must have cosigned, and no others. Prints the chain and PASS, or FAIL and what does not hold.
"""

# ruff: noqa: ANN401, B905, PLR2004 - JSON, Python 3.8, numbers of the standards
from __future__ import annotations

import base64
import json
import math
import re
import struct
import sys
from datetime import date
from decimal import Decimal
from hashlib import sha256, sha512
from pathlib import Path
from typing import Any as Json

LINE = re.compile(rb'([^\n]*),"hash":"([0-9a-f]{64})"\}')
NOTE = re.compile("((.+)\n(0|[1-9][0-9]*)\n([^\n]{44})\n)\n((?:\u2014 .+\n)+)")
SHAPE = ["bars", "checkpoint", "format", "records", "slices", "weight", "assay-weight-proof/1"]
FOLLOWED = {"rebalance": ["weights"], "simulate": ["trades"], "compose": []}
STEPS = {"ingest", "assess", "detect", "select", "optimize", "flatten", *FOLLOWED}
P, Q = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
ERRORS = OSError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError
ERRORS += RecursionError, struct.error  # type: ignore[assignment]
D = -121665 * pow(121666, -1, P) % P


def require(holds: object, message: str) -> None:
    """Stop at the first thing that does not hold; `python -O` does not take this away."""
    if not holds:
        raise ValueError(message)


def decode(text: str) -> bytes:
    """Return the bytes of base64 in its one spelling."""
    data = base64.b64decode(text, validate=True)
    require(base64.b64encode(data).decode() == text, "another spelling of base64")
    return data


def canonical(value: Json) -> str:
    """Return JSON as RFC 8785 spells it, with keys of ASCII and all numbers as floats."""
    if isinstance(value, dict):
        require("".join(value).isascii(), "a key that is not ASCII")
        return "{" + ",".join(f"{canonical(k)}:{canonical(value[k])}" for k in sorted(value)) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(canonical, value)) + "]"
    if type(value) is not float:
        return json.dumps(value, ensure_ascii=False)
    require(math.isfinite(value), "not a number of JSON")
    spelled = Decimal(repr(value)).normalize()
    return format(spelled, "f" if 1e-6 <= abs(value) < 1e21 else "e") if value else "0"


def parse(data: bytes) -> Json:
    """Return the value of canonical JSON."""
    value = json.loads(data.decode(), parse_int=float)
    require(canonical(value).encode() == data, "another spelling of JSON")
    return value


def is_signed(public: bytes, message: bytes, signature: bytes) -> bool:
    """Return whether an Ed25519 signature of RFC 8032 holds."""

    def add(a: Json, b: Json) -> Json:
        t = D * a[0] * a[1] * b[0] * b[1]
        x, y = a[0] * b[1] + a[1] * b[0], a[1] * b[1] + a[0] * b[0]
        return x * pow(1 + t, -1, P) % P, y * pow(1 - t, -1, P) % P

    def multiply(factor: int, y: int) -> Json:
        odd, y, total = y >> 255, y & (1 << 255) - 1, (0, 1)
        square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
        x = pow(square, (P + 3) // 8, P)
        x = x if (x * x - square) % P == 0 else x * pow(2, (P - 1) // 4, P) % P
        require(y < P and (x * x - square) % P == 0, "not a point")
        for bit in f"{factor:b}":
            total = add(total, total)
            total = add(total, (x if x & 1 == odd else P - x, y)) if bit == "1" else total
        return total

    s, key = int.from_bytes(signature[32:], "little"), int.from_bytes(public, "little")
    digest = int.from_bytes(sha512(signature[:32] + public + message).digest(), "little")
    x, y = add(multiply(s, 4 * pow(5, -1, P) % P), multiply(Q - digest % Q, key))
    r = (y | (x & 1) << 255).to_bytes(32, "little")
    return len(signature) == 64 and s < Q and r == signature[:32]


def check_signatures(text: str, lines: list[str], vkeys: list[str]) -> str:
    """Check that exactly these keys signed, the log's first."""
    keys = [tuple(key.strip().split("+", 2)) for key in vkeys]
    require(text.startswith(keys[0][0] + "\n"), f"not a checkpoint of {keys[0][0]}")
    require(len(lines) == len(keys), "not signed by exactly the keys that were given")
    for line, (name, key_id, spelled) in zip(lines, [keys[0], *sorted(keys[1:])]):
        key, value, message = decode(spelled), decode(line[len(name) + 3 :]), text
        own = line.startswith(f"\u2014 {name} ") and value[:4].hex() == key_id
        own = own and key[0] == (1 if line == lines[0] else 4)
        if key[0] == 4:
            message = f"cosignature/v1\ntime {int.from_bytes(value[4:12], 'big')}\n{text}"
            own, value = own and value[4] < 128, value[8:]
        require(own and is_signed(key[1:], message.encode(), value[4:]), f"not signed by {name}")
    return ", cosigned by ".join(key[0] for key in keys)


def open_record(entry: Json, size: int, root: bytes) -> Json:
    """Return a record that is under the root, with the `result` that its digest names."""
    match: Json = LINE.fullmatch(entry["line"].encode())
    require(match, "not a record")
    node, record = sha256(b"\0" + match[1] + b"}").digest(), parse(match[1] + b"}")
    require(node.hex().encode() == match[2], "a record does not state its own hash")
    index, last, path = int(record["seq"]), size - 1, [decode(each) for each in entry["path"]]
    require(0 <= index <= last and {len(each) for each in path} <= {32}, "not a path")
    while last:
        if index % 2 or index < last:
            other = path.pop(0)
            node = sha256(b"\1" + (other + node if index % 2 else node + other)).digest()
        index, last = index // 2, last // 2
    require(not path and node == root, f"record {record['seq']:.0f} is not under the signed root")
    named, data = record.get("outputs", {}).get("result"), record["data"]
    require(set(entry) - {"line", "path"} == ({"result"} if named else set()), "other members")
    if record["type"] == "outcome":
        text = entry["result"] if named else canonical(data["result"])
        digest = sha256(text.encode()).hexdigest()
        require(digest == data["result_sha256"] == (named or digest), "another result")
        record["result"] = parse(text.encode())
    return record


def follow(records: list[Json], top: str, sleeves: list[str]) -> Json:
    """Return the decisions that lead to a weight, by id; there is no record beside them."""
    run, intents = records[0], {each["id"]: each for each in records if each["type"] == "intent"}
    outcomes = [each for each in records if each["type"] == "outcome"]
    require(len(records) == 1 + 2 * len(intents) == 1 + 2 * len(outcomes), "unpaired records")
    chain: Json = {}
    wanted: Json = {top: []}  # id -> digest and snapshot that those above it state
    for each in reversed(outcomes):  # what a decision builds on stands before it
        require(each["id"] in wanted and each["id"] in intents, f"not needed: {each['id']}")
        intent, links, stated = intents.pop(each["id"]), wanted.pop(each["id"]), each["data"]
        each["intent"], chain[each["id"]], up = intent, each, intent["data"]["upstream"]
        snapshot, step = intent.get("inputs", {}).get("snapshot"), each["step"]
        pair = [(record["step"], record["run_id"]) for record in (intent, each)]
        known = step in STEPS and intent["data"]["stage"] == step + "@1" and each["status"] == "ok"
        known = known and pair == [(step, run["run_id"])] * 2 and intent["seq"] < each["seq"]
        known = known and type(up) is type(stated["upstream_sha256"]) is dict
        require(known and set(up) == set(stated["upstream_sha256"]), f"no decision: {each['id']}")
        for digest, shared in links:
            require(digest in ("", stated["result_sha256"]), f"another result of {each['id']}")
            require(step == "compose" or shared in ("", snapshot), "decisions on two snapshots")
        for role in ["weights", *sleeves] if step == "flatten" else FOLLOWED.get(step, up):
            shared = "" if role.startswith("sleeve.") else snapshot
            wanted.setdefault(up[role], []).append((stated["upstream_sha256"][role], shared))
        if step == "optimize":
            found = [i for i in intents.values() if i["step"] == "ingest"]
            found = [i["id"] for i in found if i["data"]["sleeve"] == intent["data"]["sleeve"]]
            (each["source"],) = [up["composition"]] if "composition" in up else found
            wanted.setdefault(each["source"], []).append(("", snapshot))
    require(not wanted, f"not here: {', '.join(wanted)}")
    return chain


def open_slice(data: bytes, each: Json, source: Json) -> Json:
    """Return symbol -> days and closes, of the rows that an `optimize` decision could use."""

    def preimage(names: list[str]) -> bytes:
        columns = [["date", "date"], *([name, "float64"] for name in names)]
        header = {"columns": columns, "kind": "panel", "order": ["date"], "rows": rows}
        spelled = json.dumps(header, sort_keys=True, separators=(",", ":")).encode()
        framed = len(spelled).to_bytes(8, "little") + spelled
        return b"assay.table.v1\n" + framed + b"".join(parts[name] for name in ["", *names])

    start = 23 + int.from_bytes(data[15:23], "little")
    header, asked, made = json.loads(data[23:start]), each["intent"]["data"], source["result"]
    rows, names = header["rows"], [name for name, _ in header["columns"][1:]]
    step = 16 + 8 * rows  # of each column: no bitmap, the length of the buffer, the buffer
    parts = dict(zip(["", *names], (data[i : i + step] for i in range(start, len(data), step))))
    require(preimage(names) == data, "not a panel")
    days = struct.unpack(f"<qq{rows}q", parts[""])[2:]
    dates = [date.fromordinal(719163 + day).isoformat() for day in days]
    found = {"first": dates[0], "last": dates[-1], "rows": rows, "columns": len(names)}
    require({**asked["slice"], **found} == asked["slice"], "not the rows that were asked for")
    require(list(days) == sorted(set(days)) and dates[-1] <= asked["as_of"], "days out of order")
    used = sha256(preimage(sorted(each["result"]["weights"]))).hexdigest()
    require(used == each["result"]["slice_sha256"], "not the closes that were weighed")
    snapshot, field = source["intent"].get("inputs", {}).get("snapshot"), made.get("price_field")
    if source["step"] == "compose":
        made = {"symbols": [row["sleeve"] for row in made["sleeves"]]}
        snapshot, field = source["outputs"]["snapshot"], "close"
    known = [made["symbols"], field, snapshot, source["seq"] < each["intent"]["seq"]]
    wanted = [names, asked["slice"]["field"], each["intent"]["inputs"]["snapshot"], True]
    require(known == wanted, "not the prices that were ingested")
    return {n: list(zip(dates, struct.unpack(f"<qq{rows}d", parts[n])[2:])) for n in names}


def shares(book: Json) -> Json:
    """Return what a sleeve holds, as fractions of its NAV."""
    if book["step"] == "rebalance":
        return book["result"]["targets"]
    held, nav = book["result"]["holdings_end"]["positions"], book["result"]["holdings_end"]["cash"]
    require({type(each) for each in [nav, *held.values()]} == {float}, "not cash and positions")
    for symbol in sorted(held):
        nav += held[symbol]
    return {symbol: value / nav for symbol, value in held.items()}


def check_sum(chain: Json, top: Json, flat: Json, symbol: str) -> list[Json]:
    """Check a flattened weight against its sleeves; return who weighed the symbol."""
    up, weighed, parts = top["intent"]["data"]["upstream"], [], []
    for path in flat["paths"]:
        book = chain[up["sleeve." + path["sleeve"]]]
        outer = chain[up["weights"]]["result"]["weights"][path["sleeve"]]
        parts.append(outer * shares(book)[symbol])
        product = {"sleeve_weight": outer, "weight": parts[-1]}
        require({**path, **product} == path and parts[-1] != 0, "not the product")
        while book["step"] in FOLLOWED:
            below = chain[book["intent"]["data"]["upstream"][FOLLOWED[book["step"]][0]]]
            target = book["step"] != "rebalance" or below["result"]["weights"].get(symbol)
            require(target in (True, shares(book).get(symbol)), "a book off its target")
            book = below
        weighed.append(book)
    require(not parts or math.fsum(parts) == flat["net"], "not the sum over the sleeves")
    return weighed or [top]


def check(data: bytes, vkeys: list[str]) -> str:
    """Check a proof and return the chain in words."""
    require(len(data) <= 1 << 26, "too large")
    proof = parse(data[:-1])
    require([*sorted(proof), proof["format"], data[-1:]] == [*SHAPE, b"\n"], "not a weight proof")
    note: Json = NOTE.fullmatch(proof["checkpoint"])
    require(note, "not a checkpoint")
    records = [open_record(each, int(note[3]), decode(note[4])) for each in proof["records"]]
    weight, run, places = proof["weight"], records[0], [each["seq"] for each in records]
    require(places == sorted(set(places)), "records out of order")
    named = [run["data"]["environment"]["lock_sha256"], run["data"]["manifest_sha256"]]
    own = [run["type"], run["status"], run["inputs"]["lock"], run["inputs"]["manifest"]]
    require(own == ["run", "open", *named], "not the opening of a run")
    require(type(run["data"]["environment"]["commit"]) is str, "a run without a commit")
    tops = [each for each in records if each["type"] == "outcome"]
    (top,) = [each for each in tops if each["id"] == weight["decision"]]
    symbol = weight["symbol"]
    flat: Json = {"net": 0.0, "paths": []}
    if top["step"] == "flatten":
        (flat,) = [each for each in top["result"]["weights"] if each["symbol"] == symbol]
    elif top["step"] == "optimize":
        flat["net"] = top["result"]["weights"].get(symbol)
    value, names = flat["net"], [path["sleeve"] for path in flat["paths"]]
    require(type(value) is float and value != 0, f"{symbol} is not held")
    stated = {"decision": top["id"], "symbol": symbol, "value": value}
    require(canonical(weight) == canonical(stated), f"the weight in the record is {value}")
    require((top["step"] == "flatten") == bool(names), "no sleeve holds it")
    chain = follow(records, top["id"], ["sleeve." + name for name in names])
    slices = {sha256(each).hexdigest(): each for each in map(decode, proof["slices"])}
    asked = {
        each["id"]: each["intent"]["data"]["slice"]["sha256"]
        for each in chain.values()
        if each["step"] == "optimize"
    }
    given = [sha256(decode(each)).hexdigest() for each in proof["slices"]]
    require(given == sorted(set(asked.values())), "not the slices that were asked for")
    closes = {
        id_: open_slice(slices[digest], chain[id_], chain[chain[id_]["source"]])
        for id_, digest in asked.items()
    }
    bars = []
    for each in check_sum(chain, top, flat, symbol):
        day, price = [bar for bar in closes[each["id"]][symbol] if math.isfinite(bar[1])][-1]
        sleeve = each["intent"]["data"]["sleeve"]
        bars.append({"date": day, "price": price, "sleeve": sleeve, "symbol": symbol})
    require(canonical(proof["bars"]) == canonical(bars), f"the last bars are {bars}")
    signers = check_signatures(note[1], note[5].split("\n")[:-1], vkeys)
    lines = [f"weight  {symbol} {canonical(value)}", f"given   {top['id']}"]
    lines += [f"record  {each['seq']:.0f} {each['id']}" for each in reversed(list(chain.values()))]
    lines += [f"slice   {digest}, {len(slices[digest])} bytes" for digest in given]
    lines += [f"bar     {b['date']} {symbol} {canonical(b['price'])} ({b['sleeve']})" for b in bars]
    lines += [f"run     {run['run_id']}, commit {run['data']['environment']['commit']}"]
    lines += [f"head    {note[3]} records, root {note[4]}, signed by {signers}"]
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    """Check one proof; print the chain and PASS, or FAIL and why."""
    try:
        said = check(Path(arguments[0]).read_bytes(), arguments[1:])
    except ERRORS as error:
        sys.stdout.write(f"FAIL {error}\n")
        return 3
    sys.stdout.write(f"{said}\nPASS\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
