"""Send one request of a migration, and determine the outcome of one that a former run sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from seedbed.engines.opensearch.files.request import Request
from seedbed.engines.opensearch.rest import path
from seedbed.engines.opensearch.rules.kinds import REPEATABLE, RequestKind, kind_of
from seedbed.engines.opensearch.running import bodies, tasks
from seedbed.engines.opensearch.running.tasks import ServerTask
from seedbed.engines.opensearch.store.fenced_writer import Documents, FencedWriter
from seedbed.engines.opensearch.wire import shapes
from seedbed.engines.opensearch.wire.client import Client
from seedbed.engines.opensearch.wire.errors import CONFLICT, NoAnswer, RequestFailed
from seedbed.engines.opensearch.wire.outcome import PartlyDone, RequestOutcome, outcome_of
from seedbed.errors import Hint, OutcomeUnknown, StepFailed, Unavailable, call
from seedbed.support.phrases import shorten
from seedbed.wire.retrying import Policy, retrying

_PASSING = frozenset({502, 503, 504})
_READY = "60s"  # until a new index accepts writes, at most


def _is_open(error: BaseException) -> bool:
    """Return whether a request that ended with `error` may have taken effect."""
    return isinstance(error, NoAnswer) or (isinstance(error, RequestFailed) and error.status in _PASSING)


_POLICY = Policy(attempts=5, base=0.2, cap=1.0, when=_is_open)  # of a request that may be repeated


class RequestTag(Struct, frozen=True):
    """Identifies the request of a step. `mark`: of this attempt, to tell its task from earlier ones."""

    database: str
    version: str
    step: str  # "3", of a revert "down-3"
    mark: str = ""

    @property
    def id(self) -> str:
        """The stem of the ids that documents without one get."""
        return f"{self.version}-{self.step}"

    @property
    def opaque_id(self) -> str:
        return f"{tasks.MARK}:{self.database}:{self.version}:{self.step}:{self.mark}"


class RequestRunner:
    """Sends one request. `was_sent`: whether it may have left this process."""

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

    def run_atomically(self, label: str, documents: Callable[[], Documents], unsettled: Documents) -> None:
        """Run a request of a `FENCED` kind together with its record; wait until a new index can be used."""
        self.lease.write_atomically(
            label, self._send_behind, documents, unsettled, moves=self.kind is RequestKind.CREATE_INDEX
        )
        if self.kind is RequestKind.CREATE_INDEX:
            wait_until_ready(self.client, self.request.index)

    def _send_behind(self, fence: str, following: str) -> None:
        answer = self._send(bodies.behind_fence(self.request, self.kind, fence, following))
        outcome = outcome_of(answer)
        if not outcome.is_success:
            raise NoAnswer(f"the outcome of {self.request} is unknown", because=outcome.message)

    # without its record

    def run(self, *, again: bool) -> Iterator[ServerTask]:
        """Send the request; yields the progress of a task. `again`: a former run may have sent it already.

        Raises RequestFailed, StepFailed where nothing of it stayed, PartlyDone, NoAnswer, LeaseLost, Interrupted.
        """
        if self.kind is RequestKind.TASK:
            yield from self.follow(self.start())
            return
        for attempt in retrying(_POLICY, sleep=self.client.sleep):
            try:
                self._once(again=again)
                return
            except (NoAnswer, RequestFailed) as error:
                if self.kind not in REPEATABLE:
                    raise
                attempt.failed(error)
                again = True

    def _once(self, *, again: bool) -> None:
        """Send the request. `again`: it may have taken effect before; what it left is not an error then."""
        try:
            answer = self._send(self._prepared())
        except RequestFailed as error:
            if self._was_added(error) or (again and self.kind is RequestKind.REMOVAL and error.is_missing):
                return
            raise
        tolerated = [CONFLICT] if again and self.kind is RequestKind.BULK else []
        self.require_success(outcome_of(answer, tolerated=tolerated))

    def _prepared(self) -> bodies.OutgoingRequest:
        if self.kind in {RequestKind.ADD, RequestKind.BULK}:
            return bodies.with_ids(self.request, self.tag.id)
        return bodies.plain(self.request)

    def _was_added(self, error: RequestFailed) -> bool:
        """Return whether the document to add exists as it should: added before, under the same id."""
        return self.kind is RequestKind.ADD and error.is_conflict and self.took_effect() is True

    def _send(self, sent: bodies.OutgoingRequest) -> Any:
        try:
            return self.client.call(
                sent.method,
                sent.path,
                sent.body,
                params=sent.params,
                headers=self.request.headers,
                opaque_id=self.tag.opaque_id,
                before=self._before,
                shape=shapes.Object,
            )
        except (RequestFailed, NoAnswer) as error:  # under the name that the file gives it
            written = f"{self.request.method} {self.request.path}"
            error.what = error.what.replace(f"{sent.method} {sent.path}", written)
            raise

    def _before(self) -> None:
        self.lease.check()
        self.was_sent = True

    def require_success(self, found: RequestOutcome) -> None:
        """Raise the error that `found` means, unless it is a success."""
        if found.is_success:
            return
        if not found.done and self.kind in {RequestKind.BULK, RequestKind.ADD, RequestKind.CREATE}:
            raise StepFailed(f"{self.request} failed", because=found.message)
        raise PartlyDone(
            f"{self.request} failed in part",
            because=f"{found.message}; {found.done} documents were changed" if found.done else found.message,
            try_="fix the cause, then run the same command again",
        )

    # tasks

    def start(self) -> str:
        """Start the request as a task; return its id."""
        sent = bodies.plain(self.request)
        return str(self._send(replace(sent, params={**sent.params, **tasks.AS_TASK}))["task"])

    def follow(self, task: str) -> Iterator[ServerTask]:
        """Follow the task to its end. Raises as `run` does, and OutcomeUnknown if the task is gone."""
        last = None
        for last in tasks.follow(self.client, task, self.lease.check):
            yield last
        if last is None or last.answer is None:
            raise OutcomeUnknown(
                f"the outcome of {self.request} is unknown",
                because=f"its task {task} is gone, which does not prove that it is done",
                try_=Hint("look at the cluster; ", call("apply"), " then says what to decide"),
            )
        self.require_success(outcome_of(last.answer, conflicts=self._ignores_conflicts()))

    def _ignores_conflicts(self) -> bool:
        body = self.request.json or {}
        return "proceed" in {self.request.params.get("conflicts"), body.get("conflicts")}

    # afterwards

    def took_effect(self) -> bool | None:
        """Return whether a request that a former run began took effect; None if that is unknown."""
        index, segments = self.request.index, self.request.segments
        match self.kind:
            case RequestKind.CREATE_INDEX:
                return self._exists(path(index))
            case RequestKind.DROP_INDEX:
                return not self._exists(path(index))
            case RequestKind.ADD:
                return self._exists(path(index, "_doc", self.tag.id))  # only this step uses the id
            case RequestKind.CREATE:
                return self._holds(path(index, "_doc", segments[2]))
            case RequestKind.COPY:
                named = segments[2] if index else ""
                return self._exists(path(named) if named else self.request.path)
        return None

    def _exists(self, where: str) -> bool:
        answer = self.client.ask("GET", where)
        if answer.status == 404:
            return False
        if answer.status >= 300:
            raise RequestFailed(answer.status, "", shorten(str(answer.data), 300), request=f"GET {where}")
        return True

    def _holds(self, where: str) -> bool | None:
        """Return whether the document exists as the request has it; None if it exists and differs."""
        answer = self.client.ask("GET", where)
        if answer.status == 404:
            return False
        found = answer.data if isinstance(answer.data, dict) else {}
        return True if found.get("_source") == self.request.json else None


def wait_until_ready(client: Client, index: str) -> None:
    """Wait until every primary shard of a new `index` is assigned. Raises Unavailable."""
    params = {"wait_for_status": "yellow", "timeout": _READY}
    answer = client.ask("GET", path("_cluster", "health", index), params=params, timeout=90.0)
    found = answer.data if isinstance(answer.data, dict) else {}
    if answer.status >= 300 or found.get("timed_out"):
        raise Unavailable(
            f"the index {index} is created but not usable yet",
            because=f"its health is {found.get('status', 'unknown')} after {_READY}",
            try_="run the same command again once the cluster has capacity for it",
        )
