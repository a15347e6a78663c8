"""What is built is whole, and works where there is nothing else: no checkout, no compiler, no package of ours."""

from __future__ import annotations

import re
import subprocess
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from seedbed import __version__
from tests.support.installed import ROOT, Installed, build

PLATFORM = ("seedbed.toml", "services", "cdk")  # of edtech/: what the demo needs


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return build(tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="module")
def installed(built: dict[str, Path]) -> Iterator[Callable[..., Installed]]:
    """A function that returns an environment with these extras; whoever asks for the same ones has the same."""
    with tempfile.TemporaryDirectory(prefix="seedbed-t-", dir="/tmp") as path:
        Path(path).chmod(0o755)  # the user that runs PostgreSQL passes

        @cache
        def install(*extras: str) -> Installed:
            home = Path(path, "-".join(["with", *extras]))
            home.mkdir()
            return Installed(home, built["wheel"], extras)

        yield install


def names(wheel: Path) -> dict[str, bytes]:
    """Return the files of a wheel without its metadata."""
    with zipfile.ZipFile(wheel) as file:
        return {each: file.read(each) for each in file.namelist() if ".dist-info/" not in each}


def tracked(folder: str) -> list[str]:
    """Return the files below `folder` that belong to the project, from the repository's root."""
    done = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", folder],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [each for each in done.stdout.splitlines() if (ROOT / each).is_file()]


def test_the_wheel_has_every_file_of_the_package_and_of_the_demos_platform_and_no_other(
    built: dict[str, Path],
) -> None:
    package = {each.removeprefix("src/") for each in tracked("src/seedbed")}
    platform = {f"seedbed/{each}" for part in PLATFORM for each in tracked(f"edtech/{part}")}
    found = names(built["wheel"])
    assert set(found) == package | platform
    data = {Path(each).suffix for each in package}
    assert {".lock", ".xml", ".cypher", ".typed"} <= data
    for name in package:
        assert found[name] == (ROOT / "src" / name).read_bytes()


def test_a_wheel_from_the_sdist_is_the_same(built: dict[str, Path], tmp_path: Path) -> None:
    with tarfile.open(built["sdist"]) as file:
        file.extraction_filter = getattr(
            tarfile, "data_filter", None
        )  # Python 3.11.2 has none, nor the parameter
        file.extractall(tmp_path)
    again = build(tmp_path / "again", source=tmp_path / f"seedbed-{__version__}", kinds=("wheel",))
    assert names(again["wheel"]) == names(built["wheel"])


def test_the_metadata_say_what_is_needed_and_where_the_command_is(built: dict[str, Path]) -> None:
    with zipfile.ZipFile(built["wheel"]) as file:
        [metadata] = [each for each in file.namelist() if each.endswith("/METADATA")]
        text = file.read(metadata).decode()
        points = file.read(metadata.replace("METADATA", "entry_points.txt")).decode()
    assert "Requires-Python: >=3.11" in text
    extras = set(re.findall(r"^Provides-Extra: (\S+)$", text, re.MULTILINE))
    assert {"postgres", "dynamodb", "neo4j", "opensearch", "all", "sandbox", "cdk", "node"} <= extras
    assert "seedbed = seedbed.cli.process:run" in points
    assert "postgres = seedbed.engines.postgres:engine" in points


def test_the_core_alone_starts_a_platform_and_says_what_to_install(
    installed: Callable[..., Installed], tmp_path: Path
) -> None:
    core = installed()
    assert core.seedbed("--version", tmp_path) == f"seedbed, version {__version__}\n"
    assert "to start one: seedbed init" in core.seedbed("doctor", tmp_path)
    assert core.seedbed("env list", tmp_path) == "sandbox  ephemeral  does not run\n"
    printed = core.seedbed("init --yes shop", tmp_path)
    [line] = re.findall(r"^  (.*/python -m pip install .*)$", printed, re.MULTILINE)
    assert line.endswith(f'"seedbed[postgres,sandbox] @ {core.wheel.as_uri()}"')
    workflow = (tmp_path / "shop" / ".github" / "workflows" / "seedbed.yml").read_text(encoding="utf-8")
    assert f'pip install "./wheels/{core.wheel.name}[postgres,sandbox]"' in workflow


@pytest.mark.slow
def test_from_an_empty_directory_to_a_database_that_is_migrated_and_seeded(
    installed: Callable[..., Installed], short_path: Path
) -> None:
    there = installed("postgres", "sandbox")
    here = short_path / "empty"
    here.mkdir()
    typed = there.seedbed("init --yes shop", here).partition("next:\n")[2]
    commands = [each.strip() for each in typed.splitlines()]
    assert commands[0] == "cd shop"
    try:
        done = there.type("\n".join(commands), here)
        assert done.returncode == 0, done.stderr
        assert "1 migration applied" in done.stdout
        assert "3 rows inserted" in done.stdout
        assert there.seedbed("status -e sandbox --exit-code", here / "shop")
    finally:
        stopped = there.seedbed("env down sandbox", here / "shop")
    assert stopped == "stopped; the data is kept: catalog/postgres\n"
    assert there.seedbed("revert -e sandbox --all --to 0", here / "shop")


@pytest.mark.slow
def test_the_demo_runs_where_there_is_no_platform(
    installed: Callable[..., Installed], short_path: Path
) -> None:
    there = installed("postgres", "sandbox")
    here = short_path / "empty"
    here.mkdir()
    done = there.type("seedbed demo -s user -s payment", here)
    assert done.returncode == 0, done.stderr
    assert "the demo's platform: a copy of" in done.stderr
    assert "sandbox: every database is up to date" in done.stdout
    assert list(here.iterdir()) == []
