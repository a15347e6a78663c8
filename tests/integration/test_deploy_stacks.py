"""Stacks in plans: shown, bound by the plan, refused where something would be lost or left behind."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from seedbed.aws import rights
from seedbed.deployment import cdk
from seedbed.deployment.child import ChildResult
from seedbed.engines.dynamodb.sandbox.world import World
from seedbed.execution.stopping import Stop
from seedbed.model.names import stack_tags
from tests.support.aws_proxy import Call, Proxy, mutating, on, proxy
from tests.support.aws_proxy.http import Response
from tests.support.deployment.assemblies import assembly
from tests.support.deployment.callers import called_by
from tests.support.deployment.leftovers import leftovers
from tests.support.deployment.releases import STACK, Shop

PROD, STAGING = (STACK.format(environment=each) for each in ("prod", "staging"))
TASK = "shop-staging-seedbed-task"
DATABASE = "AWS::RDS::DBCluster"
DATABASE_ALONE = {"Db": {"Type": DATABASE, "Properties": {"Engine": "aurora-postgresql"}}}
LOG_ALONE = {"Log": {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": "/shop/task"}}}


@pytest.fixture
def aws(ministack_account: World) -> Iterator[Proxy]:
    with proxy(ministack_account.endpoint) as running:
        yield running


@pytest.fixture
def shop(tmp_path: Path, ministack_account: World, assemblies: Path, aws: Proxy) -> Shop:
    """A platform that is deployed by callers who may do no more than that."""
    made = Shop(tmp_path, ministack_account, assemblies, aws.endpoint)
    made.prepare()
    return called_by(rights.DEPLOY, made, aws)


def _made(
    shop: Shop,
    name: str,
    environment: str,
    *,
    resources: Mapping[str, Mapping[str, Any]] = DATABASE_ALONE,
    parameters: Mapping[str, Mapping[str, Any]] | None = None,
) -> None:
    """Have a stack that an app of former times made in an environment."""
    tags = {"platform": "shop", "environment": environment, "managed-by": "seedbed"}
    shop.ask(
        "cloudformation",
        "CreateStack",
        StackName=name,
        TemplateBody=json.dumps(
            {"Resources": resources, **({"Parameters": parameters} if parameters else {})}
        ),
        Tags=[{"Key": key, "Value": value} for key, value in tags.items()],
    )
    end = time.monotonic() + 30
    while _stack(shop, name)["StackStatus"] != "CREATE_COMPLETE":
        assert time.monotonic() < end
        time.sleep(0.02)


def _stack(shop: Shop, name: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = shop.ask("cloudformation", "DescribeStacks", StackName=name)["Stacks"][0]
    return found


def _edited(options: list[str], old: str, new: str) -> list[str]:
    """Return the options that deploy the same assembly with a change in its templates or its manifest."""
    for path in Path(options[1]).glob("*.json"):
        path.write_text(path.read_text().replace(old, new))
    return options


def test_a_plan_shows_every_stack_with_its_resources_and_says_where_none_was_looked_at(
    shop: Shop, aws: Proxy
) -> None:
    shop.has("one", environment="prod")
    options = shop.release("one", "prod")
    same = shop.run("plan", "-e", "prod", "--json", *options).document
    (stack,) = same["stacks"]
    assert (stack["stack"], stack["changes"], stack["deployed"]) == (PROD, [], stack["wanted"])
    _edited(options, '"DeletionProtectionEnabled": true', '"DeletionProtectionEnabled": false')
    aws.forget()
    shown = shop.run("plan", "-e", "prod", "--exit-code", *options)
    assert shown.code == 6, shown.everything
    assert f"stack {PROD}" in shown.out
    assert "(DynamoDB::Table)  DeletionProtectionEnabled" in shown.out
    assert "1 stack to update" in shown.out
    assert aws.of(mutating) == []
    assert "stacks were not looked at: --stacks does, and so does --out" in shop.run("plan", "-e", "prod").out
    file = shop.root / "plan.json"
    blind = shop.run("plan", "-e", "prod", "--out", str(file), "--no-stacks")
    assert (blind.code, json.loads(file.read_text())["stacks"]) == (0, [])
    refused = shop.run("deploy", "-e", "prod", str(file), *options)
    assert (refused.code, f"the plan does not show stack {PROD}" in refused.err) == (3, True)
    assert "no stack was looked at when it was made: --no-stacks says so" in refused.err
    assert aws.of(mutating) == []


def test_where_the_cdk_cannot_run_the_plan_is_made_and_says_so(shop: Shop) -> None:
    shop.release("one", "prod")
    file = shop.root / "plan.json"
    variables = {"SEEDBED_CDK": str(shop.root / "nowhere")}
    planned = shop.run("plan", "-e", "prod", "--out", str(file), env=variables)
    assert planned.code == 0, planned.everything
    assert "stacks were not looked at: there is no CDK CLI at" in planned.out
    insisted = shop.run("plan", "-e", "prod", "--stacks", env=variables)
    assert (insisted.code, "there is no CDK CLI at" in insisted.err) == (2, True)
    empty = {"XDG_CACHE_HOME": str(shop.root / "cache")}
    planned = shop.run("plan", "-e", "prod", "--out", str(file), env=empty)
    assert "the CDK CLI is not on this machine: --stacks fetches it, and so does deploy" in planned.out
    given = shop.run("plan", "-e", "prod", *shop.release("one", "prod"), env=variables)
    assert (given.code, f"stack {PROD}" in given.out) == (0, True), (
        given.everything
    )  # an assembly takes no CLI


def test_deploy_refuses_a_template_or_a_change_that_the_plan_does_not_show(shop: Shop, aws: Proxy) -> None:
    shop.has("one", environment="prod")
    options = shop.release("one", "prod")
    _edited(options, '"DeletionProtectionEnabled": true', '"DeletionProtectionEnabled": false')
    file = str(shop.root / "plan.json")
    assert shop.run("plan", "-e", "prod", "--out", file, *options).code == 0
    aws.forget()
    # Somebody takes a parameter out of the stack that the app makes as well.
    body = shop.ask("cloudformation", "GetTemplate", StackName=PROD)["TemplateBody"]
    gone = next(name for name, each in body["Resources"].items() if each["Type"] == "AWS::SSM::Parameter")
    del body["Resources"][gone]
    body.pop("Outputs", None)
    shop.ask("cloudformation", "UpdateStack", StackName=PROD, TemplateBody=json.dumps(body))
    refused = shop.run("deploy", "-e", "prod", file, *options)
    assert (refused.code, f"the plan no longer fits stack {PROD}" in refused.err) == (3, True), refused.err
    assert f"what was not reviewed: add {gone} (SSM::Parameter)" in refused.err
    _edited(options, '"PointInTimeRecoveryEnabled": true', '"PointInTimeRecoveryEnabled": false')
    refused = shop.run("deploy", "-e", "prod", file, *options)
    assert (refused.code, "another template of it than the one that was reviewed" in refused.err) == (3, True)
    assert aws.of(mutating) == []


@pytest.mark.parametrize("environment", ["staging", "prod"])
def test_a_renamed_service_or_a_forgotten_image_is_refused_by_plan_and_by_deploy(
    shop: Shop, aws: Proxy, environment: str
) -> None:
    shop.has("one", environment=environment)
    old = f"shop-{environment}-user-postgres"
    _made(shop, old, environment)
    _made(shop, f"shop-{environment}-seedbed-task", environment, resources=LOG_ALONE)
    _made(shop, f"shop-{environment}0-user-postgres", f"{environment}0")  # another environment's
    options = shop.release("one", environment)
    file = str(shop.root / "plan.json")
    aws.forget()
    planned = shop.run("plan", "-e", environment, "--out", file, *options)
    unreviewed = ("--unreviewed",) if environment == "prod" else ()
    for found in (planned, shop.run("deploy", "-e", environment, *options, *unreviewed)):
        assert found.code == 3, found.everything
        assert f"the app no longer makes {old}" in found.everything
        assert "it holds Db (RDS::DBCluster); under another name a service gets an empty" in found.everything
        assert f"the app no longer makes shop-{environment}-seedbed-task" in found.everything
        assert "as before; to leave the stack as it is: --drop shop-" in found.everything
        assert f"{environment}0" not in found.everything
    assert shop.run("deploy", "-e", environment, file, *options).code == 3
    dropped = ("--drop", old, "--drop", f"shop-{environment}-seedbed-task")
    assert shop.run("plan", "-e", environment, "--out", file, *options, *dropped).code == 0
    meant = shop.run("deploy", "-e", environment, file, *options)
    assert (meant.code, "every stack is up to date" in meant.out) == (0, True), meant.everything
    wrong = shop.run("deploy", "-e", environment, *options, *unreviewed, "--drop", "shop-no")
    assert (wrong.code, "there is no stack shop-no that the app no longer makes" in wrong.err) == (2, True)
    assert aws.of(mutating) == []


def _renamed(shop: Shop, environment: str) -> list[str]:
    """Declare the service under another name, and return the options that deploy what the app makes of it then."""
    former = (
        Path(shop.release("one", environment)[1]) / f"{STACK.format(environment=environment)}.template.json"
    )
    template = json.loads(
        former.read_text().replace('"courses-', '"lessons-').replace("/courses/", "/lessons/")
    )
    manifest = shop.root / "seedbed.toml"
    manifest.write_text(manifest.read_text().replace("services.courses", "services.lessons"))
    (shop.root / "services" / "courses").rename(shop.root / "services" / "lessons")
    name = f"shop-{environment}-lessons-dynamodb"
    tags = {**stack_tags("shop", environment), "service": "lessons"}
    made = assembly(shop.root / "renamed", {name: template}, account=shop.world.account, tags=tags)
    return ["--assembly", str(made)]


@pytest.mark.slow
@pytest.mark.parametrize("environment", ["prod", pytest.param("dev-ana", marks=pytest.mark.soak)])
def test_a_service_that_was_renamed_begins_anew_where_that_is_meant_and_the_old_one_keeps_its_data(
    shop: Shop, aws: Proxy, environment: str
) -> None:
    shop.has("one", environment=environment)
    item = {"course_id": {"S": "c1"}}
    table = {"TableName": f"courses-courses-{environment}"}
    shop.ask("dynamodb", "PutItem", **table, Item=item)
    old, is_prod = STACK.format(environment=environment), environment == "prod"
    file = str(shop.root / "plan.json")
    as_before = shop.release("one", environment)
    options = _renamed(shop, environment)
    aws.forget()
    planned = shop.run("plan", "-e", environment, *options)
    assert (planned.code, f"the app no longer makes {old}" in planned.out) == (3 if is_prod else 0, True)
    if is_prod:
        refused = shop.run("deploy", "-e", environment, "--unreviewed", *options)
        assert (refused.code, f"--drop {old}" in refused.err) == (3, True), refused.everything
        assert aws.of(mutating) == []
    # The first way round: the former name.
    manifest = shop.root / "seedbed.toml"
    renamed = manifest.read_text()
    manifest.write_text(renamed.replace("services.lessons", "services.courses"))
    (shop.root / "services" / "lessons").rename(shop.root / "services" / "courses")
    kept = shop.run("plan", "-e", environment, "--exit-code", "--stacks", *as_before)
    assert (kept.code, "no longer makes" in kept.out) == (0, False), kept.everything
    manifest.write_text(renamed)
    (shop.root / "services" / "courses").rename(shop.root / "services" / "lessons")
    # The second: the stack is left, by name.
    dropped = ("--drop", old) if is_prod else ()
    assert shop.run("plan", "-e", environment, "--out", file, *options, *dropped).code == 0
    done = shop.run("deploy", "-e", environment, file, *options)
    assert (done.code, "1 update deployed" in done.out) == (0, True), done.everything
    assert shop.ask("dynamodb", "Scan", **table)["Items"] == [item]
    assert f"lessons-courses-{environment}" in shop.tables()
    assert _stack(shop, old)["StackStatus"] == "CREATE_COMPLETE"
    if not is_prod:
        assert shop.run("destroy", "-e", environment, "--yes").code == 0
        assert leftovers(shop.world) == {}
        return
    # Once its stack is deleted there is nothing left to say, and its table is kept.
    shop.ask("cloudformation", "DeleteStack", StackName=old)
    said = shop.run("plan", "-e", environment, "--exit-code", "--stacks", *options)
    assert (said.code, "no longer makes" in said.out) == (0, False), said.everything
    assert shop.ask("dynamodb", "Scan", **table)["Items"] == [item]


def test_in_an_ephemeral_environment_what_the_app_no_longer_makes_is_told_and_stays(shop: Shop) -> None:
    shop.has("one")
    _made(shop, "shop-dev-ana-user-postgres", "dev-ana")
    options = shop.release("one")
    planned = shop.run("plan", "-e", "dev-ana", *options)
    assert planned.code == 0
    assert "the app no longer makes shop-dev-ana-user-postgres: it is left as it is" in planned.out
    assert shop.run("deploy", "-e", "dev-ana", *options).code == 0


def test_tags_alone_reach_the_stack(shop: Shop, aws: Proxy) -> None:
    shop.has("one", environment="staging")
    options = _edited(
        shop.release("one", "staging"), '"service": "courses"', '"service": "courses", "owner": "ana"'
    )
    aws.forget()
    done = shop.run("deploy", "-e", "staging", *options)
    assert (done.code, "1 update deployed" in done.out) == (0, True), done.everything
    assert {"Key": "owner", "Value": "ana"} in _stack(shop, STAGING)["Tags"]
    assert [each.operation for each in aws.of(mutating) if each.operation != "AssumeRole"] == ["UpdateStack"]
    assert "every stack is up to date" in shop.run("deploy", "-e", "staging", *options).out


HOST = "/shop/staging/user/postgres/host"
READER: Mapping[str, Any] = {
    "Parameters": {"Host": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": HOST}},
    "Resources": {
        "Told": {
            "Type": "AWS::SSM::Parameter",
            "Properties": {"Name": "/told", "Type": "String", "Value": {"Ref": "Host"}},
        }
    },
}


@pytest.mark.slow
def test_a_value_of_another_stack_that_changed_since_is_in_the_plan_and_deployed_by_a_change_set(
    shop: Shop, aws: Proxy
) -> None:
    shop.has("one", environment="staging")
    shop.ask("ssm", "PutParameter", Name=HOST, Value="db-1", Type="String")
    _made(shop, TASK, "staging", resources=READER["Resources"], parameters=READER["Parameters"])
    courses = json.loads((Path(shop.release("one", "staging")[1]) / f"{STAGING}.template.json").read_text())
    stacks, tags = {STAGING: courses, TASK: READER}, stack_tags("shop", "staging")
    made = assembly(shop.root / "made", stacks, account=shop.world.account, tags=tags)
    options, file = ["--assembly", str(made)], str(shop.root / "plan.json")
    assert "to update" not in shop.run("plan", "-e", "staging", "--out", file, *options).out
    shop.ask("ssm", "PutParameter", Name=HOST, Value="db-2", Type="String", Overwrite=True)
    refused = shop.run("deploy", "-e", "staging", file, *options)
    assert refused.code == 3, refused.everything
    assert "what was not reviewed: modify Told (SSM::Parameter) Properties.Value" in refused.err
    planned = shop.run("plan", "-e", "staging", "--out", file, *options)
    assert planned.code == 0, planned.everything
    assert "~  modify  Told (SSM::Parameter)" in planned.out
    assert f"Parameters.{HOST}" in planned.out
    assert "1 stack to update" in planned.out
    aws.forget()
    done = shop.run("deploy", "-e", "staging", file, *options)
    assert (done.code, "1 update deployed" in done.out) == (0, True), done.everything
    assert len([each for each in aws.calls if on("ExecuteChangeSet")(each)]) == 1
    assert shop.ask("ssm", "GetParameter", Name="/told")["Parameter"]["Value"] == "db-2"
    assert "every stack is up to date" in shop.run("deploy", "-e", "staging", *options).out


@pytest.mark.slow
def test_a_change_set_that_makes_anew_what_the_templates_did_not_tell_is_deleted_and_not_executed(
    shop: Shop, aws: Proxy
) -> None:
    shop.has("one", environment="staging")

    def anew(_: Call, answer: Response) -> Response:
        return answer.with_body(answer.body.replace(b"<Replacement>False<", b"<Replacement>True<"))

    aws.rewrite("DescribeChangeSet", anew)
    aws.forget()
    refused = replace(shop).deploy("half", environment="staging")
    assert refused.code == 3, refused.everything
    assert f"the change set of {STAGING} would take data away" in refused.everything
    assert "TableCourses" in refused.everything
    assert [each for each in aws.calls if on("ExecuteChangeSet")(each)] == []
    assert shop.ask("cloudformation", "ListChangeSets", StackName=STAGING)["Summaries"] == []
    assert shop.indexes("staging") == []


def test_what_would_be_made_anew_set_back_or_dropped_is_shown_and_refused_by_plan_and_by_deploy(
    shop: Shop, aws: Proxy
) -> None:
    shop.has("one", environment="prod")
    name = "shop-prod-user-postgres"
    cluster = {"Engine": "aurora-postgresql", "DatabaseName": "user_db"}
    former = {
        "Db": {"Type": DATABASE, "Properties": cluster},
        "Old": {"Type": DATABASE, "Properties": {**cluster, "EngineVersion": "17.7"}},
        "Files": {"Type": "AWS::EFS::FileSystem", "Properties": {}},
    }
    wanted = {
        "Db": {"Type": DATABASE, "Properties": {**cluster, "DatabaseName": "users_db"}},
        "Old": {"Type": DATABASE, "Properties": {**cluster, "EngineVersion": "17.5"}},
    }
    _made(shop, name, "prod", resources=former)
    courses = json.loads((Path(shop.release("one", "prod")[1]) / f"{PROD}.template.json").read_text())
    stacks, tags = {PROD: courses, name: {"Resources": wanted}}, stack_tags("shop", "prod")
    made = assembly(shop.root / "made", stacks, account=shop.world.account, tags=tags)
    options, file = ["--assembly", str(made)], str(shop.root / "plan.json")
    aws.forget()
    planned = shop.run("plan", "-e", "prod", "--out", file, *options)
    because = "DatabaseName would change from user_db to users_db, and is set at its creation alone"
    assert planned.code == 3, planned.everything
    assert f"made anew, and empty: {because}" in planned.out
    assert f"refused: {name}: set back Old (RDS::DBCluster)" in planned.out
    assert f"refused: {name}: remove Files (EFS::FileSystem)" in planned.out
    assert (
        f"try: deploy it as it was, or make another beside it and copy the data; to mean it: cdk deploy {name}"
        in (planned.out)
    )
    for arguments in ((file,), ("--unreviewed",)):
        refused = shop.run("deploy", "-e", "prod", *arguments, *options)
        assert refused.code == 3, refused.everything
        assert f"replace Db (RDS::DBCluster): {because}" in refused.err
        assert "from 17.7 to 17.5, and AWS never goes back" in refused.err
        assert "remove Files (EFS::FileSystem): the app no longer makes it" in refused.err
    assert aws.of(mutating) == []


def _plainly(shop: Shop, app: Path, verb: str, *arguments: str) -> ChildResult:
    """Have the CDK's own command line do something with an assembly."""
    room = shop.root / "plain"
    room.mkdir(exist_ok=True)
    cli = cdk.find(shop.root / "cdk", os.environ, room, Stop(), print)
    told = ["--force"] if verb == "destroy" else ["--require-approval", "never"]
    where = structs.replace(shop.world.cloud, endpoint=shop.endpoint)
    return cli.run([verb, *arguments, "--app", str(app), *told], cwd=shop.root, cloud=where)


