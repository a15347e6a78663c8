"""Work that OpenSearch does by itself: started, found again, and followed to its end.

A task is started with `wait_for_completion=false` under an X-Opaque-Id of ours, so that whoever comes after us finds
it. While it runs it is in the list of tasks; what became of it is a document of the index `.tasks` afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from msgspec import Struct

from seedbed.engines.opensearch.wire.client import Client
from seedbed.engines.opensearch.wire.errors import RequestFailed

RESULTS = ".tasks"
MARK = "seedbed"  # what an X-Opaque-Id of ours begins with: "seedbed:TARGET:VERSION:…"
_FIRST_POLL, _SLOWEST_POLL = 0.02, 2.0  # seconds
_NEWEST = 1000  # results that are looked through


class Task(Struct, frozen=True):
    """A task as it is. `answer`: what the request would have answered, once it is over."""

    id: str
    is_over: bool = False
    done: int = 0
    total: int = 0
    answer: Mapping[str, Any] | None = None


def start(client: Client, method: str, path: str, body: Any, *, opaque_id: str, **named: Any) -> str:
    """Start the task and return its id. Raises RequestFailed, NoAnswer."""
    params = {**named.pop("params", {}), "wait_for_completion": "false"}
    answer = client.call(method, path, body, params=params, opaque_id=opaque_id, **named)
    return str(answer["task"])


def look(client: Client, task: str) -> Task | None:
    """Return how the task stands; None where nobody knows it: its node died, or its result could not be kept."""
    try:
        found = client.call("GET", f"/_tasks/{task}")
    except RequestFailed as error:
        if error.is_missing:
            return None
        raise
    return _task(task, found)


def find(client: Client, opaque_id: str) -> str:
    """Return the id of the newest task that was started as `opaque_id`; empty where there is none."""
    for name, mark in _marks(client).items():
        if mark == opaque_id:
            return name
    return _kept(client, opaque_id)


def running(client: Client, target: str) -> Mapping[str, str]:
    """Return the tasks of ours that run for the database `target`, whichever run started them: id -> version."""
    start = f"{MARK}:{target}:"
    return {
        name: mark.removeprefix(start).partition(":")[0]
        for name, mark in _marks(client).items()
        if mark.startswith(start)
    }


def _marks(client: Client) -> Mapping[str, str]:
    """Return the X-Opaque-Id of every task that runs and is nobody's part: id -> mark.

    A part whose whole ended while they were listed stands among the wholes, for the last time: nobody could follow it.
    """
    found = client.call("GET", "/_tasks", params={"detailed": True, "group_by": "parents"})
    return {
        str(name): str(task.get("headers", {}).get("X-Opaque-Id", ""))
        for name, task in (found.get("tasks") or {}).items()
        if "parent_task_id" not in task
    }


def _kept(client: Client, opaque_id: str) -> str:
    """Return the id of a task that is over. Headers are kept and not indexed, so that the newest are looked through."""
    body = {"size": _NEWEST, "sort": [{"task.start_time_in_millis": "desc"}], "_source": ["task"]}
    try:
        client.call("POST", f"/{RESULTS}/_refresh", idempotent=True)
        found = client.call("POST", f"/{RESULTS}/_search", body, idempotent=True)
    except RequestFailed as error:
        if error.is_missing:
            return ""
        raise
    for hit in found["hits"]["hits"]:
        if (hit["_source"]["task"].get("headers") or {}).get("X-Opaque-Id") == opaque_id:
            return str(hit["_id"])
    return ""


def follow(client: Client, task: str, check: Callable[[], None]) -> Iterator[Task]:
    """Yield the task as it goes on, over at the last. Ends without that where nobody knows it any more.

    `check` is called between two looks and may raise.
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
    """Ask the task to end early; that it is not there is no error."""
    try:
        client.call("POST", f"/_tasks/{task}/_cancel", idempotent=True)
    except RequestFailed as error:
        if not error.is_missing:
            raise


def _task(task: str, found: Mapping[str, Any]) -> Task:
    status = found.get("task", {}).get("status") or {}
    done = sum(
        status.get(each, 0) for each in ("created", "updated", "deleted", "noops", "version_conflicts")
    )
    if not found.get("completed"):
        return Task(task, False, done, status.get("total", 0))
    answer = dict(found.get("response") or {})
    if "error" in found:
        answer["error"] = found["error"]
    return Task(task, True, done, status.get("total", 0), answer)
