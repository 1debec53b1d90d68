"""A worker process: `python -m flows.worker BLOBS`, started by `flows.workers`.

Messages are JSON lines on standard input: `{"keep": [[id, result, sha256], ..]}`,
`{"task": [[id, intent], ..], "snapshot": sha256}`, `{"forget": true}`. Every decision of a task is
answered by a line that says how it ended and, where it has a result, a line with its canonical
bytes. After a failure the rest of the task is left out.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING

from threadpoolctl import threadpool_limits

from flows.batch import Planned, Results, take
from flows.errors import Explained, as_json
from ledger import BlobStore
from pipeline.records import Intent
from replay.reconstruct import Snapshots

if TYPE_CHECKING:
    from flows.batch import Taken
    from ledger import Digest
    from pipeline.values import Payload


def serve(blobs: Path, messages: IO[bytes], answers: IO[bytes]) -> None:
    """Take the decisions of every task until the messages end."""
    snapshots, results = Snapshots(BlobStore(blobs)), Results()
    for line in messages:
        message = json.loads(line)
        if "forget" in message:
            results = Results()
        for id_, result, sha256 in message.get("keep", ()):
            results.keep(id_, result, sha256)
        for id_, payload in message.get("task", ()):
            found = _take(id_, payload, message["snapshot"], snapshots, results)
            _answer(found, answers)
            if found.error is not None:
                break


def _take(
    id_: str, payload: Payload, snapshot: Digest | None, snapshots: Snapshots, results: Results
) -> Taken:
    intent = Intent.from_payload(payload)
    return take(id_, Planned(intent, snapshots.rows(intent, snapshot)), results)


def _answer(found: Taken, answers: IO[bytes]) -> None:
    outcome = found.outcome
    header: dict[str, object] = {"id": outcome.id, "used": outcome.upstream_sha256}
    if found.error is not None:
        header["error"] = outcome.error
        if isinstance(found.error, Explained):
            header["error"] = as_json(found.error)
            header["exit_code"] = found.error.exit_code
        else:
            traceback.print_exception(found.error)
    header["seconds"] = outcome.seconds
    answers.write(json.dumps(header).encode() + b"\n")
    if outcome.result is not None:
        answers.write(outcome.result.fragment.data + b"\n")
    answers.flush()


def main() -> None:
    """Serve on standard input and output; what libraries print goes to standard error."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides when to stop
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    # Nobody reads the answers of a worker whose parent was killed.
    with threadpool_limits(limits=1), suppress(BrokenPipeError):
        serve(Path(sys.argv[1]), sys.stdin.buffer, answers)


if __name__ == "__main__":
    main()
