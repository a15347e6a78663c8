"""Hand all that is in a database from one pair of logins to another: what they own, and what they may do there.

`REASSIGN OWNED` knows everything that can have an owner, but no grant, no default privilege and no policy: these are
read from the catalogue and said anew, and `DROP OWNED` takes the old ones. Both statements also touch what belongs to
no database. So what the old logins have there is read first, and said again in the same transaction.

Nobody changes a template. So its rights are read once, when it is kept, and written down there for its copies.
"""

from __future__ import annotations

from collections.abc import Iterator
from secrets import token_hex

from msgspec import Struct
from msgspec.json import decode, encode

from seedbed.engines.postgres.files.quoting import quoted_name, quoted_text
from seedbed.engines.postgres.wire.connection import OWN_PATH
from seedbed.engines.postgres.wire.libpq import Query


class Pair(Struct, frozen=True):
    """Two logins: the one that owns a database's content, and the application's."""

    owner: str
    app: str


class Written(Struct, frozen=True):
    """The statements that say the rights of two logins anew, whose names stand as `owner` and `app`."""

    owner: str
    app: str
    statements: tuple[str, ...]

    def of(self, pair: Pair) -> list[str]:
        """Return them for `pair`."""
        owner, app = quoted_name(pair.owner), quoted_name(pair.app)
        return [each.replace(self.owner, owner).replace(self.app, app) for each in self.statements]


