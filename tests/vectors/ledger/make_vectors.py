"""Write the vectors of tampered ledgers: `python -m tests.vectors.ledger.make_vectors`.

`base.json` holds every file of a small ledger. Each other file names one attack: what it changes of
the base, what the verifier brings, and what it must report::

    {"desc": ..., "changes": {path: text, {"base64": ...} or null}, "brings": {...}, "want": {...}}

Everything is made from fixed keys and a fixed clock, so that the files come out the same.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path

from tests.vectors.ledger import attacks_on_evidence, attacks_on_records
from tests.vectors.ledger.world import ATTACKS, World, make_base

HERE = Path(__file__).parent
# Importing them registers their attacks.
ATTACKED = (attacks_on_records, attacks_on_evidence)


def make_vectors() -> dict[str, str]:
    """Return the text of each vector file by its name."""
    base = make_base()
    texts = {"base": _to_text({"files": _encode(base.files)})}
    for name, (change, desc, kinds) in ATTACKS.items():
        world = World(dict(base.files))
        change(world)
        paths = sorted(base.files.keys() | world.files.keys())
        changes = {
            path: world.files.get(path)
            for path in paths
            if world.files.get(path) != base.files.get(path)
        }
        want = sorted(kind for kind in kinds if kind != "none")
        vector = {"desc": desc, "changes": _encode(changes), "brings": world.brings}
        texts[name] = _to_text({**vector, "want": {"ok": not want, "kinds": want}})
    return texts


def _encode(files: dict[str, bytes] | dict[str, bytes | None]) -> dict[str, object]:
    return {path: _encode_file(data) for path, data in files.items()}


def _encode_file(data: bytes | None) -> object:
    if data is None:
        return None
    try:
        return data.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(data).decode()}


def _to_text(value: object) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"


def main() -> None:
    """Write all vectors, and take away those that are no more."""
    texts = make_vectors()
    for path in HERE.glob("*.json"):
        if path.stem not in texts:
            path.unlink()
    for name, text in texts.items():
        (HERE / f"{name}.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
