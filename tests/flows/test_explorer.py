"""The explorer shows what is recorded and proves it; it changes nothing and obeys no text."""

from __future__ import annotations

import concurrent.futures
import json
import re
import shutil
import threading
import time
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from flows.explorer.app import HEADERS, POLICY, host_name
from flows.explorer.errors import ExplorerError
from flows.explorer.rendering import style
from flows.explorer.sandbox import Sandbox
from ledger import BlobStore, Draft, Log, SigningKey, canonical_digest, sha256
from tests.conftest import Workplace
from tests.flows.explorer import open_explorer
from tests.warehouse.test_hostile import HOSTILE
from warehouse.query import run_query

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime
    from pathlib import Path

    from tests.flows.explorer import Document, Explorer

SCRIPT = "<script>alert(1)</script>"
LONGEST_ADDRESS = 60_000
"""A client sends no longer one."""
QUOTES = "A\"B' onmouseover=alert(1) x="


@pytest.fixture(scope="session")
def explorer(built_once: Workplace) -> Iterator[Explorer]:
    """Return the application over the built workspace."""
    found = open_explorer(built_once)
    yield found
    found.site.sandbox.close()


@pytest.fixture
def built(built_once: Workplace, tmp_path: Path) -> Workplace:
    """Return a copy of the built workspace that the test may change."""
    shutil.copytree(built_once.folder, tmp_path / "copy", symlinks=True)
    return Workplace(tmp_path / "copy")


def texts(page: Document, name: str) -> list[str]:
    """Return the texts of all elements of a name."""
    return [" ".join(each.text.split()) for each in page.all(name)]


def four_parts(answer: object) -> str:
    """Return the text of an error page, which must have four parts."""
    text: str = answer.text  # type: ignore[attr-defined]
    for part in ("<dt>error</dt>", "<dt>where</dt>", "<dt>why</dt>", "<dt>fix</dt>"):
        assert part in text
    return text


# What the pages show


def test_home_states_verdict_head_and_snapshot(explorer: Explorer, built_once: Workplace) -> None:
    """Home names the verdict, the full head, the number of records, the snapshot and the runs."""
    text = explorer.get("/").text
    records = built_once.records
    assert records[-1]["hash"] in text
    assert f"<dd>{len(records)}</dd>" in text
    assert "<b>PASS</b> chain" in text
    head = run_query(built_once.root, "select through_hash from raw.head").rows[0][0]
    assert str(head) in text
    assert "stands on the head of the ledger" in text
    assert {r["run_id"] for r in records if r["type"] == "run"} <= set(re.findall(r"[\w-]+", text))


def test_runs_are_sorted_by_links(explorer: Explorer) -> None:
    """A column head leads to the table sorted by it, the other way round the second time."""
    page = explorer.page("/runs?sort=seconds&order=ascending")
    (head,) = page.where(lambda each: "aria-sort" in each.attributes)
    assert head.attributes["aria-sort"] == "ascending"
    assert "order=descending" in head.children[0].attributes["href"]
    rows = [row for row in page.all("tr") if row.children[0].name == "th"][1:]
    seconds = [float(row.children[7].text) for row in rows]
    assert seconds == sorted(seconds)
    turned = explorer.page(head.children[0].attributes["href"])
    rows = [row for row in turned.all("tr") if row.children[0].name == "th"][1:]
    assert [float(row.children[7].text) for row in rows] == sorted(seconds, reverse=True)


def test_a_run_shows_its_stages_windows_and_every_decision(explorer: Explorer) -> None:
    """All decisions of a run are reached by turning pages, each once; the windows are drawn."""
    run = next(e for e in explorer.index.runs() if not e.run_id.endswith("-build"))
    path, seen = f"/run/{run.hash}", []
    first = explorer.page(path)
    assert "Windows of the run" in texts(first, "title")
    while path:
        page = explorer.page(path)
        seen += [a.text for a in page.all("a") if a.attributes["href"].startswith("/decision/")]
        following = [a for a in page.all("a") if a.attributes.get("rel") == "next"]
        path = following[0].attributes["href"] if following else ""
    intents = [e.id for e in explorer.index.of_run(run.run_id) if e.type == "intent"]
    assert seen == intents


