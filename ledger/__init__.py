"""Tamper-evident, append-only evidence: records, chain, checkpoints, blobs."""

from ledger.anchor import anchor_at_tsa, anchor_in_git
from ledger.approval import Approvals, VoidApprovalError, read_approvals, same_person
from ledger.archive import CompressionError, compress
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
from ledger.findings import Anchored, Finding, Report
from ledger.gittag import AnchorError
from ledger.heartbeat import beat, keep_beating
from ledger.keyfile import PassphraseError
from ledger.keys import (
    AlgorithmMissingError,
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
from ledger.policy import (
    MalformedPolicyError,
    Policy,
    UntrustedNoteError,
    load_policy,
    open_trusted,
    parse_policy,
    policy_of,
)
from ledger.proof import MalformedProofError, NotCoveredError, open_proof, prove
from ledger.record import (
    Draft,
    LineTooLongError,
    MalformedRecordError,
    Record,
    format_record,
    parse_record,
)
from ledger.redaction import (
    ErasurePlan,
    ErasureRefusedError,
    NothingToEraseError,
    erase_blob,
    erase_line,
    plan_blob,
    plan_line,
)
from ledger.rotation import sign_change
from ledger.segments import MalformedLedgerError, NoLedgerError
from ledger.statement import (
    MalformedStatementError,
    Statement,
    WrongPersonError,
    countersign,
    draft_approval,
    draft_halt,
    parse_statement,
    sign_statement,
    write_time,
)
from ledger.tail import AlteredTailError
from ledger.timestamp import TimestampError, WrongTimestampError
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
    "AlgorithmMissingError",
    "AlreadyThereError",
    "AlteredTailError",
    "AnchorError",
    "Anchored",
    "Approvals",
    "BlobAlteredError",
    "BlobMissingError",
    "BlobStore",
    "BrokenChainError",
    "Checkpoint",
    "ClockError",
    "ClosedLogError",
    "CompressionError",
    "ConfigError",
    "Digest",
    "Draft",
    "DuplicateIdError",
    "ErasurePlan",
    "ErasureRefusedError",
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
    "MalformedStatementError",
    "NetworkFileSystemError",
    "NoLedgerError",
    "NotCanonicalError",
    "NotCoveredError",
    "NothingToEraseError",
    "OtherLedgerError",
    "OutdatedRequestError",
    "PassphraseError",
    "Policy",
    "Receipt",
    "Record",
    "Report",
    "SigningKey",
    "Statement",
    "StorageError",
    "TimestampError",
    "UnpairedOutcomeError",
    "UnrecordableError",
    "UntrustedNoteError",
    "VerifyKey",
    "VoidApprovalError",
    "Witness",
    "WitnessRefusalError",
    "WrongKeyError",
    "WrongPersonError",
    "WrongTimestampError",
    "add_cosignature",
    "anchor_at_tsa",
    "anchor_in_git",
    "beat",
    "canonical_digest",
    "compress",
    "countersign",
    "draft_approval",
    "draft_halt",
    "dumps",
    "erase_blob",
    "erase_line",
    "format_record",
    "is_digest",
    "keep_beating",
    "load_policy",
    "loads",
    "make_request",
    "open_checkpoint",
    "open_proof",
    "open_trusted",
    "parse_policy",
    "parse_record",
    "parse_statement",
    "plan_blob",
    "plan_line",
    "policy_of",
    "prove",
    "prove_consistency",
    "prove_inclusion",
    "read_approvals",
    "read_checkpoint",
    "read_records",
    "same_person",
    "sha256",
    "sign_change",
    "sign_checkpoint",
    "sign_statement",
    "tree_root",
    "verify",
    "verify_consistency",
    "verify_inclusion",
    "write_time",
]
