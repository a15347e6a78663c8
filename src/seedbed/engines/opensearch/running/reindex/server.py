"""The first copy, made by the cluster itself: `_reindex` as a task, found again and followed to its end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from seedbed.engines.opensearch.files.programs import batch
from seedbed.engines.opensearch.running import tasks
from seedbed.engines.opensearch.running.reindex.job import Job
from seedbed.engines.opensearch.running.reindex.passage import Passage
from seedbed.engines.opensearch.wire.client import Client
from seedbed.engines.opensearch.wire.errors import cause
from seedbed.errors import Interrupted, StepFailed

_MOST = 2  # tasks that are lost, before we give up


def fill(
    job: Job, passage: Passage, mark: str, known: str, on_task: Callable[[str], None]
) -> Iterator[tasks.Task]:
    """Copy all documents, yielding how far that is; goes on with the task `known`, or one found under `mark`.

    `on_task` is told the id of the task that is followed. Raises StepFailed naming the first document that was
    refused, LeaseLost, Interrupted.
    """
    client, opaque = job.client, f"{job.opaque_id}:{mark}"
    task, is_former = known or tasks.find(client, opaque), True
    for _ in range(_MOST + 1):
        if not task:
            task, is_former = _start(job, passage, opaque), False
        if task != known:
            on_task(task)
        last = yield from _followed(job, task)
        if last is not None and last.answer is not None and not last.answer.get("canceled"):
            problem = _problem(passage, last.answer)
            if problem is None:
                return
            if not is_former:  # what a former run met may be mended by now
                raise problem
        task = ""  # it vanished with its node, or was cancelled: what it copied is there
    raise StepFailed(
        f"filling {passage.target} ended {_MOST + 1} times before its end",
        because="its task was cancelled, or vanished with its node",
        try_="look at the cluster, then run the same command again",
    )


def _start(job: Job, passage: Passage, opaque: str) -> str:
    slices = getattr(job.options, "slices", 0) or "auto"
    body = {
        "conflicts": "proceed",
        # By the alias of this run: a request that comes too late finds nothing to copy.
        "source": {"index": passage.reader, "size": min(batch(job.migration), 1000)},
        "dest": {"index": passage.target, "version_type": "external"},
    }
    return tasks.start(
        job.client,
        "POST",
        "/_reindex",
        body,
        opaque_id=opaque,
        params={"slices": slices},
        before=job.lease.check,
    )


def _followed(job: Job, task: str) -> Any:
    """Yield the task as it goes on; return how it ended, None where nobody knows."""
    last = None
    try:
        for each in tasks.follow(job.client, task, job.lease.check):
            last = each
            yield each
    except Interrupted:
        _cancel(job.client, task)
        raise
    return last if last is not None and last.is_over else None


def _cancel(client: Client, task: str) -> None:
    sheltered = client.sheltered(timeout=5.0)
    try:
        tasks.cancel(sheltered, task)
    finally:
        sheltered.close()


def _problem(passage: Passage, answer: Mapping[str, Any]) -> StepFailed | None:
    """Return why not every document was copied; conflicts are documents that were there already."""
    error = answer.get("error")
    failures = list(answer.get("failures") or ())
    if error:
        return StepFailed(
            f"filling {passage.target} failed: {error.get('type', '')}",
            because=cause(error),
            try_="run the same command again: it goes on where it stands",
        )
    if failures:
        first = failures[0]
        words = first.get("cause") or first.get("reason") or {}
        what = f"the document {first['id']!r}" if "id" in first else f"shard {first.get('shard')}"
        more = f", and {len(failures) - 1} more failed" if len(failures) > 1 else ""
        return StepFailed(
            f"{what} does not go into {passage.target}: {words.get('type', '')}",
            because=cause(words) + more,
            try_="mend it, or the definition, and run the same command again",
        )
    if answer.get("timed_out"):
        return StepFailed(f"filling {passage.target} timed out", because="OpenSearch says so")
    return None
