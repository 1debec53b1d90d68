"""A policy is a file of C2SP tlog-policy, and decides what is trusted."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import ConfigError, MalformedNoteError, SigningKey
from ledger.keys import COSIGNATURE
from ledger.note import cosign_text, format_note, sign_text
from ledger.policy import (
    MalformedPolicyError,
    Policy,
    UntrustedNoteError,
    known_signatures,
    load_policy,
    open_trusted,
    parse_policy,
    policy_of,
)

if TYPE_CHECKING:
    from pathlib import Path

    from ledger.note import Signature

LOG = SigningKey("example.org/log", bytes(32)).verify_key
WITNESSES = [
    SigningKey(f"example.org/{n}", bytes([n]) * 32, COSIGNATURE).verify_key for n in range(1, 6)
]
WITNESS_LINES = "".join(f"witness w{n} {key.text}\n" for n, key in enumerate(WITNESSES, 1))
EXAMPLE = f"""\
# Two levels of groups, as in the specification.
log {LOG.text} https://example.org/

\t{WITNESS_LINES}
group x 2 w1 w2 w3
group y any w4 w5
group x-and-y all x y
quorum x-and-y
"""


def test_a_policy_counts_groups_within_groups() -> None:
    """Two of three, and one of two."""
    policy = parse_policy(EXAMPLE.encode())
    one, two, three, four, five = WITNESSES
    assert policy.logs == (LOG,)
    assert policy.keys == (LOG, *WITNESSES)
    assert policy.is_met({one, three, four})
    assert policy.is_met({one, two, three, five})
    assert not policy.is_met({one, four, five})
    assert not policy.is_met({one, two, three})
    assert not policy.is_met(set())


def test_one_witness_may_be_the_quorum() -> None:
    """And none may be asked for."""
    policy = parse_policy(f"{WITNESS_LINES}quorum w2\n".encode())
    assert policy.is_met({WITNESSES[1]})
    assert not policy.is_met({WITNESSES[0]})
    assert parse_policy(b"quorum none\n") == Policy()
    assert Policy().is_met(set())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "quorum none",
        "quorum none\nquorum none\n",
        "quorum\n",
        "quorum w1\n",
        "quorum none\r\n",
        "trust everybody\nquorum none\n",
        f"log\n{WITNESS_LINES}quorum none\n",
        f"log {LOG.text} a b\nquorum none\n",
        f"log {LOG.text}x\nquorum none\n",
        f"log {WITNESSES[0].text}\nquorum none\n",
        f"log {LOG.text}\nlog {LOG.text}\nquorum none\n",
        f"witness w1\n{WITNESS_LINES}quorum none\n",
        f"witness w1 {LOG.text}\nquorum none\n",
        f"witness none {WITNESSES[0].text}\nquorum none\n",
        f"{WITNESS_LINES}witness w1 {LOG.text}\nquorum none\n",
        f"{WITNESS_LINES}witness w9 {WITNESSES[0].text}\nquorum none\n",
        f"{WITNESS_LINES}group g all\nquorum g\n",
        f"{WITNESS_LINES}group g 0 w1\nquorum g\n",
        f"{WITNESS_LINES}group g 3 w1 w2\nquorum g\n",
        f"{WITNESS_LINES}group g one w1 w2\nquorum g\n",
        f"{WITNESS_LINES}group g all w1 none\nquorum g\n",
        f"{WITNESS_LINES}group g all w1 w7\nquorum g\n",
        f"{WITNESS_LINES}group g all w1 w1\nquorum g\n",
        f"{WITNESS_LINES}group g any w1\ngroup h any w1\nquorum h\n",
        f"{WITNESS_LINES}group w1 any w2\nquorum w1\n",
        f"witness w {WITNESSES[0].text[:-4]}\u00e9\nquorum w\n",
    ],
)
def test_another_file_is_refused(text: str) -> None:
    """A policy with a fault trusts nobody."""
    with pytest.raises(MalformedPolicyError) as caught:
        parse_policy(text.encode())
    assert caught.value.exit_code == 2


def test_a_log_and_a_witness_may_have_an_address() -> None:
    """It is passed over; a second one is a fault."""
    for count, fits in ((0, True), (1, True), (2, False)):
        urls = " https://example.org/" * count
        for line in (f"log {LOG.text}{urls}", f"witness w {WITNESSES[0].text}{urls}"):
            with contextlib.nullcontext() if fits else pytest.raises(MalformedPolicyError):
                parse_policy(f"{line}\nquorum none\n".encode())


@pytest.mark.parametrize("needed", ["1", "2", "3"])
def test_a_group_asks_for_one_to_all_of_its_members(needed: str) -> None:
    """Both limits are allowed."""
    policy = parse_policy(f"{WITNESS_LINES}group g {needed} w1 w2 w3\nquorum g\n".encode())
    for count in range(4):
        assert policy.is_met(set(WITNESSES[:count])) is (count >= int(needed))


@pytest.mark.parametrize(
    "line",
    [
        "trust everybody",
        "log",
        f"log {LOG.text}x",
        f"log {WITNESSES[0].text}",
        f"log {LOG.text}",
        "witness w9",
        f"witness w1 {WITNESSES[0].text}",
        f"witness w9 {LOG.text}",
        f"witness w9 {WITNESSES[0].text}",
        "group g all",
        "group w1 any w2",
        "group g any w9",
        "group g 3 w1 w2",
        "quorum a b",
        "quorum w9",
    ],
)
def test_a_refusal_names_the_line(line: str) -> None:
    """Counted from one, comments and empty lines too."""
    text = f"# trust\nlog {LOG.text}\n\n{WITNESS_LINES}{line}\nquorum none\n"
    with pytest.raises(MalformedPolicyError) as caught:
        parse_policy(text.encode())
    assert caught.value.where == "line 9"


@given(st.binary(max_size=60))
def test_foreign_bytes_raise_one_exception(data: bytes) -> None:
    """Nothing else escapes the parser."""
    with contextlib.suppress(MalformedPolicyError):
        parse_policy(data)


def test_a_policy_is_loaded_from_a_file(tmp_path: Path) -> None:
    """A missing one is said to be missing."""
    (tmp_path / "policy").write_text(EXAMPLE)
    assert load_policy(tmp_path / "policy").quorum == "x-and-y"
    with pytest.raises(ConfigError, match="no policy file"):
        load_policy(tmp_path / "missing")


TEXT = "example.org/log\n1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"
SIGNED = sign_text(TEXT, SigningKey("example.org/log", bytes(32)))
COSIGNED = [
    cosign_text(TEXT, SigningKey(key.name, bytes([n]) * 32, COSIGNATURE), time=n)
    for n, key in enumerate(WITNESSES, 1)
]


def test_keys_ask_for_the_log_and_every_witness() -> None:
    """Who holds two witness keys wants both cosignatures; who holds none asks for none."""
    one, two = WITNESSES[:2]
    held = policy_of([one, LOG, two])
    assert held.logs == (LOG,)
    assert policy_of([LOG]) == Policy((LOG,))
    for cosigned in ([], COSIGNED[:1], COSIGNED[1:2]):
        with pytest.raises(UntrustedNoteError) as caught:
            open_trusted(format_note(TEXT, [SIGNED, *cosigned]), held)
        assert caught.value.exit_code == 3
    both = open_trusted(format_note(TEXT, [SIGNED, *COSIGNED]), held)
    assert set(both.verified) == {LOG, one, two}
    assert open_trusted(format_note(TEXT, [SIGNED]), policy_of([LOG])).verified == (LOG,)


def test_cosignatures_alone_are_not_enough() -> None:
    """The log itself must have signed."""
    with pytest.raises(UntrustedNoteError):
        open_trusted(format_note(TEXT, COSIGNED), policy_of([LOG, *WITNESSES]))
    with pytest.raises(MalformedNoteError):
        open_trusted(format_note(TEXT, COSIGNED), policy_of([LOG]))


@given(st.permutations([SIGNED, *COSIGNED]), st.sets(st.integers(0, 4)))
def test_known_signatures_have_one_order(signatures: list[Signature], chosen: set[int]) -> None:
    """Of the keys that were verified, once each, the log's first; in whatever order they came."""
    keys = [LOG, *(WITNESSES[n] for n in chosen)]
    opened = open_trusted(format_note(TEXT, [*signatures, signatures[0]]), policy_of(keys))
    wanted = format_note(TEXT, [SIGNED, *(COSIGNED[n] for n in sorted(chosen))])
    assert known_signatures(opened) == wanted
    assert known_signatures(open_trusted(wanted, policy_of(keys))) == wanted
