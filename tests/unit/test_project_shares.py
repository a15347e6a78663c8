"""What a base's task is told to make or drop, before a server is asked."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from seedbed.errors import Refused, StepFailed, UsageError
from seedbed.model.secret import Secret
from seedbed.model.sharing import Share, SharePart
from seedbed.project.project import Project
from seedbed.project.shares import Shares, require_ephemeral_name, require_one_service
from tests.support.projects import ProjectFiles


@pytest.mark.parametrize("name", ["dev-*", "dev*", "dev-ana.search", "dev-ana,dev-ben", "dev-ana/x", ""])
def test_what_is_no_name_of_one_environment_is_not_looked_for_on_a_server(name: str) -> None:
    with pytest.raises(UsageError):
        require_ephemeral_name(name)


def test_only_what_may_be_deleted_has_a_place_on_a_shared_server() -> None:
    require_ephemeral_name("dev-ana")
    with pytest.raises(Refused):
        require_ephemeral_name("staging")


@pytest.mark.parametrize("database", ["*/opensearch", "search.x/opensearch", "a,b/opensearch", "/opensearch"])
def test_a_database_is_that_of_one_service(database: str) -> None:
    require_one_service("tutor-matching/opensearch")
    with pytest.raises(UsageError):
        require_one_service(database)


class Meeting:
    """A server that makes nothing until four are there who want something made; what is made of `s6` fails."""

    def __init__(self) -> None:
        self.sessions = 0
        self._all_here = threading.Barrier(4, timeout=10)

    def make(self, share: Share, _: object, *, template: str) -> str:
        self._all_here.wait()
        if share.service == "s6":
            raise StepFailed("it failed", because="it does")
        return f"made {share.service}"


class Met(Shares):
    """Shares on such a server."""

    meeting = Meeting()

    @contextmanager
    def server(self, engine: str) -> Iterator[Any]:
        self.meeting.sessions += 1
        yield self.meeting

    def _logins(self, share: Share) -> dict[str, Secret]:
        return {}


BASE = '[environments.shared-dev]\naccount = "111111111111"\nregion = "eu-central-1"\nbase = true\n'


def test_four_databases_are_made_at_a_time_and_one_that_fails_stops_no_other(files: ProjectFiles) -> None:
    names = [f"s{n}" for n in range(8)]
    files.manifest(names, BASE)
    project = Project.open(files.root)
    shares = Met(project.targets, project.catalog.environment("shared-dev"))
    done = shares.make("dev-ana", [SharePart(f"{each}/postgres") for each in names])
    assert [each.share.service for each in done] == names
    assert [each.what for each in done] == [*(f"made s{n}" for n in range(6)), "", "made s7"]
    assert [each.error.what for each in done if each.error] == ["it failed"]
    assert shares.meeting.sessions == 4
