"""What a database and its logins are called on a shared server. Pure: CDK, a task and a run say the same."""

from __future__ import annotations

import re
from collections.abc import Mapping
from hashlib import sha256

from seedbed.engines.postgres.address import NAME_BYTES

# What follows a database's name in those of its logins: migrations find these by `current_database() || '_app'`.
MIGRATE, APP = "_migrate", "_app"
# Roles that nobody logs in as: templates are owned by the one, and the other has the application's rights there.
TEMPLATE_OWNER, TEMPLATE_APP = "seedbed_template_migrate", "seedbed_template_app"
TEMPLATE_PREFIX = "seedbed_template_"
_END = "_db"
_MOST = NAME_BYTES - len(MIGRATE)
_DIGITS = 12
# Where the last word but the end is the service, and all before it the environment
_IS_PLAIN = re.compile(r"[a-z0-9]+")


def shared_settings(environment: str, service: str) -> Mapping[str, str]:
    """Return the names of the database and its two logins, each the same for no other pair.

    `dev_ana_user_db`, and with digits at the end, `dev_ana_user_profile_db_…`, where that is too long or could be read
    as another pair's: a name without them ends with `_db`, so that the two kinds never meet.
    """
    words = f"{environment}_{service}".replace("-", "_")
    name = words + _END
    if _IS_PLAIN.fullmatch(service) is None or "_" in environment or len(name.encode()) > _MOST:
        ending = f"{_END}_{_digits(environment, service)}"
        name = words.encode()[: _MOST - len(ending)].decode(errors="ignore") + ending
    return {"name": name, "user": name + MIGRATE, "app_user": name + APP}


def template_database(platform: str, database: str, template: str) -> str:
    """Return what the database is called that is kept of `database` as `template`."""
    return f"{TEMPLATE_PREFIX}{_digits(platform, database, template)}"


def _digits(*parts: str) -> str:
    return sha256("\0".join(parts).encode()).hexdigest()[:_DIGITS]
