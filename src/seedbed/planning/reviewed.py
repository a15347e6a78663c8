"""A plan that somebody reviewed, read back from its file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from typing import TYPE_CHECKING

from msgspec import DecodeError, Struct
from msgspec.json import decode
from msgspec.structs import replace

from seedbed.errors import Hint, Location, Refused, StalePlan, UsageError, call
from seedbed.model.deployment import Change, ResourceChange, StackPlan
from seedbed.model.migration import Direction, Phase
from seedbed.model.plan import DatabasePlan
from seedbed.model.resource import Replacement, ResourceAction
from seedbed.planning.plans import DatabaseState, Policy, basis

if TYPE_CHECKING:  # few runs read a plan file
    from seedbed.documents.plan import ActionEntry, PlanDocument
    from seedbed.documents.planned_seeds import SeedEntry
    from seedbed.documents.stacks import ResourceChangeEntry, StackPlanEntry
    from seedbed.documents.texts import Redact, TextOf
    from seedbed.model.seed import PlannedSeed

_MAKE = Hint("make it anew: ", call("plan", "--out", "plan.json", about_all=True))


class ReviewedPlan(Struct, frozen=True):
    """What a plan file binds a run to: the environment, the policy, and the states each database may be in.

    `actions`: by database, the migrations that were shown, whole. `changes`: by database, what of its infrastructure
    may change, in words. `digest`: of everything that was shown. `seeds`: by database, those that were shown.
    `stacks`: by name, those that were shown; `stacks_unseen`: why none was, or which were not. `release`: the number
    of the one that alone may carry it out, 0 for none; `sha256`: of the file, by which a release knows it.
    """

    path: str
    environment: str
    gate: Phase
    to: str | None
    out_of_order: bool
    basis: Mapping[str, tuple[str, ...]]
    actions: Mapping[str, tuple[ActionEntry, ...]] = {}
    changes: Mapping[str, tuple[str, ...]] = {}
    digest: str = ""
    seeds: Mapping[str, tuple[SeedEntry, ...]] = {}
    stacks: Mapping[str, StackPlanEntry] = {}
    stacks_unseen: str = ""
    release: int = 0
    sha256: str = ""

    def has_work_of(self, phase: Phase) -> bool:
        """Return whether a plan through `phase` has something of this one to do that none through an earlier has."""
        if phase is Phase.EXPAND and any(self.seeds.values()):
            return True
        return self._reached(phase.rank) != self._reached(phase.rank - 1)

    def _reached(self, rank: int) -> set[str]:
        """Return what of this plan one through the phase of `rank` carries out: in each database what comes first.

        It stops at what is of a later phase, and at what waits for another database where that has stopped before it.
        What a plan does not have is applied: to declare oneself `after=` that is to wait for nothing.
        """
        left = {database: list(reversed(actions)) for database, actions in self.actions.items()}
        planned = {f"{database}:{each.version}" for database, actions in left.items() for each in actions}
        reached = set[str]()
        while True:
            before = len(reached)
            for database, actions in left.items():
                while actions and actions[-1].phase.rank <= rank:
                    if any(each in planned and each not in reached for each in actions[-1].after):
                        break
                    reached.add(f"{database}:{actions.pop().version}")
            if len(reached) == before:
                return reached

    def may_be_replaced(self, stack: str, resource: str) -> bool:
        """Return whether the plan shows that a resource of a stack is made anew, or may be."""
        shown = self.stacks[stack].changes if stack in self.stacks else ()
        return any(each.id == resource and each.replacement not in _IN_PLACE for each in shown)


def read(data: bytes, path: str) -> ReviewedPlan:
    """Return the plan that the bytes of the file `path` hold. Raises UsageError where they are no plan to apply,
    StalePlan where they are not what `plan` wrote.
    """
    plan = decoded(data, path)
    if plan.digest != plan.digest_of_content():
        raise _other_than_shown(
            path,
            "the plan file was changed after it was written",
            "its digest is not that of what it shows",
        )
    if plan.direction is not Direction.UP:
        raise UsageError(
            "this is a plan to revert, and only one to apply is carried out from a file",
            because="a revert is planned anew where it is run",
            try_=Hint(call("revert", about_all=True)),
            at=Location(path),
        )
    return ReviewedPlan(
        path,
        plan.environment,
        plan.gate,
        plan.to,
        plan.out_of_order,
        {each.database: each.basis for each in plan.databases},
        {each.database: tuple(map(_as_shown, each.actions)) for each in plan.databases},
        {
            each.database: tuple(_words(one.phase, one.what) for one in each.changes)
            for each in plan.databases
        },
        plan.digest,
        {each.database: each.seeds for each in plan.databases},
        {each.stack: each for each in plan.stacks},
        plan.stacks_unseen,
        plan.release,
        sha256(data).hexdigest(),
    )


class _Head(Struct):
    schema: str = ""


def decoded(data: bytes, path: str) -> PlanDocument:
    """Return the document, of which every field is known, there, and of the type that it has to be.

    A plan is read before any thread is started: two of them must not read into one type for the first time.
    """
    from seedbed.documents.plan import PlanDocument

    wanted = PlanDocument.__struct_config__.tag
    try:
        if decode(data, type=_Head).schema != wanted:
            raise UsageError(
                "this is not a plan that this seedbed can apply",
                because=f'a plan file says "schema": "{wanted}"',
                try_=_MAKE,
                at=Location(path),
            )
        return decode(data, type=PlanDocument)
    except (DecodeError, ValueError, RecursionError) as error:
        raise UsageError(
            "the plan file is damaged, or was written by another version of seedbed",
            because=str(error),
            try_=_MAKE,
            at=Location(path),
        ) from None


def require_current(plan: ReviewedPlan, known: DatabaseState, policy: Policy) -> None:
    """Raise StalePlan unless the database is in a state that the plan itself passes through."""
    if basis(known, policy) in plan.basis.get(known.database, ()):
        return
    raise StalePlan(
        f"the plan no longer fits {known.database}",
        because="its history, its files or the policy are no longer what they were when the plan was made",
        try_=_anew(plan.path),
        at=Location(plan.path),
    )


def _anew(path: str) -> Hint:
    return Hint("make and review it anew: ", call("plan", "--out", path, about_all=True))


def require_as_shown(
    plan: ReviewedPlan, database: DatabasePlan, text_of: TextOf, redact: Redact = str
) -> None:
    """Raise StalePlan unless what would be done is what the plan file shows, or the end of it that is left."""
    from seedbed.documents.plan import ActionEntry

    shown, states = plan.actions.get(database.database, ()), plan.basis.get(database.database, ())
    done = states.index(database.basis[0])
    would_run = tuple(_as_shown(ActionEntry.of(each, text_of, redact)) for each in database.actions)
    if shown[done:] != would_run or states[done:] != database.basis:
        raise _other_than_shown(
            plan.path,
            f"the plan file does not show what would be done to {database.database}",
            "its actions, their order or their texts are other ones than the files and the history make",
        )


def _as_shown(action: ActionEntry) -> ActionEntry:
    """Return `action` without what changes while the plan is carried out, or with the place of the checkout."""
    return replace(action, path="", resumes=False, waits_for=())


def require_done(plan: ReviewedPlan, known: DatabaseState, policy: Policy) -> None:
    """Raise StalePlan as `require_current` does, Refused while migrations of the plan are still to be applied."""
    require_current(plan, known, policy)
    if basis(known, policy) != plan.basis[known.database][-1]:
        raise Refused(
            f"{known.database} does not have all migrations of the plan yet",
            because="its seeds were reviewed for what those make",
            try_=Hint("apply them first: ", call("apply", plan.path, about_all=True)),
            at=Location(plan.path),
        )


def require_seeds_as_shown(
    plan: ReviewedPlan, database: str, seeds: Sequence[PlannedSeed], redact: Redact
) -> None:
    """Raise StalePlan unless `seeds`, all that would be loaded into `database`, are what the plan file shows."""
    from seedbed.documents.planned_seeds import SeedEntry

    shown = tuple(map(_seed_as_shown, plan.seeds.get(database, ())))
    found = tuple(_seed_as_shown(SeedEntry.of(each, redact)) for each in seeds)
    if shown != found:
        raise _other_than_shown(
            plan.path,
            f"the seeds of {database} are not those that the plan file shows",
            "; ".join(_differences(shown, found)) or "they are shown in another order",
        )


def _seed_as_shown(seed: SeedEntry) -> SeedEntry:
    """Return `seed` without the place of the checkout."""
    return replace(seed, path=seed.name)


def _differences(shown: Sequence[SeedEntry], found: Sequence[SeedEntry]) -> Iterator[str]:
    """Yield, for each seed that is not as it is shown, in what."""
    known, there = ({each.path: each for each in seeds} for seeds in (shown, found))
    for name in dict.fromkeys((*known, *there)):
        if name not in there:
            yield f"{name} is gone"
        elif name not in known:
            yield f"{name} is not in the plan"
        elif known[name].sha256 != there[name].sha256:
            yield f"{name} was changed"
        elif known[name] != there[name]:
            yield f"{name} is shown as something else than it is"


def _other_than_shown(path: str, what: str, because: str) -> StalePlan:
    return StalePlan(
        what,
        because=because,
        try_=_anew(path),
        at=Location(path),
    )


def require_same_changes(plan: ReviewedPlan, database: str, changes: Sequence[Change]) -> None:
    """Raise StalePlan if a deployment would change more than was reviewed; less is what is left of it."""
    known = plan.changes.get(database, ())
    other = [each.what for each in changes if _words(each.phase, each.what) not in known]
    if other:
        raise StalePlan(
            f"the plan no longer fits {database}",
            because=f"a deployment would now change what was not reviewed: {'; '.join(other)}",
            try_=_anew(plan.path),
            at=Location(plan.path),
        )


def _words(phase: Phase, what: str) -> str:
    return f"{phase.value} {what}"


def require_stack_as_shown(plan: ReviewedPlan, stack: StackPlan) -> None:
    """Raise StalePlan if a deployment would change more in a stack than was reviewed; less is what is left of it."""
    shown = plan.stacks.get(stack.stack)
    if shown is None or shown.wanted is None:
        because = "it is not among the stacks that were looked at"
        if not plan.stacks:
            reason = f": {plan.stacks_unseen}" if plan.stacks_unseen else ""
            because = f"no stack was looked at when it was made{reason}"
        raise _other_than_shown(plan.path, f"the plan does not show stack {stack.stack}", because)
    if stack.wanted != shown.wanted:
        raise _other_than_shown(
            plan.path,
            f"the plan no longer fits stack {stack.stack}",
            "the app makes another template of it than the one that was reviewed",
        )
    _require_shown(plan, stack.stack, [each for each in stack.changes if not _is_shown(shown.changes, each)])


def require_resources_as_shown(plan: ReviewedPlan, stack: str, changes: Sequence[ResourceChange]) -> None:
    """Raise StalePlan for a resource of a change set that the plan does not name."""
    shown = {each.id for each in plan.stacks[stack].changes} if stack in plan.stacks else set()
    _require_shown(plan, stack, [each for each in changes if each.id not in shown])


def _require_shown(plan: ReviewedPlan, stack: str, other: Sequence[ResourceChange]) -> None:
    if other:
        raise _other_than_shown(
            plan.path,
            f"the plan no longer fits stack {stack}",
            f"a deployment would now change what was not reviewed: {'; '.join(map(resource_words, other))}",
        )


def _is_shown(shown: Sequence[ResourceChangeEntry], change: ResourceChange) -> bool:
    """Return whether `change` is one of those that were reviewed, or what is left of it.

    A resource that was to be made may be there by now, and lack some of what it was to have.
    """
    for each in shown:
        if (each.id, each.type) != (change.id, change.type):
            continue
        if each.action is not change.action:
            return each.action is ResourceAction.ADD and change.replacement in _IN_PLACE
        worse = change.replacement not in _IN_PLACE and change.replacement is not each.replacement
        return not worse and set(change.scope) <= set(each.scope)
    return False


_IN_PLACE = {Replacement.NO, Replacement.UNKNOWN}


def resource_words(change: ResourceChange) -> str:
    """Return what is done to a resource in words: "modify Cluster (RDS::DBCluster) Properties.EngineVersion"."""
    scope = f" {', '.join(change.scope)}" if change.scope else ""
    new = ", made anew" if change.replacement is Replacement.YES else ""
    new = ", perhaps made anew" if change.replacement is Replacement.PERHAPS else new
    return f"{change.action.lower()} {change.id} ({change.type.removeprefix('AWS::')}){scope}{new}"
