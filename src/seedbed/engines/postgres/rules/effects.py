"""What a statement outside a transaction does, where the catalogue shows it."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

from msgspec import Struct

from seedbed.engines.postgres.files.grammar import parse
from seedbed.engines.postgres.files.quoting import quoted_name
from seedbed.engines.postgres.files.trees import Tree, detached_partition, names_of, strings_of


class EffectKind(StrEnum):
    CREATE_INDEX = "create_index"
    DROP_INDEX = "drop_index"
    REINDEX_INDEX = "reindex_index"
    REINDEX_TABLE = "reindex_table"
    DETACH_PARTITION = "detach_partition"


class Effect(Struct, frozen=True):
    """What a statement outside a transaction does, where the catalogue shows it.

    `schema` and `name` are bare: of the index, of the table that is rebuilt, of the parent that is detached
    from. An index lives in the schema of its table. `table` and `partition` are quoted as SQL wants them.
    """

    kind: EffectKind
    schema: str | None
    name: str
    table: str | None = None
    partition: str | None = None
    if_exists: bool = False
    if_not_exists: bool = False


def effect(body: str) -> Effect | None:
    """Return what the single statement `body` does outside of a transaction, None where no catalogue shows it.

    Raises GrammarError.
    """
    statements = parse(body.encode(), ())
    if len(statements) != 1:
        return None
    find = _EFFECTS.get(statements[0].kind)
    return find(statements[0].node()) if find else None


def _effect_of_index(node: Tree) -> Effect | None:
    name, table = node.get("idxname"), node["relation"]
    if not name or not node.get("concurrent"):
        return None
    return Effect(
        EffectKind.CREATE_INDEX,
        table.get("schemaname"),
        name,
        table=quoted_name(*names_of(table)),
        if_not_exists=node.get("if_not_exists", False),
    )


def _effect_of_drop(node: Tree) -> Effect | None:
    objects = node["objects"]
    if node["removeType"] != "OBJECT_INDEX" or not node.get("concurrent") or len(objects) != 1:
        return None
    names = strings_of(objects[0]["List"]["items"])
    if len(names) > 2:
        return None
    schema = names[0] if len(names) == 2 else None
    return Effect(EffectKind.DROP_INDEX, schema, names[-1], if_exists=node.get("missing_ok", False))


def _effect_of_reindex(node: Tree) -> Effect | None:
    kinds = {
        "REINDEX_OBJECT_INDEX": EffectKind.REINDEX_INDEX,
        "REINDEX_OBJECT_TABLE": EffectKind.REINDEX_TABLE,
    }
    kind = kinds.get(node["kind"])
    if kind is None:
        return None
    return Effect(kind, node["relation"].get("schemaname"), node["relation"]["relname"])


def _effect_of_alter_table(node: Tree) -> Effect | None:
    partition = detached_partition(node)
    if partition is None:
        return None
    table = node["relation"]
    return Effect(
        EffectKind.DETACH_PARTITION,
        table.get("schemaname"),
        table["relname"],
        table=quoted_name(*names_of(table)),
        partition=quoted_name(*names_of(partition)),
        if_exists=node.get("missing_ok", False),
    )


_EFFECTS: dict[str, Callable[[Tree], Effect | None]] = {
    "IndexStmt": _effect_of_index,
    "DropStmt": _effect_of_drop,
    "ReindexStmt": _effect_of_reindex,
    "AlterTableStmt": _effect_of_alter_table,
}
