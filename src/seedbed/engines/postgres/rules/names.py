"""Which tables a migration makes, and which it needs. What code in strings does is not looked into.

A table of the schema `public` is named without it. Names are read off the JSON of a tree by their form: rows by the
thousand have no names, and decoding them all would take most of the time.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from msgspec import Struct, field

from seedbed.engines.postgres.files.grammar import ParsedStatement
from seedbed.engines.postgres.files.libpg_query import GrammarError
from seedbed.engines.postgres.files.placed import placed
from seedbed.engines.postgres.files.trees import strings_of
from seedbed.engines.postgres.rules import registry
from seedbed.model.hazard import Hazard
from seedbed.model.migration import Migration
from seedbed.model.ownership import Mention, Named

_PUBLIC = "public"
_TEXT = rb'"((?:[^"\\]|\\.)*)"'
_RELATION = re.compile(rb'\{(?:"schemaname":' + _TEXT + rb',)?"relname":' + _TEXT)
_INNER = re.compile(rb'"(?:ctename|aliasname)":' + _TEXT)  # what a name stands for in one statement only
_INTO = re.compile(rb'"(?:into|intoClause)":\{"rel":(?=\{)')
_ABOUT = re.compile(rb'"(?:objtype|renameType|objectType)":"(OBJECT_\w+)"')

_MAKES_ITS_FIRST = frozenset({"CreateStmt", "CreateForeignTableStmt", "ViewStmt", "CompositeTypeStmt"})
_MOVES_ITS_FIRST = frozenset({"RenameStmt", "AlterObjectSchemaStmt"})
_MAY_BE_ABOUT_OTHERS = _MOVES_ITS_FIRST | {"AlterTableStmt", "GrantStmt"}
_NAMES_NO_TABLE = frozenset(
    {"CreateSeqStmt", "AlterSeqStmt", "ReindexStmt", "CommentStmt", "TransactionStmt"}
)
_RUNS_CODE = frozenset({"DoStmt", "CallStmt"})
_TABLES = frozenset({"OBJECT_TABLE", "OBJECT_VIEW", "OBJECT_MATVIEW", "OBJECT_FOREIGN_TABLE"})
_OF_TABLES = _TABLES | {"OBJECT_COLUMN", "OBJECT_TABCONSTRAINT"}
_SYSTEM = re.compile(r"pg_.*|information_schema")


def named(migration: Migration, search_path: Sequence[str]) -> Named:
    """Return what the up section of `migration` makes and needs; `search_path`: of its database, as declared."""
    found = _Reading(tuple(each for each in search_path if each != '"$user"') or (_PUBLIC,))
    for step in migration.up:
        if step.backfill:
            schema, _, table = step.backfill.table.rpartition(".")
            found.need(schema, table, step.line)
        try:
            for statement, line in placed(step):
                found.read(statement, line)
                if statement.kind in _RUNS_CODE:
                    found.hidden.append(step.body)
        except GrammarError:  # a function over rows
            found.hidden.append(step.body)
    return Named(frozenset(found.makes), tuple(found.needs.values()), tuple(dict.fromkeys(found.hidden)))


def foreign(mention: Mention, name: str, owner: str, *, is_there: bool) -> Hazard:
    """Return the hazard that `mention` is `name`, a table of `owner`."""
    because = "" if is_there else "it is not in this database, and no migration of this service creates it"
    what = f"names {name}, a table of {owner}"
    return registry.NAMES_OTHERS.hazard(what, because=because, line=mention.line)


class _Reading(Struct):
    """What has been read so far. `path`: the schemas that a name without one may be in, the first for what is made."""

    path: tuple[str, ...]
    makes: set[str] = field(default_factory=set)
    needs: dict[tuple[str, ...], Mention] = field(default_factory=dict)
    hidden: list[str] = field(default_factory=list)

    def read(self, statement: ParsedStatement, line: int) -> None:
        """Add what `statement` makes and needs."""
        tree, kind = bytes(statement.tree), statement.kind
        about = _ABOUT.search(tree) if kind in _MAY_BE_ABOUT_OTHERS else None
        if kind in _NAMES_NO_TABLE or (about and about[1].decode() not in _OF_TABLES):
            return
        if kind == "DropStmt":
            self._read_drop(statement, line)
            return
        inner = {_text(each) for each in _INNER.findall(tree)}
        made = {each.end() for each in _INTO.finditer(tree)}
        around = str(statement.node().get("schemaname", "")) if kind == "CreateSchemaStmt" else ""
        for number, match in enumerate(_RELATION.finditer(tree)):
            schema, name = _text(match[1] or b""), _text(match[2])
            is_first = number == 0
            if around or (is_first and kind in _MAKES_ITS_FIRST) or match.start() in made:
                self.makes.add(_name(schema or around or self.path[0], name))
            elif schema or name not in inner:
                self.need(schema, name, line)
            if is_first and kind in _MOVES_ITS_FIRST:
                self._read_move(statement, schema, name)

    def need(self, schema: str, table: str, line: int) -> None:
        """Add a table that has to be there, unless a statement before this one makes it, or PostgreSQL has it."""
        if _SYSTEM.fullmatch(schema or table):
            return
        names = tuple(_name(each, table) for each in ((schema,) if schema else self.path))
        if self.makes.isdisjoint(names):
            is_apart = bool(schema) and schema not in {_PUBLIC, *self.path}
            self.needs.setdefault(names, Mention(names, line, is_apart))

    def _read_drop(self, statement: ParsedStatement, line: int) -> None:
        node = statement.node()
        if node["removeType"] in _TABLES and not node.get("missing_ok"):
            for each in node["objects"]:
                *schemas, table = strings_of(each["List"]["items"])
                self.need(schemas[-1] if schemas else "", table, line)

    def _read_move(self, statement: ParsedStatement, schema: str, name: str) -> None:
        node = statement.node()
        is_renamed = node.get("renameType") in _TABLES
        schema = str(node.get("newschema", schema or self.path[0]))
        self.makes.add(_name(schema, str(node["newname"]) if is_renamed else name))


def _name(schema: str, table: str) -> str:
    return table if schema == _PUBLIC else f"{schema}.{table}"


def _text(raw: bytes) -> str:
    return raw.decode() if b"\\" not in raw else str(json.loads(b'"' + raw + b'"'))
