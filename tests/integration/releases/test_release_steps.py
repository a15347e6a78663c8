"""Releases on a real PostgreSQL, from the opening to the end."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from seedbed.engines.postgres.sandbox import EmbeddedServer
from seedbed.model.release import StepName
from tests.support.projects import ProjectFiles, variables
from tests.support.released import Site

RELEASE = """
[release]
soak = "0min"
"""


@pytest.fixture
def site(files: ProjectFiles, postgres_server: EmbeddedServer, new_database: Callable[[], str]) -> Site:
    """Users have a name, and are to have a display name: expand, migrate, contract."""
    files.manifest(["user"], RELEASE)
    files.migration(
        "20260101000001_make", "CREATE TABLE users (id int PRIMARY KEY, name text);", "DROP TABLE users;"
    )
    files.migration(
        "20260101000002_add", "ALTER TABLE users ADD display text;", "ALTER TABLE users DROP display;"
    )
    files.migration(
        "20260101000003_fill",
        "UPDATE users SET display = name;",
        "SELECT 1;",
        directives="phase=migrate",
    )
    files.migration("20260101000004_drop", "ALTER TABLE users DROP name;", directives="phase=contract")
    database = new_database()
    return Site(files, variables(postgres_server, database, "USER_"))


def test_a_release_from_its_opening_to_its_end(site: Site, postgres_server: EmbeddedServer) -> None:
    site.build()
    opened = site.open()
    assert opened.code == 0, opened.everything
    site.approve(StepName.EXPAND)
    site.approve(StepName.CODE)
    site.approve(StepName.CONTRACT, reason="nobody reads it")
    went = site.next()
    assert went.code == 0, went.everything
    assert site.states()["contract"] == "done"
