"""Section 1: what was judged, worst first.

A verdict is `NONE` when there was nothing to judge it by: silence is not a pass. The chain was
recomputed twice, by the caller's verifier from the bytes and by SQL from the loaded lines; either
can fail it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from warehouse.reports.page import State, Verdict
from warehouse.reports.wording import count, plural

if TYPE_CHECKING:
    from warehouse.reports.evidence import Evidence, Row
    from warehouse.reports.subject import Subject, Verified

CHAIN = "chain"
_DAMAGE = (
    ("bad_hash_count", "wrong hash", "wrong hashes"),
    ("broken_link_count", "broken link", "broken links"),
    ("gap_count", "gap", "gaps"),
    ("backward_time_count", "step back in time", "steps back in time"),
    ("wrong_root_count", "wrong checkpoint root", "wrong checkpoint roots"),
)
_BAD_REPLAYS = (
    "diverged",
    "chain_broken",
    "input_altered",
    "input_missing",
    "environment_differs",
)


def judge(
    evidence: Evidence,
    subject: Subject,
    integrity: Row,
    verified: Verified,
) -> tuple[Verdict, ...]:
    """Return every verdict, worst first, else in a fixed order.

    Of what the caller's verifier found, `chain` is joined with what SQL recomputed; other names
    stand for themselves.
    """
    said = verified.verification
    counts = evidence.ask("judgements", run_id=subject.run_id).first
    assert counts is not None  # noqa: S101 - an aggregate without GROUP BY has one row
    verdicts = [
        _chain(integrity, said.get(CHAIN, "")),
        _checkpoint(integrity, verified),
        _completeness(subject, counts, whole=evidence.period is None),
        _health(counts),
        _limits(counts),
        _recomputation(counts),
        _replays(evidence, subject, counts),
        _environment(subject),
        *(_given(name, words) for name, words in sorted(said.items()) if name != CHAIN),
    ]
    return tuple(sorted(verdicts, key=lambda verdict: verdict.state))


def parse_verdict(said: str) -> tuple[State, str]:
    """Return the state and the reason of `STATE` or `STATE: reason`.

    Raises
    ------
    ValueError
        If the state is none of `PASS`, `FAIL`, `NONE`.
    """
    word, _, reason = said.partition(":")
    if word.strip() not in State.__members__:
        msg = f"a verdict is PASS, FAIL or NONE, not {word!r}"
        raise ValueError(msg)
    return State[word.strip()], reason.strip()


def _given(name: str, said: str) -> Verdict:
    state, reason = parse_verdict(said)
    return Verdict(name, state, reason or "As the verifier found.", "", "check")


def _chain(integrity: Row, said: str) -> Verdict:
    records = plural(integrity.count("record_count"), "record")
    if not integrity.flag("is_intact"):
        wrong = ", ".join(
            plural(integrity.count(column), one, many)
            for column, one, many in _DAMAGE
            if integrity.count(column)
        )
        reason = f"{records}; SQL found {wrong}."
        return Verdict(CHAIN, State.FAIL, reason, "integrity", "check")
    reason = f"{records}; every hash and link recomputed in SQL"
    if not said:
        return Verdict(CHAIN, State.PASS, f"{reason}.", "integrity", "check")
    state, words = parse_verdict(said)
    return Verdict(
        CHAIN, state, f"{reason}; verifier: {words or state.name}.", "integrity", "check"
    )


def _checkpoint(integrity: Row, verified: Verified) -> Verdict:
    name, records = "checkpoint", integrity.count("record_count")
    size = verified.size
    if size is None:
        return Verdict(name, State.NONE, "No signed checkpoint was given.", "", "check")
    held = integrity.maybe_count("checkpoint_size")
    if held == size and integrity.maybe_text("checkpoint_root") != verified.root:
        reason = f"The checkpoint of size {count(size)} has another root than the records give."
        return Verdict(name, State.FAIL, reason, "integrity", "check")
    if size < records:
        reason = f"The newest covers {count(size)} of {plural(records, 'record')}."
        return Verdict(name, State.NONE, reason, "integrity", "check")
    reason = f"Size {count(size)} covers all {plural(records, 'record')} of this report."
    return Verdict(name, State.PASS, reason, "integrity", "check")


def _completeness(subject: Subject, counts: Row, *, whole: bool) -> Verdict:
    name, run = "completeness", subject.run
    intents, orphans, still = (counts.count(key) for key in ("intents", "orphans", "open"))
    status = run.text("close_status")
    recorded = run.maybe_count("recorded_intent_count")
    if status == "open":
        reason = f"The run has not closed; {plural(still, 'intent')} without outcome."
        return Verdict(name, State.NONE, reason, "judgements", "scope")
    if orphans or still:
        reason = f"{count(orphans + still)} of {plural(intents, 'intent')} without outcome."
        return Verdict(name, State.FAIL, reason, "judgements", "exceptions")
    if whole and recorded is not None and recorded != intents:
        reason = f"The run says {plural(recorded, 'intent')}, the ledger holds {count(intents)}."
        return Verdict(name, State.FAIL, reason, "judgements", "exceptions")
    if status != "ok":
        return Verdict(name, State.FAIL, f"The run closed as {status}.", "run", "exceptions")
    failed = counts.count("unsuccessful")
    also = f"; {count(failed)} failed or aborted, listed below" if failed else ""
    reason = f"Each of {plural(intents, 'intent')} has its outcome{also}."
    return Verdict(name, State.PASS, reason, "judgements", "scope")


def _health(counts: Row) -> Verdict:
    name = "data health"
    checks, bad, shut = (counts.count(k) for k in ("health_checks", "unhealthy", "closed_gates"))
    if not checks:
        return Verdict(name, State.NONE, "No health check was recorded.", "judgements", "health")
    state = State.FAIL if shut else State.PASS
    gates = f"{plural(shut, 'gate')} closed" if shut else "every gate open"
    reason = f"{plural(checks, 'check')}, {count(bad)} not ok; {gates}."
    return Verdict(name, state, reason, "judgements", "health")


def _limits(counts: Row) -> Verdict:
    checks, breaches, relaxed, solves = (
        counts.count(key) for key in ("limit_checks", "breaches", "relaxed", "solves")
    )
    if not checks:
        return Verdict("limits", State.NONE, "No limit was recorded.", "judgements", "limits")
    state = State.FAIL if breaches else State.PASS
    reason = f"{plural(checks, 'limit')} checked, {count(breaches)} exceeded"
    if relaxed:
        reason += f"; relaxed by rule in {count(relaxed)} of {plural(solves, 'solve')}"
    return Verdict("limits", state, f"{reason}.", "judgements", "limits")


def _recomputation(counts: Row) -> Verdict:
    name, section = "recomputation", "exceptions"
    findings, checks, differ = (
        counts.count(key) for key in ("findings", "metric_checks", "metric_differences")
    )
    if not checks and not findings:
        return Verdict(name, State.NONE, "No metric was recorded.", "judgements", "performance")
    state = State.FAIL if findings or differ else State.PASS
    reason = (
        f"{plural(checks, 'metric')} computed again in SQL, {count(differ)} different; "
        f"{plural(findings, 'finding')} against this run."
    )
    return Verdict(name, state, reason, "judgements", section if findings else "performance")


def _replays(evidence: Evidence, subject: Subject, counts: Row) -> Verdict:
    name = "replay coverage"
    found = {
        row.text("verdict"): row.count("decisions")
        for row in evidence.ask("replays", run_id=subject.run_id)
    }
    if not found:
        return Verdict(name, State.NONE, "No decision was replayed.", "replays", "scope")
    state = State.FAIL if any(bad in found for bad in _BAD_REPLAYS) else State.PASS
    section = "exceptions" if state is State.FAIL else "scope"
    listed = ", ".join(f"{count(n)} {word.replace('_', ' ')}" for word, n in found.items())
    reason = f"Of {plural(counts.count('intents'), 'decision')} replayed: {listed}."
    return Verdict(name, state, reason, "replays", section)


def _environment(subject: Subject) -> Verdict:
    commit = subject.run.text("commit_sha")[:12]
    if subject.run.flag("is_dirty"):
        kept = "the difference is kept as a blob" if subject.run.maybe_text("diff_sha256") else ""
        reason = f"Uncommitted changes on commit {commit}{'; ' if kept else ''}{kept}."
        return Verdict("environment", State.FAIL, reason, "run", "exceptions")
    reason = f"Clean tree at commit {commit}; lock file and platform recorded."
    return Verdict("environment", State.PASS, reason, "run", "scope")
