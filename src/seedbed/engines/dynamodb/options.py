"""The section of the manifest that belongs to a DynamoDB database: `[services.<name>.dynamodb]`."""

from __future__ import annotations

from typing import Annotated

import msgspec

Units = Annotated[float, msgspec.Meta(ge=0)]


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How seedbed works on this database; a migration may ask for less in its header, never for more."""

    lease_seconds: Annotated[
        float,
        msgspec.Meta(
            ge=2, le=3600, description="seconds without a heartbeat after which a lease is taken over"
        ),
    ] = 20.0
    read_units: Annotated[
        Units, msgspec.Meta(description="read capacity units a second at most; 0 means what the table gives")
    ] = 0.0
    write_units: Annotated[
        Units,
        msgspec.Meta(
            description="write capacity units a second at most, indexes included; 0 means what the table gives"
        ),
    ] = 0.0
    segments: Annotated[
        int, msgspec.Meta(ge=1, le=1000, description="how many parts of a table are scanned at the same time")
    ] = 4
