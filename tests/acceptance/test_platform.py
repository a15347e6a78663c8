"""Every migration of the platform's PostgreSQL databases, there and back and there again, with rows in them; its seeds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from seedbed.engines.postgres.sandbox import EmbeddedServer
from seedbed.model.event import SeedLoaded
from seedbed.model.seed import SeedKind
from seedbed.project import Project
from tests.support.postgres.platform import EDTECH, ENVIRONMENT, STAGES, Place, Stage, data
from tests.support.projects import run

Data = dict[str, list[dict[str, Any]]]

USERS_EXIST = "20260112093000"  # what payment and reviews come after
NO_WAY_BACK = {"payment": [], "reviews": [], "user": ["20260119101500"]}


@pytest.fixture
def places(postgres_server: EmbeddedServer, new_database: Callable[[], str]) -> dict[str, Place]:
    """The platform's databases, empty."""
    databases = {service: new_database() for service in STAGES}
    return {service: Place(EDTECH, postgres_server, databases, service) for service in STAGES}


@pytest.mark.parametrize("service", STAGES)
def test_every_migration_comes_back_to_the_same_schema_and_data(
    places: Mapping[str, Place], service: str
) -> None:
    if service != "user":
        assert places["user"].apply(to=USERS_EXIST).code == 0
    place = places[service]
    assert list(STAGES[service]) == versions(service)
    schema = place.schema()
    for version, stage in STAGES[service].items():
        schema = there_and_back(place, version, stage, schema)
    assert place.plan().databases[0].actions == ()


def there_and_back(place: Place, version: str, stage: Stage, schema: Sequence[str]) -> Sequence[str]:
    """Apply one migration, revert it, apply it again; `place` has all before it, and `schema`. Return the new one."""
    place.execute(stage.before)
    rows = data(place)
    assert place.apply(to=version).finished == [version]
    place.execute(stage.after)
    schema_after, rows_after = place.schema(), data(place)
    if version not in NO_WAY_BACK[place.service]:
        assert place.revert().finished == [version]
        assert changes(schema, place.schema()) == [], f"{version}: the way back leads to another schema"
        back = data(place)
        assert missing(rows, back, stage) == {}, f"{version}: the way back changes what was there"
        assert missing(rows_after, back, stage) == {}, f"{version}: the way back changes what came after"
        assert missing(back, rows_after, stage) == {}, f"{version}: the way back brings what was not there"
        if stage.proof:
            assert place.query(stage.proof[0]) == stage.proof[1], version
        assert place.apply(to=version).finished == [version]
        assert changes(schema_after, place.schema()) == [], f"{version}: applied again, the schema is another"
        assert missing(rows_after, data(place), stage) == {}, f"{version}: applied again, the data are others"
    return schema_after


def versions(service: str) -> list[str]:
    project = Project.open(EDTECH)
    (database,) = project.catalog.databases([service], ["postgres"])
    return [file.version for file in project.catalog.files(database)]


def changes(before: Sequence[str], after: Sequence[str]) -> list[str]:
    gone = [f"- {line}" for line in before if line not in set(after)]
    return gone + [f"+ {line}" for line in after if line not in set(before)]


def missing(rows: Data, there: Data, stage: Stage) -> Data:
    """Return the rows that are not in `there`; tables and columns that only one side has are left out."""
    found = {}
    for table in rows.keys() & there.keys():
        columns = columns_of(rows[table]) - stage.lost.get(table, set())
        if there[table]:
            columns &= columns_of(there[table])
        left = [{name: row[name] for name in columns} for row in there[table]]
        gone = [row for each in rows[table] if (row := {name: each[name] for name in columns}) not in left]
        if gone:
            found[table] = gone
    return found


def columns_of(rows: Sequence[Mapping[str, Any]]) -> set[str]:
    return set(rows[0]) if rows else set()


def test_what_has_irreversible_is_listed() -> None:
    project = Project.open(EDTECH)
    found = {
        database.service: [
            file.version
            for file in project.catalog.files(database)
            if not project.catalog.parse(database.id, file).down
        ]
        for database in project.catalog.databases([], ["postgres"])
    }
    assert found == NO_WAY_BACK


@pytest.mark.parametrize(
    ("service", "version"), [(service, version) for service, all_ in NO_WAY_BACK.items() for version in all_]
)
def test_what_has_irreversible_is_refused_by_revert_and_nothing_is_touched(
    places: Mapping[str, Place], service: str, version: str
) -> None:
    place = places[service]
    following = versions(service)[versions(service).index(version) + 1]
    place.apply(to=following)
    schema, history = place.schema(), place.history()
    past_it = run(EDTECH, "revert", "-e", ENVIRONMENT, "-s", service, "--steps", "2", env=place.environ)
    assert (past_it.code, place.schema(), place.history()) == (3, schema, history)
    assert "PostgreSQL cannot drop an enum label" in past_it.err
    assert run(EDTECH, "revert", "-e", ENVIRONMENT, "-s", service, env=place.environ).code == 0
    schema, history = place.schema(), place.history()
    assert run(EDTECH, "revert", "-e", ENVIRONMENT, "-s", service, env=place.environ).code == 3
    assert (place.schema(), place.history()) == (schema, history)
    assert list(history)[-1] == version


def test_seeds_are_loaded_once_and_a_second_run_changes_nothing(places: Mapping[str, Place]) -> None:
    for place in places.values():  # user first: the others come after it
        assert place.apply().code == 0
        assert place.seed(SeedKind.REFERENCE).code == 0
        assert all(each.inserted for each in place.seed(SeedKind.FIXTURE).of(SeedLoaded) if is_table(each))
        loaded = data(place)
        again = place.seed(SeedKind.REFERENCE, SeedKind.FIXTURE).of(SeedLoaded)
        assert [each for each in again if each.inserted or each.updated] == []
        assert data(place) == loaded
    assert unknown_users(places, "payment", "SELECT user_id FROM customers") == set()
    assert unknown_users(places, "reviews", "SELECT author_id FROM reviews") == set()
    assert unknown_users(places, "reviews", "SELECT voter_id FROM review_votes") == set()


def is_table(part: SeedLoaded) -> bool:
    return not part.part.endswith(".sql")


def unknown_users(places: Mapping[str, Place], service: str, query: str) -> set[object]:
    ids = {each for (each,) in places[service].query(query)}
    assert ids
    return ids - {each for (each,) in places["user"].query("SELECT id FROM users")}
