"""How releases and approvals are written down, and read again by whoever does not trust what is there."""

from __future__ import annotations

import hashlib
from datetime import datetime

import msgspec
from msgspec.structs import replace

from seedbed.errors import Refused
from seedbed.model.release import Approval, Identity, Opening, Release, StepName
from seedbed.support.typed import UNREADABLE, ready

LARGEST_APPROVAL = 64 << 10  # bytes


def encoded(record: Release | Approval | Opening) -> bytes:
    """Return a record as JSON."""
    return msgspec.json.encode(record)


def release_of(data: bytes, environment: str, number: int, place: str) -> Release:
    """Return the release that `data` says. Raises Refused for what is none, or is another one's."""
    try:
        found = msgspec.json.decode(data, type=ready(Release))
    except UNREADABLE as error:
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
    return replace(found, by=Identity(user_id, "", note), at=seconds)


def opening(release: Release, who: Identity) -> Opening:
    """Return what is left by whoever opens a release."""
    return Opening(number=release.number, digest=release.digest, by=who, at=release.opened)


def opening_of(data: bytes, number: int, user_id: str, at: datetime | float) -> Opening | None:
    """Return the opening that somebody left, None for what is none. Who and when is told by the store."""
    try:
        found = msgspec.json.decode(data, type=ready(Opening))
    except UNREADABLE:
        return None
    if found.number != number:
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
