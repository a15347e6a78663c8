"""Tasks of OpenSearch: start one, find it again, follow it to its end.

A task is started with `wait_for_completion=false` and an X-Opaque-Id of seedbed, so that the next run finds it. While
it runs it is in the list of tasks; afterwards its result is a document of the index `.tasks`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct

from seedbed.engines.opensearch.wire import shapes
from seedbed.engines.opensearch.wire.client import Client
from seedbed.engines.opensearch.wire.errors import RequestFailed

RESULTS = ".tasks"
MARK = "seedbed"  # the beginning of an X-Opaque-Id of seedbed: "seedbed:TARGET:VERSION:…"
AS_TASK = {"wait_for_completion": "false"}  # of a request that is to start one
_FIRST_POLL, _SLOWEST_POLL = 0.02, 2.0  # seconds
_NEWEST = 1000  # results that are searched


class ServerTask(Struct, frozen=True):
    """A task as it is now. `answer`: once it is over, the answer of its request."""

    id: str
    is_over: bool = False
    done: int = 0
    total: int = 0
    answer: Mapping[str, Any] | None = None


def start(client: Client, method: str, path: str, body: Any, *, opaque_id: str, **named: Any) -> str:
    """Start the task and return its id. Raises RequestFailed, NoAnswer."""
    params = {**named.pop("params", {}), **AS_TASK}
    answer = client.call(
        method, path, body, params=params, opaque_id=opaque_id, shape=shapes.StartedTask, **named
    )
    return str(answer["task"])


def look(client: Client, task: str) -> ServerTask | None:
    """Return the task as it is now; None if it is gone: its node left, or its result could not be stored."""
    try:
        found = client.call("GET", f"/_tasks/{task}", shape=shapes.Task)
    except RequestFailed as error:
        if error.is_missing:
            return None
        raise
    return _task(task, found)


def find(client: Client, opaque_id: str) -> str:
    """Return the id of the newest task that was started as `opaque_id`; empty if there is none."""
    for name, mark in _marks(client).items():
        if mark == opaque_id:
            return name
    return _find_finished(client, opaque_id)


def running(client: Client, target: str) -> Mapping[str, str]:
    """Return the running tasks of seedbed for the database `target`, of any run: id -> version."""
    start = f"{MARK}:{target}:"
    return {
        name: mark.removeprefix(start).partition(":")[0]
        for name, mark in _marks(client).items()
        if mark.startswith(start)
    }


def all_running(client: Client) -> Sequence[str]:
    """Return the ids of all running tasks of seedbed that the client sees, of any database."""
    return [name for name, mark in _marks(client).items() if mark.startswith(f"{MARK}:")]


def _marks(client: Client) -> Mapping[str, str]:
    """Return the X-Opaque-Id of every running task without a parent: id -> mark.

    A subtask whose parent ended while tasks were listed appears among them; it cannot be followed and is left out.
    """
    found = client.call(
        "GET", "/_tasks", params={"detailed": True, "group_by": "parents"}, shape=shapes.Tasks
    )
    return {
        str(name): str(task.get("headers", {}).get("X-Opaque-Id", ""))
        for name, task in (found.get("tasks") or {}).items()
        if "parent_task_id" not in task
    }


def _find_finished(client: Client, opaque_id: str) -> str:
    """Return the id of a finished task. Headers are stored but not indexed, so the newest results are searched."""
    body = {"size": _NEWEST, "sort": [{"task.start_time_in_millis": "desc"}], "_source": ["task"]}
    try:
        client.call("POST", f"/{RESULTS}/_refresh", idempotent=True)
        found = client.call("POST", f"/{RESULTS}/_search", body, idempotent=True, shape=shapes.TaskSearch)
    except RequestFailed as error:
        if error.is_missing:
            return ""
        raise
    for hit in found["hits"]["hits"]:
        if (hit["_source"]["task"].get("headers") or {}).get("X-Opaque-Id") == opaque_id:
            return str(hit["_id"])
    return ""


def follow(client: Client, task: str, check: Callable[[], None]) -> Iterator[ServerTask]:
    """Yield the task while it runs, and once it is over. Ends without the latter if the task is gone.

    `check` is called between two polls and may raise.
    """
    pause = _FIRST_POLL
    while True:
        found = look(client, task)
        if found is None:
            return
        yield found
        if found.is_over:
            return
        check()
        client.sleep(pause)
        pause = min(1.5 * pause, _SLOWEST_POLL)


def cancel(client: Client, task: str) -> None:
    """Cancel the task; a missing task is not an error."""
    try:
        client.call("POST", f"/_tasks/{task}/_cancel", idempotent=True)
    except RequestFailed as error:
        if not error.is_missing:
            raise


def _task(task: str, found: Mapping[str, Any]) -> ServerTask:
    status = found.get("task", {}).get("status") or {}
    done = sum(
        status.get(each, 0) for each in ("created", "updated", "deleted", "noops", "version_conflicts")
    )
    if not found.get("completed"):
        return ServerTask(task, False, done, status.get("total", 0))
    answer = dict(found.get("response") or {})
    if "error" in found:
        answer["error"] = found["error"]
    return ServerTask(task, True, done, status.get("total", 0), answer)
