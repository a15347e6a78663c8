"""Runs that real tasks carry out: local processes, started by their definitions, behind every fault that AWS has."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from seedbed.aws import clients
from seedbed.aws.cloud import Cloud
from seedbed.aws.faults import Denied
from seedbed.engines.dynamodb.sandbox.world import World
from seedbed.errors import Busy, ExitCode, OutcomeUnknown, SeedbedError, Unavailable, UsageError
from seedbed.model.event import WorkProgressed
from seedbed.remote import warm as warm_workers
from seedbed.remote.following import Following, Pace
from seedbed.remote.place import BUCKET, ENVIRONMENT, TABLE, Place, TaskPlace
from seedbed.remote.records import Ask, Entry, Happened, Run, Written, new_id
from seedbed.remote.starting import Patience, Started, Starter, stopped
from seedbed.remote.stopping import Stopping
from seedbed.remote.tasks import NoCapacity, Tasks
from seedbed.remote.warm import WarmRhythm, WarmWorker
from seedbed.remote.worker import CLAIM
from tests.support import remote_worker
from tests.support.aws_proxy import Call, Proxy, faults, on
from tests.support.aws_proxy.http import Response
from tests.support.fargate import Fargate, Image, Task, execution_role, fargate
from tests.support.processes import until

IMAGE, GROUP, CLUSTER = "seedbed:1", "sample-dev-seedbed-log", "sample-dev"
PACE = Pace(fastest=0.02, slowest=0.1, task_early=0.05, task_late=0.1, settles=0.3, missing=0.3, silent=5.0)
PATIENCE = Patience(warm=2.0, capacity=0.5, answer=0.5, pause=0.05, longest=0.1)


def ask_aws(cloud: Cloud, service: str, operation: str, **parameters: Any) -> Any:
    return clients.call(cloud, service, operation, **parameters)


class Stage:
    """An environment with a task, and a caller in it."""

    def __init__(self, place: Place, aws: Proxy, tasks: Fargate) -> None:
        self.place, self.aws, self.ecs = place, aws, tasks
        self.control = place.control
        self.tasks = Tasks(place.cloud, place.require_task())
        self.entries: list[Entry] = []
        self.lines: list[str] = []

    def start(self, ask: Ask, *argv: str, inputs: Mapping[str, bytes] | None = None, **more: Any) -> Started:
        starter = Starter(self.control, self.tasks, self.lines.append, patience=PATIENCE)
        return replace(starter, **more).start(replace(ask, argv=argv), inputs)

    def follow(self, run: Run, stopping: Stopping | None = None, pace: Pace = PACE) -> Run:
        return Following(
            self.control,
            self.tasks,
            run.id,
            entry=self.entries.append,
            tell=self.lines.append,
            stopping=stopping,
            pace=pace,
        ).to_the_end()

    def stops(self, run: Run) -> Stopping:
        return Stopping(self.control, self.tasks, run.id, interactive=True, tell=self.lines.append)

    def now(self, run: Run) -> Run:
        found = self.control.run(run.id)
        assert found is not None
        return found

    def sleep(self) -> None:
        """Have tasks do nothing: of some only the start counts, and a Python takes most of a second."""
        self.ecs.images[IMAGE] = Image({"seedbed": ["/bin/sh", "-c", "exec sleep 60"]})

    def is_claimed(self, run: Run) -> bool:
        return self.now(run).state == "claimed"

    @property
    def text(self) -> str:
        return "".join(each.text for each in self.entries if isinstance(each, Written))


@pytest.fixture(scope="session")
def furnished(shared_aws: tuple[Proxy, World]) -> Place:
    """A cluster, a network and a definition in the account that all tests here have."""
    cloud = shared_aws[1].cloud
    ask_aws(cloud, "ecs", "CreateCluster", clusterName=CLUSTER)
    ask_aws(cloud, "logs", "CreateLogGroup", logGroupName=GROUP)
    vpc = ask_aws(cloud, "ec2", "CreateVpc", CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnet = ask_aws(cloud, "ec2", "CreateSubnet", VpcId=vpc, CidrBlock="10.0.1.0/24")["Subnet"]["SubnetId"]
    group = ask_aws(cloud, "ec2", "CreateSecurityGroup", GroupName="task", Description="x", VpcId=vpc)
    place = TaskPlace(CLUSTER, "", "seedbed", (subnet,), group["GroupId"], GROUP)
    table, bucket = "sample-dev-seedbed", f"sample-dev-seedbed-{uuid.uuid4().hex[:12]}"
    return Place(cloud, "sample", "dev", table, bucket, defined(cloud, place, table, bucket))


def defined(cloud: Cloud, place: TaskPlace, table: str, bucket: str, **more: Any) -> TaskPlace:
    """Return `place` with a new task definition, whose container is changed by `more`."""
    options = {"awslogs-group": GROUP, "awslogs-region": cloud.region, "awslogs-stream-prefix": "seedbed"}
    container: dict[str, Any] = {
        "name": "seedbed",
        "image": IMAGE,
        "entryPoint": ["seedbed"],
        "environment": [{"name": TABLE, "value": table}, {"name": BUCKET, "value": bucket}],
        "logConfiguration": {"logDriver": "awslogs", "options": options},
        **more,
    }
    role = f"arn:aws:iam::{cloud.account}:role/task"
    made = ask_aws(
        cloud,
        "ecs",
        "RegisterTaskDefinition",
        family="seedbed",
        requiresCompatibilities=["FARGATE"],
        networkMode="awsvpc",
        cpu="256",
        memory="512",
        taskRoleArn=role,
        executionRoleArn=execution_role(partial(ask_aws, cloud, "iam")),
        containerDefinitions=[container],
    )
    return replace(place, task_definition=made["taskDefinition"]["taskDefinitionArn"])


@pytest.fixture
def stage(furnished: Place, aws: Proxy, shared_aws: tuple[Proxy, World], ask: Ask) -> Iterator[Stage]:
    upstream = msgspec.structs.replace(shared_aws[1], endpoint=aws.upstream)
    with fargate(aws, upstream) as tasks:
        tasks.start, tasks.end = 0.05, 0.02
        python = [sys.executable, remote_worker.__file__]
        root = str(Path(remote_worker.__file__).parents[2])
        variables = {"AWS_ENDPOINT_URL": aws.endpoint, "PYTHONPATH": root, ENVIRONMENT: ask.environment}
        tasks.images[IMAGE] = Image({"seedbed": python}, environment=variables)
        yield Stage(msgspec.structs.replace(furnished, environment=ask.environment), aws, tasks)


# --- what works


def test_a_run_is_carried_out_by_a_task(stage: Stage, ask: Ask) -> None:
    stage.ecs.start = 0.3
    started = stage.start(ask, "say=hello", "progress=50", "code=7", inputs={"plan.json": b"{}"})
    run = stage.follow(started.run)
    assert (run.state, run.exit_code, run.worker) == ("done", 7, started.task)
    assert run.document is not None
    assert stage.control.fetch(run.id, run.document) == b'{"argv": ["say=hello", "progress=50", "code=7"]}'
    assert stage.control.fetch(run.id, run.ask.inputs["plan.json"]) == b"{}"
    assert stage.text == "hello\n"
    events = [each.event for each in stage.entries if isinstance(each, Happened)]
    assert [each.done for each in events if isinstance(each, WorkProgressed)] == list(range(50))
    told = stage.ecs.tasks[0].told
    assert told["startedBy"] == run.id
    assert told["overrides"]["containerOverrides"][0]["command"] == ["--run", run.id]
    asked = stage.aws.of("RunTask")[0].asked
    assert asked["networkConfiguration"]["awsvpcConfiguration"]["assignPublicIp"] == "DISABLED"
    assert any("the task is" in line for line in stage.lines)
    assert stage.lines[-1] == ""


def test_the_same_call_is_followed_and_another_one_is_refused(stage: Stage, ask: Ask) -> None:
    first = stage.start(ask, "say=hello", "wait=30")
    assert until(lambda: stage.is_claimed(first.run), 20)
    again = stage.start(replace(ask, by="arn:aws:iam::1:user/ben"), "say=hello", "wait=30")
    assert (again.is_attached, again.run.id) == (True, first.run.id)
    with pytest.raises(Busy, match="another run writes") as found:
        stage.start(ask, "say=other")
    assert "apply of ana, since 01:02:03 UTC" in found.value.what
    assert "say=hello" in found.value.because
    assert f"runs attach -e ENV {first.run.id}" in found.value.try_
    read = stage.start(replace(ask, command="status", writes=False), "say=beside")
    assert stage.follow(read.run).exit_code == 0
    stage.control.request_stop(first.run.id, 130)
    assert stage.follow(again.run).exit_code == 130
    assert len(stage.ecs.tasks) == 2


def test_a_dead_run_makes_room_for_the_next(stage: Stage, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seedbed.remote.starting.FRESH", 0.0)
    stage.sleep()
    first = stage.start(ask, "wait=30")
    assert stage.control.claim(first.run.id, first.task, "t")
    with pytest.raises(Busy):  # it does not beat, but its task runs
        stage.start(ask, "say=next")
    stage.ecs.wait("RUNNING").end()
    stage.ecs.wait()
    assert stage.start(ask, "say=next").task
    assert stage.now(first.run).state == "lost"


def test_a_caller_that_died_before_its_task_makes_room_too(
    stage: Stage, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.sleep()
    id_ = new_id()
    assert stage.control.create(id_, ask) == ""
    with pytest.raises(Busy):
        stage.start(ask, "say=next")
    monkeypatch.setattr("seedbed.remote.starting.FRESH", 0.0)
    assert stage.start(ask, "say=next").task
    run = stage.control.run(id_)
    assert run is not None
    assert (run.state, run.exit_code) == ("done", 4)


# --- what ECS does not do


@pytest.mark.parametrize("writes", [True, False])
def test_a_caller_whose_clock_is_wrong_beats_by_the_clock_of_aws(
    stage: Stage, ask: Ask, writes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.sleep()
    real = time.time
    monkeypatch.setattr("seedbed.aws.items.time.time", lambda: real() - 200)
    run = stage.now(stage.start(replace(ask, writes=writes), "wait=30").run)
    assert run.beat == pytest.approx(real(), abs=10)


def test_an_answer_that_is_lost_twice_is_one_task(stage: Stage, ask: Ask) -> None:
    stage.sleep()
    with stage.aws.drop("RunTask", when="answered", times=2) as lost:
        started = stage.start(ask, "code=3", patience=replace(PATIENCE, answer=30.0))
    assert lost.hits == 2
    assert [each.arn for each in stage.ecs.tasks] == [started.task]


def test_there_is_room_later(stage: Stage, ask: Ask) -> None:
    stage.sleep()
    stage.ecs.without_capacity = 2
    assert stage.start(ask, "code=3").task == stage.ecs.tasks[0].arn
    assert any("no room for the task" in line for line in stage.lines)
    assert len({call.asked["clientToken"] for call in stage.aws.of("RunTask")}) == 3


def closed(stage: Stage, ask: Ask, code: ExitCode) -> None:
    """Assert that the newest run touched nothing and stands in nobody's way."""
    newest = stage.control.runs()[0]
    assert (newest.state, newest.exit_code) == ("done", int(code))
    assert stage.control.claim(newest.id, "local:9", "t") is None
    assert stage.control.writing() == ""