@pytest.mark.soak
def test_what_plain_cdk_leaves_seedbed_deletes(shop: Shop) -> None:
    shop.release("one")
    old, control = "shop-dev-ana-user-postgres", "shop-dev-ana-seedbed-control"
    _made(shop, old, "dev-ana", resources=LOG_ALONE)
    bucket = {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": f"runs-{shop.world.account}"}}
    tags = stack_tags("shop", "dev-ana")
    stacks = {control: {"Resources": {"Bucket": bucket}}}
    app = assembly(shop.root / "made", stacks, account=shop.world.account, tags=tags)
    deployed = _plainly(shop, app, "deploy", "--all")
    assert deployed.code == 0, deployed.last_lines
    shop.ask("s3", "PutObject", Bucket=f"runs-{shop.world.account}", Key="runs/1", Body=b"1")
    failed = _plainly(shop, app, "destroy", "--all")
    assert (failed.code != 0, "not empty" in "".join(failed.lines)) == (True, True), failed.lines
    assert _stack(shop, control)["StackStatus"] == "DELETE_FAILED"
    shop.ask("s3", "DeleteObject", Bucket=f"runs-{shop.world.account}", Key="runs/1")
    gone = _plainly(shop, app, "destroy", "--all")
    assert gone.code == 0, gone.last_lines
    assert leftovers(shop.world)["stack"] == [old]
    assert shop.run("destroy", "-e", "dev-ana", "--yes").code == 0
    assert leftovers(shop.world) == {}


@pytest.mark.soak
def test_each_way_round_that_is_printed_leads_on(shop: Shop) -> None:
    shop.has("one", environment="prod")
    name, task = "shop-prod-user-postgres", "shop-prod-seedbed-task"
    former = {
        "Db": {"Type": DATABASE, "Properties": {"Engine": "aurora-postgresql", "EngineVersion": "17.7"}}
    }
    back = {"Db": {"Type": DATABASE, "Properties": {"Engine": "aurora-postgresql", "EngineVersion": "17.5"}}}
    _made(shop, name, "prod", resources=former)
    _made(shop, task, "prod", resources=LOG_ALONE)
    file = str(shop.root / "plan.json")

    def deployed(which: str, resources: Mapping[str, Any]) -> tuple[int, str]:
        """Return how plan and deploy end where the app makes `resources` of the database, and the task's stack."""
        courses = json.loads((Path(shop.release("one", "prod")[1]) / f"{PROD}.template.json").read_text())
        stacks = {PROD: courses, name: {"Resources": resources}, task: {"Resources": LOG_ALONE}}
        made = assembly(
            shop.root / which, stacks, account=shop.world.account, tags=stack_tags("shop", "prod")
        )
        options = ("--assembly", str(made))
        planned = shop.run("plan", "-e", "prod", "--out", file, *options)
        done = shop.run("deploy", "-e", "prod", file, *options)
        return max(planned.code, done.code), planned.everything + done.everything

    code, said = deployed("back", back)
    assert (code, "deploy it as it was, or make another beside it" in said, f"cdk deploy {name}" in said) == (
        3,
        True,
        True,
    ), said
    code, said = deployed("as-it-was", former)
    assert (code, "every stack is up to date" in said) == (0, True), said
    code, said = deployed("beside", {**former, "Beside": back["Db"]})
    assert (code, "1 update deployed" in said) == (0, True), said
    assert len(shop.ask("rds", "DescribeDBClusters")["DBClusters"]) == 2
    plain = _plainly(shop, shop.root / "back", "deploy", name, "--exclusively")
    assert plain.code == 0, plain.last_lines
    code, said = deployed("meant", back)
    assert (code, "every stack is up to date" in said) == (0, True), said
