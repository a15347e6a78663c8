"""The most memory that a whole `seedbed` process takes for the largest SQL file that it accepts.

``python -m benchmarks.memory [--megabytes N] [--only whole|stepwise]``

A file of so many megabytes (64 is the limit) is applied to a fresh database of the sandbox's server, once as one
transaction and once statement by statement, then its status is asked for, and it is planned. What counts is the
largest resident size of the process (`ru_maxrss`); the server's own is not in it. Nothing is compared, and nothing is
written: the numbers are stated in docs/reference/migration-files.md.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.lines import machine
from seedbed.engines.postgres.sandbox import EmbeddedServer, embedded
from tests.support.projects import ProjectFiles, clean_environment, command, variables

MEGABYTE = 1_000_000
ROWS = 1_000  # of one INSERT, some 100 kB
WAYS = {"whole": "", "stepwise": "transaction:false"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=64)
    parser.add_argument("--only", choices=WAYS, help="whole: one transaction; stepwise: none")
    asked = parser.parse_args()
    print(json.dumps(machine()))
    with tempfile.TemporaryDirectory() as room, embedded(Path(room) / "server") as server:
        for name, options in WAYS.items():
            if asked.only in {None, name}:
                _measure(Path(room), server, asked.megabytes, name, options)


def _measure(room: Path, server: EmbeddedServer, megabytes: int, name: str, options: str) -> None:
    root = room / name
    root.mkdir()
    database = server.settings(f"{name}/postgres")["name"]
    files = ProjectFiles(root)
    files.migration("20260101000001_large", _statements(megabytes * MEGABYTE - 1_000), options=options)
    for arguments in (["plan"], ["apply"], ["status"], ["apply"]):
        wall, most = _spent(root, [*arguments, "-e", "dev-bench"], variables(server, database))
        print(f"{name:9} {arguments[0]:7} {most / MEGABYTE:6.0f} MB {wall:6.1f} s", flush=True)


def _statements(size: int) -> str:
    """Return SQL of about `size` bytes: a table, and inserts of many rows."""
    made = ["CREATE TABLE large (id bigint, name text, note text);"]
    written = len(made[0])
    number = 0
    while True:
        rows = ",\n".join(f"({each}, 'user {each}', '{'x' * 60}')" for each in range(number, number + ROWS))
        statement = f"INSERT INTO large VALUES {rows};"
        if written + len(statement) >= size:
            return "\n".join(made)
        made.append(statement)
        written += len(statement) + 1
        number += ROWS


def _spent(root: Path, arguments: Sequence[str], env: Mapping[str, str]) -> tuple[float, float]:
    """Run `seedbed` and return the seconds it took and the most bytes that it had. Raises RuntimeError if it fails."""
    with tempfile.TemporaryFile() as said:
        began = time.perf_counter()
        process = subprocess.Popen(
            command(*arguments), cwd=root, env=clean_environment(env), stdout=said, stderr=said
        )
        _, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            raise RuntimeError(said.read().decode()[-2_000:])
    return wall, used.ru_maxrss * 1024


if __name__ == "__main__":
    main()