def test_there_is_no_room_for_long(stage: Stage, ask: Ask) -> None:
    stage.ecs.without_capacity = 1_000
    with pytest.raises(NoCapacity, match="no room") as found:
        stage.start(ask, "code=3")
    assert "Capacity is unavailable" in found.value.because
    assert found.value.exit_code is ExitCode.UNAVAILABLE
    closed(stage, ask, ExitCode.UNAVAILABLE)


def test_ecs_does_not_answer(stage: Stage, ask: Ask) -> None:
    with stage.aws.drop("RunTask", times=None), pytest.raises(Unavailable, match="does not answer"):
        stage.start(ask, "code=3")
    closed(stage, ask, ExitCode.UNAVAILABLE)


@pytest.mark.parametrize(
    ("changed", "error", "said"),
    [
        ({"cluster": "nowhere"}, UsageError, "ClusterNotFoundException"),
        ({"task_definition": "seedbed:999"}, UsageError, "TaskDefinition not found"),
        ({"subnets": ("subnet-1",)}, UsageError, "subnet"),
        ({"container": "other"}, UsageError, "other"),
    ],
    ids=["cluster", "definition", "subnet", "container"],
)
def test_what_ecs_does_not_know_is_named(
    stage: Stage, ask: Ask, changed: Mapping[str, Any], error: type[SeedbedError], said: str
) -> None:
    wrong = Tasks(stage.place.cloud, replace(stage.place.require_task(), **changed))
    with pytest.raises(error) as found:
        stage.start(ask, "code=3", tasks=wrong)
    assert said in found.value.because
    assert "deploy" in found.value.try_
    closed(stage, ask, ExitCode.USAGE)


