"""seedbed's own tables in a PostgreSQL database: their definition, and every statement that touches them.

Four tables in a schema of their own: `migrations_history` (a row per migration), `migrations_identity` (who
this target is, and the format of all this), `migrations_audit` (what people decided, never changed) and
`migrations_verified` (what `verify` found: see `store.verified`).

Statements that are sent beside those of a migration name the schema of every function and operator: what others
made under the same name, in a schema that the migration's search_path leads to first, is never ours to run. The
definition and the query run with a search_path of their own.
"""

from __future__ import annotations

from msgspec.json import decode

from seedbed.engines.postgres.files.quoting import quoted_name, quoted_text
from seedbed.engines.postgres.store import ownership
from seedbed.engines.postgres.wire.connection import OWN_PATH
from seedbed.engines.postgres.wire.libpq import Query, QueryFailed
from seedbed.errors import Refused, Unreachable
from seedbed.model.history import FORMAT, History, Identity, Revision
from seedbed.model.migration import Direction, Migration, Work
from seedbed.support.typed import UNREADABLE, ready

_DEFINITION = """
CREATE SCHEMA IF NOT EXISTS {schema};
CREATE TABLE IF NOT EXISTS {schema}.migrations_identity (
    only_row    boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    format      integer NOT NULL,
    platform    text NOT NULL,
    database    text NOT NULL,
    environment text NOT NULL,
    bound_at    timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE TABLE IF NOT EXISTS {schema}.migrations_history (
    version     text PRIMARY KEY,
    name        text NOT NULL,
    checksum    text NOT NULL,
    phase       text NOT NULL CHECK (phase IN ('expand', 'migrate', 'contract')),
    state       text NOT NULL CHECK (state IN ('applied', 'started')),
    direction   text NOT NULL CHECK (direction IN ('up', 'down')),
    step        integer NOT NULL DEFAULT 0,
    in_step     boolean NOT NULL DEFAULT false,
    checkpoint  text,
    overtakes   text NOT NULL DEFAULT '',
    owner       text NOT NULL,
    applied_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    duration_ms bigint NOT NULL DEFAULT 0,
    ran         text NOT NULL DEFAULT ''
);
CREATE TABLE IF NOT EXISTS {schema}.migrations_audit (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor   text NOT NULL,
    action  text NOT NULL,
    version text NOT NULL,
    because text NOT NULL
);
CREATE TABLE IF NOT EXISTS {schema}.migrations_verified (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    record  text NOT NULL
);
COMMENT ON TABLE {schema}.migrations_history IS 'seedbed: which migrations this database has';
COMMENT ON TABLE {schema}.migrations_identity IS 'seedbed: which target this database is';
COMMENT ON TABLE {schema}.migrations_audit IS 'seedbed: what people decided about the history';
COMMENT ON TABLE {schema}.migrations_verified IS 'seedbed: what verify found';
"""

# Identity and revisions in one answer: a run that finds nothing to do costs one round trip. As one value, too: what
# reads it is compiled, and a call for each value would take most of the time of a long history. The revisions do not
# hang on the identity: a history without one is not empty.
_READ = """
SELECT i.format::text, i.platform, i.database, i.environment, (
    SELECT json_agg(r ORDER BY lpad(r.version, 20, '0'))::text FROM (
        SELECT version, name, checksum, phase, state, direction, step, in_step, checkpoint,
               string_to_array(overtakes, ',') AS overtakes, owner, applied_at, duration_ms, ran
        FROM {schema}.migrations_history
    ) AS r
)
FROM (VALUES (1)) AS one LEFT JOIN {schema}.migrations_identity AS i ON true
"""

# Transactions that arrive in one message share its time as their start: from the second on, a migration began when
# the one before it was recorded.
_ARRIVAL = "pg_catalog.transaction_timestamp()"
_NOW = "pg_catalog.clock_timestamp()"
_IS = "OPERATOR(pg_catalog.=)"


def _milliseconds_since(began: str) -> str:
    return f"extract(epoch FROM {_NOW} OPERATOR(pg_catalog.-) {began}) OPERATOR(pg_catalog.*) 1000"


_COLUMNS = 5  # of _READ
ABSENT = {"42P01", "3F000"}  # undefined_table, invalid_schema_name


