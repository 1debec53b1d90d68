"""From files, environment and flags to one resolved run profile.

Later layers win: defaults < `assay.toml` < manifest profile (after `extends`) < `ASSAY_...`
variables < `--set`. The resolved form holds every value, so nothing hides in a layer; it is hashed,
stored as a blob and named by every run. `origin` says for each value which layer it came from.
"""

from __future__ import annotations

import difflib
import json
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from pydantic import BaseModel, ValidationError

from flows.errors import ManifestError
from ledger import canonical_digest
from pipeline.config import Manifest, ManifestProfile, RunProfile

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ledger import Digest
    from pipeline.values import Payload

BUNDLED = Path(__file__).parent / "manifests" / "bundled.json"
"""The manifest that comes with the project; its profiles can be extended by name."""

Document = dict[str, Any]
"""A JSON object that is not validated yet."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """A run profile with every value filled in.

    Attributes
    ----------
    name : str
        Name of the profile.
    profile : RunProfile
        The profile that runs.
    sleeves : mapping of str to RunProfile
        Sleeve id -> its profile; for a plain profile one entry, its own name.
    origin : mapping of str to str
        Dotted key -> the layer it came from.
    base : Path
        Folder that relative paths of the manifest start from.
    """

    name: str
    profile: RunProfile
    sleeves: Mapping[str, RunProfile]
    origin: Mapping[str, str]
    base: Path

    def to_payload(self) -> Payload:
        """Return the document that is hashed and recorded."""
        return {
            "version": 1,
            "profile": self.name,
            "resolved": self.profile.model_dump(mode="json"),
            "sleeves": {k: v.model_dump(mode="json") for k, v in sorted(self.sleeves.items())},
        }

    @property
    def sha256(self) -> Digest:
        """Digest of the canonical bytes of `to_payload()`."""
        return canonical_digest(self.to_payload())


@dataclass(frozen=True, slots=True)
class Layer:
    """Values from one place, nested like the profile."""

    name: str
    values: Document


@dataclass(frozen=True, slots=True)
class ManifestFile:
    """The profiles of a manifest file, not yet validated one by one."""

    path: Path
    default_profile: str | None
    profiles: Mapping[str, Document]


def read_manifest(path: Path) -> ManifestFile:
    """Read a manifest file and check the shape of every profile in it.

    Raises
    ------
    ManifestError
        If the file is missing, is not JSON, or has unknown keys or values of a wrong type.
    """
    try:
        document = json.loads(path.read_bytes(), object_pairs_hook=_unique)
    except FileNotFoundError:
        raise ManifestError(
            f"no manifest: expected the file {path.name}, found none",
            where=str(path),
            why="a run is described by a manifest",
            fix="give an existing file, or leave --manifest out to use the bundled profiles",
        ) from None
    except (ValueError, OSError) as error:
        raise ManifestError(
            f"the manifest is not JSON: {error}",
            where=str(path),
            why="a manifest is one JSON object (UTF-8)",
            fix="correct the text named; editors check it with `assay schema manifest`",
        ) from error
    if not isinstance(document, dict):
        raise ManifestError(
            f"expected a JSON object with `profiles`, found {type(document).__name__}",
            where=str(path),
            why="a manifest is one JSON object",
            fix='start from {"version": 1, "profiles": {"mine": {}}}',
        )
    _check_shape(document, path)
    return ManifestFile(path, document.get("default_profile"), document["profiles"])


def resolve(
    manifest: ManifestFile,
    name: str | None,
    *,
    workspace_file: Path | None = None,
    overrides: Mapping[str, str] | None = None,
    flags: Mapping[str, str] | None = None,
) -> Resolved:
    """Resolve one profile of `manifest`.

    Parameters
    ----------
    manifest : ManifestFile
        Where the profile stands; it may extend profiles of the bundled manifest.
    name : str or None
        Name of the profile; `None` takes the default one.
    workspace_file : Path, optional
        `assay.toml` of the workspace.
    overrides : mapping, optional
        Environment, `SECTION__KEY` -> text.
    flags : mapping, optional
        `section.key` -> text, from `--set`.

    Raises
    ------
    ManifestError
        For an unknown profile or key, a cycle of `extends`, or a value that does not validate.
    """
    chosen = name or manifest.default_profile or next(iter(manifest.profiles), "")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", chosen):
        raise ManifestError(
            f"not a name of a profile: {chosen!r}",
            where=str(manifest.path),
            why="the name is part of the ids of records: letters, digits, `.`, `_`, `-`",
            fix="rename the profile, or add one under `profiles`",
        )
    above = [
        Layer(f"environment ASSAY_{key}", _nested(key.lower().split("__"), text))
        for key, text in (overrides or {}).items()
    ] + [
        Layer(f"flag --set {key}", _nested(key.split("."), text))
        for key, text in (flags or {}).items()
    ]
    below = [] if workspace_file is None else _workspace_layers(workspace_file)
    profile, origin = _profile(manifest, chosen, below, above)
    sleeves = {
        sleeve.id: _profile(manifest, sleeve.profile, below, above)[0] for sleeve in profile.sleeves
    }
    return Resolved(
        chosen, profile, sleeves or {_identifier(chosen): profile}, origin, manifest.path.parent
    )


def _unique(pairs: list[tuple[str, Any]]) -> Document:
    """Return a JSON object; a key that stands twice has no meaning."""
    document = dict(pairs)
    if len(document) != len(pairs):
        twice = sorted({key for key, _ in pairs if [k for k, _ in pairs].count(key) > 1})
        message = f"the key {twice[0]!r} stands twice in one object"
        raise ValueError(message)
    return document


def _identifier(name: str) -> str:
    """Return a profile name as a sleeve id (records allow letters, digits, underscore)."""
    return "".join(c if c.isalnum() else "_" for c in name.lower())


def _profile(
    manifest: ManifestFile, name: str, below: list[Layer], above: list[Layer]
) -> tuple[RunProfile, dict[str, str]]:
    layers = [*below, *_inherited(manifest, name, ()), *above]
    document: Document = {}
    origin = dict.fromkeys(_leaves(RunProfile().model_dump(mode="json")), "default")
    for layer in layers:
        document = _merged(document, layer.values)
        for key in _leaves(layer.values):
            origin = {k: v for k, v in origin.items() if not k.startswith(f"{key}.")}
            origin[key] = layer.name
    profile = _validated(RunProfile, document, f"profile {name!r} of {manifest.path}", origin)
    return profile, dict(sorted(origin.items()))


def _inherited(manifest: ManifestFile, name: str, seen: tuple[str, ...]) -> list[Layer]:
    if name in seen:
        raise ManifestError(
            f"profiles extend each other in a circle: {' -> '.join((*seen, name))}",
            where=str(manifest.path),
            why="`extends` must end at a profile that extends nothing",
            fix="remove one `extends` of the circle",
        )
    source, document = _find(manifest, name, inside=bool(seen))
    values = {k: v for k, v in document.items() if k != "extends"}
    layer = Layer(f"profile {name} ({source.path.name})", values)
    parent = document.get("extends")
    if parent is None:
        return [layer]
    # A profile may extend the bundled one of its own name; inside its own file that is a circle.
    if parent == name and source.path != BUNDLED:
        return [*_inherited(read_manifest(BUNDLED), parent, ()), layer]
    return [*_inherited(source, parent, (*seen, name)), layer]


def _find(manifest: ManifestFile, name: str, *, inside: bool) -> tuple[ManifestFile, Document]:
    if name in manifest.profiles:
        return manifest, manifest.profiles[name]
    bundled = read_manifest(BUNDLED)
    if name in bundled.profiles:
        return bundled, bundled.profiles[name]
    known = sorted({*manifest.profiles, *bundled.profiles})
    raise ManifestError(
        f"unknown profile {name!r}{_did_you_mean(name, known)}",
        where=f"{'extends in ' if inside else ''}{manifest.path}",
        why=f"known profiles: {', '.join(known)}",
        fix="name one of them with --profile, or add it to the manifest",
    )


def _workspace_layers(path: Path) -> list[Layer]:
    if not path.is_file():
        return []
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise ManifestError(
            f"{path.name} is not TOML: {error}",
            where=str(path),
            why="workspace settings are TOML tables named like the sections of a profile",
            fix="correct the line named",
        ) from error
    # Not of a run: how long evidence is kept, see `flows.retention`.
    values.pop("retention", None)
    return [Layer(path.name, values)]


def _nested(keys: list[str], text: str) -> Document:
    try:
        value = json.loads(text)
    except ValueError:
        value = text
    for key in reversed(keys):
        value = {key: value}
    return cast("Document", value)


def _merged(base: Document, over: Document) -> Document:
    """Return `base` with `over` on top: objects merge, lists and scalars replace."""
    merged = dict(base)
    for key, value in over.items():
        old = merged.get(key)
        both = isinstance(old, dict) and isinstance(value, dict)
        merged[key] = _merged(cast("Document", old), value) if both else value
    return merged


def _leaves(document: Document, prefix: str = "") -> Iterator[str]:
    for key, value in document.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"


def _check_shape(document: Document, path: Path) -> None:
    """Check keys and types, but not the rules between values: those hold after inheritance."""
    try:
        Manifest.model_validate(document)
    except ValidationError as error:
        problems = [e for e in error.errors() if e["type"] != "value_error"]
        if problems:
            raise _manifest_error(problems, Manifest, str(path), {}) from error


def _validated(
    model: type[RunProfile], document: Document, where: str, origin: Mapping[str, str]
) -> RunProfile:
    try:
        return model.model_validate(document)
    except ValidationError as error:
        raise _manifest_error(error.errors(), model, where, origin) from error


def _manifest_error(
    problems: list[Any], model: type[BaseModel], where: str, origin: Mapping[str, str]
) -> ManifestError:
    lines = [_problem(problem, model, origin) for problem in problems]
    more = "" if len(lines) == 1 else "".join(f"\n         {line}" for line in lines[1:])
    return ManifestError(
        f"{lines[0]}{more}",
        where=where,
        why="a key that is not understood would be a decision that nobody took",
        fix="correct the keys named; `assay schema manifest` and `assay config show` list all keys",
    )


def _problem(problem: Any, model: type[BaseModel], origin: Mapping[str, str]) -> str:  # noqa: ANN401
    path = [str(part) for part in problem["loc"]]
    key = ".".join(path)
    source = f" (from {origin[key]})" if origin.get(key, "default") != "default" else ""
    if problem["type"] == "extra_forbidden":
        return f"unknown key {key}{source}{_did_you_mean(path[-1], _known_keys(model, path[:-1]))}"
    message = str(problem["msg"]).removeprefix("Value error, ")
    found = problem.get("input")
    shown = "" if isinstance(found, dict) else f", found {found!r}"
    return f"{key or 'profile'}: {message}{shown}{source}"


def _known_keys(model: type[BaseModel], path: list[str]) -> list[str]:
    """Return the keys allowed at `path`, walking the models by their annotations."""
    current: type[BaseModel] | None = model
    for part in path:
        if current is None or part.isdigit():
            continue
        if part not in current.model_fields:
            current = ManifestProfile if current is Manifest else current
            continue
        current = _section_of(current.model_fields[part].annotation) or current
    return [] if current is None else list(current.model_fields)


def _section_of(annotation: object) -> type[BaseModel] | None:
    """Return the section model inside an annotation such as `tuple[Cell, ...]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in getattr(annotation, "__args__", ()):
        found = _section_of(argument)
        if found is not None:
            return found
    return None


def _did_you_mean(word: str, known: list[str]) -> str:
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return f"; did you mean {near[0]!r}?" if near else ""
