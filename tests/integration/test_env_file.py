"""What `env up` writes for programs is read by a reader of .env files, by a shell, and by seedbed itself, alike."""

from __future__ import annotations

import io
import json
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from dotenv import dotenv_values

from seedbed.engines import registry
from seedbed.environments import variables
from seedbed.model.secret import Secret
from seedbed.support.dotenv import dotenv_line, export_line
from tests.support.projects import ProjectFiles, run

ODD = ["", "plain", "with space", "a#b", 'a"b', "a;b & c", "ü", "*", "~", "!x", "a=b", "`x`"]
TOO_ODD = ["a'b", "a\\b", "$x", "${x}", "a\nb", "\x1b"]


def sourced(text: str) -> dict[str, str]:
    """Return the variables that a shell has after it has read `text` as a script."""
    script = 'set -a; eval "$1"; exec env -0'
    done = subprocess.run(
        ["sh", "-ec", script, "sh", text], env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    pairs = [each.partition("=") for each in done.stdout.split("\0") if each]
    return {name: value for name, _, value in pairs if name not in {"PATH", "PWD", "_", "OLDPWD", "SHLVL"}}


def parsed(text: str) -> dict[str, str | None]:
    return dict(dotenv_values(stream=io.StringIO(text)))


@pytest.mark.parametrize("value", ODD)
def test_a_value_is_the_same_for_every_reader(value: str) -> None:
    line = dotenv_line("X", value)
    assert parsed(line) == {"X": value}
    assert sourced(line) == {"X": value}
    assert sourced(export_line("X", value)) == {"X": value}


@pytest.mark.parametrize("value", TOO_ODD)
def test_a_value_that_readers_disagree_about_is_refused_and_exported_all_the_same(value: str) -> None:
    with pytest.raises(ValueError, match="X has a quote"):
        dotenv_line("X", value)
    assert sourced(export_line("X", value)) == {"X": value}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProjectFiles]:
    """A project of two PostgreSQL databases in a directory with a blank in its name, whose servers stay up."""
    root = tmp_path_factory.mktemp("my project")
    files = ProjectFiles(root, ("user", "tutor-matching"))
    yield files
    run(root, "env", "down", "sandbox")


def settings(environ: Mapping[str, str | None], service: str) -> Mapping[str, object]:
    """Return the settings that seedbed reads from `environ` for the PostgreSQL of a service."""
    wanted = variables.Wanted(f"{service}/postgres", service, registry.load("postgres").variables, {})
    found = variables.read([wanted], {name: value or "" for name, value in environ.items()})
    return found[f"{service}/postgres"]


def test_a_file_for_all_services_leads_each_to_its_own_database(project: ProjectFiles) -> None:
    up = run(project.root, "env", "up", "sandbox", "--dotenv")
    assert up.code == 0, up.everything
    environ = parsed(up.out)
    assert environ == sourced(up.out)
    exported = run(project.root, "env", "up", "sandbox", "--export")
    assert sourced(exported.out) == environ
    document = json.loads(run(project.root, "env", "up", "sandbox", "--json").out)
    assert {
        name: value for each in document["databases"] for name, value in each["variables"].items()
    } == environ
    assert all(name.startswith(("USER_DB_", "TUTOR_MATCHING_DB_")) for name in environ)
    assert settings(environ, "user")["name"] == "user"
    assert settings(environ, "tutor-matching")["name"] == "tutor-matching"
    connected = subprocess.run(
        ["sh", "-ec", 'eval "$1"; printf %s "$USER_DB_HOST"', "sh", exported.out],
        capture_output=True,
        text=True,
    )
    assert Path(connected.stdout).is_dir()


def test_people_see_the_same_names_and_values(project: ProjectFiles) -> None:
    shown = run(project.root, "env", "up", "sandbox", "-s", "user").out.splitlines()
    assert shown[0] == "user/postgres"
    environ = parsed(run(project.root, "env", "up", "sandbox", "-s", "user", "--dotenv").out)
    assert [each.strip() for each in shown[1:]] == [f"{name}={value}" for name, value in environ.items()]


def test_one_service_may_have_the_names_that_it_has_in_its_own_task(project: ProjectFiles) -> None:
    up = run(project.root, "env", "up", "sandbox", "-s", "user", "--dotenv", "--bare")
    environ = parsed(up.out)
    assert {"DB_HOST", "DB_NAME", "DB_PASSWORD"} <= environ.keys()
    assert settings(environ, "user")["name"] == "user"
    several = run(project.root, "env", "up", "sandbox", "--bare")
    assert several.code == 2
    assert "--bare is for one service, and 2 are selected" in several.err


@pytest.mark.parametrize(
    "arguments", [("staging", "--dotenv"), ("sandbox", "--dotenv", "--json"), ("dev-x", "--bare")]
)
def test_what_has_no_such_file_says_so_before_anything_is_started(
    project: ProjectFiles, arguments: tuple[str, ...]
) -> None:
    assert run(project.root, "env", "up", *arguments).code == 2


def test_every_engine_is_found_again_by_what_is_written() -> None:
    given = {
        "postgres": {"host": "/run/s", "port": "5432", "user": "postgres", "name": "shop"},
        "neo4j": {"uri": "bolt://127.0.0.1:7687", "database": "neo4j"},
        "opensearch": {"endpoint": "http://127.0.0.1:9200", "auth": "none"},
        "dynamodb": {
            "region": "eu-central-1",
            "caller_region": "eu-central-1",
            "account": "000000000000",
            "endpoint": "http://127.0.0.1:4566",
            "access_key": "000000000000",
            "secret_key": "x",
        },
    }
    for name, its in given.items():
        engine = registry.load(name)
        environ = variables.written("shop", engine.variables, its).variables
        known: dict[str, str | Secret] = {each: its[each] for each in ("region", "account") if each in its}
        wanted = variables.Wanted(f"shop/{name}", "shop", engine.variables, known)
        found = variables.read([wanted], environ)[f"shop/{name}"]
        plain = {key: value for key, value in found.items() if isinstance(value, str)}
        assert {key: value for key, value in its.items() if key != "secret_key"}.items() <= plain.items()
        assert str(engine.address(found, engine.options()))
