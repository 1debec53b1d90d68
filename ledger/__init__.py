"""Tamper-evident, append-only evidence: records, chain, checkpoints, blobs."""

from ledger.batch import (
    DuplicateIdError,
    InvalidDraftError,
    Receipt,
    UnpairedOutcomeError,
)
from ledger.blobs import BlobAlteredError, BlobMissingError, BlobStore
from ledger.canonical import Fragment, NotCanonicalError, canonical_digest, dumps, loads
from ledger.chain import BrokenChainError, read_records
from ledger.checkpoint import (
    Checkpoint,
    open_checkpoint,
    read_checkpoint,
    sign_checkpoint,
)
from ledger.checkpoints import InconsistentCheckpointError
from ledger.digest import ZERO, Digest, is_digest, sha256
from ledger.errors import (
    ConfigError,
    IntegrityError,
    LedgerError,
    StorageError,
    UnrecordableError,
)
from ledger.findings import Finding, Report
from ledger.keys import (
    KeyExposedError,
    KeyMissingError,
    MalformedKeyError,
    SigningKey,
    VerifyKey,
)
from ledger.lock import LockedError, NetworkFileSystemError
from ledger.log import ClosedLogError, Head, Log
from ledger.merkle import (
    Frontier,
    prove_consistency,
    prove_inclusion,
    tree_root,
    verify_consistency,
    verify_inclusion,
)
from ledger.note import MalformedNoteError
from ledger.record import (
    Draft,
    LineTooLongError,
    MalformedRecordError,
    Record,
    format_record,
    parse_record,
)
from ledger.segments import MalformedLedgerError, NoLedgerError
from ledger.tail import AlteredTailError
from ledger.verify import verify

__all__ = [
    "ZERO",
    "AlteredTailError",
    "BlobAlteredError",
    "BlobMissingError",
    "BlobStore",
    "BrokenChainError",
    "Checkpoint",
    "ClosedLogError",
    "ConfigError",
    "Digest",
    "Draft",
    "DuplicateIdError",
    "Finding",
    "Fragment",
    "Frontier",
    "Head",
    "InconsistentCheckpointError",
    "IntegrityError",
    "InvalidDraftError",
    "KeyExposedError",
    "KeyMissingError",
    "LedgerError",
    "LineTooLongError",
    "LockedError",
    "Log",
    "MalformedKeyError",
    "MalformedLedgerError",
    "MalformedNoteError",
    "MalformedRecordError",
    "NetworkFileSystemError",
    "NoLedgerError",
    "NotCanonicalError",
    "Receipt",
    "Record",
    "Report",
    "SigningKey",
    "StorageError",
    "UnpairedOutcomeError",
    "UnrecordableError",
    "VerifyKey",
    "canonical_digest",
    "dumps",
    "format_record",
    "is_digest",
    "loads",
    "open_checkpoint",
    "parse_record",
    "prove_consistency",
    "prove_inclusion",
    "read_checkpoint",
    "read_records",
    "sha256",
    "sign_checkpoint",
    "tree_root",
    "verify",
    "verify_consistency",
    "verify_inclusion",
]
