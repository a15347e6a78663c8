"""In which order the services of an environment are applied: each as soon as its stacks are there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from seedbed.model.coming_up import ServicePart


class Schedule:
    """What of an environment can begin now, what waits for stacks, what never will begin.

    Services that come after each other begin together, or the first one before: so no selection leaves out what it
    needs.
    """

    def __init__(self, parts: Sequence[ServicePart]) -> None:
        self.parts = {each.service: each for each in parts}
        self.ended: dict[str, str] = {}  # by service: "" where it ended well, else why not
        self.skipped: dict[str, str] = {}
        self._at_work: set[str] = set()
        self._there: set[str] = set()
        self._lost: dict[str, str] = {}

    def arrived(self, stack: str) -> None:
        """Take note that a stack is as it should be."""
        self._there.add(stack)

    def lost(self, stack: str, because: str) -> None:
        """Take note that a stack will not be there in this run."""
        self._lost[stack] = because

    def end_of_stacks(self, because: str) -> None:
        """Take note that no further stack will be there."""
        for part in self.parts.values():
            for stack in part.stacks - self._there:
                self._lost.setdefault(stack, because)

    def begin(self) -> list[ServicePart]:
        """Return the services that can begin now, in their order; the caller tells of each how it ended."""
        for service in list(self._waiting()):
            if because := self._hindered(service):
                self.skipped[service] = because
        batch = [service for service in self._waiting() if self._can_begin(service)]
        self._at_work.update(batch)
        return [self.parts[each] for each in batch]

    def end(self, service: str, because: str = "") -> None:
        """Take note how it ended; `because`: why it is not ready, "" where it is."""
        self._at_work.discard(service)
        self.ended[service] = because

    def again(self, service: str) -> None:
        """Have a service wait again that was begun with others, and on which nothing was done because of those."""
        self._at_work.discard(service)

    @property
    def is_over(self) -> bool:
        """Whether nothing waits, and nothing is at work."""
        return not self._at_work and not any(True for _ in self._waiting())

    @property
    def ready(self) -> list[str]:
        """The services that ended well."""
        return [each for each, because in self.ended.items() if not because]

    def _waiting(self) -> Iterator[str]:
        known: tuple[Mapping[str, str], ...] = (self.ended, self.skipped)
        for each in self.parts:
            if each not in self._at_work and not any(each in those for those in known):
                yield each

    def _can_begin(self, service: str) -> bool:
        return all(
            self.ended.get(each) == ""
            or (each not in self._at_work and self.parts[each].stacks <= self._there)
            for each in self._needed(service)
        )

    def _hindered(self, service: str) -> str:
        """Return why a service never begins; "" where it may."""
        needed = self._needed(service)
        for each in needed:
            about = "" if each == service else f"it comes after {each}, and "
            if stack := next((one for one in sorted(self.parts[each].stacks) if one in self._lost), ""):
                return f"{about}{self._lost[stack]}"
            if self.ended.get(each):
                return f"it comes after {each}, which failed"
            if each in self.skipped:
                return f"it comes after {each}, which was skipped"
        return ""

    def _needed(self, service: str) -> list[str]:
        """Return `service` and all that it comes after, directly or not."""
        found = [service]
        for each in found:
            found += [one for one in sorted(self.parts[each].after) if one in self.parts and one not in found]
        return found
