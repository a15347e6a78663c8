"""What DynamoDB says no with, and what it leaves open."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from seedbed.errors import OutcomeUnknown, StepFailed, Unreachable

CONDITION_FAILED = "ConditionalCheckFailedException"
TRANSACTION_CANCELED = "TransactionCanceledException"
NOT_FOUND = "ResourceNotFoundException"
IN_USE = "ResourceInUseException"
VALIDATION = "ValidationException"

# A no that says nothing about the next attempt, and leaves nothing behind.
THROTTLES = frozenset(
    {
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "ThrottlingException",
        "Throttling",
        "ThrottlingError",
        "TooManyRequestsException",
    }
)
CONFLICTS = frozenset(
    {"TransactionConflictException", "TransactionInProgressException", "ReplicatedWriteConflictException"}
)
# A no after which the work may have been done all the same.
SERVER_SIDE = frozenset(
    {"InternalServerError", "InternalServerErrorException", "InternalFailure", "ServiceUnavailable"}
)
# Why one action of a transaction failed: the first kind is no failure of anyone.
PASSING_REASONS = frozenset({"TransactionConflict", "ProvisionedThroughputExceeded", "ThrottlingError"})
CONDITION_REASON = "ConditionalCheckFailed"


class ServiceError(StepFailed):
    """DynamoDB refused a call; nothing of it stayed.

    `code`: "ConditionalCheckFailedException". `reasons`: of a canceled transaction, one code for each action in its
    order, "" for one that was fine. `items`: beside them what the item was, where ReturnValuesOnConditionCheckFailure
    asked for it ({} otherwise); a failed condition of a single call has one.
    """

    def __init__(
        self,
        code: str,
        message: str,
        reasons: Sequence[str] = (),
        *,
        operation: str = "",
        items: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        self.code = code
        self.message = message
        self.reasons = tuple(reasons)
        what = f"DynamoDB refused {operation}: {code}" if operation else f"DynamoDB says {code}"
        because, try_ = " ".join(message.split()), ""
        if self.is_throttle:
            what = f"DynamoDB throttles {operation or 'us'}, however often it is tried again"
            because = f"{code}: {because}"
            try_ = "give the table more capacity, or seedbed less of it (`write_units`, `read_units`), and run it again"
        super().__init__(what, because=because, try_=try_)
        self.items = tuple(items)
        self.operation = operation

    @property
    def is_condition(self) -> bool:
        """Whether a condition did not hold, of the call itself or of an action of its transaction."""
        return self.code == CONDITION_FAILED or CONDITION_REASON in self.reasons

    @property
    def is_throttle(self) -> bool:
        return self.code in THROTTLES or bool(
            {"ProvisionedThroughputExceeded", "ThrottlingError"} & set(self.reasons)
        )


class NoAnswer(OutcomeUnknown):
    """A write that must not be sent twice was sent, and its answer never came."""


class LineLost(Unreachable):
    """Nobody answered, or the connection broke where the call may be made again."""
