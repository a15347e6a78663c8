"""What a deployment leaves in the state document: `plan` and `status` stay true while and after stacks are changed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from seedbed.aws import clients, rights
from seedbed.aws.objects import Bucket
from seedbed.documents.state import StateDocument
from seedbed.engines.dynamodb.sandbox.world import World
from seedbed.model.history import History
from seedbed.model.names import stack_tags
from seedbed.model.remembered import Remembered
from seedbed.remote import state
from tests.support.afar import put_facts
from tests.support.aws_proxy import TOKEN_VARIABLE, Policies, Proxy, on, proxy
from tests.support.deployment.assemblies import assembly
from tests.support.deployment.releases import STACK, Shop

COURSES, USER = "courses/dynamodb", "user/postgres"
BUCKET = "shop-dev-ana-seedbed"
LOG = {"Log": {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": "/shop/user"}}}
OWNER = {"owner": "ana"}


@pytest.fixture
def aws(ministack_account: World) -> Iterator[Proxy]:
    with proxy(ministack_account.endpoint) as running:
        yield running


@pytest.fixture
def bucket(ministack_account: World) -> Bucket:
    """The bucket of the environment, with what a run left of both databases an hour ago."""
    name = f"{BUCKET}-{ministack_account.account}"
    found = Bucket(ministack_account.cloud, name)
    at = datetime.now(UTC) - timedelta(hours=1)
    seen = [
        Remembered(
            each,
            "01J",
            at,
            "somewhere",
            "a server",
            History(),
            deployed={"tables": {}} if each == COURSES else None,
        )
        for each in (COURSES, USER)
    ]
    put_facts(ministack_account.cloud, "shop", "dev-ana", {"control": {"table": "records", "bucket": name}})
    where = {"LocationConstraint": ministack_account.region}
    clients.call(ministack_account.cloud, "s3", "CreateBucket", Bucket=name, CreateBucketConfiguration=where)
    state.leave(found, StateDocument.of("dev-ana", seen, "apply"))
    return found


@pytest.fixture
def shop(tmp_path: Path, ministack_account: World, assemblies: Path, aws: Proxy, bucket: Bucket) -> Shop:
    """A platform with tables and a PostgreSQL, both deployed, whose databases are reached by a task."""
    made = Shop(tmp_path, ministack_account, assemblies, aws.endpoint)
    made.prepare()
    made.has("one")
    made.ask("cloudformation", "CreateStack", StackName="shop-dev-ana-user-postgres", **_stack())
    return made


def _stack() -> dict[str, Any]:
    tags = {"platform": "shop", "environment": "dev-ana", "managed-by": "seedbed"}
    return {
        "TemplateBody": json.dumps({"Resources": LOG}),
        "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
    }


def _options(shop: Shop) -> list[str]:
    """Return the options that deploy both stacks as they are, with a tag more: no template is changed."""
    release = Path(shop.release("one")[1])
    manifest = (shop.root / "seedbed.toml").read_text()
    manifest = manifest.replace("[services.courses", "[services.user.postgres]\n[services.courses", 1)
    (shop.root / "seedbed.toml").write_text(
        manifest.replace("ephemeral = true", 'ephemeral = true\naccess = "task"', 1)
    )
    (shop.root / "services/user/postgres/migrations").mkdir(parents=True, exist_ok=True)
    courses = STACK.format(environment="dev-ana")
    template = json.loads((release / f"{courses}.template.json").read_text())
    into = shop.root / "both"
    made = assembly(
        into,
        {courses: template, "shop-dev-ana-user-postgres": {"Resources": LOG}},
        account=shop.world.account,
    )
    said = json.loads((made / "manifest.json").read_text())
    for artifact in said["artifacts"].values():
        if artifact["type"] == "aws:cloudformation:stack":
            artifact["properties"]["tags"] = OWNER
    (made / "manifest.json").write_text(json.dumps(said))
    return ["--assembly", str(made)]


def test_what_a_deployment_changes_is_marked_and_what_it_can_look_at_is_told_as_it_is(
    shop: Shop, aws: Proxy, bucket: Bucket
) -> None:
    options = _options(shop)
    before = shop.run("plan", "-e", "dev-ana")
    assert (before.code, "deploy" in before.out) == (0, True), before.everything  # no table was there
    assert "changed since" not in before.out
    place = (shop.world.account, shop.world.region)
    judge = aws.add(Policies(account=place[0], region=place[1], tags=stack_tags("shop", "dev-ana")))
    names = rights.Names("shop", "dev-ana", "aws", *place, "records", bucket.name, ephemeral=True)
    judge.caller(rights.DEPLOY, names)
    done = shop.run("deploy", "-e", "dev-ana", *options, env={TOKEN_VARIABLE: rights.DEPLOY})
    assert done.code == 0, done.everything
    assert "may tell the state of before" not in done.err
    assert "s3:PutObject" in judge.performed[rights.DEPLOY]
    known = state.state(bucket, "dev-ana").remembered()
    assert (known[COURSES].run, known[USER].run) == ("", "01J")
    assert (known[USER].changed is None, known[COURSES].deployed == {"tables": {}}) == (False, False)
    for command in ("plan", "status"):
        page = shop.run(command, "-e", "dev-ana").out
        # One that takes less than the second that AWS tells leaves its mark on what it looked at, too.
        assert re.search(r"changed since by a deployment, [^\n]*user/postgres\n", page)
        assert "a deployment: courses/dynamodb" in page
        assert "as of 1 hour ago, run 01J: user/postgres" in page
        assert "to deploy" not in page


def test_a_deployment_that_cannot_tell_is_carried_out_and_says_so(
    shop: Shop, aws: Proxy, bucket: Bucket
) -> None:
    options, before = _options(shop), bucket.get(state.key("dev-ana"))
    with aws.refuse(on("PutObject"), "AccessDenied", status=403):
        done = shop.run("deploy", "-e", "dev-ana", *options)
    assert done.code == 0, done.everything
    assert "plan and status may tell the state of before this deployment" in done.err
    assert "seedbed status -e dev-ana --fresh" in done.err
    assert "s3:PutObject is not allowed" in done.err
    assert bucket.get(state.key("dev-ana")) == before


def test_a_deployment_that_fails_at_its_first_update_has_marked_what_it_began(
    shop: Shop, aws: Proxy, bucket: Bucket
) -> None:
    options = _options(shop)
    aws.refuse(on("UpdateStack"), "ValidationError", status=400)
    failed = shop.run("deploy", "-e", "dev-ana", *options)
    assert failed.code != 0, failed.everything
    assert state.state(bucket, "dev-ana").remembered()[USER].changed is not None
