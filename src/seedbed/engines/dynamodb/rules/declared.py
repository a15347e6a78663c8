"""Migrations that can never run by what tables.toml declares."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from seedbed.engines.dynamodb.schema.shape import TableShapes
from seedbed.engines.kit.python_source import place_of
from seedbed.errors import MigrationFileError, raise_errors
from seedbed.model.migration import Migration
from seedbed.support.guess import suggestion


def require_versions(declared: TableShapes, migrations: Sequence[Migration]) -> None:
    """Raise MigrationFileError for each of `migrations` that goes by the version of items that have none."""
    raise_errors(
        error for each in migrations if "from" in each.settings for error in _versions(declared, each)
    )


def require_known(
    declared: TableShapes, needs: Sequence[tuple[Migration, str]], there: Collection[str]
) -> None:
    """Raise MigrationFileError for each of `needs` that is neither declared nor `there`: no deployment brings it.

    `needs`: migrations with a table ("courses") or an index ("courses.by_teacher") that each works with. Where nothing
    is declared, others make the tables.
    """
    if declared.tables:
        raise_errors(
            error for each, name in needs if name not in there for error in _unknown(declared, each, name)
        )


def _versions(declared: TableShapes, migration: Migration) -> Iterator[MigrationFileError]:
    name = migration.settings["table"]
    table = declared.table(name)
    if table is None:
        yield _no_table(declared, migration, name)
    elif not table.version_attribute:
        current = migration.settings["to"]
        yield MigrationFileError(
            f"{migration.label} transforms items by their version, and those of {name} have none",
            because=f"tables.toml declares no `version` for {name}",
            try_=f'version = {{attribute = "schema_version", current = {current}}} below [tables.{name}],'
            " or leave out from= and to=",
            at=place_of(migration, "from"),
        )


def _unknown(declared: TableShapes, migration: Migration, name: str) -> Iterator[MigrationFileError]:
    table_name, _, index = name.partition(".")
    table = declared.table(table_name)
    if table is None:
        yield _no_table(declared, migration, table_name)
    elif index and table.index(index) is None:
        known = [each.name for each in (*table.global_indexes, *table.local_indexes)]
        yield MigrationFileError(
            f"{migration.label} needs an index that does not exist: {name}",
            because=f"tables.toml declares no such index of {table_name}, and it is not there",
            try_=suggestion(index, known, nothing=f"declare it: [tables.{table_name}.indexes.{index}]"),
            at=place_of(migration, "needs", name),
        )


def _no_table(declared: TableShapes, migration: Migration, name: str) -> MigrationFileError:
    key = "table" if migration.settings.get("table") == name else "needs"
    return MigrationFileError(
        f"{migration.label} is about a table that does not exist: {name}",
        because="tables.toml declares no such table, and it is not there",
        try_=suggestion(
            name, [each.name for each in declared.tables], nothing=f"declare it: [tables.{name}]"
        ),
        at=place_of(migration, key, name),
    )
