"""Entry point of `python -m ledger`; the one place of this package that reads a clock."""

from __future__ import annotations

import sys
from datetime import UTC, datetime

from ledger.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], clock=lambda: datetime.now(UTC)))  # noqa: TID251
