"""Which permissions a call needs, as IAM names them: its actions, their resources, what conditions are about."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from tests.support.aws_proxy.calls import Call

_S3 = {
    "HeadObject": "GetObject",
    "HeadBucket": "ListBucket",
    "ListObjectsV2": "ListBucket",
    "ListObjectVersions": "ListBucketVersions",
    "ListMultipartUploads": "ListBucketMultipartUploads",
    "CreateMultipartUpload": "PutObject",
}
_SELECT = re.compile(
    r'\bSELECT\b.*?\bFROM\s+"?(?P<table>[\w.-]+?)"?(?:\."(?P<index>[^"]+)")?(?:\s|$)',
    re.IGNORECASE | re.DOTALL,
)
_NAMES = {"monitoring": "cloudwatch"}  # in policies, of services that are called otherwise in signatures
_ON_BUCKET = ("ListBucket", "ListBucketVersions", "ListBucketMultipartUploads")
_TO_TASKS = {"iam:PassedToService": ["ecs-tasks.amazonaws.com"]}


@dataclass(frozen=True, slots=True)
class Asked:
    """One permission that a call needs, with what its conditions are about."""

    action: str
    resource: str
    context: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Place:
    """Where calls are made. `passed`: the roles that a task is given.

    `tags`: of every stack, and of every task where no `tags_of_task` says which one has which, by its ARN.
    """

    account: str
    region: str = "eu-central-1"
    tags: Mapping[str, str] = field(default_factory=dict)
    passed: Sequence[str] = ()
    tags_of_task: Callable[[str], Mapping[str, str]] | None = None

    def asked(self, call: Call) -> Iterator[Asked]:
        """Yield the permissions that a call needs before it is carried out."""
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
        resource = told.get("SecretId") or told.get("RoleArn") or told.get("TopicArn") or "*"
        if "SecretId" in told and not resource.startswith(
            "arn:"
        ):  # the ARN ends with six characters of AWS's
            resource = self._arn("secretsmanager", f"secret:{resource}-AbCdEf")
        if call.service == "logs":
            resource = self._arn(
                "logs", f"log-group:{told.get('logGroupName')}:log-stream:{told.get('logStreamName')}"
            )
        yield Asked(f"{_NAMES.get(call.service, call.service)}:{call.operation}", str(resource))

    def asked_of_missing(self, call: Call) -> Iterator[Asked]:
        """Yield what is needed to be told that what was asked for is not there: S3 calls it forbidden otherwise."""
        if call.service == "s3" and call.operation in {"GetObject", "HeadObject"}:
            yield Asked("s3:ListBucket", f"arn:aws:s3:::{_place_of(call)[0]}")

    def _of_s3(self, call: Call) -> Iterator[Asked]:
        bucket, key = _place_of(call)
        arn = f"arn:aws:s3:::{bucket}"
        if call.operation == "DeleteObjects":
            for one in re.findall(r"<Object>(.*?)</Object>", call.request.body.decode(), re.DOTALL):
                named = re.search("<Key>([^<]*)</Key>", one)
                assert named is not None, one
                of_version = "Version" if "<VersionId>" in one else ""
                yield Asked(f"s3:DeleteObject{of_version}", f"{arn}/{named[1]}")
            return
        action = _S3.get(call.operation, call.operation)
        yield Asked(f"s3:{action}", arn if action in _ON_BUCKET or not key else f"{arn}/{key}")
        if action == "PutObject" and "if-match" in call.request.headers:
            yield Asked("s3:GetObject", f"{arn}/{key}")

    def _of_dynamodb(self, call: Call) -> Iterator[Asked]:
        told = call.asked
        if "TransactItems" in told:
            for each in told["TransactItems"]:
                for kind, part in each.items():
                    action = "ConditionCheckItem" if kind == "ConditionCheck" else f"{kind}Item"
                    yield self._item(action, part)
        elif call.operation == "ExecuteStatement":
            yield self._of_statement(str(told["Statement"]))
        elif "RequestItems" in told:
            for table in told["RequestItems"]:
                yield self._item(call.operation, {"TableName": table})
        else:
            yield self._item(call.operation, told)

    def _of_statement(self, statement: str) -> Asked:
        """Return what IAM asks of a SELECT, for which it has an action of its own; a table's name is quoted."""
        found = _SELECT.search(statement)
        assert found is not None, statement
        index = {"IndexName": found["index"]} if found["index"] else {}
        return self._item("PartiQLSelect", {"TableName": found["table"], **index})

    def _item(self, action: str, told: Mapping[str, Any]) -> Asked:
        key = told.get("Key") or told.get("Item") or {}
        leading = key.get("id") or told.get("ExpressionAttributeValues", {}).get(":id") or {}
        context = {"dynamodb:LeadingKeys": [leading["S"]]} if "S" in leading else {}
        index = f"/index/{told['IndexName']}" if "IndexName" in told else ""
        resource = f"table/{told.get('TableName', '*')}{index}"
        return Asked(f"dynamodb:{action}", self._arn("dynamodb", resource), context)

    def _of_ecs(self, call: Call) -> Iterator[Asked]:
        told = call.asked
        if call.operation == "RunTask":
            yield from self.asked_of_run(told)
            return
        context = {"ecs:cluster": [self._cluster(told)]}
        for each in told.get("tasks") or told.get("services") or [told.get("task", "*")]:
            known = self.tags_of_task(str(each)) if self.tags_of_task else self.tags
            tags = {f"aws:ResourceTag/{key}": [value] for key, value in known.items()}
            yield Asked(f"ecs:{call.operation}", str(each), {**context, **tags})

    def _cluster(self, told: Mapping[str, Any]) -> str:
        name = str(told.get("cluster", "default"))
        return name if name.startswith("arn:") else self._arn("ecs", f"cluster/{name}")

    def asked_of_run(self, told: Mapping[str, Any]) -> Iterator[Asked]:
        """Yield what RunTask needs with the parameters `told`."""
        cluster = self._cluster(told)
        yield Asked("ecs:RunTask", str(told["taskDefinition"]), {"ecs:cluster": [cluster]})
        overridden = [told.get("overrides", {}).get(each, "") for each in ("taskRoleArn", "executionRoleArn")]
        for role in filter(None, (*self.passed, *overridden)):
            yield Asked("iam:PassRole", role, _TO_TASKS)
        if told.get("tags") or "propagateTags" in told:
            # It knows no cluster, but what is being made.
            tasks = f"{cluster.replace(':cluster/', ':task/')}/*"
            yield Asked("ecs:TagResource", tasks, {"ecs:CreateAction": ["RunTask"]})

    def _of_ssm(self, call: Call) -> Iterator[Asked]:
        told = call.asked
        for name in told.get("Names") or [told.get("Path") or told.get("Name", "")]:
            yield Asked(f"ssm:{call.operation}", self._arn("ssm", f"parameter{name}"))

    def _of_cloudformation(self, call: Call) -> Iterator[Asked]:
        name = call.asked.get("StackName", "")
        context = {f"aws:ResourceTag/{key}": [value] for key, value in self.tags.items()}
        arn = name if name.startswith("arn:") else self._arn("cloudformation", f"stack/{name}/1")
        yield Asked(f"cloudformation:{call.operation}", arn if name else "*", context if name else {})
        if call.operation == "DescribeStacks" and not name:  # since 2023 AWS asks for both
            yield Asked("cloudformation:ListStacks", self._arn("cloudformation", "stack/*/*"))

    def _arn(self, service: str, resource: str) -> str:
        return f"arn:aws:{service}:{self.region}:{self.account}:{resource}"


def _place_of(call: Call) -> tuple[str, str]:
    """Return the bucket and the key that a call to S3 is about."""
    bucket, _, key = unquote(call.request.target.partition("?")[0]).lstrip("/").partition("/")
    return bucket, key
