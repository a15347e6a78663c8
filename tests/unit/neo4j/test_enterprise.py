"""What only Neo4j Enterprise does is said before anything runs, all of it at once."""

from __future__ import annotations

import pytest

from seedbed.engines.neo4j.files.parse import parse
from seedbed.engines.neo4j.rules.enterprise import require_edition
from seedbed.errors import Refused
from seedbed.model.migration import Direction, Migration, MigrationFile, Source, Work, checksum

UNIQUE = "CREATE CONSTRAINT u FOR (n:L) REQUIRE n.p IS UNIQUE"
KEY = "CREATE CONSTRAINT k FOR (n:L) REQUIRE n.p IS NODE KEY"
TYPE = "CREATE CONSTRAINT t FOR (n:L) REQUIRE n.p IS :: STRING"
EXISTS = "CREATE CONSTRAINT e FOR (n:L) REQUIRE n.p IS NOT NULL"


def migration(version: str, up: str, down: str = "") -> Migration:
    data = f"// migrate:up\n{up}\n// migrate:down\n{down}".encode()
    path = f"m/{version}_x.cypher"
    return parse(MigrationFile(version, "x", Source(path, ".cypher", data), checksum(data)))


def test_all_that_needs_enterprise_is_named_in_one_refusal() -> None:
    works = [
        Work(migration("1", f"{UNIQUE};\n{KEY}")),
        Work(migration("2", f"CREATE (:A);\n\n{TYPE};\n{EXISTS}")),
    ]
    with pytest.raises(Refused) as caught:
        require_edition("community", works)
    error = caught.value
    assert "Neo4j Community" in error.what
    assert "3 of its statements" in error.what
    for said in (
        "a key constraint, k (m/1_x.cypher:3)",
        "a constraint on a property's type, t (m/2_x.cypher:4)",
        "a constraint that a property exists, e (m/2_x.cypher:5)",
    ):
        assert said in error.because
    assert str(error.at) == "m/1_x.cypher:3"


def test_the_direction_that_is_run_is_looked_at() -> None:
    one = migration("1", UNIQUE, KEY)
    require_edition("community", [Work(one)])
    with pytest.raises(Refused):
        require_edition("community", [Work(one, Direction.DOWN)])
    require_edition(
        "community", [Work(migration("1", KEY), Direction.DOWN)]
    )  # undone by what follows from it


def test_enterprise_does_it_all() -> None:
    require_edition("enterprise", [Work(migration("1", KEY))])
