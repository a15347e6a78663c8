"""The entry point of the task: what its definition says is what counts, whatever RunTask says besides."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from seedbed.cli.travel.task import bound

DEFINED = ["SEEDBED_FILES=image", "DB_HOST=here", "DB_OPTIONS=a=b", "DB_PASSWORD", "--"]


def test_what_the_definition_says_counts_and_what_it_does_not_name_is_left_out() -> None:
    overridden = {
        "SEEDBED_FILES": "upload",
        "DB_HOST": "elsewhere",
        "DB_SSLMODE": "disable",
        "SEEDBED_CDK": "/bin/sh",
        "AWS_CONFIG_FILE": "/proc/self/environ",
        "LD_PRELOAD": "x",
    }
    environ = {"DB_PASSWORD": "secret", "PATH": "/bin", "AWS_REGION": "eu-central-1", "LC_ALL": "C"}
    words = ["--run", "1", "SEEDBED_FILES=upload", "--", "SEEDBED_ENV=b"]
    found, left = bound([*DEFINED, *words], environ | overridden)
    assert found == {**environ, "SEEDBED_FILES": "image", "DB_HOST": "here", "DB_OPTIONS": "a=b"}
    assert left == words


def test_a_variable_that_has_python_start_a_program_starts_none(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    environ = {
        "PYTHONWARNINGS": "all:0:antigravity.x:0:0",
        "BROWSER": f"/bin/sh -c 'touch {trace}' #%s",
        "PYTHONPATH": str(tmp_path),
    }
    started = subprocess.run(
        [sys.executable, "-I", "-m", "seedbed.cli.travel.task", "--", "--version"],
        env=environ,
        capture_output=True,
        text=True,
        check=True,
    )
    assert started.stdout.startswith("seedbed, version ")
    assert not trace.exists()
