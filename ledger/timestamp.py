"""RFC 3161: an authority signs that the three lines of a checkpoint existed at a time.

The token answers for SHA-256 of the text of the checkpoint, so that it is checked without us::

    openssl ts -verify -data three-lines.txt -in anchors/000000001024.tsr -CAfile CA.pem

Making and checking tokens needs the package `rfc3161-client` (extra `tsa`), nothing else does.

Invariants
----------
1. `fetch_token` returns a token for the text it was given and the nonce of this request, or raises.
2. It reads at most `MAX_ANSWER` bytes and ends within `seconds`, give or take one read.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ledger.errors import ConfigError, IntegrityError, LedgerError
from ledger.keys import AlgorithmMissingError

if TYPE_CHECKING:
    import http.client
    from datetime import datetime
    from types import ModuleType

    from cryptography.x509 import Certificate

MAX_ANSWER: Final = 65_536
SECONDS: Final = 30.0
QUERY: Final = "application/timestamp-query"
REPLY: Final = "application/timestamp-reply"
_CHUNK: Final = 4096
_GRANTED: Final = (0, 1)
_SHA256: Final = "2.16.840.1.101.3.4.2.1"


class TimestampError(LedgerError):
    """The time stamping authority did not answer, or not as RFC 3161 has it; try again."""

    code = "E0153"
    exit_code = 75


class WrongTimestampError(IntegrityError):
    """A time stamp of something else, or one that the given authority did not sign."""

    code = "E0154"


def fetch_token(url: str, text: bytes, *, seconds: float = SECONDS) -> bytes:
    """Ask an authority for a time stamp of `text` and return its answer, in DER.

    Parameters
    ----------
    url : str
        Its address, http or https.
    text : bytes
        The three lines of a checkpoint.
    seconds : float
        How long to wait.

    Raises
    ------
    ConfigError
        If the address is another.
    TimestampError
        If there is no answer, or none that is a granted time stamp.
    WrongTimestampError
        If the answer is for something else.
    """
    client = _client()
    builder = client.TimestampRequestBuilder().data(text)
    request = builder.hash_algorithm(client.HashAlgorithm.SHA256).cert_request(cert_request=True)
    made = request.build()
    answer = _post(url, made.as_bytes(), seconds)
    response = _decode(answer, url)
    _compare(response, made.message_imprint.message, url)
    if response.tst_info.nonce != made.nonce:
        raise _wrong(url, "it is not an answer to this request: another nonce")
    return answer


@dataclass(frozen=True, slots=True)
class Token:
    """What an authority signed: this digest existed at this time."""

    time: datetime
    digest: bytes


def open_token(token: bytes, authority: bytes, *, where: str) -> Token:
    """Return what a token says, once the authority is found to have signed it.

    Parameters
    ----------
    token : bytes
        The answer of the authority, in DER.
    authority : bytes
        Certificates in PEM that the verifier trusts, the root among them.
    where : str
        Its file, for errors.

    Raises
    ------
    WrongTimestampError
        If it did not sign, or not a digest of SHA-256.
    """
    client = _client()
    builder = client.VerifierBuilder()
    for certificate in _certificates(authority):
        builder = builder.add_root_certificate(certificate)
    try:
        response = client.decode_timestamp_response(token)
        imprint = response.tst_info.message_imprint
        builder.build().verify(response, imprint.message)
    except (client.VerificationError, ValueError) as error:
        raise _wrong(where, str(error)) from error
    if imprint.hash_algorithm.dotted_string != _SHA256:
        raise _wrong(where, "it is not for a digest of SHA-256")
    return Token(response.tst_info.gen_time, imprint.message)


def check_token(token: bytes, text: bytes, authority: bytes, *, where: str) -> datetime:
    """Return the time of a token, once the authority is found to have signed it for `text`.

    Raises
    ------
    WrongTimestampError
        If it did not.
    """
    opened = open_token(token, authority, where=where)
    if opened.digest != hashlib.sha256(text).digest():
        raise _wrong(where, "it is a time stamp of something else")
    return opened.time


def _certificates(authority: bytes) -> list[Certificate]:
    from cryptography import x509  # noqa: PLC0415 - slow, and needed here alone

    try:
        return x509.load_pem_x509_certificates(authority)
    except ValueError as error:
        raise ConfigError(
            what=f"not a certificate in PEM: {error}",
            where="certificate of the authority",
            why="a time stamp is believed because of who signed it",
            fix="name a file that begins with -----BEGIN CERTIFICATE-----",
        ) from error


def _post(url: str, query: bytes, seconds: float) -> bytes:
    """Return the body of the answer, of bounded size, within a bounded time."""
    # Who imports the ledger should not pay for a client of HTTP.
    import http.client  # noqa: PLC0415
    import urllib.request  # noqa: PLC0415

    if not url.startswith(("https://", "http://")):
        raise ConfigError(
            what=f"expected an address that begins with https://, found {url!r}",
            where="address of the authority",
            why="time stamps are asked for over HTTP",
            fix="give the whole address, for example https://tsa.example.org/tsr",
        )
    deadline = time.monotonic() + seconds
    request = urllib.request.Request(url, query, {"Content-Type": QUERY})  # noqa: S310 - see above
    try:
        with urllib.request.urlopen(request, timeout=seconds) as answer:  # noqa: S310 - same
            found = answer.headers.get_content_type()
            if found != REPLY:
                raise _failed(url, f"expected {REPLY}, found {found}")
            return _read(answer, url, deadline)
    except (OSError, http.client.HTTPException) as error:
        raise _failed(url, str(error) or type(error).__name__) from error


def _read(answer: http.client.HTTPResponse, url: str, deadline: float) -> bytes:
    body = b""
    while chunk := answer.read1(_CHUNK):
        body += chunk
        if len(body) > MAX_ANSWER:
            raise _failed(url, f"more than {MAX_ANSWER} bytes")
        if time.monotonic() > deadline:
            raise _failed(url, "the answer takes too long")
    return body


def _decode(answer: bytes, url: str) -> Any:  # noqa: ANN401 - of a package that may be missing
    try:
        response = _client().decode_timestamp_response(answer)
    except ValueError as error:
        raise _failed(url, f"not a time stamp: {error}") from error
    if response.status not in _GRANTED:
        raise _failed(url, f"refused with status {response.status}: {response.status_string}")
    return response


def _compare(response: Any, wanted: bytes, url: str) -> None:  # noqa: ANN401 - same
    try:
        imprint = response.tst_info.message_imprint
    except ValueError as error:
        raise _failed(url, f"no time stamp in the answer: {error}") from error
    if imprint.message != wanted or imprint.hash_algorithm.dotted_string != _SHA256:
        raise _wrong(url, "it is a time stamp of something else")


def _client() -> ModuleType:
    try:
        import rfc3161_client  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise AlgorithmMissingError(
            what="the package rfc3161-client is not installed",
            where="time stamps",
            why="it makes and checks the messages of RFC 3161",
            fix="install the extra: `uv sync --extra tsa`, or `pip install rfc3161-client`",
        ) from error
    module: ModuleType = rfc3161_client
    return module


def _failed(url: str, said: str) -> TimestampError:
    return TimestampError(
        what=f"no time stamp: {said}",
        where=url,
        why="the authority did not give what was asked for; nothing was recorded",
        fix="try again later, or use another authority",
    )


def _wrong(where: str, said: str) -> WrongTimestampError:
    return WrongTimestampError(
        what=f"the time stamp does not hold: {said}",
        where=where,
        why="it must be for these three lines and signed by the authority that is trusted",
        fix="bring the certificate of that authority; compare with another copy of the token",
    )
