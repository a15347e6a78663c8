"""Statements that no migration may contain, whatever the environment."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from seedbed.engines.neo4j.files.lexer import Token, is_word
from seedbed.engines.neo4j.files.names import HISTORY_CONSTRAINT, HISTORY_LABEL
from seedbed.engines.neo4j.files.split import Statement
from seedbed.engines.neo4j.files.statements import body_of
from seedbed.engines.neo4j.rules.every_node import every_node
from seedbed.errors import Hint, call
from seedbed.support.phrases import one_line

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


class Refusal(Struct, frozen=True):
    """Why a statement is not allowed in a migration."""

    what: str
    because: str = ""
    try_: str = ""


def refusal(statement: Statement) -> Refusal | None:
    """Return why `statement` is not allowed in a migration; None where it is."""
    tokens = body_of(statement)
    if not tokens:
        return Refusal(f"`{one_line(statement.text)}` is not a statement", "nothing follows it")
    first = tokens[0]
    word = first.value.upper() if first.is_name else ""
    if first.says(":"):
        return Refusal(
            f"`{one_line(statement.text)}` is a shell command",
            "only cypher-shell and Neo4j Browser understand it",
            "write the values into the statements",
        )
    if word in _TRANSACTION_WORDS and len(tokens) <= 2:
        return Refusal(
            f"`{word}` is not allowed in a migration",
            "seedbed begins and commits transactions, each with its record in the history",
        )
    if word in {"EXPLAIN", "PROFILE"}:
        return Refusal(
            f"`{word}` is not allowed in a migration", "its result would be discarded", "remove it"
        )
    if word == "SHOW":
        return Refusal(
            "`SHOW` is not allowed in a migration", "it changes nothing, and its result would be discarded"
        )
    if word == "USE":
        return Refusal(
            "`USE` is not allowed in a migration",
            "a migration changes the database that holds its history, and no other",
            "declare the other one as a database of its own in seedbed.toml",
        )
    if word == "USING" and is_word(tokens, 1, "PERIODIC"):
        return Refusal("`USING PERIODIC COMMIT` was removed in Neo4j 5", "", "use CALL { … } IN TRANSACTIONS")
    return _administration(tokens, word) or _touches_own(tokens) or _changes_every_node(tokens)


def _administration(tokens: Sequence[Token], word: str) -> Refusal | None:
    nouns = _ADMINISTRATION.get(word)
    if nouns is None:
        return None
    position = 3 if is_word(tokens, 1, "OR") and is_word(tokens, 2, "REPLACE") else 1
    if nouns and (not is_word(tokens, position, *nouns) or is_word(tokens, position + 1, "=")):
        return None
    command = " ".join(token.value for token in tokens[: position + 1])
    return Refusal(
        f"`{command}` is not allowed in a migration",
        "it changes the server, its users or its databases, not the content of this database",
        "do it where the server is configured",
    )


def _touches_own(tokens: Sequence[Token]) -> Refusal | None:
    """Return the refusal of seedbed's own label and constraint."""
    for token in tokens:
        if token.is_name and token.value in {HISTORY_LABEL, HISTORY_CONSTRAINT}:
            return Refusal(f"`{token.value}` belongs to seedbed", "it holds the history of this database")
    return None


def _changes_every_node(tokens: Sequence[Token]) -> Refusal | None:
    """Return the refusal of a change of nodes that no label or relationship selects."""
    found = every_node(tokens)
    if found is None:
        return None
    return Refusal(
        f"`{one_line(found.value)}` stands for every node, seedbed's own among them",
        "no label and no relationship says which nodes are meant, and the statement changes them",
        Hint("give the pattern a label, (n:Skill); to empty an ephemeral database: ", call("reset")),
    )