def test_a_call_that_is_too_long_is_refused(stage: Stage, ask: Ask) -> None:
    with pytest.raises(UsageError) as found:
        stage.start(ask, "code=3", command=["x" * 8200, "--run"])
    assert "at most 8192" in found.value.because
    closed(stage, ask, ExitCode.USAGE)


def test_what_may_not_be_started_is_named(stage: Stage, ask: Ask) -> None:
    said = "User: ana is not authorized to perform: iam:PassRole on resource: role/task"
    with stage.aws.refuse("RunTask", "AccessDeniedException", said), pytest.raises(Denied) as found:
        stage.start(ask, "code=3")
    assert "iam:PassRole" in found.value.because
    closed(stage, ask, ExitCode.REFUSED)
    stage.sleep()
    assert stage.start(ask, "code=3").task  # the next one is not blocked


def test_a_caller_that_stops_before_there_is_a_task_touched_nothing(stage: Stage, ask: Ask) -> None:
    stage.ecs.without_capacity = 1_000
    presses = iter([False] * 3)

    def check() -> None:
        if next(presses, True):
            raise stopped(ExitCode.TERMINATED)

    with pytest.raises(SeedbedError, match="before a task was started") as found:
        stage.start(ask, "code=3", check=check)
    assert found.value.exit_code is ExitCode.TERMINATED
    closed(stage, ask, ExitCode.TERMINATED)


