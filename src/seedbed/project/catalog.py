"""What a project has, read from its files: databases, environments, migrations, datasets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path

from seedbed.engines import registry
from seedbed.engines.base import Engine
from seedbed.engines.capabilities import (
    SupportsCheckpointTexts,
    SupportsDeclarations,
    SupportsExtras,
    SupportsNewFiles,
    SupportsProgramTexts,
    SupportsScripts,
    SupportsStepTexts,
    SupportsVaryingRows,
)
from seedbed.engines.infrastructure import SupportsDeployment
from seedbed.errors import Hint, Location, MigrationFileError, SeveralErrors, UsageError, call, try_each
from seedbed.manifest import environments as declared
from seedbed.manifest import expectations, new_files
from seedbed.manifest import files as discovery
from seedbed.model.environment import Environment
from seedbed.model.history import History
from seedbed.model.migration import Migration, MigrationFile, Step, StepText, Work, text_by_line
from seedbed.model.platform import Database, Expectation, Platform, Reference
from seedbed.model.seed import Dataset, PlannedSeed, Script, SeedFile, SeedKind
from seedbed.planning.pending import order
from seedbed.planning.reviewed import ReviewedPlan
from seedbed.support.extras import require_extras
from seedbed.support.guess import did_you_mean, guess_path
from seedbed.support.phrases import listed


class Catalog:
    """Databases, environments and files of a platform; connects to nothing. Each migration is read and parsed once."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self._files: dict[str, tuple[MigrationFile, ...]] = {}
        self._parsed: dict[tuple[str, str], Migration] = {}

    @staticmethod
    def engine(name: str) -> Engine:
        """Return the engine `name`, imported on first use."""
        return registry.load(name)

    # Databases and environments

    def databases(self, services: Sequence[str] = (), engines: Sequence[str] = ()) -> tuple[Database, ...]:
        """Return the databases of `services` and `engines` (none named: all), in id order. Raises UsageError."""
        everything = self.platform.databases
        if not everything:
            raise UsageError(
                "the platform has no database",
                because="seedbed.toml declares none",
                try_=f"add a section for one, [services.SERVICE.ENGINE]; engines are {', '.join(registry.names())}",
            )
        _require_known("service", services, {database.service for database in everything})
        _require_known("engine", engines, {database.engine for database in everything})
        chosen = [
            database
            for database in everything
            if (not services or database.service in services) and (not engines or database.engine in engines)
        ]
        if not chosen:
            raise UsageError(
                "the selection leaves no database",
                because=f"{' and '.join(services)} {'has' if len(services) == 1 else 'have'} no {' or '.join(engines)}",
                try_=f"one of {', '.join(str(database.id) for database in everything)}",
            )
        return tuple(sorted(chosen, key=lambda database: database.id))

    def database(self, database_id: str) -> Database:
        """Return the database `database_id`. Raises UsageError for one that is not declared."""
        database = self.platform.database(database_id)
        if database is None:
            known = sorted(each.id for each in self.platform.databases)
            likely = guess_path(database_id, known)
            raise UsageError(
                f"the platform has no database {database_id}",
                because=f"it has {listed(known, most=12)}" if known else "seedbed.toml declares none",
                try_=f"did you mean {likely}?" if likely else "name it as the manifest does: SERVICE/ENGINE",
            )
        return database

    def references(self, services: Sequence[str] = ()) -> tuple[Reference, ...]:
        """Return the references out of `services` (none named: all). Raises UsageError."""
        own = {each.id for each in self.databases(services)}
        return tuple(each for each in self.platform.references if each.from_.database in own)

    def expectations(self, services: Sequence[str] = ()) -> tuple[Expectation, ...]:
        """Return the expectations that ask a database of `services` (none named: all). Raises UsageError.

        First those of the manifest, then those beside databases, in id order.
        """
        ids = {each.id for each in self.platform.databases}
        found = list(self.platform.expectations)
        for database in self.databases():
            declared = {each.name: each.at for each in found}
            found += expectations.beside(database, ids, declared)
        own = {each.id for each in self.databases(services)}
        return tuple(each for each in found if not own.isdisjoint(each.databases))

    def to_verify(
        self, services: Sequence[str] = (), *, may_be_none: bool = False
    ) -> tuple[tuple[Reference, ...], tuple[Expectation, ...]]:
        """Return references and expectations of `services`. Raises UsageError where there are neither.

        `may_be_none`: there may be: whether each database is its service's alone is verified all the same.
        """
        found = self.references(services), self.expectations(services)
        if not any(found) and not may_be_none:
            raise nothing_to_verify(*services)
        return found

    def databases_of(
        self, references: Sequence[Reference], expectations: Sequence[Expectation] = ()
    ) -> tuple[Database, ...]:
        """Return the databases at both ends of `references` and those that `expectations` ask, in id order."""
        ids = {end.database for each in references for end in (each.from_, each.to)}
        ids |= {database for each in expectations for database in each.databases}
        return tuple(self.database(each) for each in sorted(ids))

    def require_extras(self, databases: Sequence[Database]) -> None:
        """Raise MissingExtra if the engines of `databases` miss packages, naming all of them at once."""
        engines = [self.engine(name) for name in sorted({database.engine for database in databases})]
        require_extras(
            {
                extra: packages
                for engine in engines
                if isinstance(engine, SupportsExtras)
                for extra, packages in engine.extras.items()
            }
        )

    def reviewed_databases(self, plan: ReviewedPlan) -> tuple[Database, ...]:
        """Return the databases that a plan file covers. Raises UsageError for one that is gone."""
        return tuple(self.database(database_id) for database_id in sorted(plan.basis))

    def deployable(self, databases: Sequence[Database]) -> tuple[Database, ...]:
        """Return those of `databases` whose schema is infrastructure, deployed and not migrated."""
        return tuple(
            database for database in databases if isinstance(self.engine(database.engine), SupportsDeployment)
        )

    def environment(self, name: str) -> Environment:
        """Return the environment `name`. Raises UsageError for one that is not declared."""
        return declared.environment(self.platform, name)

    # Migrations

    def files(self, database: Database) -> tuple[MigrationFile, ...]:
        """Return a database's migration files in version order, read once. Raises MigrationFileError."""
        files = self._files.get(database.id)
        if files is None:
            suffixes = self.engine(database.engine).suffixes
            files = discovery.migration_files(database, suffixes, root=self.platform.root)
            self._files[database.id] = files
        return files

    def require_files(self, databases: Sequence[Database]) -> None:
        """Raise what is wrong with the names of the migrations of `databases`, together."""
        try_each((database.id, partial(self.files, database)) for database in databases)

    def parse(self, database_id: str, file: MigrationFile) -> Migration:
        """Return the parsed migration, parsed once. Raises MigrationFileError."""
        key = (database_id, file.version)
        if key not in self._parsed:
            self._parsed[key] = self.engine(self.database(database_id).engine).parse(file)
            _require_walk(self._parsed[key])
        return self._parsed[key]

    def step_text(self, database_id: str, migration: Migration, step: Step) -> StepText:
        """Return what a step sends, whole; of a program its file, with what is declared of it, and what it does."""
        database = self.database(database_id)
        engine = self.engine(database.engine)
        if migration.path.endswith(".py"):
            if isinstance(engine, SupportsProgramTexts):
                return engine.program_text(database.directory, migration, step)
            return StepText(step.body, (step.summary,))
        if isinstance(engine, SupportsStepTexts):
            return engine.step_text(migration, step)
        return text_by_line(step)

    def check_declared(
        self, works: Mapping[str, Sequence[Work]], histories: Mapping[str, History] | None = None
    ) -> None:
        """Check the files that say what is in databases, and `works`, by the database's id, against them.

        `histories`: what is applied, likewise. Raises ManifestError, MigrationFileError, Irreversible, and several of
        them at once.
        """

        def check(database: Database, engine: SupportsDeclarations) -> None:
            mine, history = works[database.id], (histories or {}).get(database.id, History())
            stays = {order(each.version) for each in history.applied}
            stays -= {order(each.migration.version) for each in mine}
            applied = [each for each in self.files(database) if order(each.version) in stays] if mine else []
            engine.check_declared(database.directory, mine, applied)

        databases = [self.database(each) for each in works]
        try_each(
            (each.id, partial(check, each, engine))
            for each in databases
            if isinstance(engine := self.engine(each.engine), SupportsDeclarations)
        )

    def checkpoint_text(self, database: Database, checkpoint: str) -> str:
        """Return how far a migration of `database` is whose revision has `checkpoint`, as text."""
        engine = self.engine(database.engine)
        if isinstance(engine, SupportsCheckpointTexts):
            return engine.checkpoint_text(checkpoint)
        return f"at {checkpoint}"

    def phase(self, database: Database, file: MigrationFile) -> str:
        """Return the phase of a migration; empty where its file cannot be parsed."""
        try:
            return self.parse(database.id, file).phase.value
        except (UsageError, SeveralErrors):
            return ""

    def migration(self, database: Database, version: str) -> Migration | None:
        """Return the parsed migration of one version; None where there is no file. Raises MigrationFileError."""
        file = next((file for file in self.files(database) if file.version == version), None)
        return self.parse(database.id, file) if file else None

    def new_migration(
        self,
        database: Database,
        name: str,
        now: datetime,
        *,
        phase: str = "expand",
        after: Sequence[str] = (),
        suffix: str = "",
    ) -> Path:
        """Write an empty migration with the next version, and return its path. Raises UsageError.

        `suffix`: one of its engine's; empty for what fits the database.
        """
        engine, files = self.engine(database.engine), self.files(database)
        suffix = f".{suffix.removeprefix('.')}" if suffix else ""
        if suffix and suffix not in engine.suffixes:
            raise UsageError(
                f"{database.engine} has no migrations in {suffix!r}",
                because=f"they are {' or '.join(engine.suffixes)}",
                try_=Hint(call("new", name, "--suffix", engine.suffixes[0], about=database.id)),
            )
        chosen, template = engine.suffixes[0], engine.template
        if isinstance(engine, SupportsNewFiles):
            chosen, template = engine.new_file(suffix, database.directory, files)
        directives = [f"phase={phase}"] if phase != "expand" else []
        directives += [f"after={migration}" for migration in after]
        version = new_files.next_version(files, now)
        del self._files[database.id]  # there is one more
        return new_files.write_migration(database, version, name, chosen, template, directives)

    def rebase_migration(self, database: Database, version: str, now: datetime) -> Path:
        """Rename a migration so that its version is the last one, and return its new path. Raises UsageError."""
        suffixes = self.engine(database.engine).suffixes
        files = discovery.migration_files(database, suffixes, root=self.platform.root, may_repeat=True)
        return new_files.rename_migration(database, files, version, new_files.next_version(files, now))

    # Seeds

    def dataset(
        self, database: Database, kind: SeedKind, reviewed: Mapping[str, str] | None = None
    ) -> Dataset:
        """Open one dataset of a database; its rows are read later, in batches. Raises SeedFileError.

        `reviewed`: digests by the names of files; reading another one than that raises StalePlan.
        """
        from seedbed.seeding.dataset import dataset

        scripts, vary = self._scripts(database), self._varies(database)
        files = self._seed_files(database, kind)
        if reviewed is not None:
            from seedbed.seeding.digests import held_to

            files = [held_to(each, reviewed.get(each.name, "")) for each in files]
        return dataset(kind, files, platform=self.platform.name, scripts=scripts, vary=vary)

    def planned_seeds(self, database: Database, kind: SeedKind) -> tuple[PlannedSeed, ...]:
        """Return what loading one dataset would load; no program of it is run. Raises what is wrong: SeedFileErrors."""
        from seedbed.seeding.planned import planned_seeds

        return planned_seeds(
            kind,
            self._seed_files(database, kind),
            platform=self.platform.name,
            scripts=self._scripts(database),
            vary=self._varies(database),
            text_of=lambda script: self._scripted(database).script_text(script, kind, database.options),
        )

    def seed_kinds(self, databases: Sequence[Database]) -> list[SeedKind]:
        """Return the kinds of seeds that any of `databases` has a file for, good or bad."""
        return [kind for kind in SeedKind if any(self._has_seeds(each, kind) for each in databases)]

    def require_seed_kinds(self, databases: Sequence[Database]) -> None:
        """Raise SeedFileErrors for what lies among the seeds of `databases` and is in the directory of no kind."""
        root = self.platform.root
        try_each((each.id, partial(discovery.require_seed_kinds, each, root=root)) for each in databases)

    def _has_seeds(self, database: Database, kind: SeedKind) -> bool:
        try:
            return bool(self._seed_files(database, kind))
        except (UsageError, SeveralErrors):
            return True

    def check_script(self, database: Database, kind: SeedKind, script: Script) -> None:
        """Raise SeedFileError for what has no place in a script among the seeds, all of it at once."""
        self._scripted(database).check_script(script, kind, database.options)

    def _scripted(self, database: Database) -> SupportsScripts:
        """Return the engine of a database whose seeds may be scripts."""
        engine = self.engine(database.engine)
        assert isinstance(engine, SupportsScripts), "only these open scripts"
        return engine

    def _seed_files(self, database: Database, kind: SeedKind) -> Sequence[SeedFile]:
        return discovery.seed_files(database, kind, sorted(self._scripts(database)), root=self.platform.root)

    def _scripts(self, database: Database) -> set[str]:
        """Return the suffixes of scripts among the seeds of a database."""
        engine = self.engine(database.engine)
        return set(engine.suffixes) - {".py"} if isinstance(engine, SupportsScripts) else set()

    def _varies(self, database: Database) -> bool:
        engine = self.engine(database.engine)
        return isinstance(engine, SupportsVaryingRows) and engine.rows_vary


