"""What a new release has to do, step by step, and whether it may be opened beside those that are there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from msgspec import Struct

from seedbed.errors import Hint, Refused, call
from seedbed.model.migration import Phase
from seedbed.model.release import PHASES, Gate, Release, Step, StepName
from seedbed.model.release_rules import ReleaseRules
from seedbed.support.phrases import whole_hours

if TYPE_CHECKING:  # their types are for those that read plans
    from seedbed.documents.plan import PlanDocument

Plans = Mapping[Phase, "PlanDocument"]


class Work(Struct, frozen=True, order=True):
    """One thing that a plan does: a migration, or a change of what is deployed.

    `place`: a database, or a stack. `phase`: None for the stack as a whole, of which every deployment has its own.
    """

    place: str
    what: str
    phase: Phase | None = None


def work(plan: PlanDocument) -> frozenset[Work]:
    """Return everything that `plan` does to databases and stacks; what it loads is not among it."""
    found = set[Work]()
    for each in plan.databases:
        found |= {Work(each.database, one.version, one.phase) for one in each.actions}
        found |= {Work(each.database, one.what, one.phase) for one in each.changes}
        found |= {Work(each.database, one) for one in each.logins}
    for stack in plan.stacks:
        found |= {Work(stack.stack, f"{one.action} {one.id} {' '.join(one.scope)}") for one in stack.changes}
        if stack.deployed != stack.wanted and not stack.changes:
            found.add(Work(stack.stack, "outputs"))
    return frozenset(found)


def works(plans: Plans) -> Mapping[StepName, frozenset[Work]]:
    """Return what each step does that no step before it has done; `plans`: by the gate that each goes through."""
    found = dict[StepName, frozenset[Work]]()
    done = frozenset[Work]()
    for name, phase in PHASES.items():
        found[name] = work(plans[phase]) - done if phase in plans else frozenset()
        done |= found[name]
    return found


def contracted(plans: Plans) -> tuple[str, ...]:
    """Return the databases that the contract changes: those that it takes snapshots of."""
    ids = {each.database for plan in plans.values() for each in plan.databases}
    return tuple(sorted({each.place for each in works(plans)[StepName.CONTRACT]} & ids))


def steps_of(
    plans: Plans, digests: Mapping[Phase, str], *, verifies: bool, loads: bool = False
) -> tuple[Step, ...]:
    """Return the steps of a new release. Those without work are skipped, and say so.

    `digests`: SHA-256 of each plan document as the store keeps it. `verifies`: anything is declared that `verify` or
    a check of the release would look at. `loads`: there is reference data that no plan shows.
    """
    own = works(plans)
    seeds = loads or any(each.seeds for plan in plans.values() for each in plan.databases)
    idle = {
        StepName.EXPAND: "" if own[StepName.EXPAND] or seeds else "there is nothing to expand",
        StepName.MIGRATE: "" if own[StepName.MIGRATE] else "there is nothing to migrate",
        StepName.VERIFY: "" if verifies else "nothing is declared that could be verified",
    }
    if not own[StepName.CONTRACT]:
        idle |= dict.fromkeys(
            (StepName.SOAK, StepName.SNAPSHOT, StepName.CONTRACT), "there is nothing to contract"
        )
    elif not contracted(plans):
        idle[StepName.SNAPSHOT] = "the contract changes no database"
    return tuple(
        Step(
            name=name,
            state="skipped" if idle.get(name) else "waiting",
            plan=digests.get(PHASES[name], "") if name in PHASES else "",
            because=idle.get(name, ""),
        )
        for name in StepName
    )


_LEADS_BACK = {
    StepName.EXPAND: "`release back` reverts it",
    StepName.MIGRATE: "`release back` reverts it, and takes the former code back",
    StepName.CONTRACT: "only a snapshot has what it removes",
}


def what_it_does(plans: Plans) -> Iterator[str]:
    """Yield, as lines, what each step does, why that may hurt, and how it is undone."""
    hazards = {
        (each.database, one.version): one
        for plan in plans.values()
        for each in plan.databases
        for one in each.hazards
    }
    for name, own in works(plans).items():
        if not own:
            continue
        yield f"{name}: {_LEADS_BACK[name]}"
        for each in sorted(own, key=lambda it: (it.place, it.what)):
            yield f"  {each.place} {each.what}"
            if hazard := hazards.get((each.place, each.what)):
                yield f"    {hazard.code}: {hazard.what}: {hazard.because}"


def soak_of(rules: ReleaseRules, asked: float | None, *, protected: bool) -> float:
    """Return for how long the new code soaks: as is asked for, else as the manifest says.

    Raises Refused for less than the manifest says where the environment is protected.
    """
    if asked is None:
        return rules.soak
    if protected and asked < rules.soak:
        raise Refused(
            f"a soak of {whole_hours(asked)} is shorter than that of the environment",
            because=f"it is protected, and the manifest says {whole_hours(rules.soak)}",
            try_="leave out --soak, or have the manifest changed and reviewed",
        )
    return asked


class Opening(Struct, frozen=True):
    """Whether a release may be opened: the gate, and the release that it carries on; 0: none."""

    gate: Gate
    supersedes: int = 0


def may_open(new: Plans, others: Iterable[Release], plans_of: Mapping[int, Plans]) -> Opening:
    """Return whether a release with the plans `new` may be opened beside `others` of the environment.

    One at a time. While one soaks, another may carry it on if it adds expands alone, and has all that the first one
    has left to do. `plans_of`: by number, the plans of the one that `to_carry_on` names.
    """
    others = list(others)
    if closed := in_the_way(others):
        return Opening(closed)
    alone = Opening(Gate(name="one at a time", is_open=True, because="no other release is open"))
    former = to_carry_on(others)
    if former is None:
        return alone
    left = works(plans_of[former.number])[StepName.CONTRACT]
    if reason := _adds_more(works(new), left):
        is_over = former.state != "open"
        return alone if is_over else Opening(_closed(former, f"release {former.number} soaks, and {reason}"))
    because = f"it adds expands alone, and carries on release {former.number}"
    return Opening(Gate(name="one at a time", is_open=True, because=because), former.number)


def to_carry_on(others: Sequence[Release]) -> Release | None:
    """Return the release that a new one carries on, if its plans are such; None for none.

    It is the one that is open; or the newest of all where that ended for one that was never opened: whoever did that
    was killed between the two.
    """
    if open_ := _open(others):
        return open_[0]
    newest = max(others, key=lambda each: each.number, default=None)
    return newest if newest and newest.state == "superseded" else None


def in_the_way(others: Iterable[Release]) -> Gate | None:
    """Return the gate that no new release passes, whatever its plans are; None where they decide."""
    open_ = _open(others)
    if len(open_) > 1:
        return _closed(open_[0], f"releases {', '.join(str(each.number) for each in open_)} are open")
    if open_ and (reason := _not_soaking(open_[0])):
        return _closed(open_[0], f"release {open_[0].number} is open, and {reason}")
    return None


def _open(others: Iterable[Release]) -> list[Release]:
    return sorted((each for each in others if each.state == "open"), key=lambda each: each.number)


def _closed(other: Release, because: str) -> Gate:
    number = str(other.number)
    try_ = Hint(
        "take that one to its end: ",
        call("release next", number),
        "; or abandon it: ",
        call("release abandon", number, "--because", "REASON"),
    )
    return Gate(name="one at a time", is_open=False, because=because, try_=try_)


def _not_soaking(release: Release) -> str:
    """Return where a release is that cannot be carried on; empty while it waits to contract."""
    contract = release.step(StepName.CONTRACT)
    current = release.current
    if release.returning:
        return "it is being taken back"
    if contract.is_over or contract.began or current is None:
        return "its contract has begun"
    before = (StepName.EXPAND, StepName.CODE, StepName.MIGRATE)
    if not all(release.step(each).is_over for each in before):
        return f"its step is {current.name}"
    if current.state == "running":
        return f"its step {current.name} is being taken"
    return ""


def _adds_more(new: Mapping[StepName, frozenset[Work]], left: frozenset[Work]) -> str:
    """Return what a release has that one that carries on another may not have; empty where it has none."""
    if more := new[StepName.MIGRATE]:
        return f"this one migrates: {_named(more)}"
    if more := _named_work(new[StepName.CONTRACT]) - left:
        return f"this one adds to its contract: {_named(more)}"
    if less := _named_work(left) - new[StepName.CONTRACT]:
        return f"this one lacks what it has left to contract: {_named(less)}"
    return ""


def _named_work(work: frozenset[Work]) -> frozenset[Work]:
    """Return what is about databases: what a stack loses is told by the databases in it."""
    return frozenset(each for each in work if each.phase is not None)


def _named(work: Iterable[Work]) -> str:
    return "; ".join(f"{each.place} {each.what}" for each in _few(sorted(work, key=str)))


def _few(work: Sequence[Work]) -> Sequence[Work]:
    return work[:3]
