"""Waiting for what is under way: updates of a stack, whoever began them, and what becomes ready after them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec import Struct
from msgspec.structs import replace

from seedbed.deployment.child import Stopping
from seedbed.deployment.parts import Part
from seedbed.deployment.stacks import Stacks, Standing
from seedbed.deployment.states import Kind
from seedbed.model.deployment import Template
from seedbed.model.event import DeployProgressed, Event, Listener, ServerNotice


class Following(Struct, frozen=True):
    """Follows one stack for at most `timeout` seconds at a time, and tells what it sees."""

    part: Part
    stacks: Stacks
    listener: Listener
    stop: Stopping
    timeout: float

    def to_its_end(self, update: int) -> tuple[Standing, bool]:
        """Return how the stack stands once nothing is under way in it, and whether anything was."""
        standing = self.stacks.standing(self.part.stack)
        if standing.kind is not Kind.MOVING:
            return standing, False
        tell = self.teller(update)
        tell(f"{standing.status}: {standing.state.means}; following it to its end")
        return self.stacks.follow(standing, timeout=self.timeout, tell=tell, check=self.stop.check), True

    def until_ready(self, things: Sequence[str], update: int) -> None:
        """Return once `things` are ready. Raises Unavailable."""
        for event in self.part.settle(things, self.timeout) if things else ():
            self.listener(self._placed(event, update))
            self.stop.check()

    def until_all_is_ready(self, deployed: Template | None, update: int) -> None:
        """Return once all that a template holds is ready: a former run may have ended before it was."""
        if deployed is not None:
            updates = self.part.updates(None, deployed)
            self.until_ready([thing for each in updates for thing in each.waits_for], update)

    def teller(self, update: int) -> Callable[[str], None]:
        """Return what tells of an update in words."""
        return lambda what: self.listener(DeployProgressed(self.part.target, self.part.stack, update, what))

    def repeat(self, line: str) -> None:
        """Tell a line that the CDK CLI said."""
        if line.strip():
            self.listener(ServerNotice(self.part.target, "", "CDK", line))

    def _placed(self, event: Event, update: int) -> Event:
        if isinstance(event, DeployProgressed):
            return replace(event, target=self.part.target, stack=self.part.stack, update=update)
        return event
