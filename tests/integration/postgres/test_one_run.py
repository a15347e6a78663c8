"""Several verbs of one run: what one of them was told of its lease is not said of the next one's."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from seedbed.engines.postgres.sandbox import EmbeddedServer
from seedbed.model.seed import SeedKind
from tests.support.postgres.platform import ENVIRONMENT, Place
from tests.support.projects import ProjectFiles


@pytest.fixture
def place(files: ProjectFiles, postgres_server: EmbeddedServer, new_database: Callable[[], str]) -> Place:
    return Place(files.root, postgres_server, {"user": new_database()})


def test_a_run_applies_seeds_reverts_and_applies_again(place: Place, files: ProjectFiles) -> None:
    files.tables(2)
    files.seed("01_t1.csv", "id\n1\n2\n")
    project = place.project()
    with project.run(ENVIRONMENT, project.catalog.databases(["user"])) as run:
        assert run.apply().exit_code == 0
        assert [each.rows_changed for each in run.seed([SeedKind.REFERENCE]).targets] == [2]
        assert run.revert(steps=1).exit_code == 0
        assert run.apply().exit_code == 0
