"""The snapshots of a release: taken where the databases are reached, here or in the environment's task."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

from msgspec.structs import replace

from seedbed.model.release import SNAPSHOT, Evidence

if TYPE_CHECKING:
    from seedbed.project.releasing.going import Operator
    from seedbed.project.releasing.unpacked import Unpacked


def taken(
    operator: Operator, unpacked: Unpacked, databases: Sequence[str], number: int, since: float
) -> list[Evidence]:
    """Return what shows that each of `databases` has a snapshot that can be restored, taken after `since`.

    Raises Interrupted.
    """
    if unpacked.environment.has_runs:
        return [_by_task(operator, unpacked, each, number, since) for each in databases]
    from seedbed.project.snapshots import ReleaseSnapshots

    project = unpacked.project
    taking = ReleaseSnapshots(
        project.targets, unpacked.environment, stop=operator.stop, tell=operator.tell, home=operator.files
    )
    asked = [project.catalog.database(each) for each in databases]
    found = taking.take(asked, number, since=since)
    now = operator.store.now()
    return [
        replace(each.evidence(now), about=each.database, since=each.snapshot.taken if each.snapshot else 0.0)
        for each in found
    ]


def _by_task(operator: Operator, unpacked: Unpacked, database: str, number: int, since: float) -> Evidence:
    """Have a task take the snapshot of one database, as a person would, and return what it says of it."""
    service, _, engine = database.partition("/")
    moment = datetime.fromtimestamp(since, UTC).isoformat()
    words = ("snapshot", "take", "-e", unpacked.environment.name, "--release", str(number), "--since", moment)
    operator.tell(f"$ seedbed {' '.join((*words, '-s', service, '--engine', engine))}")
    ended = unpacked.seedbed((*words, "-s", service, "--engine", engine, "--json"), operator.stop)
    operator.stop.check()
    return told(ended.output, database, operator.store.now()) or Evidence(
        SNAPSHOT, "bad", f"{database}: snapshot take ended with exit code {ended.code}", operator.store.now(),
        about=database,
    )  # fmt: skip


def told(document: bytes, database: str, at: float) -> Evidence | None:
    """Return what a document of `snapshot take` says of a database; None where it does not."""
    try:
        read = json.loads(document)
        entries: Sequence[Mapping[str, Any]] = read["evidence"]
        found = next(each for each in entries if each["about"] == database)
        since = datetime.fromisoformat(found["since"]).timestamp() if found["since"] else 0.0
        return Evidence(SNAPSHOT, cast(Any, found["verdict"]), found["text"], at, about=database, since=since)
    except (ValueError, KeyError, TypeError, StopIteration):
        return None
