"""What has no place in a SQL seed, read off the tree of a statement.

Reference data goes into every environment, production too, and no migration's review sees it. So a script of it holds
statements that change rows, and nothing that reaches further than the tables of its own database.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from seedbed.engines.postgres.files.grammar import ParsedStatement
from seedbed.engines.postgres.rules import refusals
from seedbed.engines.postgres.rules.refusals import Refusal

_DATA = {"InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt", "SelectStmt"}
# Functions of the server and of its own extensions that change what is no row of a table, read files or take SQL as
# text. Others are of one row and its values, or the service's own, which its migrations made.
_REACHING = re.compile(
    r"set_config|setseed|lo_\w+|loread|lowrite|dblink\w*|postgres_fdw\w*|file_fdw\w*|http\w*|cron_\w*|xpath_table"
    r"|(query|cursor|table|schema|database)_to_xml\w*|ts_stat|ts_rewrite|connectby|crosstab\w*"
    r"|pg_(read|ls|stat_file|terminate|cancel|reload|rotate|switch|promote|backup|start|stop|wal|create|drop|copy|log"
    r"|logical|replication|notify|advisory|try_advisory|extension|import|export|safe_snapshot|file|current_logfile"
    r"|stat_reset|stat_clear|stat_force|clear|restore|set_relation|set_attribute|nextoid|prewarm|buffercache|relation"
    r"|truncate|sync|sleep)\w*"
)
_CALLED = re.compile(
    rb'"funcname":\[(?:\{"String":\{"sval":"[^"]*"\}\},)*\{"String":\{"sval":"([^"]*)"\}\}\]'
)
_INTO = re.compile(rb'"intoClause":')
_SERVER_S = re.compile(rb'"schemaname":"(?:pg_|information_schema")')
_WORDS = {"schemaname", "newschema", "subname", "newname"}
_ROWS_ONLY = "reference data goes into every environment, production too: it changes rows, and nothing else"


def refusal(
    statement: ParsedStatement, words: str, history_schema: str, *, rows_only: bool
) -> Refusal | None:
    """Return why `statement` has no place in a seed, None where it has; `rows_only`: in one of reference data.

    `words`: what the statement is, for people. A tree is read as a whole only where its bytes give cause to: the rows
    of an INSERT may be most of a large file.
    """
    if found := refusals.refusal(statement):
        return found
    if _mentions(statement, history_schema) and history_schema in _schemas(statement.node()):
        return Refusal(
            f"a seed touches the schema {history_schema}, which belongs to seedbed",
            "it holds the history of this database, and which one it is",
            "leave it out",
        )
    if not rows_only:
        return None
    if statement.kind not in _DATA or _INTO.search(statement.tree):
        what = "SELECT INTO" if statement.kind == "SelectStmt" else words
        return Refusal(
            f"{what} has no place in reference data",
            _ROWS_ONLY,
            "make it a migration; here INSERT, UPDATE, DELETE, MERGE and SELECT have their place",
        )
    called = (each[1].decode() for each in _CALLED.finditer(statement.tree))
    if reaching := next((each for each in called if _REACHING.fullmatch(each)), ""):
        return Refusal(f"{reaching}() has no place in reference data", _ROWS_ONLY, "make it a migration")
    if _SERVER_S.search(statement.tree):
        written = set(_written(statement.kind, statement.node()))
        if server_s := next((each for each in sorted(written) if _is_the_server_s(each)), ""):
            return Refusal(f"a seed changes the schema {server_s}", "it is the server's own", "leave it out")
    return None


def _mentions(statement: ParsedStatement, name: str) -> bool:
    return re.search(re.escape(json.dumps(name, ensure_ascii=False).encode()), statement.tree) is not None


def _is_the_server_s(schema: str) -> bool:
    return schema.startswith("pg_") or schema == "information_schema"


def _schemas(tree: Any) -> Iterator[str]:
    """Yield the schemas that a tree may name, and other names besides; those of columns are left out.

    Names stand in a tree as lists of strings, alone where a command is about a schema itself, or under a word.
    """
    for kind, node in [("", tree), *_nodes(tree)]:
        for word, value in node.items():
            if word in _WORDS and isinstance(value, str):
                yield value
            elif isinstance(value, list) and kind != "ColumnRef":
                yield from (each["String"].get("sval", "") for each in value if "String" in each)
            elif word == "object" and "String" in value:
                yield value["String"].get("sval", "")


def _written(kind: str, tree: dict[str, Any]) -> Iterator[str]:
    """Yield the schemas of tables that a statement changes, in its WITH as well."""
    for inner, node in [(kind, tree), *_nodes(tree)]:
        relation = node.get("relation") if inner in _DATA else None
        if isinstance(relation, dict) and relation.get("schemaname"):
            yield relation["schemaname"]


def _nodes(tree: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield all nodes in a tree with the names that they have there: `{"FuncCall": {…}}`, `"relation": {…}`."""
    if isinstance(tree, list):
        for each in tree:
            yield from _nodes(each)
    elif isinstance(tree, dict):
        for kind, node in tree.items():
            if isinstance(node, dict):
                yield ("RangeVar" if "relname" in node else kind), node
            yield from _nodes(node)