def sick(call: Call, _answer: Any = None) -> Response:
    """Return an answer that is no answer, and after which nothing is tried again."""
    return faults.fault(call, "Sick", "later", 501)


def test_a_record_whose_answer_is_lost_for_good_is_closed(stage: Stage, ask: Ask) -> None:
    with stage.aws.rewrite("TransactWriteItems", sick), pytest.raises(Unavailable):
        stage.start(ask, "code=3")
    closed(stage, ask, ExitCode.UNAVAILABLE)
    with stage.aws.answer("TransactWriteItems", sick), pytest.raises(Unavailable):  # nothing was written
        stage.start(ask, "code=3")


@pytest.mark.parametrize("where", ["TransactWriteItems", "RunTask"])
def test_a_run_that_may_begin_yet_is_an_unknown_outcome(stage: Stage, ask: Ask, where: str) -> None:
    """What was sent has arrived, and neither that nor the end of the record is answered."""
    stage.sleep()
    with (
        stage.aws.rewrite(where, sick),
        stage.aws.answer(on("UpdateItem", containing=":because"), sick),
        pytest.raises(OutcomeUnknown, match="may begin yet") as found,
    ):
        stage.start(ask, "code=3")
    (run,) = stage.control.runs()
    assert (run.state, run.id in str(found.value.try_)) == ("asked", True)


def test_a_run_that_was_claimed_while_ecs_failed_is_followed(stage: Stage, ask: Ask) -> None:
    """The task started, and its caller was told otherwise."""

    def refused(call: Call) -> Any:
        stage.control.claim(stage.control.asked()[0], "local:1", "t")
        return faults.fault(call, "ClientException", "no such thing")

    with stage.aws.answer("RunTask", refused):
        started = stage.start(ask, "code=3")
    assert stage.is_claimed(started.run)


