"""A second signature that quantum computers do not break, and that old verifiers pass over."""

from __future__ import annotations

import builtins
import struct
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import mldsa

import ledger.keys
from ledger import (
    ZERO,
    Draft,
    Log,
    MalformedKeyError,
    MalformedLedgerError,
    MalformedNoteError,
    SigningKey,
    VerifyKey,
    Witness,
    WrongKeyError,
    add_cosignature,
    make_request,
    open_checkpoint,
    parse_policy,
    verify,
)
from ledger.checkpoint import Checkpoint, sign_checkpoint
from ledger.digest import Digest
from ledger.keys import COSIGNATURE, MLDSA, AlgorithmMissingError
from ledger.log import _stamp
from ledger.note import cosign_text, format_note, open_note, parse_note, sign_note
from ledger.record import seal
from ledger.segments import FORMAT
from tests.ledger.conftest import ORIGIN, note

if TYPE_CHECKING:
    from tests.ledger.conftest import Clock, MakeLog

SECOND = SigningKey(ORIGIN, bytes(range(32)), MLDSA)
OTHER = SigningKey(ORIGIN, bytes(32), MLDSA)
STANDALONE = Path(ledger.keys.__file__).with_name("standalone.py")


def strip(path: Path, key: SigningKey, *, wrong: bool = False) -> None:
    """Take the line of a key out of a checkpoint, or spoil it."""
    parsed = parse_note(path.read_bytes())
    lines = [each for each in parsed.signatures if each.key_id != key.verify_key.key_id]
    if wrong:
        spoilt = sign_note(parsed.text.replace("\n1\n", "\n2\n"), key)
        lines += parse_note(spoilt).signatures
    path.chmod(0o644)
    path.write_bytes(format_note(parsed.text, lines))


BEYOND = ((ORIGIN, 1 << 63), (ORIGIN, -1), ("", 1), ("x" * 256, 1), ("\u00e9" * 128, 1))


def _text(origin: str, size: int) -> str:
    """Return the text of a checkpoint with a root of zeros."""
    return f"{origin}\n{size}\n{'A' * 43}=\n"


@pytest.fixture
def log(make_log: MakeLog) -> Log:
    """Return a ledger of one record with a second key."""
    return make_log(cosigner=SECOND)


def test_the_key_has_the_spelling_of_signed_notes() -> None:
    """Algorithm byte 0x06, 1,312 bytes of public key, both ways."""
    public = SECOND.verify_key
    assert VerifyKey.parse(public.text) == public
    assert (public.algorithm, len(public.public)) == (0x06, 1312)
    assert SigningKey.parse(SECOND.text) == SECOND
    generated = SigningKey.generate(ORIGIN, algorithm=MLDSA)
    assert VerifyKey.parse(generated.verify_key.text).public == generated.verify_key.public


def test_a_key_of_another_length_is_refused() -> None:
    """The algorithm says how long a key is."""
    short = VerifyKey(ORIGIN, bytes(32), MLDSA)
    with pytest.raises(MalformedKeyError):
        VerifyKey.parse(short.text)
    with pytest.raises(MalformedKeyError):
        VerifyKey.parse(VerifyKey(ORIGIN, bytes(1312)).text)
    for text in (f"{ORIGIN}+00000000+", f"{ORIGIN}+00000000+AQ"):
        with pytest.raises(MalformedKeyError):
            VerifyKey.parse(text)


def test_the_signed_message_is_that_of_the_specification() -> None:
    """C2SP tlog-cosignature: label, cosigner, time, origin, start, end, root; checked by hand."""
    root = Digest("ab" * 32)
    signed = sign_checkpoint(Checkpoint(ORIGIN, 7, root), SECOND).note
    value = parse_note(signed).signatures[0].value
    name = bytes([len(ORIGIN)]) + ORIGIN.encode()
    message = b"subtree/v1\n\x00" + name + bytes(8) + name + struct.pack(">QQ", 0, 7)
    message += bytes.fromhex(root)
    assert (value[:8], len(value)) == (bytes(8), 8 + 2420)
    public = mldsa.MLDSA44PublicKey.from_public_bytes(SECOND.verify_key.public)
    public.verify(value[8:], message)


