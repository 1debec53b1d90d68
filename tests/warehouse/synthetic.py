"""A small workspace that follows `docs/spec/records.md`, and can misbehave on request.

Two sleeves of six symbols, walk-forward windows, two cells, their combination, one replay, one
aborted intent, one failed outcome, one fallback, one relaxed cap. The numbers come from seeded
prices and plain Python arithmetic, so that every relation between records holds; a defect is put
in by changing drafts before they are sealed (a false record in a sound chain) or bytes afterwards
(a broken chain).
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ledger import (
    BlobStore,
    Checkpoint,
    Digest,
    Draft,
    SigningKey,
    dumps,
    parse_record,
    sha256,
    sign_checkpoint,
    tree_root,
)
from ledger.record import seal
from tests.warehouse.payloads import (
    PERIODS,
    TEST_DAYS,
    TRAIN_DAYS,
    Book,
    constraint_of,
    day,
    digest_of,
    health_of,
    make_returns,
    metrics_of,
    rebalanced,
    regime_of,
    selection_of,
    simulated,
    solution_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from ledger import Record

ORIGIN = "example.org/synthetic"
START = datetime(2026, 11, 21, 4, 0, 0, tzinfo=UTC)
CELLS = (("custom", "hrp"), ("skfolio", "min_variance"))
SLEEVES = {
    "stocks": ("AAA", "BBB", "CCC", "DDD", "EEE", "FFF"),
    "crypto": ("BTC", "ETH", "LTC", "SOL", "XMR", "XRP"),
}
KEY = SigningKey(ORIGIN, bytes(32))
COMMIT = "4f2a91c0de4f2a91c0de4f2a91c0de4f2a91c0de"


@dataclass(frozen=True, slots=True)
class Size:
    """How much there is of everything."""

    windows: int = 3
    symbols: int = 6
    runs: int = 1
    cells: tuple[tuple[str, str], ...] = CELLS


@dataclass(slots=True)
class Story:
    """Drafts in the order of the ledger, and the results recorded so far."""

    run_id: str = ""
    drafts: list[Draft] = field(default_factory=list)
    results: dict[str, tuple[Any, str]] = field(default_factory=dict)
    pending: dict[str, dict[str, str]] = field(default_factory=dict)
    first: int = 0

    def add(self, type_: str, step: str, id_: str, **fields: Any) -> None:
        """Append one draft of the current run."""
        self.drafts.append(
            Draft(type=type_, run_id=self.run_id, step=step, id=id_, actor="quant@desk", **fields)
        )

    def open(self, run_id: str, kind: str, profile: str | None, **environment: Any) -> None:
        """Open a run."""
        self.run_id, self.first = run_id, len(self.drafts)
        data = {
            "kind": kind,
            "profile": profile,
            "sleeves": sorted(SLEEVES) if profile else [],
            "manifest_sha256": digest_of(f"manifest of {profile}") if profile else None,
            "seed": 42,
            "environment": {
                "commit": COMMIT,
                "dirty": False,
                "untracked": {},
                "lock_sha256": digest_of("lock"),
                "python": "3.12.1",
                "platform": "Linux-x86_64-2.36",
                "processor": "Xeon",
                "packages": {"numpy": "2.4.6", "skfolio": "1.12.2"},
                "blas": ["openblas 0.3.30"],
                "threads": {"openblas": 1},
                **environment,
            },
        }
        inputs = {"lock": digest_of("lock")}
        if environment.get("dirty"):
            inputs["diff"] = digest_of("diff")
        self.add("run", "run", f"{run_id}/open", status="open", inputs=inputs, data=data)

    def close(self, status: str = "ok") -> None:
        """Close the run with its counts."""
        mine = self.drafts[self.first :]
        data = {
            "intents": sum(draft.type == "intent" for draft in mine),
            "outcomes": sum(draft.type == "outcome" for draft in mine),
            "first_seq": self.first + 1,
            "last_seq": len(self.drafts),
            "error": None,
            "observed": {"recording_seconds": 0.01},
        }
        self.add("run", "run", f"{self.run_id}/close", status=status, data=data)

    def intend(
        self, step: str, ordinal: str, *, snapshot: str | None = None, attempt: int = 1, **data: Any
    ) -> str:
        """Record an intent and return its id."""
        id_ = f"{self.run_id}/{step}/{ordinal}/{attempt}"
        upstream = data.pop("upstream", {})
        body = {
            "stage": f"{step}@1",
            "as_of": None,
            "window": None,
            "cell": None,
            "params": {},
            "slice": None,
            "upstream": dict(sorted(upstream.items())),
            "seed": 42,
            **data,
        }
        self.pending[id_] = upstream
        inputs = {} if snapshot is None else {"snapshot": Digest(snapshot)}
        self.add("intent", step, id_, inputs=inputs, data=body)
        return id_

    def conclude(self, id_: str, result: Any, **outputs: str) -> Any:
        """Record a successful outcome; results beyond 24,000 bytes go to a blob."""
        encoded = dumps(result)
        digest = sha256(encoded)
        data: dict[str, Any] = {
            "upstream_sha256": self._used(id_),
            "result_sha256": digest,
            "observed": {"seconds": 0.25},
        }
        named = {role: Digest(name) for role, name in outputs.items()}
        if len(encoded) > 24_000:
            named["result"] = digest
        else:
            data["result"] = result
        self.add("outcome", id_.split("/")[1], id_, status="ok", outputs=named, data=data)
        self.results[id_] = result, digest
        return result

    def fail(self, id_: str, status: str, error: dict[str, str]) -> None:
        """Record a failed or aborted outcome."""
        data = {"upstream_sha256": {}, "error": error}
        self.add("outcome", id_.split("/")[1], id_, status=status, data=data)

    def _used(self, id_: str) -> dict[str, str]:
        used: dict[str, str] = {}
        for role, name in sorted(self.pending[id_].items()):
            if name.endswith("*"):
                found = [
                    self.results[key][1]
                    for key in sorted(self.results)
                    if key.startswith(name[:-1])
                ]
                used[role] = sha256(dumps(found))
            else:
                used[role] = self.results[name][1]
        return used


def tell(size: Size = Size()) -> Story:
    """Return the whole story: backtests, a replay, an aborted run, a failed decision."""
    story = Story()
    genesis = {
        "format": "assay-ledger/1",
        "origin": ORIGIN,
        "segment": 65536,
        "vkey": KEY.verify_key.text,
    }
    story.drafts.append(Draft(type="genesis", run_id="", step="", id="", data=genesis))
    for number in range(size.runs):
        _backtest(story, f"20261120T04{number:04d}Z-demo", size)
    decided = f"{story.run_id}/optimize/stocks.custom.hrp.0000/1"
    _replay(story, decided)
    _crashed(story)
    return story


def _backtest(story: Story, run_id: str, size: Size) -> None:
    story.open(run_id, "backtest", "demo")
    navs = {}
    for sleeve, names in SLEEVES.items():
        symbols = _enough(names, size.symbols)
        navs[sleeve] = _walk(story, sleeve, symbols, size)
    _combine(story, navs, size)
    story.close()


def _enough(names: tuple[str, ...], count: int) -> tuple[str, ...]:
    return names[:count] + tuple(f"Z{i:03d}" for i in range(count - len(names)))


def _walk(
    story: Story, sleeve: str, symbols: tuple[str, ...], size: Size
) -> dict[str, list[tuple[str, float]]]:
    """Record the walk-forward of one sleeve and return the NAV by day of each cell."""
    days = TRAIN_DAYS + TEST_DAYS * size.windows
    returns = make_returns(sleeve, symbols, days)
    snapshot = digest_of(f"snapshot of {sleeve}")
    id_ = story.intend(
        "ingest", sleeve, sleeve=sleeve, params={"source": {"kind": "sample"}}, snapshot=snapshot
    )
    story.conclude(
        id_,
        {
            "source": "sample", "symbols": list(symbols), "first_date": day(0),
            "last_date": day(days - 1), "rows": days, "bars": days * len(symbols),
            "fields": ["close"], "price_field": "close",
            "logical_sha256": digest_of(f"values of {sleeve}"),
            "periods_per_year": PERIODS, "calendar": "24x7",
        },
    )  # fmt: skip
    books = {cell: Book() for cell in size.cells}
    for window in range(size.windows):
        _decide_window(story, sleeve, window, symbols=symbols, returns=returns, books=books)
    for cell, book in books.items():
        _record_measure(story, sleeve, cell, book)
    return {
        ".".join(cell): list(zip(book.days, book.navs, strict=True)) for cell, book in books.items()
    }


def _frame(window: int) -> tuple[int, dict[str, Any], dict[str, Any]]:
    """Return the row of the first test day, the window and the slice of a decision."""
    at = TRAIN_DAYS + TEST_DAYS * window
    dates = {
        "ordinal": window,
        "train_first": day(at - TRAIN_DAYS),
        "train_last": day(at - 1),
        "test_first": day(at),
        "test_last": day(at + TEST_DAYS - 1),
    }
    rows = {"field": "close", "first": day(at - TRAIN_DAYS), "last": day(at - 1),
            "rows": TRAIN_DAYS, "columns": 6, "sha256": digest_of(f"slice {window}")}  # fmt: skip
    return at, dates, rows


def _decide_window(
    story: Story,
    sleeve: str,
    window: int,
    *,
    symbols: tuple[str, ...],
    returns: dict[str, list[float]],
    books: dict[tuple[str, str], Book],
) -> None:
    """Record the decisions of one sleeve and window."""
    at, dates, rows = _frame(window)
    common: dict[str, Any] = {
        "sleeve": sleeve, "as_of": day(at - 1), "window": dates, "slice": rows,
        "snapshot": digest_of(f"snapshot of {sleeve}"),
    }  # fmt: skip
    ordinal = f"{sleeve}.{window:04d}"
    health = story.intend("assess", ordinal, params={"lookback_days": TRAIN_DAYS}, **common)
    story.conclude(health, health_of(symbols, day(at - 1)))
    regime = story.intend(
        "detect", ordinal, params={"recent_days": 5}, upstream={"health": health}, **common
    )
    story.conclude(regime, regime_of(day(at - 1), window))
    chosen = story.intend(
        "select",
        ordinal,
        params={"top_per_cluster": 2, "periods_per_year": PERIODS},
        upstream={"health": health},
        **common,
    )
    selection = story.conclude(chosen, selection_of(symbols, day(at - 1)))
    for cell, book in books.items():
        named = {**common, "cell": {"engine": cell[0], "risk_profile": cell[1]}}
        label = f"{sleeve}.{'.'.join(cell)}.{window:04d}"
        solve = story.intend(
            "optimize",
            label,
            params={"l2_penalty": 0.0, "periods_per_year": PERIODS},
            upstream={"regime": regime, "selection": chosen},
            **named,
        )
        weights = solution_of(selection, cell, day(at - 1), window)
        story.conclude(solve, weights)
        _trade(story, label, named, solve, returns=returns, book=book)


def _trade(
    story: Story,
    label: str,
    named: dict[str, Any],
    solve: str,
    *,
    returns: dict[str, list[float]],
    book: Book,
) -> None:
    """Record rebalance and simulate of one window and move the book through it."""
    targets = story.results[solve][0]["weights"]
    at = TRAIN_DAYS + TEST_DAYS * named["window"]["ordinal"]
    upstream = {"weights": solve} | ({"holdings": book.last} if book.last else {})
    params = {"slippage_bps": 5.0, "commission_bps": 1.0, "simulator": "vectorized"}
    trades = story.intend("rebalance", label, params=params, upstream=upstream, **named)
    moved = rebalanced(book, targets, named["as_of"])
    story.conclude(trades, moved)
    upstream = {"trades": trades} | ({"holdings": book.last} if book.last else {})
    run = story.intend("simulate", label, params=params, upstream=upstream, **named)
    story.conclude(run, simulated(book, targets, returns, at, moved["turnover_one_way"]))
    book.last = run


def _record_measure(story: Story, sleeve: str, cell: tuple[str, str], book: Book) -> None:
    label = f"{sleeve}.{'.'.join(cell)}"
    prefix = f"{story.run_id}/simulate/{label}.*"
    id_ = story.intend(
        "measure", label, sleeve=sleeve, cell={"engine": cell[0], "risk_profile": cell[1]},
        params={"periods_per_year": PERIODS}, upstream={"simulations": prefix},
    )  # fmt: skip
    story.conclude(
        id_,
        {
            "series": "stitched", "first_date": book.days[0], "last_date": book.days[-1],
            "days": len(book.days), "periods_per_year": PERIODS,
            "gross": metrics_of(book.gross), "net": metrics_of(book.net),
            "turnover_one_way_total": math.fsum(book.turnover),
            "costs_total": math.fsum(book.costs), "liquidated_at": None,
        },
    )  # fmt: skip


def _combine(story: Story, navs: dict[str, dict[str, list[tuple[str, float]]]], size: Size) -> None:
    """Record the meta-portfolio: sleeves as assets, weighed, traded, flattened."""
    engine, profile = size.cells[0]
    label = f"{engine}.{profile}"
    snapshot = digest_of("snapshot of meta")
    series = {f"sleeve.{s}": f"{story.run_id}/simulate/{s}.{label}.*" for s in SLEEVES}
    composed = story.intend(
        "compose", "meta", sleeve="meta", params={"sleeve_cap": 0.95}, upstream=series
    )
    dates = [d for d, _ in navs["stocks"][label]]
    story.conclude(
        composed,
        {
            "sleeves": [
                {"sleeve": s, "requested": {"engine": engine, "risk_profile": profile},
                 "used": {"engine": engine, "risk_profile": profile}, "proxy": False,
                 "reason": None}
                for s in sorted(SLEEVES)
            ],
            "dropped": [], "first_date": dates[0], "last_date": dates[-1], "rows": len(dates),
            "calendar": "24x7", "periods_per_year": PERIODS,
            "logical_sha256": digest_of("values of meta"),
        },
        snapshot=snapshot,
    )  # fmt: skip
    _weigh_sleeves(story, navs, (engine, profile), dates)


def _weigh_sleeves(
    story: Story,
    navs: dict[str, dict[str, list[tuple[str, float]]]],
    cell: tuple[str, str],
    dates: list[str],
) -> None:
    label = ".".join(cell)
    paths = {s: [1.0, *(nav for _, nav in navs[s][label])] for s in sorted(SLEEVES)}
    returns = {s: [b / a - 1 for a, b in pairwise(p)] for s, p in paths.items()}
    padded = {s: [0.0] * TRAIN_DAYS + r for s, r in returns.items()}
    book = Book()
    for window in range(1, len(dates) // TEST_DAYS):
        at, frame, rows = _frame(window)
        named: dict[str, Any] = {
            "sleeve": "meta", "as_of": day(at - 1), "window": frame, "slice": rows,
            "snapshot": digest_of("snapshot of meta"),
            "cell": {"engine": cell[0], "risk_profile": cell[1]},
        }  # fmt: skip
        regime = story.intend("detect", f"meta.{window:04d}", params={"recent_days": 5},
                              **{k: v for k, v in named.items() if k != "cell"})  # fmt: skip
        story.conclude(regime, regime_of(day(at - 1), window))
        ordinal = f"meta.{label}.{window:04d}"
        solve = story.intend("optimize", ordinal, params={"sleeve_cap": 0.95},
                             upstream={"regime": regime}, **named)  # fmt: skip
        weights = {"crypto": 0.4, "stocks": 0.6}
        caps = {
            "regime": "normal", "symbol_cap": 0.95, "cluster_cap": 1.0,
            "symbol_cap_requested": 0.95, "cluster_cap_requested": 1.0, "rule": "none",
        }  # fmt: skip
        solved = solution_of({"selected": ["crypto", "stocks"]}, cell, day(at - 1), 0)
        constraints = [constraint_of("symbol_cap", s, w, 0.95) for s, w in weights.items()]
        story.conclude(
            solve, {**solved, "weights": weights, "caps": caps, "constraints": constraints}
        )
        _trade(story, ordinal, named, solve, returns=padded, book=book)
        _record_flattening(story, ordinal, named, solve)
    if book.days:
        _record_measure(story, "meta", cell, book)


def _record_flattening(
    story: Story,
    ordinal: str,
    named: dict[str, Any],
    solve: str,
) -> None:
    """Record the symbols that the sleeves of one window hold together."""
    weights = story.results[solve][0]["weights"]
    label, window = ordinal.split(".", 1)[1].rsplit(".", 1)[0], named["window"]["ordinal"]
    below = {s: f"{story.run_id}/optimize/{s}.{label}.{window:04d}/1" for s in sorted(weights)}
    upstream = {"weights": solve, **{f"sleeve.{s}": id_ for s, id_ in below.items()}}
    id_ = story.intend("flatten", ordinal, upstream=upstream, **named)
    rows: list[dict[str, Any]] = []
    for sleeve, part in sorted(weights.items()):
        for symbol, weight in sorted(story.results[below[sleeve]][0]["weights"].items()):
            rows.append(
                {"symbol": symbol, "net": part * weight, "gross": part * weight,
                 "paths": [{"sleeve": sleeve, "sleeve_weight": part, "weight": part * weight}]}
            )  # fmt: skip
    rows.sort(key=lambda row: str(row["symbol"]))
    total = math.fsum(row["net"] for row in rows)
    story.conclude(
        id_,
        {"as_of": named["as_of"], "weights": rows, "cash": 0.0, "net_total": total,
         "gross_total": total, "net_expected": 1.0, "gross_expected": 1.0, "conserved": True},
    )  # fmt: skip


def _replay(story: Story, decided: str) -> None:
    story.open("20261125T040000Z-replay", "replay", None)
    other = decided.replace("custom.hrp", "skfolio.min_variance")
    id_ = story.intend("replay", "all", sleeve="all", params={"decisions": [decided, other]})
    diverged = {"decision_id": other, "verdict": "diverged", "first_difference": "weights.AAA",
                "expected_sha256": story.results[other][1],
                "found_sha256": digest_of("another")}  # fmt: skip
    verdicts = [{"decision_id": decided, "verdict": "exact"}, diverged]
    story.conclude(id_, {"environment_differences": [], "verdicts": verdicts})
    story.close()


def _crashed(story: Story) -> None:
    """A dirty run in which one decision failed, one was aborted and one never ended."""
    story.open("20261126T040000Z-demo", "backtest", "demo", dirty=True, python="3.13.0",
               untracked={"notes.txt": digest_of("notes")})  # fmt: skip
    at, dates, rows = _frame(0)
    named: dict[str, Any] = {
        "sleeve": "stocks", "as_of": day(at - 1), "window": dates, "slice": rows,
        "snapshot": digest_of("snapshot of stocks"),
    }  # fmt: skip
    error = {"code": "E0240", "what": "no engine found weights", "where": "window 0",
             "why": "infeasible", "fix": "relax"}  # fmt: skip
    cell: dict[str, Any] = {"cell": {"engine": "custom", "risk_profile": "hrp"}}
    failed = story.intend("optimize", "stocks.custom.hrp.0000", **named, **cell)
    story.fail(failed, "failed", error)
    aborted = story.intend("assess", "stocks.0000", **named)
    story.fail(aborted, "aborted", {"what": "the process of this run ended"})
    story.intend("detect", "stocks.0000", **named)


def write_workspace(
    root: Path,
    story: Story | None = None,
    *,
    change: Callable[[list[Draft]], Iterable[Draft]] | None = None,
    checkpoint_at: Iterable[int] | None = None,
    pauses: Mapping[int, timedelta] | None = None,
) -> Path:
    """Write `story` as the workspace `root/.assay` and return its path.

    Parameters
    ----------
    change : callable, optional
        Gets the drafts and returns those that are sealed: where a defect is put in.
    checkpoint_at : iterable of int, optional
        Sizes at which a checkpoint is signed; after every closing record if absent.
    pauses : mapping of int to timedelta, optional
        Seq -> how much longer than usual nothing was recorded before it.
    """
    told = story or tell()
    workspace = root / ".assay"
    drafts = list(told.drafts if change is None else change(told.drafts))
    lines, hashes = seal_all(drafts, pauses or {})
    ledger = workspace / "ledger"
    (ledger / "checkpoints").mkdir(parents=True)
    (ledger / "audit.jsonl").write_bytes(b"".join(lines))
    blobs = BlobStore(workspace / "blobs")
    for result, _ in told.results.values():
        if len(encoded := dumps(result)) > 24_000:
            blobs.put(encoded)
    closings = [i + 1 for i, draft in enumerate(drafts) if draft.id.endswith("/close")]
    for size in closings if checkpoint_at is None else checkpoint_at:
        root_hash = Digest(tree_root(hashes[:size]).hex())
        signed = sign_checkpoint(Checkpoint(ORIGIN, size, root_hash), KEY)
        (ledger / "checkpoints" / f"{size:012d}").write_bytes(signed.note)
    return workspace


def seal_all(
    drafts: Iterable[Draft], pauses: Mapping[int, timedelta] = MappingProxyType({})
) -> tuple[list[bytes], list[bytes]]:
    """Return the lines of `drafts` and their hashes as bytes; a quarter of a second each."""
    lines, hashes, head = [], [], Digest("0" * 64)
    at = START - timedelta(milliseconds=250)
    for seq, draft in enumerate(drafts):
        at += timedelta(milliseconds=250) + pauses.get(seq, timedelta())
        ts = at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        line, head = seal(draft, seq=seq, ts=ts, prev_hash=head)
        lines.append(line)
        hashes.append(bytes.fromhex(head))
    return lines, hashes


def changed(drafts: list[Draft], id_: str, type_: str, edit: Callable[[Any], None]) -> list[Draft]:
    """Return the drafts with the data of one of them edited (on a copy).

    All digests downstream are made to fit again, so that only the edited fact is wrong.
    """
    hits = [i for i, draft in enumerate(drafts) if (draft.id, draft.type) == (id_, type_)]
    assert len(hits) == 1, f"{len(hits)} drafts {type_} {id_}"
    out = list(drafts)
    data = copy.deepcopy(dict(out[hits[0]].data))
    edit(data)
    out[hits[0]] = replace(out[hits[0]], data=data)
    return relinked(out)


def relinked(drafts: list[Draft]) -> list[Draft]:
    """Return the drafts with every digest of a result computed again."""
    digests: dict[str, Digest] = {}
    upstream: dict[str, dict[str, str]] = {}
    out = []
    for draft in drafts:
        data = dict(draft.data)
        if draft.type == "intent":
            upstream[draft.id] = data["upstream"]  # type: ignore[assignment]
        if draft.type == "outcome" and "result_sha256" in data:
            if "result" in data:
                data["result_sha256"] = sha256(dumps(data["result"]))
            digests[draft.id] = data["result_sha256"]  # type: ignore[assignment]
            data["upstream_sha256"] = {
                role: _digest_of_upstream(name, digests)
                for role, name in sorted(upstream[draft.id].items())
            }
        out.append(replace(draft, data=data))
    return out


def _digest_of_upstream(name: str, digests: dict[str, Digest]) -> Digest:
    if not name.endswith("*"):
        return digests[name]
    return sha256(dumps([digests[id_] for id_ in sorted(digests) if id_.startswith(name[:-1])]))


def records_of(workspace: Path) -> list[Record]:
    """Return the records of a workspace."""
    content = (workspace / "ledger" / "audit.jsonl").read_bytes()
    return [parse_record(line) for line in content.splitlines(keepends=True)]
