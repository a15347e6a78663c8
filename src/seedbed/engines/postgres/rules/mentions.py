"""Whether a statement, as pg_stat_statements keeps it, names a relation or a column of one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from msgspec import Struct, field

from seedbed.engines.postgres.files.grammar import parse
from seedbed.engines.postgres.files.libpg_query import GrammarError
from seedbed.engines.postgres.files.trees import Tree, names_of, strings_of

Mention = Literal["yes", "no", "unclear"]


class _Seen(Struct):
    """What a statement has: `names` that may be columns, `tables` that are the relation, as it calls them."""

    tables: set[str] = field(default_factory=set)
    names: set[str] = field(default_factory=set)
    whole: set[str] = field(default_factory=set)  # `*` ("") and `t.*`, `row_to_json(t)`: rows as they are


def mentions(text: str, relation: str, column: str = "") -> Mention:
    """Return whether a statement names `relation`, and where one is named `column` of it.

    A name without its table counts if the statement has the relation. Rows that are taken whole (`SELECT *`, INSERT
    without columns) leave it unclear; so does what the grammar does not know.
    """
    try:
        statements = parse(text.encode())
    except (GrammarError, ValueError):
        return "unclear" if (column or relation) in text else "no"
    verdicts = {_of({each.kind: each.node()}, relation, column) for each in statements}
    return "yes" if "yes" in verdicts else "unclear" if "unclear" in verdicts else "no"


def _of(tree: Tree, relation: str, column: str) -> Mention:
    seen = _Seen()
    for kind, node in _nodes(tree):
        _read(seen, kind, node, relation)
    if not seen.tables:
        return "no"
    if not column or column in seen.names:
        return "yes"
    return "unclear" if "" in seen.whole or seen.whole & seen.tables else "no"


def _nodes(tree: object, name: str = "") -> Iterator[tuple[str, Tree]]:
    """Yield each node of a tree, by the name that it has where it stands."""
    if isinstance(tree, list):
        for each in tree:
            yield from _nodes(each, name)
    elif isinstance(tree, dict):
        yield name, tree
        for key, each in tree.items():
            yield from _nodes(each, key)


def _read(seen: _Seen, kind: str, node: Tree, relation: str) -> None:
    if node.get("relname") == relation:
        seen.tables |= {relation, *([node["alias"]["aliasname"]] if node.get("alias") else [])}
    match kind:
        case "ColumnRef":
            fields = strings_of(node["fields"])
            if any("A_Star" in each for each in node["fields"]):
                seen.whole.add(fields[-1] if fields else "")
            else:
                seen.names.add(fields[-1])
                seen.whole |= {fields[-1]} if len(fields) == 1 else set()
        case "InsertStmt":
            _targets(seen, node.get("cols"))
            if not node.get("cols") and names_of(node["relation"])[-1] == relation:
                seen.whole.add("")
        case "UpdateStmt" | "onConflictClause" | "MergeWhenClause":
            _targets(seen, node.get("targetList"))
        case "IndexElem":
            seen.names.add(node.get("name", ""))
        case "CopyStmt":
            seen.names |= set(strings_of(node.get("attlist", ())))
            seen.whole |= set() if node.get("attlist") else {""}
        case "usingClause":
            seen.names |= set(strings_of([node]))
        case "JoinExpr" if node.get("isNatural"):
            seen.whole.add("")
        case _:
            return


def _targets(seen: _Seen, targets: list[Tree] | None) -> None:
    seen.names |= {each["ResTarget"].get("name", "") for each in targets or () if "ResTarget" in each}
