"""Change sets: made by the CDK CLI, read here, and carried out only when what they would do may be done.

A template says what is wanted; only CloudFormation knows what that takes. What it would make anew is in the change set.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Collection, Mapping
from typing import Any

from msgspec import Struct

from seedbed.aws.cloud import Cloud
from seedbed.deployment.asking import Asking
from seedbed.deployment.replacing import holds
from seedbed.errors import Refused, Unavailable
from seedbed.model.deployment import ResourceChange, Template
from seedbed.model.environment import Environment, is_ephemeral
from seedbed.model.resource import Replacement, ResourceAction
from seedbed.planning.reviewed import ReviewedPlan, require_resources_as_shown

PREFIX = "seedbed-"
_GONE = {
    "ChangeSetNotFound",
    "ChangeSetNotFoundException",
    "InvalidChangeSetStatus",
    "InvalidChangeSetStatusException",
}
_COMPLETE = ("CREATE_COMPLETE", "FAILED")
_SETTLES, _PAUSE = 30.0, 0.5  # seconds: for a read that is older than what the CLI saw; between two of them
_PROPERTIES = "Properties"
_IMPORT = "Import"


def new_name() -> str:
    """Return a name that no other change set has: under one name for all, a run would execute that of another."""
    return f"{PREFIX}{uuid.uuid4().hex}"


class ChangeSet(Struct, frozen=True):
    """A change set as CloudFormation made it. `is_empty`: it would change nothing.

    `direct`: the changes that the template itself asks for, not what follows from another change. `imports`: what is
    taken in as it is, by logical id, with the name that it has outside: no change of it.
    """

    stack: str
    name: str
    changes: tuple[ResourceChange, ...]
    is_empty: bool = False
    direct: tuple[ResourceChange, ...] = ()
    imports: Mapping[str, str] = {}


class ChangeSets(Struct, frozen=True):
    """The change sets of one account and region. `cloud`: with the rights of whoever makes them."""

    cloud: Cloud

    def read(self, stack: str, name: str, deployed: Template | None) -> ChangeSet | None:
        """Return the change set `name`; None where another run executed, replaced or removed it.

        Raises Unavailable for one that does not get complete: what is in it so far is not all that it would do.
        """
        until, pages = time.monotonic() + _SETTLES, self._described(stack, name)
        while pages and pages[0].get("Status") not in _COMPLETE:
            if time.monotonic() >= until:
                raise Unavailable(
                    f"the change set {name} of {stack} is {pages[0].get('Status')}, and nothing was executed",
                    because=f"CloudFormation has said so for {_SETTLES:.0f} s after it was made",
                    try_="the same command again makes another",
                )
            time.sleep(_PAUSE)
            pages = self._described(stack, name)
        if not pages:
            return None
        resources: Mapping[str, Any] = (deployed or {}).get("Resources", {})
        said = [
            each["ResourceChange"]
            for page in pages
            for each in page.get("Changes", ())
            if "ResourceChange" in each
        ]
        found = [
            (_resource_change(each, resources), _is_direct(each))
            for each in said
            if each.get("Action") != _IMPORT
        ]
        return ChangeSet(
            stack,
            name,
            tuple(change for change, _ in found),
            pages[0].get("Status") == "FAILED",
            tuple(change for change, is_direct in found if is_direct),
            {
                str(each["LogicalResourceId"]): str(each.get("PhysicalResourceId", ""))
                for each in said
                if each.get("Action") == _IMPORT
            },
        )

    def _described(self, stack: str, name: str) -> list[dict[str, Any]]:
        return list(self._asking.pages("DescribeChangeSet", StackName=stack, ChangeSetName=name))

    def execute(self, change_set: ChangeSet) -> bool:
        """Have a change set carried out; return False where another run was faster."""
        return self._asked("ExecuteChangeSet", change_set.stack, change_set.name) is not None

    def delete(self, stack: str, name: str) -> None:
        """Delete a change set, if it is there still."""
        self._asked("DeleteChangeSet", stack, name)

    def delete_left(self, stack: str) -> None:
        """Delete what a run that was killed left between making a change set and executing it."""
        for page in self._asking.pages("ListChangeSets", StackName=stack):
            for each in page.get("Summaries", ()):
                name = str(each["ChangeSetName"])
                if name.startswith(PREFIX) and each.get("ExecutionStatus") in {"AVAILABLE", "UNAVAILABLE"}:
                    self.delete(stack, name)

    def _asked(self, operation: str, stack: str, name: str) -> dict[str, Any] | None:
        return self._asking.ask(operation, StackName=stack, ChangeSetName=name)

    @property
    def _asking(self) -> Asking:
        return Asking(self.cloud, _is_gone)


def _is_gone(code: str, message: str) -> bool:
    """Return whether a change set or its stack is not there, or no longer as it was: another run was faster."""
    return code in _GONE or "does not exist" in message or "_IN_PROGRESS state" in message


def _resource_change(said: Mapping[str, Any], resources: Mapping[str, Any]) -> ResourceChange:
    name, kind = str(said.get("LogicalResourceId", "")), str(said.get("ResourceType", ""))
    is_known = said.get("Action") in set(ResourceAction)
    # "Dynamic" is what CloudFormation says where it cannot tell yet.
    told = str(said.get("Replacement", Replacement.NO if is_known else Replacement.PERHAPS))
    replacement = Replacement(told) if told in set(Replacement) else Replacement.PERHAPS
    if str(said.get("PolicyAction", "")).startswith("ReplaceAnd"):
        replacement = Replacement.YES
    targets = [each.get("Target", {}) for each in said.get("Details", ())]
    causes = [
        f"{each['Name']} is set at its creation alone"
        for each in targets
        if each.get("RequiresRecreation") in {"Always", "Conditionally"} and each.get("Name")
    ]
    return ResourceChange(
        name,
        kind,
        ResourceAction(said["Action"]) if is_known else ResourceAction.MODIFY,
        replacement,
        tuple(dict.fromkeys(map(_attribute, targets))),
        "; ".join(dict.fromkeys(causes)),
        holds(kind, resources.get(name, {})),
    )


def _attribute(target: Mapping[str, Any]) -> str:
    attribute, name = str(target.get("Attribute", "")), str(target.get("Name", ""))
    return f"{_PROPERTIES}.{name}" if attribute == _PROPERTIES else attribute


def _is_direct(said: Mapping[str, Any]) -> bool:
    """Return whether the template itself asks for a change: it is no consequence of another one, nor of tags."""
    return said.get("Action") != ResourceAction.MODIFY or any(
        each.get("ChangeSource") == "DirectModification"
        and each.get("Evaluation") == "Static"
        and each.get("Target", {}).get("Attribute") == _PROPERTIES
        for each in said.get("Details", ())
    )


def require_harmless(
    change_set: ChangeSet,
    environment: Environment,
    reviewed: ReviewedPlan | None,
    expected: Collection[str],
) -> None:
    """Raise Refused for a change set that would take data away where they are kept, StalePlan for what was not shown.

    `expected`: ids of what the template no longer has; whether that may go was decided before. What may be made anew
    is let through in a protected environment only where the plan says so.
    """
    if reviewed is not None:
        require_resources_as_shown(reviewed, change_set.stack, change_set.direct)
    if is_ephemeral(environment):
        return
    losing = [
        each
        for each in change_set.changes
        if each.holds and each.id not in expected and _loses(each, environment, change_set, reviewed)
    ]
    if losing:
        raise Refused(
            f"the change set of {change_set.stack} would take data away",
            because="\n           ".join(map(_words, losing)),
            try_=f"deploy it as it was, or make another beside it and copy the data; to mean it: cdk deploy "
            f"{change_set.stack}",
        )


def _loses(
    change: ResourceChange, environment: Environment, change_set: ChangeSet, reviewed: ReviewedPlan | None
) -> bool:
    if change.action is ResourceAction.REMOVE or change.replacement is Replacement.YES:
        return True
    if change.replacement is not Replacement.PERHAPS or not environment.protected:
        return False
    return reviewed is None or not reviewed.may_be_replaced(change_set.stack, change.id)


def _words(change: ResourceChange) -> str:
    label = f"{change.id} ({change.type.removeprefix('AWS::')})"
    if change.action is ResourceAction.REMOVE:
        return f"{label} would be removed"
    would = "would be made anew" if change.replacement is Replacement.YES else "may be made anew"
    return f"{label} {would}, and empty" + (f": {change.because}" if change.because else "")
