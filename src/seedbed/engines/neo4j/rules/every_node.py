"""Statements that change whatever nodes there are, seedbed's own among them: no pattern says which ones are meant.

seedbed's nodes have a label and no relationships. So only a pattern that is one node without a label can find them, or
may be one: `MATCH (n)`, `MATCH p = ()`, `MATCH (n)-[*0..]-()`, and not `MATCH (n:Skill)` or `MATCH (n)-[:TEACHES]->()`.
MERGE finds what MATCH finds, all of it, before it creates anything: `MERGE (n) SET n.x = 1` changes every node.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import takewhile

from msgspec import Struct

from seedbed.engines.neo4j.files.lexer import LexError, Token, TokenKind, scan

_CLAUSES = (
    "CALL",
    "CREATE",
    "DELETE",
    "DETACH",
    "FILTER",
    "FINISH",
    "FOREACH",
    "INSERT",
    "LET",
    "LIMIT",
    "LOAD",
    "MATCH",
    "MERGE",
    "NODETACH",
    "OFFSET",
    "OPTIONAL",
    "ORDER",
    "REMOVE",
    "RETURN",
    "SET",
    "SKIP",
    "UNION",
    "UNWIND",
    "USE",
    "USING",
    "WHERE",
    "WITH",
)
_CHANGES = ("DELETE", "REMOVE", "SET")
_BINDS = ("AS", "YIELD")


class _Found(Struct):
    """The variables of a statement, by what is known about them."""

    bare: dict[str, Token]  # found as a node alone without a label, and where
    known: set[str]  # have a label, or are found along a relationship
    bound: set[str]  # bound by AS, YIELD or FOREACH: an alias of what is found elsewhere


def every_node(tokens: Sequence[Token]) -> Token | None:
    """Return the pattern of `tokens`, a statement, that matches every node, where the statement changes them."""
    return _every_node(tokens) or _in_texts(tokens)


def _every_node(tokens: Sequence[Token]) -> Token | None:
    changed = set(_changed(tokens))
    if not changed:
        return None
    found = _variables(tokens)
    bare = {name: token for name, token in found.bare.items() if name not in found.known | found.bound}
    if not bare:
        return None
    direct = next((token for name, token in bare.items() if name in changed), None)
    # `WITH collect(n) AS all FOREACH (one IN all | DELETE one)`: what an alias stands for is not looked into.
    return direct or (next(iter(bare.values())) if changed & found.bound - found.known else None)


def _in_texts(tokens: Sequence[Token]) -> Token | None:
    """Do the same for Cypher that is handed to a procedure of APOC: `apoc.periodic.iterate('MATCH (n) …', …)`."""
    if not any(token.says("APOC") for token in tokens):
        return None
    texts = [token for token in tokens if token.kind is TokenKind.STRING]
    inside = " ".join(each.value[1:-1].replace("\\n", " ") for each in texts)
    try:
        return texts[0] if texts and _every_node(scan(inside)) else None
    except LexError:
        return None


def _variables(tokens: Sequence[Token]) -> _Found:
    found = _Found({}, set(), set())
    for path, pattern, is_optional in _patterns(tokens):
        nodes = [each for each in _nodes(pattern) if each]
        is_alone = _is_one_node(pattern) or (
            _may_be_one_node(pattern)
            and not any(_says_label(each) or each[0].value in found.known for each in nodes)
        )
        if path and is_alone and not any(map(_says_label, nodes)):
            found.bare.setdefault(path.value, path)  # what is made of it: nodes(p), or DELETE p
        for node in nodes:
            if node[0].is_name and not node[0].says("WHERE"):
                name = node[0].value
                if not is_alone or _says_label(node):
                    if not (is_optional and name in found.bare):  # it leaves out none that was found before
                        found.known.add(name)
                else:
                    found.bare.setdefault(name, node[0])
    for at, token in enumerate(tokens[:-1]):
        following = tokens[at + 1]
        if token.says(*_BINDS) and following.is_name:
            found.bound.add(following.value)
        elif token.is_name and following.says("IN") and _is_in_foreach(tokens, at):
            found.bound.add(token.value)
        elif token.is_name and following.says(":") and _is_predicate(tokens, at):
            found.known.add(token.value)
    return found


def _is_one_node(pattern: Sequence[Token]) -> bool:
    """Return whether `pattern` is one pair of round brackets, and no path."""
    is_closed = pattern[0].says("(") and pattern[-1].says(")") and pattern[-1].depth == pattern[0].depth
    return is_closed and not any(token.says("(") and token.depth == pattern[0].depth for token in pattern[1:])


def _may_be_one_node(pattern: Sequence[Token]) -> bool:
    """Return whether `pattern` has a part that matches no relationship as well: `-[*0..2]-`, `->*`, `){0,3}`."""
    for at in range(1, len(pattern)):
        is_quantifier = pattern[at - 1].says(")", "-", ">")
        least = pattern[at + 1].value if at + 1 < len(pattern) else ""
        if pattern[at].says("*") and (is_quantifier or least == "0"):
            return True
        if pattern[at].says("{") and is_quantifier and least in {"0", ","}:
            return True
    return False


def _is_in_foreach(tokens: Sequence[Token], at: int) -> bool:
    return at >= 2 and tokens[at - 1].says("(") and tokens[at - 2].says("FOREACH")


def _is_predicate(tokens: Sequence[Token], at: int) -> bool:
    """Return whether the name at `at`, before a colon, has to have a label: `WHERE n:Skill`, not `NOT n:Skill`."""
    if not (
        at > 0 and tokens[at - 1].says("WHERE", "AND") and at + 2 < len(tokens) and tokens[at + 2].is_name
    ):
        return False
    condition = takewhile(lambda each: not each.says(*_CLAUSES), tokens[at:])
    return not any(each.says("OR", "XOR") and each.depth == tokens[at].depth for each in condition)


def _patterns(tokens: Sequence[Token]) -> Iterator[tuple[Token | None, list[Token], bool]]:
    """Yield each path that a MATCH or MERGE of `tokens` looks for: its name or None, what it is, if it is optional."""
    for at, token in enumerate(tokens):
        if not token.says("MATCH", "MERGE") or _is_property(tokens, at):
            continue
        pattern: list[Token] = []
        is_optional = at > 0 and tokens[at - 1].says("OPTIONAL")
        for each in tokens[at + 1 :]:
            if each.depth < token.depth or (each.depth == token.depth and each.says(*_CLAUSES, "ON")):
                break
            if each.depth == token.depth and each.says(",") and pattern:
                yield *_named(pattern), is_optional
                pattern = []
            else:
                pattern.append(each)
        if pattern:
            yield *_named(pattern), is_optional


def _named(pattern: list[Token]) -> tuple[Token | None, list[Token]]:
    return (pattern[0], pattern[2:]) if len(pattern) > 2 and pattern[1].says("=") else (None, pattern)


def _nodes(pattern: Sequence[Token]) -> Iterator[list[Token]]:
    """Yield what is between the round brackets of each node in `pattern`."""
    for at, token in enumerate(pattern):
        if token.says("("):
            inside: list[Token] = []
            for each in pattern[at + 1 :]:
                if each.says(")") and each.depth == token.depth:
                    break
                inside.append(each)
            yield inside


def _says_label(node: Sequence[Token]) -> bool:
    """Return whether a node's pattern names a label; `:%` is any, and `:!Skill` every other one."""
    depth = node[0].depth
    at = next(
        (index for index, each in enumerate(node) if each.depth == depth and each.says(":", "IS")), None
    )
    if at is None:
        return False
    label: list[list[Token]] = [[]]  # by what has to hold together
    for each in node[at + 1 :]:
        if each.depth == depth and each.says("WHERE", "{"):
            break
        if each.depth == depth and each.says("&"):
            label.append([])
        else:
            label[-1].append(each)
    return any(not any(each.says("%", "!") for each in part) for part in label)


def _changed(tokens: Sequence[Token]) -> Iterator[str]:
    """Yield the variables that `tokens` delete, or whose properties or labels they change: all that a target names."""
    for at, token in enumerate(tokens):
        if not token.says(*_CHANGES) or _is_property(tokens, at) or _is_on_create(tokens, at):
            continue
        is_target, before = True, token
        for each in tokens[at + 1 :]:
            is_outside = each.depth == token.depth
            if each.depth < token.depth or (is_outside and each.says(*_CLAUSES, "ON", "|")):
                break
            if is_outside and each.says(",", "=", "+", ":"):
                is_target = each.says(",")
            elif is_target and each.is_name and not before.says("."):
                yield each.value
            before = each


def _is_property(tokens: Sequence[Token], at: int) -> bool:
    """Return whether the word at `at` is the name of a property or a label, and no clause."""
    is_key = at + 1 < len(tokens) and tokens[at + 1].says(":") and tokens[at].depth > 0
    return is_key or (at > 0 and tokens[at - 1].says(".", ":"))


def _is_on_create(tokens: Sequence[Token], at: int) -> bool:
    return at >= 2 and tokens[at - 1].says("CREATE") and tokens[at - 2].says("ON")
