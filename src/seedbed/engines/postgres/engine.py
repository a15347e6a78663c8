"""The engine: stateless, and everything heavy is imported by the method that needs it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING

from seedbed.engines.kit.lazy import LazyEngineWithDiagnosis
from seedbed.engines.postgres.address import VARIABLES, Address, address
from seedbed.support.extras import require_extras

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

    from seedbed.aws.cloud import Cloud
    from seedbed.engines.postgres.options import Options
    from seedbed.engines.postgres.store.records import PostgresRecords
    from seedbed.engines.sharing import SharedServer
    from seedbed.engines.snapshots import Snapshots
    from seedbed.model.hazard import Hazard, HazardRule
    from seedbed.model.migration import Migration, MigrationFile, Step, StepText
    from seedbed.model.ownership import Mention, Named
    from seedbed.model.platform import Database
    from seedbed.model.secret import Secret
    from seedbed.model.seed import Script, SeedKind
    from seedbed.model.target import Target
    from seedbed.model.usage import Removed

_TEMPLATE = """\
-- {summary}
{directives}-- migrate:up

-- migrate:down
"""
_FUNCTIONS = """\
# {summary}
{directives}# seedbed: backfill=TABLE.KEY


def up(row):
    # called for every row of the table; returns the columns to change, or None
    return None


def down(row):
    return None
"""


class PostgresEngine(LazyEngineWithDiagnosis):
    """PostgreSQL 14 and newer."""

    package = "seedbed.engines.postgres"
    parser = "files.parse"
    name = "postgres"
    packages = ("psycopg", "postgast")
    variables = VARIABLES
    suffixes = (".sql", ".py")
    template = _TEMPLATE
    address = staticmethod(address)
    starts_first = True

    def sleeps(self, address: Address) -> bool:
        return address.pauses > 0

    def new_file(self, suffix: str, directory: PurePath, files: Sequence[MigrationFile]) -> tuple[str, str]:
        return (suffix, _FUNCTIONS) if suffix == ".py" else (".sql", _TEMPLATE)

    def starter(self) -> Mapping[str, str]:
        from seedbed.engines.postgres.starter import FILES

        return FILES

    def hazards(self) -> Sequence[HazardRule]:
        from seedbed.engines.postgres.rules.registry import RULES

        return RULES

    def named(self, migration: Migration, options: Options) -> Named:
        from seedbed.engines.postgres.rules.names import named

        return named(migration, options.search_path)

    def declared_names(self, directory: PurePath) -> frozenset[str]:
        return frozenset()  # all that there is comes from migrations

    def foreign(self, mention: Mention, name: str, owner: str, *, is_there: bool) -> Hazard:
        from seedbed.engines.postgres.rules.names import foreign

        return foreign(mention, name, owner, is_there=is_there)

    def removals(self, migration: Migration, database: Database) -> Sequence[Removed]:
        from seedbed.engines.postgres.rules.gone import gone

        return gone(migration)

    def step_text(self, migration: Migration, step: Step) -> StepText:
        from seedbed.engines.postgres.files.step_texts import step_text

        return step_text(step)

    def check_script(self, script: Script, kind: SeedKind, options: Options) -> None:
        from seedbed.engines.postgres.rules.seed_scripts import check_script

        check_script(script, kind, options.history_schema)

    def script_text(self, script: Script, kind: SeedKind, options: Options) -> StepText:
        from seedbed.engines.postgres.rules.seed_scripts import script_text

        return script_text(script, kind, options.history_schema)

    def records(self, address: Address, environment: str) -> PostgresRecords:
        from seedbed.engines.postgres.store.records import PostgresRecords

        return PostgresRecords(address, environment)

    def shared_settings(self, environment: str, service: str) -> Mapping[str, str]:
        from seedbed.engines.postgres.sharing.names import shared_settings

        return shared_settings(environment, service)

    def shared_server(self, settings: Mapping[str, str | Secret]) -> AbstractContextManager[SharedServer]:
        server: AbstractContextManager[SharedServer] = self._part("sharing.server", "shared_server")(settings)
        return server

    def snapshots(self, target: Target, cloud: Cloud, home: Path | None) -> AbstractContextManager[Snapshots]:
        del home
        require_extras(self.extras)
        reached: AbstractContextManager[Snapshots] = self._part("snapshots", "snapshots")(target, cloud)
        return reached

    def sharing_hazards(self, migration: Migration, options: Options) -> Sequence[Hazard]:
        from seedbed.engines.postgres.rules.beyond import beyond

        return tuple(beyond(migration.up))