# --- how tasks end


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"image": "nowhere:1"}, "CannotPullContainerError"),
        (
            {
                "secrets": [
                    {
                        "name": "PASSWORD",
                        "valueFrom": "arn:aws:secretsmanager:eu-central-1:1:secret:none-AAAAAA",
                    }
                ]
            },
            "ResourceInitializationError: unable to pull secrets",
        ),
        (
            {
                "logConfiguration": {
                    "logDriver": "awslogs",
                    "options": {
                        "awslogs-group": "none",
                        "awslogs-region": "eu-central-1",
                        "awslogs-stream-prefix": "s",
                    },
                }
            },
            "ResourceInitializationError: failed to validate logger args",
        ),
    ],
    ids=["image", "secret", "log group"],
)
def test_a_task_that_does_not_start_says_why(
    stage: Stage, ask: Ask, more: Mapping[str, Any], said: str
) -> None:
    place = defined(
        stage.place.cloud, stage.place.require_task(), stage.place.table, stage.place.bucket, **more
    )
    started = stage.start(ask, "code=3", tasks=Tasks(stage.place.cloud, place))
    with pytest.raises(Unavailable, match="the task did not start") as found:
        stage.follow(started.run)
    assert said in found.value.because
    assert ("by the policy of its repository" in str(found.value.try_)) == ("CannotPull" in said)
    assert found.value.exit_code is ExitCode.UNAVAILABLE
    assert ("image" if "Pull" in said else "subnets") in found.value.try_
    closed(stage, ask, ExitCode.UNAVAILABLE)


def test_a_task_that_ends_before_it_takes_the_run_shows_its_log(stage: Stage, ask: Ask) -> None:
    stage.ecs.images[IMAGE] = Image({"seedbed": ["/bin/sh", "-c", "echo no such option --run; exit 2"]})
    started = stage.start(ask, "code=3")
    with pytest.raises(Unavailable, match="no worker took run") as found:
        stage.follow(started.run)
    assert "exit code 2" in found.value.because
    assert "| no such option --run" in found.value.because
    closed(stage, ask, ExitCode.UNAVAILABLE)


@pytest.mark.parametrize(
    "how",
    [
        pytest.param("Killed", marks=pytest.mark.soak),
        "OutOfMemory",
        pytest.param("Died", marks=pytest.mark.soak),
    ],
)
def test_a_task_that_vanishes_is_an_unknown_outcome(stage: Stage, ask: Ask, how: Any) -> None:
    started = stage.start(ask, "say=working", "wait=0.5" if how == "Died" else "wait=60", "die=0")
    if how != "Died":
        assert until(lambda: stage.is_claimed(started.run), 20)
        stage.ecs.tasks[0].end(how)
    with pytest.raises(OutcomeUnknown, match="how far it came is unknown") as found:
        stage.follow(started.run)
    said = {
        "Killed": "ended by SIGKILL",
        "OutOfMemory": "OutOfMemoryError",
        "Died": "(exit code 0)",
    }
    assert said[how] in found.value.because
    assert "| worker begins" in found.value.because
    assert found.value.exit_code is ExitCode.PARTIAL
    assert stage.now(started.run).state == "lost"
    assert stage.control.writing() == ""


@pytest.mark.soak
def test_the_record_is_the_truth_where_ecs_has_forgotten_the_task(stage: Stage, ask: Ask) -> None:
    stage.ecs.kept = -1.0
    started = stage.start(ask, "say=hello", "code=3")
    stage.ecs.wait()
    run = stage.follow(started.run)
    assert (run.exit_code, stage.text) == (3, "hello\n")


@pytest.mark.soak
def test_ecs_that_does_not_know_its_new_task_yet_is_waited_for(stage: Stage, ask: Ask) -> None:
    body = b'{"tasks": [], "failures": [{"arn": "x", "reason": "MISSING"}]}'
    answer = Response(200, {"content-type": "application/x-amz-json-1.1"}, body)
    with stage.aws.answer("DescribeTasks", lambda _call: answer, times=3) as missing:
        assert stage.follow(stage.start(ask, "code=3").run, pace=replace(PACE, missing=30.0)).exit_code == 3
    assert missing.hits == 3


def test_a_caller_that_may_not_look_at_tasks_has_the_record(stage: Stage, ask: Ask) -> None:
    with stage.aws.refuse("DescribeTasks", "AccessDeniedException") as refused:
        assert stage.follow(stage.start(ask, "code=3").run).exit_code == 3
    assert refused.hits == 1


