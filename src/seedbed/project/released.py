"""Where the releases of an environment are kept, and whether a change belongs to one.

Where the manifest has a [release], a protected environment changes by releases. The command that changes the target
asks the record itself, wherever it runs: whoever calls it may say anything.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from seedbed.errors import Hint, Location, Refused, StalePlan, UsageError, call
from seedbed.model.environment import Environment
from seedbed.model.names import CONTROL_BUCKET, CONTROL_ENVIRONMENT, CONTROL_TABLE
from seedbed.model.release import StepName
from seedbed.planning.reviewed import ReviewedPlan
from seedbed.project.protection import Reviewable, asks_for_release
from seedbed.project.targets import Targets

if TYPE_CHECKING:  # few commands ask for a record
    from seedbed.model.platform import Database
    from seedbed.model.release import Release, Step
    from seedbed.releases.store import ReleaseStore

# Where a directory keeps the releases, for the commands of a step: they work on the bundle, unpacked elsewhere.
DIRECTORY = "SEEDBED_RELEASES"
_USUAL = Path(".seedbed", "releases")


def directory_of(targets: Targets, environment: Environment) -> Path | None:
    """Return the directory that keeps the releases of an environment; None where a table does."""
    said = environment.releases.store if environment.releases else ""
    if (database := _database(targets, said)) and not environment.is_sandbox:
        return None
    if not said and environment.region and not environment.is_sandbox:
        return None
    if there := targets.environ.get(DIRECTORY):
        return Path(there)
    place = _USUAL if database else said or _USUAL
    return Path(targets.catalog.platform.root, place, environment.name).absolute()


def open_releases(targets: Targets, environment: Environment) -> Mapping[int, bool]:
    """Return the numbers of the releases that are open, and whether the contract of each has begun.

    None where the environment has no place for any yet.
    """
    try:
        store = store_of(targets, environment)
    except UsageError:
        return {}
    found = [store.load(each) for each in store.numbers()]
    opened = [each for each in found if each is not None and each.state == "open"]
    return {each.number: bool(each.step(StepName.CONTRACT).began) for each in opened}


def store_of(targets: Targets, environment: Environment) -> ReleaseStore:
    """Return what keeps the releases of an environment.

    Raises UsageError where it was never deployed, and what `seedbed.aws` raises.
    """
    if directory := directory_of(targets, environment):
        from seedbed.releases.directory_store import DirectoryStore

        return DirectoryStore(directory, environment.name)
    if environment.releases and (database := _database(targets, environment.releases.store)):
        return _in_database(targets, environment, database)
    from seedbed.aws.items import Table
    from seedbed.aws.objects import Bucket
    from seedbed.releases.table_store import TableStore

    environ = targets.environ
    is_own = environ.get(CONTROL_ENVIRONMENT) == environment.name and environ.get(CONTROL_TABLE)
    if targets.in_task and is_own:  # elsewhere anybody could name a table of his own
        from seedbed.environments import aws

        # Its own task, as the worker there reaches them: by its role, of which no variable tells a secret.
        cloud = aws.cloud(environment, environ)
        table, bucket = environ[CONTROL_TABLE], environ.get(CONTROL_BUCKET, "")
    else:
        cloud = targets.cloud(environment)
        from seedbed.aws.identity import require_account
        from seedbed.remote.place import control_of

        require_account(cloud)
        names = control_of(cloud, targets.catalog.platform.name, environment)
        table, bucket = names["table"], names["bucket"]
    return TableStore(Table(cloud, table), Bucket(cloud, bucket), environment.name)


def _database(targets: Targets, store: str) -> Database | None:
    """Return the database that `store` of the manifest names, None where it names a directory or nothing."""
    return next((each for each in targets.catalog.platform.databases if each.id == store), None)


def _in_database(targets: Targets, environment: Environment, database: Database) -> ReleaseStore:
    from seedbed.engines.records import SupportsRecords
    from seedbed.model.target import NoAddress
    from seedbed.releases.database_store import DatabaseStore

    engine = targets.catalog.engine(database.engine)
    if not isinstance(engine, SupportsRecords):
        raise UsageError(
            f"{database.id} cannot keep releases",
            because=f"{database.engine} keeps no records",
            try_="store of [release] is another database, or a directory",
        )
    with targets.open(environment, [database]) as (target,):
        if isinstance(target.address, NoAddress):
            raise target.address.error
        records = engine.records(target.address, environment.name)
    return DatabaseStore(records, environment.name, str(database.id))


def require_released(targets: Targets, environment: Environment, request: Reviewable, verb: str) -> None:
    """Raise Refused unless `request` is of a release whose step is being taken, where that is asked for.

    A plan that names a release is of that step alone in every environment. Raises UsageError and Unavailable where the
    record cannot be asked.
    """
    if not asks_for_release(environment, request):
        return
    plan = request.reviewed
    if plan is not None and plan.release:
        store = store_of(targets, environment)
        taken = _require_taken(store, environment, plan, verb)
        _require_approved(store, *taken, environment, plan)
    else:
        raise Refused(
            f"{environment.name} changes by releases, and {'the plan is of none' if plan else 'there is no plan'}",
            because="it is protected, and the manifest has a [release]",
            try_=Hint("open one: ", call("release open", "release.tar"), "; then ", call("release next")),
            at=Location(plan.path) if plan else None,
        )


def _require_taken(
    store: ReleaseStore, environment: Environment, plan: ReviewedPlan, verb: str
) -> tuple[Release, Step]:
    """Return the release of `plan` and the step whose plan this is. Raises Refused unless that is being taken."""
    from seedbed.model.release import PHASES

    release = store.load(plan.release)
    if release is None:
        raise UsageError(
            f"{environment.name} has no release {plan.release}",
            because="the plan names it",
            try_="see which there are",
            at=Location(plan.path),
        )
    of_plan = [each for each in release.steps if each.name in PHASES and each.plan == plan.sha256]
    what = f"release {release.number} of {environment.name}"
    if not of_plan:
        raise StalePlan(
            f"{what} has another plan",
            because="the plan file is none of those that its record names",
            try_=Hint("go on with the release: ", call("release next")),
            at=Location(plan.path),
        )
    if wrong := [each.name for each in of_plan if PHASES[each.name] is not plan.gate]:
        raise Refused(
            f"{what} has a plan through {plan.gate.value} as that of {wrong[0]}",
            because="each step carries out the plan through its own phase, and is approved for that",
            try_="look who wrote the record; then open a new release",
            at=Location(plan.path),
        )
    if release.state != "open" or all(each.state != "running" for each in of_plan):
        at = (
            f"it is {release.state}"
            if release.state != "open"
            else f"{of_plan[0].name} is not being taken now"
        )
        raise Refused(
            f"{verb} takes a plan of {what} only while its step is being taken",
            because=at,
            try_=Hint("go on with the release: ", call("release next")),
            at=Location(plan.path),
        )
    return release, next(each for each in of_plan if each.state == "running")


def _require_approved(
    store: ReleaseStore, release: Release, step: Step, environment: Environment, plan: ReviewedPlan
) -> None:
    """Raise Refused unless others than who opened and carries it out approved the step, as far as that is asked for,
    and those before it.

    Whoever may write the record can write there that the step is taken; what these left, only they themselves can.
    """
    from seedbed.model.release import Identity
    from seedbed.planning.consents import consents
    from seedbed.planning.release_facts import Facts
    from seedbed.planning.rules_in_force import in_force
    from seedbed.project.rules import declared, rules_for, rules_of

    own = declared(store.get(release.manifest), environment.name) if release.manifest else environment
    found = rules_for(store, release, own)
    facts = Facts(
        now=store.now(),
        # What carries it out has a manifest, too: in a task, one that no record names.
        rules=in_force(found.rules, rules_of(environment)).rules,
        looser=found.looser,
        caller=Identity("", ""),
        approvals=store.approvals(release.number),
        openings=store.openings(release.number),
    )
    for name in _let_in_by(release, step, plan):
        known = replace(facts, caller=release.step(name).by or Identity("", ""))
        if name is not step.name:  # it was let in when it was taken, however long ago that is
            known = replace(known, rules=replace(facts.rules, approval_max_age=math.inf))
        closed = [each for each in consents(release, name, known) if not each.is_open]
        if closed:
            raise Refused(
                f"{name} of release {release.number} of {environment.name} is not approved",
                because="\n".join(f"{each.name}: {each.because}" for each in closed),
                try_=next(each.try_ for each in closed),
                at=Location(plan.path),
            )


def _let_in_by(release: Release, step: Step, plan: ReviewedPlan) -> list[StepName]:
    """Return the steps whose approvals let `plan` in: its own, and those before it.

    A plan through a phase has what is left of those before it, and that these were taken stands in the record alone.
    Raises Refused where the record says that one of them had nothing to do, and the plan has something that it would
    have done: behind what is of a later phase, in its own database or in one that it waits for, it could not.
    """
    from seedbed.model.release import PHASES, STEPS, StepName
    from seedbed.model.release_rules import GATED

    before = [each for each in STEPS[: STEPS.index(step.name) + 1] if each in GATED]
    skipped = [each for each in before if release.step(each).state == "skipped"]
    for each in skipped:
        if each is StepName.CODE or plan.has_work_of(PHASES[each]):
            raise Refused(
                f"{each} of release {release.number} of {release.environment} was not taken",
                because="its record says that there is nothing to do, and there is",
                try_="look who wrote the record; then open a new release",
                at=Location(plan.path),
            )
    return [each for each in before if each not in skipped]
