"""What kind of statement it is, and whether it has a place in a migration."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum, auto

from msgspec import Struct

from seedbed.engines.neo4j.files.lexer import Token, TokenKind
from seedbed.engines.neo4j.files.split import Statement
from seedbed.support.phrases import LINE, one_line

OWN_LABEL = "migrations_history"
OWN_CONSTRAINT = "migrations_history_key"

_INDEX_KINDS = ("RANGE", "TEXT", "POINT", "LOOKUP", "FULLTEXT", "VECTOR", "BTREE")
_TRANSACTION_WORDS = ("BEGIN", "COMMIT", "ROLLBACK")
_ADMINISTRATION = {
    "ALTER": ("ALIAS", "CURRENT", "DATABASE", "SERVER", "USER"),
    "CREATE": ("ALIAS", "COMPOSITE", "DATABASE", "IMMUTABLE", "ROLE", "USER"),
    "DEALLOCATE": ("DATABASE", "DATABASES"),
    "DENY": (),
    "DROP": ("ALIAS", "COMPOSITE", "DATABASE", "ROLE", "SERVER", "USER"),
    "DRYRUN": (),
    "ENABLE": ("SERVER",),
    "GRANT": (),
    "REALLOCATE": ("DATABASE", "DATABASES"),
    "RENAME": ("ROLE", "SERVER", "USER"),
    "REVOKE": (),
    "START": ("DATABASE",),
    "STOP": ("DATABASE",),
    "TERMINATE": (),
}


class Kind(Enum):
    """DATA commits together with its record; SCHEMA and IN_TRANSACTIONS commit alone."""

    DATA = auto()
    SCHEMA = auto()
    IN_TRANSACTIONS = auto()


class Refusal(Struct, frozen=True):
    """Why a statement has no place in a migration."""

    what: str
    because: str = ""
    try_: str = ""


def body_of(statement: Statement) -> tuple[Token, ...]:
    """Return the tokens of `statement` without what stands before it: `CYPHER 25 planner=cost`."""
    tokens = statement.tokens
    if not tokens[0].says("CYPHER"):
        return tokens
    position = 1
    while position < len(tokens) and tokens[position].value[0].isdigit():
        position += 3 if _is(tokens, position + 1, ".") else 1
    while _is(tokens, position + 1, "="):
        position += 3
    return tokens[position:]


def kind(statement: Statement) -> Kind:
    """Return the kind of `statement`."""
    tokens = body_of(statement)
    if schema_noun(tokens):
        return Kind.SCHEMA
    return Kind.IN_TRANSACTIONS if batches_of(tokens) else Kind.DATA


def schema_noun(tokens: Sequence[Token]) -> str:
    """Return CONSTRAINT or INDEX where `tokens` create or drop one, else ""."""
    if not tokens or not tokens[0].says("CREATE", "DROP"):
        return ""
    position = 1
    if _is(tokens, 1, "OR") and _is(tokens, 2, "REPLACE"):
        position = 3
    if _is(tokens, position, *_INDEX_KINDS):
        position += 1
    is_path = _is(tokens, position + 1, "=")  # CREATE index = (…)
    if is_path or not _is(tokens, position, "CONSTRAINT", "INDEX"):
        return ""
    return tokens[position].value.upper()


def batches_of(tokens: Sequence[Token]) -> tuple[Token, ...]:
    """Return what follows the braces of the `CALL {…} IN … TRANSACTIONS` in `tokens`; () where there is none."""
    opened: list[bool] = []  # for each brace: whether it is that of a subquery that is called
    for index, token in enumerate(tokens):
        if token.says("{"):
            opened.append(_is_call(tokens, index))
        elif token.says("}") and opened and opened.pop() and _is(tokens, index + 1, "IN"):
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
    return concurrent is not None and _is(tokens, concurrent + 1, "TRANSACTION", "TRANSACTIONS")


def refusal(statement: Statement) -> Refusal | None:
    """Return why `statement` has no place in a migration; None where it has one."""
    tokens = body_of(statement)
    if not tokens:
        return Refusal(f"`{one_line(statement.text)}` is no statement", "nothing follows it")
    first = tokens[0]
    word = first.value.upper() if first.is_name else ""
    if first.says(":"):
        return Refusal(
            f"`{one_line(statement.text)}` is a command of a shell",
            "only cypher-shell and the browser know it",
            "write its values into the statements",
        )
    if word in _TRANSACTION_WORDS and len(tokens) <= 2:
        return Refusal(
            f"`{word}` has no place in a migration",
            "its transactions follow from its statements, and each commits with its record",
        )
    if word in {"EXPLAIN", "PROFILE"}:
        return Refusal(f"`{word}` has no place in a migration", "nobody would read its answer", "remove it")
    if word == "SHOW":
        return Refusal("`SHOW` has no place in a migration", "it changes nothing, and nobody would read it")
    if word == "USE":
        return Refusal(
            "`USE` has no place in a migration",
            "a migration changes the database that holds its history, and no other",
            "declare the other one as a database of its own",
        )
    if word == "USING" and _is(tokens, 1, "PERIODIC"):
        return Refusal("`USING PERIODIC COMMIT` is gone since Neo4j 5", "", "CALL { … } IN TRANSACTIONS")
    return _administration(tokens, word) or _touches_own(tokens)


def _administration(tokens: Sequence[Token], word: str) -> Refusal | None:
    nouns = _ADMINISTRATION.get(word)
    if nouns is None:
        return None
    position = 3 if _is(tokens, 1, "OR") and _is(tokens, 2, "REPLACE") else 1
    if nouns and (not _is(tokens, position, *nouns) or _is(tokens, position + 1, "=")):
        return None
    said = " ".join(each.value for each in tokens[: position + 1])
    return Refusal(
        f"`{said}` has no place in a migration",
        "it is about the server, its users or its databases, not about what is in this one",
        "do it where the server is set up",
    )


def _touches_own(tokens: Sequence[Token]) -> Refusal | None:
    """Refuse seedbed's own label and constraint."""
    for token in tokens:
        if token.is_name and token.value in {OWN_LABEL, OWN_CONSTRAINT}:
            return Refusal(f"`{token.value}` is seedbed's own", "the history of this very database is in it")
    return None


def parameters_of(tokens: Sequence[Token]) -> dict[str, Token]:
    """Return the parameters among `tokens` by name, each where it stands first."""
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


def _is(tokens: Sequence[Token], position: int, *words: str) -> bool:
    return position < len(tokens) and tokens[position].says(*words)
