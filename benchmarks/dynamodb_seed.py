"""The whole command `seedbed seed --kind volume`, beside a script that reads the same file and has boto3 load it.

What `benchmarks.dynamodb` runs as `seed`. Each turn is a process, from its start to its end: CPU is what the kernel
says of the process (user and system), the clock is what whoever started it waited.
"""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.batch_writer import REGION
from benchmarks.clients import reported, serving
from benchmarks.lines import Line, compared
from benchmarks.null_dynamodb import KEY, Report
from benchmarks.null_http import digest
from seedbed.model.names import table_name
from tests.support.projects import clean_environment

MOST = 0.25
KINDS = ("json", "csv", "py")
PEER = "boto3"
ENVIRONMENT = "bench"
TABLE = table_name("chat", "messages", ENVIRONMENT)
HISTORY = table_name("chat", "migrations_history", ENVIRONMENT)
Item = dict[str, Any]

_MANIFEST = f"""\
[platform]
name = "bench"

[services.chat.dynamodb]

[environments.{ENVIRONMENT}]
region = "{REGION}"
"""
_TABLES = """\
[tables.messages]
key = { partition = "conversation_id", sort = "message_id" }

[tables.messages.attributes]
conversation_id = "S"
message_id = "S"
sent_at = "N"
score = "N"
is_edited = "BOOL"
"""
_MIGRATION = """\
# seedbed: table=messages


def up(item):
    return item
"""
_PROGRAM = """\
import json
from decimal import Decimal


def rows():
    with open(LINES, encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line, parse_float=Decimal)
"""


class Spent:
    """What one turn of a client cost, in seconds."""

    def __init__(self) -> None:
        self.cpu: list[float] = []
        self.clock: list[float] = []


def project(root: Path, kind: str, items: Sequence[Item]) -> Path:
    """Write a platform with one table and one volume seed of `kind`; return the seed."""
    service = root / "services" / "chat" / "dynamodb"
    seeds = service / "seeds" / "volume"
    seeds.mkdir(parents=True)
    (root / "seedbed.toml").write_text(_MANIFEST)
    (service / "tables.toml").write_text(_TABLES)
    (service / "migrations").mkdir()
    (service / "migrations" / "20260101000000_first.py").write_text(_MIGRATION)
    path = seeds / f"messages.{kind}"
    {"json": _json, "csv": _csv, "py": _py}[kind](path, items)
    return path


def _json(path: Path, items: Sequence[Item]) -> None:
    lines = ",\n".join(json.dumps(each, ensure_ascii=False, default=float) for each in items)
    path.write_text(f"[\n{lines}\n]\n", encoding="utf-8")


def _csv(path: Path, items: Sequence[Item]) -> None:
    """Write what a cell can hold: lists and maps are left out."""
    columns = [name for name, value in items[0].items() if not isinstance(value, list | dict)]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        for each in items:
            values = [each[name] for name in columns]
            writer.writerow([str(value).lower() if isinstance(value, bool) else value for value in values])


def _py(path: Path, items: Sequence[Item]) -> None:
    data = path.parents[5] / "messages.lines"
    lines = "\n".join(json.dumps(each, ensure_ascii=False, default=float) for each in items)
    data.write_text(f"{lines}\n", encoding="utf-8")
    path.write_text(_PROGRAM.replace("LINES", repr(str(data))))


def lines(rounds: int, items: Sequence[Item], root: Path, upstream: str) -> list[Line]:
    """Seed `items` from a file of each kind, in turns; `upstream` is a DynamoDB that has the tables of the bench.

    Batches go into a server that takes everything, and all keys have to have arrived, whoever sent them; what else
    the command asks (its history, its lease) is passed on to `upstream`.
    """
    wanted = digest([tuple(each[name] for name in KEY) for each in items])
    found = []
    for kind in KINDS:
        path = project(root / kind, kind, items)
        spent = {"seedbed": Spent(), PEER: Spent()}
        with serving("benchmarks.null_dynamodb", upstream) as endpoint:
            _ours(root / kind, endpoint, "apply")()  # binds the tables to the environment, once
            turns = {
                "seedbed": _ours(root / kind, endpoint, "seed", "--kind", "volume"),
                PEER: _peer(path, endpoint),
            }
            for round_ in range(rounds + 1):
                for name, turn in turns.items():
                    cpu, clock = turn()
                    report = reported(endpoint, Report)
                    if report.digest != wanted or report.items != len(items) or report.problems:
                        raise RuntimeError(f"{name} sent something else: {report}")
                    if round_:
                        spent[name].cpu.append(cpu / len(items) * 1e6)
                        spent[name].clock.append(clock / len(items) * 1e6)
        ours, peer = spent["seedbed"], spent[PEER]
        most = (
            MOST if kind != "py" else None
        )  # a program is run twice: once to check its rows, once to load them
        found += [
            compared(f"the whole command, .{kind}", "µs CPU an item", ours.cpu, PEER, peer.cpu, most),
            compared(f"the whole command, .{kind}", "µs an item", ours.clock, PEER, peer.clock, None),
        ]
    return found


Turn = Callable[[], tuple[float, float]]


def _ours(root: Path, endpoint: str, command: str, *more: str) -> Turn:
    arguments = ("-m", "seedbed", command, "-e", ENVIRONMENT, *more)
    keys = {"AWS_ACCESS_KEY_ID": "benchmark", "AWS_SECRET_ACCESS_KEY": "benchmark"}
    return lambda: spent(arguments, root, {**keys, "AWS_ENDPOINT_URL": endpoint})


def _peer(path: Path, endpoint: str) -> Turn:
    arguments = ("-m", "benchmarks.batch_writer", str(path), endpoint, TABLE)
    return lambda: spent(arguments, Path.cwd(), {})


def spent(arguments: Sequence[str], root: Path, env: Mapping[str, str]) -> tuple[float, float]:
    """Run Python with `arguments` in `root`; return the seconds of CPU and by the clock that it took."""
    clean = clean_environment({"PYTHONDONTWRITEBYTECODE": "", **env})
    with tempfile.TemporaryFile() as out:
        began = time.perf_counter()
        process = subprocess.Popen([sys.executable, *arguments], cwd=root, env=clean, stdout=out, stderr=out)
        _, status, used = os.wait4(process.pid, 0)
        took = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            out.seek(0)
            raise RuntimeError(out.read().decode())
    return used.ru_utime + used.ru_stime, took
