"""Revisions and identities <-> the plain data that the server keeps. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from msgspec.structs import asdict

from seedbed.errors import Refused
from seedbed.model.history import FORMAT, History, Identity, Revision, RevisionState
from seedbed.model.migration import Direction, Phase


def history(answer: Mapping[str, Any]) -> History:
    """Return the history that the server told. Raises Refused for a format that is newer than ours."""
    if answer["format"] > FORMAT:
        raise Refused(
            f"the history has format {answer['format']}, and this seedbed knows format {FORMAT}",
            because="a newer seedbed has worked on this target",
            try_="upgrade seedbed",
        )
    identity = Identity(**answer["identity"]) if answer["identity"] else None
    return History(identity, tuple(revision(each) for each in answer["revisions"]))


def revision(data: Mapping[str, Any]) -> Revision:
    """Return the revision that `data` describes."""
    at = data["applied_at"]
    return Revision(
        **{
            **data,
            "phase": Phase(data["phase"]),
            "state": RevisionState(data["state"]),
            "direction": Direction(data["direction"]),
            "overtakes": tuple(data["overtakes"]),
            "applied_at": datetime.fromisoformat(at) if at else None,
        }
    )


def plain(revision: Revision) -> dict[str, Any]:
    """Return `revision` as data that JSON can hold."""
    at = revision.applied_at
    return {**asdict(revision), "applied_at": at.isoformat() if at else None}