def test_a_decision_shows_recorded_weights_and_limits(
    explorer: Explorer, built_once: Workplace
) -> None:
    """Weights, weights before, constraints and residuals are those of the records, unrounded."""
    entry = explorer.entry("/optimize/stocks.custom.min_variance.0002")
    before = explorer.entry("/optimize/stocks.custom.min_variance.0001")
    outcomes = {r["id"]: r for r in built_once.records if r["type"] == "outcome"}
    result = outcomes[entry.id]["data"]["result"]
    page = explorer.page(f"/decision/{entry.hash}")
    rows = {
        row.children[0].text: [cell.text for cell in row.children[1:]]
        for row in page.all("tr")
        if row.children[0].name == "th"
    }
    then = outcomes[before.id]["data"]["result"]["weights"]
    for symbol, weight in result["weights"].items():
        assert float(rows[symbol][0]) == weight
        assert float(rows[symbol][1]) == then.get(symbol, 0.0)
    assert result["constraints"]
    slacks = [
        float(row.children[4].text)
        for row in page.all("tr")
        if len(row.children) == 6 and row.children[0].text in ("symbol_cap", "cluster_cap")
    ]
    expected = [c["slack"] for c in result["constraints"] if c["kind"].endswith("_cap")]
    assert slacks == expected
    assert f"assay replay {entry.id}" in texts(page, "pre")[0]
    assert "Weights against those before" in texts(page, "title")


def test_an_outcome_leads_to_the_page_of_its_decision(explorer: Explorer) -> None:
    """Both records of a decision have one page; its address is the hash of the intent."""
    intent, outcome = (explorer.entry("/optimize/stocks", t) for t in ("intent", "outcome"))
    assert intent.id == outcome.id
    answer = explorer.get(f"/decision/{outcome.hash}", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, f"/decision/{intent.hash}")


def test_upstream_leads_to_the_prices(explorer: Explorer) -> None:
    """From a flattened weight every decision below is named, down to the check of the prices."""
    page = explorer.page(f"/decision/{explorer.entry('/flatten/').hash}")
    steps = {
        a.text.split("/")[1]
        for a in page.all("a")
        if "/decision/" in a.attributes["href"] and "/" in a.text
    }
    assert {"optimize", "rebalance", "select", "assess"} <= steps


def test_the_line_of_a_record_is_given_byte_for_byte(
    explorer: Explorer, built_once: Workplace
) -> None:
    """The JSON download of a record is its line in the ledger."""
    entry = explorer.entry("/optimize/stocks", "outcome")
    assert explorer.get(f"/record/{entry.hash}.json").content == built_once.lines[entry.seq]


def test_proofs_are_those_that_the_command_checks(
    explorer: Explorer, built_once: Workplace, tmp_path: Path
) -> None:
    """`assay prove --check` accepts both downloads, with the key of the ledger."""
    entry = explorer.entry("/optimize/stocks.custom.hrp.0001", "outcome")
    symbol = next(iter(built_once.records[entry.seq]["data"]["result"]["weights"]))
    intent = explorer.entry("/optimize/stocks.custom.hrp.0001")
    key = str(built_once.root / "keys" / "log.pub")
    for path in (f"/record/{entry.hash}/proof", f"/decision/{intent.hash}/proof?symbol={symbol}"):
        answer = explorer.get(path)
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-disposition"].startswith("attachment")
        (tmp_path / "proof").write_bytes(answer.content)
        checked = built_once.assay("prove", "--check", str(tmp_path / "proof"), "--key", key)
        assert checked.code == 0, checked.err
    missing = explorer.get(f"/decision/{intent.hash}/proof?symbol=NOSUCH")
    assert missing.status_code in (400, 404, 500)
    four_parts(missing)


def test_the_difference_names_the_first_cause(explorer: Explorer, built_once: Workplace) -> None:
    """The page has the first cause and the changes that `assay diff` has."""
    a, b = (explorer.entry(f"/optimize/stocks.custom.hrp.000{n}").id for n in (1, 2))
    found = built_once.assay("diff", "decision", a, b, "--json").data
    text = " ".join(explorer.page(f"/diff?kind=decision&a={a}&b={b}").one("main").text.split())
    assert f"{found['first_cause']['aspect']}: {found['first_cause']['where']}" in text
    for change in found["changes"]:
        assert change["where"] in text


