"""Recorded JSON values as lines that a person can read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ledger import Record


def leaves(value: object, path: str = "") -> Iterator[tuple[str, object]]:
    """Yield the path and value of every leaf; a list is one leaf, as JSON text."""
    if isinstance(value, Mapping) and (value or not path):
        for key, member in value.items():
            yield from leaves(member, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list | tuple | Mapping):
        yield path, json.dumps(value, ensure_ascii=False, default=_plain)
    else:
        yield path, value


def document(record: Record) -> dict[str, object]:
    """Return a record as the JSON object of its line, absent members left out."""
    fields = (
        "v", "seq", "ts", "type", "run_id", "step", "id", "status", "actor",
        "inputs", "outputs", "data", "prev_hash", "hash",
    )  # fmt: skip
    found = {name: getattr(record, name) for name in fields}
    return {name: value for name, value in found.items() if value not in ("", {})}


def as_text(value: object) -> str:
    """Return JSON values as indented text."""
    return json.dumps(value, indent=2, ensure_ascii=False, default=_plain)


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(type(value).__name__)
