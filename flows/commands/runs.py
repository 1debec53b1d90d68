"""`run`, `demo`, `config`, `schema`: manifests and what they run."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, cast

from flows.commands.workspace import SETTINGS_FILE, create_workspace
from flows.errors import UsageError, WorkspaceError
from flows.gate import warnings_of_halts
from flows.manifest import BUNDLED, read_manifest, resolve
from flows.output import Progress, table
from flows.settings import FOLDER, Settings, child_environment, set_environment

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from flows.manifest import Resolved
    from flows.output import Output
    from flows.runner import Runner
    from flows.runs import RunSummary
    from pipeline.values import Payload

DEMO_FOLDER = "assay-demo"


def resolve_profile(
    settings: Settings, manifest: str | None, profile: str | None, values: Sequence[str] = ()
) -> Resolved:
    """Resolve a profile from a manifest file, the workspace file, the environment and flags."""
    path = BUNDLED if manifest is None else (settings.cwd / manifest)
    try:
        beside: Path | None = settings.find_workspace().root.parent / SETTINGS_FILE
    except WorkspaceError:
        beside = settings.cwd / SETTINGS_FILE
    return resolve(
        read_manifest(path),
        profile,
        workspace_file=beside,
        overrides=settings.overrides,
        flags=_flags(values),
    )


def _flags(values: Sequence[str]) -> Mapping[str, str]:
    flags = {}
    for value in values:
        key, separator, text = value.partition("=")
        if not separator:
            raise UsageError(
                f"--set {value!r} has no `=`",
                where="--set",
                why="a flag names a key and its value",
                fix="write it as --set simulation.slippage_bps=10",
            )
        flags[key] = text
    return flags


def runner_named(name: str) -> Runner:
    """Return the runner called `plain` or `prefect`."""
    from flows.runner import PlainRunner  # noqa: PLC0415

    if name == "plain":
        return PlainRunner()
    raise UsageError(
        f"unknown runner {name!r}",
        where="--runner",
        why="a run is plain Python or a Prefect flow",
        fix="use --runner plain or --runner prefect",
    )


def run(
    settings: Settings,
    output: Output,
    *,
    stage: str,
    manifest: str | None,
    profile: str | None,
    as_of: str | None,
    runner: str,
    values: Sequence[str],
    jobs: int = 1,
    dry_run: bool = False,
) -> int:
    """Run a stage, one rebalance, or the walk-forward of a profile."""
    settings.find_workspace()
    resolved = resolve_profile(settings, manifest, profile, values)
    if dry_run:
        text = f"would run {stage} of profile {resolved.name}, manifest {resolved.sha256}"
        return output.done(text, {"stage": stage, "manifest": resolved.to_payload()})
    _name_bundled_prices(output, resolved)
    started = time.monotonic()
    summary = run_with(
        settings, output, resolved, stage=stage, as_of=as_of, runner=runner, jobs=jobs
    )
    if resolved.profile.mode != "live":
        output.warnings += warnings_of_halts(settings.find_workspace().ledger)
    seconds = time.monotonic() - started
    text = f"{summary_text(summary)}\n\n{_closing(summary, seconds)}"
    head = (summary.head, summary.checkpoint.size)
    return output.done(text, {**summary_data(summary), "seconds": round(seconds, 3)}, head=head)


def _name_bundled_prices(output: Output, resolved: Resolved) -> None:
    """Warn when nobody said where the prices come from: a sample must not pass for a source."""
    layers = {layer for key, layer in resolved.origin.items() if key.startswith("data.source.")}
    if layers == {"default"} and not resolved.profile.sleeves and resolved.base != BUNDLED.parent:
        output.warnings.append(
            f"the manifest names no `data.source`: the bundled sample "
            f"{resolved.profile.data.source.dataset!r} is used"
        )


def run_with(
    settings: Settings,
    output: Output,
    resolved: Resolved,
    *,
    stage: str,
    as_of: str | None,
    runner: str,
    jobs: int = 1,
) -> RunSummary:
    """Run a resolved profile with the runner called for, showing progress."""
    if runner == "prefect":
        if jobs > 1:
            raise UsageError(
                f"--jobs {jobs} with --runner prefect",
                where="assay run",
                why="a Prefect task decides in the process of its flow",
                fix="leave one of the two out",
            )
        return _run_with_prefect(settings, output, resolved, stage=stage, as_of=as_of)
    from flows.runs import execute  # noqa: PLC0415 - imports the pipeline

    with Progress(output) as progress:
        return execute(
            settings,
            resolved,
            runner_named(runner),
            kind=stage,
            as_of=as_of,
            progress=progress,
            jobs=jobs,
        )


def _run_with_prefect(
    settings: Settings, output: Output, resolved: Resolved, *, stage: str, as_of: str | None
) -> RunSummary:
    from flows.local_server import API_URL, client_environment  # noqa: PLC0415

    set_environment(client_environment(settings.find_workspace()))
    from flows.scheduled import find_flow, run_as_flow  # noqa: PLC0415 - Prefect takes 1.6 s

    find_flow(stage)
    if API_URL not in child_environment({}):
        output.note("starting a temporary Prefect server: some ten seconds")
    with Progress(output) as progress:
        return run_as_flow(settings, resolved, stage=stage, as_of=as_of, progress=progress)


def summary_data(summary: RunSummary) -> dict[str, object]:
    """Return a run summary as JSON values."""
    return {
        "run_id": summary.run_id,
        "kind": summary.kind,
        "profile": summary.profile,
        "decisions": summary.intents,
        "outcomes": summary.outcomes,
        "recording_seconds": round(summary.recording_seconds, 6),
        "checkpoint": {
            "origin": summary.checkpoint.origin,
            "size": summary.checkpoint.size,
            "lines": summary.checkpoint.text.splitlines(),
        },
        "results": summary.results,
    }


def summary_text(summary: RunSummary) -> str:
    """Return the metrics of a walk-forward, or the trades of one date, as a table."""
    rows = []
    for id_, result in summary.results.items():
        _, step, ordinal, _ = id_.split("/")
        if step == "measure":
            net = cast("dict[str, float]", result["net"])
            rows.append(
                [
                    ordinal,
                    net["total_return"],
                    net["annual_return"],
                    net["volatility"],
                    net["sharpe"],
                    net["max_drawdown"],
                ]
            )
    if rows:
        header = ("book", "net return", "annual", "volatility", "Sharpe", "drawdown")
        return table(header, rows)
    return _one_date_text(summary)


def _one_date_text(summary: RunSummary) -> str:
    lines = []
    for id_, result in summary.results.items():
        _, step, ordinal, _ = id_.split("/")
        if step == "detect":
            lines.append(f"{ordinal}: regime {result['regime']}, score {result['score']:.3f}")
        elif step == "assess":
            counts = cast("dict[str, int]", result["counts"])
            found = ", ".join(f"{n} {name}" for name, n in sorted(counts.items()) if n)
            lines.append(f"{ordinal}: gate {result['gate']}, {found}")
        elif step == "rebalance":
            trades = cast("list[Payload]", result["trades"])
            lines.append(
                f"{ordinal}: {result['urgency']}, {len(trades)} trades, "
                f"turnover {result['turnover_one_way']:.4f}"
            )
            rows = [(t["side"], t["symbol"], t["weight"], t["value"]) for t in trades]
            lines.append(table(("side", "symbol", "weight", "value"), rows) if rows else "")
    return "\n".join(lines)


def _closing(summary: RunSummary, seconds: float) -> str:
    return (
        f"run        {summary.run_id}\n"
        f"recorded   {summary.intents} decisions, {summary.outcomes} outcomes "
        f"in {summary.recording_seconds:.2f} s of {seconds:.1f} s\n"
        f"checkpoint {summary.checkpoint.size} records"
    )


def demo(settings: Settings, output: Output, folder: str | None, runner: str) -> int:
    """Run the bundled demo in its own folder: run, verify, build, replay a sample, report."""
    from flows.demonstration import demonstrate  # noqa: PLC0415 - imports everything

    target = (settings.cwd / (folder or DEMO_FOLDER)).resolve()
    target.mkdir(parents=True, exist_ok=True)
    if not (target / FOLDER / "ledger" / "checkpoint").exists():
        create_workspace(target, "assay.local/demo")
    inside = Settings(cwd=target, overrides=settings.overrides, actor=settings.actor)
    resolved = resolve_profile(inside, None, "demo")
    return demonstrate(inside, output, resolved, runner=runner)


def show_config(
    settings: Settings,
    output: Output,
    *,
    manifest: str | None,
    profile: str | None,
    values: Sequence[str],
    origin: bool,
) -> int:
    """Print the resolved profile, or where each value came from."""
    resolved = resolve_profile(settings, manifest, profile, values)
    payload = resolved.to_payload()
    data = {**payload, "sha256": resolved.sha256, "origin": dict(resolved.origin)}
    if not origin:
        text = json.dumps(payload["resolved"], indent=2)
        return output.done(f"{text}\nsha256 {resolved.sha256}", data)
    document = cast("Payload", payload["resolved"])
    rows = [(key, _value(document, key), layer) for key, layer in resolved.origin.items()]
    return output.done(table(("key", "value", "from"), rows), data)


def _value(document: Payload, key: str) -> str:
    value: object = document
    for part in key.split("."):
        value = value[part] if isinstance(value, dict) and part in value else None
    text = json.dumps(value)
    return text if len(text) <= 48 else f"{text[:45]}..."  # noqa: PLR2004 - a column


def show_engines(output: Output) -> int:
    """Print the capability table: engine, risk profile, how each limit is treated."""
    from pipeline.optimization.engines.base import capability_table, installed  # noqa: PLC0415

    entries = [
        {**asdict(entry), "installed": installed(entry.engine)}
        for entry in capability_table()
        if not entry.refused
    ]
    names = [name for name in entries[0] if name != "refused"]
    rows = [[entry[name] for name in names] for entry in entries]
    return output.done(table([name.replace("_", " ") for name in names], rows), entries)


def show_schema(output: Output, name: str) -> int:
    """Print a JSON Schema."""
    from pipeline.config import Manifest  # noqa: PLC0415 - pydantic

    if name != "manifest":
        raise UsageError(
            f"unknown schema {name!r}",
            where="assay schema",
            why="there is one schema: manifest",
            fix="run `assay schema manifest`",
        )
    schema = Manifest.model_json_schema(by_alias=True)
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    text = json.dumps(schema, indent=2)
    return output.done(text, schema)
