"""The keys of a workspace: which file signs, which one others trust, how a sealed one opens.

::

    keys/log.key            signs; replaced by a rotation
    keys/log.key.signed     what it signed last
    keys/log.pub            the first key of the ledger, for whoever verifies; never replaced
    keys/log.mldsa          the second key, where there is one (ML-DSA-44), and log.mldsa.pub
    keys/retired-<id>.key   keys that a rotation retired

`log.pub` stays, because a verifier begins with the first key and follows the records to later ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flows.settings import KEY_FILE, ask_passphrase, passphrase_file
from ledger import SigningKey, VerifyKey
from ledger.keyfile import is_sealed, read_passphrase

if TYPE_CHECKING:
    from pathlib import Path

    from flows.settings import Workspace

PUBLIC_FILE = "log.pub"
COSIGNER_FILE = "log.mldsa"
COSIGNER_PUBLIC = "log.mldsa.pub"


def load_key(workspace: Workspace) -> SigningKey:
    """Return the key that signs.

    Raises
    ------
    LedgerError
        If it is missing, open to others, or under a passphrase that was not given.
    """
    return load_from(workspace.keys / KEY_FILE)


def load_cosigners(workspace: Workspace) -> list[SigningKey]:
    """Return the second key of the workspace, if it has one."""
    path = workspace.keys / COSIGNER_FILE
    return [load_from(path)] if path.exists() else []


def load_from(path: Path) -> SigningKey:
    """Return the key in a file, asking for its passphrase only if it has one."""
    return SigningKey.load(path, passphrase=ask_passphrase(path))


def save_new(key: SigningKey, path: Path, *, like: Path | None = None) -> None:
    """Save a new key, sealed if a passphrase file is named or the key in `like` is sealed."""
    named = passphrase_file()
    ask = ask_passphrase(path) if like and is_sealed(like.read_text(encoding="utf-8")) else None
    sealed = read_passphrase(named) if named else ask() if ask else None
    key.save(path, passphrase=sealed)


def trusted(workspace: Workspace) -> tuple[VerifyKey, ...]:
    """Return the key that the ledger is verified against."""
    public = workspace.keys / PUBLIC_FILE
    return (VerifyKey.load(public),) if public.exists() else ()
