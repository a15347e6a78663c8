"""How releases and approvals are written down, and read again by whoever does not trust what is there."""

from __future__ import annotations

import hashlib
from datetime import datetime
from itertools import chain

import msgspec
from msgspec.structs import replace

from seedbed.errors import Refused
from seedbed.model.release import STEPS, Approval, Identity, Opening, Release, StepName
from seedbed.support.typed import UNREADABLE, ready

LARGEST_APPROVAL = 64 << 10  # bytes
_FARTHEST = 6e10  # seconds: from the year 69 to 3871, so that a calendar shows it with a soak added


def encoded(record: Release | Approval | Opening) -> bytes:
    """Return a record as JSON."""
    return msgspec.json.encode(record)


def release_of(data: bytes, environment: str, number: int, place: str) -> Release:
    """Return the release that `data` says. Raises Refused for what is none, or is another one's."""
    try:
        found = msgspec.json.decode(data, type=ready(Release))
        _require_possible(found)
    except (*UNREADABLE, ValueError) as error:
        raise Refused(
            f"the record of release {number} of {environment} cannot be read",
            because=f"{place}: {error}",
            try_="use the version of seedbed that wrote it",
        ) from None
    if (found.environment, found.number) != (environment, number):
        raise Refused(
            f"the record of release {number} of {environment} is not its own",
            because=f"{place} says release {found.number} of {found.environment}",
            try_="look who wrote it, and put it back where it was",
        )
    return found


def _require_possible(release: Release) -> None:
    """Raise ValueError for a record that no command writes, and that nothing could show or go on with."""
    if tuple(each.name for each in release.steps) != STEPS:
        raise ValueError(f"its steps are not {', '.join(STEPS)}")
    of_steps = ((each.began, each.beat, each.ended) for each in release.steps)
    of_evidence = ((one.at, one.since) for each in release.steps for one in each.evidence)
    times = chain((release.opened, release.ended, release.returning, release.soak), *of_steps, *of_evidence)
    if not all(map(_is_time, times)):
        raise ValueError("one of its times is none")


def _is_time(seconds: float) -> bool:
    return abs(seconds) < _FARTHEST


def approval_of(data: bytes, number: int, step: str, user_id: str, at: datetime | float) -> Approval | None:
    """Return the approval that somebody left, None for what is none, or speaks of another step than its name.

    Who and when is told by the store; what the approval says of that is kept as a note.
    """
    try:
        found = msgspec.json.decode(data, type=ready(Approval))
    except UNREADABLE:
        return None
    if (found.number, found.step) != (number, step):
        return None
    note = ", ".join(filter(None, (found.by.note, found.by.arn)))
    seconds = at.timestamp() if isinstance(at, datetime) else at
    if not _is_time(seconds):  # of a file, its owner sets it as he likes
        return None
    return replace(found, by=Identity(user_id, "", note), at=seconds)


def opening(release: Release, who: Identity) -> Opening:
    """Return what is left by whoever opens a release."""
    return Opening(number=release.number, digest=release.digest, by=who, at=release.opened)


def opening_of(data: bytes, number: int, digest: str, user_id: str, at: datetime | float) -> Opening | None:
    """Return the opening that somebody left, None for what is none, or is of another release than its name.

    Who and when is told by the store.
    """
    try:
        found = msgspec.json.decode(data, type=ready(Opening))
    except UNREADABLE:
        return None
    if (found.number, found.digest) != (number, digest):
        return None
    seconds = at.timestamp() if isinstance(at, datetime) else at
    return replace(found, by=Identity(user_id, "", found.by.note), at=seconds)


def is_step(name: str) -> bool:
    """Return whether a step has that name."""
    return name in frozenset(StepName)


def digest_of(data: bytes) -> str:
    """Return the name under which `data` is kept."""
    return hashlib.sha256(data).hexdigest()


def require_same(data: bytes | None, sha256: str, place: str) -> bytes:
    """Return `data`. Raises Refused where it is not what was kept as `sha256`."""
    if data is None:
        raise Refused(
            f"what a release refers to is gone: {sha256}",
            because=f"{place} is not there",
            try_="open a new release with the same bundle",
        )
    if digest_of(data) != sha256:
        raise Refused(
            f"what a release refers to was changed: {sha256}",
            because=f"{place} has the SHA-256 {digest_of(data)}",
            try_="look who wrote it; then open a new release",
        )
    return data
