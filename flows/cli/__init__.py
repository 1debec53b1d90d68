"""`assay`: the umbrella command.

Each module registers a group of commands and reads their arguments; the work is in
`flows.commands`, imported when a command needs it.
"""

from __future__ import annotations

import sys

from flows.cli import analysis, certification, custody, evidence, service, start, tournament
from flows.cli.invocation import app, run_app
from flows.settings import prepare_process

__all__ = ["app", "main", "replay_main", "run_app"]

for _group in (start, tournament, evidence, certification, custody, analysis, service):
    app.add_typer(_group.commands)


def main() -> None:
    """Run the command line."""
    prepare_process()
    sys.exit(run_app(sys.argv[1:]))


def replay_main() -> None:
    """Run `assay replay` under its older name, `replay_backtest`."""
    sys.argv[1:1] = ["replay"]
    main()
