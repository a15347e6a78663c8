"""What an update would replace, drop or set back, from two templates."""

from __future__ import annotations

from typing import Any

import pytest

from seedbed.deployment.managed import unmanaged_stack
from seedbed.deployment.replacing import losses
from seedbed.model.migration import Phase

CLUSTER, DOMAIN = "AWS::RDS::DBCluster", "AWS::OpenSearchService::Domain"


def template(**resources: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    return {
        "Resources": {name: {"Type": kind, "Properties": said} for name, (kind, said) in resources.items()}
    }


def told(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    return [f"{each.what}: {each.because}" for each in losses(old, new)]


@pytest.mark.parametrize(
    ("kind", "before", "after", "expected"),
    [
        (CLUSTER, {"DatabaseName": "user_db"}, {"DatabaseName": "users_db"}, "DatabaseName would change"),
        (
            CLUSTER,
            {},
            {"KmsKeyId": "arn:k"},
            "creation alone; storage-key in the environment's context keeps it",
        ),
        (CLUSTER, {}, {"StorageEncrypted": True}, "StorageEncrypted would change from nothing to True"),
        (CLUSTER, {"EngineVersion": "17.7"}, {"EngineVersion": "17.5"}, "would go from 17.7 to 17.5"),
        (CLUSTER, {"EngineVersion": "17.10"}, {"EngineVersion": "17.9"}, "would go from 17.10 to 17.9"),
        (
            DOMAIN,
            {"EngineVersion": "OpenSearch_3.5"},
            {"EngineVersion": "OpenSearch_2.19"},
            "AWS never goes back",
        ),
        (
            DOMAIN,
            {"EncryptionAtRestOptions": {"Enabled": True}},
            {"EncryptionAtRestOptions": {"Enabled": False}},
            "EncryptionAtRestOptions.Enabled would change from True to False",
        ),
        ("AWS::EFS::FileSystem", {"Encrypted": True}, {}, "Encrypted would change from True to nothing"),
        ("AWS::EC2::VPC", {"CidrBlock": "10.0.0.0/16"}, {"CidrBlock": "10.1.0.0/16"}, "CidrBlock"),
    ],
)
def test_what_is_set_at_creation_alone_and_a_version_backwards_are_named(
    kind: str, before: dict[str, Any], after: dict[str, Any], expected: str
) -> None:
    (found,) = told(template(Db=(kind, before)), template(Db=(kind, after)))
    assert expected in found
    assert f"Db ({kind.removeprefix('AWS::')})" in found


@pytest.mark.parametrize(
    ("kind", "before", "after"),
    [
        (CLUSTER, {"BackupRetentionPeriod": 7}, {"BackupRetentionPeriod": 35}),
        (CLUSTER, {"EngineVersion": "16.9"}, {"EngineVersion": "17.7"}),
        (CLUSTER, {"EngineVersion": "17.7"}, {"EngineVersion": "17"}),
        (DOMAIN, {"EngineVersion": "Elasticsearch_7.10"}, {"EngineVersion": "OpenSearch_1.3"}),
        (DOMAIN, {"VPCOptions": {"SubnetIds": ["a"]}}, {"VPCOptions": {"SubnetIds": ["a", "b"]}}),
        ("AWS::ECS::TaskDefinition", {"Cpu": "512"}, {"Cpu": "1024"}),
    ],
)
def test_what_is_changed_in_place_is_not(kind: str, before: dict[str, Any], after: dict[str, Any]) -> None:
    assert told(template(Db=(kind, before)), template(Db=(kind, after))) == []
    assert told({}, template(Db=(kind, after))) == []


@pytest.mark.parametrize("reference", [{"Ref": "Subnets"}, {"Fn::GetAtt": ["Subnets", "Name"]}])
def test_what_refers_to_something_replaced_is_replaced_with_it(reference: dict[str, Any]) -> None:
    def made(name: str) -> dict[str, Any]:
        return template(
            Subnets=("AWS::RDS::DBSubnetGroup", {"DBSubnetGroupName": name}),
            Db=(CLUSTER, {"DBSubnetGroupName": reference}),
            Other=(CLUSTER, {"DBSubnetGroupName": {"Ref": "Else"}}),
        )

    assert told(made("a"), made("b")) == [
        "replace Db (RDS::DBCluster): DBSubnetGroupName is that of Subnets, which would be replaced"
    ]


def test_what_is_dropped_is_named_and_another_type_is_another_resource() -> None:
    old = template(Db=(CLUSTER, {}), Log=("AWS::Logs::LogGroup", {}))
    assert told(old, template()) == ["remove Db (RDS::DBCluster): the app no longer makes it"]
    assert told(old, template(Db=(DOMAIN, {}))) == [
        f"replace Db (RDS::DBCluster): its type would become {DOMAIN}"
    ]


@pytest.mark.parametrize("gate", list(Phase))
def test_a_replacement_is_refused_at_every_gate_where_data_are_kept(gate: Phase) -> None:
    old = template(Db=(CLUSTER, {"DatabaseName": "a"}))
    new = template(Db=(CLUSTER, {"DatabaseName": "b"}))
    (update,) = unmanaged_stack("shop-prod-user-postgres", gate, keeps=True).updates(old, new)
    (refused,) = [each for each in update.changes if each.refused]
    assert refused.what == "shop-prod-user-postgres: replace Db (RDS::DBCluster)"
    assert "DatabaseName would change from a to b" in refused.refused
    assert "cdk deploy shop-prod-user-postgres" in refused.try_
    (update,) = unmanaged_stack("shop-dev-ana-user-postgres", gate).updates(old, new)
    assert [each.what for each in update.changes if each.refused] == []
    assert "shop-dev-ana-user-postgres: replace Db (RDS::DBCluster)" in [each.what for each in update.changes]


def test_a_removal_waits_for_contract_and_is_refused_there_where_data_are_kept() -> None:
    old = template(Db=(CLUSTER, {}), Log=("AWS::Logs::LogGroup", {}))
    kept = unmanaged_stack("shop-prod-user-postgres", Phase.EXPAND, keeps=True).updates(old, template())
    assert [each.refused for update in kept for each in update.changes if each.refused] == []
    (update,) = unmanaged_stack("shop-prod-user-postgres", Phase.CONTRACT, keeps=True).updates(
        old, template()
    )
    assert [bool(each.refused) for each in update.changes] == [False, False, True]
    (update,) = unmanaged_stack("shop-dev-ana-user-postgres", Phase.CONTRACT).updates(old, template())
    assert [each.what for each in update.changes] == [
        "shop-dev-ana-user-postgres: update",
        "shop-dev-ana-user-postgres: remove Db, Log",
    ]
