"""A time stamp bounds the time of records from outside, and is believed for no other reason."""

from __future__ import annotations

import builtins
import hashlib
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from ledger import Checkpoint, ConfigError, Digest, Draft, Log, read_checkpoint, sha256, verify
from ledger.anchor import anchor_at_tsa
from ledger.cli import main
from ledger.gittag import AnchorError
from ledger.keys import AlgorithmMissingError
from ledger.timestamp import (
    TimestampError,
    Token,
    WrongTimestampError,
    check_token,
    fetch_token,
)
from tests.ledger.authority import Authority, make_authority, run
from tests.ledger.conftest import ORIGIN, fill

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ledger import SigningKey

pytest.importorskip("rfc3161_client", reason="the extra tsa is not installed")
pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")

TEXT = b"three\nlines\nhere\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of an authority."""
    path = tmp_path_factory.mktemp("authority") / "tsa"
    make_authority(path)
    return path


@pytest.fixture
def authority(folder: Path) -> Iterator[Authority]:
    """Serve it."""
    with Authority(folder) as serving:
        yield serving


@pytest.fixture
def root_certificate(folder: Path) -> bytes:
    """Return what a verifier brings."""
    return (folder / "ca.pem").read_bytes()


@pytest.fixture
def now_log(root: Path, key: SigningKey) -> Log:
    """Return a ledger that keeps the time of this machine, as the authority does."""
    return Log.create(root, origin=ORIGIN, key=key, clock=lambda: datetime.now(UTC))


def test_a_token_is_for_its_text(authority: Authority, root_certificate: bytes) -> None:
    """It checks for this text, and for no other."""
    token = fetch_token(authority.url, TEXT)
    moment = check_token(token, TEXT, root_certificate, where="t")
    assert abs(datetime.now(UTC) - moment) < timedelta(minutes=5)
    with pytest.raises(WrongTimestampError, match="something else"):
        check_token(token, b"other", root_certificate, where="t")


def test_openssl_checks_it_without_us(authority: Authority, folder: Path, tmp_path: Path) -> None:
    """The command of the documentation."""
    (tmp_path / "text").write_bytes(TEXT)
    (tmp_path / "token").write_bytes(fetch_token(authority.url, TEXT))
    files = ["-data", tmp_path / "text", "-in", tmp_path / "token", "-CAfile", folder / "ca.pem"]
    done = subprocess.run(
        ["openssl", "ts", "-verify", *map(str, files)], capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("mode", "error", "said"),
    [
        ("500", TimestampError, "500"),
        ("silent", TimestampError, "timed out"),
        ("drip", TimestampError, "too long"),
        ("truncated", TimestampError, "not a time stamp"),
        ("rubbish", TimestampError, "not a time stamp"),
        ("html", TimestampError, "text/html"),
        ("huge", TimestampError, "65536 bytes"),
        ("refused", TimestampError, "status 2"),
        ("hash", WrongTimestampError, "something else"),
        ("nonce", WrongTimestampError, "nonce"),
    ],
)
def test_an_authority_that_misbehaves_is_refused(  # noqa: PLR0917 - fixtures
    authority: Authority, now_log: Log, root_certificate: bytes, mode: str,
    error: type[Exception], said: str,
) -> None:  # fmt: skip
    """Each in its own words; nothing is kept and nothing recorded."""
    authority.mode = mode
    with pytest.raises(error, match=said):
        anchor_at_tsa(now_log, authority.url, root_certificate, seconds=0.4)
    assert now_log.head().count == 1
    assert list((now_log.path / "anchors").iterdir()) == []


def test_nobody_there_is_said(root_certificate: bytes, now_log: Log) -> None:
    """A port where nothing listens, and an address that is none."""
    with pytest.raises(TimestampError, match="refused"):
        anchor_at_tsa(now_log, "http://127.0.0.1:9/", root_certificate)
    with pytest.raises(ConfigError, match="https://"):
        fetch_token("file:///etc/passwd", TEXT)


def test_a_stamp_bounds_the_time_of_records(
    authority: Authority, now_log: Log, folder: Path, root_certificate: bytes
) -> None:
    """A ledger that agrees is anchored, with the time, and asking again is the same record."""
    first = anchor_at_tsa(now_log, authority.url, root_certificate, actor="operator")
    assert anchor_at_tsa(now_log, authority.url, root_certificate) == first
    assert len(authority.queries) == 1
    record = next(now_log.read(first.seq))
    assert (record.data["kind"], record.data["size"]) == ("tsa", 1)
    report = verify(now_log.path, anchor_tsa=folder / "ca.pem")
    assert report.trust == "anchored"
    assert report.anchors[0].time == record.data["time"]


