"""The history as it is stored -> values, whatever was written over it by hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from seedbed.engines.kit.lease import LeaseRecord
from seedbed.errors import Refused
from seedbed.model.history import FORMAT, Identity, Revision
from seedbed.support.typed import ready

_OPTIONAL = {"checkpoint", "applied_at", "snapshot", "ran"}
_REQUIRED = [name for name in Revision.__struct_fields__ if name not in _OPTIONAL]


def revision(stored: Mapping[str, Any], target: str) -> Revision:
    """Return the migration that `stored` records. Raises Refused for what seedbed has not written."""
    known = {name: stored[name] for name in Revision.__struct_fields__ if stored.get(name) is not None}
    try:
        if missing := [name for name in _REQUIRED if name not in known]:
            raise msgspec.ValidationError(
                f"it has no {' and no '.join(missing)}"
            )  # no default is a safe guess
        return msgspec.convert(known, ready(Revision))
    except msgspec.ValidationError as error:
        raise altered(target, f"the migration {stored.get('version', 'without a version')}", error) from None


def lease_record(stored: Mapping[str, Any], target: str) -> LeaseRecord:
    """Return the lease that `stored` records; what it lacks is as if nobody ever had it.

    Raises Refused for what seedbed has not written.
    """
    known = {name: stored[name] for name in LeaseRecord.__struct_fields__ if stored.get(name) is not None}
    try:
        return msgspec.convert(known, ready(LeaseRecord))
    except msgspec.ValidationError as error:
        raise altered(target, "its lease", error) from None


def identity(stored: Mapping[str, Any], target: str) -> Identity:
    """Return who the target is. Raises Refused for what seedbed has not written, or a newer one has."""
    require_known_format(stored.get("format"), target)
    try:
        return msgspec.convert(
            {name: stored.get(name) for name in Identity.__struct_fields__}, ready(Identity)
        )
    except msgspec.ValidationError as error:
        raise altered(target, "its identity", error) from None


def require_known_format(version: object, target: str) -> None:
    """Raise Refused for a history that a newer seedbed has written, or that says no format."""
    if not isinstance(version, int) or isinstance(version, bool):
        raise altered(target, "its format", ValueError(f"it is {version!r}, and has to be a number"))
    if version > FORMAT:
        raise Refused(
            f"the history of {target} was written by a newer seedbed",
            because=f"its format is {version}, this seedbed knows {FORMAT}",
            try_="upgrade seedbed",
        )


def altered(target: str, what: str, error: Exception) -> Refused:
    """Return the error for a record that seedbed did not write as it is."""
    return Refused(
        f"the history of {target} holds what seedbed did not write: {what}",
        because=str(error),
        try_="it was changed by hand: make it what it was; nothing was touched",
    )
