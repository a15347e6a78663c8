"""What steps ask and tell: of the platform, of documents, of services."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from seedbed.execution.stopping import Stop
from seedbed.model.release import Release
from seedbed.model.release_rules import NewCode
from seedbed.model.seed import SeedKind
from seedbed.project.releasing.code import Bringing, Look
from seedbed.support.phrases import count, listed

if TYPE_CHECKING:
    from seedbed.project.project import Project
    from seedbed.project.releasing.unpacked import Unpacked


def has_reference_data(project: Project) -> bool:
    """Return whether any database has reference data."""
    return SeedKind.REFERENCE in project.catalog.seed_kinds(project.platform.databases)


def told(document: Mapping[str, Any]) -> str:
    """Return what a document of a command says, in one line; empty where it says nothing that is known."""
    kind = str(document.get("schema", "")).split("/")[1:2]
    if kind == ["outcome"]:
        return _outcome(document)
    if kind == ["verification"]:
        parts = ("references", "expectations", "ownership")
        found = [each for part in parts for each in document.get(part) or ()]
        return f"{count(len(found), 'claim')} checked" if document.get("passed") else "something is broken"
    errors = document.get("errors") or ()
    return str(errors[0].get("error", "")) if errors else ""


def _outcome(document: Mapping[str, Any]) -> str:
    targets = document.get("targets", ())
    failed = [str(each["error"]["error"]) for each in targets if each.get("error")]
    if failed:
        return failed[0]
    finished = sum(len(each.get("finished", ())) for each in targets)
    rows = sum(int(each.get("rows_changed", 0)) for each in targets)
    updates = sum(int(each.get("updates", 0)) for each in targets)
    done = [
        count(many, one)
        for many, one in ((updates, "update"), (finished, "migration"), (rows, "row"))
        if many
    ]
    if not done:
        return "changed" if document.get("changed") else "nothing to do"
    return f"{listed(done)} in {count(sum(1 for each in targets if each['result'] == 'changed'), 'database')}"


def bringing(
    release: Release,
    code: NewCode,
    unpacked: Unpacked,
    stop: Stop,
    tell: Callable[[str], None],
    now: Callable[[], float],
) -> Bringing:
    """Return the new code of `release` on its way."""
    return Bringing(
        release,
        code,
        unpacked.platform,
        unpacked.environ,
        stop,
        tell,
        now,
        lambda images: services(unpacked, images),
        locks=unpacked.locks,
    )


def services(unpacked: Unpacked, images: Mapping[str, str]) -> Look:
    """Return whether every service of the environment runs images of a bundle, and since when. Raises what AWS does."""
    from seedbed.aws import services as ecs

    project, environment = unpacked.project, unpacked.environment
    tags = {"platform": project.platform.name, "environment": environment.name}
    found = ecs.services(project.targets.cloud(environment), tags)
    if not found:
        return Look("no service of ECS has the tags platform and environment")
    wanted = {each.rpartition("@")[2] for each in images.values()}
    for each in found:
        if each.settling:
            return Look(f"{each.name}: {each.settling}")
        if others := [sorted(one) for one in each.tasks if not one & wanted]:  # it may have containers beside
            return Look(f"{each.name} has {count(len(others), 'task')} of other images: {listed(others[0])}")
    names = listed([each.name for each in found])
    return Look("", f"every task of {names} has an image of the release", max(each.since for each in found))
