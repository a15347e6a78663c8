"""What of a migration reaches beyond its own database: to what all databases of a server have in common.

A server lets the login that migrates do hardly any of it. What is found here is told before anything was tried. Code
in strings, of `DO` and of functions, is searched for words.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

from seedbed.engines.postgres.files.grammar import ParsedStatement
from seedbed.engines.postgres.files.libpg_query import GrammarError
from seedbed.engines.postgres.files.placed import placed
from seedbed.engines.postgres.files.trees import Tree
from seedbed.engines.postgres.rules import registry
from seedbed.model.hazard import Hazard, HazardRule
from seedbed.model.migration import Step

Found = tuple[HazardRule, str]

# In the text of whatever does: most migrations are not parsed a second time
_REACHES = re.compile(
    r"role|user|group|grant|revoke|owner|owned|authorization|policy|system|database|tablespace|extension|event"
    r"|language|subscription|server|wrapper|copy|load|checkpoint|cron|pg_|\blo_",
    re.IGNORECASE,
)
_ROLES = {
    "CreateRoleStmt": "CREATE ROLE",
    "AlterRoleStmt": "ALTER ROLE",
    "AlterRoleSetStmt": "ALTER ROLE … SET",
    "DropRoleStmt": "DROP ROLE",
    "GrantRoleStmt": "GRANT or REVOKE of a role",
    "ReassignOwnedStmt": "REASSIGN OWNED",
    "DropOwnedStmt": "DROP OWNED",
}
_SERVER = {
    "AlterSystemStmt": "ALTER SYSTEM",
    "CreatedbStmt": "CREATE DATABASE",
    "DropdbStmt": "DROP DATABASE",
    "AlterDatabaseStmt": "ALTER DATABASE",
    "AlterDatabaseSetStmt": "ALTER DATABASE … SET",
    "CreateTableSpaceStmt": "CREATE TABLESPACE",
    "DropTableSpaceStmt": "DROP TABLESPACE",
    "AlterTableSpaceOptionsStmt": "ALTER TABLESPACE",
    "AlterTableMoveAllStmt": "ALTER … ALL IN TABLESPACE",
    "CheckPointStmt": "CHECKPOINT",
}
_ADMINISTRATORS = {
    "CreateEventTrigStmt": "CREATE EVENT TRIGGER",
    "AlterEventTrigStmt": "ALTER EVENT TRIGGER",
    "CreateFdwStmt": "CREATE FOREIGN DATA WRAPPER",
    "CreateForeignServerStmt": "CREATE SERVER",
    "CreateSubscriptionStmt": "CREATE SUBSCRIPTION",
    "AlterSubscriptionStmt": "ALTER SUBSCRIPTION",
    "DropSubscriptionStmt": "DROP SUBSCRIPTION",
    "CreateAmStmt": "CREATE ACCESS METHOD",
    "LoadStmt": "LOAD",
}
_BY_KIND = {
    registry.CHANGES_ROLES: _ROLES,
    registry.CHANGES_SERVER: _SERVER,
    registry.NEEDS_ADMINISTRATOR: _ADMINISTRATORS,
}
_BY_OBJECT = {
    "OBJECT_ROLE": (registry.CHANGES_ROLES, "a role"),
    "OBJECT_DATABASE": (registry.CHANGES_SERVER, "a database by its name"),
    "OBJECT_TABLESPACE": (registry.CHANGES_SERVER, "a tablespace"),
    "OBJECT_PARAMETER_ACL": (registry.CHANGES_SERVER, "a setting of the server"),
    "OBJECT_EVENT_TRIGGER": (registry.NEEDS_ADMINISTRATOR, "an event trigger"),
}
# Those of PostgreSQL's own that say `trusted = true`, and pgvector
_TRUSTED = frozenset(
    {
        "bool_plperl",
        "btree_gin",
        "btree_gist",
        "citext",
        "cube",
        "dict_int",
        "fuzzystrmatch",
        "hstore",
        "intarray",
    }
    | {
        "isn",
        "jsonb_plperl",
        "lo",
        "ltree",
        "pgcrypto",
        "pg_trgm",
        "plperl",
        "plpgsql",
        "pltcl",
        "seg",
        "tablefunc",
    }
    | {"tcn", "tsm_system_rows", "tsm_system_time", "unaccent", "uuid-ossp", "vector"}
)
_NAMED_ROLE = re.compile(rb'"roletype":"ROLESPEC_CSTRING","rolename":"((?:[^"\\]|\\.)*)"')
_OBJECT = re.compile(rb'"(?:objtype|renameType|objectType|removeType)":"(OBJECT_\w+)"')
_TABLESPACE = re.compile(rb'"(?:tablespacename|tableSpace)":"(?!pg_default")|"subtype":"AT_SetTableSpace"')
_CALL = re.compile(
    rb'"funcname":\[(?:\{"String":\{"sval":"(?P<schema>\w+)"\}\},)?\{"String":\{"sval":"(?P<name>\w+)"\}\}\]'
)
_FAR_CALLS = re.compile(
    r"pg_(?:terminate|cancel)_backend|pg_reload_conf|pg_rotate_logfile|pg_switch_wal|pg_promote|pg_stat_reset_shared"
    r"|pg_(?:create|drop|copy)_\w*replication_\w+|pg_read_\w*file|pg_ls_\w+|lo_import|lo_export"
)
_CRON = re.compile(rb'"schemaname":"cron"')
_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
_IN_CODE = (
    (
        registry.CHANGES_ROLES,
        r"\b(?:create|alter|drop)\s+(?:role|user(?!\s+mapping)|group)\b|\b(?:reassign|drop)\s+owned\b",
    ),
    (registry.CHANGES_SERVER, r"\balter\s+system\b|\b(?:create|drop)\s+database\b|\btablespace\b"),
    (
        registry.NEEDS_ADMINISTRATOR,
        r"\bcreate\s+(?:event\s+trigger|subscription|server)\b|\bcopy\b[^;]*\bprogram\b",
    ),
    (registry.REACHES_OTHERS, r"\bcron\.\w+|\bpg_(?:terminate|cancel)_backend\b|\bpg_reload_conf\b"),
)
_CODE = tuple((rule, re.compile(words, re.IGNORECASE)) for rule, words in _IN_CODE)


def beyond(steps: Sequence[Step]) -> Iterator[Hazard]:
    """Yield what the statements of `steps` do beyond their database, in the order of their lines, each rule once."""
    for step in steps:
        if _REACHES.search(step.body):
            with suppress(GrammarError):  # what is no SQL is reported as that, or is a function over rows
                for statement, line in placed(step):
                    said = set()
                    for rule, what in _found(statement):
                        if rule.code not in said:
                            said.add(rule.code)
                            yield rule.hazard(what, line=line)


def _found(statement: ParsedStatement) -> Iterator[Found]:
    kind, tree = statement.kind, bytes(statement.tree)
    for rule, words in _BY_KIND.items():
        if kind in words:
            yield rule, words[kind]
            return
    if find := _OF_ONE_KIND.get(kind):
        yield from find(statement.node())
    if kind in {"DoStmt", "CreateFunctionStmt"}:
        yield from _in_code(statement.node())
    if (about := _OBJECT.search(tree)) and (named := _BY_OBJECT.get(about[1].decode())):
        rule, what = named
        yield rule, f"names {what}"
    if _TABLESPACE.search(tree):
        yield registry.CHANGES_SERVER, "names a tablespace"
    yield from _calls(tree)
    yield from _logins(tree)


def _of_extension(node: Tree) -> Iterator[Found]:
    if node["extname"] not in _TRUSTED:
        yield registry.NEEDS_ADMINISTRATOR, f"CREATE EXTENSION {node['extname']}"


def _of_copy(node: Tree) -> Iterator[Found]:
    if node.get("is_program") or node.get("filename"):
        yield registry.NEEDS_ADMINISTRATOR, "COPY with a program or a file of the server"


_OF_ONE_KIND: dict[str, Callable[[Tree], Iterator[Found]]] = {
    "CreateExtensionStmt": _of_extension,
    "CopyStmt": _of_copy,
}


def _in_code(node: Tree) -> Iterator[Found]:
    text = _COMMENT.sub(" ", " ".join(_strings(node)))
    for rule, words in _CODE:
        if match := words.search(text):
            yield rule, f"{' '.join(match[0].split())} in code"


def _strings(node: object) -> Iterator[str]:
    """Yield the texts of the bodies below `node`."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "sval" and isinstance(value, str):
                yield value
            else:
                yield from _strings(value)
    elif isinstance(node, list):
        for each in node:
            yield from _strings(each)


def _calls(tree: bytes) -> Iterator[Found]:
    for call in _CALL.finditer(tree):
        name = call["name"].decode()
        if call["schema"] == b"cron" or (
            call["schema"] in {None, b"pg_catalog"} and _FAR_CALLS.fullmatch(name)
        ):
            schema = f"{call['schema'].decode()}." if call["schema"] else ""
            yield registry.REACHES_OTHERS, f"{schema}{name}(…)"
    if _CRON.search(tree):
        yield registry.REACHES_OTHERS, "names a table of cron"


def _logins(tree: bytes) -> Iterator[Found]:
    for found in _NAMED_ROLE.findall(tree):
        name = str(json.loads(b'"' + found + b'"'))
        if not name.startswith("pg_"):
            yield registry.NAMES_LOGINS, f"names the login {name}"
