"""The section of the manifest that belongs to a PostgreSQL database: `[services.<name>.postgres]`."""

from __future__ import annotations

from typing import Annotated

import msgspec

# As the catalogue has it, in upper and lower case; the server would cut what is longer than 63 bytes.
SchemaName = Annotated[str, msgspec.Meta(pattern=r"^[^\x00-\x1f\x7f]{1,63}$", min_length=1, max_length=63)]
Duration = Annotated[str, msgspec.Meta(pattern=r"^(0|[0-9]+(us|ms|s|min|h|d))$")]


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How seedbed works on this database; every duration is written as PostgreSQL writes it (`5s`, `2min`)."""

    search_path: Annotated[
        tuple[SchemaName, ...],
        msgspec.Meta(
            description='schemas that unqualified names mean, the first one for what is made; `"$user"` is the '
            "login's own. Without it: what the database or the role has set, as for any other client."
        ),
    ] = ()
    history_schema: Annotated[
        SchemaName, msgspec.Meta(description="schema of seedbed's own tables, made by the first apply")
    ] = "seedbed"
    lock_timeout: Annotated[
        Duration, msgspec.Meta(description="how long a statement may queue for a lock before it gives way")
    ] = "5s"
    lock_retries: Annotated[
        int, msgspec.Meta(ge=0, le=1000, description="how often a step that gave way is tried again")
    ] = 10
    statement_timeout: Annotated[
        Duration, msgspec.Meta(description="how long a statement may run; 0 means as long as it takes")
    ] = "0"
    extensions: Annotated[
        tuple[SchemaName, ...],
        msgspec.Meta(
            description="extensions that only an administrator may make: made together with the logins, where there is "
            "an administrator's login (`DB_ADMIN_USER`)"
        ),
    ] = ()
