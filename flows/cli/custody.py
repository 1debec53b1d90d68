"""Commands of those who answer for the ledger: approvals, halt, keys, anchors, erasure."""

from __future__ import annotations

import typer

commands = typer.Typer()
