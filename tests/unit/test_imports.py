"""What a command imports is what it costs to start: kept by names, never by a clock."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pytest

from seedbed.engines.postgres.embedded import EmbeddedServer
from tests.projects import ProjectFiles, clean_environment, run, variables

# What `--help` may import beyond what click itself imports. It has to stay this short.
ALLOWED = {"runpy", "seedbed", "seedbed.__main__", "seedbed.cli", "seedbed.cli.main"}
# What click and our own frame use of the standard library when they print a page.
ALLOWED_OF_CLICK = {"click.", "colorsys", "shutil", "__future__"}
HEAVY = ("msgspec", "psycopg", "rich", "postgast", "sqlalchemy", "alembic", "importlib.metadata", "tomllib", "difflib")


def modules(code: str) -> set[str]:
    """Return the modules that a fresh interpreter has loaded after `code`, without its own at start."""
    probe = f"import sys; before = set(sys.modules); {code}; print(*sorted(set(sys.modules) - before))"
    done = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, check=True, env=clean_environment({})
    )
    return set(done.stdout.split())


@cache
def imported(*arguments: str, root: Path | None = None, env: tuple[tuple[str, str], ...] = ()) -> frozenset[str]:
    """Return the modules that `python -X importtime -m seedbed` imports with these arguments."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "seedbed", *arguments],
        capture_output=True,
        text=True,
        cwd=root,
        env=clean_environment(dict(env)),
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    lines = (each.rpartition("|")[2].strip() for each in done.stderr.splitlines() if each.startswith("import time:"))
    return frozenset(lines) - {"imported package"}


def found(names: frozenset[str], unwanted: Sequence[str]) -> list[str]:
    return sorted(each for each in names if any(each == name or each.startswith(f"{name}.") for name in unwanted))


def test_importing_seedbed_imports_nothing_else() -> None:
    assert modules("import seedbed") == {"seedbed"}


def test_help_imports_no_more_than_click_and_a_page_of_our_own() -> None:
    own = {sys.modules["site"].__name__} | modules("import click")
    at_start = {each for each in sys.builtin_module_names} | _at_start()
    surplus = {
        each
        for each in imported("--help") - own - at_start - ALLOWED
        if not any(each.startswith(name) for name in ALLOWED_OF_CLICK)
    }
    assert surplus == set()


def _at_start() -> set[str]:
    """Return what an interpreter has loaded before it runs anything of ours, and to run a module at all."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "this"], capture_output=True, text=True, check=True
    )
    lines = (each.rpartition("|")[2].strip() for each in done.stderr.splitlines() if each.startswith("import time:"))
    return set(lines)


def test_help_imports_nothing_heavy() -> None:
    assert found(imported("--help"), [*HEAVY, "seedbed.project", "seedbed.model", "seedbed.engines"]) == []


def test_the_help_of_a_command_imports_no_driver_and_no_terminal() -> None:
    assert found(imported("apply", "--help"), ["msgspec", "psycopg", "rich", "postgast", "seedbed.project"]) == []


@pytest.fixture
def up_to_date(files: ProjectFiles, postgres_server: EmbeddedServer, new_database: object) -> tuple[Path, dict[str, str]]:
    """A project with two migrations that are applied: its root, and the variables that address its database."""
    assert callable(new_database)
    env = variables(postgres_server, new_database())
    files.tables(2)
    ran = run(files.root, "apply", "-e", "dev-imports", env=env)
    assert ran.code == 0, ran.everything
    return files.root, env


def test_an_apply_without_work_imports_neither_terminal_nor_grammar_nor_models(
    up_to_date: tuple[Path, dict[str, str]],
) -> None:
    root, env = up_to_date
    names = imported("apply", "-e", "dev-imports", root=root, env=tuple(env.items()))
    assert "psycopg" in names
    assert found(names, ["rich", "difflib", "postgast", "sqlalchemy", "alembic", "seedbed.engines.postgres.grammar"]) == []