def test_a_recorded_token_that_is_lost_is_not_asked_for_again(
    authority: Authority, now_log: Log, root_certificate: bytes
) -> None:
    """The record states which it was; another one would look like a forgery."""
    anchor_at_tsa(now_log, authority.url, root_certificate)
    (now_log.path / "anchors" / "000000000001.tsr").unlink()
    with pytest.raises(AnchorError, match="record 1 is not here"):
        anchor_at_tsa(now_log, authority.url, root_certificate)
    assert len(authority.queries) == 1


@pytest.mark.parametrize("name", ["000000000001.git", "x.tsr"])
def test_other_files_are_no_time_stamps(now_log: Log, folder: Path, name: str) -> None:
    """Twelve digits and the suffix."""
    (now_log.path / "anchors").mkdir()
    (now_log.path / "anchors" / name).write_bytes(b"x")
    assert verify(now_log.path, anchor_tsa=folder / "ca.pem").verdict == "missing"


def test_an_answer_without_a_token_is_refused(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Status granted, and nothing else: thirty bytes short of a time stamp."""
    monkeypatch.setattr(authority, "reply", lambda _: bytes.fromhex("30053003020100"))
    with pytest.raises(TimestampError):
        fetch_token(authority.url, TEXT)


@pytest.mark.parametrize("shift", [-3600, 3600])
def test_a_clock_that_was_set_is_found(
    authority: Authority, root: Path, key: SigningKey, folder: Path, shift: int
) -> None:
    """Records from the future under the stamp; a record about the stamp from the past."""
    log = Log.create(
        root, origin=ORIGIN, key=key, clock=lambda: datetime.now(UTC) + timedelta(seconds=shift)
    )
    receipt = anchor_at_tsa(log, authority.url, (folder / "ca.pem").read_bytes())
    stated = list(log.read())[receipt.seq].data["time"]
    (finding,) = verify(root, anchor_tsa=folder / "ca.pem").findings
    judged = list(log.read())[0 if shift > 0 else receipt.seq]
    assert (finding.kind, finding.seq) == ("lint", judged.seq)
    assert (finding.expected, finding.where) == (stated, "anchors/000000000001.tsr")
    assert (finding.found, finding.offset) == (judged.ts, None)
    assert "later time" in finding.message if shift > 0 else "earlier time" in finding.message
    assert verify(root).verdict == "ok"


@pytest.mark.parametrize(("apart", "count"), [(-301, 1), (-300, 0), (300, 0), (301, 1)])
def test_clocks_may_be_five_minutes_apart(
    log: Log, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, apart: int, count: int
) -> None:
    """The limit itself is tolerated, for records under a stamp and for the record about it."""
    text = read_checkpoint((log.path / "checkpoint").read_bytes()).text
    data = {"kind": "tsa", "size": 1, "file": "anchors/000000000001.tsr", "sha256": sha256(b"t")}
    log.append([Draft(type="anchor", run_id="", step="", id="", data=data)])
    (log.path / "anchors").mkdir()
    (log.path / "anchors" / "000000000001.tsr").write_bytes(b"t")
    (tmp_path / "ca.pem").write_bytes(b"")
    under, about = (record.at for record in log.read())
    moment = (about if apart > 0 else under) + timedelta(seconds=apart)
    token = Token(moment, hashlib.sha256(text.encode()).digest())
    monkeypatch.setattr("ledger.timestamp.open_token", lambda *_, **__: token)
    report = verify(log.path, anchor_tsa=tmp_path / "ca.pem")
    assert [each.seq for each in report.findings] == [int(apart > 0)] * count
    assert [each.size for each in report.anchors] == [1] * (1 - count)


def test_another_history_is_found(
    authority: Authority, now_log: Log, folder: Path, root_certificate: bytes, key: SigningKey
) -> None:
    """The stamp speaks for other lines; then for more records than there are."""
    fill(now_log, 1)
    seen = now_log.checkpoint(key)
    anchor_at_tsa(now_log, authority.url, root_certificate)
    now_log.close()
    anchors = now_log.path / "anchors"
    kept = {path.name: path.read_bytes() for path in anchors.iterdir()}
    for records, kind in ((1, "forked"), (0, "truncated")):
        shutil.rmtree(now_log.path)
        again = Log.create(now_log.path, origin=ORIGIN, key=key, clock=lambda: datetime.now(UTC))
        fill(again, records, "run-x")
        again.checkpoint(key)
        again.close()
        anchors.mkdir()
        for name, token in kept.items():
            (anchors / name).write_bytes(token)
        report = verify(now_log.path, anchor_tsa=folder / "ca.pem")
        finding = next(each for each in report.findings if each.kind == kind)
        assert finding.where == "anchors/000000000003.tsr"
        assert "time-stamped" in finding.message
        if kind == "forked":
            text = Checkpoint(ORIGIN, 3, Digest(report.root)).text
            assert finding.found == hashlib.sha256(text.encode()).hexdigest()
            assert finding.expected == hashlib.sha256(seen.text.encode()).hexdigest()
            assert (finding.seq, finding.offset) == (None, None)
        else:
            said = (finding.seq, finding.offset, finding.expected, finding.found)
            assert said == (1, None, "3 records", "1 records")
        assert report.verdict == kind


def test_a_stamp_of_another_authority_is_none(
    authority: Authority, now_log: Log, root_certificate: bytes, tmp_path: Path
) -> None:
    """The verifier's certificate decides, also at fetching; and a spoilt file is none."""
    other = make_authority(tmp_path / "other")
    with pytest.raises(WrongTimestampError):
        anchor_at_tsa(now_log, authority.url, other.read_bytes())
    anchor_at_tsa(now_log, authority.url, root_certificate)
    report = verify(now_log.path, anchor_tsa=other)
    (finding,) = report.findings
    assert (finding.kind, finding.where) == ("signature", "anchors/000000000001.tsr")
    assert "does not hold" in finding.message
    path = now_log.path / "anchors" / "000000000001.tsr"
    path.chmod(0o644)
    path.write_bytes(b"x")
    assert {each.kind for each in verify(now_log.path, anchor_tsa=other).findings} == {
        "signature",
        "altered",
    }


def test_a_stamp_that_was_asked_for_must_be_there(now_log: Log, folder: Path) -> None:
    """And the certificate must be one."""
    assert verify(now_log.path, anchor_tsa=folder / "ca.pem").verdict == "missing"
    with pytest.raises(ConfigError, match="No such file"):
        verify(now_log.path, anchor_tsa=folder / "none.pem")


def test_what_is_no_certificate_is_said(authority: Authority, now_log: Log) -> None:
    """A file in another form."""
    with pytest.raises(ConfigError, match="not a certificate"):
        anchor_at_tsa(now_log, authority.url, b"x")


def test_a_stamp_in_an_archived_segment_is_not_judged(
    authority: Authority, root: Path, key: SigningKey, folder: Path
) -> None:
    """The records under it are not here; the summary speaks for the whole segment alone."""
    clock = lambda: datetime.now(UTC)  # noqa: E731 - given twice
    log = Log.create(root, origin=ORIGIN, key=key, clock=clock, segment_records=4)
    fill(log, 2)
    log.checkpoint(key)
    anchor_at_tsa(log, authority.url, (folder / "ca.pem").read_bytes())
    fill(log, 2, "run-b")
    log.checkpoint(key)
    log.close()
    (root / "audit-000000000004.jsonl").unlink()
    report = verify(root, anchor_tsa=folder / "ca.pem")
    assert (report.verdict, report.anchors) == ("ok", ())


def test_an_altered_ledger_is_not_read_again(
    authority: Authority, now_log: Log, folder: Path, root_certificate: bytes
) -> None:
    """The finding is the alteration; times of records that do not hold say nothing."""
    anchor_at_tsa(now_log, authority.url, root_certificate)
    path = now_log.path / "audit.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"ts":"2', b'"ts":"3', 1))
    report = verify(now_log.path, anchor_tsa=folder / "ca.pem")
    assert report.verdict == "altered"


def test_a_stamp_for_another_digest_is_none(folder: Path, tmp_path: Path) -> None:
    """SHA-512 of the same text, well signed: the format asks for SHA-256."""
    (tmp_path / "text").write_bytes(TEXT)
    query = ["ts", "-query", "-data", tmp_path / "text", "-sha512", "-cert", "-out"]
    run(*map(str, query), tmp_path / "q")
    reply = ["ts", "-reply", "-queryfile", tmp_path / "q", "-config", folder / "tsa.cnf"]
    token = run(*map(str, reply))
    with pytest.raises(WrongTimestampError, match="SHA-256"):
        check_token(token, TEXT, (folder / "ca.pem").read_bytes(), where="t")


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rest of the ledger works without it."""
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name == "rfc3161_client":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(AlgorithmMissingError, match="rfc3161-client"):
        fetch_token("https://tsa.example.org", TEXT)


def test_the_command_stamps_and_verifies(
    authority: Authority, now_log: Log, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`anchor tsa`, then `verify --anchor-tsa`."""
    now_log.close()
    pem, where = str(folder / "ca.pem"), str(now_log.path)
    clock = lambda: datetime.now(UTC)  # noqa: E731 - given twice
    assert main(["anchor", "tsa", where, authority.url, "--ca", pem], clock=clock) == 0
    assert main(["verify", where, "--anchor-tsa", pem], clock=clock) == 0
    assert "anchors     tsa 1 records at 20" in capsys.readouterr().out
