"""The section of the manifest that belongs to an OpenSearch database: `[services.<name>.opensearch]`."""

from __future__ import annotations

from typing import Annotated

import msgspec


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Options of this database."""

    lease_seconds: Annotated[
        float,
        msgspec.Meta(
            ge=2, le=3600, description="seconds without a heartbeat after which a lease is taken over"
        ),
    ] = 20.0
    request_timeout: Annotated[
        float, msgspec.Meta(ge=1, le=3600, description="seconds that one request may take")
    ] = 60.0
    slices: Annotated[
        int, msgspec.Meta(ge=0, le=64, description="parts that a reindex is done in; 0: one for each shard")
    ] = 0
