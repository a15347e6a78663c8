"""The outcome of a request, by the body of its answer: a 2xx status does not prove success."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct

from seedbed.engines.opensearch.wire.errors import cause
from seedbed.errors import OutcomeUnknown
from seedbed.support.phrases import listed

_SHOWN = 3  # failures that a message spells out


class PartlyDone(OutcomeUnknown):
    """A request took effect in part."""


class RequestFailure(Struct, frozen=True):
    """One failure in an answer. `item`: "lessons/4711"; `reason`: the text of OpenSearch."""

    item: str
    reason: str

    def __str__(self) -> str:
        return f"{self.item}: {self.reason}" if self.item else self.reason


class RequestOutcome(Struct, frozen=True):
    """`failures`: the parts that failed; `done`: how many succeeded (0: nothing took effect)."""

    failures: tuple[RequestFailure, ...] = ()
    done: int = 0

    @property
    def is_success(self) -> bool:
        return not self.failures

    @property
    def message(self) -> str:
        return listed([str(each) for each in self.failures], _SHOWN, separator="; ")


def outcome_of(answer: Any, *, tolerated: Sequence[str] = (), conflicts: bool = False) -> RequestOutcome:
    """Return the outcome of a request by its `answer` (of a 2xx).

    `tolerated`: types of errors of bulk items that count as success. `conflicts`: whether version conflicts of a task
    count as success.
    """
    if not isinstance(answer, dict):
        return RequestOutcome()
    if "items" in answer and "errors" in answer:
        return bulk(answer, tolerated)
    failures = tuple(_failures(answer, conflicts=conflicts))
    return RequestOutcome(failures, done=_done(answer))


def bulk(answer: Mapping[str, Any], tolerated: Sequence[str] = ()) -> RequestOutcome:
    """Return the outcome of a `_bulk` by its items."""
    failures: list[RequestFailure] = []
    done = 0
    for item in answer["items"]:
        ((action, found),) = item.items()
        error = found.get("error")
        if error is None or error.get("type") in tolerated:
            done += 1
            continue
        where = f"{action} {found.get('_index')}/{found.get('_id')}"
        failures.append(RequestFailure(where, f"{error.get('type')}: {cause(error)}"))
    return RequestOutcome(tuple(failures), done)


def _done(answer: Mapping[str, Any]) -> int:
    counts = [answer.get(name) for name in ("created", "updated", "deleted")]
    return sum(each for each in counts if isinstance(each, int))


def _failures(answer: Mapping[str, Any], *, conflicts: bool) -> Iterator[RequestFailure]:
    shards = answer.get("_shards")
    if isinstance(shards, dict) and shards.get("failed"):
        found = shards.get("failures") or []
        reasons = "; ".join(cause(each.get("reason") or {}) for each in found[:_SHOWN])
        yield RequestFailure(
            "", f"{shards['failed']} of {shards.get('total')} shards failed: {reasons}".rstrip(": ")
        )
    if answer.get("acknowledged") is False:
        yield RequestFailure("", "the cluster did not acknowledge it in time; it may still take effect")
    if answer.get("timed_out") is True:
        yield RequestFailure("", "it timed out, and took effect in part")
    if answer.get("canceled"):
        yield RequestFailure("", f"it was cancelled: {answer['canceled']}")
    if isinstance(error := answer.get("error"), dict):
        yield RequestFailure("", f"{error.get('type')}: {cause(error)}")
    if answer.get("errors") is True:
        yield RequestFailure("", "it had errors")
    for each in answer.get("failures") or []:
        yield _failure(each)
    if (count := answer.get("version_conflicts")) and not conflicts and not answer.get("failures"):
        yield RequestFailure("", f"{count} documents were changed by another process meanwhile")


def _failure(found: Mapping[str, Any]) -> RequestFailure:
    """Return one of the `failures` of a task: of a document, or of a search in a shard."""
    error = found.get("cause") or found.get("reason") or {}
    where = f"{found['index']}/{found['id']}" if "id" in found else str(found.get("index") or "")
    return RequestFailure(where, f"{error.get('type')}: {cause(error)}")
