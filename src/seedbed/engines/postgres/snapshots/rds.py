"""What is asked of RDS, and whose what it answers with is.

Every call is repeated by looking: "exists already" is what a call of ours did whose answer was lost, if it has our
tags.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from seedbed.aws.asking import ask
from seedbed.aws.cloud import Cloud
from seedbed.aws.faults import where
from seedbed.errors import Refused, SeedbedError, StepFailed

COPY = "seedbed-copy"  # the tag of a copy, with its name


class Missing(StepFailed):
    """RDS has nothing of that name."""


class Existing(StepFailed):
    """RDS has something of that name already."""


class NotNow(StepFailed):
    """What is asked for waits until something else is done."""


class Rds:
    """The clusters, instances and snapshots of one account and region. `tags`: of what is ours."""

    def __init__(self, cloud: Cloud, tags: Mapping[str, str]) -> None:
        self._cloud = cloud
        self.tags = tags

    def described(self, operation: str, many: str, **asked: Any) -> Mapping[str, Any] | None:
        """Return the one thing of a name, None where there is none."""
        try:
            answer = self.ask(operation, **asked)
        except Missing:
            return None
        found: Sequence[Mapping[str, Any]] = answer[many]
        return found[0] if found else None

    def pages(self, operation: str, many: str, **asked: Any) -> Iterator[Mapping[str, Any]]:
        marker: dict[str, str] = {}
        while True:
            answer = self.ask(operation, **asked, **marker)
            yield from answer[many]
            if not answer.get("Marker"):
                return
            marker = {"Marker": answer["Marker"]}

    def asked_again(self, operation: str, **asked: Any) -> bool:
        """Ask for something that may be under way, or wait for something else: the next look tells.

        Return whether it is begun by this.
        """
        try:
            self.ask(operation, **asked)
        except (Existing, Missing, NotNow):
            return False
        return True

    def ask(self, operation: str, **asked: Any) -> dict[str, Any]:
        def named(code: str, said: str) -> SeedbedError | None:
            return _error(operation, code, said, where(self._cloud))

        return ask(self._cloud, "rds", operation, named=named, **asked)

    def is_ours(self, told: Mapping[str, Any]) -> bool:
        return self.tags.items() <= tags_of(told).items()

    def require_ours(self, told: Mapping[str, Any], name: str, *, copy: str = "", source: str = "") -> None:
        """Raise Refused for what has our name and not our tags: nothing else is ever changed or taken for ours."""
        wanted = {
            **self.tags,
            **({COPY: copy} if copy else {}),
            **({"seedbed-source": source} if source else {}),
        }
        if not wanted.items() <= tags_of(told).items():
            raise Refused(
                f"{name} is there, and is not what seedbed made",
                because=f"it does not have the tags {', '.join(f'{key}={wanted[key]}' for key in sorted(wanted))}",
                try_="look what it is; delete or rename it, if it is no longer needed",
            )


def tags_of(told: Mapping[str, Any]) -> dict[str, str]:
    return {each["Key"]: each.get("Value", "") for each in told.get("TagList") or ()}


def as_tags(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def _error(operation: str, code: str, said: str, place: str) -> SeedbedError | None:
    what, because = f"RDS refused {operation} in {place}", f"{code}: {said}"
    plain = code.removesuffix("Fault")
    if plain.endswith("NotFound") and plain.startswith(("DBCluster", "DBInstance")) and "Group" not in plain:
        return Missing(what, because=because)
    if plain.endswith("AlreadyExists"):
        return Existing(what, because=because)
    if plain.startswith("Invalid") and plain.endswith("State"):
        return NotNow(what, because=because)
    if "Quota" in plain:
        return Refused(
            what, because=because, try_="delete what is no longer needed, or have the quota raised"
        )
    return StepFailed(what, because=because, try_="see what AWS says there")
