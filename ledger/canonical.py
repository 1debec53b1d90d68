"""Canonical JSON: one byte string for each value.

The bytes are those of RFC 8785 (JCS), for a narrower set of values:

1. objects have keys of type `str`, all ASCII, each once;
2. integers lie within +-(2**53 - 1); a larger number is written as text by the caller;
3. numbers are finite; -0.0 is written `0`, and 1.0 as `1`: JSON has one kind of number;
4. text holds no lone surrogates and is otherwise kept as it is (no Unicode normalisation);
5. at most 32 objects or arrays stand within each other.

A value that is needed in several places is encoded once as a `Fragment`; `dumps` puts its bytes
where the fragment stands.

Invariants
----------
1. `dumps(loads(data)) == data` for all bytes that `loads` accepts.
2. `loads(dumps(value)) == value`, with tuples read back as lists and 1.0 as 1.
3. `loads` raises nothing but `NotCanonicalError`; `dumps` nothing but `UnrecordableError`.
"""

from __future__ import annotations

import json
import json.encoder
import math
import re
from collections.abc import Mapping
from functools import partial
from json.encoder import encode_basestring
from typing import TYPE_CHECKING, NoReturn

from ledger.digest import sha256
from ledger.errors import IntegrityError, UnrecordableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ledger.digest import Digest

MAX_DEPTH = 32
MAX_INTEGER = 2**53 - 1
_SAFE_INTEGER_DIGITS = 15
_MAX_PLAIN_EXPONENT = 21
_MIN_PLAIN_EXPONENT = -6

# Numbers that Python and RFC 8785 spell, or may spell, differently: with an exponent, with 16
# digits or more, with a fraction of zero. A hit may stand inside a string.
_ODD_NUMBER = re.compile(r"[:,\[](-?(?:[0-9.]+e[+-]?[0-9]+|[0-9]{16}|[0-9]+\.0(?=[,}\]])))")
_make_encoder = partial(
    json.JSONEncoder,
    ensure_ascii=False,
    check_circular=False,
    allow_nan=False,
    sort_keys=True,
    separators=(",", ":"),
)
_ENCODER = _make_encoder()


def _make_c_encoder() -> Callable[[object, int], tuple[str, ...]] | None:
    """Return the encoder that `_ENCODER.encode` would make anew for each value, if there is one."""
    make = getattr(json.encoder, "c_make_encoder", None)
    if make is None:
        return None
    sort_keys, skipkeys, allow_nan = True, False, False
    encoder: Callable[[object, int], tuple[str, ...]] = make(
        None,  # no markers: a value within itself was found before
        _ENCODER.default,
        encode_basestring,
        None,  # no indent
        ":",
        ",",
        sort_keys,
        skipkeys,
        allow_nan,
    )
    return encoder


_encode_c = _make_c_encoder()
_FRAGMENT_DEPTH = MAX_DEPTH - 4
_MARK = "\ufffffragment\uffff"
_MARKED = f'"{_MARK}"'


class Fragment:
    """The canonical bytes of a value, to be written as a member of a larger one.

    Parameters
    ----------
    value : object
        A value of the profile, at most 28 containers deep.

    Attributes
    ----------
    data : bytes
        Its canonical bytes.
    """

    __slots__ = ("data",)

    def __init__(self, value: object) -> None:
        self.data = dumps(value, depth=_FRAGMENT_DEPTH)


class NotCanonicalError(IntegrityError):
    """Bytes that are not the canonical form of a value."""

    code = "E0107"


def dumps(value: object, *, depth: int = MAX_DEPTH) -> bytes:
    r"""Return the canonical bytes of `value`, at most `depth` containers within each other.

    Raises
    ------
    UnrecordableError
        For a value outside the profile, naming its JSON path.

    Examples
    --------
    >>> dumps({"b": 1e-7, "a": [1.0, -0.0, "é"]})
    b'{"a":[1,0,"\xc3\xa9"],"b":1e-7}'
    """
    fast = _encode_fast(value, depth)
    return _encode(value, "$", MAX_DEPTH - depth).encode() if fast is None else fast


