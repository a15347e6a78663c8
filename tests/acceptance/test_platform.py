"""Every migration of the platform in `edtech/`, there and back and there again, with rows in the tables; its seeds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from seedbed.engines.postgres.embedded import EmbeddedServer
from seedbed.errors import Irreversible
from seedbed.project import Project
from tests.platform import EDTECH, STAGES, Place, Stage, data

Data = dict[str, list[dict[str, Any]]]

USERS_EXIST = "20260112093000"  # what payment and reviews come after
NO_WAY_BACK = {"user/postgres": ["20260119101500"]}


@pytest.fixture
def places(postgres_server: EmbeddedServer, new_database: Callable[[], str]) -> dict[str, Place]:
    """The platform's databases, empty."""
    databases = {service: new_database() for service in STAGES}
    return {service: Place(EDTECH, postgres_server, databases, service) for service in STAGES}


def versions(service: str) -> list[str]:
    project = Project.open(EDTECH)
    (database,) = project.databases([service])
    return [file.version for file in project.files(database)]


@pytest.mark.parametrize("service", STAGES)
def test_every_migration_comes_back_to_the_same_schema_and_data(
    places: Mapping[str, Place], service: str
) -> None:
    if service != "user":
        assert places["user"].apply(to=USERS_EXIST).code == 0
    place = places[service]
    place.execute("CREATE EXTENSION pg_trgm; DROP EXTENSION pg_trgm")  # the database answers
    assert list(STAGES[service]) == versions(service)
    for version, stage in STAGES[service].items():
        there_and_back(place, version, stage)
    assert place.plan().databases[0].actions == ()


def there_and_back(place: Place, version: str, stage: Stage) -> None:
    place.execute(stage.before)
    schema, rows = place.schema(), data(place)
    assert place.apply(to=version).finished == [version]
    place.execute(stage.after)
    schema_after, rows_after = place.schema(), data(place)
    if version in NO_WAY_BACK.get(f"{place.service}/postgres", ()):
        refuses_to_revert(place)
    else:
        assert place.revert().finished == [version]
        assert changes(schema, place.schema()) == [], f"{version}: the way back leads to another schema"
        back = data(place)
        assert missing(rows, back, stage) == {}, f"{version}: the way back changes what was there"
        assert missing(rows_after, back, stage) == {}, f"{version}: the way back changes what came after"
        if stage.proof:
            assert place.query(stage.proof[0]) == stage.proof[1], version
        assert place.apply(to=version).finished == [version]
    assert changes(schema_after, place.schema()) == [], f"{version}: applied again, the schema is another"
    assert missing(rows_after, data(place), stage) == {}, f"{version}: applied again, the data are others"


def refuses_to_revert(place: Place) -> None:
    with pytest.raises(Irreversible):
        place.revert()


def changes(before: list[str], after: list[str]) -> list[str]:
    gone = [f"- {line}" for line in before if line not in set(after)]
    return gone + [f"+ {line}" for line in after if line not in set(before)]


def missing(rows: Data, there: Data, stage: Stage) -> Data:
    """Return the rows that are not in `there`; tables and columns that only one side has are left out."""
    found = {}
    for table in rows.keys() & there.keys():
        lost = stage.lost.get(table, set())
        columns = (common(rows[table]) & common(there[table])) - lost if there[table] else common(rows[table])
        left = [{name: row[name] for name in columns} for row in there[table]]
        gone = [row for each in rows[table] if (row := {name: each[name] for name in columns}) not in left]
        if gone:
            found[table] = gone
    return found


def common(rows: list[dict[str, Any]]) -> set[str]:
    return set(rows[0]) if rows else set()
