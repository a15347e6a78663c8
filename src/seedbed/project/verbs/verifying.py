"""Verbs that verify: references across databases, expectations, and whose the data are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from msgspec.structs import replace

from seedbed.errors import SeedbedError
from seedbed.model.event import TargetDone
from seedbed.model.migration import Migration
from seedbed.model.platform import Expectation, Reference
from seedbed.model.usage import Usage
from seedbed.model.verification import OwnershipResult, Reading, Verification
from seedbed.model.verified import ClaimHistory
from seedbed.project import verified
from seedbed.project.verbs.opened import OpenRun
from seedbed.support.extras import require_extras


class Verifying(OpenRun):
    """What a run can find out from the data."""

    def reading(self, references: Sequence[Reference], *, since: datetime | None = None) -> Reading:
        """Return what `verify` would read of `references`, whose databases are this run's. Raises Interrupted."""
        from seedbed.execution import verifying

        found = verifying.reading(references, self.connected, self.failed, self.context, since)
        verified.say_pending((each.error for each in found), self.environment, self.catalog, self.connected)
        return Reading(self.environment.name, found)

    def verify(
        self,
        references: Sequence[Reference],
        expectations: Sequence[Expectation] = (),
        *,
        ownership: bool = True,
        beside: bool = False,
        max_units: float = 0.0,
        since: datetime | None = None,
    ) -> Verification:
        """Return what is found of `references` and `expectations`, whose databases are this run's, and keep it there.

        `ownership`: whether what is in these is each service's alone, too; `beside`: in the platform's other databases
        of their engines as well, as far as settings tell where they are. `max_units`: read units that it may take, 0
        for any. `since`: of references that name a time, only rows are read that are new since then. Raises
        MissingExtra, Interrupted; Refused where it is expected to take more: then nothing was read.
        """
        from seedbed.execution import expecting, keeping, verifying
        from seedbed.execution.units import UnitBudget

        if references:
            require_extras({"verify": ("numpy",)})
        budget = UnitBudget(max_units, self.connected)
        if max_units:
            budget.require_enough(self.reading(references, since=since))
        self._read_histories()
        basis = keeping.Basis.of(self.connected, verified.pending(self.catalog, self.connected))
        results = (
            verifying.verify(references, self.connected, self.failed, self.context, budget, since)
            if references
            else ()
        )
        kept = expecting.verify(expectations, self.connected, self.failed, self.context)
        unread = [*(each.error for each in results), *(each.error for each in kept)]
        verified.say_pending(unread, self.environment, self.catalog, self.connected)
        # Where nothing is declared, nothing else tells that a database did not answer.
        silent = {} if references or expectations else self.failed
        beside = beside and not self.environment.is_sandbox
        owned = self._owned(silent, beside=beside) if ownership else ()
        found = Verification(
            self.environment.name, tuple(results), tuple(kept), tuple(owned), units=budget.spent
        )
        found = replace(found, unkept=keeping.keep(found, basis, self.connected, self.context))
        for target in self.connected:
            self.context.emit(TargetDone(target.id))
        return found

    def verified(
        self, declared: Sequence[Reference | Expectation]
    ) -> tuple[tuple[ClaimHistory, ...], dict[str, SeedbedError]]:
        """Return the verdicts on each of `declared` from run to run, and by database why it could not be asked."""
        return verified.histories(declared, self.connected, self.failed)

    def usage(self) -> tuple[dict[str, Usage], dict[str, SeedbedError]]:
        """Return what the servers count of the use of what pending contracts remove, and by database why not."""
        from seedbed.execution.usage import looked_at
        from seedbed.planning.pending import order

        pending: dict[str, list[Migration]] = {}
        for target in self.connected:
            known = {order(each.version) for each in target.history.revisions}
            files = self.catalog.files(target.database)
            pending[target.id] = [
                self.catalog.parse(target.id, each) for each in files if order(each.version) not in known
            ]
        found, failed = looked_at(self.connected, pending, self.catalog.engine)
        for target in self.connected:
            self.context.emit(TargetDone(target.id))
        return found, {**self.failed, **failed}

    def _owned(self, silent: Mapping[str, SeedbedError], *, beside: bool) -> Sequence[OwnershipResult]:
        """Return whether what is in these databases, and those `beside`, is each service's alone."""
        from seedbed.execution import owning

        others, away = self._neighbours.connect_beside(self.connected, self.failed) if beside else ([], {})
        return owning.verify(self.environment, [*self.connected, *others], {**silent, **away}, self.context)
