"""What stacks read of each other by the parameter store: who goes first, and whose value is no longer the one it took."""

from __future__ import annotations

from typing import Any

import pytest

from seedbed.aws import clients
from seedbed.aws.cloud import Cloud
from seedbed.deployment import reading
from seedbed.deployment.replacing import resource_changes
from seedbed.deployment.stacks import Stacks, StackStatus
from seedbed.model.names import parameter_path, stack_name, stack_of_parameter

HOST = "/shop/dev-a/user/postgres/host"
TEMPLATE: dict[str, Any] = {
    "Parameters": {
        "ReadHost": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": HOST},
        "Size": {"Type": "String", "Default": "1"},
        "BootstrapVersion": {
            "Type": "AWS::SSM::Parameter::Value<String>",
            "Default": "/cdk-bootstrap/hnb659fds/version",
        },
    },
    "Resources": {"Task": {"Type": "AWS::ECS::TaskDefinition", "Properties": {"Host": {"Ref": "ReadHost"}}}},
}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The names of each request to the parameter store, where the host is `new`."""
    found: list[list[str]] = []

    def call(_: Cloud, service: str, operation: str, **parameters: Any) -> Any:
        if operation == "GetTemplate":
            return {"TemplateBody": TEMPLATE if "task" in parameters["StackName"] else {}}
        assert (service, operation) == ("ssm", "GetParameters")
        found.append(parameters["Names"])
        return {"Parameters": [{"Name": each, "Value": "new"} for each in parameters["Names"]]}

    monkeypatch.setattr(clients, "call", call)
    return found


def task(**parameters: str) -> StackStatus:
    return StackStatus("shop-dev-a-seedbed-task", "UPDATE_COMPLETE", id="arn:task", parameters=parameters)


def test_a_value_that_changed_since_is_told_by_its_name(asked: list[list[str]]) -> None:
    stacks = Stacks(Cloud("eu-central-1"))
    assert reading.stale(stacks, task(ReadHost="new"), TEMPLATE) == {}
    assert reading.stale(stacks, task(ReadHost="old"), TEMPLATE) == {"ReadHost": HOST}
    assert asked == [[HOST], [HOST]]


def test_a_template_that_reads_nothing_asks_nothing(asked: list[list[str]]) -> None:
    template = {"Parameters": {"BootstrapVersion": TEMPLATE["Parameters"]["BootstrapVersion"]}}
    unused = {**TEMPLATE, "Resources": {}}
    for each in (template, unused, None):
        assert reading.stale(Stacks(Cloud("eu-central-1")), task(ReadHost="old"), each) == {}
    assert not asked


def test_what_is_made_of_a_value_that_changed_is_among_the_resources_of_the_plan() -> None:
    template = {
        **TEMPLATE,
        "Resources": {
            **TEMPLATE["Resources"],
            "Url": {
                "Type": "AWS::SSM::Parameter",
                "Properties": {"Value": {"Fn::Sub": "http://${ReadHost}"}},
            },
            "Size": {"Type": "AWS::SSM::Parameter", "Properties": {"Value": {"Ref": "Size"}}},
        },
    }
    changed = resource_changes(template, reading.read_anew(template, {"ReadHost": HOST}))
    assert [(each.id, each.scope) for each in changed] == [
        ("Task", ("Properties.Host",)),
        ("Url", ("Properties.Value",)),
    ]
    assert reading.read_anew(template, {}) == template


def test_more_names_than_one_request_takes_are_asked_for_in_several(asked: list[list[str]]) -> None:
    names = {
        f"P{number}": {**TEMPLATE["Parameters"]["ReadHost"], "Default": f"/a/{number}"}
        for number in range(23)
    }
    used = {"All": {"Properties": {"Fn::Sub": "".join(f"${{{each}}}" for each in names)}}}
    template = {"Parameters": names, "Resources": used}
    found = reading.stale(Stacks(Cloud("eu-central-1")), task(P22="old"), template)
    assert found == {"P22": "/a/22"}
    assert [len(each) for each in asked] == [10, 10, 3]


def test_who_reads_of_a_stack_is_told_by_the_names_of_its_parameters(asked: list[list[str]]) -> None:
    user = StackStatus(
        "shop-dev-a-user-postgres", "CREATE_COMPLETE", id="arn:user", parameters={"BootstrapVersion": "30"}
    )
    found = [task(ReadHost="x", Size="1"), user]
    assert reading.readers(Stacks(Cloud("eu-central-1")), found) == {"arn:user": {"arn:task"}}


@pytest.mark.parametrize("name", ["host", "stacks/secret"])
def test_a_parameter_names_the_stack_that_writes_it(name: str) -> None:
    place = ("shop", "dev-a", "tutor-matching", "neo4j")
    assert stack_of_parameter(f"{parameter_path(*place)}/{name}") == stack_name(*place)


@pytest.mark.parametrize(
    "name", ["/cdk-bootstrap/hnb659fds/version", "version", "a/b/c/d/e", "/shop/dev-a/user/postgres"]
)
def test_a_parameter_of_somebody_else_names_none(name: str) -> None:
    assert stack_of_parameter(name) == ""
