"""What callers of seedbed and its task may do in AWS, by what they are there for, as statements of policies.

Data alone: the constructs make policies of it, and tests judge calls by it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import Struct

from seedbed.model.names import parameter_path, stack_tags

Statement = Mapping[str, Any]
READ, RUN, DEPLOY, RELEASE, APPROVE, DEV = "read", "run", "deploy", "release", "approve", "dev"
CONTROL = "control"  # the part of `seedbed` whose parameters name table and bucket
WORK = "work"  # what the task may do with records, files and the state; no caller is given it
COLLECT = "collect"  # what the task of a base may do besides that collects environments
SNAPSHOT = (
    "snapshot"  # what the task may do besides where a contract waits: for snapshots, of which it deletes none
)
# Which policies a caller is given: nothing is said twice, and none grows past what a policy may have.
KINDS: Mapping[str, tuple[str, ...]] = {
    READ: (READ,),
    RUN: (READ, RUN),
    DEPLOY: (READ, DEPLOY),
    RELEASE: (READ, RUN, DEPLOY, RELEASE),
    APPROVE: (READ, APPROVE),
    DEV: (READ, RUN, DEPLOY),
}
EPHEMERAL = "dev*"  # the names of what may be deleted
COLLECTED = "collected"  # the id of the items that count, by days, what was collected
ENVIRONMENTS = "environments"  # the id of the items that all environments of a table are listed by
# How the keys of what releases refer to begin, of who approved, and of who opened them.
RELEASES, APPROVALS, OPENINGS = "releases", "approvals", "openings"
USER = "${aws:userid}"  # in a policy: the caller, by a name that he does not choose
_LOOKS = ("DescribeTable", "DescribeTimeToLive")
# They have no resource of their own. To describe all stacks takes the right to list them, too.
_LISTS = tuple(
    f"cloudformation:{each}" for each in ("DescribeStacks", "ListExports", "ListImports", "ListStacks")
)


class Names(Struct, frozen=True):
    """What an environment's rights are about; tokens are welcome, but in `platform` and `environment`.

    `base`: the environment whose table and bucket they are, where this one lies in it. `cluster` is an ARN, `family`
    the name of the task's definition without its number, `roles` are the ARNs of what the task is given: all empty
    where there is no task. `topic`: the ARN of the one that is told what was collected; empty where none is. `is_base`:
    it is a base itself, whose task AWS alone starts.
    """

    platform: str
    environment: str
    partition: str
    account: str
    region: str
    table: str
    bucket: str
    cluster: str = ""
    family: str = ""
    log_group: str = ""
    roles: Sequence[str] = ()
    ephemeral: bool = False
    base: str = ""
    topic: str = ""
    is_base: bool = False

    def arn(self, service: str, resource: str) -> str:
        return f"arn:{self.partition}:{service}:{self.region}:{self.account}:{resource}"

    def object(self, key: str = "") -> str:
        return f"arn:{self.partition}:s3:::{self.bucket}{key and f'/{key}'}"

    def objects(self, kind: str) -> str:
        """Return what the bucket has of one kind about this environment: it may have those of others, too."""
        return self.object(f"{kind}/{self.environment}/*")

    @property
    def records(self) -> str:
        return self.arn("dynamodb", f"table/{self.table}")

    @property
    def runs(self) -> tuple[str, ...]:
        """How the ids of items begin that are about runs of this environment."""
        return self.environment_item, f"run#{self.environment}#*"

    @property
    def environment_item(self) -> str:
        return f"environment#{self.environment}"

    @property
    def tags(self) -> Mapping[str, str]:
        """What every stack of the environment is tagged with, and each task that it starts."""
        return stack_tags(self.platform, self.environment)

    @property
    def used(self) -> tuple[str, ...]:
        """How the ids of items begin that say who uses this environment; none of one that does not end."""
        return (self.environment_item, ENVIRONMENTS) if self.ephemeral else ()

    @property
    def stacks(self) -> str:
        return self.arn("cloudformation", f"stack/{self.platform}-{self.environment}-*/*")

    def below(self, engine: str) -> list[str]:
        """Return the ARNs of the parameters of `seedbed` below `engine`, of the path itself too."""
        where = self.base if self.base and engine == CONTROL else self.environment
        path = parameter_path(self.platform, where, "seedbed", engine)
        return [self.arn("ssm", f"parameter{path}"), self.arn("ssm", f"parameter{path}/*")]


def release_item(environment: str) -> str:
    """Return the id of the items that are the releases of an environment."""
    return f"release#{environment}"


def statements(policy: str, names: Names) -> list[Statement]:
    """Return the statements of one of the policies that `KINDS` names, or of WORK, COLLECT or SNAPSHOT."""
    made: Mapping[str, Callable[[Names], list[Statement]]] = {
        READ: _read,
        RUN: _run,
        DEPLOY: _deploy,
        RELEASE: _release,
        APPROVE: _approve,
        WORK: _work,
        COLLECT: _collect,
        SNAPSHOT: _snapshot,
    }
    return made[policy](names)


def _read(names: Names) -> list[Statement]:
    """Plan and look, by the state that the last run left, and see releases: nothing is started, nothing is written."""
    return [
        _allow(["sts:GetCallerIdentity"], ["*"]),
        _allow(["ssm:GetParametersByPath"], names.below(CONTROL)),
        *_of_releases(names, "state"),
        # Without it S3 calls a key that is not there forbidden.
        _allow(["s3:ListBucket"], [names.object()]),
        _allow(
            [f"cloudformation:{each}" for each in ("DescribeStackEvents", "DescribeStacks", "GetTemplate")],
            [names.stacks],
            _no_others(names),
        ),
        *_list(names),
    ]


def _of_releases(names: Names, *more: str) -> list[Statement]:
    """See the releases, what they refer to, who opened and approved them; and `more` kinds of objects."""
    seen = [f"dynamodb:{each}" for each in ("GetItem", "Query")]
    return [
        _allow(seen, [names.records], _leading([release_item(names.environment)])),
        _allow(["s3:GetObject"], [names.objects(each) for each in (RELEASES, APPROVALS, OPENINGS, *more)]),
    ]


def _list(names: Names) -> list[Statement]:
    """See which environments there are beside this one, and who uses them."""
    if not names.ephemeral:
        return []
    return [_allow(["dynamodb:Query"], [names.records], _leading([ENVIRONMENTS]))]


def _run(names: Names) -> list[Statement]:
    """Have runs carried out inside the network, follow and stop them."""
    found = [
        _allow(["ssm:GetParametersByPath"], names.below("task")),
        _of_runs(names, names.used),
        _allow(["s3:GetObject", "s3:PutObject"], [names.objects("runs"), names.objects("files")]),
    ]
    if not names.cluster:
        return found
    here = {"ArnEquals": {"ecs:cluster": names.cluster}}
    return [
        *found,
        _allow(["ecs:DescribeTasks", "ecs:StopTask"], [names.arn("ecs", "task/*")], _own_tasks(names)),
        _allow(["ecs:ListTasks"], ["*"], here),  # it has no resource of its own
        _allow(["logs:GetLogEvents"], [names.arn("logs", f"log-group:{names.log_group}:log-stream:*")]),
        *([] if names.is_base else _start(names)),
    ]


def _start(names: Names) -> list[Statement]:
    """Start the task. Nobody may that of a base: who may pass its roles gives them to whatever he may start."""
    here = {"ArnEquals": {"ecs:cluster": names.cluster}}
    # A tag is told what is being made, and no cluster.
    started = {"StringEquals": {"ecs:CreateAction": "RunTask"}}
    passed = {"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}}
    return [
        _allow(["ecs:RunTask"], [names.arn("ecs", f"task-definition/{names.family}:*")], here),
        _allow(["ecs:TagResource"], [names.arn("ecs", "task/*")], started),
        _allow(["iam:PassRole"], list(names.roles), passed),
    ]


def _deploy(names: Names) -> list[Statement]:
    """What seedbed asks with the caller's own rights; all that changes resources is done by the CDK's roles."""
    sets = ("DeleteChangeSet", "DescribeChangeSet", "ExecuteChangeSet", "ListChangeSets")
    roles = f"arn:{names.partition}:iam::{names.account}:role/cdk-*-{names.account}-{names.region}"
    path = f"parameter/{names.platform}/{names.environment}"
    found = [
        _allow(["sts:AssumeRole"], [roles]),
        _allow(list(_LISTS), ["*"]),
        _allow(
            [f"cloudformation:{each}" for each in (*sets, "ListStackResources")],
            [names.stacks],
            _no_others(names),
        ),
        _allow(["ssm:GetParameter"], [names.arn("ssm", "parameter/cdk-bootstrap/*")]),
        _allow(["ssm:GetParameters", "ssm:GetParametersByPath"], [names.arn("ssm", f"{path}/*")]),
        _allow(
            [f"dynamodb:{each}" for each in ("BatchGetItem", "GetItem", "Query")],
            [names.arn("dynamodb", f"table/*-migrations_history-{names.environment}")],
            _no_others(names),
        ),
        _allow(["s3:PutObject"], [names.objects("state")]),  # what it changed is marked there
        _allow(
            [f"dynamodb:{each}" for each in _LOOKS],
            [names.arn("dynamodb", f"table/*-{names.environment}")],
            _no_others(names),
        ),
    ]
    if names.base:  # what its stacks read there: whether that has changed since is asked before a deployment
        of_base = names.arn("ssm", f"parameter/{names.platform}/{names.base}/seedbed/*")
        found.append(_allow(["ssm:GetParameters"], [of_base]))
    return [*found, *_destroy(names)] if names.ephemeral else found


def _destroy(names: Names) -> list[Statement]:
    tagged = {"StringEquals": _tags(names)}
    emptied = [
        _allow(["s3:ListBucketMultipartUploads", "s3:ListBucketVersions"], [names.object()]),
        _allow(["s3:AbortMultipartUpload", "s3:DeleteObjectVersion"], [names.object("*")]),
    ]
    # The bucket of a base stays, and what others have in it.
    forgotten = [_allow(["s3:DeleteObject"], [names.objects("state")])]
    return [
        _allow(["cloudformation:DeleteStack"], [names.stacks], tagged),
        *(forgotten if names.base else emptied),
        _of_use(names),
        *_end_warm(names),
    ]


def _of_use(names: Names) -> Statement:
    """Say that the environment is used, or that it is gone; and which workers wait for its runs no more."""
    items = [f"dynamodb:{each}" for each in ("DeleteItem", "GetItem", "PutItem", "Query", "UpdateItem")]
    return _allow(items, [names.records], _leading(names.used))


def _end_warm(names: Names) -> list[Statement]:
    """End the workers that wait for runs: a cluster that has a task is not deleted."""
    if not names.cluster:
        return []
    here = {"ArnEquals": {"ecs:cluster": names.cluster}}
    tasks = _allow(["ecs:DescribeTasks", "ecs:StopTask"], [names.arn("ecs", "task/*")], _own_tasks(names))
    return [tasks, _allow(["ecs:ListTasks"], ["*"], here)]  # it has no resource of its own


def _own_tasks(names: Names) -> Mapping[str, Any]:
    """Return which tasks are the environment's: in the cluster of a base run those of all that lie there."""
    here = {"ArnEquals": {"ecs:cluster": names.cluster}}
    return {**here, "StringEquals": _tags(names)} if names.base or names.is_base else here


