"""Waiting for what is under way: updates of a stack, whoever began them, and what becomes ready after them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec import Struct
from msgspec.structs import replace

from seedbed.deployment.child import StopSignal
from seedbed.deployment.managed import ManagedStack
from seedbed.deployment.stacks import Stacks, StackStatus
from seedbed.deployment.states import StackCondition
from seedbed.model.deployment import Template
from seedbed.model.event import DeployProgressed, Event, Listener, ServerNotice


class Waiter(Struct, frozen=True):
    """Follows one stack for at most `timeout` seconds at a time, and emits what it sees."""

    managed: ManagedStack
    stacks: Stacks
    listener: Listener
    stop: StopSignal
    timeout: float

    def until_settled(self, update: int) -> tuple[StackStatus, bool]:
        """Return how the stack stands once nothing is under way in it, and whether anything was."""
        current = self.stacks.status(self.managed.stack)
        if current.condition is not StackCondition.IN_PROGRESS:
            return current, False
        tell = self.emitter(update)
        tell(f"{current.status}: {current.state.means}; waiting for it to end")
        return self.stacks.follow(current, timeout=self.timeout, tell=tell, check=self.stop.check), True

    def until_ended(self, update: int, before: str) -> StackStatus:
        """Return how the stack stands once the update that was just begun has ended. `before`: the last event then."""
        current = self.stacks.status(self.managed.stack)
        tell = self.emitter(update)
        return self.stacks.follow(
            current, timeout=self.timeout, tell=tell, check=self.stop.check, begun_after=before
        )

    def until_ready(self, things: Sequence[str], update: int) -> None:
        """Return once `things` are ready. Raises Unavailable."""
        for event in self.managed.settle(things, self.timeout) if things else ():
            self.listener(self._placed(event, update))
            self.stop.check()

    def until_everything_ready(self, deployed: Template | None, update: int) -> None:
        """Return once all that a template holds is ready: a former run may have ended before it was."""
        if deployed is not None:
            updates = self.managed.updates(None, deployed)
            self.until_ready([thing for each in updates for thing in each.waits_for], update)

    def emitter(self, update: int) -> Callable[[str], None]:
        """Return what emits a line about an update."""
        return lambda what: self.listener(
            DeployProgressed(self.managed.target, self.managed.stack, update, what)
        )

    def repeat(self, line: str) -> None:
        """Emit a line that the CDK CLI wrote."""
        if line.strip():
            self.listener(ServerNotice(self.managed.target, "", "CDK", line))

    def _placed(self, event: Event, update: int) -> Event:
        if isinstance(event, DeployProgressed):
            return replace(event, target=self.managed.target, stack=self.managed.stack, update=update)
        return event
