"""`keys list`, `keys rotate`: which keys signed what, and how one takes over from another.

A rotation in its steps; a crash after any of them is gone on with by the same command::

    1 next.key is made
    2 a `key` record adds it, signed by both; a checkpoint by both
    3 log.key is kept as previous.key, next.key becomes log.key      (both are valid)
    4 a `key` record retires the old one, signed by the new; a checkpoint by the new
    5 previous.key becomes retired-<id>.key

The new key signs alone only after the old one could no longer be needed, and the old one is retired
only when nothing in the workspace signs with it any more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flows.errors import FlowError
from flows.keyring import (
    COSIGNER_FILE,
    PUBLIC_FILE,
    load_cosigners,
    load_from,
    load_key,
    save_new,
    trusted,
)
from flows.output import table
from flows.settings import KEY_FILE, now
from ledger import Log, SigningKey, sign_change
from ledger.keyfile import is_sealed, label_of
from ledger.rotation import FOREVER, read_windows

if TYPE_CHECKING:
    from pathlib import Path

    from flows.output import Output
    from flows.settings import Settings, Workspace
    from ledger import Checkpoint, VerifyKey
    from ledger.rotation import Window

NEXT_FILE = "next.key"
PREVIOUS_FILE = "previous.key"


class RotationRefusedError(FlowError):
    """The key cannot change hands now."""

    code = "E0416"


def list_keys(settings: Settings, output: Output) -> int:
    """List every key of the ledger, for which sizes it may sign, and where it lies here."""
    workspace = settings.find_workspace()
    files = _files(workspace)
    data = [_entry(window, files) for window in read_windows(workspace.ledger)]
    data += [_cosigner_entry(key) for key in load_cosigners(workspace)]
    rows = [
        (e["key_id"], e["algorithm"], e["state"], e["first_size"], e["last_size"], e["file"])
        for e in data
    ]
    header = ("key id", "algorithm", "state", "from size", "to size", "file")
    return output.done(table(header, rows), {"keys": data})


def _entry(window: Window, files: dict[str, str]) -> dict[str, object]:
    valid = window.last == FOREVER
    return {
        "key_id": window.key.key_id.hex(),
        "vkey": window.key.text,
        "algorithm": "Ed25519",
        "state": "valid" if valid else "retired",
        "first_size": window.first,
        "last_size": None if valid else window.last,
        "file": files.get(window.key.text, ""),
    }


def _cosigner_entry(key: SigningKey) -> dict[str, object]:
    return {
        "key_id": key.verify_key.key_id.hex(),
        "vkey": key.verify_key.text,
        "algorithm": "ML-DSA-44",
        "state": "second signature",
        "first_size": 0,
        "last_size": None,
        "file": COSIGNER_FILE,
    }


def _files(workspace: Workspace) -> dict[str, str]:
    """Return verifier key -> file, of the keys that lie here; sealed ones are not opened."""
    found = {key.text: PUBLIC_FILE for key in trusted(workspace)}
    for path in sorted(workspace.keys.glob("*.key")):
        text = path.read_text(encoding="utf-8")
        if is_sealed(text):
            found[label_of(text)] = f"{path.name} (passphrase)"
        else:
            found[load_from(path).verify_key.text] = path.name
    return found


def rotate(settings: Settings, output: Output) -> int:
    """Make a new key, let it take over, and retire the old one; or go on with that."""
    from flows.recorder import running  # noqa: PLC0415
    from flows.session import refuse_altered  # noqa: PLC0415 - imports replay
    from flows.signing import alone  # noqa: PLC0415

    workspace = settings.find_workspace()
    if alive := running(workspace):
        raise RotationRefusedError(
            f"a run is going on: {min(alive)}",
            where=str(workspace.runs),
            why="it signs with the old key until it ends; afterwards that would be a finding",
            fix="wait until it has ended, stop heartbeats and services, then rotate again",
        )
    with (
        alone(workspace),
        Log.open(
            workspace.ledger, clock=now, wait_seconds=10, cosigners=load_cosigners(workspace)
        ) as log,
    ):
        # The key is read once nobody else is rotating it.
        refuse_altered(workspace, load_key(workspace))
        if (workspace.keys / NEXT_FILE).exists() or not (workspace.keys / PREVIOUS_FILE).exists():
            _introduce(workspace, log)
        old, new, checkpoint = _retire(workspace, log)
        head = log.head()
    text = (
        f"retired   {old.text}\n"
        f"signs     {new.text}\n"
        f"from      {checkpoint.size} records on\n"
        f"{PUBLIC_FILE} stays: whoever verifies begins with the first key and follows the records"
    )
    data = {"retired": old.text, "key": new.text, "size": checkpoint.size}
    return output.done(text, data, head=(head.hash, head.count))


def _introduce(workspace: Workspace, log: Log) -> None:
    """Add the next key to the ledger and put it in the place of the old one."""
    current, following = workspace.keys / KEY_FILE, workspace.keys / NEXT_FILE
    old = load_from(current)
    if not following.exists():
        save_new(SigningKey.generate(old.name), following, like=current)
    new = load_from(following)
    log.append([sign_change("add", new.verify_key, old.name, old, new)])
    log.checkpoint(old, new)
    previous = workspace.keys / PREVIOUS_FILE
    if not previous.exists():
        previous.hardlink_to(current)
    following.replace(current)
    (workspace.keys / f"{NEXT_FILE}.signed").unlink(missing_ok=True)


def _retire(workspace: Workspace, log: Log) -> tuple[VerifyKey, VerifyKey, Checkpoint]:
    """Retire the previous key; return both keys and the checkpoint of the new one alone."""
    previous = workspace.keys / PREVIOUS_FILE
    old, new = load_from(previous), load_key(workspace)
    log.append([sign_change("retire", old.verify_key, new.name, new)])
    checkpoint = log.checkpoint(new)
    previous.rename(_retired_path(previous, old))
    return old.verify_key, new.verify_key, checkpoint


def _retired_path(previous: Path, old: SigningKey) -> Path:
    return previous.with_name(f"retired-{old.verify_key.key_id.hex()}.key")
