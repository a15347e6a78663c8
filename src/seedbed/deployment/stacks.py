"""What CloudFormation knows about stacks: their states, templates, imports, what happens to them; and deleting one."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import datetime
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from seedbed.aws.cloud import Cloud
from seedbed.deployment.asking import Asking
from seedbed.deployment.states import EXPRESS_WAY, UNPROTECT_WAY, StackCondition, StackState, state
from seedbed.errors import Refused, Unavailable, Unreachable
from seedbed.model.deployment import Template

_POLL = 0.25  # seconds between two looks at first
_SLOWEST = 10.0  # seconds between two looks in the end
_OLD = 30.0  # seconds after an update was begun for which an answer may be older than that
_INVALID = "ValidationError"
_REVIEWED = "REVIEW_IN_PROGRESS"  # a stack that is to be made, until its change set is carried out


# What the CDK CLI grants as well: who could update the stack before can do so again
_CAPABILITIES = ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"]


class StackStatus(Struct, frozen=True):
    """A stack as it is now; `status` is "" where there never was one. `reason` is CloudFormation's own.

    `is_kept`: its termination protection is on. `is_nested`: it belongs to another stack, and goes with that.
    `is_express`: its last update was made in express mode, which nothing can roll back. `parameters`: the values that
    its parameters had when it was last deployed, those that are read from the parameter store included.
    """

    name: str
    status: str = ""
    reason: str = ""
    id: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    is_kept: bool = False
    is_nested: bool = False
    is_express: bool = False
    parameters: Mapping[str, str] = field(default_factory=dict)

    @property
    def exists(self) -> bool:
        return self.status not in {"", "DELETE_COMPLETE"}

    @property
    def state(self) -> StackState:
        return state(self.status) if self.status else StackState(StackCondition.ABSENT)

    @property
    def way(self) -> str:
        """The way out of a state that nothing can be done in; "" where none is needed."""
        way = EXPRESS_WAY if self.is_express and "rollback" in self.state.way else self.state.way
        if self.is_kept and self.must_go:
            way = f"{UNPROTECT_WAY}, then {way}" if way else f"{UNPROTECT_WAY}, then the same command again"
        return way.format(stack=self.name)

    @property
    def must_go(self) -> bool:
        """Whether it was never made, so that it has to be deleted before it can be; somebody else has to where it
        is protected from that."""
        return self.status in {"ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED"}

    @property
    def condition(self) -> StackCondition:
        return self.state.condition


class StackEvent(Struct, frozen=True):
    """One event of a stack."""

    id: str
    at: datetime
    resource: str
    type: str
    status: str
    reason: str

    def __str__(self) -> str:
        return f"{self.resource} {self.status}" + (f": {self.reason}" if self.reason else "")


class Stacks:
    """The stacks of one account and region."""

    def __init__(self, cloud: Cloud, *, poll: float = _POLL) -> None:
        self.cloud = cloud
        self._asking = Asking(cloud, _is_absent)
        self._poll = poll

    def status(self, name: str) -> StackStatus:
        """Return how the stack `name` stands. Raises Unavailable, Refused."""
        answer = self._asking.ask("DescribeStacks", StackName=name)
        if not answer or not answer.get("Stacks"):
            return StackStatus(name)
        return replace(_status(answer["Stacks"][0]), name=name)

    def all(self) -> Iterator[StackStatus]:
        """Yield every stack that is there. Raises Unavailable, Refused."""
        for answer in self._asking.pages("DescribeStacks"):
            yield from map(_status, answer.get("Stacks", ()))

    def importers(self, ids: Collection[str]) -> dict[str, dict[str, tuple[str, ...]]]:
        """Return the names of the stacks that import from those with `ids`: by id, by the export's name."""
        found: dict[str, dict[str, tuple[str, ...]]] = {}
        for answer in self._asking.pages("ListExports"):
            for export in answer.get("Exports", ()):
                exporter, name = str(export.get("ExportingStackId", "")), str(export["Name"])
                if exporter in ids and (names := self._imports(name)):
                    found.setdefault(exporter, {})[name] = names
        return found

    def _imports(self, export: str) -> tuple[str, ...]:
        """Return the names of the stacks that import `export`."""
        pages = self._asking.pages("ListImports", ExportName=export)
        return tuple(str(name) for answer in pages for name in answer.get("Imports", ()))

    def delete(self, current: StackStatus) -> None:
        """Have a stack deleted, which then goes on by itself. Raises Refused where CloudFormation will not."""
        try:
            self._asking.ask("DeleteStack", StackName=current.id)
        except Unreachable as error:
            if not error.because.startswith(f"{_INVALID}: "):
                raise
            raise Refused(
                f"CloudFormation does not delete {current.name}",
                because=error.because.removeprefix(f"{_INVALID}: "),
                try_="look at the stack in its console",
            ) from None

    def set_tags(self, current: StackStatus, tags: Mapping[str, str]) -> bool:
        """Have a stack's tags set and nothing else changed; those that it has beside them stay.

        Returns False where another run was faster. Raises Unavailable, Refused.
        """
        parameters = [{"ParameterKey": each, "UsePreviousValue": True} for each in current.parameters]
        try:
            self._asking.ask(
                "UpdateStack",
                StackName=current.name,
                UsePreviousTemplate=True,
                Parameters=parameters,
                Capabilities=_CAPABILITIES,
                Tags=[{"Key": key, "Value": value} for key, value in ({**current.tags, **tags}).items()],
            )
        except Unreachable as error:
            if "_IN_PROGRESS state" in error.because or "No updates" in error.because:
                return False
            raise
        return True

    def template(self, name: str) -> Template | None:
        """Return the template that the stack was last deployed with; None where there is no stack.

        Raises Refused for a template that is not JSON: it was not deployed by us.
        """
        answer = self._asking.ask("GetTemplate", StackName=name, TemplateStage="Original")
        body = answer.get("TemplateBody") if answer else None
        if isinstance(body, str):
            try:
                body = json.loads(body)
            except ValueError:
                raise Refused(
                    f"the template of stack {name} is not valid JSON",
                    because="it was not deployed by the CDK, so the changes cannot be computed",
                    try_="deploy it once with the CDK from the app as it was then",
                ) from None
        return body or None

    def physical_ids(self, current: StackStatus, type_: str) -> list[str]:
        """Return the physical ids of the resources of a type, such as AWS::S3::Bucket, that are in a stack now."""
        pages = self._asking.pages("ListStackResources", StackName=current.id or current.name)
        return [
            str(each["PhysicalResourceId"])
            for answer in pages
            for each in answer.get("StackResourceSummaries", ())
            if each.get("ResourceType") == type_
            and each.get("PhysicalResourceId")
            and each.get("ResourceStatus") != "DELETE_COMPLETE"
        ]

    def events(self, name: str) -> Iterator[StackEvent]:
        """Yield what happened to the stack, the last first."""
        for answer in self._asking.pages("DescribeStackEvents", StackName=name):
            for each in answer.get("StackEvents", ()):
                yield StackEvent(
                    str(each["EventId"]),
                    each["Timestamp"],
                    str(each.get("LogicalResourceId", "")),
                    str(each.get("ResourceType", "")),
                    str(each.get("ResourceStatus", "")),
                    str(each.get("ResourceStatusReason", "")),
                )

    def why(self, current: StackStatus) -> str:
        """Return what made the last operation on a stack fail, the first cause first."""
        failed = [f"{each.resource} ({each.type}): {each.reason}" for each in self.failures(current)]
        return "\n           ".join(failed[:3]) or current.reason

    def failures(self, current: StackStatus) -> list[StackEvent]:
        """Return what failed in the last operation on a stack, in order."""
        failed: list[StackEvent] = []
        for each in self.events(current.id or current.name):
            if _begins(each):
                break
            if each.status.endswith("_FAILED") and "cancelled" not in each.reason:
                failed.append(each)
        return failed[::-1]

    def follow(
        self,
        current: StackStatus,
        *,
        timeout: float,
        tell: Callable[[str], None],
        check: Callable[[], None],
        begun_after: str | None = None,
    ) -> StackStatus:
        """Return how the stack stands once nothing is under way any more; what happens meanwhile is emitted.

        `check` raises to end the waiting. `begun_after`: an update was just begun, and that was the last event before:
        for some time CloudFormation may still tell how the stack stood then. Raises Unavailable after `timeout`
        seconds.
        """
        began, pause, seen = time.monotonic(), self._poll, None
        deadline, is_begun = began + timeout, begun_after is not None
        # By its id: under its name, a stack that was deleted is not to be found.
        wanted = current.id or current.name
        while (is_under_way := current.condition is StackCondition.IN_PROGRESS) or is_begun:
            last = next(self.events(wanted), None)
            if not is_under_way and current.status != _REVIEWED:
                is_old = last is not None and last.id == begun_after
                if not is_old or time.monotonic() > began + _OLD:
                    break
            check()
            if last and last.id not in {seen, begun_after}:
                seen = last.id
                tell(f"{current.status}, {last}")
            if time.monotonic() > deadline:
                raise Unavailable(
                    f"stack {current.name} is still {current.status} after {timeout:.0f} s",
                    because=current.state.means,
                    try_="the same command again follows it on; --wait says for how long",
                )
            time.sleep(pause)
            pause = min(_SLOWEST, pause * 1.3)
            current = replace(self.status(wanted), name=current.name)
        return current


