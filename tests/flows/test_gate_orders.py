"""Every order of statements, changes and time: the gate of live runs against a plain model."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from flows.gate import Candidate, judge
from ledger import (
    ZERO,
    Approvals,
    Record,
    SigningKey,
    Statement,
    draft_approval,
    draft_halt,
    sha256,
    sign_statement,
    write_time,
)

if TYPE_CHECKING:
    from ledger import Draft

ORIGIN = "example.org/desk"
LOG_KEY = SigningKey(ORIGIN, bytes(32))
NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
KINDS = ("manifest", "lock", "code")
PEOPLE = ("oscar", "alice", "bob")
ACTOR = "oscar@desk"


def key_of(name: str, epoch: int) -> SigningKey:
    """Return the key that a person has after so many enrolments."""
    return SigningKey(f"{name}@example.org", bytes([PEOPLE.index(name) + 1, epoch] * 16))


@dataclass(frozen=True)
class Event:
    """A statement that held, as the model remembers it."""

    action: str
    name: str
    epoch: int
    subject: str
    seq: int
    ts: datetime
    until: datetime = NOON


class Model:
    """What is in force, told from the list of all statements that held."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def epoch(self, name: str) -> int:
        """How often a person was enrolled."""
        return sum(e.action == "enrol" and e.name == name for e in self.events)

    def is_enrolled(self, name: str) -> bool:
        """Whether the last word about a person is an enrolment."""
        mine = [e.action for e in self.events if e.name == name and e.action in ENROLMENTS]
        return mine[-1:] == ["enrol"]

    def stands(self, event: Event) -> bool:
        """Whether who stated it is still enrolled, with the same key."""
        return self.is_enrolled(event.name) and event.epoch == self.epoch(event.name)

    def withdrawn_at(self, subject: str) -> datetime:
        """When a subject was last withdrawn."""
        found = [e.ts for e in self.events if e.action == "withdraw" and e.subject == subject]
        return max(found, default=NOON - timedelta(days=999))

    def is_approved(self, subject: str) -> bool:
        """Whether somebody but the actor approved it, and nobody withdrew it since."""
        return any(
            e.action == "approve"
            and e.subject == subject
            and e.name != "oscar"
            and self.stands(e)
            and not any(
                w.action == "withdraw" and w.subject == subject and w.seq > e.seq
                for w in self.events
            )
            for e in self.events
        )

    def is_overridden(self, name: str, now: datetime) -> bool:
        """Whether somebody but the actor holds the gate open."""
        return any(
            e.action == "override"
            and e.subject == name
            and e.name != "oscar"
            and self.stands(e)
            and now < e.until
            for e in self.events
        )

    def halts(self) -> list[Event]:
        """Return the halts that nobody lifted."""
        return [
            e
            for e in self.events
            if e.action == "halt"
            and not any(
                r.action == "resume" and int(r.subject) >= e.seq and r.seq > e.seq
                for r in self.events
            )
        ]


ENROLMENTS = ("enrol", "dismiss")
person = st.sampled_from(PEOPLE)


