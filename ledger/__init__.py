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
    AlreadyThereError,
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
    WrongKeyError,
)
from ledger.lock import LockedError, NetworkFileSystemError
from ledger.log import ClockError, ClosedLogError, Head, Log
from ledger.memory import OtherLedgerError
from ledger.merkle import (
    Frontier,
    prove_consistency,
    prove_inclusion,
    tree_root,
    verify_consistency,
    verify_inclusion,
)
from ledger.note import MalformedNoteError
from ledger.policy import MalformedPolicyError, Policy, load_policy, parse_policy
from ledger.proof import MalformedProofError, NotCoveredError, open_proof, prove
from ledger.record import (
    Draft,
    LineTooLongError,
    MalformedRecordError,
    Record,
    format_record,
    parse_record,
)
from ledger.rotation import sign_change
from ledger.segments import MalformedLedgerError, NoLedgerError
from ledger.tail import AlteredTailError
from ledger.verify import verify
from ledger.witness import (
    MalformedRequestError,
    OutdatedRequestError,
    Witness,
    WitnessRefusalError,
    add_cosignature,
    make_request,
)

__all__ = [
    "ZERO",
    "AlreadyThereError",
    "AlteredTailError",
    "BlobAlteredError",
    "BlobMissingError",
    "BlobStore",
    "BrokenChainError",
    "Checkpoint",
    "ClockError",
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
    "MalformedPolicyError",
    "MalformedProofError",
    "MalformedRecordError",
    "MalformedRequestError",
    "NetworkFileSystemError",
    "NoLedgerError",
    "NotCanonicalError",
    "NotCoveredError",
    "OtherLedgerError",
    "OutdatedRequestError",
    "Policy",
    "Receipt",
    "Record",
    "Report",
    "SigningKey",
    "StorageError",
    "UnpairedOutcomeError",
    "UnrecordableError",
    "VerifyKey",
    "Witness",
    "WitnessRefusalError",
    "WrongKeyError",
    "add_cosignature",
    "canonical_digest",
    "dumps",
    "format_record",
    "is_digest",
    "load_policy",
    "loads",
    "make_request",
    "open_checkpoint",
    "open_proof",
    "parse_policy",
    "parse_record",
    "prove",
    "prove_consistency",
    "prove_inclusion",
    "read_checkpoint",
    "read_records",
    "sha256",
    "sign_change",
    "sign_checkpoint",
    "tree_root",
    "verify",
    "verify_consistency",
    "verify_inclusion",
]
