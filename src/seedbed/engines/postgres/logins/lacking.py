"""What the logins of a database lack: asked of the catalogue alone, so that every login may ask.

seedbed's own login is to own the database and all that is in it; the application's is to read and write the data, and
to make nothing. What people granted or revoked beyond that is theirs: rights on single objects are given once, when an
object becomes seedbed's, and never looked at again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from seedbed.engines.postgres.address import Address
from seedbed.engines.postgres.files.quoting import quoted_text
from seedbed.engines.postgres.wire.connection import OWN_PATH, lets_in
from seedbed.engines.postgres.wire.libpq import Query
from seedbed.support.phrases import count

_SET_OPTION = 160000  # since version 16 a member may inherit a role's rights, or act as it, or both


class Topic(StrEnum):
    """What kind of thing is lacking."""

    DANGER = "danger"  # nothing that we could mend
    ROLE = "role"
    LOGIN = "login"
    PASSWORD = "password"  # noqa: S105  a topic: the server refuses it
    MEMBER = "member"
    DATABASE = "database"
    CREATE = "create"
    PUBLIC = "public"
    OBJECT = "object"
    DEFAULT = "default"
    GRANT = "grant"
    CREATE_FOR_ALL = "create for all"
    TEMPORARY_FOR_ALL = "temporary for all"
    HISTORY = "history"
    EXTENSION = "extension"


class Lack(Struct, frozen=True):
    """One thing that is lacking. `name`: quoted where it names an object; `kind`: of what, as the catalogue says it.

    `schema`: that an object is in. `sequences`: that belong to a table and go where it goes, quoted.
    """

    topic: Topic
    name: str
    kind: str = ""
    schema: str = ""
    sequences: str = ""


_NAMED = """
named AS MATERIALIZED (
    SELECT (SELECT oid FROM pg_roles WHERE rolname = {migrate}) AS migrate,
           (SELECT oid FROM pg_roles WHERE rolname = {app}) AS app,
           a.oid AS admin, a.rolsuper AS is_super, d.oid AS database, d.datname, d.datdba, d.datacl,
           'pg_database_owner'::regrole::oid AS of_database
    FROM pg_database AS d LEFT JOIN pg_roles AS a ON a.rolname = {admin} WHERE d.datname = current_database()
), owner AS MATERIALIZED (
    SELECT named.*, datdba IS DISTINCT FROM migrate AND datdba IN (admin, app)
           AND (SELECT rolsuper OR rolcreatedb FROM pg_roles WHERE oid = admin) AS hands_over FROM named
), mine AS MATERIALIZED (
    SELECT oid, nspname, nspowner, nspacl FROM pg_namespace
    WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
)"""

# Everything in our schemas that has an owner of its own. What belongs to an extension is its maker's; what something
# else brought along, a sequence of a column among them, goes where that goes.
_OWNED = """
owned AS MATERIALIZED (
    SELECT 'pg_namespace'::regclass::oid AS class, oid, nspowner AS owner, oid AS namespace, 'n' AS relkind FROM mine
    UNION ALL SELECT 'pg_class'::regclass, oid, relowner, relnamespace, relkind::text FROM pg_class
        WHERE relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
    UNION ALL SELECT 'pg_type'::regclass, t.oid, typowner, typnamespace, '' FROM pg_type AS t
        WHERE typtype IN ('b', 'e', 'd', 'r', 'c') AND typcategory <> 'A'
        AND (typrelid = 0 OR EXISTS (SELECT FROM pg_class AS c WHERE c.oid = typrelid AND c.relkind = 'c'))
    UNION ALL SELECT 'pg_proc'::regclass, oid, proowner, pronamespace, '' FROM pg_proc
    UNION ALL SELECT 'pg_operator'::regclass, oid, oprowner, oprnamespace, '' FROM pg_operator
    UNION ALL SELECT 'pg_opclass'::regclass, oid, opcowner, opcnamespace, '' FROM pg_opclass
    UNION ALL SELECT 'pg_opfamily'::regclass, oid, opfowner, opfnamespace, '' FROM pg_opfamily
    UNION ALL SELECT 'pg_collation'::regclass, oid, collowner, collnamespace, '' FROM pg_collation
    UNION ALL SELECT 'pg_conversion'::regclass, oid, conowner, connamespace, '' FROM pg_conversion
    UNION ALL SELECT 'pg_ts_dict'::regclass, oid, dictowner, dictnamespace, '' FROM pg_ts_dict
    UNION ALL SELECT 'pg_ts_config'::regclass, oid, cfgowner, cfgnamespace, '' FROM pg_ts_config
    UNION ALL SELECT 'pg_statistic_ext'::regclass, oid, stxowner, stxnamespace, '' FROM pg_statistic_ext
), own AS MATERIALIZED (
    SELECT o.*, mine.nspname FROM owned AS o JOIN mine ON mine.oid = o.namespace
    WHERE NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = o.class AND d.objid = o.oid AND d.objsubid = 0
                      AND (d.deptype IN ('e', 'i') OR o.relkind = 'S' AND d.deptype = 'a'))
), lacking_default AS MATERIALIZED (
    SELECT EXISTS (
        SELECT FROM (VALUES ('r', 'SELECT'), ('r', 'INSERT'), ('r', 'UPDATE'), ('r', 'DELETE'), ('S', 'USAGE'),
                            ('S', 'SELECT'), ('n', 'USAGE')) AS wanted (kind, privilege)
        WHERE NOT EXISTS (
            SELECT FROM pg_default_acl AS d, aclexplode(d.defaclacl) AS e
            WHERE d.defaclnamespace = 0 AND d.defaclrole = migrate AND d.defaclobjtype::text = wanted.kind
              AND e.grantee = app AND e.privilege_type = wanted.privilege)
    ) AS yes FROM named
)"""

_LACKS = (
    "SELECT 'role', name, '', '', '' FROM unnest(ARRAY[{migrate}, {app}]) AS name "
    "WHERE name NOT IN (SELECT rolname FROM pg_roles)",
    "SELECT 'login', rolname, '', '', '' FROM pg_roles WHERE rolname IN ({migrate}, {app}) AND NOT rolcanlogin",
    """SELECT 'danger', rolname, concat_ws(', ',
        CASE WHEN rolsuper THEN 'is a superuser' END, CASE WHEN rolcreaterole THEN 'may make roles' END,
        CASE WHEN rolcreatedb THEN 'may make databases' END, CASE WHEN rolreplication THEN 'may replicate' END,
        CASE WHEN rolbypassrls THEN 'passes by row security' END,
        CASE WHEN pg_has_role(app, migrate, 'MEMBER') THEN 'is a member of {migrate_name}' END,
        CASE WHEN pg_has_role(app, admin, 'MEMBER') THEN 'is a member of {admin_name}' END,
        'is a member of ' || mighty.names), '', ''
    FROM pg_roles AS r, named, (
        SELECT string_agg(m.rolname, ', ' ORDER BY m.rolname) AS names FROM pg_roles AS m, named
        WHERE m.oid NOT IN (app, admin) AND m.oid IS DISTINCT FROM migrate AND pg_has_role(app, m.oid, 'MEMBER')
          AND NOT (SELECT rolsuper FROM pg_roles WHERE oid = app)
          AND (m.rolsuper OR m.rolcreaterole OR m.rolcreatedb OR m.rolbypassrls OR m.rolname IN (
              'pg_write_all_data', 'pg_write_server_files', 'pg_execute_server_program', 'rds_superuser'))) AS mighty
    WHERE r.oid = app AND (rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls
        OR pg_has_role(app, migrate, 'MEMBER') OR pg_has_role(app, admin, 'MEMBER') OR mighty.names IS NOT NULL)""",
    "SELECT 'member', '', '', '', '' FROM named WHERE migrate IS NOT NULL AND NOT is_super AND NOT ({is_member})",
    "SELECT 'database', quote_ident(datname), '', '', '' FROM owner WHERE hands_over",
    "SELECT 'create', quote_ident(datname), '', '', '' FROM owner WHERE NOT coalesce(hands_over, false) "
    "AND has_database_privilege(migrate, database, 'CREATE') IS NOT TRUE",
    # The database's owner has it already, or is to have it with the database or by itself.
    """SELECT 'public', '', '', '', '' FROM owner, mine WHERE nspname = 'public' AND nspowner IS DISTINCT FROM admin
        AND nspowner IS DISTINCT FROM app
        AND NOT (nspowner = of_database AND coalesce(hands_over, false))
        AND pg_has_role(migrate, nspowner, 'USAGE') IS NOT TRUE AND NOT EXISTS (
            SELECT FROM aclexplode(nspacl) WHERE grantee = migrate AND privilege_type = 'CREATE')""",
    """SELECT 'create for all', '', '', '', '' FROM mine, aclexplode(coalesce(nspacl, acldefault('n', nspowner)))
        WHERE nspname = 'public' AND grantee = 0 AND privilege_type = 'CREATE'""",
    """SELECT 'temporary for all', quote_ident(datname), '', '', ''
        FROM named, aclexplode(coalesce(datacl, acldefault('d', datdba)))
        WHERE grantee = 0 AND privilege_type = 'TEMPORARY'""",
    "SELECT 'default', '', '', '', '' FROM lacking_default WHERE yes",
    """SELECT 'grant', i.identity, i.type, o.nspname, ''
        FROM lacking_default, named, own AS o, pg_identify_object(o.class, o.oid, 0) AS i
        WHERE yes AND o.relkind <> '' AND o.nspname <> {history}
          AND (o.owner = migrate OR o.relkind = 'n' AND o.owner = of_database)""",
    """SELECT 'object', i.identity, i.type, o.nspname, coalesce((
            SELECT string_agg(d.objid::regclass::text, ', ') FROM pg_depend AS d JOIN pg_class AS s ON s.oid = d.objid
            WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = o.oid
              AND s.relkind = 'S' AND d.deptype IN ('a', 'i')), '')
        FROM named, (SELECT * FROM own ORDER BY relkind <> 'n', oid) AS o, pg_identify_object(o.class, o.oid, 0) AS i
        WHERE o.owner IN (admin, app)""",
    """SELECT 'history', quote_ident(nspname), '', '', '' FROM mine, named WHERE nspname = {history} AND (
        EXISTS (SELECT FROM aclexplode(nspacl) WHERE grantee IN (0, app)) OR EXISTS (
            SELECT FROM pg_class AS c, aclexplode(c.relacl) AS e
            WHERE c.relnamespace = mine.oid AND e.grantee IN (0, app)))""",
    "SELECT 'extension', name, '', '', '' FROM unnest(ARRAY[{extensions}]::text[]) AS name "
    "WHERE name NOT IN (SELECT extname FROM pg_extension)",
)
_INHERITS, _ACTS = ("pg_has_role(admin, migrate, 'USAGE')", "pg_has_role(admin, migrate, 'SET')")


def lacking(
    query: Query, address: Address, version: int, own: bool | None = None, app: bool | None = None
) -> list[Lack]:
    """Return what the logins of `address` lack, in the order of topics. Raises QueryFailed.

    Their passwords are tried: each by a login of its own. `version`: of the server, as libpq has it. `own`, `app`:
    whether the server lets seedbed's login in, and the application's, where that is known already.
    """
    assert address.admin is not None
    assert address.application is not None
    names = {
        "migrate": address.user,
        "app": address.application.user,
        "admin": address.admin.user,
        "history": address.history_schema,
    }
    values = {
        **{key: quoted_text(name) for key, name in names.items()},
        **{f"{key}_name": name.replace("'", "''") for key, name in names.items()},
        "is_member": f"{_INHERITS} AND {_ACTS}" if version >= _SET_OPTION else _INHERITS,
        "extensions": ", ".join(map(quoted_text, address.extensions)),
    }
    text = f"WITH {_NAMED}, {_OWNED} {' UNION ALL '.join(f'({each})' for each in _LACKS)}".format(**values)
    found = [
        Lack(Topic(str(row[0])), *(each or "" for each in row[1:])) for row in query(f"{OWN_PATH}; {text}")
    ]
    absent = {each.name for each in found if each.topic in {Topic.ROLE, Topic.LOGIN}}
    tried = ((replace(address, admin=None), own), (address.reached_as(address.application), app))
    for each, is_let_in in tried:
        if each.user not in absent and not (lets_in(each) if is_let_in is None else is_let_in):
            found.append(Lack(Topic.PASSWORD, each.user))
    order = list(Topic)
    return sorted(found, key=lambda lack: (order.index(lack.topic), lack.kind != "schema"))


def in_words(lacks: Sequence[Lack], address: Address) -> list[str]:
    """Return what is done about `lacks`, a line each, as plans and events say it."""
    assert address.admin is not None
    assert address.application is not None
    migrate, app = address.user, address.application.user
    objects = Counter(each.topic for each in lacks)[Topic.OBJECT]
    words = {
        Topic.DANGER: "{name} has rights that an application must not have: it {kind}",
        Topic.ROLE: "make the login {name}",
        Topic.LOGIN: "let {name} log in",
        Topic.PASSWORD: "set the password of {name}",
        Topic.MEMBER: f"let {address.admin.user} act as {migrate}",
        Topic.DATABASE: f"hand the database {{name}} to {migrate}",
        Topic.CREATE: f"let {migrate} create in the database {{name}}",
        Topic.PUBLIC: f"let {migrate} create in schema public",
        Topic.OBJECT: f"hand {count(objects, 'object')} to {migrate}",
        Topic.DEFAULT: f"let {app} read and write what {migrate} makes",
        Topic.GRANT: f"let {app} read and write what {migrate} made",
        Topic.CREATE_FOR_ALL: "take CREATE on schema public from PUBLIC",
        Topic.TEMPORARY_FOR_ALL: "take TEMPORARY on database {name} from PUBLIC",
        Topic.HISTORY: f"close schema {{name}} to {app}",
        Topic.EXTENSION: "make the extension {name}",
    }
    lines = [words[each.topic].replace("{name}", each.name).replace("{kind}", each.kind) for each in lacks]
    return list(dict.fromkeys(lines))
