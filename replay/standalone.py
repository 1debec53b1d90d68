"""A verifier of weight proofs in one file, with the standard library of Python 3.8 or later.

It shares no code with the rest, so that the two can contradict each other. Copy it anywhere and say
`python standalone.py PROOF VKEY [WITNESS_VKEY...]`. VKEY is the log's, from somebody you trust more
than who gave you the proof; all witnesses named must have cosigned, and no others.
"""

# ruff: noqa: ANN401, B905, E401, I001, PLR2004 - JSON, Python 3.8, short imports, known numbers
from __future__ import annotations

import base64, datetime as dt, decimal, json, math, struct, sys
from hashlib import sha256, sha512
from pathlib import Path
from typing import Any as Json

SHAPE = ["bars", "checkpoint", "format", "records", "slices", "weight", "assay-weight-proof/1"]
FOLLOWED = {"rebalance": ["weights"], "simulate": ["trades"], "compose": []}
STEPS = {"ingest", "assess", "detect", "select", "optimize", "flatten", *FOLLOWED}
P, Q = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
D, Y = -121665 * pow(121666, -1, P) % P, 4 * pow(5, -1, P) % P
BASE = 15112221349535400772501151409588531511454012693041857206046113283949847762202, Y
ERRORS = OSError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError
ERRORS += RecursionError, struct.error  # type: ignore[assignment]


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
    """Return JSON as RFC 8785 spells it, with all numbers as floats."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{canonical(k)}:{canonical(value[k])}" for k in sorted(value)) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(canonical, value)) + "]"
    if type(value) is not float:
        return json.dumps(value, ensure_ascii=False)
    spelled = decimal.Decimal(repr(value)).normalize()
    return format(spelled, "f" if 1e-6 <= abs(value) < 1e21 else "e") if value else "0"


def parse(data: bytes) -> Json:
    """Return the value of canonical JSON."""
    value = json.loads(data.decode(), parse_int=float, parse_constant=int)  # int refuses NaN
    require(canonical(value).encode() == data, "another spelling of JSON")
    return value


def is_signed(public: bytes, message: bytes, signature: bytes) -> bool:
    """Return whether an Ed25519 signature of RFC 8032 holds."""

    def add(a: Json, b: Json) -> Json:
        t = D * a[0] * a[1] * b[0] * b[1]
        x, y = a[0] * b[1] + a[1] * b[0], a[1] * b[1] + a[0] * b[0]
        return x * pow(1 + t, -1, P) % P, y * pow(1 - t, -1, P) % P

    key, s = int.from_bytes(public, "little"), int.from_bytes(signature[32:], "little")
    odd, y, total = key >> 255, key % 2**255, (0, 1)
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    x = x if (x * x - square) % P == 0 else x * pow(2, (P - 1) // 4, P) % P
    require(y < P and (x * x - square) % P == 0, "not a point")
    k = int.from_bytes(sha512(signature[:32] + public + message).digest(), "little") % Q
    minus = (P - x if x & 1 == odd else x, y)
    for bit in range(252, -1, -1):  # s * BASE - k * key, which is the first half of a signature
        point = [(0, 1), BASE, minus, add(BASE, minus)][(s >> bit & 1) + 2 * (k >> bit & 1)]
        total = add(add(total, total), point)
    r = total[1] | (total[0] & 1) << 255
    return s < Q and signature == r.to_bytes(32, "little") + s.to_bytes(32, "little")


def check_signatures(note: str, vkeys: list[str]) -> None:
    """Check that exactly these keys signed a checkpoint, the log's first."""
    text, _, signed = note.partition("\n\n")
    log, *others = [key.strip().split("+", 2) for key in vkeys]
    own = text.split("\n")[0] == log[0] and signed[-1] == "\n"
    require(own and signed.count("\n") == len(vkeys), "not signed by exactly the keys given")
    for line, (name, key_id, spelled) in zip(signed.split("\n"), [log, *sorted(others)]):
        key, value, message = decode(spelled), decode(line[len(name) + 3 :]), f"{text}\n"
        own = [value[:4].hex(), key[0]] == [key_id, 1 if name == log[0] else 4]
        if key[0] == 4:  # a cosignature states its time
            time, value = int.from_bytes(value[4:12], "big"), value[8:]
            message = f"cosignature/v1\ntime {time}\n{message}"
        own = own and line.startswith(f"\u2014 {name} ")
        require(own and is_signed(key[1:], message.encode(), value[4:]), f"not signed by {name}")


