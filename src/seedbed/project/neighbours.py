"""Databases beside a selection: not changed by a run, but its migrations depend on them, or they on its migrations."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import ExitStack, suppress
from functools import partial

from msgspec import Struct, field

from seedbed.errors import (
    AccessRefused,
    Hint,
    SeedbedError,
    Unavailable,
    UsageError,
    collected,
    raise_errors,
    try_each,
)
from seedbed.execution.connecting import ConnectedTarget, connect
from seedbed.execution.stopping import Stop
from seedbed.model.environment import Environment
from seedbed.model.event import Event, Listener, TargetAwaited, TargetConnected
from seedbed.model.history import History
from seedbed.model.platform import Database
from seedbed.model.target import Target
from seedbed.project.targets import Targets


class Neighbours(Struct):
    """Sessions on databases that are not selected, opened when a plan needs their histories, closed by `closing`.

    `listener` is told which of them are awaited because they sleep, and that they are there; nothing else.
    """

    targets: Targets
    environment: Environment
    closing: ExitStack
    stop: Stop
    listener: Listener
    connected: list[ConnectedTarget] = field(default_factory=list)

    def connect_dependencies(self, selected: Sequence[ConnectedTarget], failed: Collection[str]) -> None:
        """Connect to what pending migrations of `selected` come after, and to what those depend on in turn.

        `failed`: ids of selected databases that did not answer. Raises UsageError where no settings say where a
        dependency is, Unavailable where it does not answer.
        """
        known = {target.id for target in [*selected, *self.connected]} | set(failed)
        new = selected
        while new:
            needed = try_each((target.id, partial(self._dependencies, target)) for target in new)
            wanted = set().union(*needed) - known
            platform = self.targets.catalog.platform
            databases = [database for name in sorted(wanted) if (database := platform.database(name))]
            new = self._connect(databases) if databases else []
            known |= {target.id for target in new}

    def connect_beside(
        self, selected: Sequence[ConnectedTarget], failed: Collection[str]
    ) -> tuple[list[ConnectedTarget], dict[str, SeedbedError]]:
        """Connect to the other databases of the engines of `selected`, and return what answered and what did not.

        `failed`: ids of selected databases that did not answer. What no settings tell is left out. Raises
        ForeignTarget.
        """
        known = {target.id for target in selected} | set(failed)
        engines = {target.database.engine for target in selected}
        targets: list[Target] = []
        for each in self.targets.catalog.platform.databases:
            if each.id not in known and each.engine in engines:
                with suppress(UsageError):
                    targets += self.closing.enter_context(
                        self.targets.open(self.environment, [each], beside=True)
                    )
        return self._opened(targets)

    def histories(self, databases: Sequence[Database]) -> dict[str, History]:
        """Return the histories of `databases` as they are now, all asked at once.

        Without those that nothing says the place of, that do not answer, or that reject us.
        """
        for known in self.connected:
            if known.database in databases:
                known.history = known.session.history()
        there = {each.id for each in self.connected}
        targets: list[Target] = []
        for each in databases:
            if each.id not in there:
                with suppress(UsageError):
                    targets += self.closing.enter_context(
                        self.targets.open(self.environment, [each], beside=True)
                    )
        connected, failed = self._opened(targets)
        self.connected += connected
        raise_errors(
            each for each in failed.values() if not isinstance(each, UsageError | Unavailable | AccessRefused)
        )
        return {each.id: each.history for each in self.connected if each.database in databases}

    def _dependencies(self, target: ConnectedTarget) -> set[str]:
        """Return the databases that pending migrations of `target` come after."""
        catalog = self.targets.catalog
        files = catalog.files(target.database)
        pending = [each for each in files if target.history.revision(each.version) is None]
        migrations = collected(partial(catalog.parse, target.id, file) for file in pending)
        return {ref.database for migration in migrations for ref in migration.after}

    def _connect(self, databases: Sequence[Database]) -> list[ConnectedTarget]:
        try:
            targets = self.closing.enter_context(self.targets.open(self.environment, databases, beside=True))
        except UsageError as error:
            raise UsageError(
                f"{databases[0].id} is not selected, but something pending comes after one of its migrations",
                because=error.what,
                try_=Hint("say where it is as well, or select it: ", error.try_),
            ) from None
        connected, failed = self._opened(targets)
        raise_errors(failed.values())
        self.connected += connected
        return connected

    def _opened(self, targets: Sequence[Target]) -> tuple[list[ConnectedTarget], dict[str, SeedbedError]]:
        """Return what of `targets` answered, and the errors of the others, by id. Raises ForeignTarget."""
        awaited = set[str]()

        def told(event: Event) -> None:
            if isinstance(event, TargetAwaited):
                awaited.add(event.target)
            if event.target in awaited and isinstance(event, TargetAwaited | TargetConnected):
                self.listener(event)

        return self.closing.enter_context(connect(targets, self.targets.connector, told, stop=self.stop))
