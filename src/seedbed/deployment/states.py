"""The states that a stack can be in: what each means, and the way out of those that nothing can be done in."""

from __future__ import annotations

from enum import Enum, auto

from msgspec import Struct


class Kind(Enum):
    """What a state allows."""

    ABSENT = auto()  # there is nothing that could be updated: the CLI creates it
    STEADY = auto()  # an update may begin
    MOVING = auto()  # something is under way, and ends by itself
    STUCK = auto()  # somebody has to do something first


class State(Struct, frozen=True):
    """`means`: in words. `way`: out of a state that is stuck; `{stack}` stands for the stack's name."""

    kind: Kind
    means: str = ""
    way: str = ""


_DELETE = "aws cloudformation delete-stack --stack-name {stack}, then the same command again"
_ROLLBACK = "cdk rollback {stack} (with --orphan LOGICAL_ID for a resource that cannot be taken back)"

STATES = {
    "CREATE_COMPLETE": State(Kind.STEADY),
    "UPDATE_COMPLETE": State(Kind.STEADY),
    "IMPORT_COMPLETE": State(Kind.STEADY),
    "UPDATE_ROLLBACK_COMPLETE": State(Kind.STEADY, "its last update failed and was taken back"),
    "IMPORT_ROLLBACK_COMPLETE": State(Kind.STEADY, "its last import failed and was taken back"),
    "REVIEW_IN_PROGRESS": State(Kind.ABSENT, "a change set was made for it and never carried out"),
    "ROLLBACK_COMPLETE": State(Kind.ABSENT, "its creation failed and was taken back; it is created anew"),
    "DELETE_COMPLETE": State(Kind.ABSENT, "it was deleted"),
    "CREATE_IN_PROGRESS": State(Kind.MOVING, "it is being created"),
    "UPDATE_IN_PROGRESS": State(Kind.MOVING, "it is being updated"),
    "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS": State(
        Kind.MOVING, "its update is done, old resources are removed"
    ),
    "UPDATE_ROLLBACK_IN_PROGRESS": State(Kind.MOVING, "an update of it failed and is taken back"),
    "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS": State(
        Kind.MOVING, "a failed update of it was taken back, new resources are removed"
    ),
    "ROLLBACK_IN_PROGRESS": State(Kind.MOVING, "its creation failed and is taken back"),
    "DELETE_IN_PROGRESS": State(Kind.MOVING, "it is being deleted"),
    "IMPORT_IN_PROGRESS": State(Kind.MOVING, "resources are being imported into it"),
    "IMPORT_ROLLBACK_IN_PROGRESS": State(Kind.MOVING, "an import into it failed and is taken back"),
    "CREATE_FAILED": State(Kind.STUCK, "its creation failed and was not taken back", _DELETE),
    "ROLLBACK_FAILED": State(Kind.STUCK, "its creation failed, and so did taking it back", _DELETE),
    "UPDATE_FAILED": State(Kind.STUCK, "an update of it failed and was not taken back", _ROLLBACK),
    "UPDATE_ROLLBACK_FAILED": State(
        Kind.STUCK, "an update of it failed, and so did taking it back", _ROLLBACK
    ),
    "IMPORT_ROLLBACK_FAILED": State(
        Kind.STUCK,
        "an import into it failed, and so did taking it back",
        "aws cloudformation continue-update-rollback --stack-name {stack}",
    ),
    "DELETE_FAILED": State(
        Kind.STUCK,
        "its deletion failed",
        "empty or release what the reason names, then delete it again: aws cloudformation delete-stack "
        "--stack-name {stack} (with --retain-resources LOGICAL_ID for what is to stay)",
    ),
}
SUCCEEDED = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE", "DELETE_COMPLETE"})


def state(status: str) -> State:
    """Return what `status` means; of one that we never heard of, only its ending speaks."""
    if status in STATES:
        return STATES[status]
    if status.endswith("_IN_PROGRESS"):
        return State(Kind.MOVING, "something is under way that this seedbed does not know")
    if status.endswith("_COMPLETE"):
        return State(Kind.STEADY)
    return State(
        Kind.STUCK,
        "this seedbed does not know that state",
        "look at the stack in the console of CloudFormation",
    )
