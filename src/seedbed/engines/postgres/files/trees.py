"""Read names and options from the tree of a statement."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Tree = dict[str, Any]


def names_of(relation: Tree) -> list[str]:
    return [relation[each] for each in ("catalogname", "schemaname", "relname") if relation.get(each)]


def strings_of(items: Sequence[Tree]) -> list[str]:
    return [each["String"].get("sval", "") for each in items if each and "String" in each]


def detached_partition(node: Tree) -> Tree | None:
    """Return the partition that an ALTER TABLE detaches CONCURRENTLY."""
    for each in node.get("cmds", ()):
        command = each["AlterTableCmd"]
        if command["subtype"] == "AT_DetachPartition" and command["def"]["PartitionCmd"].get("concurrent"):
            partition: Tree = command["def"]["PartitionCmd"]["name"]
            return partition
    return None


def is_concurrent(node: Tree) -> bool:
    """Return whether the REINDEX that `node` is says CONCURRENTLY."""
    return options_of(node.get("params")).get("concurrently", False)


def options_of(given: Sequence[Tree] | None) -> dict[str, bool]:
    """Return a list of options as name -> whether it is on; one without a value is."""
    elements = [each["DefElem"] for each in given or ()]
    return {each["defname"]: _is_on(each.get("arg")) for each in elements}


def _is_on(argument: Tree | None) -> bool:
    """Read a boolean as defGetBoolean does; a zero is left out of the JSON."""
    if argument is None:
        return True
    if "Integer" in argument:
        return bool(argument["Integer"].get("ival", 0))
    if "Boolean" in argument:
        return bool(argument["Boolean"].get("boolval", False))
    # `off` is a word of the grammar's, which takes it for the name of a type
    said = (
        strings_of(argument["TypeName"]["names"])[-1:] if "TypeName" in argument else strings_of([argument])
    )
    return [each.lower() for each in said] not in (["false"], ["off"])
