"""Changes that an open index takes, and the first and the last of an index. Each request may be sent again."""

from __future__ import annotations

from collections.abc import Iterator

from seedbed.engines.base import Progress
from seedbed.engines.opensearch.rest import path
from seedbed.engines.opensearch.running.reindex import live, making
from seedbed.engines.opensearch.running.reindex.job import Job
from seedbed.engines.opensearch.running.reindex.live import Live
from seedbed.engines.opensearch.running.reindex.passage import Passage, change
from seedbed.engines.opensearch.running.reindex.standing import Standing, from_text
from seedbed.engines.opensearch.running.reindex.subject import Aim
from seedbed.engines.opensearch.schema.changes import Change
from seedbed.engines.opensearch.schema.names import next_serial, physical
from seedbed.engines.opensearch.schema.shape import Definition
from seedbed.engines.opensearch.wire.errors import RequestFailed
from seedbed.errors import Location, Refused, StepFailed
from seedbed.model.event import ServerNotice


def change_in_place(job: Job, there: Aim, found: Change, new: Definition) -> Iterator[Progress]:
    """Give the live index its settings, then its mappings, and with these the mark of its new version.

    Raises StepFailed, Refused where there is no index.
    """
    present = _present(job, there)
    if present.mark.get("digest") == new.digest:
        return
    passage = Passage(present.name, present.name)
    passage.open(job.client, job.lease.check)
    try:
        _put(job, passage, found, new, there.name)
    finally:
        passage.close(job.client, job.lease.check)
    for each in found.partial:
        yield ServerNotice(job.target, job.migration.version, "NOTICE", each)


def _put(job: Job, passage: Passage, found: Change, new: Definition, name: str) -> None:
    """Send the requests by this run's own alias: those of a run that was replaced find no index."""
    try:
        if found.settings:
            settings = {f"index.{key}": value for key, value in found.settings.items()}
            job.client.call(
                "PUT", path(passage.reader, "_settings"), settings, before=job.lease.check, idempotent=True
            )
        job.client.call(
            "PUT",
            path(passage.reader, "_mapping"),
            making.marked(new, name),
            before=job.lease.check,
            idempotent=True,
        )
    except RequestFailed as error:
        raise StepFailed(
            f"OpenSearch does not change {name} in place: {error.type or error.status}",
            because=error.because,
            try_="# seedbed: rebuild, for a new index that is filled with all documents",
            at=Location(job.migration.path),
        ) from None


def _present(job: Job, there: Aim) -> Live:
    if there.present is None:
        raise Refused(
            f"there is no index {there.name}",
            because="an earlier version of it is what the migration changes",
            at=Location(job.migration.path),
        )
    return there.present


def begin(job: Job, there: Aim, new: Definition) -> Iterator[Progress]:
    """Make the first index, with its alias. Raises Refused where there is one already, StepFailed."""
    standing = from_text(job.revision.checkpoint or "")
    if there.present is not None and (standing is None or there.present.mark.get("made") != standing.made):
        raise Refused(
            f"{there.name} is there already",
            because=f"the migration makes it; it leads to {there.present.name}",
            try_="baseline the migration, if it is what the definition says",
            at=Location(job.migration.path),
        )
    if standing is None or standing.digest != new.digest:
        names = [each.name for each in live.family(job.client, there.name)]
        target = physical(there.name, next_serial(there.name, names))
        standing = Standing("", target, job.migration.checksum, new.digest)
        job.save(standing.to_text())
    making.make(
        job, standing.target, new, there.name, made=standing.made, aliases=[there.name], is_filled=False
    )
    for words in making.until_green(job, standing.target):
        if words.startswith("yellow"):
            yield ServerNotice(job.target, job.migration.version, "NOTICE", f"{standing.target} is {words}")


def end(job: Job, there: Aim) -> Iterator[Progress]:
    """Remove the index, former ones of it too: one request, all or nothing."""
    ours = [each for each in live.family(job.client, there.name) if live.is_ours(each, there.name)]
    names = dict.fromkeys(each.name for each in (*ours, *([there.present] if there.present else ())))
    change(job.client, [{"remove_index": {"index": each}} for each in names], job.lease.check)
    if names:
        yield ServerNotice(
            job.target, job.migration.version, "NOTICE", f"removed {', '.join(names)} and the documents in it"
        )
