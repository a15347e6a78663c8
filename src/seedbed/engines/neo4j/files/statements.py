"""The kind of a statement, its parameters, and its description in one line."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum, auto

from seedbed.engines.neo4j.files.lexer import Token, TokenKind, is_word
from seedbed.engines.neo4j.files.split import Statement
from seedbed.support.phrases import LINE, one_line

_INDEX_KINDS = ("RANGE", "TEXT", "POINT", "LOOKUP", "FULLTEXT", "VECTOR", "BTREE")


class StatementKind(Enum):
    """DATA commits together with its record; SCHEMA and IN_TRANSACTIONS commit alone."""

    DATA = auto()
    SCHEMA = auto()
    IN_TRANSACTIONS = auto()


def body_of(statement: Statement) -> tuple[Token, ...]:
    """Return the tokens of `statement` without its prefix: `CYPHER 25 planner=cost`."""
    tokens = statement.tokens
    if not tokens[0].says("CYPHER"):
        return tokens
    position = 1
    while position < len(tokens) and tokens[position].value[0].isdigit():
        position += 3 if is_word(tokens, position + 1, ".") else 1
    while is_word(tokens, position + 1, "="):
        position += 3
    return tokens[position:]


def kind_of(statement: Statement) -> StatementKind:
    """Return the kind of `statement`."""
    tokens = body_of(statement)
    if schema_noun(tokens):
        return StatementKind.SCHEMA
    return StatementKind.IN_TRANSACTIONS if batches_of(tokens) else StatementKind.DATA


def schema_noun(tokens: Sequence[Token]) -> str:
    """Return CONSTRAINT or INDEX where `tokens` create or drop one, else ""."""
    if not tokens or not tokens[0].says("CREATE", "DROP"):
        return ""
    position = 1
    if is_word(tokens, 1, "OR") and is_word(tokens, 2, "REPLACE"):
        position = 3
    if is_word(tokens, position, *_INDEX_KINDS):
        position += 1
    is_path = is_word(tokens, position + 1, "=")  # CREATE index = (…)
    if is_path or not is_word(tokens, position, "CONSTRAINT", "INDEX"):
        return ""
    return tokens[position].value.upper()


def batches_of(tokens: Sequence[Token]) -> tuple[Token, ...]:
    """Return what follows the braces of the `CALL {…} IN … TRANSACTIONS` in `tokens`; () where there is none."""
    opened: list[bool] = []  # for each brace: whether it is that of a subquery that is called
    for index, token in enumerate(tokens):
        if token.says("{"):
            opened.append(_is_call(tokens, index))
        elif token.says("}") and opened and opened.pop() and is_word(tokens, index + 1, "IN"):
            following = tokens[index + 2 :]
            if _says_transactions(following):
                return tuple(following)
    return ()


def _is_call(tokens: Sequence[Token], brace: int) -> bool:
    """Return whether the brace at `brace` follows CALL, or CALL and what it takes in round brackets."""
    if brace and tokens[brace - 1].says("CALL"):
        return True
    if not brace or not tokens[brace - 1].says(")"):
        return False
    depth = tokens[brace - 1].depth
    opening = next(
        index
        for index in range(brace - 2, -1, -1)
        if tokens[index].says("(") and tokens[index].depth == depth
    )
    return opening > 0 and tokens[opening - 1].says("CALL")


def _says_transactions(tokens: Sequence[Token]) -> bool:
    """Return whether `tokens` begin with TRANSACTIONS, or a number that is CONCURRENT and then TRANSACTIONS."""
    if tokens and tokens[0].says("TRANSACTION", "TRANSACTIONS"):
        return True
    concurrent = next((index for index, each in enumerate(tokens) if each.says("CONCURRENT")), None)
    return concurrent is not None and is_word(tokens, concurrent + 1, "TRANSACTION", "TRANSACTIONS")


def parameters_of(tokens: Sequence[Token]) -> dict[str, Token]:
    """Return the parameters among `tokens` by name, the first of each."""
    found: dict[str, Token] = {}
    for token in tokens:
        if token.kind is TokenKind.PARAMETER:
            found.setdefault(token.value, token)
    return found


def summary(statements: Sequence[Statement]) -> str:
    """Return one line of at most 80 characters about `statements`."""
    line = ", ".join(describe(each) for each in statements[:LINE])
    return one_line(f"{len(statements)} statements: {line}" if len(statements) > 1 else line)


def describe(statement: Statement) -> str:
    """Return `statement` up to its first string, on one line and without comments: a literal may be a secret."""
    said, end = "", -1
    for token in body_of(statement):
        said += " " if 0 <= end < token.start and not token.says(")", "]", "}", ",") else ""
        if token.kind is TokenKind.STRING:
            said += "…"
            break
        said += statement.text[token.start - statement.start : token.end - statement.start]
        end = token.end
        if len(said) > LINE:
            break
    return one_line(said)