def test_health_draws_every_symbol(explorer: Explorer, built_once: Workplace) -> None:
    """The heat map has a row for each symbol that was checked; all counts are in the table."""
    rows = run_query(
        built_once.root,
        "select symbol, count(*) from health.fct_asset_health where sleeve = 'stocks' group by 1",
    ).rows
    page = explorer.page("/health?sleeve=stocks")
    drawn = [each.text for each in page.all("text") if "name" in each.attributes.get("class", "")]
    assert drawn == sorted(str(symbol) for symbol, _ in rows)
    counted = {
        row.children[0].text: sum(int(cell.text) for cell in row.children[1:])
        for row in page.all("tr")
        if row.children[0].text in drawn and len(row.children) == 7
    }
    assert counted == {str(symbol): count for symbol, count in rows}


def test_lineage_ends_at_a_record_of_the_ledger(explorer: Explorer) -> None:
    """The way of a weight ends at a raw line, and its newest values link to records."""
    page = explorer.page("/lineage?column=metrics.fct_weights.weight")
    assert "raw.records.line" in page.one("main").text
    links = [a for a in page.all("a") if a.attributes["href"].startswith("/record/")]
    assert links
    for link in links:
        assert explorer.get(link.attributes["href"]).status_code == 200


def test_all_questions_are_answered(explorer: Explorer) -> None:
    """Each of the questions that the list names has a page with its statement."""
    listed = [a for a in explorer.page("/ask").all("a") if a.attributes["href"].startswith("/ask/")]
    assert len(listed) >= 32
    for link in listed:
        page = explorer.page(link.attributes["href"])
        assert link.text in page.one("h1").text
        assert "select" in texts(page, "pre")[-1].lower()


def test_sql_is_answered_as_table_csv_and_json(explorer: Explorer, built_once: Workplace) -> None:
    """One SELECT gives what `assay sql` gives, in three forms."""
    sql = "select run_id, kind from meta.dim_runs order by record_seq"
    path = "/sql?q=" + sql.replace(" ", "+")
    expected = built_once.assay("sql", sql, "--json").data
    page = explorer.page(path)
    table = [row for row in page.all("tr") if row.children[0].name == "th"][1:]
    assert [[cell.text for cell in row.children] for row in table] == expected["rows"]
    assert explorer.get(path + "&format=json").json()["rows"] == expected["rows"]
    csv = explorer.get(path + "&format=csv")
    assert csv.text == built_once.assay("sql", sql, "--csv").out
    assert csv.headers["content-type"].startswith("text/csv")


def test_a_record_is_found_by_what_people_type(explorer: Explorer) -> None:
    """Seq, hash, beginning of a hash and id lead to one record; part of an id lists several."""
    entry = explorer.entry("/optimize/stocks.custom.hrp.0001")
    for text in (entry.hash, entry.hash[:16], entry.id):
        answer = explorer.get(f"/find?q={text}", follow_redirects=False)
        assert answer.headers["location"] == f"/decision/{entry.hash}"
    answer = explorer.get(f"/find?q={entry.seq}", follow_redirects=False)
    assert answer.headers["location"] == f"/record/{entry.hash}"
    assert len(explorer.page("/find?q=stocks.custom.hrp.0001").all("tr")) > 3


def test_a_fresh_workspace_has_pages(workplace: Workplace) -> None:
    """Before the first run the ledger has pages; those of the snapshot say how to make one."""
    fresh = open_explorer(workplace)
    assert "<b>NONE</b> snapshot" in fresh.get("/").text
    assert fresh.get("/runs").status_code == 200
    assert fresh.get("/diff").status_code == 200
    for path in ("/health", "/lineage", "/ask/1", "/sql?q=select+1"):
        answer = fresh.get(path)
        assert answer.status_code == 503
        assert "assay build" in four_parts(answer)


# What a request may not do


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
def test_only_get_and_head_are_answered(explorer: Explorer, method: str) -> None:
    """Nothing is changed through the explorer."""
    for path in ("/", "/sql?q=select+1", "/nowhere"):
        answer = explorer.client.request(method, path)
        assert answer.status_code == 405
        assert answer.headers["allow"] == "GET, HEAD"
        four_parts(answer)


