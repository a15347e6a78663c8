"""What `init` writes works as it is, on every engine at once: the commands that it prints, then what CI runs."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.projects import clean_environment, run

ENGINES = ("dynamodb", "neo4j", "opensearch", "postgres")


def type_in(directory: Path, command: str) -> str:
    """Return what a line that is typed into a shell in `directory` writes to standard output."""
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", "-ec", command],
        cwd=directory,
        env=clean_environment({"PATH": programs}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture
def directory(short_path: Path) -> Iterator[Path]:
    yield short_path
    if (short_path / "shop").is_dir():
        run(short_path / "shop", "env", "down", "sandbox")


@pytest.mark.slow(30)
def test_what_init_prints_brings_every_engine_up_and_its_workflow_succeeds(directory: Path) -> None:
    engines = " ".join(f"--engine {each}" for each in ENGINES)
    printed = type_in(directory, f"seedbed init --yes shop {engines}").partition("next:\n")[2]
    commands = [each.strip() for each in printed.splitlines()]
    assert [each.split()[0] for each in commands] == ["cd", *["seedbed"] * 4]
    said = type_in(directory, "\n".join(commands))
    for each in ENGINES:
        assert re.search(rf"✓  catalog/{each} .*\b1 migration applied", said), said
        assert re.search(rf"^catalog/{each} +fixture +\S+ +[1-9]", said, re.MULTILINE), said
    workflow = (directory / "shop" / ".github" / "workflows" / "seedbed.yml").read_text(encoding="utf-8")
    steps = re.findall(r"^ +- run: (.*)$", workflow, re.MULTILINE)
    assert steps[0].startswith("pip install ")
    assert steps[0].endswith('[dynamodb,neo4j,opensearch,postgres,sandbox]"')
    for step in steps[1:]:
        program, *words = shlex.split(step)
        done = run(directory / "shop", *words)
        assert (program, done.code) == ("seedbed", 0), f"{step}\n{done.everything}"
