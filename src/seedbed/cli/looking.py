"""Looks at databases: from here, or through the state document where they are reached in their network only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from seedbed.errors import Hint, SeedbedError, UsageError, call, hint_text

if TYPE_CHECKING:
    from seedbed.aws.objects import Bucket
    from seedbed.cli.context import CommandContext
    from seedbed.cli.travel.recorder import Recorder
    from seedbed.model.deployment import Deployment
    from seedbed.model.environment import Environment
    from seedbed.model.platform import Database
    from seedbed.project import Run


def recalls(context: CommandContext, *, fresh: bool) -> bool:
    """Return whether a look is answered from what runs left: databases are reached by a task, and this is none."""
    if fresh or context.is_local or context.recorder is not None:
        return False
    return context.catalog.environment(context.environment).access == "task"


@contextmanager
def look(context: CommandContext, env: str, databases: Sequence[Database], *, fresh: bool) -> Iterator[Run]:
    """Yield a silent run on `databases`, or one that answers from the state document and asks none of them.

    Raises Unavailable where no run has left anything yet, and what reading the document raises.
    """
    if not recalls(context, fresh=fresh):
        with context.run(env, databases, wait=0, silent=True) as run:
            yield run
        return
    from seedbed.remote import state

    project, where = context.project, context.catalog.environment(env)
    known, now = state.as_of(_bucket(context, where), where.name)
    with project.recall(env, databases, known.remembered(), now=now) as run:
        yield run


def require_asked(context: CommandContext, *, fresh: bool, sample: int, stacks: bool) -> None:
    """Raise UsageError where data are to be tried, and no database is asked; or `stacks` to be shown, in a task."""
    if stacks and context.recorder is not None:
        raise UsageError(
            "--stacks and --drop are about stacks, and with --fresh the plan is made in a task",
            because="there is no CDK app there",
            try_=Hint(
                "leave --fresh out; ask the databases before: ", call("status", "--fresh", about_all=True)
            ),
        )
    if sample and recalls(context, fresh=fresh):
        raise UsageError(
            "--sample tries data migrations on data, and this plan is made from what the last runs left",
            because=f"the databases of {context.environment} are reached in their network only",
            try_=Hint("ask them: ", call("plan", "--fresh", "--sample", str(sample), about_all=True)),
        )


@contextmanager
def left(context: CommandContext, run: Run) -> Iterator[None]:
    """Leave what `run` sees at its end, however it ends, where it is carried out in its network for somebody."""
    try:
        yield
    finally:
        if context.recorder is not None:
            _leave(context, context.recorder, run)


def _leave(context: CommandContext, recorder: Recorder, run: Run) -> None:
    try:
        _write(context, recorder.bucket, run, recorder.run_id, datetime.now(UTC))
    except SeedbedError as error:  # the run is what counts; the document that was there stays, with its age
        context.out.log(f"what this run saw is not in the state document: {error.what}", level=-1)


def _write(context: CommandContext, bucket: Bucket, run: Run, run_id: str, at: datetime) -> None:
    from seedbed.documents.state import StateDocument
    from seedbed.remote import state

    if seen := run.remembered(run_id, at):
        document = StateDocument.of(run.environment.name, seen, context.command)
        state.leave(bucket, document, context.redactor)


@contextmanager
def deploys(context: CommandContext, run: Run, deployment: Deployment) -> Iterator[None]:
    """Keep the state document honest while `deployment` changes stacks.

    Before, the databases whose stacks are updated are marked in it: so it is true of a deployment that is killed, too,
    and of those that only a run in the network can look at. After, those that `run` has open are told as they are now.
    """
    from seedbed.remote import state

    if run.environment.access != "task":
        yield
        return
    with _telling(context):
        _mark(context, run, deployment)
    try:
        yield
    finally:
        with _telling(context):
            bucket = _bucket(context, run.environment)
            _write(context, bucket, run, "", state.now(bucket, run.environment.name))


@contextmanager
def _telling(context: CommandContext) -> Iterator[None]:
    try:
        yield
    except SeedbedError as error:
        how = hint_text(Hint(call("status", "--fresh", about_all=True)), context.environment, "")
        said = f"plan and status may tell the state of before this deployment, until {how}: {error.what}"
        context.out.log(said, level=-1)


def _mark(context: CommandContext, run: Run, deployment: Deployment) -> None:
    from seedbed.model.names import stack_name
    from seedbed.remote import state

    updated = {each.stack for each in deployment.rollouts if each.updates}
    platform, name = run.catalog.platform, run.environment.name
    changed = [
        each.id
        for each in platform.databases
        if stack_name(platform.name, name, each.service, each.engine) in updated
    ]
    if not changed:
        return
    try:
        bucket = _bucket(context, run.environment)
    except UsageError:  # it was never deployed: nothing is known of it yet
        return
    state.mark(bucket, run.environment.name, changed)


def _bucket(context: CommandContext, where: Environment) -> Bucket:
    from seedbed.remote import state

    return state.bucket_of(context.project.targets.cloud(where), context.project.platform.name, where)
