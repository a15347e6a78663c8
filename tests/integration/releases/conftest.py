"""A platform with a release that was just opened."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from seedbed.engines.postgres.sandbox import EmbeddedServer
from tests.support.postgres.databases import empty_database
from tests.support.projects import ProjectFiles
from tests.support.released import Users, write_users


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory, postgres_server: EmbeddedServer) -> Path:
    """A platform with a release that was just opened on an empty database: its plans fit every empty one."""
    root = tmp_path_factory.mktemp("opened")
    files = ProjectFiles(root)
    write_users(files)
    with empty_database(postgres_server) as database:
        site = Users(root, postgres_server, database)
        site.build()
        ran = site.open("--as", "github:ana")
    assert ran.code == 0, ran.everything
    return root


@pytest.fixture
def site(
    opened: Path, tmp_path: Path, postgres_server: EmbeddedServer, new_database: Callable[[], str]
) -> Users:
    shutil.copytree(opened, tmp_path, dirs_exist_ok=True)
    return Users(tmp_path, postgres_server, new_database())
