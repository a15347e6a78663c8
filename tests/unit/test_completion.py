"""What the shell completes: the names that a platform declares, narrowed by what was typed before."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.shell_completion import BashComplete

from seedbed.cli.main import cli

MANIFEST = """
[platform]
name = "shop"
[services.orders.postgres]
[services.orders.neo4j]
[services.user.postgres]
[[references]]
from = "orders/postgres:orders.user_id"
to = "user/postgres:users.id"
[[references]]
from = "orders/neo4j:Note.subject"
to = "user/postgres:users.id"
when = {kind = "user"}
[[references]]
from = "user/postgres:users.last_order"
to = "orders/postgres:orders.id"
[environments.staging]
account = "111111111111"
[environments.prod]
account = "111111111111"
protected = true
[environments."dev-*"]
account = "111111111111"
ephemeral = true
"""
FILES = {
    "orders/postgres/migrations/20260101000000_create_orders.sql": "-- migrate:up\nSELECT 1;\n",
    "orders/neo4j/migrations/20260102000000_orders.cypher": "// migrate:up\nRETURN 1;\n",
    "user/postgres/migrations/20260103000000_create_users.sql": "-- migrate:up\nSELECT 1;\n",
}


@pytest.fixture
def platform(tmp_path: Path) -> Path:
    (tmp_path / "seedbed.toml").write_text(MANIFEST, encoding="utf-8")
    for name, text in FILES.items():
        file = tmp_path / "services" / name
        file.parent.mkdir(parents=True)
        file.write_text(text, encoding="utf-8")
    return tmp_path


def completed(*words: str) -> list[str]:
    """Return what is offered for the last of `words`, by what every shell asks."""
    *before, incomplete = words
    found = BashComplete(cli, {}, "seedbed", "_SEEDBED_COMPLETE").get_completions(before, incomplete)
    return [each.value for each in found]


@pytest.mark.parametrize(
    ("words", "values"),
    [
        (("sta",), ["status"]),
        (("status", "-e", ""), ["prod", "sandbox", "staging"]),
        (("-e", "s"), ["sandbox", "staging"]),
        (("env", "up", "st"), ["staging"]),
        (("env", "down", "sa"), ["sandbox"]),
        (("doctor", "-e", "pr"), ["prod"]),
        (("apply", "-s", ""), ["orders", "user"]),
        (("apply", "--engine", "neo4j", "-s", ""), ["orders"]),
        (("apply", "-s", "user", "--engine", ""), ["postgres"]),
        (("apply", "--engine", ""), ["neo4j", "postgres"]),
        (("apply", "--through", ""), ["expand", "migrate", "contract"]),
        (("apply", "-s", "orders", "--to", ""), ["20260101000000", "20260102000000"]),
        (
            ("verify", "-s", "orders", "--only", ""),
            ["orders/neo4j:Note.subject[kind=user]", "orders/postgres:orders.user_id"],
        ),
        (("revert", "-s", "orders", "--engine", "neo4j", "--to", ""), ["20260102000000"]),
        (("repair", "20260103"), ["20260103000000"]),
        (("new", "--rebase", "20260101"), ["20260101000000"]),
        (("new", "--after", "user/"), ["user/postgres:20260103000000"]),
        (("schema", "ta"), ["tables.toml"]),
        (("apply", "-s", "nowhere", "--to", ""), []),
    ],
    ids=" ".join,
)
def test_names_of_the_platform_are_completed(
    words: tuple[str, ...], values: list[str], platform: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(platform)
    assert completed(*words) == values
    monkeypatch.chdir("/")
    assert completed("-C", str(platform), *words) == values


def test_outside_a_platform_and_where_its_manifest_is_wrong_nothing_is_offered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert completed("apply", "-s", "") == []
    (tmp_path / "seedbed.toml").write_text("[platform", encoding="utf-8")
    assert completed("apply", "-e", "") == []


def test_a_version_is_offered_with_the_database_and_the_name_of_its_migration(
    platform: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(platform)
    found = BashComplete(cli, {}, "seedbed", "_SEEDBED_COMPLETE").get_completions(["repair"], "20260103")
    assert [each.help for each in found] == ["user/postgres create_users"]


# What the script of each shell asks with, and the lines that it reads.
ASKED = {
    "bash": ({"COMP_WORDS": "seedbed apply -s ", "COMP_CWORD": "3"}, ["plain,orders", "plain,user"]),
    "zsh": (
        {"COMP_WORDS": "seedbed apply -s ", "COMP_CWORD": "3"},
        ["plain", "orders", "_", "plain", "user", "_"],
    ),
    "fish": ({"COMP_WORDS": "seedbed apply -s ", "COMP_CWORD": ""}, ["plain,orders", "plain,user"]),
}


@pytest.mark.parametrize("shell", sorted(ASKED))
def test_each_shells_script_is_answered_in_its_own_way(shell: str, platform: Path) -> None:
    asked, lines = ASKED[shell]
    seedbed = [sys.executable, "-m", "seedbed"]
    environ = {"PATH": "/usr/bin:/bin", **asked, "_SEEDBED_COMPLETE": f"{shell}_complete"}
    done = subprocess.run(seedbed, cwd=platform, env=environ, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == lines
    assert done.stderr == ""


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_the_script_for_bash_completes_what_the_platform_declares(platform: Path, tmp_path: Path) -> None:
    command = tmp_path / "bin" / "seedbed"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m seedbed "$@"\n', encoding="utf-8")
    command.chmod(0o755)
    script = (
        'eval "$(_SEEDBED_COMPLETE=bash_source seedbed)"\n'
        'COMP_WORDS=(seedbed apply -s ""); COMP_CWORD=3; _seedbed_completion seedbed; echo "${COMPREPLY[@]}"\n'
    )
    environ = {"PATH": f"{command.parent}:/usr/bin:/bin"}
    done = subprocess.run(
        ["bash", "-c", script], cwd=platform, env=environ, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["orders", "user"], done.stderr
