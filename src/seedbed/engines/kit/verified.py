"""Records of `verify` <-> the text in which an engine stores them."""

from __future__ import annotations

import json
from datetime import datetime

import msgspec

from seedbed.engines.kit.stored import altered
from seedbed.model.verified import VerifyRecord
from seedbed.support.typed import UNREADABLE, ready

_STORES = ("id", "at")  # what the store itself knows


def text(record: VerifyRecord) -> str:
    """Return what is stored of `record`, in ASCII: not every database can hold the arrow in a reference's name.

    Its id and its time are the store's.
    """
    content = msgspec.to_builtins(record)
    return json.dumps(
        {key: each for key, each in content.items() if key not in _STORES}, separators=(",", ":")
    )


def record(id_: str, at: datetime, stored: str, target: str) -> VerifyRecord:
    """Return the record that was stored as text under `id_` at the time `at`. Raises Refused for any other text."""
    try:
        found = msgspec.json.decode(stored, type=ready(VerifyRecord))
    except UNREADABLE as error:
        raise altered(target, f"the result {id_} of verify", error) from None
    return msgspec.structs.replace(found, id=id_, at=at)
