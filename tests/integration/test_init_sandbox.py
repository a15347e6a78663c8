"""What `init` writes works as it is, on every engine at once: the commands that it prints, then what CI runs."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]  # a dependency of the emulator: no stubs are locked

from tests.support.projects import clean_environment, run
from tests.support.servers import Lend
from tests.support.warm_commands import WarmCommands

ENGINES = ("dynamodb", "neo4j", "opensearch", "postgres")


def type_in(directory: Path, command: str) -> str:
    """Return what is written to standard output by a line that is typed into a shell in `directory`."""
    programs = f"{directory.parent / 'bin'}{os.pathsep}{directory / 'bin'}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-eo", "pipefail", "-c", command],
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
    (short_path / "bin").mkdir()
    commands = WarmCommands(short_path / "bin")
    yield short_path
    commands.close()
    if (short_path / "shop").is_dir():
        run(short_path / "shop", "env", "down", "sandbox")


@pytest.mark.slow(15)
def test_what_init_prints_brings_every_engine_up_and_its_workflow_succeeds(
    lent: Lend, directory: Path
) -> None:
    engines = " ".join(f"--engine {each}" for each in ENGINES)
    printed = type_in(directory, f"seedbed init --yes shop {engines}").partition("next:\n")[2]
    commands = [each.strip() for each in printed.splitlines()]
    assert [each.split()[0] for each in commands] == ["cd", *["seedbed"] * 4]
    lent(directory / "shop" / ".seedbed" / "sandbox", ["catalog.neo4j"], ["catalog.opensearch"])
    said = type_in(directory, "\n".join(commands))
    for each in ENGINES:
        assert re.search(rf"✓  catalog/{each} .*\b1 migration applied", said), said
        assert re.search(rf"^catalog/{each} +fixture +\S+ +[1-9]", said, re.MULTILINE), said
    workflow = yaml.safe_load((directory / "shop" / ".github" / "workflows" / "seedbed.yml").read_text())
    install, *steps = [each["run"] for each in workflow["jobs"]["sandbox"]["steps"] if "run" in each]
    assert install.startswith("pip install ")
    assert install.endswith('[dynamodb,neo4j,opensearch,postgres,sandbox]"')
    assert steps[2:4] == ["seedbed apply -e sandbox", "seedbed seed -e sandbox"]
    for each in steps:
        type_in(directory / "shop", each)