def test_only_a_checkpoint_is_signed() -> None:
    """The fields are signed, not the text, so a text without them has no signature."""
    texts = ("a\nb\nc\n", "a\n", f"{ORIGIN}\n01\n{'A' * 43}=\n", f"{ORIGIN}\n1\nAAAA\n")
    for text in (*texts, f"{ORIGIN}\n1\n{'A' * 43}=!\n", *(_text(*each) for each in BEYOND)):
        with pytest.raises(MalformedNoteError, match="checkpoint"):
            sign_note(text, SECOND)
    good = sign_note(f"{ORIGIN}\n1\n{'A' * 43}=\n", SECOND).partition(b"\n\n")[2]
    with pytest.raises(MalformedNoteError):
        open_note(b"a\nb\n\n" + good, [SECOND.verify_key])


def test_the_limits_of_a_checkpoint_are_signed() -> None:
    """Names of 1 to 255 bytes, spaces in them or not; sizes from nothing to 63 bits."""
    for origin, size in (
        (ORIGIN, 0),
        (ORIGIN, (1 << 63) - 1),
        ("x", 1),
        ("x" * 255, 1),
        ("a b", 1),
    ):
        opened = open_note(sign_note(_text(origin, size), SECOND), [SECOND.verify_key])
        assert opened.text == _text(origin, size)


def test_every_checkpoint_has_both_lines(log: Log, key: SigningKey, clock: Clock) -> None:
    """The pinned key signs beside the log's, also after the log was opened again."""
    log.append([note(1)])
    log.close()
    with Log.open(log.path, clock=clock, cosigners=[SECOND]) as again:
        signed = again.checkpoint(key, SECOND)
    opened = open_note(signed.note, [key.verify_key, SECOND.verify_key])
    assert opened.verified == (key.verify_key, SECOND.verify_key)
    assert verify(log.path).verdict == "ok"
    assert verify(log.path, keys=[key.verify_key, SECOND.verify_key]).trust == "signed"


def test_old_verifiers_pass_over_the_second_line(log: Log, key: SigningKey) -> None:
    """A verifier that knows the first key alone, and the standalone one, find nothing."""
    assert open_checkpoint(log.checkpoint(key).note, [key.verify_key]).size == 1
    command = [sys.executable, str(STANDALONE), "ledger", str(log.path), key.verify_key.text]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout[:4]) == (0, "PASS")


def test_a_stripped_line_is_found_once_it_is_asked_for(log: Log, key: SigningKey) -> None:
    """By a policy, or by bringing the key; without either it is only unknown."""
    for name in ("checkpoint", "checkpoints/000000000001"):
        strip(log.path / name, SECOND)
    assert verify(log.path, keys=[key.verify_key]).verdict == "ok"
    text = f"log {key.verify_key.text}\nwitness second {SECOND.verify_key.text}\nquorum second\n"
    report = verify(log.path, policy=parse_policy(text.encode()))
    assert [each.message for each in report.findings] == [
        "the newest checkpoint lacks cosignatures"
    ]
    assert verify(log.path, keys=[key.verify_key, SECOND.verify_key]).verdict == "signature"


def test_a_wrong_line_of_the_pinned_key_rejects(log: Log) -> None:
    """A known key's bad signature, whoever verifies."""
    strip(log.path / "checkpoint", SECOND, wrong=True)
    report = verify(log.path)
    assert [(each.kind, each.where) for each in report.findings] == [("signature", "checkpoint")]


def test_the_second_key_alone_does_not_sign_for_the_log(log: Log, key: SigningKey) -> None:
    """It stands beside the log's key, not in its place."""
    strip(log.path / "checkpoint", key)
    found = [each.message for each in verify(log.path).findings]
    assert found == ["no key of the log signed"]


def test_the_second_key_of_a_log_is_no_witness(log: Log, key: SigningKey) -> None:
    """A quorum that the log alone can make is no second party."""
    text = f"log {key.verify_key.text}\nwitness second {SECOND.verify_key.text}\nquorum second\n"
    assert verify(log.path, policy=parse_policy(text.encode())).trust == "signed"


