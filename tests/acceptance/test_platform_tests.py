"""The tests of an application, `edtech/tests`, run as their owner runs them: with the plugin, by two workers."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from seedbed.servers import locks
from tests.support.postgres.clusters import furnish
from tests.support.projects import clean_environment
from tests.support.servers import Lend

ROOT = Path(__file__).parents[2]
PLUGIN = "seedbed.fixtures.plugin"
# Where seedbed was installed before it had a plugin, the plugin has to be named.
NAMED = () if any(each.value == PLUGIN for each in entry_points(group="pytest11")) else ("-p", PLUGIN)
# Of two workers: one has the tests of the graph, one those of search.
GRAPHS = [f"tests-{slot}-tutor-matching.neo4j" for slot in (0, 1)]
INDEXES = [f"tests-{slot}-ai.opensearch" for slot in (0, 1)]
ELSEWHERE = {"DB_HOST": "production.invalid", "DB_USER": "prod", "DB_PASSWORD": "x", "DB_NAME": "prod"}


@pytest.fixture
def application(short_path: Path) -> Iterator[Path]:
    """A copy of the platform with its application and its tests."""
    leave_out = shutil.ignore_patterns(".seedbed", "__pycache__", ".pytest_cache")
    shutil.copytree(ROOT / "edtech", short_path / "edtech", ignore=leave_out)
    yield short_path / "edtech"
    assert not _running(short_path / "edtech"), "a server outlives its tests"


def run_tests(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the tests of `root` as a person does whose shell addresses a database of production."""
    env = {**clean_environment({}), **ELSEWHERE, "PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, "-m", "pytest", "-q", *NAMED, *arguments]
    return subprocess.run(command, cwd=root, env=env, capture_output=True, text=True, timeout=300)


def _running(root: Path) -> list[str]:
    """Return the servers whose supervisor is alive, without those that were lent; one that stops is waited for."""
    found = []
    for each in (root / ".seedbed" / "tests").glob("*/server.lock"):
        if each.parent.name in {*GRAPHS, *INDEXES}:
            continue
        held = locks.acquire(each, exclusive=True, seconds=30)
        if held is None:
            found.append(each.parent.name)
        else:
            os.close(held)
    return found


@pytest.mark.slow(25)
def test_the_application_passes_its_tests_on_every_engine_with_two_workers(
    lent: Lend, cluster: Path, application: Path
) -> None:
    lent(application / ".seedbed" / "tests", GRAPHS, INDEXES)
    furnish(application / ".seedbed" / "tests", cluster)
    done = run_tests(
        application, "-n", "2", "--dist", "loadfile", "--durations=12"
    )  # a server of each kind is enough
    assert done.returncode == 0, done.stdout + done.stderr
    assert "14 passed" in done.stdout, done.stdout


@pytest.mark.slow
def test_the_postgresql_tests_pass_again_after_tests_that_were_killed(
    cluster: Path, application: Path
) -> None:
    """What they left behind (copies, a cluster that was not stopped) disturbs nobody."""
    furnish(application / ".seedbed" / "tests", cluster)
    killer = application / "tests" / "test_kill.py"
    killer.write_text(
        "import os, signal\n"
        "def test_it(seedbed_fresh):\n"
        "    seedbed_fresh('reviews/postgres')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n",
        encoding="utf-8",
    )
    assert run_tests(application, "tests/test_kill.py").returncode == -9
    done = run_tests(application, "tests/test_reviews.py", "tests/test_user.py")
    assert done.returncode == 0, done.stdout + done.stderr
