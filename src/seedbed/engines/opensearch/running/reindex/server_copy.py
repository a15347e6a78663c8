"""The first copy, by the cluster itself: `_reindex` as a task, found again and followed to its end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from seedbed.engines.opensearch.files.programs import batch
from seedbed.engines.opensearch.running import tasks
from seedbed.engines.opensearch.running.reindex.job import IndexJob
from seedbed.engines.opensearch.running.reindex.run_aliases import RunAliases
from seedbed.engines.opensearch.wire.client import Client
from seedbed.engines.opensearch.wire.errors import cause
from seedbed.errors import Interrupted, StepFailed

_MOST = 2  # lost tasks that are replaced by another


def copy_on_server(
    job: IndexJob, run_aliases: RunAliases, mark: str, known: str, on_task: Callable[[str], None]
) -> Iterator[tasks.ServerTask]:
    """Copy all documents, yielding the progress; continues the task `known`, or the one found under `mark`.

    `on_task` is called with the id of the task that is followed. Raises StepFailed naming the first document that was
    refused, LeaseLost, Interrupted.
    """
    client, opaque = job.client, f"{job.opaque_id}:{mark}"
    task, is_former = known or tasks.find(client, opaque), True
    for _ in range(_MOST + 1):
        if not task:
            task, is_former = _start(job, run_aliases, opaque), False
        if task != known:
            on_task(task)
        last = yield from _follow(job, task)
        if last is not None and last.answer is not None and not last.answer.get("canceled"):
            problem = _problem(run_aliases, last.answer)
            if problem is None:
                return
            if not is_former:  # the problem of a former run may be fixed by now
                raise problem
        task = ""  # its node left, or it was cancelled: what it copied stays
    raise StepFailed(
        f"copying into {run_aliases.target} was cut short {_MOST + 1} times",
        because="its task was cancelled, or its node left the cluster",
        try_="check the cluster, then run the same command again",
    )


def _start(job: IndexJob, run_aliases: RunAliases, opaque: str) -> str:
    slices = getattr(job.options, "slices", 0) or "auto"
    body = {
        "conflicts": "proceed",
        # Through the alias of this run: a request that arrives too late finds nothing to copy.
        "source": {"index": run_aliases.reader, "size": min(batch(job.migration), 1000)},
        "dest": {"index": run_aliases.target, "version_type": "external"},
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


def _follow(job: IndexJob, task: str) -> Any:
    """Yield the task while it runs; return its end, None if that is unknown."""
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


def _problem(run_aliases: RunAliases, answer: Mapping[str, Any]) -> StepFailed | None:
    """Return why not every document was copied; conflicts are documents that were copied before."""
    error = answer.get("error")
    failures = list(answer.get("failures") or ())
    if error:
        return StepFailed(
            f"copying into {run_aliases.target} failed: {error.get('type', '')}",
            because=cause(error),
            try_="run the same command again: it continues from its checkpoint",
        )
    if failures:
        first = failures[0]
        details = first.get("cause") or first.get("reason") or {}
        what = f"the document {first['id']!r}" if "id" in first else f"shard {first.get('shard')}"
        more = f", and {len(failures) - 1} more failed" if len(failures) > 1 else ""
        return StepFailed(
            f"{run_aliases.target} refused {what}: {details.get('type', '')}",
            because=cause(details) + more,
            try_="fix it, or the definition, then run the same command again",
        )
    if answer.get("timed_out"):
        return StepFailed(f"copying into {run_aliases.target} timed out", because="OpenSearch reports it")
    return None
