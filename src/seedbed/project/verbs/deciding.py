"""Verbs about one target, which a person decides: repair, bind, unlock, dump, restore."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from seedbed.execution import (
    binding,
    dump_restore,
    maintenance,
)
from seedbed.execution.connecting import ConnectedTarget
from seedbed.execution.maintenance import Decision
from seedbed.model.outcome import Outcome
from seedbed.project import protection
from seedbed.project.verbs.opened import OpenRun


class Deciding(OpenRun):
    """What a run can do with the only target that it has."""

    def repair(self, version: str, decision: Decision, *, because: str = "") -> Outcome:
        """Write a person's decision about a version into the history of the one target, audited.

        Raises Refused without a reason where the environment is protected.
        """
        protection.require_reason(self.environment, because)
        target = self._the_only_target()
        migration = partial(self.catalog.migration, target.database)
        return self.outcome_of(
            lambda: maintenance.repair(target, version, decision, migration, self.context, because)
        )

    def bind(self, *, was: str = "", because: str = "") -> Outcome:
        """Bind the one target, a copy, to this environment, audited; `was`: what it has to be bound to until now.

        An environment of the same database, or the whole identity of another; empty where the identity is gone.
        Raises UsageError where that is not so, Refused where there is no history: then nothing was touched.
        """
        protection.require_reason(self.environment, because)
        target = self.require_copy(was)
        return self.outcome_of(lambda: binding.bind(target, was, because, self.context))

    def require_copy(self, was: str) -> ConnectedTarget:
        """Return the one target, as `bind` demands it. Raises UsageError, Refused."""
        target = self._the_only_target()
        self._read_histories()
        binding.require_known(target, target.history, was)
        return target

    def unlock(self) -> Outcome:
        """End the run that holds the lease of the one target, by force, audited."""
        target = self._the_only_target()
        return self.outcome_of(lambda: maintenance.unlock(target, self.context))

    def dump(self, file: Path) -> Outcome:
        """Write all data of the one target to `file`, which must not exist. Raises Refused, UsageError."""
        target = self._the_only_target()
        return self.outcome_of(lambda: dump_restore.dump(target, file, self.context))

    def restore(self, file: Path, *, unreviewed: bool = False) -> Outcome:
        """Load what `dump` wrote into the one target, which has to be empty.

        `unreviewed`: confirms it for a protected environment. Raises Refused, UsageError, ForeignTarget.
        """
        protection.require_unreviewed(self.environment, unreviewed)
        if self.environment.protected:
            self.context.mark(protection.UNREVIEWED)
        target = self._the_only_target()
        self._read_histories()
        return self.outcome_of(lambda: dump_restore.restore(target, file, self.context))
