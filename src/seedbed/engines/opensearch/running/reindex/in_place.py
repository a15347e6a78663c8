"""Changes to an open index, and the creation and removal of an index. Every request may be repeated."""

from __future__ import annotations

from collections.abc import Iterator

from seedbed.engines.base import Progress
from seedbed.engines.opensearch.rest import path
from seedbed.engines.opensearch.running.reindex import creation, existing
from seedbed.engines.opensearch.running.reindex.checkpoint import ReindexCheckpoint, from_text
from seedbed.engines.opensearch.running.reindex.goal import Goal, exists, missing
from seedbed.engines.opensearch.running.reindex.job import IndexJob
from seedbed.engines.opensearch.running.reindex.run_aliases import RunAliases, change_aliases
from seedbed.engines.opensearch.schema.changes import IndexChange
from seedbed.engines.opensearch.schema.names import next_serial, physical
from seedbed.engines.opensearch.schema.shape import IndexDefinition
from seedbed.engines.opensearch.wire.errors import RequestFailed
from seedbed.errors import Location, StepFailed
from seedbed.model.event import ServerNotice


def change_in_place(
    job: IndexJob, goal: Goal, found: IndexChange, new: IndexDefinition
) -> Iterator[Progress]:
    """Put the settings, then the mappings with the mark of the new version, on the current index.

    Raises StepFailed, Refused if there is no index.
    """
    current = goal.current
    if current is None:
        raise missing(job.migration, "it changes an earlier version of it")
    if current.mark.get("digest") == new.digest:
        return
    run_aliases = RunAliases(current.name, current.name)
    run_aliases.create(job.client, job.lease.check)
    try:
        _put(job, run_aliases, found, new, goal.name)
    finally:
        run_aliases.remove(job.client, job.lease.check)
    for each in found.partial:
        yield ServerNotice(job.target, job.migration.version, "NOTICE", each)


def _put(job: IndexJob, run_aliases: RunAliases, found: IndexChange, new: IndexDefinition, name: str) -> None:
    """Send the requests through the alias of this run: those of a run that was taken over find no index."""
    try:
        if found.settings:
            settings = {f"index.{key}": value for key, value in found.settings.items()}
            job.client.call(
                "PUT",
                path(run_aliases.reader, "_settings"),
                settings,
                before=job.lease.check,
                idempotent=True,
            )
        job.client.call(
            "PUT",
            path(run_aliases.reader, "_mapping"),
            creation.with_mark(new, name),
            before=job.lease.check,
            idempotent=True,
        )
    except RequestFailed as error:
        raise StepFailed(
            f"OpenSearch refused to change {name} in place: {error.type or error.status}",
            because=error.because,
            try_="add `rebuild` to its directives, for a new index that is filled with all documents",
            at=Location(job.migration.path),
        ) from None


def create_first(job: IndexJob, goal: Goal, new: IndexDefinition) -> Iterator[Progress]:
    """Create the first index and its alias. Raises Refused if there is an index already, StepFailed."""
    checkpoint = from_text(job.revision.checkpoint or "")
    if goal.current is not None and (checkpoint is None or goal.current.mark.get("made") != checkpoint.made):
        raise exists(job.migration, goal.current)
    if checkpoint is None or checkpoint.digest != new.digest:
        names = [each.name for each in existing.family(job.client, goal.name)]
        target = physical(goal.name, next_serial(goal.name, names))
        checkpoint = ReindexCheckpoint("", target, job.migration.checksum, new.digest)
        job.save(checkpoint.to_text())
    creation.create_index(
        job, checkpoint.target, new, goal.name, made=checkpoint.made, aliases=[goal.name], is_filled=False
    )
    for message in creation.until_green(job, checkpoint.target):
        if message.startswith("yellow"):
            yield ServerNotice(
                job.target, job.migration.version, "NOTICE", f"{checkpoint.target} is {message}"
            )


def remove_index(job: IndexJob, goal: Goal) -> Iterator[Progress]:
    """Remove the index and its former indexes: one request, all or nothing."""
    ours = [
        each for each in existing.family(job.client, goal.name) if existing.is_created_for(each, goal.name)
    ]
    names = dict.fromkeys(each.name for each in (*ours, *([goal.current] if goal.current else ())))
    change_aliases(job.client, [{"remove_index": {"index": each}} for each in names], job.lease.check)
    if names:
        yield ServerNotice(
            job.target, job.migration.version, "NOTICE", f"removed {', '.join(names)} with all documents"
        )