def closed(schema: str, roles: str) -> str:
    """Return the statements that take from `roles` all rights on the history in the quoted `schema`."""
    return "; ".join(
        f"REVOKE ALL ON {what} {schema} FROM {roles}"
        for what in ("SCHEMA", "ALL TABLES IN SCHEMA", "ALL SEQUENCES IN SCHEMA")
    )


class HistoryTable:
    """The statements, with the schema's name already in them."""

    def __init__(self, schema: str, closed_to: str = "") -> None:
        """`closed_to`: a login that has rights on whatever ours makes, and is to have none here."""
        self._schema = schema
        self._closed_to = closed_to
        self._prefix = quoted_name(schema)
        self.table = f"{self._prefix}.migrations_history"

    def read(self, query: Query) -> History:
        """Return what is stored, an empty history where nothing is.

        `query` returns the rows of one, all values as text. Raises Refused for a newer format, for what is not ours
        and for a history that is not whole, QueryFailed.
        """
        guard = ownership.guard(self._schema)
        try:
            rows = query(f"{OWN_PATH}; {guard}; {_READ.format(schema=self._prefix)}")
        except QueryFailed as error:
            if error.sqlstate in ABSENT:
                return History()
            if (refused := ownership.refusal(self._schema, error.sqlstate, str(error))) is not None:
                raise refused from None
            raise
        if not rows or any(len(each) != _COLUMNS for each in rows):
            raise _strange(self._schema, f"the answer to one query has {len(rows)} rows of other columns")
        (stored, *identity, revisions), *more = rows
        if more:
            raise Refused(
                f"the history in schema {self._schema} has {len(rows)} identities",
                because="a database is bound to one environment, and migrations_identity has one row",
                try_="look which of the rows is right, and delete the others",
            )
        try:
            is_newer = stored is not None and int(stored) > FORMAT
        except ValueError:
            raise _strange(
                self._schema, f"it says that its format is {stored!r}, which is no number"
            ) from None
        if is_newer:
            raise Refused(
                f"the history in schema {self._schema} was written by a newer seedbed",
                because=f"its format is {stored}, this seedbed knows {FORMAT}",
                try_="upgrade seedbed",
            )
        try:
            known = decode(revisions or "[]", type=ready(tuple[Revision, ...]))
        except UNREADABLE as error:
            from seedbed.engines.kit.stored import altered

            raise altered(identity[1] or self._schema, f"a row of {self.table}", error) from None
        return History(None if stored is None else Identity(*(value or "" for value in identity)), known)

    @property
    def digest(self) -> str:
        """The query for what differs as soon as anything of the history was changed, its tables' definitions included.

        Not what `verify` keeps, which waits for no run. It raises where what stands under our names is not ours.
        """
        rows = " UNION ALL ".join(
            f"SELECT {n}, t::text, '' FROM {self._prefix}.{name} AS t"
            for n, name in enumerate(ownership.TABLES)
            if name != "migrations_verified"
        )
        return (
            f"{ownership.guard(self._schema)}; SELECT count(*), md5(string_agg(format('%s %s %s', a, b, c), '/' "
            f"ORDER BY a, b, c)) FROM ({rows} UNION ALL {ownership.definitions(self._schema)}) AS t (a, b, c)"
        )

    def definition(self, identity: Identity) -> str:
        """Return the statements that make the tables and stamp them; what is there already is left as it is.

        They raise, before and after, where what is there is not ours.
        """
        values = ", ".join(map(quoted_text, (identity.platform, identity.database, identity.environment)))
        stamp = (
            f"INSERT INTO {self._prefix}.migrations_identity (format, platform, database, environment) "
            f"VALUES ({FORMAT}, {values}) ON CONFLICT DO NOTHING"
        )
        guard = ownership.guard(self._schema)
        made = _DEFINITION.format(schema=self._prefix)
        if self._closed_to:
            made += f"{closed(self._prefix, quoted_name(self._closed_to))};"
        return f"BEGIN; {OWN_PATH}; {guard}; {made} {stamp}; {guard}; COMMIT"

    def rebound(self, identity: Identity, actor: str, because: str) -> str:
        """Return the statements that write `identity` in place of what is stored, with a line in the audit."""
        names = "platform", "database", "environment"
        values = ", ".join(quoted_text(getattr(identity, name)) for name in names)
        updates = ", ".join(f"{name} = EXCLUDED.{name}" for name in names)
        stamp = (
            f"INSERT INTO {self._prefix}.migrations_identity (format, {', '.join(names)}) "
            f"VALUES ({FORMAT}, {values}) ON CONFLICT (only_row) DO UPDATE SET {updates}, bound_at = {_NOW}"
        )
        audit = self.audit(actor, "bind", "", because)
        return f"BEGIN; {OWN_PATH}; {ownership.guard(self._schema)}; {stamp}; {audit}; COMMIT"

    def inherited(self, identity: Identity, actor: str) -> str:
        """Return the statements that write `identity` over that of the database which this one is a copy of.

        A line in the audit says which that was, and what `verify` found there is forgotten. Where there is no identity,
        or it is `identity`, nothing is changed. The last one but COMMIT is a query, with a row for each identity that
        is still another one, because `read` would refuse it.
        """
        names = "platform, database, environment"
        stored = f"{self._prefix}.migrations_identity"
        values = ", ".join(map(quoted_text, (identity.platform, identity.database, identity.environment)))
        differs = f"({names}) IS DISTINCT FROM ({values})"
        return f"""BEGIN; {OWN_PATH}; {ownership.guard(self._schema)};
            WITH inherited AS MATERIALIZED (
                SELECT environment FROM {stored} WHERE {differs}
                AND (SELECT count(*) = 1 AND max(format) <= {FORMAT} FROM {stored})
            ), forgotten AS (
                DELETE FROM {self._prefix}.migrations_verified WHERE EXISTS (SELECT FROM inherited)
            ), told AS (
                INSERT INTO {self._prefix}.migrations_audit (actor, action, version, because)
                SELECT {quoted_text(actor)}, 'bind', '', format('a copy of what %s had', environment) FROM inherited
            ) UPDATE {stored} SET ({names}) = ({values}), bound_at = {_NOW} WHERE EXISTS (SELECT FROM inherited);
            SELECT FROM {stored} WHERE {differs}; COMMIT"""

    def applied(self, migration: Migration, owner: str, *, after: str = "") -> str:
        """Return the statement that records `migration` as applied; the statement returns milliseconds.

        `after`: the version that was recorded just before, in the same message.
        """
        began = (
            f"(SELECT applied_at FROM {self.table} WHERE version {_IS} {quoted_text(after)})"
            if after
            else _ARRIVAL
        )
        values = (migration.version, migration.name, migration.checksum, migration.phase.value)
        return (
            f"INSERT INTO {self.table} (version, name, checksum, phase, state, direction, overtakes, owner, "
            f"duration_ms) VALUES ({', '.join(map(quoted_text, values))}, 'applied', 'up', "
            f"{quoted_text(','.join(migration.overtakes))}, {quoted_text(owner)}, "
            f"{_milliseconds_since(began)}) RETURNING duration_ms"
        )

    def reverted(self, migration: Migration, owner: str, *, after: str = "") -> str:
        """Return the statements that take `migration` out of the history; the last one returns milliseconds.

        `after`: the version that was reverted just before, in the same message.
        """
        began = (
            f"(SELECT pg_catalog.max(at) FROM {self._prefix}.migrations_audit WHERE version {_IS} {quoted_text(after)})"
            if after
            else _ARRIVAL
        )
        gone = f"DELETE FROM {self.table} WHERE version {_IS} {quoted_text(migration.version)}"
        audit = self.audit(owner, "revert", migration.version, "")
        return f"{audit}; {gone} RETURNING {_milliseconds_since(began)}"

    def started(self, work: Work, owner: str) -> str:
        """Return the statement that records the start of a work that does not fit into one transaction."""
        migration, direction = work.migration, work.direction.value
        values = (migration.version, migration.name, migration.checksum, migration.phase.value)
        return (
            f"INSERT INTO {self.table} (version, name, checksum, phase, state, direction, overtakes, owner) "
            f"VALUES ({', '.join(map(quoted_text, values))}, 'started', '{direction}', "
            f"{quoted_text(','.join(migration.overtakes))}, {quoted_text(owner)}) "
            f"ON CONFLICT (version) DO UPDATE SET state = 'started', direction = '{direction}', step = 0, "
            "in_step = false, checkpoint = NULL, ran = '', owner = EXCLUDED.owner, checksum = EXCLUDED.checksum, "
            "name = EXCLUDED.name, phase = EXCLUDED.phase, overtakes = EXCLUDED.overtakes"
        )

    def stands_at(self, migration: Migration, step: int, ran: str, *, in_step: bool) -> str:
        """Return the statement that says: `step` steps are finished, of which `ran` is the digest, the next is begun
        or not."""
        return (
            f"UPDATE {self.table} SET step = {step}, in_step = {str(in_step).lower()}, ran = {quoted_text(ran)}, "
            f"checksum = {quoted_text(migration.checksum)} WHERE version {_IS} {quoted_text(migration.version)}"
        )

    def unstarted(self, work: Work) -> str:
        """Return the statement that takes the start of a work back if nothing of it is done, and nothing in hand."""
        migration = work.migration
        undo = f"DELETE FROM {self.table}"
        if work.direction is Direction.DOWN:
            undo = f"UPDATE {self.table} SET state = 'applied', direction = 'up', step = {len(migration.up)}"
        return (
            f"{undo} WHERE version {_IS} {quoted_text(migration.version)} AND state {_IS} 'started' "
            f"AND direction {_IS} '{work.direction.value}' AND step {_IS} 0 AND NOT in_step AND checkpoint IS NULL"
        )

    def checkpointed(self, version: str, checkpoint: str) -> str:
        stands = f"SET checkpoint = {quoted_text(checkpoint)}"
        return f"UPDATE {self.table} {stands} WHERE version {_IS} {quoted_text(version)}"

    def finished(self, work: Work, owner: str) -> str:
        """Return the statement that closes a started work."""
        if work.direction is Direction.DOWN:
            return self.reverted(work.migration, owner)
        return (
            f"UPDATE {self.table} SET state = 'applied', in_step = false, checkpoint = NULL, ran = '', "
            f"checksum = {quoted_text(work.migration.checksum)}, step = {len(work.migration.up)}, "
            f"owner = {quoted_text(owner)}, applied_at = {_NOW}, "
            f"duration_ms = {_milliseconds_since('applied_at')} "
            f"WHERE version {_IS} {quoted_text(work.migration.version)}"
        )

    def write(self, revision: Revision) -> str:
        """Return the statement that makes the stored row equal to `revision`."""
        texts = (
            revision.version,
            revision.name,
            revision.checksum,
            revision.phase.value,
            revision.state.value,
        )
        checkpoint = "NULL" if revision.checkpoint is None else quoted_text(revision.checkpoint)
        columns = "version, name, checksum, phase, state, direction, step, in_step, checkpoint, overtakes, owner, ran"
        updates = ", ".join(f"{name} = EXCLUDED.{name}" for name in columns.split(", ")[1:])
        return (
            f"INSERT INTO {self.table} ({columns}) VALUES ({', '.join(map(quoted_text, texts))}, "
            f"'{revision.direction.value}', {revision.step}, {str(revision.in_step).lower()}, {checkpoint}, "
            f"{quoted_text(','.join(revision.overtakes))}, {quoted_text(revision.owner)}, "
            f"{quoted_text(revision.ran)}) ON CONFLICT (version) DO UPDATE SET {updates}"
        )

    def forget(self, version: str) -> str:
        return f"DELETE FROM {self.table} WHERE version {_IS} {quoted_text(version)}"

    def audit(self, actor: str, action: str, version: str, because: str) -> str:
        values = ", ".join(map(quoted_text, (actor, action, version, because)))
        return (
            f"INSERT INTO {self._prefix}.migrations_audit (actor, action, version, because) VALUES ({values})"
        )


def _strange(schema: str, because: str) -> Unreachable:
    """Return the error for an answer that PostgreSQL does not give."""
    return Unreachable(
        f"what answered the query for the history in schema {schema} is not PostgreSQL",
        because=because,
        try_="check DB_HOST and DB_PORT, and what stands in front of the server",
    )
