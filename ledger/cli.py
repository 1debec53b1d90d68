"""The command line of the ledger: `python -m ledger`.

It works without the rest of the project, so that an auditor needs this package and nothing else.

Exit codes: 0 nothing found, 2 wrong use, 3 the evidence does not hold, 75 the lock is held.
"""

from __future__ import annotations

import argparse
import getpass
import json
import signal
import sys
import threading
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from ledger import heartbeat, timestamp
from ledger.anchor import anchor_at_tsa, anchor_in_git
from ledger.anchored import read_authority
from ledger.archive import compress
from ledger.blobs import BlobStore
from ledger.chain import read_records
from ledger.digest import Digest
from ledger.errors import ConfigError, IntegrityError, LedgerError
from ledger.keyfile import read_passphrase
from ledger.keys import COSIGNATURE, ED25519, MLDSA, SigningKey, VerifyKey
from ledger.log import Log
from ledger.policy import load_policy
from ledger.proof import open_proof, prove
from ledger.redaction import erase_blob, erase_line, plan_blob, plan_line
from ledger.segments import read_genesis
from ledger.verify import verify
from ledger.witness import Witness, add_cosignature, make_request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ledger.log import Clock
    from ledger.record import Record


def main(arguments: Sequence[str], *, clock: Clock) -> int:
    """Run one command and return its exit code.

    Results go to standard output, errors to standard error.
    """
    options = _parser().parse_args(arguments)
    options.clock = clock
    try:
        code: int = options.run(options)
    except LedgerError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    except BrokenPipeError:
        # The reader, such as `head`, has seen enough.
        sys.stderr.close()
        return 0
    return code


