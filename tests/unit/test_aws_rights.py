"""What callers may do: each call by the policies of its role, and what none of them may."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from seedbed.aws import rights
from tests.support.aws_proxy import Asked, allows

CLUSTER = "arn:aws:ecs:eu-central-1:111111111111:cluster/seedbed"
NAMES = rights.Names(
    "shop",
    "dev-a",
    "aws",
    "111111111111",
    "eu-central-1",
    "records",
    "files",
    cluster=CLUSTER,
    family="seedbed",
    log_group="log",
    roles=["arn:aws:iam::111111111111:role/task"],
    ephemeral=True,
)
RECORDS = NAMES.records
TASK = NAMES.arn("ecs", "task-definition/seedbed:7")
HERE = {"ecs:cluster": [CLUSTER]}
RECORD = Asked("dynamodb:PutItem", RECORDS, {"dynamodb:LeadingKeys": ["run#dev-a#1"]})
RELEASE = Asked("dynamodb:PutItem", RECORDS, {"dynamodb:LeadingKeys": ["release#dev-a"]})
ME = "AROAME:ana"
APPROVAL = Asked("s3:PutObject", NAMES.object(f"approvals/dev-a/0001/expand/{ME}"))
RUN = Asked("ecs:RunTask", TASK, HERE)
PASS = {"iam:PassedToService": ["ecs-tasks.amazonaws.com"]}
TAGS = {"aws:ResourceTag/platform": ["shop"], "aws:ResourceTag/environment": ["dev-a"]}
STACK = NAMES.arn("cloudformation", "stack/shop-dev-a-network/1")
OWN = {**TAGS, "aws:ResourceTag/managed-by": ["seedbed"]}
DELETE = Asked("cloudformation:DeleteStack", STACK, OWN)


def may(kind: str, asked: Asked, names: rights.Names = NAMES) -> bool:
    held = [each for policy in rights.KINDS[kind] for each in rights.statements(policy, names)]
    return allows(held, asked, ME)


@pytest.mark.parametrize(
    ("asked", "kinds"),
    [
        (Asked("sts:GetCallerIdentity", "*"), "read run deploy release approve dev"),
        (
            Asked("s3:GetObject", NAMES.object("state/dev-a/state.json")),
            "read run deploy release approve dev",
        ),
        (Asked("s3:PutObject", NAMES.object("state/dev-a/state.json")), "deploy release dev"),
        (Asked("s3:GetObject", NAMES.object("runs/dev-a/1/plan.json")), "run release dev"),
        (Asked("s3:PutObject", NAMES.object("runs/dev-a/1/plan.json")), "run release dev"),
        (Asked("s3:PutObject", "arn:aws:s3:::other/runs/1"), ""),
        (Asked("ecs:DescribeTaskDefinition", "*"), "release"),
        (Asked("cloudwatch:GetMetricData", "*"), ""),  # the task asks
        (Asked("s3:DeleteObjectVersion", NAMES.object("runs/1")), "deploy release dev"),
        (RECORD, "run release dev"),
        (RELEASE, "release"),
        (Asked("dynamodb:UpdateItem", RECORDS, RELEASE.context), ""),
        (Asked("dynamodb:GetItem", RECORDS, RELEASE.context), "read run deploy release approve dev"),
        (Asked("dynamodb:Query", RECORDS, RELEASE.context), "read run deploy release approve dev"),
        (Asked("s3:PutObject", NAMES.object("releases/dev-a/0")), "release"),
        (Asked("s3:GetObject", NAMES.object("releases/dev-a/0")), "read run deploy release approve dev"),
        (Asked("s3:DeleteObject", NAMES.object("releases/dev-a/0")), ""),
        (APPROVAL, "approve"),
        (Asked("s3:GetObject", APPROVAL.resource), "read run deploy release approve dev"),
        (Asked("s3:DeleteObject", APPROVAL.resource), ""),
        (Asked("s3:PutObject", NAMES.object("approvals/dev-a/0001/expand/AROAME:ben")), ""),
        (Asked("s3:PutObject", NAMES.object(f"approvals/dev-a/0001/expand/x{ME}")), ""),
        (Asked("s3:PutObject", NAMES.object(f"approvals/dev-a/0001/expand/{ME}/x")), ""),
        (Asked("dynamodb:PutItem", RECORDS), ""),  # a request without keys is nobody's
        (Asked("dynamodb:PutItem", NAMES.arn("dynamodb", "table/user-users-dev-a"), RECORD.context), ""),
        (Asked("dynamodb:GetItem", NAMES.arn("dynamodb", "table/user-users-dev-a")), ""),
        (Asked("dynamodb:DescribeTable", NAMES.arn("dynamodb", "table/a-b-dev-a")), "deploy release dev"),
        (
            Asked("dynamodb:PutItem", RECORDS, {"dynamodb:LeadingKeys": ["environment#dev-a"]}),
            "run deploy release dev",
        ),
        (Asked("dynamodb:PutItem", RECORDS, {"dynamodb:LeadingKeys": ["environment#dev-ab"]}), ""),
        (Asked("ecs:StopTask", NAMES.arn("ecs", "task/seedbed/1"), HERE), "run deploy release dev"),
        (Asked("ecs:ListTasks", "*", HERE), "run deploy release dev"),
        (Asked("ecs:ListTasks", "*", {"ecs:cluster": [CLUSTER + "2"]}), "release"),
        (Asked("ecs:DescribeServices", NAMES.arn("ecs", "service/web/api")), "release"),
        (Asked("ecs:UpdateService", NAMES.arn("ecs", "service/web/api")), ""),
        (Asked("ecs:StopTask", NAMES.arn("ecs", "task/web/1"), {"ecs:cluster": [CLUSTER + "2"]}), ""),
        (RUN, "run release dev"),
        (Asked("ecs:RunTask", TASK, {"ecs:cluster": [CLUSTER + "2"]}), ""),
        (Asked("ecs:RunTask", NAMES.arn("ecs", "task-definition/other:1"), HERE), ""),
        (Asked("iam:PassRole", NAMES.roles[0], PASS), "run release dev"),
        (Asked("iam:PassRole", NAMES.roles[0], {"iam:PassedToService": ["ec2.amazonaws.com"]}), ""),
        (Asked("iam:PassRole", "arn:aws:iam::111111111111:role/admin", PASS), ""),
        (DELETE, "deploy release dev"),
        (Asked("cloudformation:DeleteStack", STACK, TAGS), ""),  # not made by seedbed
        (
            Asked(
                "secretsmanager:GetSecretValue", "arn:aws:secretsmanager:eu-central-1:111111111111:secret:a"
            ),
            "",
        ),
    ],
)
def test_what_is_allowed_to_whom(asked: Asked, kinds: str) -> None:
    assert [each for each in rights.KINDS if may(each, asked)] == kinds.split()


def test_the_task_keeps_to_the_runs_of_its_environment_and_approves_nothing() -> None:
    def works(asked: Asked) -> bool:
        return allows(rights.statements(rights.WORK, NAMES), asked)

    own, other = ({"dynamodb:LeadingKeys": [f"environment#{each}"]} for each in ("dev-a", "dev-b"))
    assert works(RECORD)
    assert works(Asked("dynamodb:UpdateItem", RECORDS, own))
    assert not works(Asked("dynamodb:UpdateItem", RECORDS, other))
    assert not works(APPROVAL)
    assert works(Asked("s3:PutObject", NAMES.object("state/dev-a/state.json")))
    assert not works(Asked("s3:PutObject", NAMES.object("files/dev-a/1.tar.gz")))
    assert not works(RUN)


@pytest.mark.parametrize(
    ("action", "resource", "is_allowed"),
    [
        ("rds:CreateDBClusterSnapshot", "cluster-snapshot:seedbed-shop-dev-a-user-r12", True),
        ("rds:CreateDBClusterSnapshot", "cluster-snapshot:ours", False),
        ("rds:DeleteDBClusterSnapshot", "cluster-snapshot:seedbed-shop-dev-a-user-r12", False),
        ("rds:RestoreDBClusterFromSnapshot", "cluster:seedbed-shop-dev-a-user-r12", True),
        ("rds:DeleteDBCluster", "cluster:seedbed-shop-dev-a-user-r12", True),
        ("rds:DeleteDBCluster", "cluster:seedbed-shop-dev-b-user-r12", False),
        ("rds:DeleteDBCluster", "cluster:shop-dev-a-user-postgres", False),
        ("rds:DeleteDBInstance", "db:shop-dev-a-user-postgres-writer", False),
        ("rds:ModifyDBCluster", "cluster:seedbed-shop-dev-a-user-r12", False),
        ("dynamodb:CreateBackup", "table/user-users-dev-a", True),
        ("dynamodb:DeleteBackup", "table/user-users-dev-a/backup/1", False),
        ("dynamodb:RestoreTableFromBackup", "table/user-users.r12-dev-a", True),
        ("dynamodb:RestoreTableFromBackup", "table/user-users-dev-b/backup/1", False),
        ("dynamodb:DeleteTable", "table/user-users.r12-dev-a", True),
        ("dynamodb:DeleteTable", "table/user-users-dev-a", False),
    ],
)
def test_what_takes_snapshots_deletes_copies_and_neither_snapshots_nor_what_they_are_of(
    action: str, resource: str, is_allowed: bool
) -> None:
    asked = Asked(action, NAMES.arn(action.partition(":")[0], resource))
    assert allows(rights.statements(rights.SNAPSHOT, NAMES), asked) is is_allowed


@pytest.mark.parametrize("policy", ["read", "run", "deploy", "release", "approve", "work"])
def test_nobody_reaches_the_records_and_objects_of_another_environment_in_the_same_base(policy: str) -> None:
    held = rights.statements(policy, replace(NAMES, base="shared-dev"))
    for other in ("dev-b", "dev-a-b", "dev", "dev-"):
        for action in ("GetItem", "PutItem", "Query", "UpdateItem", "DeleteItem"):
            for key in (f"run#{other}#1", f"environment#{other}", f"release#{other}"):
                asked = Asked(f"dynamodb:{action}", RECORDS, {"dynamodb:LeadingKeys": [key]})
                assert not allows(held, asked), (action, key)
        for action in ("GetObject", "PutObject", "DeleteObject", "DeleteObjectVersion"):
            for kind in ("runs", "files", "state", "releases", "approvals"):
                assert not allows(held, Asked(f"s3:{action}", NAMES.object(f"{kind}/{other}/x"))), (
                    action,
                    kind,
                )


def test_in_a_base_the_bucket_is_not_emptied_and_the_records_are_found_below_it() -> None:
    lies = replace(NAMES, base="shared-dev")
    for action in ("ListBucketVersions", "ListBucketMultipartUploads"):
        assert may(rights.DEV, Asked(f"s3:{action}", NAMES.object()))
        assert not may(rights.DEV, Asked(f"s3:{action}", NAMES.object()), lies)
    for key, names in (("state/dev-a/state.json", ["deploy", "release", "dev"]), ("runs/dev-a/1/x", [])):
        gone = Asked("s3:DeleteObject", NAMES.object(key))
        assert [each for each in rights.KINDS if may(each, gone, lies)] == names
    control, task = (
        f"parameter/shop/{each}" for each in ("shared-dev/seedbed/control", "dev-a/seedbed/task")
    )
    for path in (control, task):
        assert may(rights.RUN, Asked("ssm:GetParametersByPath", NAMES.arn("ssm", path)), lies)
    assert not may(rights.RUN, Asked("ssm:GetParametersByPath", NAMES.arn("ssm", control)))
    read = Asked("ssm:GetParameters", NAMES.arn("ssm", "parameter/shop/shared-dev/seedbed/network/vpc"))
    assert may(rights.DEPLOY, read, lies)  # by its stacks
    assert not may(rights.DEPLOY, read)


@pytest.mark.parametrize(
    ("action", "resource"),
    [
        ("cloudformation:DescribeStackEvents", "stack/shop-dev-a-b-user-postgres/1"),
        ("cloudformation:GetTemplate", "stack/shop-dev-a-b-user-postgres/1"),
        ("cloudformation:ExecuteChangeSet", "stack/shop-dev-a-b-user-postgres/1"),
        ("cloudformation:ListStackResources", "stack/shop-dev-a-b-user-postgres/1"),
        ("cloudformation:DeleteStack", "stack/shop-dev-a-b-user-postgres/1"),
        ("dynamodb:DescribeTable", "table/user-users-b-dev-a"),
        ("dynamodb:GetItem", "table/user-migrations_history-dev-a"),
    ],
)
def test_what_is_another_environment_s_by_its_tags_is_nobody_s_whose_names_it_fits(
    action: str, resource: str
) -> None:
    service = action.partition(":")[0]
    asked = Asked(action, NAMES.arn(service, resource), OWN)
    assert may(rights.DEV, asked)
    for key, value in (("environment", "dev-a-b"), ("platform", "other")):
        other = {**OWN, f"aws:ResourceTag/{key}": [value]}
        assert not any(may(kind, replace_context(asked, other)) for kind in rights.KINDS)
    if action != "cloudformation:DeleteStack":
        assert may(rights.DEV, replace_context(asked, {}))


@pytest.mark.parametrize("action", ["AddTagsToResource", "DeleteDBCluster", "DeleteDBInstance"])
def test_a_copy_of_an_environment_whose_name_only_begins_so_is_not_taken_away(action: str) -> None:
    kind = "db" if action.endswith("Instance") else "cluster"
    copy = NAMES.arn("rds", f"{kind}:seedbed-shop-dev-a-b-user-r12")
    held, others = rights.statements(rights.SNAPSHOT, NAMES), {"aws:ResourceTag/environment": ["dev-a-b"]}
    assert allows(held, Asked(f"rds:{action}", copy, OWN))
    assert allows(held, Asked(f"rds:{action}", copy))  # it is about to be made
    assert not allows(held, Asked(f"rds:{action}", copy, {**OWN, **others}))


def replace_context(asked: Asked, context: dict[str, list[str]]) -> Asked:
    return Asked(asked.action, asked.resource, context)


@pytest.mark.parametrize("action", ["ecs:StopTask", "ecs:DescribeTasks"])
@pytest.mark.parametrize("kind", [rights.RUN, rights.DEPLOY])
def test_in_the_cluster_of_a_base_nobody_stops_the_tasks_of_a_neighbour(kind: str, action: str) -> None:
    lies, task = replace(NAMES, base="shared-dev"), NAMES.arn("ecs", "task/seedbed/1")
    others = {**OWN, "aws:ResourceTag/environment": ["dev-b"]}
    assert may(kind, Asked(action, task, {**HERE, **OWN}), lies)
    assert not may(kind, Asked(action, task, {**HERE, **others}), lies)
    assert may(kind, Asked(action, task, HERE))  # a cluster of its own has no others


@pytest.mark.parametrize("kind", [rights.READ, rights.RUN, rights.DEPLOY])
def test_of_a_base_runs_are_asked_for_followed_and_stopped_and_its_task_started_by_nobody(kind: str) -> None:
    base = replace(NAMES, environment="shared-dev", ephemeral=False, is_base=True)
    lies = replace(NAMES, base="shared-dev", family="own", roles=["arn:aws:iam::111111111111:role/own"])
    # A developer: all that is his own, and runs of the base.
    held = [
        *(each for policy in rights.KINDS[rights.DEV] for each in rights.statements(policy, lies)),
        *(each for policy in rights.KINDS[kind] for each in rights.statements(policy, base)),
    ]
    record = Asked("dynamodb:PutItem", RECORDS, {"dynamodb:LeadingKeys": ["run#shared-dev#1"]})
    is_run = kind == rights.RUN
    assert allows(held, record) is is_run
    for action in ("ecs:StopTask", "ecs:DescribeTasks"):
        for name, allowed in (("shared-dev", is_run), ("dev-a", True), ("dev-b", False)):
            of = {**OWN, "aws:ResourceTag/environment": [name]}
            stopped = Asked(action, NAMES.arn("ecs", "task/seedbed/1"), {**HERE, **of})
            assert allows(held, stopped) is allowed, (action, name)
    role = NAMES.roles[0]
    for refused in (
        RUN,
        Asked("ecs:StartTask", TASK, HERE),
        Asked("ecs:CreateService", TASK, HERE),
        Asked("ecs:UpdateService", NAMES.arn("ecs", "service/seedbed/graph"), HERE),
        Asked("ecs:RegisterTaskDefinition", "*", HERE),
        Asked("ecs:ExecuteCommand", NAMES.arn("ecs", "task/seedbed/1"), HERE),
        Asked("iam:PassRole", role, PASS),
        *(
            Asked("iam:PassRole", role, {"iam:PassedToService": [f"{each}.amazonaws.com"]})
            for each in ("pipes", "scheduler", "lambda", "ec2")
        ),
        Asked("sts:AssumeRole", role),
        Asked("pipes:UpdatePipe", NAMES.arn("pipes", "pipe/base")),
        Asked("scheduler:UpdateSchedule", NAMES.arn("scheduler", "schedule/default/base")),
    ):
        assert not allows(held, refused), refused
    own = Asked("ecs:RunTask", NAMES.arn("ecs", "task-definition/own:1"), HERE)
    assert allows(held, own)
    assert allows(held, Asked("iam:PassRole", lies.roles[0], PASS))


def test_the_task_of_a_base_deletes_stacks_of_ephemeral_environments_and_no_others() -> None:
    held = rights.statements(rights.COLLECT, replace(NAMES, environment="shared-dev", ephemeral=False))

    def tagged(environment: str, **other: str) -> Asked:
        tags = {"platform": "shop", "environment": environment, "managed-by": "seedbed", **other}
        stack = NAMES.arn("cloudformation", f"stack/shop-{environment}-user-dynamodb/1")
        return Asked(
            "cloudformation:DeleteStack", stack, {f"aws:ResourceTag/{k}": [v] for k, v in tags.items()}
        )

    assert allows(held, tagged("dev-a"))
    for other in (tagged("shared-dev"), tagged("prod"), tagged("staging"), tagged("dev-a", platform="other")):
        assert not allows(held, other)
    forged = Asked("cloudformation:DeleteStack", tagged("dev-a").resource, tagged("prod").context)
    assert not allows(held, forged)
    for key, is_allowed in (
        ("environment#dev-a", True),
        ("environment#prod", False),
        ("approval#dev-a#1", False),
    ):
        asked = Asked("dynamodb:UpdateItem", RECORDS, {"dynamodb:LeadingKeys": [key]})
        assert allows(held, asked) is is_allowed
    secret = "arn:aws:secretsmanager:eu-central-1:111111111111:secret:shop"
    assert allows(held, Asked("secretsmanager:DeleteSecret", f"{secret}/dev-a/user/postgres/migrate-x"))
    assert not allows(held, Asked("secretsmanager:DeleteSecret", f"{secret}-prod-user"))


@pytest.mark.parametrize("policy", [rights.DEPLOY, rights.COLLECT])
@pytest.mark.parametrize("action", ["DescribeStacks", "ListStacks"])
def test_all_stacks_of_an_account_are_described_by_two_rights(policy: str, action: str) -> None:
    every = NAMES.arn("cloudformation", "stack/*/*")
    assert allows(rights.statements(policy, NAMES), Asked(f"cloudformation:{action}", every))


def test_a_developer_may_do_what_runs_and_deploys() -> None:
    for kind in (rights.RUN, rights.DEPLOY):
        assert set(rights.KINDS[kind]) <= set(rights.KINDS[rights.DEV])
    policies = ("read", "run", "deploy", "approve", "work")
    effects = {each["Effect"] for policy in policies for each in rights.statements(policy, NAMES)}
    assert effects == {"Allow"}  # more policies never allow less


def test_nothing_is_destroyed_where_data_are_kept() -> None:
    kept = replace(NAMES, ephemeral=False)
    assert not may(rights.DEPLOY, DELETE, kept)
    assert not may(rights.DEPLOY, Asked("s3:DeleteObject", NAMES.object("runs/1")), kept)
    assert may(rights.RUN, RUN, kept)


def test_no_statement_allows_every_action_of_a_service() -> None:
    for policy in ("read", "run", "deploy", "approve", "work"):
        for each in rights.statements(policy, NAMES):
            assert not [action for action in each["Action"] if "*" in action]
            if each["Resource"] == ["*"]:
                looked = ("DescribeStacks", "ListExports", "ListImports", "ListStacks")
                lists = {f"cloudformation:{name}" for name in looked}
                assert set(each["Action"]) <= {"sts:GetCallerIdentity", *lists} or (
                    each["Action"] == ["ecs:ListTasks"]
                    and each["Condition"] == {"ArnEquals": {"ecs:cluster": CLUSTER}}
                )
