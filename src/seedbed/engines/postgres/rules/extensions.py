"""What to do about an extension that a server does not have."""

from __future__ import annotations

import re

_MISSING = re.compile(
    r'extension "([^"]+)" is not available|'
    r'could not open extension control file "[^"]*/([^/"]+)\.control"'
)
# What the sandbox's distribution leaves out of PostgreSQL's own, and Debian's package of the server has.
_OWN = frozenset({"pgcrypto", "uuid-ossp", "sslinfo", "xml2"})
_WITHOUT = {
    "pgcrypto": "gen_random_uuid() is built in since PostgreSQL 13; for the rest, ",
    "uuid-ossp": "gen_random_uuid() is built in and does what uuid_generate_v4() does; for the rest, ",
}


def advice(message: str) -> str:
    """Return what to try where a server's `message` says that an extension is not there, "" for any other message."""
    found = _MISSING.search(message)
    if found is None:
        return ""
    name = found[1] or found[2]
    where = ", such as /usr/lib/postgresql/15/bin of Debian's package postgresql-15" if name in _OWN else ""
    return (
        f"{_WITHOUT.get(name, '')}install {name} on the server; in the sandbox, SEEDBED_PG_BIN=DIRECTORY runs a"
        f" PostgreSQL that has it{where}"
    )