class GateMachine(RuleBasedStateMachine):
    """Every order of statements, changes and time against the model."""

    @initialize()
    def begin(self) -> None:
        """Two people are enrolled, nothing is approved, the tree is clean."""
        self.model = Model()
        self.approvals = Approvals(ORIGIN, lambda _seq: [LOG_KEY.verify_key])
        self.now = NOON
        self.seq = 0
        self.dirty = False
        self.versions = dict.fromkeys(KINDS, 0)
        self.hashes: dict[int, str] = {}
        self.appended: list[tuple[Draft, Event]] = []
        self.held: list[tuple[Draft, Event]] = []
        for name in ("oscar", "alice"):
            self.enrol(name)

    def digest(self, kind: str) -> str:
        """Return the digest of the version that would run."""
        return sha256(f"{kind} {self.versions[kind]}".encode())

    def append(self, draft: Draft) -> bool:
        """Record a draft; return whether it held."""
        self.seq += 1
        self.now += timedelta(seconds=1)
        self.hashes[self.seq] = sha256(str(self.seq).encode())
        fault = self.approvals.apply(
            Record(
                seq=self.seq,
                ts=write_time(self.now),
                type="approval",
                actor=ACTOR,
                data=draft.data,
                prev_hash=ZERO,
                hash=sha256(str(self.seq).encode()),
            )
        )
        self.now += timedelta(seconds=1)
        return not fault

    def draft(self, action: str, subject: str, *keys: SigningKey, **more: str) -> Draft:
        """Return a statement signed now."""
        statement = Statement(
            origin=ORIGIN, action=action, subject=subject, at=write_time(self.now), **more
        )
        return draft_approval(sign_statement(statement, *keys), actor=ACTOR)

    def event(self, action: str, name: str, subject: str = "", **more: Any) -> Event:
        """Return what the next record states, for the model."""
        ts = self.now + timedelta(seconds=1)
        epoch = self.model.epoch(name)
        return Event(action, name, epoch, subject, self.seq + 1, ts, **more)

    def state(self, draft: Draft, event: Event, *, holds: bool) -> None:
        """Record a draft, and compare whether it held with the model."""
        assert self.append(draft) is holds
        if holds:
            self.model.events.append(event)
            self.appended.append((draft, event))

    @rule(name=person)
    def enrol(self, name: str) -> None:
        """With a key of its own each time."""
        epoch = self.model.epoch(name) + 1
        key = key_of(name, epoch)
        draft = self.draft("enrol", key.verify_key.text, key, LOG_KEY)
        event = replace(self.event("enrol", name), epoch=epoch)
        self.state(draft, event, holds=not self.model.is_enrolled(name))

    @rule(name=person)
    def enrol_again(self, name: str) -> None:
        """With the key enrolled last: never."""
        if epoch := self.model.epoch(name):
            key = key_of(name, epoch)
            draft = self.draft("enrol", key.verify_key.text, key, LOG_KEY)
            assert not self.append(draft)

    @rule(name=person)
    def dismiss(self, name: str) -> None:
        """By a key of the log."""
        key = key_of(name, self.model.epoch(name))
        draft = self.draft("dismiss", key.verify_key.text, LOG_KEY)
        self.state(draft, self.event("dismiss", name), holds=self.model.is_enrolled(name))

    @rule(name=person, kind=st.sampled_from(KINDS), action=st.sampled_from(["approve", "withdraw"]))
    def agree(self, name: str, kind: str, action: str) -> None:
        """On what would run now."""
        subject = f"{kind} {self.digest(kind)}"
        draft = self.draft(action, subject, key_of(name, self.model.epoch(name)))
        self.state(draft, self.event(action, name, subject), holds=self.model.is_enrolled(name))

    @rule(name=st.sampled_from(["alice", "bob"]))
    def agree_to_all(self, name: str) -> None:
        """So that the machine often reaches an open gate."""
        for kind in KINDS:
            self.agree(name, kind, "approve")

    @rule(name=person, kind=st.sampled_from(KINDS))
    def hold_back(self, name: str, kind: str) -> None:
        """Sign an approval that is recorded later."""
        subject = f"{kind} {self.digest(kind)}"
        draft = self.draft("approve", subject, key_of(name, self.model.epoch(name)))
        self.held.append((draft, self.event("approve", name, subject)))

    @rule()
    def bring_held(self) -> None:
        """Record what was held back longest."""
        if self.held:
            draft, signed = self.held.pop(0)
            at = signed.ts - timedelta(seconds=1)
            event = replace(signed, seq=self.seq + 1, ts=self.now + timedelta(seconds=1))
            fresh = event.ts - at <= timedelta(days=7)
            used = any(draft == other for other, _ in self.appended)
            later = at > self.model.withdrawn_at(event.subject)
            holds = fresh and later and not used and self.model.stands(event)
            self.state(draft, event, holds=holds)

    @rule(name=person, gate_name=st.sampled_from(["tree", *KINDS]), hours=st.integers(-1, 200))
    def override(self, name: str, gate_name: str, hours: int) -> None:
        """For any time."""
        until = self.now + timedelta(hours=hours)
        key = key_of(name, self.model.epoch(name))
        draft = self.draft("override", gate_name, key, until=write_time(until), reason="r")
        event = self.event("override", name, gate_name, until=until)
        left = until - event.ts
        holds = timedelta(0) < left <= timedelta(days=7) and self.model.is_enrolled(name)
        self.state(draft, event, holds=holds)

    @rule(name=st.one_of(st.none(), person))
    def halt(self, name: str | None) -> None:
        """By anybody, signed or not."""
        if name is not None and self.model.is_enrolled(name):
            draft = self.draft("halt", "", key_of(name, self.model.epoch(name)), reason="r")
            self.state(draft, self.event("halt", name), holds=True)
        else:
            at = write_time(self.now)
            statement = Statement(origin=ORIGIN, action="halt", at=at, reason="r")
            self.state(draft_halt(statement, actor=ACTOR), self.event("halt", ""), holds=True)

    @rule(name=person, back=st.integers(0, 2))
    def resume(self, name: str, back: int) -> None:
        """Any of the halts in force, by anybody."""
        halts = self.model.halts()
        if halts:
            seq = halts[-1 - min(back, len(halts) - 1)].seq
            key = key_of(name, self.model.epoch(name))
            draft = self.draft("resume", self.hashes[seq], key, reason="r")
            event = self.event("resume", name, str(seq))
            self.state(draft, event, holds=self.model.is_enrolled(name))

    @rule(at=st.integers(0, 99))
    def append_again(self, at: int) -> None:
        """An old note, by who may write: it does not hold, unless it is a halt."""
        if self.appended:
            draft, event = self.appended[at % len(self.appended)]
            signed = bool(event.name)
            holds = event.action == "halt" and (not signed or self.model.stands(event))
            self.state(draft, self.event("halt", event.name), holds=holds)

    @rule(kind=st.sampled_from(KINDS), back=st.booleans())
    def change(self, kind: str, back: bool) -> None:  # noqa: FBT001 - drawn
        """Another version, or the first one again."""
        self.versions[kind] = 0 if back else self.versions[kind] + 1

    @rule()
    def touch(self) -> None:
        """Make a clean tree dirty, or a dirty one clean."""
        self.dirty = not self.dirty

    @rule(hours=st.integers(1, 240))
    def wait(self, hours: int) -> None:
        """Let time pass."""
        self.now += timedelta(hours=hours)

    @invariant()
    def gate_is_what_the_model_says(self) -> None:
        """Each gate by itself, and so the whole."""
        digests = {kind: self.digest(kind) for kind in KINDS}
        run = Candidate(ACTOR, self.dirty, digests)
        found = {v.gate: v.status for v in judge(self.approvals, run, write_time(self.now))}
        wanted = {"tree": "failed" if self.dirty else "passed"}
        wanted["halt"] = "failed" if self.model.halts() else "passed"
        for kind in KINDS:
            agreed = self.model.is_approved(f"{kind} {digests[kind]}")
            wanted[kind] = "passed" if agreed else "failed"
        for name in ("tree", *KINDS):
            if wanted[name] == "failed" and self.model.is_overridden(name, self.now):
                wanted[name] = "overridden"
        assert found == wanted


TestGateMachine = GateMachine.TestCase
TestGateMachine.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
