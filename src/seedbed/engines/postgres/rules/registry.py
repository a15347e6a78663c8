"""The hazards of PostgreSQL: PG1xx is what the file alone shows, PG2xx what other files and the server show.

PG3xx is looked for where the database lies on the server of a base.

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
_OWN = 'give the environment a server of its own for that database: own = ["user/postgres"]'
CHANGES_ROLES = HazardRule(
    "PG301",
    "makes, changes or drops roles, or what they are members of",
    why="the roles of a server are all environments': the second one that runs it finds the role, and what one changes"
    " or drops is changed for all",
    instead=f"grant to the logins that are there; or {_OWN}",
    in_base=True,
)
NAMES_LOGINS = HazardRule(
    "PG302",
    "names a login",
    why="on the server of a base the logins are called otherwise in each environment, so that this one is not there",
    instead="CURRENT_USER for the login that migrates; for the application's, EXECUTE format('… %I', current_database()"
    " || '_app') in a DO block",
    in_base=True,
)
CHANGES_SERVER = HazardRule(
    "PG303",
    "names or changes what the whole server has: its settings, its databases, its tablespaces",
    why="the server is all environments', and on it this database has another name in each",
    instead=_OWN,
    in_base=True,
)
NEEDS_ADMINISTRATOR = HazardRule(
    "PG304",
    "needs rights that only an administrator has: an extension that is not trusted, an event trigger, a foreign server,"
    " a subscription, files of the server",
    why="an environment in a base has no administrator's login, so the server refuses it",
    instead=_OWN,
    in_base=True,
)
REACHES_OTHERS = HazardRule(
    "PG305",
    "calls what reaches beyond its database: `cron`, `pg_terminate_backend`, replication slots",
    why="on the server of a base the sessions and jobs of other environments are there as well",
    instead=f"leave it to the application; or {_OWN}",
    in_base=True,
)

RULES = (
    REACHES_OUT,
    NAMES_OTHERS,
    CHANGES_ROLES,
    NAMES_LOGINS,
    CHANGES_SERVER,
    NEEDS_ADMINISTRATOR,
    REACHES_OTHERS,
)
