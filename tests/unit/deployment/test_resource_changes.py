"""What an update does to each resource of a stack, told from two templates."""

from __future__ import annotations

from typing import Any

import pytest

from seedbed.deployment.replacing import holds, resource_changes
from seedbed.model.resource import Replacement, ResourceAction

CLUSTER, GROUP, TASK = "AWS::RDS::DBCluster", "AWS::RDS::DBSubnetGroup", "AWS::ECS::TaskDefinition"
Resources = dict[str, dict[str, Any]]


def template(**resources: tuple[Any, ...]) -> dict[str, Any]:
    made = {}
    for name, (kind, properties, *more) in resources.items():
        made[name] = {"Type": kind, "Properties": properties, **(more[0] if more else {})}
    return {"Resources": made}


def told(old: dict[str, Any] | None, new: dict[str, Any]) -> list[tuple[str, str, str, tuple[str, ...]]]:
    return [(each.id, each.action, each.replacement, each.scope) for each in resource_changes(old, new)]


def test_what_is_added_changed_and_removed_is_named_with_what_of_it_changes() -> None:
    old = template(A=(TASK, {"Cpu": "256", "Memory": "512"}), B=(TASK, {}), Same=(TASK, {}))
    new = template(
        A=(TASK, {"Cpu": "512", "Memory": "512"}, {"DeletionPolicy": "Retain"}),
        C=(CLUSTER, {}),
        Same=(TASK, {}),
    )
    assert told(old, new) == [
        ("A", "Modify", "unknown", ("Properties.Cpu", "DeletionPolicy")),
        ("B", "Remove", "False", ()),
        ("C", "Add", "False", ()),
    ]
    assert [each.action for each in resource_changes(None, new)] == [ResourceAction.ADD] * 3


def test_a_policy_alone_makes_nothing_anew() -> None:
    old, new = template(A=(TASK, {})), template(A=(TASK, {}, {"UpdateReplacePolicy": "Retain"}))
    assert told(old, new) == [("A", "Modify", "False", ("UpdateReplacePolicy",))]


def test_what_refers_to_something_that_may_be_made_anew_may_be_made_anew() -> None:
    """It need not change itself: CloudFormation tells of it, and so does the plan."""

    def made(subnets: list[str]) -> dict[str, Any]:
        return template(
            Network=("Custom::Network", {"Subnets": subnets}),
            Db=(CLUSTER, {"DBSubnetGroupName": {"Fn::GetAtt": ["Network", "Group"]}}),
        )

    (db, network) = resource_changes(made(["a"]), made(["a", "b"]))
    assert (network.replacement, network.holds) == (Replacement.UNKNOWN, False)
    assert (db.replacement, db.scope, db.holds) == (Replacement.PERHAPS, (), True)
    assert db.because == "DBSubnetGroupName is that of Network, which may be replaced"


def test_what_is_known_to_be_made_anew_is_not_told_as_perhaps() -> None:
    def made(name: str, zone: str) -> dict[str, Any]:
        return template(
            Network=("Custom::Network", {"Zone": zone}),
            Group=(GROUP, {"DBSubnetGroupName": name}),
            Db=(CLUSTER, {"AvailabilityZones": {"Ref": "Network"}, "DBSubnetGroupName": {"Ref": "Group"}}),
        )

    found = {each.id: each for each in resource_changes(made("a", "x"), made("b", "y"))}
    assert found["Db"].replacement is Replacement.YES
    assert found["Group"].replacement is Replacement.YES


@pytest.mark.parametrize(
    ("kind", "properties", "expected"),
    [
        ("AWS::RDS::DBInstance", {}, True),
        ("AWS::RDS::DBInstance", {"DBClusterIdentifier": "a"}, False),
        ("AWS::DynamoDB::Table", {}, True),
        ("AWS::S3::Bucket", {}, True),
        ("AWS::Logs::LogGroup", {}, False),
    ],
)
def test_an_instance_of_a_cluster_holds_nothing_its_cluster_does(
    kind: str, properties: dict[str, Any], expected: bool
) -> None:
    assert holds(kind, {"Type": kind, "Properties": properties}) is expected


def test_a_policy_of_what_refers_and_a_change_in_place_make_nothing_anew() -> None:
    def made(retention: int) -> dict[str, Any]:
        return template(
            Db=(CLUSTER, {"BackupRetentionPeriod": retention}),
            Copy=(CLUSTER, {"DBSubnetGroupName": {"Ref": "Db"}}),
        )

    assert told(made(7), made(35)) == [("Db", "Modify", "False", ("Properties.BackupRetentionPeriod",))]
