"""Destroying: what is found by its tags goes, in the order of imports, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError
from msgspec import Struct, field

from seedbed.aws import clients
from seedbed.aws.cloud import Cloud
from seedbed.deployment import deleting, destroy
from seedbed.deployment.destroy import DatabaseStack, DestroyPlan, DestroyScope
from seedbed.errors import ExitCode, Refused, UsageError
from seedbed.execution.stopping import Stop
from seedbed.model.environment import Environment
from seedbed.model.event import DeployProgressed, DeployStarted, Event, TargetFailed, TargetSkipped
from seedbed.model.names import stack_tags
from seedbed.model.outcome import Outcome, Result, fold

LATE = "resource sg-1 has a dependent object (Service: Ec2, Status Code: 400)"
EMPTY_FIRST = "The bucket you tried to delete is not empty"
STACK_TYPE = "AWS::CloudFormation::Stack"


class Made(Struct):
    """A stack in the account; its deletions fail with `failing`, one after the other, and then one succeeds."""

    name: str
    tags: Mapping[str, str]
    status: str = "CREATE_COMPLETE"
    failing: list[str] = field(default_factory=list)
    more: dict[str, Any] = field(default_factory=dict)
    events: list[tuple[str, str, str]] = field(default_factory=list)
    ends: float = 0.0

    @property
    def id(self) -> str:
        return f"arn:aws:cloudformation:eu-central-1:1:stack/{self.name}/1"


class Account:
    """CloudFormation, as far as deletions need it: answers in pages of two, a deletion takes ten seconds."""

    def __init__(self) -> None:
        self.now = 0.0
        self.calls_off = True  # as AWS does, where others refuse at once
        self.stacks: dict[str, Made] = {}
        self.imports: dict[str, tuple[str, list[str]]] = {}  # exporter and importers, by the export's name
        self.deleted: list[tuple[float, str]] = []  # when it was asked for
        self.at: dict[float, Callable[[], None]] = {}  # what happens then

    def has(self, name: str, **tags: str) -> Made:
        made = Made(f"shop-dev-a-{name}", stack_tags("shop", "dev-a") | tags)
        self.stacks[made.name] = made
        return made

    def imported(self, exporter: Made, *importers: Made) -> None:
        self.imports[f"{exporter.name}:Ref"] = exporter.id, [each.name for each in importers]

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        for when in [each for each in self.at if each <= self.now]:
            self.at.pop(when)()
        for each in self.stacks.values():
            if each.status.endswith("_IN_PROGRESS") and self.now >= each.ends:
                self._end(each)

    def _end(self, made: Made) -> None:
        if made.status == "UPDATE_IN_PROGRESS":
            made.status = "UPDATE_COMPLETE"
        elif made.failing:
            made.status = "DELETE_FAILED"
            made.events += [
                ("Group", "AWS::EC2::SecurityGroup", made.failing.pop(0)),
                (made.name, STACK_TYPE, "The following resource(s) failed to delete: [Group]"),
            ]
        else:
            made.status = "DELETE_COMPLETE"

    def call(self, _: Cloud, __: str, operation: str, **asked: Any) -> Any:
        return getattr(self, operation)(**asked)

    def DescribeStacks(self, StackName: str = "", NextToken: str = "0") -> Any:
        known = [each for each in self.stacks.values() if StackName in {"", each.name, each.id}]
        if not StackName:
            known = [each for each in known if each.status != "DELETE_COMPLETE"]
        elif not known:
            raise _invalid(f"Stack with id {StackName} does not exist")
        described = [
            {
                "StackName": each.name,
                "StackId": each.id,
                "StackStatus": each.status,
                "Tags": [{"Key": key, "Value": value} for key, value in each.tags.items()],
                **each.more,
            }
            for each in known
        ]
        return _page("Stacks", described, NextToken)

    def ListExports(self, NextToken: str = "0") -> Any:
        found = [{"Name": name, "ExportingStackId": id_} for name, (id_, _) in self.imports.items()]
        return _page("Exports", found, NextToken)

    def ListImports(self, ExportName: str, NextToken: str = "0") -> Any:
        named = self.imports[ExportName][1]
        importers = [each for each in named if self.stacks[each].status != "DELETE_COMPLETE"]
        if not importers:
            raise _invalid(f"Export '{ExportName}' is not imported by any stack.")
        return _page("Imports", importers, NextToken)

    def DeleteStack(self, StackName: str) -> None:
        made = next(each for each in self.stacks.values() if each.id == StackName)
        users = [
            name
            for id_, names in self.imports.values()
            for name in names
            if id_ == made.id and self.stacks[name].status != "DELETE_COMPLETE"
        ]
        made.events.append((made.name, STACK_TYPE, ""))
        if users and not self.calls_off:
            raise _invalid(f"Export {made.name}:Ref is imported by stack {users[0]}")
        if users:
            made.more["StackStatusReason"] = (
                f"Export {made.name}:Ref cannot be deleted as it is in use by {users[0]}"
            )
            return
        self.deleted.append((self.now, made.name.removeprefix("shop-dev-a-")))
        made.status, made.ends = "DELETE_IN_PROGRESS", self.now + 10

    def DescribeStackEvents(self, StackName: str) -> Any:
        made = next(each for each in self.stacks.values() if each.id == StackName)
        described = [
            {
                "EventId": str(number),
                "Timestamp": datetime.now(UTC),
                "LogicalResourceId": resource,
                "ResourceType": kind,
                "ResourceStatus": "DELETE_FAILED" if reason else "DELETE_IN_PROGRESS",
                "ResourceStatusReason": reason,
            }
            for number, (resource, kind, reason) in enumerate(made.events)
        ]
        return {"StackEvents": described[::-1]}


def _invalid(message: str) -> ClientError:
    return ClientError({"Error": {"Code": "ValidationError", "Message": message}}, "x")


def _page(key: str, everything: list[Any], token: str) -> dict[str, Any]:
    start = int(token)
    more = {"NextToken": str(start + 2)} if start + 2 < len(everything) else {}
    return {key: everything[start : start + 2], **more}


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Account:
    account = Account()
    monkeypatch.setattr(clients, "call", account.call)
    monkeypatch.setattr(destroy, "require_account", lambda _: SimpleNamespace(account="1"))
    return account


CLOUD = Cloud("eu-central-1", "1")
COURSES = DatabaseStack("shop-dev-a-courses-dynamodb", "courses/dynamodb", "courses")


def _scope(*services: str, name: str = "dev-a", cloud: Cloud = CLOUD) -> DestroyScope:
    environment = Environment(name, "1", "eu-central-1", ephemeral=True)
    return DestroyScope(environment, cloud, stack_tags("shop", name), [COURSES], services, 3600)


def _planned(scope: DestroyScope, told: list[Event] | None = None, stop: Stop | None = None) -> DestroyPlan:
    return destroy.plan_destroy(scope, ([] if told is None else told).append, stop or Stop())


def _destroy(
    aws: Account, told: list[Event] | None = None, *, stop: Stop | None = None, services: tuple[str, ...] = ()
) -> Outcome:
    events: list[Event] = [] if told is None else told
    plan = _planned(_scope(*services), events, stop)
    deleting.carry_out(plan, deleting.Clock(lambda: aws.now, aws.sleep))
    return fold(events)


def _left(aws: Account) -> set[str]:
    return {each.name for each in aws.stacks.values() if each.status != "DELETE_COMPLETE"}


def _platform(aws: Account) -> tuple[Made, Made, Made, Made]:
    """Have a network, two databases in it, and a task that uses both."""
    network, task = aws.has("network"), aws.has("seedbed-task")
    user = aws.has("user-postgres", service="user")
    search = aws.has("ai-opensearch", service="ai")
    aws.imported(network, user, search, task)
    aws.imported(user, task)
    aws.imported(search, task)
    return network, user, search, task


def test_each_stack_goes_after_those_that_import_from_it_and_independent_ones_side_by_side(
    aws: Account,
) -> None:
    _platform(aws)
    aws.imports["unused"] = aws.stacks["shop-dev-a-network"].id, []
    outcome = _destroy(aws)
    order = [name for _, name in aws.deleted]
    assert (order[0], set(order[1:3]), order[3]) == (
        "seedbed-task",
        {"user-postgres", "ai-opensearch"},
        "network",
    )
    times = [when for when, _ in aws.deleted]
    assert times[1] == times[2]
    assert (outcome.exit_code, _left(aws)) == (ExitCode.DONE, set())


def test_what_the_question_names_is_in_the_order_in_which_it_goes(aws: Account) -> None:
    _platform(aws)
    names = [each.removeprefix("shop-dev-a-") for each in _planned(_scope()).names]
    assert names == ["seedbed-task", "ai-opensearch", "user-postgres", "network"]


@pytest.mark.parametrize(
    "tags",
    [
        stack_tags("shop", "dev-a-b"),
        stack_tags("other", "dev-a"),
        stack_tags("shop", "dev-a") | {"managed-by": "terraform"},
        {"platform": "shop", "environment": "dev-a"},
        {},
    ],
)
def test_a_stack_with_other_tags_stays_whatever_its_name(aws: Account, tags: dict[str, str]) -> None:
    aws.has("b-courses-dynamodb").tags = tags
    assert _destroy(aws).exit_code is ExitCode.DONE
    assert aws.deleted == []


def test_a_nested_stack_goes_with_its_parent(aws: Account) -> None:
    aws.has("network-nested").more["ParentId"] = aws.has("network").id
    _destroy(aws)
    assert [name for _, name in aws.deleted] == ["network"]


def test_the_stack_of_a_declared_database_goes_without_tags_but_not_with_somebody_elses(aws: Account) -> None:
    made = aws.has("courses-dynamodb")
    made.tags = {"environment": "dev-b"}
    assert [each.result for each in _destroy(aws).targets] == [Result.UNCHANGED]
    made.tags = {"environment": "dev-a"}
    outcome = _destroy(aws)
    assert [(each.target, each.result) for each in outcome.targets] == [("courses/dynamodb", Result.CHANGED)]
    assert _left(aws) == set()


def test_a_service_is_selected_by_the_tag_of_its_stacks(aws: Account) -> None:
    aws.has("network")
    aws.has("user-postgres", service="user")
    aws.has("ai-opensearch", service="ai")
    aws.has("courses-dynamodb").tags = {}
    _destroy(aws, services=("user", "courses"))
    assert _left(aws) == {"shop-dev-a-network", "shop-dev-a-ai-opensearch"}


def test_what_a_stack_that_stays_imports_is_not_deleted(aws: Account) -> None:
    _platform(aws)
    with pytest.raises(Refused) as caught:
        _planned(_scope("user"))
    assert caught.value.because == (
        "shop-dev-a-user-postgres exports shop-dev-a-user-postgres:Ref, which shop-dev-a-seedbed-task imports"
    )
    assert aws.deleted == []


def test_termination_protection_is_respected_and_said(aws: Account) -> None:
    aws.has("network")
    aws.has("user-postgres").more["EnableTerminationProtection"] = True
    with pytest.raises(Refused, match="termination protection is on: shop-dev-a-user-postgres"):
        _planned(_scope())


def test_no_other_environment_has_its_stacks_even_looked_for(aws: Account) -> None:
    with pytest.raises(Refused, match="destroy refuses staging"):
        _planned(_scope(name="staging"))
    with pytest.raises(UsageError, match="dev-a has no region"):
        _planned(_scope(cloud=Cloud("", "1")))
    with pytest.raises(UsageError, match="dev-a has no account"):
        _planned(_scope(cloud=Cloud("eu-central-1")))


def test_interfaces_that_are_released_late_are_waited_for(aws: Account) -> None:
    network, user, *_ = _platform(aws)
    user.failing = [LATE, "Error Code: DependencyViolation"]
    network.failing = ["The subnet 'subnet-1' has dependencies and cannot be deleted."] * 5
    told: list[Event] = []
    assert _destroy(aws, told).exit_code is ExitCode.DONE
    assert [name for _, name in aws.deleted] == [
        "seedbed-task",
        "ai-opensearch",
        "user-postgres",
        "user-postgres",
        "user-postgres",
        *["network"] * 6,
    ]
    times = [when for when, name in aws.deleted if name == "network"]
    assert all(b - a >= pause for a, b, pause in zip(times, times[1:], deleting.PAUSES, strict=False))
    said = [each.what for each in told if isinstance(each, DeployProgressed) and "again" in each.what]
    assert said[0] == "AWS releases network interfaces late: deleted again in 30 s (1 of 5)"


def test_after_five_more_tries_it_stays_and_so_does_what_it_imports_from(aws: Account) -> None:
    network, user, search, task = _platform(aws)
    user.failing = [LATE] * 6
    told: list[Event] = []
    outcome = _destroy(aws, told)
    failed = next(each for each in told if isinstance(each, TargetFailed))
    assert failed.error == f"stack {user.name} was not deleted after 6 tries: it is DELETE_FAILED"
    assert (failed.because.splitlines()[0], "--retain-resources" in failed.try_) == (
        f"Group (AWS::EC2::SecurityGroup): {LATE}",
        True,
    )
    skipped = [each for each in told if isinstance(each, TargetSkipped)]
    assert [(each.target, each.because) for each in skipped] == [
        (network.name, f"{user.name} is still there and uses what it has")
    ]
    assert (outcome.exit_code, _left(aws)) == (ExitCode.PARTIAL, {user.name, network.name})
    assert _destroy(aws).exit_code is ExitCode.DONE
    assert (_left(aws), search.status, task.status) == (set(), "DELETE_COMPLETE", "DELETE_COMPLETE")


def test_another_reason_is_not_waited_for_and_stops_no_independent_stack(aws: Account) -> None:
    _, user, *_ = _platform(aws)
    user.failing = [EMPTY_FIRST]
    assert _destroy(aws).exit_code is ExitCode.PARTIAL
    assert [name for _, name in aws.deleted].count("user-postgres") == 1
    assert _left(aws) == {"shop-dev-a-user-postgres", "shop-dev-a-network"}


def test_what_failed_to_be_deleted_before_is_deleted_again(aws: Account) -> None:
    made = aws.has("network")
    made.status, made.events = "DELETE_FAILED", [("Group", "AWS::EC2::SecurityGroup", EMPTY_FIRST)]
    assert _destroy(aws).exit_code is ExitCode.DONE


def test_what_is_being_deleted_is_followed_and_not_asked_for_again(aws: Account) -> None:
    made = aws.has("network")
    aws.call(CLOUD, "cloudformation", "DeleteStack", StackName=made.id)
    aws.deleted.clear()
    told: list[Event] = []
    assert _destroy(aws, told).exit_code is ExitCode.DONE
    started = next(each for each in told if isinstance(each, DeployStarted))
    assert (started.resumed, aws.deleted) == (True, [])


def test_an_update_that_is_under_way_ends_first(aws: Account) -> None:
    made = aws.has("network")
    made.status, made.ends = "UPDATE_IN_PROGRESS", 60.0
    assert _destroy(aws).exit_code is ExitCode.DONE
    assert [when >= 60 for when, _ in aws.deleted] == [True]


def test_asked_to_stop_it_leaves_and_the_next_run_goes_on(aws: Account) -> None:
    _platform(aws)
    stop = Stop()
    aws.at[15.0] = lambda: stop.request(ExitCode.TERMINATED)
    outcome = _destroy(aws, stop=stop)
    assert outcome.exit_code is ExitCode.TERMINATED
    assert "shop-dev-a-network" in _left(aws)
    assert _destroy(aws).exit_code is ExitCode.DONE
    assert _left(aws) == set()


@pytest.mark.parametrize("calls_off", [True, False])
def test_an_import_that_was_not_known_is_waited_for(aws: Account, calls_off: bool) -> None:
    aws.calls_off = calls_off
    network, task = aws.has("network"), aws.has("seedbed-task")
    told: list[Event] = []
    plan = _planned(_scope(), told)
    aws.imported(network, task)
    deleting.carry_out(plan, deleting.Clock(lambda: aws.now, aws.sleep))
    assert (fold(told).exit_code, _left(aws)) == (ExitCode.DONE, set())
    waited = [each.what for each in told if isinstance(each, DeployProgressed)]
    assert "another stack still imports from it: deleted again in 30 s (1 of 5)" in waited


@pytest.mark.parametrize("calls_off", [True, False])
def test_an_import_that_stays_is_named(aws: Account, calls_off: bool) -> None:
    aws.calls_off = calls_off
    network, somebody = aws.has("network"), aws.has("other")
    somebody.tags = {}
    told: list[Event] = []
    plan = _planned(_scope(), told)
    aws.imported(network, somebody)
    deleting.carry_out(plan, deleting.Clock(lambda: aws.now, aws.sleep))
    failed = next(each for each in told if isinstance(each, TargetFailed))
    assert failed.because.startswith("Export shop-dev-a-network:Ref")
    assert failed.because.endswith("shop-dev-a-other")
    assert (fold(told).exit_code, failed.touched) == (ExitCode.FAILED, False)


def test_what_is_made_meanwhile_is_said(aws: Account) -> None:
    aws.has("network")
    aws.at[5.0] = lambda: (aws.has("user-postgres"), None)[1]
    told: list[Event] = []
    assert _destroy(aws, told).exit_code is ExitCode.PARTIAL
    failed = next(each for each in told if isinstance(each, TargetFailed))
    assert failed.error == "stack shop-dev-a-user-postgres was made while the others were deleted"


def test_where_nothing_is_there_nothing_is_done(aws: Account) -> None:
    outcome = _destroy(aws)
    assert [(each.target, each.result) for each in outcome.targets] == [
        ("courses/dynamodb", Result.UNCHANGED)
    ]
