"""Looks at databases: from here, or through the state document where they are reached in their network only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from seedbed.errors import Hint, SeedbedError, UsageError, call

if TYPE_CHECKING:
    from seedbed.cli.context import CommandContext
    from seedbed.cli.travel.recorder import Recorder
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
    bucket = state.bucket_of(project.targets.cloud(where), project.platform.name, where.name)
    known = state.state(bucket, where.name).remembered()
    with project.recall(env, databases, known, now=datetime.now(UTC)) as run:
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
    from seedbed.documents.state import StateDocument
    from seedbed.remote import state

    try:
        seen = run.remembered(recorder.run_id, datetime.now(UTC))
        document = StateDocument.of(run.environment.name, seen, context.command)
        state.leave(recorder.bucket, document, context.redactor)
    except SeedbedError as error:  # the run is what counts; the document that was there stays, with its age
        context.out.log(f"what this run saw is not in the state document: {error.what}", level=-1)
