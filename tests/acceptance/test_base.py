"""A base on the command line: it is deployed and looked at, and has no database that a command could ask."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.projects import run

MANIFEST = """\
[platform]
name = "sample"
[services.user.postgres]
[environments.shared-dev]
account = "111111111111"
region = "eu-central-1"
base = true
[environments."dev-*"]
account = "111111111111"
region = "eu-central-1"
ephemeral = true
base = "shared-dev"
"""
ASKING = ("apply", "seed", "status", "plan", "verify", "revert", "dump")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "services" / "user" / "postgres" / "migrations").mkdir(parents=True)
    (tmp_path / "seedbed.toml").write_text(MANIFEST)
    return tmp_path


def test_commands_that_ask_databases_refuse_a_base_by_name_before_they_connect(root: Path) -> None:
    nowhere = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
    for command in ASKING:
        words = (command, "user/postgres") if command == "dump" else (command,)
        ran = run(root, *words, "-e", "shared-dev", env=nowhere)
        assert ran.code == 2, (command, ran.everything)
        assert "shared-dev is a base, and has no databases of its own" in ran.err, ran.everything
        assert "name one of those, dev-*: -e NAME" in ran.err


def test_what_is_about_a_base_is_refused_elsewhere_before_anything_is_asked(root: Path) -> None:
    nowhere = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
    for name, because in (
        ("dev-ana", "it lies in shared-dev"),
        ("sandbox", "no other environment lies in it"),
    ):
        ran = run(root, "share", "list", "-e", name, env=nowhere)
        assert ran.code == 2, ran.everything
        assert f"{name} is no base" in ran.err
        assert because in ran.err
        assert "-e shared-dev" in ran.err


def test_a_base_is_deployed_and_not_brought_up(root: Path) -> None:
    ran = run(root, "env", "up", "shared-dev", env={"AWS_ENDPOINT_URL": "http://127.0.0.1:9"})
    assert ran.code == 2, ran.everything
    assert "deploy -e shared-dev" in ran.err


@pytest.mark.parametrize("command", ["destroy", "reset"])
def test_nothing_of_a_base_is_deleted(root: Path, command: str) -> None:
    ran = run(root, command, "-e", "shared-dev", "--yes")
    assert ran.code in (2, 3), ran.everything
    assert "shared-dev" in ran.err


def test_a_selection_of_a_base_is_refused_when_it_is_deployed(root: Path) -> None:
    ran = run(root, "deploy", "-e", "shared-dev", "-s", "user")
    assert ran.code == 2, ran.everything
    assert "shared-dev is a base" in ran.err
