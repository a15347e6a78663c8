"""What every verb of a run rests on: open sessions, their histories, and how a change becomes an outcome."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from seedbed.errors import SeedbedError, UsageError, raise_errors
from seedbed.execution import (
    executing,
)
from seedbed.execution.connecting import ConnectedTarget, read_histories
from seedbed.execution.context import RunContext
from seedbed.execution.executing import Replan
from seedbed.model.environment import Environment
from seedbed.model.event import Event
from seedbed.model.history import History
from seedbed.model.outcome import Outcome, fold
from seedbed.project.neighbours import Neighbours
from seedbed.project.replanning import Replanning
from seedbed.project.targets import Targets


class OpenRun:
    """Sessions on targets of one environment. `Run` has the verbs."""

    def __init__(
        self,
        targets: Targets,
        environment: Environment,
        connected: Sequence[ConnectedTarget],
        failed: Mapping[str, SeedbedError],
        context: RunContext,
        neighbours: Neighbours,
    ) -> None:
        """`neighbours`: opens sessions beside those of `connected`, for as long as this run lasts."""
        self.targets = targets
        self.catalog = targets.catalog
        self.environment = environment
        self.connected = connected
        self.failed = failed
        self.context = context
        self._neighbours = neighbours
        self._connecting = tuple(context.events)
        self._histories_are_current = True

    @property
    def events(self) -> Sequence[Event]:
        """All that has happened so far, in order."""
        return self.context.events

    @property
    def outcome(self) -> Outcome:
        """What has happened so far, by all verbs together."""
        return fold(self.events)

    def require_connected(self) -> None:
        """Raise the errors of the targets that did not answer, if there are any."""
        raise_errors(self.failed.values())

    def outcome_of(self, work: Callable[[], object], *, on: Collection[str] | None = None) -> Outcome:
        """Do `work`, which may change targets, and return what happened meanwhile.

        `on`: ids of the targets that it works on (default: all). The outcome covers those, connected or not.
        """
        first = len(self.events)
        self._histories_are_current = False
        self.context.begin()
        work()
        connecting = [event for event in self._connecting if on is None or event.target in on]
        return fold([*connecting, *self.events[first:]])

    def _carry_out(self, replan: Replan) -> Outcome:
        return self.outcome_of(lambda: executing.carry_out(self.connected, self.failed, replan, self.context))

    @property
    def _histories(self) -> dict[str, History]:
        return {target.id: target.history for target in self.connected}

    def _read_histories(self) -> None:
        """Read the histories again where a verb of this run may have changed them."""
        if not self._histories_are_current:
            read_histories([*self.connected, *self._neighbours.connected])
            self._histories_are_current = True

    @property
    def _replanning(self) -> Replanning:
        return Replanning(
            self.environment,
            self.catalog,
            self.connected,
            tuple(self.failed),
            self._neighbours,
            self.targets.redactor,
        )

    def _the_only_target(self) -> ConnectedTarget:
        self.require_connected()
        if len(self.connected) != 1:
            raise UsageError(
                f"{len(self.connected)} databases are selected, and this is about one",
                because="a decision belongs to one history",
                try_="narrow the selection with --service and --engine",
            )
        return self.connected[0]