def _print(line: str) -> None:
    sys.stdout.write(line + "\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m ledger", description="Verify, read and sign a tamper-evident ledger."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_verify(commands.add_parser("verify", help="check a ledger"))
    _add_log(commands.add_parser("log", help="print records, one a line"))
    _add_show(commands.add_parser("show", help="print the records of an id, seq or hash"))
    _add_checkpoint(commands.add_parser("checkpoint", help="print or sign a checkpoint"))
    _add_prove(commands.add_parser("prove", help="prove one record to who has no ledger"))
    _add_check(commands.add_parser("check", help="check a proof"))
    _add_request(commands.add_parser("request", help="ask a witness to cosign"))
    _add_witness(commands.add_parser("witness", help="cosign what a log asks for"))
    _add_cosign(commands.add_parser("cosign", help="add the answer of a witness"))
    _add_heartbeat(commands.add_parser("heartbeat", help="sign on a fixed cadence"))
    _add_anchor(commands.add_parser("anchor", help="keep a checkpoint outside the ledger"))
    _add_redact(commands.add_parser("redact", help="erase lawfully, on the record"))
    _add_compress(commands.add_parser("compress", help="compress closed segments"))
    _add_create(commands.add_parser("create", help="make a ledger"))
    _add_keygen(commands.add_parser("keygen", help="make a signing key"))
    return parser


def _add_folder(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="DIR", help="the folder with audit.jsonl")


def _add_verify(parser: argparse.ArgumentParser) -> None:
    _add_folder(parser)
    parser.add_argument("--blobs", type=Path, metavar="DIR", help="check all blobs named, too")
    parser.add_argument(
        "--key", type=Path, metavar="FILE", action="append", help="a verifier key that you trust"
    )
    parser.add_argument("--policy", type=Path, metavar="FILE", help="log keys and witness quorum")
    parser.add_argument("--last-seen", type=Path, metavar="FILE", help="your newest checkpoint")
    parser.add_argument("--anchor-git", type=Path, metavar="REPO", help="your clone with the tags")
    parser.add_argument("--anchor-tsa", type=Path, metavar="PEM", help="authority that you trust")
    parser.add_argument(
        "--since", type=int, default=0, metavar="SEQ", help="believe what is before"
    )
    level = parser.add_mutually_exclusive_group()
    level.add_argument("--fast", action="store_true", help="bytes, links and roots only")
    level.add_argument("--strict", action="store_true", help="every rule of the format (default)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=_verify)


def _add_log(parser: argparse.ArgumentParser) -> None:
    _add_folder(parser)
    parser.add_argument("--start", type=int, default=0, metavar="SEQ", help="first record")
    parser.add_argument("--stop", type=int, metavar="SEQ", help="first record not printed")
    parser.add_argument("--run", dest="run_id", metavar="ID", help="records of one run")
    parser.add_argument("--type", metavar="TYPE", help="records of one type")
    parser.add_argument("--json", action="store_true", help="print records as JSON lines")
    parser.set_defaults(run=_log)


def _add_show(parser: argparse.ArgumentParser) -> None:
    _add_folder(parser)
    parser.add_argument("name", metavar="ID", help="an id, a seq, or the beginning of a hash")
    parser.set_defaults(run=_show)


def _add_checkpoint(parser: argparse.ArgumentParser) -> None:
    _add_folder(parser)
    parser.add_argument("--sign", type=Path, metavar="FILE", help="sign one with this signing key")
    _add_keys(parser)
    parser.set_defaults(run=_checkpoint)


def _add_keys(parser: argparse.ArgumentParser) -> None:
    _add_passphrase(parser)
    parser.add_argument("--cosign", type=Path, metavar="FILE", help="and with this ML-DSA-44 key")
    parser.add_argument("--wait", type=float, default=10, metavar="SECONDS", help="for the lock")


def _add_passphrase(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--passphrase-file", type=Path, metavar="FILE", help="opens the key; /dev/fd/N works too"
    )


def _add_heartbeat(parser: argparse.ArgumentParser) -> None:
    _add_folder(parser)
    parser.add_argument("--sign", type=Path, metavar="FILE", required=True, help="the signing key")
    parser.add_argument(
        "--every", type=float, default=heartbeat.SECONDS, metavar="SECONDS", help="default 60"
    )
    parser.add_argument("--once", action="store_true", help="a single beat")
    _add_keys(parser)
    parser.set_defaults(run=_heartbeat)


def _add_anchor(parser: argparse.ArgumentParser) -> None:
    kinds = parser.add_subparsers(required=True, metavar="KIND", dest="kind")
    git = kinds.add_parser("git", help="in an annotated tag of a Git repository")
    _add_folder(git)
    git.add_argument("repository", type=Path, metavar="REPO", help="the repository")
    git.add_argument("--push", default="", metavar="REMOTE", help="push the tag there")
    tsa = kinds.add_parser("tsa", help="by a time stamping authority (RFC 3161)")
    _add_folder(tsa)
    tsa.add_argument("url", metavar="URL", help="address of the authority")
    tsa.add_argument("--ca", type=Path, metavar="PEM", required=True, help="its certificates")
    tsa.add_argument(
        "--timeout", type=float, default=timestamp.SECONDS, metavar="SECONDS", help="default 30"
    )
    for each in (git, tsa):
        each.add_argument("--wait", type=float, default=10, metavar="SECONDS", help="for the lock")
    parser.set_defaults(run=_anchor)


def _add_prove(parser: argparse.ArgumentParser) -> None:
    _add_folder(parser)
    parser.add_argument("name", metavar="ID", help="an id, a seq, or the beginning of a hash")
    parser.add_argument("--out", type=Path, metavar="FILE", help="instead of standard output")
    parser.set_defaults(run=_prove)


def _add_check(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="the proof")
    parser.add_argument("--key", type=Path, metavar="FILE", action="append", required=True)
    parser.set_defaults(run=_check)


def _add_request(parser: argparse.ArgumentParser) -> None:
    _add_folder(parser)
    parser.add_argument("--old", type=int, default=0, metavar="SIZE", help="what the witness knows")
    parser.set_defaults(run=_request)


def _add_witness(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("state", type=Path, metavar="DIR", help="where the witness remembers")
    parser.add_argument("--sign", type=Path, metavar="FILE", required=True, help="cosigning key")
    _add_passphrase(parser)
    parser.add_argument("--key", type=Path, metavar="FILE", action="append", required=True)
    parser.set_defaults(run=_witness)


def _add_cosign(parser: argparse.ArgumentParser) -> None:
    _add_folder(parser)
    parser.add_argument("--key", type=Path, metavar="FILE", required=True, help="of the witness")
    parser.set_defaults(run=_cosign)


def _add_redact(parser: argparse.ArgumentParser) -> None:
    _add_folder(parser)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--record", type=int, metavar="SEQ", help="the content of this record")
    what.add_argument("--blob", metavar="DIGEST", help="the bytes of this blob")
    parser.add_argument("--blobs", type=Path, metavar="DIR", help="the folder with sha256/")
    parser.add_argument("--ground", default="", help="the legal ground, in a sentence")
    parser.add_argument("--by", default="", metavar="NAME", help="who decided it")
    parser.add_argument("--sign", type=Path, metavar="FILE", help="the signing key of the log")
    _add_passphrase(parser)
    parser.add_argument("--dry-run", action="store_true", help="only show what would go")
    parser.add_argument("--wait", type=float, default=10, metavar="SECONDS", help="for the lock")
    parser.set_defaults(run=_redact)


def _add_compress(parser: argparse.ArgumentParser) -> None:
    _add_folder(parser)
    parser.add_argument("--wait", type=float, default=10, metavar="SECONDS", help="for the lock")
    parser.set_defaults(run=_compress)


def _add_create(parser: argparse.ArgumentParser) -> None:
    _add_folder(parser)
    parser.add_argument("--sign", type=Path, metavar="FILE", required=True, help="the signing key")
    _add_keys(parser)
    parser.set_defaults(run=_create)


def _add_keygen(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="where the signing key goes")
    parser.add_argument("--name", required=True, help="example.org/firm/workspace")
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--witness", action="store_true", help="a key that cosigns")
    kind.add_argument("--mldsa", action="store_true", help="ML-DSA-44: signs and cosigns")
    parser.add_argument("--passphrase-file", type=Path, metavar="FILE", help="seal the key with it")
    parser.set_defaults(run=_keygen)


def _verify(options: argparse.Namespace) -> int:
    report = verify(
        options.folder,
        blobs=options.blobs,
        level="fast" if options.fast else "strict",
        since=options.since,
        keys=_load_keys(options.key),
        policy=load_policy(options.policy) if options.policy else None,
        last_seen=options.last_seen,
        anchor_git=options.anchor_git,
        anchor_tsa=options.anchor_tsa,
    )
    _print(json.dumps(report.to_payload(), indent=2) if options.json else report.to_text())
    return 0 if report.ok else IntegrityError.exit_code


def _log(options: argparse.Namespace) -> int:
    for record in read_records(options.folder, options.start, options.stop):
        if options.run_id in (None, record.run_id) and options.type in (None, record.type):
            _print(json.dumps(asdict(record)) if options.json else _to_line(record))
    return 0


def _show(options: argparse.Namespace) -> int:
    found = list(_find(options.folder, options.name))
    for record in found:
        _print(json.dumps(asdict(record), indent=2))
    if not found:
        raise _unknown(options.folder, options.name)
    return 0


def _find_one(folder: Path, name: str) -> Record:
    """Return the last record of a name: of an id, its outcome."""
    found = list(_find(folder, name))
    if not found:
        raise _unknown(folder, name)
    return found[-1]


def _unknown(folder: Path, name: str) -> ConfigError:
    return ConfigError(
        what=f"no record {name!r}",
        where=str(folder),
        why="no record has this id, seq or hash",
        fix="look with `python -m ledger log`",
    )


def _find(folder: Path, name: str) -> Iterator[Record]:
    for record in read_records(folder):
        if name in (record.id, str(record.seq)) or (
            len(name) >= _SHORTEST_PREFIX and record.hash.startswith(name)
        ):
            yield record


_SHORTEST_PREFIX = 8


def _checkpoint(options: argparse.Namespace) -> int:
    if options.sign is None:
        path = options.folder / "checkpoint"
        if not path.exists():
            raise ConfigError(
                what="no checkpoint",
                where=str(path),
                why="nothing was signed yet",
                fix="sign one with --sign KEYFILE",
            )
        sys.stdout.write(path.read_text(encoding="utf-8"))
        return 0
    key = _load_key(options)
    with _open_log(options) as log:
        sys.stdout.write(log.checkpoint(key).note.decode())
    return 0


def _open_log(options: argparse.Namespace) -> Log:
    return Log.open(
        options.folder,
        clock=options.clock,
        wait_seconds=options.wait,
        cosigners=_load_cosigners(options),
    )


def _load_cosigners(options: argparse.Namespace) -> list[SigningKey]:
    return [_load(options.cosign, options)] if options.cosign else []


def _load_key(options: argparse.Namespace) -> SigningKey:
    return _load(options.sign, options)


def _load(path: Path, options: argparse.Namespace) -> SigningKey:
    return SigningKey.load(path, passphrase=_passphrase(options.passphrase_file, path))


def _passphrase(file: Path | None, key: Path) -> Callable[[], bytes] | None:
    if file is not None:
        return lambda: read_passphrase(file)
    if not sys.stdin.isatty():
        return None
    return lambda: getpass.getpass(f"passphrase of {key}: ").encode()


def _heartbeat(options: argparse.Namespace) -> int:
    if options.every <= 0:
        raise ConfigError(
            what=f"a heartbeat every {options.every:g} s",
            where="--every",
            why="beats are apart by some time",
            fix="give seconds above zero, or --once",
        )
    stop = threading.Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, lambda *_: stop.set())
    with _open_log(options) as log:
        heartbeat.keep_beating(
            log,
            lambda: [_load_key(options)],
            every=0 if options.once else options.every,
            wait=lambda seconds: options.once or stop.wait(seconds),
            tell=lambda checkpoint: _print(f"{checkpoint.size} {checkpoint.root}"),
        )
    return 0


def _anchor(options: argparse.Namespace) -> int:
    with Log.open(options.folder, clock=options.clock, wait_seconds=options.wait) as log:
        if options.kind == "git":
            receipt = anchor_in_git(log, options.repository, remote=options.push)
        else:
            authority = read_authority(options.ca)
            receipt = anchor_at_tsa(log, options.url, authority, seconds=options.timeout)
    _print(f"anchored under record {receipt.seq}, hash {receipt.hash}")
    return 0


def _prove(options: argparse.Namespace) -> int:
    record = _find_one(options.folder, options.name)
    proof = prove(options.folder, record.seq)
    if options.out is None:
        sys.stdout.write(proof.decode())
    else:
        options.out.write_bytes(proof)
    return 0


def _check(options: argparse.Namespace) -> int:
    record, proof = open_proof(options.file.read_bytes(), _load_keys(options.key))
    checkpoint = proof.checkpoint
    _print(f"PASS  record {record.seq} of {checkpoint.size} in {checkpoint.origin}")
    _print(json.dumps(asdict(record), indent=2))
    return 0


def _request(options: argparse.Namespace) -> int:
    sys.stdout.write(make_request(options.folder, options.old).decode())
    return 0


def _witness(options: argparse.Namespace) -> int:
    key = _load_key(options)
    logs = _load_keys(options.key)
    witness = Witness(options.state, key=key, logs=logs, clock=options.clock)
    sys.stdout.write(witness.add_checkpoint(sys.stdin.read().encode()).decode())
    return 0


def _cosign(options: argparse.Namespace) -> int:
    witness = VerifyKey.load(options.key)
    cosigned = add_cosignature(options.folder, sys.stdin.read().encode(), witness)
    sys.stdout.write(cosigned.note.decode())
    return 0


def _load_keys(paths: Sequence[Path] | None) -> list[VerifyKey]:
    return [VerifyKey.load(path) for path in paths or ()]


def _redact(options: argparse.Namespace) -> int:
    if options.blob is not None and options.blobs is None:
        raise _option_missing("--blobs DIR", "the blob is erased there")
    store = BlobStore(options.blobs or options.folder)
    if options.record is not None:
        plan = plan_line(options.folder, options.record)
    else:
        plan = plan_blob(options.folder, store, Digest(options.blob))
    _print(f"{plan.name}: {'gone already' if plan.is_done else plan.path}")
    for record in plan.records:
        _print(_to_line(record))
    if options.dry_run:
        return 0
    if options.sign is None:
        raise _option_missing("--sign FILE", "an erasure is signed for before it is carried out")
    key = _load_key(options)
    said = {"ground": options.ground, "by": options.by}
    with Log.open(options.folder, clock=options.clock, wait_seconds=options.wait) as log:
        if options.record is not None:
            receipt = erase_line(log, options.record, key, **said)
        else:
            receipt = erase_blob(log, store, Digest(options.blob), key, **said)
    _print(f"erased under record {receipt.seq}, hash {receipt.hash}")
    return 0


def _option_missing(option: str, why: str) -> ConfigError:
    return ConfigError(
        what=f"{option} is missing", where="redact", why=why, fix=f"add {option}; nothing was done"
    )


def _compress(options: argparse.Namespace) -> int:
    with Log.open(options.folder, clock=options.clock, wait_seconds=options.wait) as log:
        for path in compress(log):
            _print(str(path))
    report = verify(options.folder, level="fast")
    _print(report.to_text())
    return 0 if report.ok else IntegrityError.exit_code


def _create(options: argparse.Namespace) -> int:
    key = _load_key(options)
    cosigner, *_ = [*_load_cosigners(options), None]
    with Log.create(
        options.folder, origin=key.name, key=key, clock=options.clock, cosigner=cosigner
    ):
        _print(read_genesis(options.folder).vkey)
    return 0


def _keygen(options: argparse.Namespace) -> int:
    algorithm = COSIGNATURE if options.witness else MLDSA if options.mldsa else ED25519
    key = SigningKey.generate(options.name, algorithm=algorithm)
    sealed = read_passphrase(options.passphrase_file) if options.passphrase_file else None
    key.save(options.file, passphrase=sealed)
    _print(key.verify_key.text)
    return 0


def _to_line(record: Record) -> str:
    fields = (str(record.seq), record.ts, record.type, record.id or "-", record.status or "-")
    return "  ".join(field if field.isprintable() else ascii(field) for field in fields)
