"""Every tampered ledger lands on its verdict, and every untouched one on none."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from ledger import verify
from ledger.policy import parse_policy
from tests.vectors.ledger.make_vectors import make_vectors

VECTORS = Path(__file__).parents[1] / "vectors" / "ledger"
NAMES = sorted(path.stem for path in VECTORS.glob("*.json") if path.stem != "base")
BLIND_WHEN_FAST = ("lint",)


def read(name: str) -> Any:
    """Return a vector."""
    return json.loads((VECTORS / f"{name}.json").read_text(encoding="utf-8"))


def unpack(name: str, folder: Path) -> Any:
    """Write the files of a vector into a folder, and return the vector."""
    vector = read(name)
    for path, content in {**read("base")["files"], **vector["changes"]}.items():
        if content is not None:
            data = base64.b64decode(content["base64"]) if isinstance(content, dict) else content
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(data if isinstance(data, bytes) else data.encode())
    return vector


def options(vector: Any, folder: Path) -> dict[str, Any]:
    """Return what the verifier of a vector brings."""
    brings = vector["brings"]
    given: dict[str, Any] = {}
    if "policy" in brings:
        given["policy"] = parse_policy(brings["policy"].encode())
    if "last_seen" in brings:
        (folder / "seen").write_text(brings["last_seen"], encoding="utf-8")
        given["last_seen"] = folder / "seen"
    return given


def test_there_are_vectors_of_every_kind() -> None:
    """More than a hundred attacks, and all kinds of finding."""
    wanted = {kind for name in NAMES for kind in read(name)["want"]["kinds"]}
    assert len(NAMES) > 100
    assert wanted == {
        "altered",
        "forked",
        "lint",
        "missing",
        "rewritten",
        "rolled_back",
        "signature",
        "torn",
        "truncated",
    }


@pytest.mark.parametrize("name", NAMES)
def test_attack_has_its_verdict(name: str, tmp_path: Path) -> None:
    """The kinds are those wanted: no other, and none missing."""
    vector = unpack(name, tmp_path)
    report = verify(tmp_path / "ledger", blobs=tmp_path / "blobs", **options(vector, tmp_path))
    kinds = sorted({finding.kind for finding in report.findings})
    assert (kinds, report.ok) == (vector["want"]["kinds"], vector["want"]["ok"]), report.to_text()


@pytest.mark.parametrize("name", NAMES)
def test_fast_level_sees_all_but_rules_and_blobs(name: str, tmp_path: Path) -> None:
    """Bytes, links, roots and signatures are enough for the rest."""
    vector = unpack(name, tmp_path)
    report = verify(tmp_path / "ledger", level="fast", **options(vector, tmp_path))
    wanted = [kind for kind in vector["want"]["kinds"] if kind not in BLIND_WHEN_FAST]
    # Nor what a summary says of its file.
    if not name.startswith(("blob", "summary-file")):
        assert sorted({finding.kind for finding in report.findings}) == wanted, report.to_text()


def test_vectors_are_those_of_their_generator() -> None:
    """`python -m tests.vectors.ledger.make_vectors` writes them."""
    made = make_vectors()
    assert sorted(made) == sorted([*NAMES, "base"])
    for name, text in made.items():
        assert (VECTORS / f"{name}.json").read_text(encoding="utf-8") == text, name
