"""IAM, as far as calls of seedbed go: a call is judged by the policies of the role whose session token signed it.

::

    aws.add(Policies({"read": statements}))     # calls with AWS_SESSION_TOKEN=read; all others may do everything
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import unquote

from tests.support.aws_proxy.calls import Call
from tests.support.aws_proxy.faults import fault
from tests.support.aws_proxy.http import Response
from tests.support.aws_proxy.rules import Passage, Rule

TOKEN = "x-amz-security-token"
_S3 = {
    "HeadObject": ("GetObject",),
    "HeadBucket": ("ListBucket",),
    "ListObjectsV2": ("ListBucket",),
    "ListObjectVersions": ("ListBucketVersions",),
    "ListMultipartUploads": ("ListBucketMultipartUploads",),
    "DeleteObjects": ("DeleteObject", "DeleteObjectVersion"),
}
_ON_BUCKET = ("ListBucket", "ListBucketVersions", "ListBucketMultipartUploads")


@dataclass(frozen=True, slots=True)
class Asked:
    """One permission that a call needs, with what its conditions are about."""

    action: str
    resource: str
    context: Mapping[str, Sequence[str]] = field(default_factory=dict)


def allows(statements: Sequence[Mapping[str, Any]], asked: Asked) -> bool:
    """Return whether statements allow what is asked: one has to, and none may deny it."""
    fitting = [each["Effect"] for each in statements if _fits(each, asked)]
    return "Allow" in fitting and "Deny" not in fitting


class Policies(Rule):
    """Refuses what the policies of a role do not allow; `roles`: statements by session token.

    `tags`: of every stack. `passed`: the roles that a task is given. `performed`: the actions of each role that were
    allowed; `refused`: those that were not.
    """

    def __init__(
        self,
        roles: Mapping[str, Sequence[Mapping[str, Any]]],
        *,
        account: str,
        region: str = "eu-central-1",
        tags: Mapping[str, str] | None = None,
        passed: Sequence[str] = (),
    ) -> None:
        super().__init__(lambda call: call.request.headers.get(TOKEN, "") in self.roles)
        self.roles, self.account, self.region = dict(roles), account, region
        self.tags, self.passed = tags or {}, passed
        self.performed: dict[str, set[str]] = {each: set() for each in roles}
        self.refused: dict[str, set[str]] = {each: set() for each in roles}

    def enrol(self, token: str, statements: Sequence[Mapping[str, Any]]) -> None:
        """Judge what a session token signs from now on, too."""
        self.performed.setdefault(token, set())
        self.refused.setdefault(token, set())
        self.roles[token] = statements

    def act(self, passage: Passage) -> Response:
        call = passage.call
        role = call.request.headers[TOKEN]
        for asked in self.asked(call):
            if not allows(self.roles[role], asked):
                self.refused[role].add(asked.action)
                return self._denied(call, role, asked)
            self.performed[role].add(asked.action)
        return passage.onward(call.request)

    def asked(self, call: Call) -> Iterator[Asked]:
        """Yield the permissions that a call needs."""
        known = {
            "s3": self._of_s3,
            "dynamodb": self._of_dynamodb,
            "ecs": self._of_ecs,
            "ssm": self._of_ssm,
            "cloudformation": self._of_cloudformation,
        }
        if call.service in known:
            yield from known[call.service](call)
            return
        told = call.asked
        resource = told.get("SecretId") or told.get("RoleArn") or "*"
        if call.service == "logs":
            resource = self._arn(
                "logs", f"log-group:{told.get('logGroupName')}:log-stream:{told.get('logStreamName')}"
            )
        yield Asked(f"{call.service}:{call.operation}", str(resource))

    def _of_s3(self, call: Call) -> Iterator[Asked]:
        bucket, _, key = unquote(call.request.target.partition("?")[0]).lstrip("/").partition("/")
        for action in _S3.get(call.operation, (call.operation,)):
            on_bucket = action in _ON_BUCKET
            keys = (
                re.findall(r"<Key>([^<]*)</Key>", call.request.body.decode()) if "Delete" in action else [key]
            )
            for each in [""] if on_bucket else keys or [key]:
                yield Asked(f"s3:{action}", f"arn:aws:s3:::{bucket}{each and '/' + each}")

    def _of_dynamodb(self, call: Call) -> Iterator[Asked]:
        told = call.asked
        if "TransactItems" in told:
            for each in told["TransactItems"]:
                for kind, part in each.items():
                    yield self._item(f"{kind}Item", part)
        elif "RequestItems" in told:
            for table in told["RequestItems"]:
                yield self._item(call.operation, {"TableName": table})
        else:
            yield self._item(call.operation, told)

    def _item(self, action: str, told: Mapping[str, Any]) -> Asked:
        key = told.get("Key") or told.get("Item") or {}
        leading = key.get("id") or told.get("ExpressionAttributeValues", {}).get(":id") or {}
        context = {"dynamodb:LeadingKeys": [leading["S"]]} if "S" in leading else {}
        return Asked(
            f"dynamodb:{action}", self._arn("dynamodb", f"table/{told.get('TableName', '*')}"), context
        )

    def _of_ecs(self, call: Call) -> Iterator[Asked]:
        told = call.asked
        context = {"ecs:cluster": [str(told.get("cluster", ""))]}
        if call.operation != "RunTask":
            for each in told.get("tasks") or [told.get("task", "*")]:
                yield Asked(f"ecs:{call.operation}", str(each), context)
            return
        yield Asked("ecs:RunTask", str(told["taskDefinition"]), context)
        for each in self.passed:
            yield Asked("iam:PassRole", each, {"iam:PassedToService": ["ecs-tasks.amazonaws.com"]})

    def _of_ssm(self, call: Call) -> Iterator[Asked]:
        told = call.asked
        for name in told.get("Names") or [told.get("Path") or told.get("Name", "")]:
            yield Asked(f"ssm:{call.operation}", self._arn("ssm", f"parameter{name}"))

    def _of_cloudformation(self, call: Call) -> Iterator[Asked]:
        name = call.asked.get("StackName", "")
        context = {f"aws:ResourceTag/{key}": [value] for key, value in self.tags.items()}
        arn = name if name.startswith("arn:") else self._arn("cloudformation", f"stack/{name}/1")
        yield Asked(f"cloudformation:{call.operation}", arn if name else "*", context if name else {})

    def _arn(self, service: str, resource: str) -> str:
        return f"arn:aws:{service}:{self.region}:{self.account}:{resource}"

    def _denied(self, call: Call, role: str, asked: Asked) -> Response:
        who = f"arn:aws:sts::{self.account}:assumed-role/{role}/test"
        said = (
            f"User: {who} is not authorized to perform: {asked.action} on resource: {asked.resource} because no "
            f"identity-based policy allows the {asked.action} action"
        )
        code = "AccessDeniedException" if call.protocol == "json" else "AccessDenied"
        return fault(call, code, said, 403 if code == "AccessDenied" else 400)


def _fits(statement: Mapping[str, Any], asked: Asked) -> bool:
    return (
        any(fnmatchcase(asked.action.lower(), each.lower()) for each in _listed(statement["Action"]))
        and any(_like(asked.resource, each) for each in _listed(statement["Resource"]))
        and all(
            _holds(operator, asked.context.get(key, ()), _listed(values))
            for operator, keys in statement.get("Condition", {}).items()
            for key, values in keys.items()
        )
    )


def _holds(operator: str, found: Sequence[str], wanted: Sequence[str]) -> bool:
    if operator == "Null":
        return (not found) is (wanted[0] == "true")
    of_all, _, kind = operator.rpartition(":")
    same = {
        "StringEquals": lambda value, each: value == each,
        "StringLike": _like,
        "ArnEquals": _like,
        "ArnLike": _like,
    }[kind]
    fitting = [any(same(value, each) for each in wanted) for value in found]
    return all(fitting) if of_all == "ForAllValues" else any(fitting)


def _like(value: str, pattern: str) -> bool:
    return fnmatchcase(value, pattern.replace("[", "[[]"))


def _listed(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)
