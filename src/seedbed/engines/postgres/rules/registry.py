"""The hazards of PostgreSQL: PG1xx is what the file alone shows, PG2xx what other files and the server show.

A code is never given to anything else.
"""

from __future__ import annotations

from seedbed.model.hazard import HazardRule

REACHES_OUT = HazardRule(
    "PG101",
    "connects this database to another one: `postgres_fdw`, `dblink`, a subscription",
    why="what is over there has another owner, who changes it without a look at this migration; and a login of theirs"
    " is kept here",
    instead="ask the service that owns the data, or keep a copy that its events bring up to date",
)
NAMES_OTHERS = HazardRule(
    "PG201",
    "names a table that the migrations of another service create, and none of its own",
    why="the other service changes and drops it without a look at this migration",
    instead="ask the service that owns the data, or keep a copy that its events bring up to date",
    refused=True,
)

RULES = (REACHES_OUT, NAMES_OTHERS)