def loads(data: bytes) -> object:
    """Return the value of which `data` are the canonical bytes.

    Raises
    ------
    NotCanonicalError
        For every other sequence of bytes.
    """
    try:
        value = decode(data)
        # So few containers cannot be too deep, and the decoder makes plain ones.
        shallow = data.isascii() and data.count(b"{") + data.count(b"[") <= MAX_DEPTH
        plain = shallow and type(value) in _CONTAINERS
        text = _respelled(_encode_plain(value)) if plain else None
        again = dumps(value) if text is None else text.encode()
    except (ValueError, RecursionError, UnrecordableError) as error:
        raise _not_canonical(data, str(error).partition("\n")[0]) from error
    if again != data:
        raise _not_canonical(data, "another spelling of the value is the canonical one")
    return value


def decode(data: bytes) -> object:
    """Return the value of JSON bytes, whatever their spelling.

    For bytes that were checked before. Raises ValueError or RecursionError.
    """
    text = data.decode()
    value: object
    try:
        value, end = _scan(text, 0)
    except StopIteration as error:
        message = f"no JSON value at {error.value}"
        raise ValueError(message) from error
    if end != len(text):
        # White space, or something that is no JSON.
        value = _DECODER.decode(text)
    return value


def canonical_digest(value: object) -> Digest:
    """Return the digest of the canonical bytes of `value`."""
    return sha256(dumps(value))


def _encode_fast(value: object, depth: int) -> bytes | None:
    """Return the bytes made by the C encoder, or None where it cannot be relied upon."""
    if not _is_plain(value, depth):
        return None
    try:
        text = _respelled(_encode_plain(value))
        return None if text is None else text.encode()
    except ValueError:
        return None
    except TypeError:
        return _encode_fragments(value)


def _encode_plain(value: object) -> str:
    """Return what `json.JSONEncoder.encode` would, with the C encoder made once."""
    if _encode_c is None:
        return _ENCODER.encode(value)
    return "".join(_encode_c(value, 0))


def _encode_fragments(value: object) -> bytes | None:
    """Return the bytes of a value that holds fragments; None if it takes the slow path."""
    fragments: list[bytes] = []

    def keep(member: object) -> str:
        if not isinstance(member, Fragment):
            raise TypeError
        fragments.append(member.data)
        return _MARK

    try:
        text = _respelled(_make_encoder(default=keep).encode(value))
        parts = [] if text is None else text.encode().split(_MARKED.encode())
    except (ValueError, TypeError):
        return None
    if len(parts) != len(fragments) + 1:
        # The text has the mark of its own.
        return None
    pairs = zip(parts, [*fragments, b""], strict=True)
    return b"".join(piece for pair in pairs for piece in pair)


def _respelled(text: str) -> str | None:
    """Return Python's JSON with its odd numbers as RFC 8785 spells them.

    None where it takes a parser: for long runs of digits, and for text with escapes, in which a
    quotation mark does not tell whether a number stands inside a string.
    """
    if _ODD_NUMBER.search(text) is None:
        return text
    parts: list[str] = []
    end, inside = 0, False
    for match in _ODD_NUMBER.finditer(text):
        start, stop = match.span(1)
        inside ^= text.count('"', end, start) % 2 == 1
        number = match[1]
        if "\\" in text or (stop - start > _SAFE_INTEGER_DIGITS and number.lstrip("-").isdigit()):
            return None
        parts += (text[end:start], number if inside else format_number(float(number)))
        end = stop
    return "".join((*parts, text[end:]))


def _is_plain(value: object, depth: int) -> bool:
    """Return whether the containers are such that the C encoder writes what is meant.

    They are plain dicts with ASCII text as keys and plain lists, at most `depth` within each other.
    """
    members: Iterable[object]
    if type(value) is dict:
        if not _are_plain_keys(value):
            return False
        members = value.values()
    elif type(value) is list:
        members = value
    else:
        return False
    for member in members:
        if type(member) in _CONTAINERS and (depth == 1 or not _is_plain(member, depth - 1)):
            return False
    return True


def _are_plain_keys(container: dict[str, object]) -> bool:
    try:
        return "".join(container).isascii()
    except TypeError:
        return False


_CONTAINERS = frozenset({dict, list, tuple})


