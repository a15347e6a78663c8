"""The section of the manifest that belongs to a memory database: `[services.<name>.memory]`."""

from __future__ import annotations

import msgspec


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """There is nothing to choose."""