def _tags(names: Names) -> Mapping[str, str]:
    return {f"aws:ResourceTag/{key}": value for key, value in names.tags.items()}


def _no_others(names: Names) -> Mapping[str, Any]:
    """Leave out what is tagged as another environment's: `shop-dev-a-*` are the names of stacks of `dev-a-b`, too.

    What has no tags is left in: a stack that is not there, to be told so, and one that a change set is about to make;
    and tables in an account where DynamoDB heeds no tags.
    """
    tags = {key: value for key, value in _tags(names).items() if not key.endswith("/managed-by")}
    return {"StringEqualsIfExists": tags}


def _of_no_other_platform(names: Names) -> Mapping[str, Any]:
    return {"StringEqualsIfExists": {"aws:ResourceTag/platform": names.platform}}


def _work(names: Names) -> list[Statement]:
    """Take what was asked, tell what happens, leave the state: what a run inside the network does, and no approval."""
    return [
        _of_runs(names),
        *_of_releases(names, "files", "runs", "state"),
        _allow(["s3:PutObject"], [names.objects(each) for each in ("runs", "state")]),
        # Without it S3 calls a key that is not there forbidden.
        _allow(["s3:ListBucket"], [names.object()]),
    ]


def _collect(names: Names) -> list[Statement]:
    """Delete stacks of ephemeral environments, and what they left in a base: `names` are those of the base."""
    stacks = [names.arn("cloudformation", f"stack/{names.platform}-{EPHEMERAL}/*")]
    tagged = {
        "StringEquals": {
            "aws:ResourceTag/platform": names.platform,
            "aws:ResourceTag/managed-by": "seedbed",
        },
        "StringLike": {"aws:ResourceTag/environment": EPHEMERAL},
    }
    keys = [ENVIRONMENTS, COLLECTED, f"environment#{EPHEMERAL}", f"run#{EPHEMERAL}"]
    items = [f"dynamodb:{each}" for each in ("DeleteItem", "GetItem", "PutItem", "Query", "UpdateItem")]
    looks = ("DescribeStackEvents", "GetTemplate", "ListStackResources")
    return [
        _allow(list(_LISTS), ["*"]),
        _allow([f"cloudformation:{each}" for each in looks], stacks, _of_no_other_platform(names)),
        _allow(["cloudformation:DeleteStack"], stacks, tagged),
        _allow(["ssm:GetParametersByPath"], names.below(CONTROL)),
        _allow(items, [names.records], _leading(keys)),
        _allow(["s3:DeleteObject"], [names.object(f"state/{EPHEMERAL}")]),
        _allow(["secretsmanager:ListSecrets"], ["*"]),
        _allow(
            ["secretsmanager:DeleteSecret"],
            [names.arn("secretsmanager", f"secret:{names.platform}/{EPHEMERAL}")],
        ),
        *([_allow(["sns:Publish"], [names.topic])] if names.topic else []),
    ]


