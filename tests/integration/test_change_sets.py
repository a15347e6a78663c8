"""Change sets as a server makes them: read, refused, executed, and swept away."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

import pytest
from msgspec.structs import replace

from seedbed.aws import clients
from seedbed.aws.cloud import Cloud
from seedbed.deployment.assembly import Stack
from seedbed.deployment.change_sets import ChangeSet, ChangeSets, require_harmless
from seedbed.deployment.roles import as_deployer
from seedbed.deployment.stacks import Stacks
from seedbed.engines.dynamodb.sandbox.world import World
from seedbed.errors import Refused
from seedbed.model.environment import Environment
from seedbed.model.resource import Replacement, ResourceAction

NAME = "shop-prod-user-postgres"
STAGING = Environment("staging", "1", "eu-central-1")
PROD = replace(STAGING, name="prod", protected=True)
DEV = replace(STAGING, name="dev-ana", ephemeral=True)


def template(database: str = "user_db", **more: Any) -> dict[str, Any]:
    cluster = {
        "Type": "AWS::RDS::DBCluster",
        "Properties": {
            "Engine": "aurora-postgresql",
            "DatabaseName": database,
            "MasterUsername": "postgres",
            "MasterUserPassword": "not-a-secret",
        },
    }
    return {"Resources": {"Db": cluster, **more}}


LOG = {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": "/shop/log"}}


class Account:
    """CloudFormation of one account, asked as the CDK CLI asks."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud, self.sets, self.stacks = cloud, ChangeSets(cloud), Stacks(cloud)

    def ask(self, operation: str, **more: Any) -> Mapping[str, Any]:
        return clients.call(self.cloud, "cloudformation", operation, StackName=NAME, **more)

    def has(self, body: Mapping[str, Any], **tags: str) -> None:
        said = [{"Key": key, "Value": value} for key, value in tags.items()]
        self.ask("CreateStack", TemplateBody=json.dumps(body), Tags=said)
        end = time.monotonic() + 30
        while self.stacks.status(NAME).status != "CREATE_COMPLETE":
            assert time.monotonic() < end, self.stacks.status(NAME)
            time.sleep(0.02)

    def change_set(self, body: Mapping[str, Any], name: str = "seedbed-1", **more: Any) -> ChangeSet:
        self.ask("CreateChangeSet", ChangeSetName=name, TemplateBody=json.dumps(body), **more)
        found = self.sets.read(NAME, name, self.stacks.template(NAME))
        assert found is not None
        return found

    def names(self) -> list[str]:
        return sorted(each["ChangeSetName"] for each in self.ask("ListChangeSets")["Summaries"])


@pytest.fixture
def account(ministack_account: World) -> Account:
    return Account(ministack_account.cloud)


def test_what_would_be_made_anew_is_refused_where_data_are_kept(account: Account) -> None:
    account.has(template())
    found = account.change_set(template("users_db"))
    (change,) = found.changes
    assert (change.id, change.replacement, change.holds) == ("Db", Replacement.YES, True)
    assert "Properties.DatabaseName" in change.scope
    for environment in (STAGING, PROD):
        with pytest.raises(Refused, match=f"change set of {NAME} would take data away") as caught:
            require_harmless(found, environment, None, ())
        assert (
            "Db (RDS::DBCluster) would be made anew, and empty: DatabaseName is set at its creation alone"
            in caught.value.because
        )
        assert f"cdk deploy {NAME}" in str(caught.value.try_)
    require_harmless(found, DEV, None, ())


def test_what_is_removed_and_was_not_seen_is_refused(account: Account) -> None:
    account.has(template(Log=LOG))
    found = account.change_set({"Resources": {"Log": LOG}})
    with pytest.raises(Refused) as caught:
        require_harmless(found, STAGING, None, ())
    assert "Db (RDS::DBCluster) would be removed" in caught.value.because
    require_harmless(found, STAGING, None, {"Db"})  # that was decided before


def test_what_is_harmless_is_executed_once(account: Account) -> None:
    account.has(template())
    found = account.change_set(template(Log=LOG))
    assert [each.id for each in found.direct] == ["Log"]
    require_harmless(found, PROD, None, ())
    account.change_set(template(), "somebody's")
    assert account.sets.execute(found)
    assert not account.sets.execute(found)
    ended = account.stacks.follow(
        account.stacks.status(NAME), timeout=30, tell=lambda _: None, check=lambda: None
    )
    assert ended.status == "UPDATE_COMPLETE"
    assert account.sets.read(NAME, "somebody's", None) is None


def test_what_is_imported_is_told_apart_from_what_would_be_made(account: Account) -> None:
    keys: dict[str, Any] = {
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        "BillingMode": "PAY_PER_REQUEST",
    }
    clients.call(account.cloud, "dynamodb", "CreateTable", TableName="there", **keys)
    tables = {
        name: {
            "Type": "AWS::DynamoDB::Table",
            "DeletionPolicy": "Retain",
            "Properties": {"TableName": name, **keys},
        }
        for name in ("there", "gone")
    }
    both = {"Resources": {"There": tables["there"], "Gone": tables["gone"]}}
    found = account.change_set(both, ChangeSetType="CREATE", ImportExistingResources=True)
    assert found.imports == {"There": "there"}
    assert [(each.id, each.action) for each in found.changes] == [("Gone", ResourceAction.ADD)]


def test_own_change_sets_that_a_killed_run_left_are_swept_away_and_no_others(account: Account) -> None:
    account.has(template())
    for name in ("seedbed-1", "seedbed-2", "somebodys"):
        account.change_set(template(Log=LOG), name)
    account.sets.delete_left(NAME)
    assert account.names() == ["somebodys"]
    account.sets.delete(NAME, "seedbed-1")  # it is gone: another run was faster
    ChangeSets(account.cloud).delete_left("shop-prod-not-there")


def test_tags_are_set_without_touching_the_template_and_foreign_ones_stay(account: Account) -> None:
    body = template()
    body["Parameters"] = {"Size": {"Type": "String", "Default": "2"}}
    account.has(body, owner="ana", cost="7")
    current = account.stacks.status(NAME)
    assert tuple(current.parameters) == ("Size",)
    assert account.stacks.set_tags(current, {"owner": "bob"})
    ended = account.stacks.follow(
        account.stacks.status(NAME), timeout=30, tell=lambda _: None, check=lambda: None
    )
    assert (ended.status, ended.tags) == ("UPDATE_COMPLETE", {"owner": "bob", "cost": "7"})
    assert account.stacks.template(NAME) == body


def test_the_role_of_the_bootstrap_is_taken_on_where_there_is_one(account: Account) -> None:
    role = f"arn:${{AWS::Partition}}:iam::{account.cloud.account}:role/cdk-hnb659fds-deploy-role"
    found = as_deployer(account.cloud, Stack("a", "a", "a.json", role=role))
    assert found.access_key not in {"", account.cloud.access_key}
    assert (found.account, found.endpoint) == (account.cloud.account, account.cloud.endpoint)
    assert found.session_token is not None
    assert found.session_token.reveal() not in repr(found)
    assert as_deployer(account.cloud, Stack("a", "a", "a.json")) is account.cloud
