"""Which stacks are to be deleted, and in what order: found by their tags, in the account, without the CDK app."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from graphlib import TopologicalSorter

from msgspec import Struct

from seedbed.aws.cloud import Cloud
from seedbed.aws.identity import require_account
from seedbed.deployment.child import StopSignal
from seedbed.deployment.reading import readers
from seedbed.deployment.stack_owner import is_own
from seedbed.deployment.stacks import Stacks, StackStatus
from seedbed.errors import Refused, UsageError
from seedbed.model.environment import Environment, require_ephemeral
from seedbed.model.event import Listener
from seedbed.support.phrases import listed


class DatabaseStack(Struct, frozen=True):
    """The stack of a declared database, if that has one. `target`: as what its deletion is reported."""

    stack: str
    target: str
    service: str
    is_expected: bool = True


class DestroyScope(Struct, frozen=True):
    """What is to be deleted.

    `tags`: of the environment's stacks. `databases`: all that are declared. `services`: those that are selected, none:
    all. `wait`: seconds for one stack. `control`: the name of the stack whose bucket is emptied before it goes. `kept`:
    that of one that stays; empty: all go.
    """

    environment: Environment
    cloud: Cloud
    tags: Mapping[str, str]
    databases: Sequence[DatabaseStack]
    services: Collection[str]
    wait: float
    control: str = ""
    kept: str = ""

    def found(self, stacks: Stacks) -> list[StackStatus]:
        """Return the stacks that are there and go, by name. Raises Unavailable, Refused."""
        return [each for each in self.there(stacks) if each.name != self.kept]

    def there(self, stacks: Stacks) -> list[StackStatus]:
        """Return the stacks that are there, also the one that stays, by name. Raises Unavailable, Refused."""
        services = {each.stack: each.service for each in self.databases}
        return sorted(
            (
                each
                for each in stacks.all()
                if each.exists
                and is_own(each, self.tags, services)
                and (
                    not self.services
                    or each.tags.get("service", services.get(each.name, "")) in self.services
                )
            ),
            key=lambda each: each.name,
        )


class Removal(Struct, frozen=True):
    """A stack that is to go. `after`: the ids of those that have to be gone before, because they use what it has."""

    target: str
    stack: StackStatus
    after: tuple[str, ...] = ()


class DestroyPlan(Struct, frozen=True):
    """What is to go, each stack after all that use what it has.

    `gone`: targets whose stack is not there. `stays`: the name of a stack that is there and does not go; empty: none.
    """

    scope: DestroyScope
    stacks: Stacks
    removals: tuple[Removal, ...]
    gone: tuple[str, ...]
    listener: Listener
    stop: StopSignal
    stays: str = ""

    @property
    def names(self) -> list[str]:
        return [each.stack.name for each in self.removals]


def plan_destroy(scope: DestroyScope, listener: Listener, stop: StopSignal) -> DestroyPlan:
    """Return what is there to be deleted; nothing is changed.

    Raises Refused outside ephemeral environments, for another account, for a stack with termination protection, and
    where a stack that stays imports from one that would go; Unavailable, UsageError.
    """
    require_ephemeral(scope.environment, "destroy")
    _require_place(scope)
    require_account(scope.cloud)
    stacks = Stacks(scope.cloud)
    there = scope.there(stacks)
    found = [each for each in there if each.name != scope.kept]
    _require_unprotected(found)
    importers = stacks.importers({each.id for each in found}) if found else {}
    _require_unused(found, importers)
    ids = {each.name: each.id for each in found}
    read = readers(stacks, found)
    after = {
        each.id: {ids[name] for names in importers.get(each.id, {}).values() for name in names}
        | read.get(each.id, set())
        for each in found
    }
    known = {each.id: each for each in found}
    targets = {each.stack: each.target for each in scope.databases}
    removals = tuple(
        Removal(targets.get(known[id_].name, known[id_].name), known[id_], tuple(sorted(after[id_])))
        for id_ in TopologicalSorter(after).static_order()
    )
    gone = tuple(
        each.target
        for each in scope.databases
        if each.is_expected
        and each.stack not in ids
        and (not scope.services or each.service in scope.services)
    )
    stays = scope.kept if len(found) < len(there) else ""
    return DestroyPlan(scope, stacks, removals, gone, listener, stop, stays)


def _require_place(scope: DestroyScope) -> None:
    where = scope.cloud
    if not scope.environment.is_sandbox and not (where.account and where.region):
        missing = "account" if where.region else "region"
        raise UsageError(
            f"{scope.environment.name} has no {missing}",
            because="its stacks are looked for in one account and region, and the manifest does not say in which",
            try_=f"{missing} in the section of {scope.environment.name}",
        )


def _require_unprotected(found: Sequence[StackStatus]) -> None:
    kept = [each.name for each in found if each.is_kept]
    if kept:
        raise Refused(
            f"termination protection is on: {listed(kept)}",
            because="it was turned on for a stack of an ephemeral environment, so that is meant to stay",
            try_="aws cloudformation update-termination-protection --no-enable-termination-protection "
            f"--stack-name {kept[0]}, if it is to go",
        )


def _require_unused(
    found: Sequence[StackStatus], importers: Mapping[str, Mapping[str, Sequence[str]]]
) -> None:
    going = {each.name for each in found}
    used = [
        f"{each.name} exports {export}, which {listed(staying)} imports"
        for each in found
        for export, names in sorted(importers.get(each.id, {}).items())
        if (staying := [name for name in names if name not in going])
    ]
    if used:
        raise Refused(
            "a stack that stays needs one that would be deleted",
            because="\n           ".join(used[:5]),
            try_="delete that stack first, or deploy it without what it imports; without --service all stacks of the "
            "environment go",
        )
