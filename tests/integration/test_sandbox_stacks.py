"""What the sandbox's CloudFormation makes of resources that ministack alone makes not at all, or not whole."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from seedbed.engines.dynamodb.sandbox.world import World
from tests.support.aws_clients import client
from tests.support.processes import until

STACK = "task"
SECRET = "arn:aws:secretsmanager:eu-central-1:111111111111:secret:login-abc"


def template(*, port: int, revision: str = "1") -> dict[str, Any]:
    """Return a network with two groups, of which one may ask the other at `port`, and a task definition."""
    container = {
        "Name": "main",
        "Image": f"seedbed:{revision}",
        "Secrets": [{"Name": "DB_PASSWORD", "ValueFrom": f"{SECRET}:password::"}],
        "DockerLabels": {"Owner": "ana"},
        "LogConfiguration": {"LogDriver": "awslogs", "Options": {"awslogs-group": "G"}},
    }
    group = {"GroupDescription": "one", "VpcId": {"Ref": "Network"}}
    rule = {
        "GroupId": {"Fn::GetAtt": ["Server", "GroupId"]},
        "SourceSecurityGroupId": {"Fn::GetAtt": ["Task", "GroupId"]},
        "IpProtocol": "tcp",
        "FromPort": port,
        "ToPort": port,
    }
    resources = {
        "Network": ("AWS::EC2::VPC", {"CidrBlock": "10.0.0.0/16"}),
        "Server": ("AWS::EC2::SecurityGroup", group),
        "Task": ("AWS::EC2::SecurityGroup", group),
        "Rule": ("AWS::EC2::SecurityGroupIngress", rule),
        "Definition": ("AWS::ECS::TaskDefinition", {"Family": "f", "ContainerDefinitions": [container]}),
    }
    return body(resources)


def body(resources: Mapping[str, tuple[str, Any]]) -> dict[str, Any]:
    """Return a template of resources, by name, whose outputs are called as they are."""
    return {
        "Resources": {name: {"Type": kind, "Properties": of} for name, (kind, of) in resources.items()},
        "Outputs": {name: {"Value": {"Ref": name}} for name in resources},
    }


class Stack:
    def __init__(self, world: World) -> None:
        self.world = world

    def ask(self, service: str, operation: str, **parameters: Any) -> Any:
        made = client(service, self.world.region, self.world.endpoint, self.world.account)
        return getattr(made, operation)(**parameters)

    def settle(self, operation: str, wanted: str, template: dict[str, Any]) -> dict[str, str]:
        """Create or update the stack, and return its outputs."""
        self.ask("cloudformation", operation, StackName=STACK, TemplateBody=json.dumps(template))
        assert until(lambda: self.status() == wanted), self.status()
        [found] = self.ask("cloudformation", "describe_stacks", StackName=STACK)["Stacks"]
        return {each["OutputKey"]: each["OutputValue"] for each in found["Outputs"]}

    def status(self) -> str:
        [found] = self.ask("cloudformation", "describe_stacks", StackName=STACK)["Stacks"]
        return str(found["StackStatus"])

    def ports(self, group: str) -> list[tuple[int, str]]:
        """Return which ports of a group may be asked, and by which group."""
        [found] = self.ask("ec2", "describe_security_groups", GroupIds=[group])["SecurityGroups"]
        return [(each["FromPort"], each["UserIdGroupPairs"][0]["GroupId"]) for each in found["IpPermissions"]]


@pytest.fixture
def stack(ministack_account: World) -> Stack:
    return Stack(ministack_account)


def test_a_rule_of_a_security_group_is_made_changed_and_removed(stack: Stack) -> None:
    made = stack.settle("create_stack", "CREATE_COMPLETE", template(port=5432))
    assert stack.ports(made["Server"]) == [(5432, made["Task"])]
    changed = stack.settle("update_stack", "UPDATE_COMPLETE", template(port=9200))
    assert stack.ports(changed["Server"]) == [(9200, made["Task"])]
    without = template(port=9200)
    del without["Resources"]["Rule"], without["Outputs"]["Rule"]
    stack.settle("update_stack", "UPDATE_COMPLETE", without)
    assert stack.ports(made["Server"]) == []


def test_a_task_definition_keeps_its_secrets_and_words_that_are_anybody_s(stack: Stack) -> None:
    made = stack.settle("create_stack", "CREATE_COMPLETE", template(port=5432))
    found = stack.ask("ecs", "describe_task_definition", taskDefinition=made["Definition"])
    [container] = found["taskDefinition"]["containerDefinitions"]
    assert container["secrets"] == [{"name": "DB_PASSWORD", "valueFrom": f"{SECRET}:password::"}]
    assert container["dockerLabels"] == {"Owner": "ana"}
    assert container["logConfiguration"] == {"logDriver": "awslogs", "options": {"awslogs-group": "G"}}
    again = stack.settle("update_stack", "UPDATE_COMPLETE", template(port=5432, revision="2"))
    assert again["Definition"].endswith(":2")


def test_a_rule_of_a_group_that_is_not_there_fails_its_stack(stack: Stack) -> None:
    wrong = template(port=5432)
    wrong["Resources"]["Rule"]["Properties"]["GroupId"] = "sg-0123456789abcdef0"
    stack.ask("cloudformation", "create_stack", StackName=STACK, TemplateBody=json.dumps(wrong))
    assert until(lambda: stack.status() == "ROLLBACK_COMPLETE")


def test_a_network_has_a_way_out(stack: Stack) -> None:
    gateway = {
        "SubnetId": {"Ref": "Subnet"},
        "AllocationId": {"Fn::GetAtt": ["Address", "AllocationId"]},
    }
    resources = {
        "Network": ("AWS::EC2::VPC", {"CidrBlock": "10.0.0.0/16"}),
        "Subnet": ("AWS::EC2::Subnet", {"VpcId": {"Ref": "Network"}, "CidrBlock": "10.0.1.0/24"}),
        "Address": ("AWS::EC2::EIP", {"Domain": "vpc"}),
        "Gateway": ("AWS::EC2::NatGateway", gateway),
    }
    made = stack.settle("create_stack", "CREATE_COMPLETE", body(resources))
    [address] = stack.ask("ec2", "describe_addresses")["Addresses"]
    [found] = stack.ask("ec2", "describe_nat_gateways")["NatGateways"]
    assert (made["Address"], made["Gateway"]) == (address["PublicIp"], found["NatGatewayId"])
    assert found["SubnetId"] == made["Subnet"]
    stack.ask("cloudformation", "delete_stack", StackName=STACK)
    assert until(lambda: stack.ask("ec2", "describe_addresses")["Addresses"] == [])
    assert until(lambda: stack.ask("ec2", "describe_nat_gateways")["NatGateways"] == [])


def test_a_protected_table_fails_the_deletion_of_its_stack(stack: Stack) -> None:
    key = {"KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}]}
    kinds = {"AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}]}
    paid = {"BillingMode": "PAY_PER_REQUEST", "DeletionProtectionEnabled": True}
    made = stack.settle(
        "create_stack", "CREATE_COMPLETE", body({"Table": ("AWS::DynamoDB::Table", {**key, **kinds, **paid})})
    )
    stack.ask("cloudformation", "delete_stack", StackName=STACK)
    assert until(lambda: stack.status() == "DELETE_FAILED")
    assert stack.ask("dynamodb", "list_tables")["TableNames"] == [made["Table"]]
    stack.ask("dynamodb", "update_table", TableName=made["Table"], DeletionProtectionEnabled=False)
    stack.ask("cloudformation", "delete_stack", StackName=STACK)
    assert until(lambda: stack.ask("dynamodb", "list_tables")["TableNames"] == [])


def test_a_reference_to_a_secret_is_its_address(stack: Stack) -> None:
    def secret(description: str) -> dict[str, Any]:
        return body({"Secret": ("AWS::SecretsManager::Secret", {"Description": description})})

    made = stack.settle("create_stack", "CREATE_COMPLETE", secret("one"))["Secret"]
    [found] = stack.ask("secretsmanager", "list_secrets")["SecretList"]
    assert made == found["ARN"]
    assert stack.settle("update_stack", "UPDATE_COMPLETE", secret("two"))["Secret"] == made
    assert stack.ask("secretsmanager", "describe_secret", SecretId=made)["Description"] == "two"
    stack.ask("cloudformation", "delete_stack", StackName=STACK)
    assert until(lambda: stack.ask("secretsmanager", "list_secrets")["SecretList"] == [])