def test_a_second_ctrl_c_ends_the_task(stage: Stage, ask: Ask) -> None:
    started = stage.start(ask, "say=working", "wait=60")
    assert until(lambda: stage.is_claimed(started.run), 20)
    stopping = stage.stops(started.run)
    unheard = on("UpdateItem", containing="SET #stop")
    with stage.aws.refuse(unheard, "ThrottlingException"):
        stopping.request()
        stopping.request()
        assert until(lambda: stage.ecs.tasks[0].stopping.is_set(), 10)
    run = stage.follow(started.run, stopping)
    assert run.exit_code == 143  # SIGTERM reached the worker
    assert "Ctrl-C twice" in stage.ecs.tasks[0].told["stoppedReason"]


# --- warm workers


@pytest.fixture
def warm(stage: Stage, ask: Ask, tmp_path: Path) -> Iterator[Any]:
    """A warm worker of the test's environment, whose children are what the tasks run."""
    name = "arn:aws:ecs:eu-central-1:111111111111:task/sample-dev/warm"
    cloud = stage.place.cloud
    variables = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(Path(remote_worker.__file__).parents[2]),
        "AWS_ENDPOINT_URL": cloud.endpoint,
        "AWS_REGION": cloud.region,
        "AWS_ACCESS_KEY_ID": cloud.access_key,
        "AWS_SECRET_ACCESS_KEY": "x",
        TABLE: stage.place.table,
        BUCKET: stage.place.bucket,
        ENVIRONMENT: ask.environment,
        "WORKER_NAME": name,
    }

    def spawn(id_: str, token: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, remote_worker.__file__, "--run", id_],
            env={**variables, CLAIM: token},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    worker = WarmWorker(stage.control, name, spawn, WarmRhythm(look=0.05, beat=0.2, idle=1.0))
    thread = threading.Thread(target=worker.work)
    thread.start()
    yield thread
    worker.stop()
    thread.join()


def test_a_warm_worker_takes_runs_without_a_task(stage: Stage, ask: Ask, warm: threading.Thread) -> None:
    assert until(lambda: stage.control.warm() is not None, 10)
    for code in (0, 7):
        started = stage.start(ask, "say=warm", f"code={code}")
        run = stage.follow(started.run)
        assert (run.exit_code, run.worker.rpartition("/")[2]) == (code, "warm")
    assert stage.text == "warm\nwarm\n"
    assert stage.ecs.tasks == []
    warm.join(10)  # nothing to do for a second
    assert not warm.is_alive()
    assert stage.control.warm() is None


def test_a_worker_that_is_starting_is_ended_too(stage: Stage, ask: Ask) -> None:
    """It has written nothing yet. A cluster that has it would not be deleted, and it would take runs later on."""
    stage.sleep()
    arn, _ = warm_workers.begin(stage.control, stage.tasks)
    assert stage.control.warm() is None
    assert warm_workers.end(stage.control, stage.tasks) == [arn]
    assert stage.tasks.look(arn).has_ended
    assert warm_workers.end(stage.control, stage.tasks) == []


def test_a_child_that_dies_is_lost_and_its_worker_goes_on(
    stage: Stage, ask: Ask, warm: threading.Thread
) -> None:
    assert until(lambda: stage.control.warm() is not None, 10)
    with pytest.raises(OutcomeUnknown) as found:
        stage.follow(stage.start(ask, "say=warm", "die=9").run)
    assert "its process ended with 9" in found.value.because
    assert stage.follow(stage.start(ask, "code=3").run).exit_code == 3
    assert stage.ecs.tasks == []


def test_a_claim_that_is_not_answered_is_made_again(stage: Stage, ask: Ask, warm: threading.Thread) -> None:
    assert until(lambda: stage.control.warm() is not None, 10)
    with stage.aws.rewrite(on("UpdateItem", containing="SET #state = :claimed"), sick, times=1) as lost:
        run = stage.follow(stage.start(ask, "say=warm", "code=7").run)
    assert (lost.hits, run.exit_code, stage.text) == (1, 7, "warm\n")
    assert warm.is_alive()


def test_a_child_that_cannot_be_made_touched_nothing_and_its_worker_goes_on(stage: Stage, ask: Ask) -> None:
    def spawn(_id: str, _token: str) -> subprocess.Popen[bytes]:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    rhythm = WarmRhythm(look=0.05, beat=0.2, idle=1.0)
    worker = WarmWorker(stage.control, "arn:aws:ecs:::task/sample-dev/warm", spawn, rhythm)
    thread = threading.Thread(target=worker.work)
    thread.start()
    assert until(lambda: stage.control.warm() is not None, 10)
    run = stage.start(ask, "code=3").run
    with pytest.raises(Unavailable, match="was not carried out") as found:
        stage.follow(run)
    assert "no room for it: Resource temporarily unavailable; nothing was touched" in found.value.because
    assert thread.is_alive()
    worker.stop()
    thread.join()


