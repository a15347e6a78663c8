"""Errors that mean the same in every engine, in the same words."""

from __future__ import annotations

from seedbed.errors import (
    ForeignTarget,
    Hint,
    Interrupted,
    LeaseLost,
    Location,
    OutcomeUnknown,
    StepFailed,
    call,
)
from seedbed.model.history import Identity

TAKEN = "it was ended from outside, or another run has it"  # why a lease is lost whose record names another holder


def interrupted(what: str) -> Interrupted:
    """Return what ends `what`, such as the work on a target, when it was asked to stop."""
    return Interrupted(
        f"{what} was interrupted",
        because="it was asked to stop",
        try_="run the same command again: it goes on where this one stopped",
    )


def lease_lost(target: str, because: str) -> LeaseLost:
    return LeaseLost(
        f"the lease of {target} is gone",
        because=because,
        try_=Hint(call("status", about=target), " shows what is recorded; the next run goes on from there"),
    )


def decide(version: str) -> Hint:
    """Return what to try where only a person can tell whether a step of `version` took effect."""
    return Hint(
        "look at the database, then record what you found: ",
        call("repair", version, "--applied"),
        " or ",
        call("repair", version, "--not-applied"),
    )


def stopped_within(label: str, version: str, at: Location) -> OutcomeUnknown:
    """Return the error where a stop ended a step in its middle that no later run can find the outcome of."""
    return OutcomeUnknown(
        f"it is unknown whether {label} took effect",
        because="it was asked to stop before an answer came, and nothing shows whether the request took effect",
        try_=decide(version),
        at=at,
    )


def held_by_ourselves(target: str, other: str) -> ForeignTarget:
    """Return what ends a run that would wait for itself: it has the lease of `target` already, for `other`."""
    return ForeignTarget(
        f"{target} and {other} are the same database",
        because="this run has its lease already, for the other one; a database belongs to one service",
        try_="check where the connection settings of the two point",
    )


def foreign(target: str, found: Identity, wanted: Identity) -> ForeignTarget:
    """Return what ends a run for `wanted` on a target whose history says that it is `found`."""
    return ForeignTarget(
        f"{target} is bound to {found}",
        because=f"this run is for {wanted}",
        try_="check where its address points",
    )


def history_changed(path: str) -> StepFailed:
    """Return what ends a dataset that would change the history, whose script is `path`."""
    return StepFailed(
        "a seed changes the history of this database",
        because="what it writes, calls or fires reaches what is seedbed's own; nothing of the dataset stayed",
        try_="look for functions, triggers, rules and procedures that write there",
        at=Location(path),
    )