def open_record(entry: Json, size: int, root: bytes) -> Json:
    """Return a record that is under the root, with the `result` that its digests name."""
    body = entry["line"].rpartition(',"hash":"')[0] + "}"
    node, record = sha256(b"\0" + body.encode()).digest(), parse(body.encode())
    own = entry["line"] == f'{body[:-1]},"hash":"{node.hex()}"}}'
    index, last, path = int(record["seq"]), size - 1, [decode(each) for each in entry["path"]]
    own = own and 0 <= index == record["seq"] <= last
    while last:
        if index % 2 or index < last:
            other = path.pop(0)
            node = sha256(b"\1" + (other + node if index % 2 else node + other)).digest()
        index, last = index // 2, last // 2
    require(own and not path and node == root, f"record {record['seq']} is not under the root")
    data, named = record["data"], record.get("outputs", {}).get("result")
    require([*entry] == ["line", "path", "result"][: 3 if named else 2], "other members")
    if named or record["type"] == "outcome":
        text = (entry["result"] if named else canonical(data["result"])).encode()
        stated = {named or data["result_sha256"], data["result_sha256"]}
        require(stated == {sha256(text).hexdigest()}, "another result")
        record["result"] = parse(text)
    return record


def follow(records: Json, top: str, symbol: str) -> Json:
    """Return the decisions that lead to a weight, by id; there is no record beside them."""
    run, found = records[0]["run_id"], {(each["type"], each["id"]): each for each in records}
    read = {each["data"].get("sleeve"): each["id"] for each in records if each["step"] == "ingest"}
    links: list[Json] = [(top, None, None, math.inf)]
    chain: Json = {}
    for id_, digest, shared, before in links:  # grows while it is read
        intent, each = found["intent", id_], found["outcome", id_]
        asked, stated, step = intent["data"], each["data"]["upstream_sha256"], each["step"]
        up, snapshot = asked["upstream"], intent.get("inputs", {}).get("snapshot", "")
        pair = [intent["step"], intent["run_id"], each["run_id"], asked["stage"], each["status"]]
        fits = pair == [step, run, run, step + "@1", "ok"] and step in STEPS
        fits = fits and up.keys() == stated.keys() and intent["seq"] < each["seq"] < before
        fits = fits and digest in (None, each["data"]["result_sha256"])
        require(fits and (step == "compose" or shared in (None, snapshot)), f"{id_} does not fit")
        roles = [] if id_ in chain else FOLLOWED.get(step, up)
        chain[id_] = each
        each["asked"], each["snapshot"] = asked, snapshot
        if step == "flatten":
            (each["flat"],) = [w for w in each["result"]["weights"] if "" + w["symbol"] == symbol]
            roles = ["weights", *("sleeve." + path["sleeve"] for path in each["flat"]["paths"])]
        if step == "optimize":
            each["source"] = up.get("composition") or read[asked["sleeve"]]
            links.append((each["source"], None, None, intent["seq"]))
        for role in roles:
            one = None if role.startswith("sleeve.") else snapshot
            links.append((up[role], stated[role], one, each["seq"]))
    require(len(records) == 1 + 2 * len(chain), "records beside the chain")
    return chain


def open_slice(data: bytes, each: Json, source: Json) -> Json:
    """Return symbol -> last day and close, of the rows that an `optimize` decision could use."""
    made, asked = source["result"], each["asked"]["slice"]
    symbols, *origin = made.get("symbols"), made.get("price_field"), source["snapshot"]
    if "composition" in each["asked"]["upstream"]:
        symbols = [row["sleeve"] for row in made["sleeves"]]
        origin = ["close", source["outputs"]["snapshot"]]
    names, rows = ["", *symbols], int(asked["rows"])
    size, start = 8 * rows, len(data) - (8 * rows + 16) * len(names)
    parts = {name: data[start + 16 + i * (size + 16) :][:size] for i, name in enumerate(names)}

    def preimage(names: list[str]) -> bytes:
        columns = [["date", "date"], *([name, "float64"] for name in names)]
        header = {"columns": columns, "kind": "panel", "order": ["date"], "rows": rows}
        spelled = json.dumps(header, sort_keys=True, separators=(",", ":")).encode()
        buffers = [struct.pack("<qq", 0, size) + parts[name] for name in ["", *names]]
        return b"assay.table.v1\n" + struct.pack("<q", len(spelled)) + spelled + b"".join(buffers)

    days = struct.unpack(f"<{rows}q", parts[""])
    dates = [dt.date.fromordinal(719163 + day).isoformat() for day in days]
    found = {"first": dates[0], "last": dates[-1], "rows": rows, "columns": len(names) - 1}
    own = {**asked, **found} == asked and preimage(names[1:]) == data and dates == sorted({*dates})
    require(own and dates[-1] <= each["asked"]["as_of"], "not the rows that were asked for")
    used = sha256(preimage(sorted(each["result"]["weights"]))).hexdigest()
    own = [used, *origin] == [each["result"]["slice_sha256"], asked["field"], each["snapshot"]]
    require(own, "not the closes that were weighed, or not those that were ingested")
    columns = {name: zip(dates, struct.unpack(f"<{rows}d", parts[name])) for name in names[1:]}
    return {name: [bar for bar in columns[name] if math.isfinite(bar[1])][-1:] for name in columns}