def _require_walk(migration: Migration) -> None:
    """Raise MigrationFileError for an `expect=` of a migration that does not walk over data."""
    if migration.postconditions and not any(step.backfill for step in migration.up):
        raise MigrationFileError(
            "`expect=` stands in a migration that does not walk over data",
            because="it is asked after the last batch, and there is none",
            try_="state what holds from now on in expectations.toml, which `verify` asks",
            at=Location(migration.path, migration.postconditions[0].line),
        )


def _require_known(what: str, names: Sequence[str], known: set[str]) -> None:
    for name in names:
        if name not in known:
            service, slash, engine = name.partition("/")
            whole = what == "service" and slash and service in known  # as reports write a database
            raise UsageError(
                f"the platform has no {what} {name!r}",
                because=f"it has {', '.join(sorted(known))}",
                try_=f"-s {service} --engine {engine}"
                if whole
                else did_you_mean(name, known, otherwise="check the spelling"),
            )


def nothing_to_verify(*services: str) -> UsageError:
    """Return the error for a platform, or `services` of it, of which there is nothing to verify."""
    return UsageError(
        "there is nothing to verify",
        because=f"{' and '.join(services) or 'seedbed.toml'} declares neither references nor expectations",
        try_="declare what crosses a service border, [[references]], or what has to hold, [[expectations]]",
    )
