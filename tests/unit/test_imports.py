"""What a command imports is what it costs to start: kept by names, never by a clock."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from seedbed.cli.main import COMMANDS
from seedbed.engines.postgres.sandbox import EmbeddedServer
from tests.support.projects import ProjectFiles, clean_environment, run, variables

# What `--help` may import beyond what any program needs to print a page with click. It has to stay this short.
# atexit, faulthandler and gc are part of the interpreter: no file is read for them.
ALLOWED = {
    "seedbed",
    "seedbed.__main__",
    "seedbed.cli",
    "seedbed.cli.main",
    "seedbed.cli.process",
    "atexit",
    "faulthandler",
    "gc",
}
DRIVERS = ("psycopg", "postgast")
TERMINAL = ("rich",)
MODELS = ("sqlalchemy", "alembic")
AFAR = ("seedbed.remote", "seedbed.cli.travel.client", "seedbed.aws.clients", "botocore")
HEAVY = (*DRIVERS, *TERMINAL, *MODELS, "msgspec", "importlib.metadata", "tomllib", "difflib", "json")
# A page of help as plain as can be: what it imports is click's own.
PLAIN = """
import importlib
from typing import Any
import click

@click.group()
@click.version_option("1", prog_name="plain")
@click.option("--color", type=click.Choice(["auto", "never"]), default="auto", show_default=True, help="Colour.")
def cli(color: str) -> None:
    "A page."

cli()
"""


def imported(*call: str, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> set[str]:
    """Return the modules that `python -X importtime` says it imports for `call`, its own at the start included."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *call],
        capture_output=True,
        text=True,
        cwd=cwd,
        env=clean_environment(env or {}),
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    lines = [each for each in done.stderr.splitlines() if each.startswith("import time:")]
    return {each.rpartition("|")[2].strip() for each in lines} - {"imported package"}


def among(names: set[str], *unwanted: str) -> list[str]:
    """Return those of `names` that are, or lie in, a package of `unwanted`."""
    return sorted(
        each for each in names if any(each == name or each.startswith(f"{name}.") for name in unwanted)
    )


def test_importing_seedbed_imports_nothing_else() -> None:
    assert imported("-c", "import seedbed") - imported("-c", "pass") == {"seedbed"}


def test_help_imports_no_more_than_a_plain_page_of_click(tmp_path: Path) -> None:
    (tmp_path / "plain.py").write_text(PLAIN, encoding="utf-8")
    plain = imported("-m", "plain", "--help", cwd=tmp_path)
    assert imported("-m", "seedbed", "--help") - plain - ALLOWED == set()


def test_help_imports_nothing_heavy() -> None:
    names = imported("-m", "seedbed", "--help")
    assert among(names, *HEAVY, "seedbed.project", "seedbed.model", "seedbed.engines", "seedbed.report") == []


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_the_help_of_a_command_imports_no_driver_no_terminal_and_no_project(command: str) -> None:
    names = imported("-m", "seedbed", command, "--help")
    assert among(names, *DRIVERS, *TERMINAL, *MODELS, *AFAR, "seedbed.project", "seedbed.engines") == []


def test_the_public_api_imports_no_driver_no_terminal_and_nothing_that_deploys() -> None:
    names = imported("-c", "import seedbed.project")
    later = ("seedbed.cli", "seedbed.deployment", "seedbed.report", "seedbed.seeding")
    assert among(names, *DRIVERS, *TERMINAL, *MODELS, *later, "botocore", "difflib") == []


@pytest.fixture
def up_to_date(
    files: ProjectFiles, postgres_server: EmbeddedServer, new_database: Callable[[], str]
) -> tuple[Path, dict[str, str]]:
    """A project whose two migrations are applied: its root, and the variables that address its database."""
    env = variables(postgres_server, new_database())
    files.tables(2)
    ran = run(files.root, "apply", "-e", "dev-imports", env=env)
    assert ran.code == 0, ran.everything
    return files.root, env


def test_an_apply_without_work_imports_no_terminal_no_grammar_and_no_models(
    up_to_date: tuple[Path, dict[str, str]],
) -> None:
    # --env, not -e: click tries every short option as a long one first, and its exception imports difflib.
    root, env = up_to_date
    names = imported("-m", "seedbed", "apply", "--env", "dev-imports", cwd=root, env=env)
    slow = (
        "importlib.metadata",
        "concurrent",
        "dataclasses",
        "logging",
        "tempfile",
        "seedbed.servers.directory",
    )
    assert "seedbed.engines.postgres.wire.libpq" in names
    unwanted = (
        *AFAR,
        *TERMINAL,
        *MODELS,
        *slow,
        "postgast",
        "psycopg",
        "difflib",
        "seedbed.engines.postgres.files.libpg_query",
    )
    assert among(names, *unwanted) == []


def test_a_status_of_what_is_reached_from_here_imports_nothing_that_travels(
    up_to_date: tuple[Path, dict[str, str]],
) -> None:
    root, env = up_to_date
    names = imported("-m", "seedbed", "status", "--env", "dev-imports", cwd=root, env=env)
    assert among(names, *AFAR, "seedbed.deployment", "dataclasses") == []
