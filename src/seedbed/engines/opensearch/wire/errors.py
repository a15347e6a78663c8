"""Errors of OpenSearch, and unknown outcomes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seedbed.errors import OutcomeUnknown, StepFailed, Unreachable
from seedbed.support.phrases import shorten

CONFLICT = "version_conflict_engine_exception"
NO_INDEX = "index_not_found_exception"
EXISTS = "resource_already_exists_exception"
BLOCKED = "cluster_block_exception"
_TOO_MANY = 429  # requests


class RequestFailed(StepFailed):
    """OpenSearch refused a request; nothing of it stayed.

    `type`: "index_not_found_exception", "" if the answer has none. `body`: the answer, decoded if it was JSON.
    """

    def __init__(self, status: int, type_: str, reason: str, body: Any = None, *, request: str = "") -> None:
        kind = type_ or f"HTTP {status}"
        what = f"OpenSearch refused {request}: {kind}" if request else f"OpenSearch reports {kind}"
        because, try_ = " ".join(reason.split()), ""
        if status == _TOO_MANY:
            what = f"OpenSearch throttles {request or 'us'}, however often it is tried again"
            because = f"{kind}: {because}"
            try_ = "run it again when the cluster has less to do, or give it more capacity"
        super().__init__(what, because=because, try_=try_)
        self.status = status
        self.type = type_
        self.reason = reason
        self.body = body

    @property
    def is_missing(self) -> bool:
        """Whether the object of the request does not exist."""
        return self.status == 404

    @property
    def is_conflict(self) -> bool:
        """Whether a version, a sequence number or `op_type=create` did not hold."""
        return self.status == 409


class NoAnswer(OutcomeUnknown):
    """A request that must not be repeated was sent, and no answer came."""


class LineLost(Unreachable):
    """Nobody answered, or the connection broke where the request may be sent again."""


def failed(status: int, body: Any, request: str) -> RequestFailed:
    """Return the error of an answer that is not 2xx; `body` is decoded if it was JSON, else text."""
    type_, reason = _type_and_reason(body)
    return RequestFailed(status, type_, reason, body, request=request)


def _type_and_reason(body: Any) -> tuple[str, str]:
    if not isinstance(body, dict):
        return "", shorten(str(body or ""), 500)
    error = body.get("error")
    if isinstance(error, dict):
        return str(error.get("type", "")), cause(error)
    if isinstance(error, str):
        return "", error
    return "", str(body.get("message") or body.get("Message") or body.get("result") or "")


def cause(error: Mapping[str, Any]) -> str:
    """Return the reason of an error of OpenSearch, with what caused it: `failed to parse: For input string: "x"`.

    Of "Failed to build analyzers", the causes are what it calls suppressed.
    """
    reasons: list[str] = []
    waiting: list[Any] = [error]
    while waiting:
        found = waiting.pop(0)
        if not isinstance(found, dict):
            continue
        reason = str(found.get("reason") or "")
        if reason and not any(reason in each for each in reasons):
            reasons.append(reason)
        suppressed = found.get("suppressed")
        waiting += [found.get("caused_by"), *(suppressed if isinstance(suppressed, list) else ())]
    return ": ".join(reasons)