def weighed(chain: Json, top: Json, symbol: str) -> list[Json]:
    """Check a flattened weight against its sleeves; return what weighed the symbol in each."""
    up, parts, found = top["asked"]["upstream"], [], []
    for path in top["flat"]["paths"]:
        book, held, nav = chain[up["sleeve." + path["sleeve"]]], None, 1.0
        if book["step"] == "simulate":  # a book that drifted since it was traded
            held, nav = (book["result"]["holdings_end"][each] for each in ("positions", "cash"))
            for each in sorted(held):
                nav += held[each]
            book = chain[book["asked"]["upstream"]["trades"]]
        below, targets = chain[book["asked"]["upstream"]["weights"]], book["result"]["targets"]
        require(targets.get(symbol) == below["result"]["weights"].get(symbol), "off its target")
        outer = chain[up["weights"]]["result"]["weights"][path["sleeve"]]
        share = (targets if held is None else held)[symbol] / nav
        parts.append(outer * share)
        product = {**path, "sleeve_weight": outer, "weight": parts[-1]}
        require(canonical(product) == canonical(path) and parts[-1] != 0, "not the product")
        found.append(below)
    require(found and math.fsum(parts) == top["flat"]["net"], "not the sum over the sleeves")
    return found


def check(data: bytes, vkeys: list[str]) -> str:
    """Check a proof and return the chain in words."""
    require(len(data) <= 1 << 26 and data[-1:] == b"\n", "too large, or cut off")
    proof = parse(data[:-1])
    require([*proof, proof["format"]] == SHAPE, "not a weight proof")
    size, root = proof["checkpoint"].split("\n")[1:3]
    records = [open_record(each, int(size), decode(root)) for each in proof["records"]]
    run, weight, places = records[0], proof["weight"], [each["seq"] for each in records]
    lock, commit = (run["data"]["environment"][name] for name in ("lock_sha256", "commit"))
    own = [run["type"], run["status"], run["inputs"]["lock"], run["inputs"]["manifest"]]
    fits = own == ["run", "open", lock, run["data"]["manifest_sha256"]] and type(commit) is str
    require(fits and places == sorted({*places}), "not the opening of a run and what follows")
    symbol, chain = weight["symbol"], follow(records, weight["decision"], weight["symbol"])
    top = chain[weight["decision"]]
    value = top["flat"]["net"] if "flat" in top else top["result"]["weights"][symbol]
    require(type(value) is float and value != 0, f"{symbol} is not held")
    slices = {sha256(each).hexdigest(): each for each in map(decode, proof["slices"])}
    asked = {i: each["asked"]["slice"]["sha256"] for i, each in chain.items() if "source" in each}
    same = [*slices] == sorted({*asked.values()}) and len(slices) == len(proof["slices"])
    require(same, "not the slices that were asked for")
    closes = {i: open_slice(slices[asked[i]], chain[i], chain[chain[i]["source"]]) for i in asked}
    bars = []
    for each in weighed(chain, top, symbol) if "flat" in top else [top]:
        ((day, close),) = closes[each["id"]][symbol]
        bars += [{"date": day, "price": close, "sleeve": each["asked"]["sleeve"], "symbol": symbol}]
    stated = [{"decision": top["id"], "symbol": symbol, "value": value}, bars]
    same = canonical([weight, proof["bars"]]) == canonical(stated)
    require(same, f"the weight is {value}, the last bars are {bars}")
    check_signatures(proof["checkpoint"], vkeys)
    lines = [f"weight  {symbol} {canonical(value)}"]
    lines += [f"record  {each['seq']:.0f} {id_}" for id_, each in chain.items()]
    lines += [f"slice   {digest}, {len(slices[digest])} bytes" for digest in slices]
    lines += [f"bar     {b['date']} {symbol} {canonical(b['price'])} ({b['sleeve']})" for b in bars]
    lines += [f"run     {run['run_id']}, commit {commit}"]
    lines += [f"head    {size} records, root {root}, signed by {', '.join(vkeys)}"]
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    """Check one proof; print the chain and PASS, or FAIL and why."""
    try:
        said, code = f"{check(Path(arguments[0]).read_bytes(), arguments[1:])}\nPASS\n", 0
    except ERRORS as error:
        said, code = f"FAIL {error}\n", 3
    sys.stdout.write(said)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
