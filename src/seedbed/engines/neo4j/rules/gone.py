"""What migrations take away from those that use a graph: constraints, indexes, labels, properties."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from seedbed.engines.neo4j.files.commands import Noun, Verb, command_in
from seedbed.engines.neo4j.files.lexer import Token, is_word
from seedbed.engines.neo4j.files.split import split
from seedbed.engines.neo4j.files.statements import StatementKind, body_of, kind_of
from seedbed.engines.neo4j.rules.elements import Element, elements
from seedbed.model.migration import Migration
from seedbed.model.usage import Removed

INDEX, CONSTRAINT, LABEL, PROPERTY, ENTITIES = (
    "index",
    "constraint",
    "label",
    "property",
    "what is deleted of",
)
PROCEDURE = "what a procedure removes"
_NOUNS = {Noun.INDEX: INDEX, Noun.CONSTRAINT: CONSTRAINT}


def gone(migration: Migration) -> tuple[Removed, ...]:
    """Return what the up section of `migration` removes, each once."""
    found: dict[Removed, None] = {}
    for step in migration.up:
        for statement in split(step.body):
            if kind_of(statement) is StatementKind.SCHEMA:
                command = command_in(statement)
                if command.verb is Verb.DROP:
                    found[Removed(_NOUNS[command.noun], (command.name,))] = None
            else:
                found |= dict.fromkeys(_of_data(body_of(statement)))
    return tuple(found)


def _of_data(tokens: Sequence[Token]) -> Iterator[Removed]:
    bound: dict[str, Element] = {}
    for each in elements(tokens):
        if each.variable and (each.labels or each.variable not in bound):
            bound[each.variable] = each
    for at, token in enumerate(tokens):
        if at and tokens[at - 1].says(".", ":", "$"):
            continue  # a name that is spelt like a keyword
        if token.says("REMOVE"):
            yield from _items(tokens, at + 1, bound)
        elif token.says("SET"):
            yield from _nulls(tokens, at + 1, bound)
        elif token.says("DELETE"):
            yield from _deleted(tokens, at + 1, bound)
        elif token.says("CALL") and not is_word(tokens, at + 1, "{", "("):
            yield Removed(PROCEDURE, ())


def _items(tokens: Sequence[Token], at: int, bound: Mapping[str, Element]) -> Iterator[Removed]:
    """Yield what the items of REMOVE say: `n.prop`, `n:Label:Other`, `n[…]`; the variables stand in between."""
    depth = tokens[at].depth if at < len(tokens) else 0
    while at < len(tokens) and tokens[at].is_name:
        owner = _owner(bound, tokens[at].value)
        at += 1
        if is_word(tokens, at, ".") and at + 1 < len(tokens):
            yield Removed(PROPERTY, (*owner, tokens[at + 1].value))
            at += 2
        elif is_word(tokens, at, "["):
            yield Removed(PROPERTY, owner)
            at = next((i for i in range(at, len(tokens)) if _closes(tokens[i], depth)), len(tokens)) + 1
        while is_word(tokens, at, ":", "IS") and at + 1 < len(tokens):
            yield Removed(LABEL, (tokens[at + 1].value,))
            at += 2
        if not is_word(tokens, at, ","):
            return
        at += 1


def _closes(token: Token, depth: int) -> bool:
    return token.says("]") and token.depth == depth


def _nulls(tokens: Sequence[Token], at: int, bound: Mapping[str, Element]) -> Iterator[Removed]:
    """Yield the properties that SET makes null, which is to remove them."""
    for here in range(at, len(tokens) - 4):
        name, dot, member, equals, null = tokens[here : here + 5]
        if tokens[here].says("MATCH", "MERGE", "RETURN", "WITH", "REMOVE", "DELETE", "CREATE"):
            return
        if name.is_name and dot.says(".") and member.is_name and equals.says("=") and null.says("NULL"):
            yield Removed(PROPERTY, (*_owner(bound, name.value), member.value))


def _deleted(tokens: Sequence[Token], at: int, bound: Mapping[str, Element]) -> Iterator[Removed]:
    while at < len(tokens) and tokens[at].is_name:
        yield Removed(ENTITIES, _owner(bound, tokens[at].value))
        if not is_word(tokens, at + 1, ","):
            return
        at += 2


def _owner(bound: Mapping[str, Element], variable: str) -> tuple[str, ...]:
    """Return the label or type of a variable, if it has one and no other."""
    found = bound.get(variable)
    return found.labels if found and len(found.labels) == 1 and not found.is_open else ()
