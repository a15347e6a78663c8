"""Whether a request succeeded: what its answer's body says, not its status."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct

from seedbed.engines.opensearch.wire.errors import cause
from seedbed.errors import OutcomeUnknown
from seedbed.support.phrases import listed

_SHOWN = 3  # failures that a message spells out


class PartlyDone(OutcomeUnknown):
    """OpenSearch carried out a part of a request; what of it is told in words."""


class Failure(Struct, frozen=True):
    """Something in an answer that did not succeed. `item`: "lessons/4711", `reason`: OpenSearch's own words."""

    item: str
    reason: str

    def __str__(self) -> str:
        return f"{self.item}: {self.reason}" if self.item else self.reason


class RequestOutcome(Struct, frozen=True):
    """`failures`: what did not succeed; `done`: how many parts did (0: nothing took effect)."""

    failures: tuple[Failure, ...] = ()
    done: int = 0

    @property
    def is_success(self) -> bool:
        return not self.failures

    @property
    def words(self) -> str:
        return listed([str(each) for each in self.failures], _SHOWN, separator="; ")


def outcome_of(answer: Any, *, tolerated: Sequence[str] = (), conflicts: bool = False) -> RequestOutcome:
    """Return what `answer` (of a 2xx) says about the success of its request.

    `tolerated`: types of item errors of a bulk that are none here. `conflicts`: version conflicts of a task are meant
    to be passed over.
    """
    if not isinstance(answer, dict):
        return RequestOutcome()
    if "items" in answer and "errors" in answer:
        return bulk(answer, tolerated)
    failures = tuple(_failures(answer, conflicts=conflicts))
    return RequestOutcome(failures, done=_done(answer))


def bulk(answer: Mapping[str, Any], tolerated: Sequence[str] = ()) -> RequestOutcome:
    """Return what the items of a `_bulk` say."""
    failures: list[Failure] = []
    done = 0
    for item in answer["items"]:
        ((action, found),) = item.items()
        error = found.get("error")
        if error is None or error.get("type") in tolerated:
            done += 1
            continue
        where = f"{action} {found.get('_index')}/{found.get('_id')}"
        failures.append(Failure(where, f"{error.get('type')}: {cause(error)}"))
    return RequestOutcome(tuple(failures), done)


def _done(answer: Mapping[str, Any]) -> int:
    counts = [answer.get(name) for name in ("created", "updated", "deleted")]
    return sum(each for each in counts if isinstance(each, int))


def _failures(answer: Mapping[str, Any], *, conflicts: bool) -> Iterator[Failure]:
    shards = answer.get("_shards")
    if isinstance(shards, dict) and shards.get("failed"):
        found = shards.get("failures") or []
        reasons = "; ".join(cause(each.get("reason") or {}) for each in found[:_SHOWN])
        yield Failure(
            "", f"{shards['failed']} of {shards.get('total')} shards failed: {reasons}".rstrip(": ")
        )
    if answer.get("acknowledged") is False:
        yield Failure("", "the cluster did not acknowledge it in time; it may still take effect")
    if answer.get("timed_out") is True:
        yield Failure("", "it ran out of time, and did a part of its work")
    if answer.get("canceled"):
        yield Failure("", f"it was cancelled: {answer['canceled']}")
    if isinstance(error := answer.get("error"), dict):
        yield Failure("", f"{error.get('type')}: {cause(error)}")
    if answer.get("errors") is True:
        yield Failure("", "it had errors")
    for each in answer.get("failures") or []:
        yield _failure(each)
    if (count := answer.get("version_conflicts")) and not conflicts and not answer.get("failures"):
        yield Failure("", f"{count} documents were changed by another process meanwhile")


def _failure(found: Mapping[str, Any]) -> Failure:
    """Return one of the `failures` of a task: of a document, or of a search in a shard."""
    error = found.get("cause") or found.get("reason") or {}
    where = f"{found['index']}/{found['id']}" if "id" in found else str(found.get("index") or "")
    return Failure(where, f"{error.get('type')}: {cause(error)}")
