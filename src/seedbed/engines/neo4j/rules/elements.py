"""The nodes and relationships of a statement's patterns, as far as their labels and variables are told. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct

from seedbed.engines.neo4j.files.lexer import Token, TokenKind, is_word

_BEFORE = (  # words after which a bracket opens a pattern, and no arguments
    *("MATCH", "MERGE", "CREATE", "INSERT", "WHERE", "AND", "OR", "XOR", "NOT", "EXISTS", "COUNT", "COLLECT"),
    *("SHORTEST", "PATH", "PATHS", "ALL", "ANY", "IN", "THEN", "ELSE", "WHEN", "RETURN", "WITH"),
)
_INSIDE = (":", "{", ")", "]", "WHERE", "*", "IS")


class Element(Struct, frozen=True):
    """A node or a relationship in a pattern; `at`: the position of its bracket among the tokens.

    `variable`: "" of one without. `labels`: those that it names, or types; `is_open`: it may have others, or none of
    these, as `!A`, `%` or `$(label)` say.
    """

    at: int
    variable: str
    labels: tuple[str, ...]
    is_open: bool


def elements(tokens: Sequence[Token]) -> Iterator[Element]:
    """Yield the elements of all patterns; what only looks like one is one, too: `(n)` in an expression."""
    for at, token in enumerate(tokens):
        is_node = token.says("(") and not _is_call(tokens, at)
        is_relationship = token.says("[") and at > 0 and tokens[at - 1].says("-")
        if not (is_node or is_relationship):
            continue
        inside = at + 1
        variable = ""
        if inside < len(tokens) and tokens[inside].is_name and not tokens[inside].says("WHERE"):
            variable = tokens[inside].value
            inside += 1
        if not is_word(tokens, inside, *_INSIDE):
            continue  # an expression in brackets
        labels, is_open = _labels(tokens, inside)
        yield Element(at, variable, labels, is_open)


def _is_call(tokens: Sequence[Token], at: int) -> bool:
    if not at:
        return False
    before = tokens[at - 1]
    return before.is_name and not before.says(*_BEFORE)


def _labels(tokens: Sequence[Token], at: int) -> tuple[tuple[str, ...], bool]:
    """Return the names after a colon, and whether they do not say all."""
    if not is_word(tokens, at, ":", "IS"):
        return (), True
    depth, found, is_open = tokens[at].depth, list[str](), False
    for token in tokens[at + 1 :]:
        if token.depth < depth or token.says("{", "WHERE", "*", ")", "]"):
            break
        if token.says("!", "%", "$") or token.kind is TokenKind.PARAMETER:
            is_open = True
        elif token.is_name:
            found.append(token.value)
    return tuple(dict.fromkeys(found)), is_open
