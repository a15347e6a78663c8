"""Which stacks are begun first: those that take longest, with all that waits for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from seedbed.deployment.assembly import Stack
from seedbed.model.deployment import Template

# About how many minutes AWS takes to make one, as its documentation and issues of the CDK have it. Only their order
# counts: nothing is told to anybody.
_MINUTES: Mapping[str, float] = {
    "AWS::OpenSearchService::Domain": 20.0,
    "AWS::RDS::DBInstance": 10.0,
    "AWS::ECS::Service": 4.0,
    "AWS::EC2::VPCEndpoint": 3.0,
    "AWS::EFS::MountTarget": 2.0,
}
_ANY = 1.0  # of a stack with none of those


def minutes(template: Template) -> float:
    """Return about how long it takes to make all of `template`: as long as the slowest of its resources."""
    kinds = (str(each.get("Type", "")) for each in template.get("Resources", {}).values())
    return max((_MINUTES.get(kind, _ANY) for kind in kinds), default=_ANY)


def longest_first(stacks: Sequence[Stack], duration: Callable[[Stack], float]) -> list[Stack]:
    """Return `stacks`, each after all of them that it depends on; first what keeps the end away for longest.

    So where fewer are updated side by side than could be, the slowest one is among the first, and whoever waits for
    another stack waits for one that has begun. `duration`: more than 0.
    """
    left = {each.id: duration(each) for each in stacks}
    for each in reversed(stacks):  # what depends on it stands behind it
        for other in each.depends:
            if other in left:
                left[other] = max(left[other], _own(stacks, other, duration) + left[each.id])
    return sorted(stacks, key=lambda each: -left[each.id])


def _own(stacks: Sequence[Stack], id_: str, duration: Callable[[Stack], float]) -> float:
    return duration(next(each for each in stacks if each.id == id_))
