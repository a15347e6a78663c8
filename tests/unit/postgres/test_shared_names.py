"""What an environment's databases and logins are called on a shared server."""

from __future__ import annotations

import itertools
import random

import pytest

from seedbed.engines import registry
from seedbed.engines.postgres.address import NAME_BYTES
from seedbed.engines.postgres.engine import PostgresEngine
from seedbed.engines.sharing import SupportsSharing
from seedbed.manifest.environments import is_name

names = PostgresEngine().shared_settings


def test_a_database_and_its_logins_have_names_that_people_can_read() -> None:
    assert names("dev-ana", "user") == {
        "name": "dev_ana_user_db",
        "user": "dev_ana_user_db_migrate",
        "app_user": "dev_ana_user_db_app",
    }


def test_the_names_of_logins_are_those_that_a_migration_finds_by_the_database_s_own() -> None:
    for environment, service in (("dev-ana", "user"), ("dev-ana", "tutor-matching"), ("d" * 32, "s" * 32)):
        found = names(environment, service)
        assert found["user"] == f"{found['name']}_migrate"
        assert found["app_user"] == f"{found['name']}_app"
        assert max(map(len, found.values())) <= NAME_BYTES


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("dev-a", "b-c"), ("dev-a-b", "c")),
        (("dev-a", "b-c"), ("dev-a", "b_c")),
        (("dev-a", "b"), ("dev-a-b", "b")),
        (("dev-" + "a" * 27, "s" * 32), ("dev-" + "a" * 28, "s" * 31)),
        (("dev-" + "a" * 28, "s" * 31 + "1"), ("dev-" + "a" * 28, "s" * 31 + "2")),
        (("dev-a", "b-db"), ("dev-a-b", "db")),
    ],
)
def test_two_pairs_that_look_alike_have_no_name_in_common(
    one: tuple[str, str], other: tuple[str, str]
) -> None:
    assert not set(names(*one).values()) & set(names(*other).values())


def test_no_two_of_many_pairs_have_a_name_in_common() -> None:
    words = [
        "-".join(each) for n in (1, 2, 3) for each in itertools.product(("a", "b", "db", "app"), repeat=n)
    ]
    chosen = random.Random(65)
    pairs = {(f"dev-{chosen.choice(words)}", chosen.choice(words)) for _ in range(3000)}
    assert all(is_name(environment) for environment, _ in pairs)
    found = [name for pair in sorted(pairs) for name in names(*pair).values()]
    assert len(set(found)) == len(found)


def test_the_engine_says_that_its_servers_can_be_shared() -> None:
    assert isinstance(registry.load("postgres"), SupportsSharing)
    assert not isinstance(registry.load("dynamodb"), SupportsSharing)
    assert not isinstance(registry.load("neo4j"), SupportsSharing)
