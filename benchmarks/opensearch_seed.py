"""The whole command `seedbed seed --kind volume` for OpenSearch, beside a script that reads the same file.

`benchmarks.opensearch` runs it as `seed`. Each turn is a process, from its start to its end: CPU is what the kernel
reports of the process (user and system), the clock is what its parent waited.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.support.projects import clean_environment

ENVIRONMENT = "bench"
Document = dict[str, Any]

_MANIFEST = f"""\
[platform]
name = "bench"

[services.ai.opensearch]

[environments.{ENVIRONMENT}]
"""
_MIGRATION = """\
# Any migration: the first apply binds the cluster to the environment
# migrate:up
PUT /first
"""


def project(root: Path, index: str, documents: Sequence[tuple[str, Document]]) -> Path:
    """Write a platform with one volume seed for `index`; return the seed."""
    service = root / "services" / "ai" / "opensearch"
    seeds = service / "seeds" / "volume"
    seeds.mkdir(parents=True)
    (root / "seedbed.toml").write_text(_MANIFEST)
    (service / "migrations").mkdir()
    (service / "migrations" / "20260101000000_first.http").write_text(_MIGRATION)
    rows = ",\n".join(
        json.dumps({"_id": id_, **fields}, ensure_ascii=False, allow_nan=False) for id_, fields in documents
    )
    seed = seeds / f"{index}.json"
    seed.write_text(f"[\n{rows}\n]\n", encoding="utf-8")
    return seed


def seedbed(root: Path, endpoint: str, command: str, *more: str) -> tuple[float, float]:
    """Run a command of seedbed on `endpoint`; return the seconds of CPU and by the clock."""
    arguments = ("-m", "seedbed", command, "-e", ENVIRONMENT, *more)
    return cost(arguments, root, {"OPENSEARCH_ENDPOINT": endpoint})


def peer(seed: Path, endpoint: str, index: str) -> tuple[float, float]:
    """Run the script beside it; return the seconds of CPU and by the clock."""
    return cost(("-m", "benchmarks.helpers_bulk", str(seed), endpoint, index), Path.cwd(), {})


def cost(arguments: Sequence[str], root: Path, env: Mapping[str, str]) -> tuple[float, float]:
    """Run Python with `arguments` in `root`; return the seconds of CPU and by the clock."""
    clean = clean_environment({"PYTHONDONTWRITEBYTECODE": "", **env})
    with tempfile.TemporaryFile() as out:
        began = time.perf_counter()
        process = subprocess.Popen([sys.executable, *arguments], cwd=root, env=clean, stdout=out, stderr=out)
        _, status, used = os.wait4(process.pid, 0)
        clock = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            out.seek(0)
            raise RuntimeError(out.read().decode())
    return used.ru_utime + used.ru_stime, clock
