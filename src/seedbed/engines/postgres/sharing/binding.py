"""Bind the history in a copied database to its new environment, as the login that owns it."""

from __future__ import annotations

from contextlib import closing

from seedbed.engines.postgres.address import Address
from seedbed.engines.postgres.files.quoting import quoted_text
from seedbed.engines.postgres.store.history import HistoryTable
from seedbed.engines.postgres.store.ownership import TABLES
from seedbed.engines.postgres.wire.connection import OWN_PATH, open_connection, open_plain
from seedbed.engines.postgres.wire.messages import ServerError, asking, run
from seedbed.model.history import Identity
from seedbed.model.sharing import Share

_ACTOR = "seedbed share"
_NOTHING = "SELECT 0"  # how the server tags a query that found nothing


def bind(place: Address, share: Share) -> None:
    """Write `share` into each history in `place` that says something else, and forget what `verify` found there.

    Which schema has the history is the manifest's to say, which is not here: it is where all its tables are.
    """
    wanted = Identity(share.platform, share.database, share.environment)
    with closing(open_plain(place) or open_connection(place)) as connection:
        query = asking(connection)
        names = ", ".join(map(quoted_text, TABLES))
        rows = query(
            f"{OWN_PATH}; SELECT nspname::text FROM pg_namespace AS n WHERE {len(TABLES)} = ("
            f"SELECT count(*) FROM pg_class WHERE relnamespace = n.oid AND relname IN ({names}))"
        )
        for (schema,) in rows:
            table = HistoryTable(str(schema))
            try:
                *_, strange, _ = run(connection, table.inherited(wanted, _ACTOR))
            except ServerError:
                table.read(query)  # says what is wrong with it, if it is the history
                raise
            if strange != _NOTHING:
                table.read(query)
