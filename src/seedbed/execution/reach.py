"""Open sessions on the targets of one environment, and on those that are only looked at beside them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack

from msgspec import Struct, field

from seedbed.errors import SeedbedError, Unavailable, UsageError
from seedbed.execution.applying import Leasing
from seedbed.execution.connecting import Connected, EngineOf, connected
from seedbed.execution.stopping import Stop
from seedbed.model.environment import Environment
from seedbed.model.event import Event, Listener
from seedbed.model.history import History
from seedbed.model.migration import Migration, MigrationFile
from seedbed.model.outcome import Outcome, fold
from seedbed.model.platform import Database, Platform
from seedbed.model.target import Target


class Reach(Struct):
    """Targets of one environment with open sessions, and the errors of those that did not answer."""

    environment: Environment
    reached: list[Connected]
    failed: dict[str, SeedbedError]
    events: list[Event]
    listener: Listener
    stop: Stop
    leasing: Leasing
    looked_at: list[Connected] = field(default_factory=list)
    closing: ExitStack = field(default_factory=ExitStack)

    @property
    def histories(self) -> dict[str, History]:
        """What the targets said when they were reached, by database id."""
        return {each.id: each.history for each in self.reached}

    @property
    def outcome(self) -> Outcome:
        """What has happened so far."""
        return fold(self.events)


class Looking(Struct, frozen=True):
    """Looks beside a selection: at databases that no work is wanted on, but that other work rests on."""

    platform: Platform
    files: Callable[[Database], tuple[MigrationFile, ...]]
    parse: Callable[[str, MigrationFile], Migration]
    targets: Callable[[Environment, Sequence[Database]], AbstractContextManager[list[Target]]]
    engine: EngineOf

    def after(self, reach: Reach) -> None:
        """Open sessions on databases that are not selected but that something pending comes after."""
        known = {each.id for each in [*reach.reached, *reach.looked_at]} | set(reach.failed)
        looking = [(each.target.database, each.history) for each in reach.reached]
        while looking:
            named = {
                ref.database
                for database, history in looking
                for file in self.files(database)
                if history.revision(file.version) is None
                for ref in self.parse(database.id, file).after
            }
            found = [self.platform.database(each) for each in sorted(named - known)]
            new = [each for each in found if each]
            if not new:
                return
            opened = self._open(reach, new)
            reach.looked_at += opened
            known |= {each.id for each in opened}
            looking = [(each.target.database, each.history) for each in opened]

    def history(self, reach: Reach, database: Database) -> History | None:
        """Return the history of a database that is not selected; None where nobody said where it is."""
        try:
            reach.looked_at += self._open(reach, [database])
        except (UsageError, Unavailable):
            return None
        return reach.looked_at[-1].history

    def _open(self, reach: Reach, databases: Sequence[Database]) -> list[Connected]:
        try:
            targets = reach.closing.enter_context(self.targets(reach.environment, databases))
        except UsageError as error:
            raise UsageError(
                f"{databases[0].id} is not selected, but something pending comes after one of its migrations",
                because=error.what,
                try_=f"say where it is as well, or select it: {error.try_}",
            ) from None
        found, failed = reach.closing.enter_context(connected(targets, self.engine, lambda _: None))
        for problem in failed.values():
            raise problem
        return found
