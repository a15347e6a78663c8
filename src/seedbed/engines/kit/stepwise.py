"""One migration on its way through a target, step by step: what is the same wherever every step has its record.

An engine says how a step is carried out and how the history is written. Where a run sets out from, what is told and
recorded when, and what a step leaves that had no effect, stands here, once.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from seedbed.engines.base import Progress
from seedbed.engines.kit.postconditions import postconditions, require_postconditions
from seedbed.errors import Hint, HistoryConflict, Location, call
from seedbed.model.event import StepProbed, WorkFinished, WorkProgressed, WorkStarted
from seedbed.model.history import Revision, RevisionState
from seedbed.model.migration import Direction, Step, Work, digests
from seedbed.model.verification import QueryRow


class Stepwise(ABC):
    """One work on its way; `revision` is what the history says about it right now, or will with the first record.

    `before` is what it said, where no former run began this work.
    """

    def __init__(self, target: str, work: Work, owner: str) -> None:
        self.target, self.work = target, work
        self.migration = work.migration
        self.steps = work.migration.steps(work.direction)
        self._digests = digests(self.steps)
        self.before: Revision | None = None
        self.revision = Revision(
            version=self.migration.version,
            name=self.migration.name,
            checksum=self.migration.checksum,
            phase=self.migration.phase,
            state=RevisionState.STARTED,
            direction=work.direction,
            overtakes=self.migration.overtakes,
            owner=owner,
        )
        self.began = time.monotonic()

    def events(self, stored: Revision | None) -> Iterator[Progress]:
        """Carry out what is left of the work, telling what happens; `stored` is what the history says of it.

        Raises HistoryConflict, and what the engine's own steps raise.
        """
        resumed = self._take_up(stored)
        version, name, direction = self.migration.version, self.migration.name, self.work.direction.value
        yield WorkStarted(self.target, version, name, direction, len(self.steps), resumed)
        yield from self._prepare()
        for step in self.steps[self.revision.step :]:
            yield from self._carry_out(step)
            if len(self.steps) > 1:
                done = step.index + 1
                yield WorkProgressed(self.target, version, done, len(self.steps), "steps", step.summary)
        if (
            self.revision.state is RevisionState.STARTED
        ):  # nothing was left but to look how it ended, and to say so
            require_postconditions(self.work, self._rows)
            self._commit(self._finished())
        yield WorkFinished(self.target, version, name, direction, time.monotonic() - self.began)

    # what an engine says

    @abstractmethod
    def _carry_out(self, step: Step) -> Iterator[Progress]:
        """Carry out one step and record that, however often a former run tried."""

    @abstractmethod
    def _commit(self, revision: Revision, *, anyway: bool = False) -> None:
        """Make the history say `revision`, and keep it; a finished revert leaves the history.

        `anyway`: even if somebody asked us to stop.
        """

    @abstractmethod
    def _restore(self, before: Revision | None) -> None:
        """Make the history say `before` of this version, or nothing, even if somebody asked us to stop."""

    @abstractmethod
    def _rows(self, query: str, most: int) -> Sequence[QueryRow]:
        """Return the first `most` rows of `query`, as a session does."""

    def _prepare(self) -> Iterator[Progress]:
        """Do what comes before the first step that is left, telling how far it is."""
        return iter(())

    # where it sets out from

    def _take_up(self, stored: Revision | None) -> bool:
        """Set out from what the history says; return whether a former run began this work. Raises HistoryConflict."""
        is_begun = stored is not None and stored.state is RevisionState.STARTED
        if not is_begun and (stored is None) is (self.work.direction is Direction.DOWN):
            raise self._conflict("it is not applied" if stored is None else "it is applied already")
        if stored is None:
            return False
        self.revision = replace(self.revision, snapshot=stored.snapshot)
        if not is_begun:
            self.before = stored
            return False
        if stored.direction is not self.work.direction:
            raise self._conflict(f"it was started {stored.direction} and is not finished")
        self.revision = replace(
            self.revision,
            step=stored.step,
            in_step=stored.in_step,
            checkpoint=stored.checkpoint,
            ran=stored.ran,
        )
        return True

    def _conflict(self, because: str) -> HistoryConflict:
        what = f"{self.migration.label} cannot go {self.work.direction} on {self.target}"
        return HistoryConflict(
            what, because=because, try_=Hint(call("status", about=self.target), " shows what is recorded")
        )

    # what the history will say

    def _after(self, step: Step) -> Revision:
        """Return the revision once `step` is finished."""
        if step.index + 1 == len(self.steps) and not postconditions(self.work):
            return self._finished()
        done = step.index + 1
        return replace(self.revision, step=done, in_step=False, checkpoint=None, ran=self._digests[done])

    def _finished(self) -> Revision:
        return replace(
            self.revision,
            state=RevisionState.APPLIED,
            step=len(self.steps),
            in_step=False,
            checkpoint=None,
            ran="",
            duration_ms=round((time.monotonic() - self.began) * 1000),
        )

    def _undone(self) -> None:
        """The step in hand had no effect, and we know it: the history says so, and forgets a work without any."""
        stands = replace(self.revision, in_step=False, checkpoint=None)
        if stands.step > 0:
            self._commit(stands, anyway=True)
        else:
            self._restore(self.before)

    def _begins_anew(self) -> None:
        """The step in hand ended in its middle and is repeatable: the next run begins it, as its file is then."""
        self._commit(replace(self.revision, in_step=False, checkpoint=None), anyway=True)

    # words

    def _at(self, step: Step) -> Location:
        return Location(self.migration.path, step.line)

    def _probed(self, step: Step, words: str) -> StepProbed:
        return StepProbed(self.target, self.migration.version, step.index, words)


def is_gone(revision: Revision) -> bool:
    """Return whether `revision` says that its revert is finished: it leaves the history."""
    return revision.state is RevisionState.APPLIED and revision.direction is Direction.DOWN