def test_reading_every_page_changes_no_file(explorer: Explorer, built_once: Workplace) -> None:
    """The workspace has the same files with the same bytes and times afterwards."""

    def state() -> dict[str, tuple[int, int]]:
        found = {}
        for path in sorted(built_once.root.rglob("*")):
            stat = path.lstat()
            found[str(path)] = (stat.st_size, stat.st_mtime_ns)
        return found

    before = state()
    for path in explorer.addresses():
        assert explorer.get(path).status_code == 200
    assert state() == before


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:4210", "127.0.0.1.evil.example", "localhost.evil.example",
     "", "[::1", "[::1]evil", "127.0.0.1@evil.example", "127.0.0.1:80:80", "10.0.0.1",
     "2130706433"],
)  # fmt: skip
def test_a_host_of_another_name_is_refused(explorer: Explorer, host: str) -> None:
    """A site whose name resolves to this machine reads nothing."""
    answer = explorer.get("/", headers={"host": host})
    assert answer.status_code == 400
    assert "PASS" not in four_parts(answer)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:4210", "LOCALHOST", "[::1]", "[::1]:80"])
def test_names_of_this_machine_are_answered(explorer: Explorer, host: str) -> None:
    """The three names of the loopback, with and without a port."""
    assert explorer.get("/", headers={"host": host}).status_code == 200
    assert host_name(host) in ("127.0.0.1", "localhost", "::1")


def test_another_site_cannot_embed_a_page(explorer: Explorer) -> None:
    """What a browser asks for on behalf of another site is refused; a link to a page is not."""
    for site in ("cross-site", "same-site"):
        for mode in ("no-cors", "cors", "websocket"):
            headers = {"sec-fetch-site": site, "sec-fetch-mode": mode}
            assert explorer.get("/sql?q=select+1", headers=headers).status_code == 400
        headers = {"sec-fetch-site": site, "sec-fetch-mode": "navigate"}
        assert explorer.get("/", headers=headers).status_code == 200
    own = {"sec-fetch-site": "same-origin", "sec-fetch-mode": "no-cors"}
    assert explorer.get("/style.css", headers=own).status_code == 200


def test_every_answer_has_the_policy(explorer: Explorer) -> None:
    """Pages, downloads, style, errors and refusals all carry every header of the policy."""
    entry = explorer.entry("/optimize/stocks")
    paths = [*explorer.addresses(), "/style.css", "/nowhere", f"/record/{entry.hash}.json", "/sql"]
    answers = [explorer.get(path) for path in paths]
    answers += [explorer.get("/", headers={"host": "evil.example"}), explorer.client.post("/")]
    for answer in answers:
        assert {name: answer.headers[name] for name in HEADERS} == HEADERS
    assert "script" not in POLICY
    assert "unsafe" not in POLICY


@pytest.mark.parametrize(
    "path",
    ["/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/record/..%2f..%2fkeys%2flog.key",
     "/style.css/../../app.py", "/record/" + "0" * 64, "/decision/" + "f" * 64, "/run/" + "0" * 63,
     "/record/" + "A" * 64, "/ask/99", "/ask/0", "/ask/-1", "/ask/1e3", "/ask/" + "9" * 500,
     "/ask/1?nope=1", "/runs?sort=nope", "/runs?page=0", "/runs?page=99999", "/runs?page=abc",
     "/runs?page=%d9%a1", "/runs?order=up", "/diff?kind=blob&a=x&b=y", "/diff?a=%00&b=x",
     "/find", "/find?q=%00%ff", "/find?q=nosuchthing", "/health?run=x", "/health?sleeve='--",
     "/lineage?column=x", "/lineage?column=raw.records.line", "/lineage?column=a.b.c%22;--",
     "/sql", "/sql?q=select+1&format=exe", "/ask/1?format=exe", "/" + "a" * 5000,
     "/runs/", "/record/x.json", "/decision/<script>alert(1)</script>"],
)  # fmt: skip
def test_what_is_not_there_is_refused_in_four_parts(explorer: Explorer, path: str) -> None:
    """A wrong address is answered with 400 or 404, what is wrong and what to do."""
    answer = explorer.get(path, follow_redirects=False)
    assert answer.status_code in (400, 404)
    assert SCRIPT not in four_parts(answer)
    assert "Traceback" not in answer.text


