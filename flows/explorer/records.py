"""Record: one line of the ledger, as it is; its proof; and the way from what somebody typed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import Response

from flows.explorer.errors import missing
from flows.explorer.rendering import Cell, Table, address, cells, columns, fact, record_link
from flows.explorer.values import as_text, document
from flows.keyring import trusted
from ledger import policy_of, prove
from ledger.segments import read_line
from replay.proving import prove_weight

if TYPE_CHECKING:
    from flows.explorer.index import Entry
    from flows.explorer.view import View

MOST_FOUND = 50


def record(view: View) -> Response:
    """Return the page of a record of any type."""
    entry = view.entry()
    found = view.index.read(entry)
    facts = [
        fact("Seq", found.seq),
        fact("Type", found.type),
        fact("Time, as claimed", found.ts),
        fact("Actor, as claimed", found.actor or "-"),
        fact("Hash", found.hash),
        fact("Record before", _before(view, str(found.prev_hash))),
    ]
    if target := _page_of(view, entry):
        facts.append(fact("Shown as", target))
    links = [
        Cell("the line as it stands in the ledger", address(f"/record/{entry.hash}.json")),
        Cell("its proof (C2SP tlog-proof)", address(f"/record/{entry.hash}/proof")),
    ]
    return view.page(
        "record.html",
        "",
        f"Record {found.seq}",
        facts=facts,
        redacted=found.redacted,
        links=links,
        text=as_text(document(found)),
    )


def _before(view: View, digest: str) -> Cell:
    found = view.index.get(digest)
    return Cell(digest) if found is None else record_link(digest, digest)


def _page_of(view: View, entry: Entry) -> Cell | None:
    """Return the page that shows what a record belongs to."""
    intent = view.index.named(entry.id).get("intent")
    if intent is not None and entry.type in ("intent", "outcome"):
        return Cell(f"decision {entry.id}", address(f"/decision/{intent.hash}"))
    opening = next((each for each in view.index.runs() if each.run_id == entry.run_id), None)
    if opening is None:
        return None
    return Cell(f"run {entry.run_id}", address(f"/run/{opening.hash}"))


def line(view: View) -> Response:
    """Return the bytes of a record as they stand in the ledger."""
    entry = view.entry()
    view.index.read(entry)
    found = read_line(view.site.workspace.ledger, entry.first, entry.offset)
    return _download(found, f"record-{entry.seq}.json", "application/json")


def record_proof(view: View) -> Response:
    """Return the C2SP tlog-proof of a record, made from the ledger as it is."""
    entry = view.entry()
    view.index.read(entry)
    data = prove(view.site.workspace.ledger, entry.seq)
    return _download(data, f"record-{entry.seq}.tlog-proof", "text/plain; charset=utf-8")


def weight_proof(view: View) -> Response:
    """Return the proof of one weight of a decision, down to the bars."""
    entry = view.entry()
    symbol = view.text("symbol")
    if not symbol:
        raise view.refused("no symbol", "one of the decision, as ?symbol=NAME")
    workspace = view.site.workspace
    policy = policy_of(list(trusted(workspace)))
    data = prove_weight(workspace.ledger, view.blobs, entry.id, symbol, policy)
    plain = "".join(each if each.isalnum() and each.isascii() else "-" for each in symbol)
    return _download(data, f"weight-{entry.seq}-{plain}.proof", "text/plain; charset=utf-8")


def find(view: View) -> Response:
    """Lead to the record that somebody named; list those that may be meant."""
    text = view.text("q")
    if not text:
        raise view.refused("nothing to find", "an id, a seq, or a hash, or the beginning of one")
    found: list[Entry] = []
    for entry in view.index.find(text):
        found.append(entry)
        if len(found) > MOST_FOUND:
            break
    if not found:
        raise missing(
            f"no record is named {text[:80]!r}", "/find", "give a seq, a hash, or a part of an id"
        )
    if len({entry.id or entry.hash for entry in found}) == 1:
        best = next((each for each in found if each.type == "intent"), found[0])
        page = "decision" if best.type == "intent" and not text.isdecimal() else "record"
        return view.moved(f"/{page}/{best.hash}")
    rows = [
        cells((record_link(each.hash, str(each.seq)), each.type, each.step, each.id))
        for each in found[:MOST_FOUND]
    ]
    note = f"There are more than {MOST_FOUND}." if len(found) > MOST_FOUND else ""
    heads = columns(("seq", "number"), "type", "step", "id")
    table = Table(f"Records that {text[:80]} may mean", heads, rows, note=note)
    return view.page("found.html", "", "Found", table=table)


def _download(data: bytes, name: str, kind: str) -> Response:
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    return Response(data, media_type=kind, headers=headers)
