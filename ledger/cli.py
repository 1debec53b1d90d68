"""The command line of the ledger: `python -m ledger`.

It works without the rest of the project, so that an auditor needs this package and nothing else.

Exit codes: 0 nothing found, 2 wrong use, 3 the evidence does not hold, 75 the lock is held.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from ledger.chain import read_records
from ledger.errors import ConfigError, IntegrityError, LedgerError
from ledger.keys import COSIGNATURE, ED25519, SigningKey, VerifyKey
from ledger.log import Log
from ledger.policy import load_policy
from ledger.proof import open_proof, prove
from ledger.segments import read_genesis
from ledger.verify import verify
from ledger.witness import Witness, add_cosignature, make_request

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

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
    parser.add_argument("--wait", type=float, default=10, metavar="SECONDS", help="for the lock")
    parser.set_defaults(run=_checkpoint)


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
    parser.add_argument("--key", type=Path, metavar="FILE", action="append", required=True)
    parser.set_defaults(run=_witness)


def _add_cosign(parser: argparse.ArgumentParser) -> None:
    _add_folder(parser)
    parser.add_argument("--key", type=Path, metavar="FILE", required=True, help="of the witness")
    parser.set_defaults(run=_cosign)


def _add_create(parser: argparse.ArgumentParser) -> None:
    _add_folder(parser)
    parser.add_argument("--sign", type=Path, metavar="FILE", required=True, help="the signing key")
    parser.set_defaults(run=_create)


def _add_keygen(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="where the signing key goes")
    parser.add_argument("--name", required=True, help="example.org/firm/workspace")
    parser.add_argument("--witness", action="store_true", help="a key that cosigns")
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
    key = SigningKey.load(options.sign)
    with Log.open(options.folder, clock=options.clock, wait_seconds=options.wait) as log:
        sys.stdout.write(log.checkpoint(key).note.decode())
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
    key = SigningKey.load(options.sign)
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


def _create(options: argparse.Namespace) -> int:
    key = SigningKey.load(options.sign)
    with Log.create(options.folder, origin=key.name, key=key, clock=options.clock):
        _print(read_genesis(options.folder).vkey)
    return 0


def _keygen(options: argparse.Namespace) -> int:
    algorithm = COSIGNATURE if options.witness else ED25519
    key = SigningKey.generate(options.name, algorithm=algorithm)
    key.save(options.file)
    _print(key.verify_key.text)
    return 0


def _to_line(record: Record) -> str:
    fields = (str(record.seq), record.ts, record.type, record.id or "-", record.status or "-")
    return "  ".join(field if field.isprintable() else ascii(field) for field in fields)
