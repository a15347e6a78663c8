"""Pipes of EventBridge that start tasks: what one does with the stream of a table, as its stack says.

::

    with piping(tasks, world) as pipes:     # as AWS does: each new record that fits starts a task
        pipes.deliveries = 2                # it is delivered twice
        pipes.is_open = False               # nothing comes, as long as that is so, and then it comes late

What is read is what ministack keeps of the pipe that CloudFormation made: its filter, its parameters, its role. A task
is started as that role, judged by its policies; what is refused, or finds no room, is tried again until the record is
too old for the pipe. Nothing tells whoever wrote the record.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote

from botocore.exceptions import ClientError

from seedbed.engines.dynamodb.sandbox.world import World
from tests.support.aws_proxy.permissions import Asked, Place
from tests.support.aws_proxy.policies import allows
from tests.support.fargate import rights
from tests.support.fargate.facade import Fargate
from tests.support.fargate.upstream import Refused, Upstream

_LOOKS = 0.1  # seconds between two looks at a stream
_TRIES = 0.3  # seconds between two tries to start a task
_PRINCIPAL = "pipes.amazonaws.com"
_READS = ("DescribeStream", "GetRecords", "GetShardIterator")


class Pipes:
    """See the module. `failed`: what kept a task from being started, in order."""

    def __init__(self, tasks: Fargate, world: World) -> None:
        self.deliveries = 1
        self.is_open = True
        self.failed: list[str] = []
        self._tasks, self._world = tasks, world
        self._upstream = Upstream(world)
        self._next: dict[str, str] = {}  # where each stream is read on
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._work, name="pipes", daemon=True)]
        self._threads[0].start()

    def close(self) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def there(self) -> list[Mapping[str, Any]]:
        """Return the pipes of the account that start tasks, as they were made."""
        asked = self._upstream.service("pipes").list_pipes()["Pipes"]
        named = [each["Name"] for each in asked if ":cluster/" in each["Target"]]
        return [self._upstream.service("pipes").describe_pipe(Name=each) for each in named]

    def _work(self) -> None:
        known: list[Mapping[str, Any]] = []
        while not self._ended.wait(_LOOKS):
            if not self.is_open:
                continue
            try:
                known = known or self.there()
                for pipe in known:
                    self._look(pipe)
            except ClientError:  # the stack of the table or of the pipe goes just now, or is made anew
                known = []

    def _look(self, pipe: Mapping[str, Any]) -> None:
        """Take what is new. The rights are looked up where there is something: most looks find nothing."""
        source = pipe["Source"]
        answer = self._upstream.service("dynamodbstreams").get_records(
            ShardIterator=self._next.get(source) or self._start(source)
        )
        if answer["Records"]:
            self._require(pipe, *(Asked(f"dynamodb:{each}", source) for each in _READS))
        self._next[source] = answer["NextShardIterator"]
        filters = pipe["SourceParameters"]["FilterCriteria"]["Filters"]
        for record in answer["Records"]:
            if any(_fits(json.loads(each["Pattern"]), record) for each in filters):
                for _ in range(self.deliveries):
                    thread = threading.Thread(target=self._deliver, args=(pipe, record), daemon=True)
                    self._threads.append(thread)
                    thread.start()

    def _start(self, source: str) -> str:
        streams = self._upstream.service("dynamodbstreams")
        shard = streams.describe_stream(StreamArn=source)["StreamDescription"]["Shards"][0]["ShardId"]
        start = {"StreamArn": source, "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON"}
        return str(streams.get_shard_iterator(**start)["ShardIterator"])

    def _deliver(self, pipe: Mapping[str, Any], record: Mapping[str, Any]) -> None:
        """Start the task; try again until the record is too old, as the pipe says."""
        oldest = pipe["SourceParameters"]["DynamoDBStreamParameters"]["MaximumRecordAgeInSeconds"]
        until = time.monotonic() + oldest
        asked = run_task(pipe, record)
        while not self._ended.is_set() and time.monotonic() < until:
            try:
                self._require_start(pipe, asked)
                answer = self._tasks.run_task(asked)
            except (Refused, rights.Denied, ClientError) as error:
                self.failed.append(str(error))
            else:
                if answer["tasks"]:
                    return
                self.failed.append(answer["failures"][0]["reason"])
            self._ended.wait(_TRIES)

    def _require_start(self, pipe: Mapping[str, Any], asked: Mapping[str, Any]) -> None:
        definition = self._upstream.definition(asked["taskDefinition"])
        passed = [definition[each] for each in ("taskRoleArn", "executionRoleArn") if each in definition]
        place = Place(self._world.account, self._world.region, passed=passed)
        self._require(pipe, *place.asked_of_run(asked))

    def _require(self, pipe: Mapping[str, Any], *asked: Asked) -> None:
        """Raise Denied unless the pipe's role lets pipes assume it, and may do something."""
        iam, role = self._upstream.service("iam"), pipe["RoleArn"]
        trusted = iam.get_role(RoleName=role.rpartition("/")[2])["Role"]["AssumeRolePolicyDocument"]
        document = trusted if isinstance(trusted, dict) else json.loads(unquote(trusted))
        if _PRINCIPAL not in [each["Principal"]["Service"] for each in document["Statement"]]:
            raise rights.Denied(f"{role} is not for {_PRINCIPAL}")
        held = rights.statements(iam, role)
        for each in asked:
            if not allows(held, each):
                raise rights.Denied(f"{role} is not authorized to perform: {each.action} on {each.resource}")


def run_task(pipe: Mapping[str, Any], record: Mapping[str, Any]) -> dict[str, Any]:
    """Return what ECS is asked for a record, by the parameters of a pipe."""
    given = _filled(pipe["TargetParameters"]["EcsTaskParameters"], record)
    asked = {_LOWER.get(key, key[:1].lower() + key[1:]): value for key, value in _spelled(given).items()}
    return {"cluster": pipe["Target"], **asked}


_LOWER = {"taskDefinitionArn": "taskDefinition", "taskCount": "count"}


def _spelled(value: Any) -> Any:
    """Return parameters with their keys as ECS has them: `launchType`, not `LaunchType`."""
    if isinstance(value, dict):
        return {key[:1].lower() + key[1:]: _spelled(each) for key, each in value.items()}
    return [_spelled(each) for each in value] if isinstance(value, list) else value


def _filled(value: Any, record: Mapping[str, Any]) -> Any:
    """Return parameters with what a record has in the place of each path, `$.a.b`: the whole of a text, never a part."""
    match value:
        case dict():
            return {key: _filled(each, record) for key, each in value.items()}
        case list():
            return [_filled(each, record) for each in value]
        case str() if value.startswith("$."):
            found: Any = record
            for part in value.split(".")[1:]:
                found = found[part]
            return found
    return value


def _fits(pattern: Mapping[str, Any], record: Any) -> bool:
    """Return whether a record fits a pattern: values, and beginnings of them."""
    for key, wanted in pattern.items():
        found = record.get(key)
        if isinstance(wanted, dict):
            if not isinstance(found, dict) or not _fits(wanted, found):
                return False
        elif not any(
            str(found).startswith(each["prefix"]) if isinstance(each, dict) else found == each
            for each in wanted
        ):
            return False
    return True


@contextmanager
def piping(tasks: Fargate, world: World) -> Iterator[Pipes]:
    """Have the pipes of an account start tasks of `tasks` until the end of the block."""
    found = Pipes(tasks, world)
    try:
        yield found
    finally:
        found.close()