def _release(names: Names) -> list[Statement]:
    """Write down releases and what they refer to, open them in one's own name, and approve none."""
    return [
        _allow(["dynamodb:PutItem"], [names.records], _leading([release_item(names.environment)])),
        _allow(
            ["s3:PutObject"],
            [names.objects(RELEASES), names.object(f"{OPENINGS}/{names.environment}/*/{USER}")],
        ),
        # Which images services run is looked for in all clusters: an application's may lie anywhere.
        _allow(
            [
                f"ecs:{each}"
                for each in ("DescribeTaskDefinition", "ListClusters", "ListServices", "ListTasks")
            ],
            ["*"],
        ),
        _allow(["ecs:DescribeServices"], [names.arn("ecs", "service/*")]),
        _allow(["ecs:DescribeTasks"], [names.arn("ecs", "task/*")]),
    ]


def _approve(names: Names) -> list[Statement]:
    """Approve what is asked for, in one's own name; carry out nothing."""
    return [_allow(["s3:PutObject"], [names.object(f"{APPROVALS}/{names.environment}/*/{USER}")])]


def _of_runs(names: Names, more: Sequence[str] = ()) -> Statement:
    items = [f"dynamodb:{each}" for each in ("GetItem", "PutItem", "Query", "UpdateItem")]
    return _allow(items, [names.records], _leading([*dict.fromkeys((*names.runs, *more))]))


