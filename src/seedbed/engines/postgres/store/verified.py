"""What `verify` found, in the table `migrations_verified`."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from msgspec import Struct
from msgspec.json import decode

from seedbed.engines.kit import verified as stored
from seedbed.engines.postgres.files.quoting import quoted_name, quoted_text
from seedbed.engines.postgres.store import ownership
from seedbed.engines.postgres.store.history import ABSENT
from seedbed.engines.postgres.wire.connection import OWN_PATH
from seedbed.engines.postgres.wire.libpq import Query, QueryFailed
from seedbed.model.verified import Verified, VerifyRecord
from seedbed.support.typed import ready

_READ = """
SELECT json_build_object('now', clock_timestamp(), 'rows', coalesce(json_agg(r ORDER BY r.id DESC), '[]'))::text
FROM {schema}.migrations_verified AS r
"""


class _Row(Struct):
    id: int
    at: datetime
    record: str


class _Rows(Struct):
    now: datetime
    rows: list[_Row]


def read(query: Query, schema: str, target: str) -> Verified:
    """Return what is kept in `schema`, the newest first. Raises Refused for what is not ours, QueryFailed."""
    try:
        ((found,),) = query(_guarded(schema, _READ.format(schema=quoted_name(schema))))
    except QueryFailed as error:
        if error.sqlstate in ABSENT:
            return Verified()
        raise _error(schema, error) from None
    rows = decode(found or "", type=ready(_Rows))
    records = (stored.record(str(each.id), each.at, each.record, target) for each in rows.rows)
    return Verified(tuple(records), rows.now)


def keep(query: Query, schema: str, record: VerifyRecord, forget: Collection[str]) -> None:
    """Add `record`, and take the rows `forget` away, all in one transaction. Raises as `read` does."""
    table = f"{quoted_name(schema)}.migrations_verified"
    text = f"INSERT INTO {table} (record) VALUES ({quoted_text(stored.text(record))})"
    if forget:
        text += f"; DELETE FROM {table} WHERE id IN ({', '.join(str(int(each)) for each in forget)})"
    try:
        query(_guarded(schema, text))
    except QueryFailed as error:
        raise _error(schema, error) from None


def _guarded(schema: str, text: str) -> str:
    return f"{OWN_PATH}; {ownership.guard(schema)}; {text}"


def _error(schema: str, error: QueryFailed) -> Exception:
    return ownership.refusal(schema, error.sqlstate, str(error)) or error