def test_a_warm_worker_that_does_not_react_is_passed_over(stage: Stage, ask: Ask) -> None:
    stage.control.warm_beat("arn:aws:ecs:eu-central-1:111111111111:task/sample-dev/warm")
    began, patient = time.monotonic(), replace(PATIENCE, warm=0.3)
    stage.sleep()
    assert stage.start(ask, "code=3", patience=patient).task
    assert time.monotonic() - began > 0.3


# --- the task of a base, which a pipe starts


@pytest.fixture
def by_pipe(stage: Stage) -> Stage:
    """A caller who starts no task; nobody does but a test."""
    place = replace(stage.place.require_task(), pipe="base-runs", pipe_log="base-runs-log")
    stage.tasks = Tasks(stage.place.cloud, place)
    return stage


def delivered(stage: Stage, id_: str) -> Task:
    """Have AWS start the task of a run, as a pipe asks it to."""
    place = stage.place.require_task()
    network = {"subnets": list(place.subnets), "securityGroups": [place.security_group]}
    words = ["--run", f"run#{stage.control.environment}#{id_}"]
    stage.ecs.run_task(
        {
            "cluster": place.cluster,
            "taskDefinition": place.task_definition,
            "launchType": "FARGATE",
            "networkConfiguration": {"awsvpcConfiguration": network},
            "overrides": {"containerOverrides": [{"name": place.container, "command": words}]},
        }
    )
    return stage.ecs.tasks[-1]


def test_a_task_that_no_pipe_starts_is_not_waited_for_for_ever(by_pipe: Stage, ask: Ask) -> None:
    with pytest.raises(Unavailable, match=r"AWS has not started the task of dev-\w+ in ") as found:
        by_pipe.start(ask, "code=3")
    assert "the pipe base-runs does" in found.value.because
    assert "base-runs-log" in found.value.because
    assert "aws pipes describe-pipe --name base-runs" in found.value.try_
    assert any("waiting for AWS to start the task of dev-" in line for line in by_pipe.lines)
    assert not by_pipe.aws.of("RunTask")
    closed(by_pipe, ask, ExitCode.UNAVAILABLE)
    late = delivered(by_pipe, by_pipe.control.runs()[0].id)
    assert late.wait("STOPPED").exit_code == int(ExitCode.UNAVAILABLE)


def test_of_several_tasks_the_one_that_was_given_the_run_is_found_and_noted(by_pipe: Stage, ask: Ask) -> None:
    by_pipe.sleep()
    for _ in range(2):
        delivered(by_pipe, new_id())
    with ThreadPoolExecutor() as pool:
        starting = pool.submit(by_pipe.start, ask, "code=3", patience=replace(PATIENCE, capacity=20.0))
        assert until(lambda: bool(by_pipe.control.runs()), 20)
        ours = delivered(by_pipe, by_pipe.control.runs()[0].id)
        started = starting.result()
    assert started.task == ours.arn == by_pipe.now(started.run).task
    asked = [call.asked["tasks"] for call in by_pipe.aws.of("DescribeTasks")]
    assert len([each for tasks in asked for each in tasks]) == 3  # each was looked at once


def test_a_caller_whose_run_has_begun_does_not_need_to_find_its_task(by_pipe: Stage, ask: Ask) -> None:
    with (
        by_pipe.aws.drop("ListTasks", times=None),
        ThreadPoolExecutor() as pool,
    ):
        starting = pool.submit(
            by_pipe.start, ask, "say=hello", "code=3", patience=replace(PATIENCE, capacity=60.0)
        )
        assert until(lambda: bool(by_pipe.control.runs()), 20)
        task = delivered(by_pipe, by_pipe.control.runs()[0].id)
        started = starting.result()
    run = by_pipe.follow(started.run)
    assert (run.exit_code, run.worker, by_pipe.text) == (3, task.arn, "hello\n")
