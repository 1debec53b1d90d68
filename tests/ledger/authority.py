"""A time stamping authority of RFC 3161 on this machine, made with openssl, that can misbehave."""

from __future__ import annotations

import subprocess
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

CONFIG = """
[tsa]
default_tsa = here
[here]
serial = {0}/serial
signer_cert = {0}/tsa.pem
signer_key = {0}/tsa.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256, sha512
accuracy = secs:1
ess_cert_id_alg = sha256
[ext]
extendedKeyUsage = critical,timeStamping
"""


def make_authority(folder: Path) -> Path:
    """Make a root and a stamping certificate; return the path of the root."""
    folder.mkdir()
    config = folder / "tsa.cnf"
    config.write_text(CONFIG.format(folder))
    (folder / "serial").write_text("01")
    new = ("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    run(*new, "-x509", "-days", "30", "-subj", "/CN=root", "-keyout", folder / "ca.key", "-out",
        folder / "ca.pem")  # fmt: skip
    run(*new, "-subj", "/CN=tsa", "-keyout", folder / "tsa.key", "-out", folder / "tsa.csr")
    run("x509", "-req", "-days", "30", "-in", folder / "tsa.csr", "-CA", folder / "ca.pem",
        "-CAkey", folder / "ca.key", "-CAcreateserial", "-extfile", config, "-extensions", "ext",
        "-out", folder / "tsa.pem")  # fmt: skip
    return folder / "ca.pem"


def run(*arguments: str | Path) -> bytes:
    """Run openssl and return its standard output."""
    done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, check=True)
    return done.stdout


@dataclass
class Authority:
    """Answers over HTTP as `mode` says."""

    folder: Path
    mode: str = "good"
    queries: list[bytes] = field(default_factory=list)

    def __enter__(self) -> Self:
        """Serve on a free port of this machine."""
        authority = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                query = self.rfile.read(int(self.headers["Content-Length"]))
                authority.queries.append(query)
                authority.answer(self, query)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop serving."""
        self.server.shutdown()
        self.server.server_close()

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.server.server_port}/tsr"

    def answer(self, handler: BaseHTTPRequestHandler, query: bytes) -> None:
        """Answer one query."""
        code, kind, body = 200, "application/timestamp-reply", b""
        if self.mode == "500":
            code = 500
        elif self.mode == "silent":
            time.sleep(0.6)
        elif self.mode == "huge":
            body = bytes(200_000)
        elif self.mode == "rubbish":
            body = b"<html>"
        else:
            body = self.reply(query)
        if self.mode == "html":
            kind = "text/html"
        if self.mode == "truncated":
            body = body[: len(body) // 2]
        try:
            handler.send_response(code)
            handler.send_header("Content-Type", kind)
            handler.send_header("Content-Length", str(len(body)))
            handler.end_headers()
            if self.mode == "drip":
                for at in range(0, len(body), 100):
                    handler.wfile.write(body[at : at + 100])
                    handler.wfile.flush()
                    time.sleep(0.1)
            else:
                handler.wfile.write(body)
        except (BrokenPipeError, ConnectionResetError):
            return

    def reply(self, query: bytes) -> bytes:
        """Return what openssl answers to the query, or to another one."""
        path = self.folder / "query.tsq"
        path.write_bytes(query)
        if self.mode in ("hash", "nonce", "refused"):
            path.write_bytes(self.other_query(query))
        config = ("-config", self.folder / "tsa.cnf")
        return run("ts", "-reply", "-queryfile", path, *config)

    def other_query(self, query: bytes) -> bytes:
        """Return a query with another hash, another nonce, or an algorithm that is refused."""
        if self.mode == "nonce":
            # The nonce is the last integer but one; cert_req (01 01 ff) stands after it.
            at = len(query) - 4
            return query[:at] + bytes([query[at] ^ 1]) + query[at + 1 :]
        data = self.folder / "other"
        data.write_bytes(b"other")
        hashed = "-sha256" if self.mode == "hash" else "-sha384"
        return run("ts", "-query", "-data", data, hashed, "-cert")
