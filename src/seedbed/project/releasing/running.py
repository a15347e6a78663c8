"""Which code runs in ECS, by the digests of its images: an old task reads what it always read."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Literal

from seedbed.aws import services as ecs
from seedbed.errors import Interrupted, SeedbedError
from seedbed.model.release import READER, Evidence
from seedbed.project.releasing.unpacked import Unpacked
from seedbed.support.phrases import count, listed

ABOUT = "ECS"


def old_code(unpacked: Unpacked, images: Collection[str], at: float) -> Sequence[Evidence]:
    """Return whether anything of the platform runs in ECS that is none of `images`; nothing where nothing runs there.

    `images`: as bundles name them, of this release and of later ones. Raises Interrupted.
    """
    environment, platform = unpacked.environment, unpacked.project.platform.name
    is_waited_for = unpacked.rules.code.wait == "ecs"
    if not (is_waited_for or environment.region):
        return ()  # it does not lie in AWS
    try:
        cloud = unpacked.project.targets.cloud(environment)
        found = ecs.running(cloud, {"platform": platform, "environment": environment.name})
    except Interrupted:
        raise
    except SeedbedError as error:
        return (_evidence("unknown", f"which tasks run is not known: {error.what}", at),)
    if not found:
        text = "nothing there has the tags platform and environment"
        return (_evidence("unknown", text, at),) if is_waited_for else ()
    return (judged(found, {each.rpartition("@")[2] for each in images}, at),)


def judged(found: Sequence[ecs.RunningTask], wanted: Collection[str], at: float) -> Evidence:
    """Return whether each of the tasks has one of the images `wanted`; it may have containers beside."""
    if not wanted:
        return _evidence("unknown", "the bundle names no images that tasks could be compared with", at)
    left = [each for each in found if not each.images & set(wanted)]
    if old := [each for each in left if each.is_told]:
        return _evidence("bad", listed(list(_named(old, "other images")), separator="; "), at)
    if left:
        said = listed(list(_named(left, "an image whose digest is not told")), separator="; ")
        return _evidence("unknown", said, at)
    tasks = sum(1 for each in found if not each.is_idle)
    return _evidence("good", f"{count(tasks, 'task')} with images of the release, and no others", at)


def _named(tasks: Sequence[ecs.RunningTask], images: str) -> Iterator[str]:
    for name in dict.fromkeys(each.of for each in tasks):
        of = [each for each in tasks if each.of == name]
        if of[0].is_idle:
            yield f"{name} has no task, and would start {images}"
        else:
            yield f"{name} has {count(len(of), 'task')} with {images}"


def _evidence(verdict: Literal["good", "bad", "unknown"], text: str, at: float) -> Evidence:
    return Evidence(READER, verdict, f"{ABOUT}: {text}", at, about=ABOUT)
