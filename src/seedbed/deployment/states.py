"""The states that a stack can be in: what each means, and the way out of those that nothing can be done in."""

from __future__ import annotations

from enum import Enum, auto

from msgspec import Struct


class StackCondition(Enum):
    """What a state allows."""

    ABSENT = auto()  # there is nothing that could be updated: the CLI creates it
    STEADY = auto()  # an update may begin
    IN_PROGRESS = auto()  # something is under way, and ends by itself
    STUCK = auto()  # somebody has to do something first


class StackState(Struct, frozen=True):
    """`means`: in words. `way`: out of a state that is stuck; `{stack}` stands for the stack's name."""

    condition: StackCondition
    means: str = ""
    way: str = ""


_DELETE = "aws cloudformation delete-stack --stack-name {stack}, then the same command again"
_ROLLBACK = "cdk rollback {stack} (with --orphan LOGICAL_ID for a resource that cannot be rolled back)"
# `cdk rollback` refuses a stack whose last update was made in express mode (`cdk deploy --express`).
EXPRESS_WAY = (
    "cdk deploy {stack} from the commit that was deployed last without a failure: cdk rollback cannot roll back what "
    "--express began"
)

# A creation that failed in a protected environment: the CLI would delete it, and CloudFormation refuses that.
UNPROTECT_WAY = (
    "aws cloudformation update-termination-protection --no-enable-termination-protection --stack-name {stack}"
)

STATES = {
    "CREATE_COMPLETE": StackState(StackCondition.STEADY),
    "UPDATE_COMPLETE": StackState(StackCondition.STEADY),
    "IMPORT_COMPLETE": StackState(StackCondition.STEADY),
    "UPDATE_ROLLBACK_COMPLETE": StackState(
        StackCondition.STEADY, "its last update failed and was rolled back"
    ),
    "IMPORT_ROLLBACK_COMPLETE": StackState(
        StackCondition.STEADY, "its last import failed and was rolled back"
    ),
    "REVIEW_IN_PROGRESS": StackState(
        StackCondition.ABSENT, "a change set was made for it and never carried out"
    ),
    "ROLLBACK_COMPLETE": StackState(
        StackCondition.ABSENT, "its creation failed and was rolled back; it is created anew"
    ),
    "DELETE_COMPLETE": StackState(StackCondition.ABSENT, "it was deleted"),
    "CREATE_IN_PROGRESS": StackState(StackCondition.IN_PROGRESS, "it is being created"),
    "UPDATE_IN_PROGRESS": StackState(StackCondition.IN_PROGRESS, "it is being updated"),
    "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS": StackState(
        StackCondition.IN_PROGRESS, "its update is done, old resources are removed"
    ),
    "UPDATE_ROLLBACK_IN_PROGRESS": StackState(
        StackCondition.IN_PROGRESS, "an update of it failed and is rolled back"
    ),
    "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS": StackState(
        StackCondition.IN_PROGRESS, "a failed update of it was rolled back, new resources are removed"
    ),
    "ROLLBACK_IN_PROGRESS": StackState(StackCondition.IN_PROGRESS, "its creation failed and is rolled back"),
    "DELETE_IN_PROGRESS": StackState(StackCondition.IN_PROGRESS, "it is being deleted"),
    "IMPORT_IN_PROGRESS": StackState(StackCondition.IN_PROGRESS, "resources are being imported into it"),
    "IMPORT_ROLLBACK_IN_PROGRESS": StackState(
        StackCondition.IN_PROGRESS, "an import into it failed and is rolled back"
    ),
    "CREATE_FAILED": StackState(StackCondition.STUCK, "its creation failed and was not rolled back", _DELETE),
    "ROLLBACK_FAILED": StackState(
        StackCondition.STUCK, "its creation failed, and so did the rollback", _DELETE
    ),
    "UPDATE_FAILED": StackState(
        StackCondition.STUCK, "an update of it failed and was not rolled back", _ROLLBACK
    ),
    "UPDATE_ROLLBACK_FAILED": StackState(
        StackCondition.STUCK, "an update of it failed, and so did the rollback", _ROLLBACK
    ),
    "IMPORT_ROLLBACK_FAILED": StackState(
        StackCondition.STUCK,
        "an import into it failed, and so did the rollback",
        "aws cloudformation continue-update-rollback --stack-name {stack}",
    ),
    "DELETE_FAILED": StackState(
        StackCondition.STUCK,
        "its deletion failed",
        "empty or release what the reason names, then delete it again: aws cloudformation delete-stack "
        "--stack-name {stack} (with --retain-resources LOGICAL_ID for what is to stay)",
    ),
}
SUCCEEDED = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE", "DELETE_COMPLETE"})


def state(status: str) -> StackState:
    """Return what `status` means; of one that we never heard of, only its ending speaks."""
    if status in STATES:
        return STATES[status]
    if status.endswith("_IN_PROGRESS"):
        return StackState(
            StackCondition.IN_PROGRESS, "something is under way that this seedbed does not know"
        )
    if status.endswith("_COMPLETE"):
        return StackState(StackCondition.STEADY)
    return StackState(
        StackCondition.STUCK,
        "this seedbed does not know that state",
        "look at the stack in the console of CloudFormation",
    )
