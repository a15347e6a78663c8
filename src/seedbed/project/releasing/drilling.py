"""`release drill`: snapshots of a release are tried, and what that showed is kept with the release."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

from seedbed.documents.snapshot import DrillDocument
from seedbed.errors import Hint, Unavailable, UsageError, call
from seedbed.model.release import DRILL, Evidence, Release, StepName
from seedbed.planning.opening import contracted
from seedbed.planning.releases import tried
from seedbed.project.releasing.facts import chosen, plans_of
from seedbed.project.releasing.operator import Operator
from seedbed.project.releasing.unpacked import Unpacked, unpacked
from seedbed.releases import bundle as bundles

if TYPE_CHECKING:
    from seedbed.project.project import Project

_ATTEMPTS = 20  # to write evidence: each is refused only by another change of the record


def drill(
    project: Project,
    environment: str,
    operator: Operator,
    environ: Mapping[str, str],
    number: int | None = None,
) -> tuple[Release, Sequence[Evidence]]:
    """Try the snapshots of a release, and return it with what was found; None: the newest that has any.

    Raises UsageError where there is none, Interrupted.
    """
    release = chosen(operator.store, environment, number) if number else _newest(operator, environment)
    bundle = bundles.read(operator.store.get(release.bundle), release.bundle)
    found: list[Evidence] = []
    with unpacked(bundle, environment, environ, project.redactor) as there:
        there.place(operator.store, release)
        for each in contracted(plans_of(there, release)):
            operator.stop.check()
            one = _tried(operator, there, each, release.number)
            operator.tell(one.text)
            found.append(one)
            _keep(operator, release.number, one)
    return operator.store.load(release.number) or release, found


def _newest(operator: Operator, environment: str) -> Release:
    for each in reversed(operator.store.numbers()):
        found = operator.store.load(each)
        if found and found.step(StepName.SNAPSHOT).state == "done":
            return found
    raise UsageError(
        f"no release of {environment} has snapshots",
        because="they are taken before a contract",
        try_=Hint("take a release that far: ", call("release next", "--through", "snapshot")),
    )


def _tried(operator: Operator, there: Unpacked, database: str, number: int) -> Evidence:
    """Have a command try the snapshot of one database, as a person would, and return what it says of it."""
    service, _, engine = database.partition("/")
    about = ("--release", str(number), "-s", service, "--engine", engine)
    words = ("snapshot", "drill", "-e", there.environment.name, *about)
    if there.environment.has_runs:
        operator.tell(f"$ seedbed {' '.join(words)}")
        ended = there.seedbed((*words, "--json"), operator.stop)
        operator.stop.check()
        output = ended.output
    else:
        output = _here(operator, there, database, number)
    blob = operator.store.put(output) if output else ""
    return told(output, database, operator.store.now(), blob)


def _here(operator: Operator, there: Unpacked, database: str, number: int) -> bytes:
    from seedbed.documents.document import text
    from seedbed.errors import Interrupted, SeedbedError, as_one
    from seedbed.project.drills import drill as attempt
    from seedbed.project.snapshots import ReleaseSnapshots

    project, drills, errors = there.project, [], list[SeedbedError]()
    snapshots = ReleaseSnapshots(
        project.targets, there.environment, stop=operator.stop, tell=operator.tell, home=operator.files
    )
    asked = project.catalog.database(database)
    try:
        drills.append(attempt(snapshots, project.targets, asked, number, stop=operator.stop))
    except Interrupted:
        raise
    except SeedbedError as error:
        error.target = database
        errors.append(as_one(error))
    document = DrillDocument.of(
        there.environment.name, number, drills, errors, datetime.now(UTC), "snapshot drill"
    )
    return text(document).encode()


def told(document: bytes, database: str, at: float, blob: str = "") -> Evidence:
    """Return what a document of `snapshot drill` says of a database."""
    try:
        read = json.loads(document)
        entries: Sequence[Mapping[str, Any]] = read["evidence"]
        if each := next((one for one in entries if one["about"] == database), None):
            return Evidence(DRILL, cast(Any, each["verdict"]), each["text"], at, blob, about=database)
        error = next(iter(read["errors"]))
        verdict = "unknown" if error["kind"] == "TakenElsewhere" else "bad"
        return Evidence(DRILL, cast(Any, verdict), f"{database}: {error['error']}", at, blob, about=database)
    except (ValueError, KeyError, TypeError, StopIteration):
        return Evidence(
            DRILL, "bad", f"{database}: the drill ended without a result", at, blob, about=database
        )


def _keep(operator: Operator, number: int, evidence: Evidence) -> None:
    for _ in range(_ATTEMPTS):
        release = operator.store.load(number)
        if release is None or operator.store.replace(tried(release, evidence)):
            return
    raise Unavailable(f"the record of release {number} is written by others all the time")
