"""Why a migration may hurt, as far as its file shows it: NEO101 and on; the documentation explains each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct

from seedbed.engines.neo4j.files.commands import Command, Verb
from seedbed.engines.neo4j.files.lexer import Token
from seedbed.engines.neo4j.files.split import Statement
from seedbed.engines.neo4j.files.statements import Kind, batches_of, body_of, describe
from seedbed.engines.neo4j.rules.enterprise import enterprise_only
from seedbed.model.hazard import Hazard
from seedbed.model.migration import Phase

_OWN_TRANSACTIONS = {"PERIODIC", "CYPHER", "SCHEMA"}  # of APOC's procedures: apoc.periodic.iterate, …


class Found(Struct, frozen=True):
    """A statement of the up section: its line in the file, its kind, and the command that a schema statement is."""

    statement: Statement
    line: int
    kind: Kind
    command: Command | None = None


def hazards_of(found: Sequence[Found], *, phase: Phase, is_repeatable: bool) -> tuple[Hazard, ...]:
    """Return the hazards of an up section, in the order of its statements."""
    return tuple(
        hazard for each in found for hazard in _hazards(each, phase=phase, is_repeatable=is_repeatable)
    )


def _hazards(found: Found, *, phase: Phase, is_repeatable: bool) -> Iterator[Hazard]:
    if found.command is not None:
        yield from _of_command(found.command, found.line, phase)
        return
    tokens = body_of(found.statement)
    if found.kind is Kind.IN_TRANSACTIONS:
        yield from _of_batches(found, tokens, is_repeatable)
    words = {each.value.upper() for each in tokens}
    if "APOC" in words:
        yield from _of_procedures(tokens, found.line)
    if phase is Phase.EXPAND and words & {"DELETE", "REMOVE"}:
        yield from _of_losses(found, tokens)
    if {"LOAD", "CSV"} <= words and any(_says(tokens, index, "LOAD", "CSV") for index in range(len(tokens))):
        yield Hazard(
            "NEO107",
            "it loads a file from elsewhere",
            because="tomorrow another one may lie there, and each target would get what it finds",
            try_="make a seed of it",
            line=found.line,
        )


def _of_command(command: Command, line: int, phase: Phase) -> Iterator[Hazard]:
    if what := enterprise_only(command):
        yield Hazard(
            "NEO101",
            f"{command.name} is {what}",
            because="only Neo4j Enterprise has them; a Community server refuses the whole run before it begins",
            try_="a uniqueness constraint is in every edition",
            line=line,
        )
    if command.verb is Verb.DROP and phase is not Phase.CONTRACT:
        yield Hazard(
            "NEO105",
            f"{command} in the phase {phase}",
            because="the code that runs now may rely on it: its look-ups become scans, its MERGE makes duplicates",
            try_="drop it in a migration with phase=contract",
            line=line,
            refused=True,
        )


def _of_batches(found: Found, tokens: Sequence[Token], is_repeatable: bool) -> Iterator[Hazard]:
    if not is_repeatable:
        yield Hazard(
            "NEO102",
            f"{describe(found.statement)}: it commits as it goes and starts from the beginning after a crash",
            because="what it had committed is done again, and nobody knows how far it came",
            try_='select only what is left, and say `repeatable because "…"`; or backfill=Label.key',
            line=found.line,
            refused=True,
        )
    following = batches_of(tokens)
    for index in range(len(following)):
        if _says(following, index, "ERROR", "CONTINUE") or _says(following, index, "ERROR", "BREAK"):
            yield Hazard(
                "NEO103",
                f"ON ERROR {following[index + 1].value.upper()}: batches that failed are no error",
                because="it ends as if all had gone well, and the history says applied, whatever is missing",
                try_="ON ERROR FAIL, which is what it does if nothing is said",
                line=found.line,
                refused=True,
            )


def _of_procedures(tokens: Sequence[Token], line: int) -> Iterator[Hazard]:
    for index, token in enumerate(tokens):
        name = tokens[index + 2 : index + 6 : 2]
        if not token.says("APOC") or len(name) < 2 or not _says(tokens, index + 1, "."):
            continue
        if name[0].value.upper() in _OWN_TRANSACTIONS:
            yield Hazard(
                "NEO104",
                f"apoc.{name[0].value}.{name[1].value} opens transactions of its own",
                because="they stay when the step fails, and are done again when it is run again",
                try_="a backfill, or CALL { … } IN TRANSACTIONS that is repeatable",
                line=line,
                refused=True,
            )


def _of_losses(found: Found, tokens: Sequence[Token]) -> Iterator[Hazard]:
    for index, token in enumerate(tokens):
        is_key = index + 1 < len(tokens) and tokens[index + 1].says(":")
        is_property = is_key or (index > 0 and tokens[index - 1].says(".", ":"))
        if token.says("DELETE", "REMOVE") and not is_property:
            yield Hazard(
                "NEO106",
                f"{token.value.upper()} in the phase expand",
                because="the code that runs now still reads what goes, and no revert restores it",
                try_="remove it in a migration with phase=contract, after the code that used it",
                line=found.line,
                refused=True,
            )
            return


def _says(tokens: Sequence[Token], position: int, *words: str) -> bool:
    following = tokens[position : position + len(words)]
    return len(following) == len(words) and all(
        each.says(word) for each, word in zip(following, words, strict=True)
    )
