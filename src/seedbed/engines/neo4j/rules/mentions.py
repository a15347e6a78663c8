"""Whether a statement that was run used a label or a property, as far as its text tells. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from seedbed.engines.neo4j.files.lexer import LexError, Token, is_word
from seedbed.engines.neo4j.files.names import HISTORY_LABEL
from seedbed.engines.neo4j.files.split import split
from seedbed.engines.neo4j.files.statements import StatementKind, body_of, kind_of
from seedbed.engines.neo4j.rules.elements import Element, elements

Verdict = Literal["yes", "no", "unclear"]
_OWN_PROCEDURES = ("dbms", "db", "tx")  # of the server; of them, `db.index` answers with nodes


def mentions_label(text: str, label: str) -> Verdict:
    """Return whether `text` asks for a label, sets or removes it."""
    tokens = _tokens(text)
    if tokens is None:
        return "unclear"
    for at, token in enumerate(tokens):
        before = tokens[at - 1] if at else None
        is_named = token.is_name and token.value == label and before is not None
        if is_named and before is not None and before.says(":", "|", "&", "!", "IS", "("):
            return "yes"
        if token.says("LABELS") and is_word(tokens, at + 1, "("):
            return "unclear"
        if token.says("$") and before is not None and before.says(":"):
            return "unclear"
    return "unclear" if _calls(tokens) else "no"


def mentions_property(text: str, owner: str, name: str) -> Verdict:
    """Return whether `text` reads or writes the property `name` of a label or type; `owner` "" where none is known.

    A whole node may be used for it or not.
    """
    tokens = _tokens(text)
    if tokens is None:
        return "unclear"
    found = list(elements(tokens))
    fitting = [each for each in found if not owner or each.is_open or owner in each.labels]
    if _calls(tokens):
        return "unclear"
    if not fitting:
        return "no"
    if any(_is_property(tokens, at, name) for at in range(len(tokens))):
        is_named = not owner or any(owner in each.labels for each in found)
        return "yes" if is_named else "unclear"
    return "unclear" if _is_whole(tokens, fitting) else "no"


def _tokens(text: str) -> Sequence[Token] | None:
    """Return the tokens of a statement about data; none of another one, None of what is not read."""
    try:
        statements = split(text)
    except LexError:
        return None
    if len(statements) != 1:
        return None
    tokens = body_of(statements[0])
    if not tokens or kind_of(statements[0]) is StatementKind.SCHEMA or tokens[0].says("SHOW", "TERMINATE"):
        return ()
    own = any(each.is_name and each.value == HISTORY_LABEL for each in tokens)
    return () if own else tokens


def _calls(tokens: Sequence[Token]) -> bool:
    """Return whether a procedure is called that may answer with nodes and relationships."""
    for at, token in enumerate(tokens):
        if token.says("CALL") and at + 1 < len(tokens) and tokens[at + 1].is_name:
            names = [each.value.lower() for each in tokens[at + 1 : at + 4 : 2]]
            if names[0] not in _OWN_PROCEDURES or names[1:] == ["index"]:
                return True
    return False


def _is_property(tokens: Sequence[Token], at: int, name: str) -> bool:
    """Return whether a token is `.name` or the key `name:` of a map."""
    if tokens[at].value != name or not tokens[at].is_name:
        return False
    before = tokens[at - 1] if at else None
    is_key = is_word(tokens, at + 1, ":") and before is not None and before.says("{", ",")
    return is_key or (before is not None and before.says("."))


def _is_whole(tokens: Sequence[Token], fitting: Sequence[Element]) -> bool:
    """Return whether one of the elements is used otherwise than by the names of its properties."""
    patterns = {each.at + 1 for each in elements(tokens)}
    names = {each.variable for each in fitting if each.variable}
    for at, token in enumerate(tokens):
        if not token.is_name or token.value not in names or at in patterns:
            continue
        if at and tokens[at - 1].says("."):
            continue  # a property that is called like the variable
        if not is_word(tokens, at + 1, ".", ":"):
            return True
    # A path, or a star, has whole elements, too.
    return any(
        is_word(tokens, at + 1, "=") and is_word(tokens, at + 2, "(") for at in range(len(tokens))
    ) or any(
        token.says("*") and at and tokens[at - 1].says("RETURN", "WITH", "DISTINCT", ".", "{")
        for at, token in enumerate(tokens)
    )
