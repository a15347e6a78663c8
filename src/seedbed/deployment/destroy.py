"""Deleting stacks, in ephemeral environments only: the CDK CLI deletes, we follow it to the end."""

from __future__ import annotations

import time
from collections.abc import Sequence

from msgspec import Struct

from seedbed.deployment.assembly import Stack
from seedbed.deployment.parts import Part, plain
from seedbed.deployment.site import Site
from seedbed.deployment.stacks import Standing
from seedbed.deployment.synthesis import require_same_account
from seedbed.errors import SeedbedError, StepFailed
from seedbed.model.environment import require_ephemeral
from seedbed.model.event import DeployFinished, DeployStarted, TargetDone, TargetSkipped, failure
from seedbed.model.migration import Phase


class Doomed(Struct, frozen=True):
    """Stacks that are to go, in that order, each with its part. `gone`: targets whose stack is not there."""

    site: Site
    stacks: tuple[tuple[Stack, Part], ...]
    gone: tuple[str, ...] = ()


def examine(site: Site, parts: Sequence[Part], chosen: Sequence[Stack]) -> Doomed:
    """Return those of `chosen` that exist, what depends on others first. Raises Refused."""
    require_ephemeral(site.environment, "destroy")
    require_same_account(chosen, site.cloud, site.account, site.environment.name)
    known = {each.stack: each for each in parts}
    pairs = [(each, known.get(each.name, plain(each.name, Phase.CONTRACT))) for each in reversed(chosen)]
    there = tuple(each for each in pairs if _exists(site.stacks.standing(each[0].name)))
    return Doomed(site, there, tuple(each[1].target for each in pairs if each not in there))


def _exists(standing: Standing) -> bool:
    return standing.status not in {"", "DELETE_COMPLETE"}


def carry_out(doomed: Doomed) -> None:
    """Delete the stacks, one after another. What happens is told to the listener; the first failure ends it."""
    require_ephemeral(doomed.site.environment, "destroy")
    for target in doomed.gone:
        doomed.site.listener(TargetDone(target))
    for position, (stack, part) in enumerate(doomed.stacks):
        try:
            _one(doomed.site, stack, part)
        except SeedbedError as error:
            doomed.site.listener(failure(part.target, doomed.site.stop.mark(error)))
            for _, other in doomed.stacks[position + 1 :]:
                doomed.site.listener(TargetSkipped(other.target, f"{stack.name} is still there"))
            return
        doomed.site.listener(TargetDone(part.target))


def _one(site: Site, stack: Stack, part: Part) -> None:
    began, following = time.monotonic(), site.following(part)
    standing, moved = following.to_its_end(0)
    if not _exists(standing):
        return
    site.listener(DeployStarted(part.target, stack.name, 0, (f"delete {stack.name}",), resumed=moved))
    ran = site.cli.run(
        ["destroy", stack.id, "--app", str(site.assembly.directory), "--exclusively", "--force"],
        cwd=site.room,
        cloud=site.cloud,
        tell=following.repeat,
    )
    after, _ = following.to_its_end(1)
    if _exists(after):
        raise StepFailed(
            f"stack {stack.name} was not deleted: it is {after.status}",
            because=site.stacks.why(after) or ran.last_words,
            try_=after.state.way.format(stack=stack.name)
            or "mend what the reason names; the same command again",
        )
    site.listener(DeployFinished(part.target, stack.name, 1, time.monotonic() - began))
