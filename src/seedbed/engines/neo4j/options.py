"""The section of the manifest that belongs to a Neo4j database: `[services.<name>.neo4j]`."""

from __future__ import annotations

from typing import Annotated

import msgspec


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How seedbed works on this database."""

    lease_seconds: Annotated[
        float,
        msgspec.Meta(
            ge=2, le=3600, description="seconds without a heartbeat after which a lease is taken over"
        ),
    ] = 20.0
    transaction_seconds: Annotated[
        float,
        msgspec.Meta(
            ge=0, le=86_400, description="seconds that one transaction of ours may take; 0 means any time"
        ),
    ] = 0.0
    snapshot: Annotated[
        tuple[str, ...],
        msgspec.Meta(
            description="a command line that makes a copy before a contract migration and prints what it is called"
        ),
    ] = ()
