"""From an environment and databases to targets: connection settings are looked up and become addresses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from msgspec import Struct, field

from seedbed.aws.cloud import Cloud
from seedbed.engines.infrastructure import SupportsDeployment
from seedbed.environments import aws, variables
from seedbed.execution.connecting import Connector
from seedbed.model.environment import Environment
from seedbed.model.platform import Database
from seedbed.model.secret import Redactor, Secret
from seedbed.model.target import NoAddress, Target
from seedbed.project.catalog import Catalog


class Targets(Struct, frozen=True):
    """Looks up where databases are; every secret that it meets is made known to `redactor`.

    `home`: the directory of the sandbox's servers. `environ`: the variables that connection settings are read from.
    `running`: connection settings, by id, of databases of the sandbox whose servers run already; empty: none does.
    `in_task`: a run is carried out inside the network, and the variables are those of its task's definition.
    """

    catalog: Catalog
    redactor: Redactor
    home: Path
    environ: Mapping[str, str]
    running: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    in_task: bool = False

    @contextmanager
    def open(
        self, environment: Environment, databases: Sequence[Database], *, beside: bool = False
    ) -> Iterator[list[Target]]:
        """Yield the targets of `databases` in `environment`; the sandbox's servers run within this context.

        `beside`: others are selected, and variables without a service's prefix belong to those. Raises UsageError,
        SandboxError, and what AWS raises.
        """
        with ExitStack() as servers:
            settings: Mapping[str, Any]
            if environment.is_sandbox and self.running:
                settings = self.running
            elif environment.is_sandbox:
                from seedbed.environments.sandbox.servers import running

                if any(
                    isinstance(self.catalog.engine(each.engine), SupportsDeployment) for each in databases
                ):
                    aws.require_own_server(self.environ)
                pairs = [(str(database.id), self.catalog.engine(database.engine)) for database in databases]
                settings = servers.enter_context(running(pairs, self.home))
            else:
                settings = self._settings(environment, databases, beside=beside)
            yield [self._target(environment, database, settings[database.id]) for database in databases]

    def _settings(
        self, environment: Environment, databases: Sequence[Database], *, beside: bool
    ) -> dict[str, variables.Settings | NoAddress]:
        """Return the settings of each database; what stops one that was never filled in stops no other."""
        alone = len(databases) == 1 and not beside
        wanted = [self._wanted(environment, database) for database in databases]
        found: dict[str, variables.Settings | NoAddress] = {}
        wanted = self._filled(wanted, found, alone=alone)
        wanted = aws.completed(wanted, environment, self.catalog.platform.name, self.environ)
        wanted = self._filled(wanted, found, alone=alone)
        return {**found, **variables.read(wanted, self.environ, beside=beside or bool(found))}

    def _filled(
        self,
        wanted: Sequence[variables.Wanted],
        found: dict[str, variables.Settings | NoAddress],
        *,
        alone: bool,
    ) -> list[variables.Wanted]:
        """Return what of `wanted` is filled in; the others are put into `found`."""
        errors = {each.database: variables.unfilled(each, self.environ, alone=alone) for each in wanted}
        found |= {name: NoAddress(error) for name, error in errors.items() if error}
        return [each for each in wanted if each.database not in found]

    def connector(self, engine: str) -> Connector:
        """Return what opens sessions on the targets of `engine`."""
        return self.catalog.engine(engine)

    def cloud(self, environment: Environment) -> Cloud:
        """Return the account and region of `environment`, with the credentials of the variables."""
        cloud = aws.cloud(environment, self.environ)
        for secret in cloud.secrets:
            self.redactor.add(secret)
        return cloud

    def _wanted(self, environment: Environment, database: Database) -> variables.Wanted:
        engine = self.catalog.engine(database.engine)
        declared = {"account": environment.account, "region": environment.region}
        known = {
            key: value for key, value in declared.items() if value and isinstance(engine, SupportsDeployment)
        }
        known |= environment.settings.get(database.id, {})
        return variables.Wanted(database.id, database.service, engine.variables, known)

    def _target(
        self, environment: Environment, database: Database, settings: Mapping[str, str | Secret] | NoAddress
    ) -> Target:
        if isinstance(settings, NoAddress):
            return Target(database, environment, self.catalog.platform.name, settings)
        for value in settings.values():
            if isinstance(value, Secret):
                self.redactor.add(value)
        address = self.catalog.engine(database.engine).address(settings, database.options)
        for secret in address.secrets:
            self.redactor.add(secret)
        return Target(database, environment, self.catalog.platform.name, address)
