"""The snapshots of a release: taken where the databases are reached, here or in the environment's task."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

from msgspec.structs import replace

from seedbed.model.release import SNAPSHOT, Evidence, Release, StepName
from seedbed.model.snapshot import Snapshot
from seedbed.planning.release_gates import latest

if TYPE_CHECKING:
    from seedbed.project.releasing.facts import Readers
    from seedbed.project.releasing.operator import Operator
    from seedbed.project.releasing.unpacked import Unpacked

_FRESH = 60.0  # seconds for which what a task said does, while gates are waited for


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


class StillKept:
    """What tells, besides `readers`, whether the snapshots of a release can be restored at the time of its contract.

    Between the two, one may have been deleted, or have lost a part.
    """

    def __init__(self, operator: Operator, readers: Readers) -> None:
        self._operator, self._readers = operator, readers
        self._last: tuple[float, float, list[Evidence]] | None = None

    def __call__(self, unpacked: Unpacked, release: Release, databases: Sequence[str]) -> Sequence[Evidence]:
        return [*self._readers(unpacked, release, databases), *self._kept(unpacked, release, databases)]

    def _kept(self, unpacked: Unpacked, release: Release, databases: Sequence[str]) -> Sequence[Evidence]:
        """Return what there is of those snapshots that the record calls good, in a task not more often than needed."""
        step = release.step(StepName.SNAPSHOT)
        known = latest(step.evidence, SNAPSHOT)
        asked = [each for each in databases if each in known and known[each].verdict == "good"]
        if not asked:
            return []
        if not unpacked.environment.has_runs:
            return _looked(self._operator, unpacked, asked, release.number)
        now = time.monotonic()
        if self._last is None or self._last[0] != step.ended or now - self._last[1] > _FRESH:
            found = _looked_by_task(self._operator, unpacked, asked, release.number)
            self._last = step.ended, now, found
        return self._last[2]


def _looked(operator: Operator, unpacked: Unpacked, databases: Sequence[str], number: int) -> list[Evidence]:
    from seedbed.project.snapshots import ReleaseSnapshots

    project = unpacked.project
    looking = ReleaseSnapshots(
        project.targets, unpacked.environment, stop=operator.stop, tell=operator.tell, home=operator.files
    )
    found = looking.look([project.catalog.database(each) for each in databases], number)
    return [
        replace(each.evidence(0.0), about=each.database, since=each.snapshot.taken if each.snapshot else 0.0)
        for each in found
    ]


def _looked_by_task(
    operator: Operator, unpacked: Unpacked, databases: Sequence[str], number: int
) -> list[Evidence]:
    """Have a task list the snapshots of a release, and return what it says of each of `databases`."""
    pairs = [each.partition("/") for each in databases]
    selection = [word for service, _, _ in pairs for word in ("-s", service)]
    selection += [word for engine in sorted({each[2] for each in pairs}) for word in ("--engine", engine)]
    words = ("snapshot", "list", "-e", unpacked.environment.name, "--release", str(number), *selection)
    ended = unpacked.seedbed((*words, "--json"), operator.stop)
    operator.stop.check()
    return [listed(ended.output, each, ended.code) for each in databases]


def listed(document: bytes, database: str, code: int = 0) -> Evidence:
    """Return what a document of `snapshot list` says of the newest snapshot of a database."""
    try:
        read = json.loads(document)
        found = next((each for each in read["snapshots"] if each["database"] == database), None)
        if found is not None:
            return _described(found).evidence(0.0)
        errors = [each["error"] for each in read["errors"] if each["target"] in {"", database}]
        said = "; ".join(errors) or "there is no snapshot of this release"
    except (ValueError, KeyError, TypeError):
        said = f"snapshot list ended with exit code {code}"
    return Evidence(SNAPSHOT, "bad", f"{database}: {said}", 0.0, about=database)


def _described(entry: Mapping[str, Any]) -> Snapshot:
    """Return the snapshot that an entry of a list is of."""
    return Snapshot(
        id=entry["id"],
        database=entry["database"],
        release=entry["release"],
        state=entry["state"],
        taken=datetime.fromisoformat(entry["taken"]).timestamp() if entry["taken"] else 0.0,
        size=entry["size"] or 0,
        because=entry["because"],
    )
