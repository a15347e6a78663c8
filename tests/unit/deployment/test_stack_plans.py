"""What a deployment would change in stacks that read of each other, and by callers that may not look at all of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from seedbed.aws import clients
from seedbed.aws.cloud import Cloud
from seedbed.aws.faults import Denied
from seedbed.deployment import assembly
from seedbed.deployment.assembly import Stack
from seedbed.deployment.cdk import Cli
from seedbed.deployment.context import DeploymentContext
from seedbed.deployment.request import DeployRequest
from seedbed.deployment.stack_plans import plan_stacks, require_as_reviewed
from seedbed.deployment.stacks import Stacks
from seedbed.deployment.updates import StackUpdates, updates_of
from seedbed.documents.document import text
from seedbed.documents.plan import PlanDocument
from seedbed.errors import StalePlan
from seedbed.execution.stopping import Stop
from seedbed.model.deployment import StackPlan, Template
from seedbed.model.environment import Environment
from seedbed.planning.reviewed import ReviewedPlan, read
from tests.support.deployment import assemblies
from tests.unit.golden.report import samples

WRITER, READER = "shop-staging-user-postgres", "shop-staging-seedbed-task"
HOST, PORT = "/shop/staging/user/postgres/host", "/elsewhere/port"
PARAMETER = "AWS::SSM::Parameter"


def _template(parameters: Mapping[str, str], **values: Any) -> dict[str, Any]:
    kind = "AWS::SSM::Parameter::Value<String>"
    return {
        "Parameters": {key: {"Type": kind, "Default": name} for key, name in parameters.items()},
        "Resources": {
            key: {"Type": PARAMETER, "Properties": {"Value": each}} for key, each in values.items()
        },
    }


READS = _template({"Host": HOST, "Port": PORT}, Url={"Fn::Sub": "http://${Host}:${Port}"})
WRITES = _template({}, Host="db-1")


class Account:
    """An account with both stacks, as deployed. `values`: of its parameters by now; `denied`: what we may not call."""

    def __init__(self) -> None:
        self.templates: dict[str, Template] = {WRITER: WRITES, READER: READS}
        self.taken = {"Host": "db-1", "Port": "5432"}
        self.values = {HOST: "db-1", PORT: "5432"}
        self.denied: Callable[[str, Mapping[str, Any]], bool] = lambda _, __: False

    def call(self, _: Cloud, service: str, operation: str, **asked: Any) -> Any:
        if self.denied(operation, asked):
            raise Denied(f"{service}:{operation} is not allowed in 1 eu-central-1")
        if operation == "GetTemplate":
            return {"TemplateBody": json.dumps(self.templates[asked["StackName"]])}
        if operation == "GetParameters":
            return {"Parameters": [{"Name": each, "Value": self.values[each]} for each in asked["Names"]]}
        assert operation == "DescribeStacks"
        return {
            "Stacks": [self._stack(name) for name in self.templates if asked.get("StackName", name) == name]
        }

    def _stack(self, name: str) -> dict[str, Any]:
        taken = self.taken if name == READER else {}
        parameters = [{"ParameterKey": key, "ResolvedValue": value} for key, value in taken.items()]
        status = {"StackName": name, "StackId": name, "StackStatus": "UPDATE_COMPLETE"}
        return {**status, "Parameters": parameters}


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Account:
    found = Account()
    monkeypatch.setattr(clients, "call", found.call)
    return found


@pytest.fixture
def context(tmp_path: Path) -> DeploymentContext:
    return _context(tmp_path / "same", WRITES)


def _context(into: Path, writes: Template) -> DeploymentContext:
    made = assemblies.assembly(into, {WRITER: writes, READER: READS}, depends={READER: [WRITER]})
    cloud, environment = Cloud("eu-central-1", account="000000000000"), Environment("staging")
    return DeploymentContext(
        environment,
        cloud,
        "000000000000",
        Cli((), {}, Stop()),
        assembly.read(made),
        Stacks(cloud),
        into,
        lambda _: None,
        Stop(),
        1.0,
        {},
    )


def _planned(context: DeploymentContext) -> tuple[dict[str, StackPlan], str]:
    found, unseen = plan_stacks(context, [], context.assembly.stacks, DeployRequest())
    return {each.stack: each for each in found}, unseen


def _words(plan: StackPlan) -> list[tuple[str, tuple[str, ...]]]:
    return [(each.id, each.scope) for each in plan.changes]


def test_a_value_that_changed_since_changes_what_is_made_of_it(
    context: DeploymentContext, account: Account
) -> None:
    found, unseen = _planned(context)
    assert (_words(found[WRITER]), _words(found[READER]), unseen) == ([], [], "")
    account.values[HOST] = "db-2"
    found, _ = _planned(context)
    assert _words(found[READER]) == [("Url", ("Properties.Value",)), (READER, (f"Parameters.{HOST}",))]
    assert found[READER].wanted == found[READER].deployed


def test_who_may_not_read_values_or_list_stacks_is_shown_the_rest_and_told_so(
    context: DeploymentContext, account: Account
) -> None:
    account.values[HOST] = "db-2"
    account.denied = lambda operation, _: operation == "GetParameters"
    found, unseen = _planned(context)
    assert (_words(found[READER]), unseen) == ([], "")
    assert found[READER].notes == (
        "whether what it reads has changed since is not known: ssm:GetParameters is not allowed in 1 eu-central-1",
    )
    assert found[WRITER].notes == ()
    account.denied = lambda operation, asked: operation == "DescribeStacks" and "StackName" not in asked
    found, unseen = _planned(context)
    assert _words(found[READER]) != []
    assert unseen == (
        "those that the app no longer makes: cloudformation:DescribeStacks is not allowed in 1 eu-central-1"
    )


@pytest.mark.parametrize("operation", ["DescribeStacks", "GetTemplate"])
def test_a_stack_that_we_may_not_look_at_is_no_stack_that_deploy_refuses(
    context: DeploymentContext, account: Account, operation: str
) -> None:
    account.denied = lambda asked, _: asked == operation
    with pytest.raises(Denied, match=f"cloudformation:{operation}"):
        _planned(context)


def test_what_follows_from_a_stack_that_the_plan_shows_as_changed_is_a_part_of_the_plan(
    tmp_path: Path, account: Account
) -> None:
    context = _context(tmp_path / "new", _template({}, Host="db-2"))
    found, _ = _planned(context)
    assert _words(found[WRITER]) == [("Host", ("Properties.Value",))]
    assert found[READER].notes == (
        f"reads of {WRITER}, updated before it: what is made of that may change with it",
    )
    reviewed, (_, reader) = _reviewed(*found.values()), context.assembly.stacks
    require_as_reviewed(reviewed, reader, READS, READS, _stale(reader, Host=HOST))
    with pytest.raises(StalePlan, match=f"no longer fits stack {READER}") as raised:
        require_as_reviewed(reviewed, reader, READS, READS, _stale(reader, Host=HOST, Port=PORT))
    assert f"Parameters.{PORT}" in raised.value.because
    assert HOST not in raised.value.because
    alone = _reviewed(replace(found[WRITER], changes=()), found[READER])
    with pytest.raises(StalePlan, match=f"no longer fits stack {READER}"):
        require_as_reviewed(alone, reader, READS, READS, _stale(reader, Host=HOST))


def _stale(stack: Stack, **stale: str) -> StackUpdates:
    from seedbed.deployment.managed import unmanaged_stack
    from seedbed.deployment.stacks import StackStatus
    from seedbed.model.migration import Phase

    managed = unmanaged_stack(stack.name, Phase.CONTRACT)
    return updates_of(stack, managed, StackStatus(stack.name, "UPDATE_COMPLETE"), READS, READS, stale)


def _reviewed(*stacks: StackPlan) -> ReviewedPlan:
    document = PlanDocument.of(replace(samples.plan(), stacks=stacks), "plan")
    return read(text(document).encode(), "plan.json")
