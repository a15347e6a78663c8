"""Carrying out one request, and finding out what became of one that a former run sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from msgspec import Struct

from seedbed.engines.opensearch.files.request import Request
from seedbed.engines.opensearch.rest import path
from seedbed.engines.opensearch.rules.kinds import REPEATABLE, RequestKind, kind_of
from seedbed.engines.opensearch.running import bodies, tasks
from seedbed.engines.opensearch.running.tasks import Task
from seedbed.engines.opensearch.store.fenced_writer import Documents, FencedWriter
from seedbed.engines.opensearch.wire.client import Client
from seedbed.engines.opensearch.wire.errors import CONFLICT, NoAnswer, RequestFailed
from seedbed.engines.opensearch.wire.outcome import PartlyDone, RequestOutcome, outcome_of
from seedbed.errors import OutcomeUnknown, StepFailed, Unavailable
from seedbed.support.phrases import shorten

_ATTEMPTS = 5  # at a request that may be repeated, while its answers get lost
_PAUSE = 0.2  # seconds, longer with each attempt
_PASSING = frozenset({502, 503, 504})
_READY = "60s"  # that a new index may take until it can be written to


class RequestTag(Struct, frozen=True):
    """What a step's request is known by. `mark`: of this attempt, so that an earlier one's task is not taken for it."""

    database: str
    version: str
    step: str  # "3", of a revert "down-3"
    mark: str = ""

    @property
    def id(self) -> str:
        """The stem of the ids of documents that have none."""
        return f"{self.version}-{self.step}"

    @property
    def opaque_id(self) -> str:
        return f"{tasks.MARK}:{self.database}:{self.version}:{self.step}:{self.mark}"


class RequestRunner:
    """One request on its way. `was_sent`: whether it may have left this process."""

    def __init__(self, lease: FencedWriter, request: Request, tag: RequestTag) -> None:
        self.lease = lease
        self.request = request
        self.tag = tag
        self.kind = kind_of(request)
        self.was_sent = False

    @property
    def client(self) -> Client:
        return self.lease.cluster.client

    # together with its record

    def together(self, label: str, documents: Callable[[], Documents], unsettled: Documents) -> None:
        """Carry out a request of a `FENCED` kind together with its record; wait until what it makes can be used."""
        self.lease.together(
            label, self._send_behind, documents, unsettled, moves=self.kind is RequestKind.CREATE_INDEX
        )
        if self.kind is RequestKind.CREATE_INDEX:
            wait_until_ready(self.client, self.request.index)

    def _send_behind(self, fence: str, following: str) -> None:
        answer = self._send(bodies.behind_fence(self.request, self.kind, fence, following))
        found = outcome_of(answer)
        if not found.is_success:
            raise NoAnswer(f"it is unknown whether {self.request} took effect", because=found.words)

    # by itself

    def run(self, *, again: bool) -> Iterator[Task]:
        """Carry out the request; yields how far a task is. `again`: a former run may have done so already.

        Raises RequestFailed, StepFailed where nothing of it stayed, PartlyDone, NoAnswer, LeaseLost, Interrupted.
        """
        if self.kind is RequestKind.TASK:
            yield from self.follow(self.start())
            return
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                self._once(again=again)
            except (NoAnswer, RequestFailed) as error:
                is_open = isinstance(error, NoAnswer) or error.status in _PASSING
                if not is_open or self.kind not in REPEATABLE or attempt == _ATTEMPTS:
                    raise
                again = True
                self.client.sleep(_PAUSE * attempt)
            else:
                return

    def _once(self, *, again: bool) -> None:
        """Send the request; `again`: it may have taken effect before, and what that leaves is not an error."""
        try:
            answer = self._send(self._prepared())
        except RequestFailed as error:
            if self._is_there_already(error) or (
                again and self.kind is RequestKind.REMOVAL and error.is_missing
            ):
                return
            raise
        tolerated = [CONFLICT] if again and self.kind is RequestKind.BULK else []
        self.require_success(outcome_of(answer, tolerated=tolerated))

    def _prepared(self) -> bodies.Sent:
        if self.kind in {RequestKind.ADD, RequestKind.BULK}:
            return bodies.with_ids(self.request, self.tag.id)
        return bodies.plain(self.request)

    def _is_there_already(self, error: RequestFailed) -> bool:
        """Whether a document that was to be added is there, as it was to be: added before, under the same id."""
        return self.kind is RequestKind.ADD and error.is_conflict and self.took_effect() is True

    def _send(self, sent: bodies.Sent) -> Any:
        return self.client.call(
            sent.method,
            sent.path,
            sent.body,
            params=sent.params,
            headers=self.request.headers,
            opaque_id=self.tag.opaque_id,
            before=self._before,
        )

    def _before(self) -> None:
        self.lease.check()
        self.was_sent = True

    def require_success(self, found: RequestOutcome) -> None:
        """Raise what a judgement of our request means, unless it is a success."""
        if found.is_success:
            return
        if not found.done and self.kind in {RequestKind.BULK, RequestKind.ADD, RequestKind.CREATE}:
            raise StepFailed(f"{self.request} failed", because=found.words)
        raise PartlyDone(
            f"{self.request} failed in part",
            because=f"{found.words}; {found.done} documents were changed" if found.done else found.words,
            try_="fix what it names, and run the same command again",
        )

    # tasks

    def start(self) -> str:
        """Start the request as a task; return its id."""
        sent = bodies.plain(self.request)
        return tasks.start(
            self.client,
            sent.method,
            sent.path,
            sent.body,
            params=sent.params,
            headers=self.request.headers,
            opaque_id=self.tag.opaque_id,
            before=self._before,
        )

    def follow(self, task: str) -> Iterator[Task]:
        """Follow the task to its end. Raises as `run` does, OutcomeUnknown where nobody knows the task any more."""
        last = None
        for last in tasks.follow(self.client, task, self.lease.check):
            yield last
        if last is None or last.answer is None:
            raise OutcomeUnknown(
                f"the outcome of {self.request} is unknown",
                because=f"its task {task} is not known any more; that is not the same as done",
                try_="look, then `seedbed repair` it",
            )
        self.require_success(outcome_of(last.answer, conflicts=self._passes_conflicts()))

    def _passes_conflicts(self) -> bool:
        body = self.request.json or {}
        return "proceed" in {self.request.params.get("conflicts"), body.get("conflicts")}

    # afterwards

    def took_effect(self) -> bool | None:
        """Return whether a request that a former run began took effect; None where nobody can tell."""
        index, segments = self.request.index, self.request.segments
        match self.kind:
            case RequestKind.CREATE_INDEX:
                return self._is_there(path(index))
            case RequestKind.DROP_INDEX:
                return not self._is_there(path(index))
            case RequestKind.ADD:
                return self._is_there(path(index, "_doc", self.tag.id))  # the id is nobody else's
            case RequestKind.CREATE:
                return self._holds(path(index, "_doc", segments[2]))
            case RequestKind.COPY:
                named = segments[2] if index else ""
                return self._is_there(path(named) if named else self.request.path)
        return None

    def _is_there(self, where: str) -> bool:
        answer = self.client.ask("GET", where)
        if answer.status == 404:
            return False
        if answer.status >= 300:
            raise RequestFailed(answer.status, "", shorten(str(answer.data), 300), request=f"GET {where}")
        return True

    def _holds(self, where: str) -> bool | None:
        """Return whether the document is there as the request says it; None where it is there and differs."""
        answer = self.client.ask("GET", where)
        if answer.status == 404:
            return False
        return True if answer.data.get("_source") == self.request.json else None


def wait_until_ready(client: Client, index: str) -> None:
    """Wait until the first copy of every shard of a new `index` can be used. Raises Unavailable."""
    params = {"wait_for_status": "yellow", "timeout": _READY}
    answer = client.ask("GET", path("_cluster", "health", index), params=params, timeout=90.0)
    found = answer.data if isinstance(answer.data, dict) else {}
    if answer.status >= 300 or found.get("timed_out"):
        raise Unavailable(
            f"the index {index} is made, and cannot be used yet",
            because=f"it is {found.get('status', 'of unknown health')} after {_READY}",
            try_="run the same command again when the cluster has room for it",
        )
