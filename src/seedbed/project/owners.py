"""Hazards of pending migrations that name what another service's migrations make."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import partial

from msgspec import Struct, field
from msgspec.structs import replace

from seedbed.engines.capabilities import SupportsNames, SupportsPresence
from seedbed.errors import SeveralErrors, UsageError
from seedbed.execution.connecting import ConnectedTarget
from seedbed.execution.looking import each_database
from seedbed.model.hazard import Hazard
from seedbed.model.migration import Direction, Migration, MigrationFile
from seedbed.model.ownership import Mention, Named
from seedbed.model.plan import DatabasePlan, Plan
from seedbed.model.platform import Database
from seedbed.planning.ownership import strangers, unmade, word
from seedbed.project.catalog import Catalog
from seedbed.support.phrases import listed


def examined(plan: Plan, connected: Sequence[ConnectedTarget], catalog: Catalog) -> Plan:
    """Return `plan` with a hazard for each thing that an action names and that belongs to another service."""
    return each_database(plan, connected, partial(_examined, _Files(catalog)))


class _Files(Struct):
    """What the migrations of all services name; a file is parsed only if it has a name in it that is asked for."""

    catalog: Catalog
    _named: dict[tuple[str, str], Named] = field(default_factory=dict)

    def named(self, database: Database, engine: SupportsNames, migration: Migration) -> Named:
        key = database.id, migration.version
        if key not in self._named:
            self._named[key] = engine.named(migration, database.options)
        return self._named[key]

    def naming(self, database: Database, engine: SupportsNames, words: Collection[str]) -> Iterator[Named]:
        """Yield what those migrations of `database` name that have one of `words` in their files."""
        inside = [each.encode() for each in words]
        for file in self._files(database):
            text = file.source.data.lower()
            if any(each in text for each in inside) and (migration := self._parsed(database, file)):
                yield self.named(database, engine, migration)

    def owners(
        self, database: Database, engine: SupportsNames, mentions: Sequence[Mention]
    ) -> Mapping[str, Sequence[str]]:
        """Return the databases of other services whose migrations make one of `mentions`, by its name."""
        wanted = {name for each in mentions for name in each.names}
        found: dict[str, list[str]] = {}
        for other in self.catalog.platform.databases:
            if other.engine == database.engine and other.service != database.service:
                made = set(engine.declared_names(other.directory))
                made.update(*(each.makes for each in self.naming(other, engine, set(map(word, wanted)))))
                for name in made & wanted:
                    found.setdefault(name, []).append(other.id)
        return found

    def _files(self, database: Database) -> Sequence[MigrationFile]:
        try:
            return self.catalog.files(database)
        except (UsageError, SeveralErrors):  # it is not the one that is asked about
            return ()

    def _parsed(self, database: Database, file: MigrationFile) -> Migration | None:
        try:
            return self.catalog.parse(database.id, file)
        except (UsageError, SeveralErrors):
            return None


def _examined(files: _Files, each: ConnectedTarget, plan: DatabasePlan) -> DatabasePlan:
    engine, session, database = files.catalog.engine(each.database.engine), each.session, each.database
    if not isinstance(engine, SupportsNames) or not isinstance(session, SupportsPresence):
        return plan
    migrations = [one.migration for one in plan.actions if one.direction is Direction.UP]
    asked = {one.version: files.named(database, engine, one) for one in migrations}
    words = {word(mention.name) for one in asked.values() for mention in one.needs}
    if not words:
        return plan
    own = [*files.naming(database, engine, words), Named(engine.declared_names(database.directory))]
    needs = {version: tuple(unmade(one, own)) for version, one in asked.items()}
    mentions = [mention for those in needs.values() for mention in those]
    owners = files.owners(database, engine, mentions) if mentions else {}
    if not owners:
        return plan
    present = session.present(sorted({name for mention in mentions for name in mention.names}))

    def hazards(version: str) -> list[Hazard]:
        found = strangers(needs[version], owners, present)
        return [
            engine.foreign(mention, name, listed(those), is_there=name in present)
            for mention, name, those in found
        ]

    more = {version: hazards(version) for version in needs}
    both = {
        version: tuple(sorted((*plan.hazards.get(version, ()), *those), key=lambda one: one.line))
        for version, those in more.items()
        if those
    }
    return replace(plan, hazards={**plan.hazards, **both})
