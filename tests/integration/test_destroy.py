"""Destroying in the sandbox's AWS, which keeps exports as AWS does: no stack goes while another imports from it."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest

from seedbed.aws import rights
from seedbed.engines.dynamodb.sandbox.world import World
from seedbed.model.names import stack_tags
from tests.support.aws_proxy import TOKEN_VARIABLE, Policies, Proxy, on, proxy
from tests.support.deployment.releases import OTHER, PLAIN, Shop, write_project

pytestmark = pytest.mark.slow

ORDER = ["shop-dev-a-network", "shop-dev-a-courses-dynamodb", "shop-dev-a-seedbed-task"]


@pytest.fixture
def aws(ministack_account: World) -> Iterator[Proxy]:
    with proxy(ministack_account.endpoint) as running:
        yield running


@pytest.fixture
def shop(tmp_path: Path, ministack_account: World, aws: Proxy) -> Shop:
    """A platform whose stacks nobody can make: there is neither an app nor Node."""
    write_project(tmp_path, ministack_account.account, PLAIN, prod=OTHER)
    (tmp_path / "cdk" / "cdk.json").unlink()
    nowhere = {"SEEDBED_CDK": "/nowhere/cdk"}
    return replace(Shop(tmp_path, ministack_account, tmp_path), endpoint=aws.endpoint, variables=nowhere)


def _has(shop: Shop, name: str, environment: str = "dev-a", *, imports: str = "", **tags: str) -> None:
    """Make a stack that exports its parameter, whose value is what it imports."""
    value: Any = {"Fn::ImportValue": imports} if imports else "1"
    parameter = {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": value}}
    output = {"Value": {"Ref": "P"}, "Export": {"Name": name}}
    template = {"Resources": {"P": parameter}, "Outputs": {"P": output}}
    _made(shop, name, template, environment, **tags)


def _made(shop: Shop, name: str, template: Any, environment: str = "dev-a", **tags: str) -> None:
    shop.ask(
        "cloudformation",
        "CreateStack",
        StackName=name,
        TemplateBody=json.dumps(template),
        Tags=[
            {"Key": key, "Value": value} for key, value in (stack_tags("shop", environment) | tags).items()
        ],
    )
    end = time.monotonic() + 30
    while (status := _stacks(shop)[name]) != "CREATE_COMPLETE":
        assert status == "CREATE_IN_PROGRESS" and time.monotonic() < end, status  # noqa: PT018  one wait
        time.sleep(0.02)


def _stacks(shop: Shop) -> dict[str, str]:
    found = shop.ask("cloudformation", "DescribeStacks")["Stacks"]
    return {each["StackName"]: each["StackStatus"] for each in found}


def _platform(shop: Shop) -> None:
    """Have a network, a database in it, and a task that uses that, of which no app knows any more."""
    for name, imports in zip(ORDER, ["", *ORDER], strict=False):
        _has(shop, name, imports=imports)


def test_what_is_there_goes_in_the_order_of_imports_and_nothing_of_others(shop: Shop, aws: Proxy) -> None:
    _platform(shop)
    _has(shop, "shop-dev-a-b-network", "dev-a-b")
    _has(shop, "shop-dev-a-other", platform="other")
    done = shop.run("destroy", "-e", "dev-a", "--yes")
    assert done.code == 0, done.everything
    assert set(_stacks(shop)) == {"shop-dev-a-b-network", "shop-dev-a-other"}
    deleted = [each.request.body.decode() for each in aws.of(on("DeleteStack"))]
    assert [next(name for name in ORDER if name in body) for body in deleted] == ORDER[::-1]
    again = shop.run("destroy", "-e", "dev-a", "--yes")
    assert (again.code, "nothing to destroy" in again.out) == (0, True)


def test_an_environment_goes_down_with_one_document_or_with_a_page(shop: Shop, aws: Proxy) -> None:
    _platform(shop)
    with aws.refuse(on("DeleteStack", containing=ORDER[0]), "AccessDenied", "no", times=None):
        part = shop.run("env", "down", "dev-a", "--yes", "--json")
    results = {each["target"]: each["result"] for each in part.document["stacks"]}
    assert (part.code, part.document["exit_code"]) == (5, 5), part.everything
    assert (results[ORDER[0]], results[ORDER[2]]) == ("failed", "changed"), part.everything
    whole = shop.run("env", "down", "dev-a", "--yes")
    assert (whole.code, whole.out.splitlines()[-1]) == (0, "dev-a is gone"), whole.everything
    assert _stacks(shop) == {}
    none = shop.run("env", "down", "dev-a", "--yes", "--json")
    assert (none.code, none.document["shares"], none.document["errors"]) == (0, [], []), none.everything


def test_the_policies_of_callers_outlive_their_environment_unless_they_are_to_go(
    shop: Shop, aws: Proxy
) -> None:
    """They are attached to roles, which could not bring the environment up again."""
    callers = "shop-dev-a-seedbed-callers"
    _platform(shop)
    _has(shop, callers, service="seedbed")
    done = shop.run("destroy", "-e", "dev-a", "--yes")
    stays = f"{callers} stays, with the policies of its callers; to delete it, too: seedbed destroy -e dev-a --callers"
    assert (done.code, stays in done.err, set(_stacks(shop))) == (0, True, {callers}), done.everything
    again = shop.run("destroy", "-e", "dev-a", "--yes")
    assert (again.code, "nothing to destroy" in again.out, stays in again.err) == (0, True, True), (
        again.everything
    )
    whole = shop.run("destroy", "-e", "dev-a", "--callers", "--yes")
    assert (whole.code, "stays" in whole.err, _stacks(shop)) == (0, False, {}), whole.everything


def test_a_service_that_another_stack_needs_is_refused_before_anything_is_deleted(
    shop: Shop, aws: Proxy
) -> None:
    _platform(shop)
    refused = shop.run("destroy", "-e", "dev-a", "-s", "courses", "--yes")
    assert (refused.code, f"which {ORDER[2]} imports" in refused.err) == (3, True), refused.everything
    assert not aws.of(on("DeleteStack"))
    shop.ask("cloudformation", "DeleteStack", StackName=ORDER[2])
    while ORDER[2] in _stacks(shop):
        time.sleep(0.02)
    assert shop.run("destroy", "-e", "dev-a", "-s", "courses", "--yes").code == 0
    assert set(_stacks(shop)) == {ORDER[0]}


def test_a_protected_stack_is_named_and_stays(shop: Shop, aws: Proxy) -> None:
    _platform(shop)
    shop.ask(
        "cloudformation", "UpdateTerminationProtection", StackName=ORDER[0], EnableTerminationProtection=True
    )
    refused = shop.run("destroy", "-e", "dev-a", "--yes")
    assert (refused.code, f"termination protection is on: {ORDER[0]}" in refused.err) == (3, True)
    assert set(_stacks(shop)) == set(ORDER)


@pytest.mark.parametrize(
    ("operation", "when"),
    [
        pytest.param("ListImports", "asked", marks=pytest.mark.soak),
        pytest.param("DeleteStack", "asked", marks=pytest.mark.soak),
        ("DeleteStack", "answered"),
    ],
)
def test_killed_anywhere_and_run_again_it_finishes(
    shop: Shop, aws: Proxy, operation: str, when: Literal["asked", "answered"]
) -> None:
    _platform(shop)
    with aws.hold(operation, when=when, times=1) as held:
        running = shop.start("destroy", "-e", "dev-a", "--yes")
        held.wait_until_inside()
        running.send_signal(signal.SIGKILL)
        running.communicate()
    done = shop.run("destroy", "-e", "dev-a", "--yes")
    assert done.code == 0, done.everything
    assert _stacks(shop) == {}


CONTROL = "shop-dev-a-seedbed-control"
BUCKET = {"Type": "AWS::S3::Bucket", "Properties": {"VersioningConfiguration": {"Status": "Enabled"}}}


def _control(shop: Shop) -> str:
    """Make a control stack whose bucket holds versions, a deletion and half an upload, and a task that reads it."""
    name: Any = {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": {"Ref": "B"}}}
    name["Properties"]["Name"] = "/shop/dev-a/seedbed/control/bucket"
    _made(shop, CONTROL, {"Resources": {"B": BUCKET, "P": name}})
    reads = {"Type": "AWS::SSM::Parameter::Value<String>", "Default": name["Properties"]["Name"]}
    value = {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": {"Ref": "ReadBucket"}}}
    _made(shop, ORDER[2], {"Parameters": {"ReadBucket": reads}, "Resources": {"P": value}})
    bucket = shop.ask("ssm", "GetParameter", Name=name["Properties"]["Name"])["Parameter"]["Value"]
    for number in range(3):
        shop.ask("s3", "PutObject", Bucket=bucket, Key=f"runs/{number % 2}", Body=b"1")
    shop.ask("s3", "DeleteObject", Bucket=bucket, Key="runs/0")
    shop.ask("s3", "CreateMultipartUpload", Bucket=bucket, Key="runs/half")
    return str(bucket)


def _left(shop: Shop, bucket: str) -> int:
    found = shop.ask("s3", "ListObjectVersions", Bucket=bucket)
    uploads = shop.ask("s3", "ListMultipartUploads", Bucket=bucket).get("Uploads", ())
    return len([*found.get("Versions", ()), *found.get("DeleteMarkers", ()), *uploads])


def test_the_bucket_of_runs_is_empty_before_its_stack_goes_as_the_last(shop: Shop, aws: Proxy) -> None:
    bucket = _control(shop)
    assert _left(shop, bucket) == 5
    with aws.hold(on("DeleteStack", containing="control"), times=1) as held:
        running = shop.start("destroy", "-e", "dev-a", "--yes")
        held.wait_until_inside()
        assert (set(_stacks(shop)), _left(shop, bucket)) == ({CONTROL}, 0)
        held.release()
        _, told = running.communicate()
    assert (running.returncode, _stacks(shop)) == (0, {}), told


def test_killed_while_it_empties_the_bucket_and_run_again_it_finishes(shop: Shop, aws: Proxy) -> None:
    _control(shop)
    with aws.hold("DeleteObjects", when="answered", times=1) as held:
        running = shop.start("destroy", "-e", "dev-a", "--yes")
        held.wait_until_inside()
        running.send_signal(signal.SIGKILL)
        running.communicate()
    done = shop.run("destroy", "-e", "dev-a", "--yes")
    assert (done.code, _stacks(shop)) == (0, {}), done.everything


def test_a_bucket_that_may_not_be_emptied_is_named_with_the_way_out(shop: Shop, aws: Proxy) -> None:
    bucket = _control(shop)
    with aws.refuse("DeleteObjects", "AccessDenied", "Access Denied", status=403):
        refused = shop.run("destroy", "-e", "dev-a", "--yes")
    assert refused.code != 0
    assert f"bucket {bucket} may not be emptied" in refused.everything
    assert f"aws s3 rm s3://{bucket} --recursive" in refused.everything
    assert set(_stacks(shop)) == {CONTROL}
    assert shop.run("destroy", "-e", "dev-a", "--yes").code == 0


def test_destroying_takes_no_right_that_the_role_deploy_lacks_and_read_is_refused(
    shop: Shop, aws: Proxy
) -> None:
    bucket = _control(shop)
    names = rights.Names(
        "shop",
        "dev-a",
        "aws",
        shop.world.account,
        shop.world.region,
        "records",
        bucket,
        ephemeral=True,
    )
    tags = stack_tags("shop", "dev-a")
    judge = aws.add(Policies(account=shop.world.account, region=shop.world.region, tags=tags))
    for kind in (rights.READ, rights.DEPLOY):
        judge.caller(kind, names)
    refused = shop.run("destroy", "-e", "dev-a", "--yes", env={TOKEN_VARIABLE: rights.READ})
    assert (refused.code, "is not authorized to perform: cloudformation:" in refused.everything) == (3, True)
    assert set(_stacks(shop)) == {CONTROL, ORDER[2]}
    done = shop.run("destroy", "-e", "dev-a", "--yes", env={TOKEN_VARIABLE: rights.DEPLOY})
    assert (done.code, _stacks(shop)) == (0, {}), done.everything
    assert judge.refused[rights.DEPLOY] == set()
    emptied = {"s3:ListBucketVersions", "s3:DeleteObjectVersion", "s3:AbortMultipartUpload"}
    assert {"cloudformation:DeleteStack", *emptied} <= judge.performed[rights.DEPLOY]