def _is_absent(code: str, message: str) -> bool:
    """Return whether a stack does not exist, or an export is imported by none."""
    return code == _INVALID and ("not exist" in message or "not imported" in message)


def require_updatable(current: StackStatus, stacks: Stacks) -> None:
    """Raise Refused for a stack that nothing can be done with before somebody has done something else."""
    is_protected = current.must_go and current.is_kept
    if current.condition is StackCondition.STUCK or is_protected:
        means = current.state.means.partition(";")[0] if is_protected else current.state.means
        protected = ", and its termination protection is on" if is_protected else ""
        raise Refused(
            f"stack {current.name} is {current.status}: {means}{protected}",
            because=stacks.why(current) or "CloudFormation gives no reason",
            try_=current.way,
        )


def _begins(each: StackEvent) -> bool:
    """Return whether an event is the first of an operation: an older one belongs to another operation."""
    return each.type == "AWS::CloudFormation::Stack" and each.status in {
        "CREATE_IN_PROGRESS",
        "UPDATE_IN_PROGRESS",
        "DELETE_IN_PROGRESS",
        "IMPORT_IN_PROGRESS",
    }


def _status(found: Mapping[str, Any]) -> StackStatus:
    return StackStatus(
        str(found["StackName"]),
        str(found["StackStatus"]),
        str(found.get("StackStatusReason", "")),
        str(found["StackId"]),
        {str(each["Key"]): str(each["Value"]) for each in found.get("Tags", ())},
        bool(found.get("EnableTerminationProtection")),
        bool(found.get("ParentId")),
        found.get("DeploymentConfig", {}).get("Mode") == "EXPRESS",
        {
            str(each["ParameterKey"]): str(each.get("ResolvedValue") or each.get("ParameterValue", ""))
            for each in found.get("Parameters", ())
        },
    )