def _encode(value: object, path: str, depth: int) -> str:
    """Return the canonical text, or raise with the JSON path of what has none."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _encode_text(value, path)
    if isinstance(value, int):
        return _encode_integer(value, path)
    if isinstance(value, float):
        return _encode_number(float(value), path)
    return _encode_container(value, path, depth + 1)


def _encode_container(value: object, path: str, depth: int) -> str:
    if depth > MAX_DEPTH and not isinstance(value, Fragment):
        _refuse(path, f"more than {MAX_DEPTH} containers within each other", "flatten the value")
    if isinstance(value, Mapping):
        members = [_encode_member(key, value[key], path, depth) for key in _sorted(value, path)]
        return "{" + ",".join(members) + "}"
    if isinstance(value, (list, tuple)):
        items = [_encode(item, f"{path}[{i}]", depth) for i, item in enumerate(value)]
        return "[" + ",".join(items) + "]"
    if isinstance(value, Fragment):
        return value.data.decode()
    return _refuse(
        path, f"a {type(value).__name__} is not a JSON value", "convert it to text, number or list"
    )


def _encode_member(key: str, value: object, path: str, depth: int) -> str:
    return encode_basestring(key) + ":" + _encode(value, f"{path}.{key}", depth)


def _sorted(value: Mapping[object, object], path: str) -> list[str]:
    keys = [key for key in value if isinstance(key, str) and key.isascii()]
    if len(keys) != len(value):
        odd = next(key for key in value if not (isinstance(key, str) and key.isascii()))
        _refuse(path, f"key {odd!r} is not ASCII text", "use text keys of ASCII characters")
    return sorted(keys)


def _encode_text(value: str, path: str) -> str:
    text = encode_basestring(value)
    try:
        text.encode()
    except UnicodeEncodeError:
        _refuse(path, "text with a lone surrogate has no UTF-8 form", "decode the text properly")
    return text


def _encode_integer(value: int, path: str) -> str:
    if abs(value) > MAX_INTEGER:
        _refuse(path, f"integer {value} is beyond 2**53 - 1", "record it as text")
    return int.__repr__(value)


def _encode_number(value: float, path: str) -> str:
    if not math.isfinite(value):
        _refuse(
            path,
            f"{value!r} is not a JSON number",
            'record it as the text "NaN", "Infinity" or "-Infinity", or leave it out',
        )
    return format_number(value)


def format_number(value: float) -> str:
    """Return the text of a finite number as ECMAScript and RFC 8785 spell it.

    >>> [format_number(x) for x in (1e21, 1e20, 0.000001, 1e-7, -0.0)]
    ['1e+21', '100000000000000000000', '0.000001', '1e-7', '0']
    """
    if value == 0:
        return "0"
    sign = "-" if value < 0 else ""
    mantissa, _, exponent = repr(abs(value)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    padded = whole + fraction
    digits = padded.lstrip("0")
    point = len(whole) + int(exponent or 0) - (len(padded) - len(digits))
    return sign + _place_point(digits.rstrip("0"), point)


def _place_point(digits: str, point: int) -> str:
    """Return `digits` times a power of ten, the point standing after `point` digits."""
    count = len(digits)
    if count <= point <= _MAX_PLAIN_EXPONENT:
        return digits + "0" * (point - count)
    if 0 < point <= _MAX_PLAIN_EXPONENT:
        return f"{digits[:point]}.{digits[point:]}"
    if _MIN_PLAIN_EXPONENT < point <= 0:
        return "0." + "0" * -point + digits
    fraction = "." + digits[1:] if count > 1 else ""
    return f"{digits[0]}{fraction}e{point - 1:+d}"


def _parse_integer(text: str) -> float:
    # Beyond 2**53 - 1 a run of digits is the spelling of a float, such as 1e20.
    if len(text) <= _SAFE_INTEGER_DIGITS:
        return int(text)
    number = float(text)
    return int(text) if abs(number) <= MAX_INTEGER else number


def _refuse_constant(text: str) -> NoReturn:
    message = f"{text} is not JSON"
    raise ValueError(message)


_DECODER = json.JSONDecoder(parse_int=_parse_integer, parse_constant=_refuse_constant)
_scan = _DECODER.scan_once  # type: ignore[attr-defined]  # typeshed leaves it out


def _refuse(path: str, why: str, fix: str) -> NoReturn:
    raise UnrecordableError(what=f"cannot record the value at {path}", where=path, why=why, fix=fix)


def _not_canonical(data: bytes, why: str) -> NotCanonicalError:
    return NotCanonicalError(
        what="expected canonical JSON, found other bytes",
        where=repr(data[:60]),
        why=why,
        fix="write the value with ledger.canonical.dumps",
    )
