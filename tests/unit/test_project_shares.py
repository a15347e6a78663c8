"""What a base's task is told to make or drop, before a server is asked."""

from __future__ import annotations

import pytest

from seedbed.errors import Refused, UsageError
from seedbed.project.shares import require_ephemeral_name, require_one_service


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