def test_a_witness_may_have_such_a_key(log: Log, key: SigningKey, clock: Clock) -> None:
    """With its time in the signature."""
    own = SigningKey("example.org/witness", bytes(32), MLDSA)
    witness = Witness(log.path / "w", key=own, logs=[key.verify_key], clock=clock)
    add_cosignature(log.path, witness.add_checkpoint(make_request(log.path, 0)), own.verify_key)
    text = f"log {key.verify_key.text}\nwitness w {own.verify_key.text}\nquorum w\n"
    assert verify(log.path, policy=parse_policy(text.encode())).trust == "witnessed"
    line = cosign_text(Checkpoint(ORIGIN, 1, Digest("00" * 32)).text, own, time=5)
    assert line.time == 5


@pytest.mark.parametrize(
    "cosigner",
    [SigningKey("example.org/other", bytes(32), MLDSA), SigningKey(ORIGIN, bytes(32), COSIGNATURE)],
)
def test_only_an_mldsa_key_of_the_log_is_pinned(make_log: MakeLog, cosigner: SigningKey) -> None:
    """Its name is the origin."""
    with pytest.raises(WrongKeyError, match="ML-DSA-44"):
        make_log(cosigner=cosigner)


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("nothing", ["the second key is none"]),
        (SigningKey("example.org/other", bytes(32), MLDSA).verify_key.text, []),
        (SigningKey(ORIGIN, bytes(32)).verify_key.text, []),
    ],
)
def test_a_pinned_text_that_is_no_second_key_signs_nothing(
    root: Path, key: SigningKey, clock: Clock, text: str, faults: list[str]
) -> None:
    """No key is a finding; a key of another name or algorithm is passed over."""
    pinned = {"format": FORMAT, "origin": ORIGIN, "segment": 8, "vkey": key.verify_key.text}
    draft = Draft(type="genesis", run_id="", step="", id="", data={**pinned, "cosigner": text})
    root.mkdir()
    (root / "audit.jsonl").write_bytes(seal(draft, seq=0, ts=_stamp(clock()), prev_hash=ZERO)[0])
    (root / "lock").touch()
    Log.open(root, clock=clock).checkpoint(key)
    found = [each.message.partition(":")[0] for each in verify(root).findings]
    assert found == faults


def test_a_pinned_value_that_is_no_text_is_no_genesis(
    root: Path, key: SigningKey, clock: Clock
) -> None:
    """A number where a key should stand."""
    pinned = {"format": FORMAT, "origin": ORIGIN, "segment": 8, "vkey": key.verify_key.text}
    draft = Draft(type="genesis", run_id="", step="", id="", data={**pinned, "cosigner": 1})
    root.mkdir()
    (root / "audit.jsonl").write_bytes(seal(draft, seq=0, ts=_stamp(clock()), prev_hash=ZERO)[0])
    with pytest.raises(MalformedLedgerError):
        Log.open(root, clock=clock)


def test_a_platform_without_it_says_so(monkeypatch: pytest.MonkeyPatch, log: Log) -> None:
    """No module, or no support in the library beneath it: signing, checking and reading."""
    message, signature = b"m", SECOND.sign(b"m")
    assert SECOND.verify_key.verify(message, signature)
    assert not OTHER.verify_key.verify(message, signature)
    public = SECOND.verify_key

    def refuse(_: object) -> Any:
        raise UnsupportedAlgorithm("none")

    class Without:
        """Stands for the classes of a build without ML-DSA."""

        from_seed_bytes = from_public_bytes = staticmethod(refuse)

    with monkeypatch.context() as patch:
        patch.setattr(mldsa, "MLDSA44PrivateKey", Without)
        patch.setattr(mldsa, "MLDSA44PublicKey", Without)
        with pytest.raises(AlgorithmMissingError):
            SECOND.sign(message)
        with pytest.raises(AlgorithmMissingError, match="not available"):
            verify(log.path, keys=[public])
    real = builtins.__import__

    def older(name: str, *rest: Any) -> Any:
        if name.endswith("asymmetric") and rest[2] == ("mldsa",):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", older)
    with pytest.raises(AlgorithmMissingError):
        SECOND.sign(message)