# The schema whose comment has what is written down in a template. It is the administrator's, as nothing else there.
_NOTE = "seedbed_template"
_WRITTEN = f"""
SELECT obj_description(oid, 'pg_namespace') FROM pg_namespace
WHERE nspname = '{_NOTE}' AND pg_get_userbyid(nspowner) = current_user
"""
_IS_FREE = f"SELECT '' WHERE to_regnamespace('{_NOTE}') IS NULL"
# What has a list of grants, as GRANT names it; columns have theirs beside those of their table.
_GRANTABLE = """
granted (owner, acl, kind, name, columns) AS (
    SELECT relowner, relacl, CASE relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, oid::regclass::text, ''
        FROM pg_class WHERE relacl IS NOT NULL
    UNION ALL SELECT relowner, attacl, 'TABLE', attrelid::regclass::text, format(' (%I)', attname)
        FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid WHERE attacl IS NOT NULL AND NOT attisdropped
    UNION ALL SELECT proowner, proacl, 'ROUTINE', oid::regprocedure::text, '' FROM pg_proc WHERE proacl IS NOT NULL
    UNION ALL SELECT typowner, typacl, 'TYPE', format_type(oid, NULL), '' FROM pg_type WHERE typacl IS NOT NULL
    UNION ALL SELECT nspowner, nspacl, 'SCHEMA', quote_ident(nspname), '' FROM pg_namespace WHERE nspacl IS NOT NULL
    UNION ALL SELECT lanowner, lanacl, 'LANGUAGE', quote_ident(lanname), '' FROM pg_language WHERE lanacl IS NOT NULL
    UNION ALL SELECT srvowner, srvacl, 'FOREIGN SERVER', quote_ident(srvname), '' FROM pg_foreign_server
        WHERE srvacl IS NOT NULL
    UNION ALL SELECT fdwowner, fdwacl, 'FOREIGN DATA WRAPPER', quote_ident(fdwname), '' FROM pg_foreign_data_wrapper
        WHERE fdwacl IS NOT NULL
    UNION ALL SELECT lomowner, lomacl, 'LARGE OBJECT', oid::text, '' FROM pg_largeobject_metadata
        WHERE lomacl IS NOT NULL
)"""
_ROLES = """
role (old, new) AS MATERIALIZED (
    SELECT to_regrole(quote_ident(name))::oid, new
    FROM (VALUES ({old_owner}, {new_owner}), ({old_app}, {new_app})) AS v (name, new)
)"""
# What has the same rights is named in one statement.
_GRANTS = f"""
WITH {_ROLES}, {_GRANTABLE}, given (rights, kind, name, new, ending) AS (
    SELECT string_agg(e.privilege_type || columns, ', ' ORDER BY columns, e.privilege_type), kind, name, role.new,
           CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END
    FROM granted, aclexplode(acl) AS e JOIN role ON role.old = e.grantee
    WHERE e.grantee <> owner AND pg_has_role(owner, 'USAGE')
    GROUP BY kind, name, role.new, is_grantable
)
SELECT format('GRANT %s ON %s %s TO %I%s', rights, kind, string_agg(name, ', '), new, ending)
FROM given GROUP BY rights, kind, new, ending
"""
# Where they hold for all schemas, they stand in the place of what PostgreSQL grants by itself: to PUBLIC, use of
# types and of functions. What is not granted any more is revoked.
_DEFAULTS = f"""
WITH {_ROLES}, own AS (
    SELECT d.oid, role.new, defaclnamespace AS schema, defaclacl AS acl, defaclrole AS maker,
           CASE WHEN defaclnamespace = 0 THEN '' ELSE format(' IN SCHEMA %I', nspname) END AS place,
           CASE defaclobjtype WHEN 'r' THEN 'TABLES' WHEN 'S' THEN 'SEQUENCES' WHEN 'f' THEN 'ROUTINES'
                WHEN 'T' THEN 'TYPES' WHEN 'n' THEN 'SCHEMAS' ELSE 'LARGE OBJECTS' END AS kind,
           CASE defaclobjtype WHEN 'f' THEN 'EXECUTE' WHEN 'T' THEN 'USAGE' END AS for_all
    FROM pg_default_acl AS d JOIN role ON role.old = defaclrole
    LEFT JOIN pg_namespace AS n ON n.oid = defaclnamespace
)
SELECT format('ALTER DEFAULT PRIVILEGES FOR ROLE %I%s REVOKE %s ON %s FROM PUBLIC', new, place, for_all, kind)
FROM own WHERE schema = 0 AND for_all IS NOT NULL AND NOT EXISTS (SELECT FROM aclexplode(acl) WHERE grantee = 0)
UNION ALL
SELECT format('ALTER DEFAULT PRIVILEGES FOR ROLE %I%s GRANT %s ON %s TO %s%s', own.new, place,
              string_agg(e.privilege_type, ', '), kind,
              CASE WHEN e.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(coalesce(role.new, g.rolname)) END,
              CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
FROM own, aclexplode(acl) AS e LEFT JOIN role ON role.old = e.grantee LEFT JOIN pg_roles AS g ON g.oid = e.grantee
WHERE e.grantee <> maker
GROUP BY own.new, place, kind, e.grantee, role.new, g.rolname, is_grantable
"""
_POLICIES = f"""
WITH {_ROLES}
SELECT format('ALTER POLICY %I ON %s TO %s', polname, polrelid::regclass, (
    SELECT string_agg(CASE WHEN one = 0 THEN 'PUBLIC' ELSE quote_ident(coalesce(role.new, r.rolname)) END, ', ')
    FROM unnest(polroles) AS one LEFT JOIN role ON role.old = one LEFT JOIN pg_roles AS r ON r.oid = one))
FROM pg_policy WHERE EXISTS (SELECT FROM role WHERE old = ANY (polroles))
"""
_SCHEMAS = f"""
WITH {_ROLES} SELECT format('ALTER SCHEMA %I OWNER TO %I', nspname, new) FROM pg_namespace JOIN role ON old = nspowner
"""
# Databases are what a login of ours has outside of one. Whatever else it has there would be gone afterwards.
_SHARED = f"""
WITH {_ROLES}
SELECT format('GRANT %s ON DATABASE %I TO %I%s', string_agg(e.privilege_type, ', '), datname,
              pg_get_userbyid(e.grantee), CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
FROM pg_database, aclexplode(datacl) AS e JOIN role ON role.old = e.grantee
WHERE e.grantee <> datdba AND datname <> current_database() GROUP BY datname, e.grantee, is_grantable
UNION ALL
SELECT format('ALTER DATABASE %I OWNER TO %I', datname, pg_get_userbyid(datdba))
FROM pg_database JOIN role ON old = datdba WHERE datname <> current_database()
"""
_STRANGE = f"""
WITH {_ROLES}
SELECT 'what it has outside of databases' FROM pg_shdepend JOIN role ON old = refobjid
WHERE refclassid = 'pg_authid'::regclass AND dbid = 0 AND classid <> 'pg_database'::regclass
UNION ALL SELECT 'a user mapping' FROM pg_user_mappings JOIN role ON old = umuser
"""
_LEFT = f"""
WITH {_ROLES}
SELECT pg_describe_object(classid, objid, objsubid) FROM pg_shdepend JOIN role ON old = refobjid
WHERE refclassid = 'pg_authid'::regclass AND dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


class Handover(Struct, frozen=True):
    """From `old` to `new`, in the database `name` that a connection is open to, which belongs to `then` afterwards."""

    old: Pair
    new: Pair
    name: str
    then: str

    def strange(self, query: Query) -> list[str]:
        """Return what the old logins have and cannot be handed over."""
        return self._found(query, _STRANGE)

    def left(self, query: Query) -> list[str]:
        """Return what in this database is the old logins' still."""
        return self._found(query, _LEFT)

    def note(self, query: Query) -> Iterator[str]:
        """Yield the statements that write down the rights of the new logins, who have it all by now, for its copies."""
        if self._found(query, _IS_FREE):
            names = Pair(
                f"owner_{token_hex(16)}", f"app_{token_hex(16)}"
            )  # as nothing in a database is called
            copied = Handover(self.new, names, self.name, self.then)
            written = encode(Written(names.owner, names.app, tuple(copied._rights(query)))).decode()
            yield f"CREATE SCHEMA {_NOTE}"
            yield f"COMMENT ON SCHEMA {_NOTE} IS {quoted_text(written)}"

    def statements(self, query: Query) -> Iterator[str]:
        """Yield what is one transaction; nobody else may change the database meanwhile. Raises QueryFailed."""
        owner, app = quoted_name(self.new.owner), quoted_name(self.new.app)
        old_owner, old_app = quoted_name(self.old.owner), quoted_name(self.old.app)
        # Whoever is to own things in schema public needs its rights there: they are the database's owner's.
        yield f"ALTER DATABASE {quoted_name(self.name)} OWNER TO {owner}"
        shared = self._found(query, _SHARED)
        if found := self._found(query, _WRITTEN):
            yield f"DROP SCHEMA {_NOTE}"
            yield from decode(found[0], type=Written).of(self.new)
        else:
            yield from self._rights(query)
        yield f"REASSIGN OWNED BY {old_owner} TO {owner}"
        yield f"REASSIGN OWNED BY {old_app} TO {app}"
        # One after the other: default privileges go with either of the two, and the server does not expect both.
        yield f"DROP OWNED BY {old_app}"
        yield f"DROP OWNED BY {old_owner}"
        yield from shared
        yield f"ALTER DATABASE {quoted_name(self.name)} OWNER TO {quoted_name(self.then)}"

    def _rights(self, query: Query) -> list[str]:
        return self._found(query, _SCHEMAS, _GRANTS, _DEFAULTS, _POLICIES)

    def _found(self, query: Query, *texts: str) -> list[str]:
        """Return what `texts` find, asked in one message."""
        names = {
            "old_owner": quoted_text(self.old.owner),
            "old_app": quoted_text(self.old.app),
            "new_owner": quoted_text(self.new.owner),
            "new_app": quoted_text(self.new.app),
        }
        return [str(row[0]) for row in query("; ".join([OWN_PATH, *texts]).format(**names))]
