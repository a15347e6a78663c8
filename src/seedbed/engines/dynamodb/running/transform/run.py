"""A transformation carried out over a table: a segmented parallel scan, until nothing is left to do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from seedbed.engines.base import Progress
from seedbed.engines.dynamodb.running.transform.job import TransformJob, found
from seedbed.engines.dynamodb.running.transform.walk import TableWalk
from seedbed.errors import Location, Unavailable

_USABLE = frozenset({"ACTIVE", "UPDATING"})
_STATES = {"CREATING": "is still being created", "DELETING": "is being deleted"}


def run(job: TransformJob) -> Iterator[Progress]:
    """Transform every item, telling how far it is once a page; goes on where its checkpoints say.

    Raises StepFailed naming the item, LeaseLost, Interrupted; Refused, Unavailable where the table cannot be used.
    """
    described = _described(job)
    walk = TableWalk(
        job, items=int(described.get("ItemCount", 0)), size=float(described.get("TableSizeBytes", 0))
    )
    yield from walk.events()


def _described(job: TransformJob) -> Mapping[str, Any]:
    """Return what the server says of the table. Raises Refused, Unavailable where it cannot be used."""
    described: dict[str, Any] = found(
        job, lambda: job.client.call("DescribeTable", {"TableName": job.table})["Table"]
    )
    status = described.get("TableStatus", "ACTIVE")
    if status not in _USABLE:
        raise Unavailable(
            f"{job.migration.label} cannot begin: {job.table} {_STATES.get(status, f'is {status}')}",
            because="its items can be neither read nor written",
            try_="run the same command again once it is ready",
            at=Location(job.migration.path),
        )
    return described