@pytest.mark.parametrize("statement", [each for each in HOSTILE if len(each) < LONGEST_ADDRESS])
def test_hostile_statements_are_refused(explorer: Explorer, tmp_path: Path, statement: str) -> None:
    """No statement of the list reads a file, writes one, or changes anything."""
    secret, folder = tmp_path / "secret.csv", tmp_path / "out"
    secret.write_text("d0-not-read-me\n", encoding="utf-8")
    folder.mkdir()
    text = statement.replace("@", str(secret)).replace("#", str(folder))
    answer = explorer.get("/sql", params={"q": text})
    assert answer.status_code == 400, answer.text
    four_parts(answer)
    assert "d0-not-read-me" not in answer.text
    assert list(folder.iterdir()) == []


def test_a_statement_that_cannot_be_stopped_is_ended(
    built_once: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A statement over its time ends with its process, and the next one is answered."""
    monkeypatch.setattr("flows.explorer.sandbox.GRACE_SECONDS", -9.0)
    sandbox = Sandbox(built_once.root)
    slow = "select sum(a.range * b.range) from range(1000000) a, range(1000000) b"
    with pytest.raises(Exception, match="stopped"):
        sandbox.answer(slow)
    monkeypatch.undo()
    assert sandbox.answer("select 1 as one").rows == ((1,),)
    sandbox.close()


# What a record says is shown, never obeyed


@pytest.fixture
def hostile(workplace: Workplace) -> Explorer:
    """Return pages over a ledger whose records hold markup wherever text may stand."""
    key = SigningKey.load(workplace.root / "keys" / "log.key")
    run_id, id_ = f"run-{SCRIPT}", f"run-{SCRIPT}/optimize/{QUOTES}.0000/1"
    result = {
        "weights": {SCRIPT: 0.5, QUOTES: 0.5},
        "constraints": [
            {"kind": SCRIPT, "name": QUOTES, "value": 1, "limit": 1, "slack": 0, "binding": True}
        ],
        "status": SCRIPT,
        "residuals": {SCRIPT: 0},
        "certificate": {"kind": SCRIPT, "gap": 0, QUOTES: SCRIPT},
        "fallbacks": [{"engine": SCRIPT, "risk_profile": QUOTES, "status": "x", "reason": SCRIPT}],
    }
    blob = BlobStore(workplace.root / "blobs").put(
        json.dumps({"resolved": {QUOTES: SCRIPT}}, separators=(",", ":")).encode()
    )
    common: Any = {"run_id": run_id, "actor": SCRIPT}
    data = {"stage": SCRIPT, "sleeve": QUOTES, "seed": 1, "upstream": {SCRIPT: f"{id_}x{QUOTES}"}}
    outcome = {"result": result, "result_sha256": canonical_digest(result)}
    opening = {"kind": SCRIPT, "profile": QUOTES, "seed": 1, "environment": {QUOTES: SCRIPT}}
    error = {"what": SCRIPT, "where": QUOTES, "why": SCRIPT, "fix": QUOTES}
    with Log.open(workplace.root / "ledger", clock=_clock) as log:
        log.append(
            [
                Draft(type="run", step="run", id=f"{run_id}/open", status="open", data=opening,
                      inputs={"manifest": blob}, **common),
                Draft(type="intent", step="optimize", id=id_, data=data,
                      inputs={"snapshot": sha256(b"x")}, **common),
                Draft(type="outcome", step="optimize", id=id_, status="ok", data=outcome, **common),
                Draft(type="run", step="run", id=f"{run_id}/close", status="error",
                      data={"error": error, "intents": 1, "outcomes": 1}, **common),
            ]
        )  # fmt: skip
        log.checkpoint(key)
    return open_explorer(workplace)


def _clock() -> datetime:
    from flows.settings import now  # noqa: PLC0415 - the only clock

    return now()


def test_text_of_records_is_text(hostile: Explorer) -> None:
    """No text of a record becomes an element, an attribute or an address of elsewhere."""
    index = hostile.index
    run = index.runs()[0]
    intent = next(e for e in index.entries if e.type == "intent")
    pages = ["/", "/runs", f"/run/{run.hash}", f"/decision/{intent.hash}", "/diff"]
    pages += [f"/record/{entry.hash}" for entry in index.entries]
    shown = 0
    for path in pages:
        page = hostile.page(path)
        assert page.all("script") == []
        assert page.where(lambda each: any(name.startswith("on") for name in each.attributes)) == []
        hrefs = [each.attributes["href"] for each in page.where(lambda e: "href" in e.attributes)]
        assert [h for h in hrefs if not h.startswith(("/", "#", "data:,"))] == []
        shown += SCRIPT in page.one("main").text
    assert shown >= 4


def test_what_a_reader_typed_comes_back_as_text(explorer: Explorer) -> None:
    """Values of forms are escaped in the page that repeats them."""
    for path, values in (
        ("/sql", {"q": f"select '{SCRIPT.replace(chr(39), '')}' as \"{SCRIPT}\""}),
        ("/find", {"q": SCRIPT}),
        ("/diff", {"kind": "run", "a": QUOTES, "b": SCRIPT}),
        ("/ask/18", {"symbol": f'"><img src=x onerror=alert(1)>{SCRIPT}'}),
        ("/lineage", {"column": SCRIPT}),
        (f"/nowhere{SCRIPT}", {}),
    ):
        answer = explorer.get(path, params=values)
        assert "alert(1)" in answer.text, path
        assert "<script" not in answer.text
        assert "<img" not in answer.text


# A ledger that changes


def test_a_growing_ledger_is_shown_at_once(built: Workplace) -> None:
    """What was appended is on the next page, and the snapshot is said to be behind."""
    explorer = open_explorer(built)
    before = explorer.get("/").text
    assert "BEHIND" not in before
    built.write("more.json", json.loads((built.folder / "manifest.json").read_text("utf-8")))
    assert built.assay("run", "ingestion", "-m", "more.json", "-q").code == 0
    after = explorer.get("/").text
    records = built.records
    assert records[-1]["hash"] in after
    assert records[-1]["run_id"] in after
    assert "BEHIND" in after


@pytest.mark.slow
def test_a_new_snapshot_is_answered_from_at_once(built: Workplace) -> None:
    """After `assay build` the next answer stands on the new snapshot."""
    explorer = open_explorer(built)
    old = explorer.get("/ask/6?format=json").json()["through_seq"]
    assert built.assay("run", "ingestion", "-m", "manifest.json", "-q").code == 0
    assert built.assay("build").code in (0, 1)
    assert explorer.get("/ask/6?format=json").json()["through_seq"] > old
    assert "BEHIND" not in explorer.get("/").text


@pytest.mark.parametrize("warm", [True, False], ids=["while serving", "before"])
def test_an_altered_ledger_is_shown_on_every_page(
    built: Workplace, alter: Callable[[Path, int, int], None], *, warm: bool
) -> None:
    """One changed byte turns the verdict of every page, and the altered record is not shown."""
    explorer = open_explorer(built)
    entry = open_explorer(built).entry("/optimize/stocks.custom.hrp.0001", "outcome")
    if warm:
        assert "PASS" in explorer.get("/").text
    path = built.root / "ledger" / "audit.jsonl"
    alter(path, entry.offset + 200, 1)
    for address in ("/", "/runs", "/health", "/ask/1"):
        text = explorer.get(address).text
        assert "does not verify" in text
        assert "<b>FAIL</b> chain" in text
    shown = explorer.get(f"/record/{entry.hash}")
    assert shown.status_code in (404, 500)
    assert "E01" in four_parts(shown) or shown.status_code == 404


def test_an_altered_line_with_its_old_times_is_noticed(
    built: Workplace, alter: Callable[[Path, int, int], None]
) -> None:
    """Setting the time of the file back does not hide a change."""
    import os  # noqa: PLC0415 - only here

    explorer = open_explorer(built)
    assert "PASS" in explorer.get("/").text
    path = built.root / "ledger" / "audit.jsonl"
    stat = path.stat()
    alter(path, stat.st_size // 2, 1)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert "does not verify" in explorer.get("/").text


def test_a_torn_line_is_shown(built: Workplace) -> None:
    """Half a record at the end is said, and the whole ones are still shown."""
    explorer = open_explorer(built)
    with (built.root / "ledger" / "audit.jsonl").open("ab") as stream:
        stream.write(b'{"actor":"half a rec')
    text = explorer.get("/").text
    assert "<b>TORN</b>" in text
    assert "not whole" in text
    assert explorer.get("/runs").status_code == 200


def test_a_lost_ledger_is_shown(built: Workplace) -> None:
    """Without its ledger a page says so; nothing is shown as verified."""
    explorer = open_explorer(built)
    assert "PASS" in explorer.get("/").text
    shutil.rmtree(built.root / "ledger")
    text = explorer.get("/").text
    assert "<b>FAIL</b> chain" in text
    assert "<b>PASS</b> chain" not in text


def test_a_snapshot_of_another_history_is_shown(built: Workplace, make_other: Path) -> None:
    """A ledger that was replaced as a whole does not go with the snapshot."""
    shutil.rmtree(built.root / "ledger")
    shutil.copytree(make_other / "ledger", built.root / "ledger")
    shutil.copy(make_other / "keys" / "log.pub", built.root / "keys" / "log.pub")
    text = open_explorer(built).get("/").text
    assert "The snapshot is of another history" in text


@pytest.fixture
def make_other(workplace: Workplace) -> Path:
    """Return another workspace."""
    return workplace.root


def test_a_damaged_snapshot_is_shown(built: Workplace) -> None:
    """What stands on the snapshot says how to make it again; the ledger is shown without it."""
    explorer = open_explorer(built)
    assert explorer.get("/health").status_code == 200
    snapshot = (built.root / "warehouse" / "snapshot.duckdb").resolve()
    snapshot.chmod(0o644)
    snapshot.write_bytes(b"no database" * 1000)
    for path in ("/health", "/lineage", "/ask/1"):
        answer = explorer.get(path)
        assert answer.status_code == 503
        assert "assay build" in four_parts(answer)
    text = explorer.get("/").text
    assert "<b>PASS</b> chain" in text
    assert "<b>NONE</b> snapshot" in text


def test_a_halt_is_shown(built: Workplace) -> None:
    """A halt in force stands in the strip of every page, with its reason at home."""
    explorer = open_explorer(built)
    assert "None: live runs are not halted." in explorer.get("/").text
    assert built.assay("halt", "--reason", "prices look wrong").code == 0
    assert "prices look wrong" in explorer.get("/").text
    assert "1 halt in force" in explorer.get("/runs").text


@pytest.mark.slow
def test_pages_hold_while_a_run_appends_and_a_build_publishes(built: Workplace) -> None:
    """Twenty readers at a time get whole pages that verify, whatever is written meanwhile."""
    explorer = open_explorer(built)
    paths = explorer.addresses()
    done = threading.Event()
    codes: list[int] = []

    def write() -> None:
        try:
            codes.append(built.assay("run", "-m", "manifest.json", "-q").code)
            codes.append(built.assay("build").code)
        finally:
            done.set()

    writer = threading.Thread(target=write)
    writer.start()
    answered = 0
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        while not done.is_set():
            for path, answer in zip(paths, pool.map(explorer.get, paths), strict=True):
                assert answer.status_code == 200, (path, answer.text)
                assert "does not verify" not in answer.text
                answered += 1
    writer.join()
    assert codes[0] == 0
    assert codes[1] in (0, 1)
    assert answered > len(paths)
    explorer.site.sandbox.close()


# How it is served


def test_another_machine_is_let_in_only_when_allowed(workplace: Workplace) -> None:
    """A host that others reach needs --allow-remote."""
    refused = workplace.assay("serve", "--host", "0.0.0.0", "--json")  # noqa: S104 - refused
    assert refused.code == 2
    assert refused.data["error"]["code"] == ExplorerError.code
    assert "--allow-remote" in refused.data["error"]["fix"]


def test_a_port_that_is_taken_is_named(workplace: Workplace) -> None:
    """The error names the port and the way out."""
    import socket  # noqa: PLC0415 - only here

    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        refused = workplace.assay("serve", "--port", str(port), "--json")
    assert refused.code == 2
    assert str(port) in refused.data["error"]["what"]
    assert "--port" in refused.data["error"]["fix"]


# Readable by everybody


def luminance(colour: str) -> float:
    """Return the relative luminance of `#rrggbb` (WCAG 2.2)."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return sum(share * c for share, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(a: str, b: str) -> float:
    """Return the contrast of two colours, from 1 to 21."""
    dark, light = sorted((luminance(a), luminance(b)))
    return (light + 0.05) / (dark + 0.05)


def test_text_has_contrast_in_light_and_dark() -> None:
    """Every pair of text and ground reaches 4.5 to 1; bars and borders of fields reach 3 to 1."""
    sheet = style().decode()
    roots = re.findall(r":root \{(.*?)\}", sheet, re.DOTALL)[:2]
    themes = [dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", root)) for root in roots]
    assert len(themes) == 2
    light, dark = themes[0], themes[0] | themes[1]
    assert light["paper"] != dark["paper"]
    for theme in (light, dark):
        for ink in ("ink", "soft", "muted", "accent", "fail", "pass", "none"):
            assert contrast(theme[ink], theme["paper"]) >= 4.5, ink
        for ink in ("ink", "soft", "accent"):
            assert contrast(theme[ink], theme["panel"]) >= 4.5, ink
        assert contrast(theme["on-fail"], theme["fail"]) >= 4.5
        assert contrast(theme["ink"], theme["mark"]) >= 4.5
        for mark in ("drawn", "muted", "l3"):
            assert contrast(theme[mark], theme["paper"]) >= 3, mark


def test_every_page_can_be_read_by_ear_and_by_keyboard(explorer: Explorer) -> None:
    """Language, title, landmarks, one h1, headings in order, labels, heads of tables, pictures."""
    titles = set()
    for path in [*explorer.addresses(), "/nowhere"]:
        page = explorer.page(path) if path != "/nowhere" else _read(explorer.get(path).text)
        assert page.one("html").attributes["lang"] == "en"
        titles.add(next(each for each in page.all("title") if each.attributes == {}).text)
        assert len(page.all("h1")) == len(page.all("main")) == len(page.all("header")) == 1
        assert len(page.all("nav")) == len(page.all("footer")) == 1
        levels = [int(each.name[1]) for each in page.all("h1", "h2", "h3", "h4")]
        assert all(b <= a + 1 for a, b in pairwise(levels)), path
        _check_skip_link(page)
        _check_fields(page, path)
        _check_tables(page, path)
        _check_pictures(page, path)
        ids = [e.attributes["id"] for e in page.where(lambda e: "id" in e.attributes)]
        assert len(ids) == len(set(ids)), path
    assert len(titles) >= 12


def _read(text: str) -> Document:
    from tests.flows.explorer import read  # noqa: PLC0415 - beside its fixtures

    return read(text)


def _check_skip_link(page: Document) -> None:
    first = page.all("a")[0]
    assert first.attributes == {"class": "skip", "href": "#content"}
    assert page.one("main").attributes["id"] == "content"


def _check_fields(page: Document, path: str) -> None:
    named = {each.attributes["for"] for each in page.all("label")}
    for each in page.all("input", "select", "textarea"):
        assert each.attributes["id"] in named, path


def _check_tables(page: Document, path: str) -> None:
    for table in page.all("table"):
        assert table.children[0].name == "caption", path
        assert table.children[0].text.strip(), path
    for head in page.all("th"):
        assert head.attributes["scope"] in ("col", "row"), path
    for region in page.where(lambda e: "scroll" in e.attributes.get("class", "").split()):
        assert region.attributes["tabindex"] == "0"
        assert region.attributes["aria-label"]


def _check_pictures(page: Document, path: str) -> None:
    for picture in page.all("svg"):
        if picture.attributes.get("aria-hidden") == "true":
            continue
        assert picture.attributes["role"] == "img", path
        assert picture.children[0].name == "title", path
        assert picture.children[0].text.strip(), path


def test_verification_takes_its_verdict_again_after_a_minute(
    built: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A verdict is not kept longer than a minute, though no file seems to have changed."""
    explorer = open_explorer(built)
    first, _ = explorer.site.watch.look()
    again, _ = explorer.site.watch.look()
    assert again is first
    later = time.monotonic() + 61
    monkeypatch.setattr("flows.explorer.standing.time.monotonic", lambda: later)
    assert explorer.site.watch.look()[0] is not first
