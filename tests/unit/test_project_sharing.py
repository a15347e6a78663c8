"""Hazards of what lies on the server of a base: where they are looked for, and that each is told once."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from msgspec.structs import replace

from seedbed.engines.postgres.engine import PostgresEngine
from seedbed.engines.postgres.files.parse import parse
from seedbed.errors import Refused
from seedbed.model.environment import Environment
from seedbed.model.migration import Direction, MigrationFile, Source
from seedbed.model.plan import Action, DatabasePlan, Plan
from seedbed.model.platform import Database, Platform
from seedbed.planning.hazards import require_own_database
from seedbed.project.catalog import Catalog
from seedbed.project.sharing import examined

ANA = Environment("dev-ana", ephemeral=True, base="shared-dev")
TEXT = "-- migrate:up\nCREATE ROLE x;\n"


def plan_of(text: str = TEXT) -> Plan:
    migration = parse(MigrationFile("1", "roles", Source("1_roles.sql", ".sql", text.encode()), "checksum"))
    database = DatabasePlan("user/postgres", actions=(Action("user/postgres", migration),))
    return Plan("dev-ana", Direction.UP, (database,))


def catalog(engine: Any = None) -> Catalog:
    platform = Platform("sample", Path("."), (Database("user", "postgres", Path(".")),))
    return cast(Catalog, SimpleNamespace(platform=platform, engine=lambda _: engine or PostgresEngine()))


def codes(plan: Plan) -> list[str]:
    return [each.code for found in plan.databases[0].hazards.values() for each in found]


def test_they_are_looked_for_where_the_database_lies_in_a_base_and_told_once() -> None:
    found = examined(plan_of(), ANA, catalog())
    assert codes(found) == ["PG301"]
    assert codes(examined(found, ANA, catalog())) == ["PG301"]
    with pytest.raises(Refused, match="dev-ana lies in a base, and does not accept this hazard") as caught:
        require_own_database(found)
    assert "PG301" in caught.value.because


@pytest.mark.parametrize(
    "environment",
    [
        Environment("dev-ana", ephemeral=True),
        Environment("dev-ana", ephemeral=True, base="shared-dev", own=("postgres",)),
        Environment("dev-ana", ephemeral=True, base="shared-dev", own=("user/postgres",)),
    ],
)
def test_elsewhere_and_on_a_server_of_its_own_nothing_is_looked_for(environment: Environment) -> None:
    assert codes(examined(plan_of(), environment, catalog())) == []
    assert codes(examined(plan_of(), ANA, catalog(engine=object()))) == []


def test_what_is_final_is_refused_whatever_the_file_allows_and_no_hint_says_otherwise() -> None:
    text = f'-- seedbed: allow=PG301 because "the only one"\n{TEXT}'
    found = examined(plan_of(text), ANA, catalog())
    (database,) = found.databases
    hazards = {
        version: [replace(each, final=True) for each in some] for version, some in database.hazards.items()
    }
    found = replace(found, databases=(replace(database, hazards=hazards),))
    with pytest.raises(Refused) as caught:
        require_own_database(found)
    assert "allow" not in str(caught.value.try_)


def test_what_the_file_allows_is_told_and_not_refused() -> None:
    found = examined(plan_of(f'-- seedbed: allow=PG301 because "the only one"\n{TEXT}'), ANA, catalog())
    assert codes(found) == ["PG301"]
    require_own_database(found)
