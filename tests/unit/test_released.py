"""Where the releases of an environment are kept, by what the manifest says."""

from __future__ import annotations

from pathlib import Path

import pytest

from seedbed.errors import UsageError
from seedbed.project.project import Project
from seedbed.project.released import DIRECTORY, directory_of, store_of
from seedbed.releases.database_store import DatabaseStore
from seedbed.releases.directory_store import DirectoryStore
from tests.support.projects import ProjectFiles

NAMED = {"DB_HOST": "localhost", "DB_USER": "ana", "DB_PASSWORD": "x", "DB_NAME": "user"}
AWS = """
[environments.live]
account = "111111111111"
region = "eu-central-1"
"""


def opened(root: Path, store: str, **environ: str) -> Project:
    files = ProjectFiles(root)
    (root / "services" / "courses" / "dynamodb").mkdir(parents=True)
    said = f"store = {store!r}\n" if store else ""
    files.manifest(["user"], f"[services.courses.dynamodb]\n[release]\n{said}{AWS}")
    return Project.open(root, environ={**NAMED, **environ})


@pytest.mark.parametrize(
    ("store", "environment", "place"),
    [
        ("", "prod", ".seedbed/releases/prod"),
        ("", "live", None),
        ("", "sandbox", ".seedbed/releases/sandbox"),
        ("kept", "prod", "kept/prod"),
        ("kept", "live", "kept/live"),
        ("user/postgres", "prod", None),
        ("user/postgres", "live", None),
        ("user/postgres", "sandbox", ".seedbed/releases/sandbox"),
    ],
)
def test_a_directory_keeps_them_where_neither_a_control_stack_nor_a_database_does(
    tmp_path: Path, store: str, environment: str, place: str | None
) -> None:
    project = opened(tmp_path, store)
    declared = project.catalog.environment(environment)
    found = directory_of(project.targets, declared)
    assert found == (place and tmp_path / place)
    if place:
        assert isinstance(store_of(project.targets, declared), DirectoryStore)


def test_commands_of_a_step_are_told_the_directory_of_whoever_takes_it(tmp_path: Path) -> None:
    project = opened(tmp_path, "", **{DIRECTORY: "/elsewhere"})
    assert directory_of(project.targets, project.catalog.environment("prod")) == Path("/elsewhere")


def test_a_database_that_the_manifest_names_keeps_them_and_is_not_asked_yet(tmp_path: Path) -> None:
    project = opened(tmp_path, "user/postgres")
    store = store_of(project.targets, project.catalog.environment("prod"))
    assert isinstance(store, DatabaseStore)
    assert store.environment == "prod"


def test_a_database_that_cannot_keep_them_is_said(tmp_path: Path) -> None:
    project = opened(tmp_path, "courses/dynamodb")
    with pytest.raises(UsageError, match="courses/dynamodb cannot keep releases"):
        store_of(project.targets, project.catalog.environment("prod"))
