"""`python -m seedbed`."""

from __future__ import annotations

from seedbed.cli.process import run

run()
