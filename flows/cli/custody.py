"""Commands of those who answer for the ledger: approvals, halt, keys, anchors, erasure."""

from __future__ import annotations

import typer

from flows.cli import approval, memory, retention

commands = typer.Typer()
commands.add_typer(approval.commands)
commands.add_typer(retention.commands)
commands.add_typer(memory.commands)
