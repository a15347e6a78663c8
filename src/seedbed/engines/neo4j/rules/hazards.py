"""Hazards that the file alone shows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from seedbed.engines.neo4j.files.commands import SchemaCommand, Verb
from seedbed.engines.neo4j.files.lexer import Token, are_words
from seedbed.engines.neo4j.files.statements import StatementKind, batches_of, body_of, describe
from seedbed.engines.neo4j.files.steps import ParsedStatement
from seedbed.engines.neo4j.rules import registry
from seedbed.engines.neo4j.rules.enterprise import enterprise_only
from seedbed.model.hazard import Hazard
from seedbed.model.migration import Phase

_OWN_TRANSACTIONS = {"PERIODIC", "CYPHER", "SCHEMA"}  # of APOC's procedures: apoc.periodic.iterate, …


def file_hazards(
    statements: Sequence[ParsedStatement], *, phase: Phase, is_repeatable: bool
) -> tuple[Hazard, ...]:
    """Return the hazards of the statements of an up section, in their order."""
    return tuple(
        hazard
        for statement in statements
        for hazard in _hazards(statement, phase=phase, is_repeatable=is_repeatable)
    )


def _hazards(statement: ParsedStatement, *, phase: Phase, is_repeatable: bool) -> Iterator[Hazard]:
    if statement.command is not None:
        yield from _of_command(statement.command, statement.line, phase)
        return
    tokens = body_of(statement.statement)
    if statement.kind is StatementKind.IN_TRANSACTIONS:
        yield from _of_batches(statement, tokens, is_repeatable)
    words = {token.value.upper() for token in tokens}
    if "APOC" in words:
        yield from _of_procedures(tokens, statement.line)
    if phase is Phase.EXPAND and words & {"DELETE", "REMOVE"}:
        yield from _of_removals(statement, tokens)
    if {"LOAD", "CSV"} <= words and any(are_words(tokens, at, "LOAD", "CSV") for at in range(len(tokens))):
        yield registry.LOADS_CSV.hazard("LOAD CSV reads a file from elsewhere", line=statement.line)


def _of_command(command: SchemaCommand, line: int, phase: Phase) -> Iterator[Hazard]:
    if what := enterprise_only(command):
        yield registry.NEEDS_ENTERPRISE.hazard(f"{command.name} is {what}", line=line)
    if command.verb is Verb.DROP and phase is not Phase.CONTRACT:
        yield registry.DROPS_EARLY.hazard(f"{command} in the phase {phase}", line=line)


def _of_batches(statement: ParsedStatement, tokens: Sequence[Token], is_repeatable: bool) -> Iterator[Hazard]:
    if not is_repeatable:
        yield registry.NOT_REPEATABLE.hazard(
            f"{describe(statement.statement)}: it commits as it goes and starts from the beginning after a crash",
            line=statement.line,
        )
    following = batches_of(tokens)
    for at in range(len(following)):
        for mode in ("CONTINUE", "BREAK"):
            if are_words(following, at, "ERROR", mode):
                yield registry.IGNORES_ERRORS.hazard(
                    f"ON ERROR {mode}: batches that fail are not an error", line=statement.line
                )


def _of_procedures(tokens: Sequence[Token], line: int) -> Iterator[Hazard]:
    for at, token in enumerate(tokens):
        name = tokens[at + 2 : at + 6 : 2]
        if not token.says("APOC") or len(name) < 2 or not are_words(tokens, at + 1, "."):
            continue
        if name[0].value.upper() in _OWN_TRANSACTIONS:
            procedure = f"apoc.{name[0].value}.{name[1].value}"
            yield registry.OWN_TRANSACTIONS.hazard(f"{procedure} opens transactions of its own", line=line)


def _of_removals(statement: ParsedStatement, tokens: Sequence[Token]) -> Iterator[Hazard]:
    for at, token in enumerate(tokens):
        is_key = are_words(tokens, at + 1, ":")
        is_property = is_key or (at > 0 and tokens[at - 1].says(".", ":"))
        if token.says("DELETE", "REMOVE") and not is_property:
            yield registry.REMOVES_EARLY.hazard(
                f"{token.value.upper()} in the phase expand", line=statement.line
            )
            return
