"""`python -m seedbed`."""

from __future__ import annotations

from seedbed.cli.main import run

run()