def _leading(keys: Sequence[str]) -> Mapping[str, Any]:
    # ForAllValues is true of nothing at all: a request without keys is refused by the second condition.
    key = "dynamodb:LeadingKeys"
    return {"ForAllValues:StringLike": {key: list(keys)}, "Null": {key: "false"}}


def _allow(
    actions: Sequence[str], resources: Sequence[str], condition: Mapping[str, Any] | None = None
) -> Statement:
    made = {"Effect": "Allow", "Action": list(actions), "Resource": list(resources)}
    return {**made, "Condition": condition} if condition else made


def _snapshot(names: Names) -> list[Statement]:
    """Take snapshots of clusters and tables, restore them beside, and take copies away; no snapshot is deleted.

    A copy has a name that no stack gives: `seedbed-PLATFORM-ENVIRONMENT-…` of a cluster, `TABLE.rNUMBER-…` of a table.
    """
    ours = f"seedbed-{names.platform}-{names.environment}-*".replace("_", "-")
    cluster, instance = names.arn("rds", f"cluster:{ours}"), names.arn("rds", f"db:{ours}")
    snapshot = names.arn("rds", f"cluster-snapshot:{ours}")
    around = [names.arn("rds", f"{each}:*") for each in ("cluster-pg", "og", "pg", "subgrp")]
    table = names.arn("dynamodb", f"table/*-{names.environment}")
    copy = names.arn("dynamodb", f"table/*.r*-{names.environment}")
    items = ("BatchWriteItem", "DeleteItem", "GetItem", "PutItem", "Query", "Scan", "UpdateItem")
    lists = ("DescribeDBClusterSnapshots", "DescribeDBClusters", "DescribeDBInstances")
    return [
        _allow(["dynamodb:ListBackups", "dynamodb:ListTables", *(f"rds:{each}" for each in lists)], ["*"]),
        _allow(["rds:CreateDBClusterSnapshot"], [names.arn("rds", "cluster:*"), snapshot]),
        _allow(["rds:RestoreDBClusterFromSnapshot"], [cluster, snapshot, *around]),
        _allow(["rds:CreateDBInstance"], [cluster, instance, *around]),
        _allow(["rds:AddTagsToResource"], [cluster, instance, snapshot], _no_others(names)),
        _allow(["rds:DeleteDBCluster", "rds:DeleteDBInstance"], [cluster, instance], _no_others(names)),
        _allow(["dynamodb:CreateBackup", "dynamodb:DescribeTable", "dynamodb:DescribeTimeToLive"], [table]),
        # AWS asks for the rights to the items of what is restored, too. Expectations are asked of it in PartiQL.
        _allow([f"dynamodb:{each}" for each in ("RestoreTableFromBackup", "DeleteTable", *items)], [copy]),
        _allow(["dynamodb:PartiQLSelect", "dynamodb:Query"], [copy, f"{copy}/index/*"]),
        _allow(["dynamodb:RestoreTableFromBackup"], [f"{table}/backup/*"]),
        _allow(["cloudformation:ListStackResources"], [names.stacks]),
        _allow(["cloudwatch:GetMetricData"], ["*"]),  # it has no resource: whether an index is still read
    ]
