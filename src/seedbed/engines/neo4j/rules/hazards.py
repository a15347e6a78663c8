"""Hazards that the file alone shows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from msgspec.structs import replace

from seedbed.engines.neo4j.files.commands import SchemaCommand, Verb
from seedbed.engines.neo4j.files.lexer import Token, are_words
from seedbed.engines.neo4j.files.names import quoted
from seedbed.engines.neo4j.files.statements import StatementKind, batches_of, body_of, describe
from seedbed.engines.neo4j.files.steps import ParsedStatement
from seedbed.engines.neo4j.rules import registry
from seedbed.engines.neo4j.rules.enterprise import enterprise_only
from seedbed.model.hazard import Hazard
from seedbed.model.migration import Phase

_LINES = 5  # further lines that a hazard names
_OWN_TRANSACTIONS = {"PERIODIC", "CYPHER", "SCHEMA"}  # of APOC's procedures: apoc.periodic.iterate, …


def file_hazards(
    up: Sequence[ParsedStatement], down: Sequence[ParsedStatement], *, phase: Phase, is_repeatable: bool
) -> tuple[Hazard, ...]:
    """Return the hazards of the statements of an up section in their order, each once, and of a written `down`."""
    found = (
        hazard
        for statement in up
        for hazard in _hazards(statement, phase=phase, is_repeatable=is_repeatable, has_down=bool(down))
    )
    return (*merged(found), *_left_by(up, down))


def merged(hazards: Iterable[Hazard]) -> tuple[Hazard, ...]:
    """Return `hazards` with those that say the same in one, at the first of their lines, the others named."""
    groups: dict[tuple[str, str, str], list[Hazard]] = {}
    for each in hazards:
        groups.setdefault((each.code, each.what, each.because), []).append(each)
    return tuple(
        replace(first, what=f"{first.what}; also in {_lines([each.line for each in others])}")
        if others
        else first
        for first, *others in groups.values()
    )


def _lines(numbers: Sequence[int]) -> str:
    named = ", ".join(str(each) for each in numbers[:_LINES])
    more = f" and {len(numbers) - _LINES} more" if len(numbers) > _LINES else ""
    return f"{'line' if len(numbers) == 1 else 'lines'} {named}{more}"


def _left_by(up: Sequence[ParsedStatement], down: Sequence[ParsedStatement]) -> Iterator[Hazard]:
    """Yield what the schema statements of `up` do and a written `down` leaves: the next apply would fail on it."""
    last_down = {each.command.name: each.command.verb for each in down if each.command is not None}
    by_name: dict[str, list[tuple[SchemaCommand, int]]] = {}
    for each in up if down else ():
        if each.command is not None:
            by_name.setdefault(each.command.name, []).append((each.command, each.line))
    for name, commands in by_name.items():
        (first, _), (last, line) = commands[0], commands[-1]
        was_there = first.verb is Verb.DROP
        is_there = last_down.get(name, last.verb) is Verb.CREATE
        if is_there == was_there or last.is_guarded:
            continue
        thing = f"{last.noun.lower()} {name}"
        if is_there:
            yield registry.DOWN_LEAVES.hazard(
                f"the down section leaves {thing}, which the up section creates",
                try_=f"DROP {last.noun} {quoted(name)} in the down section",
                line=line,
            )
        else:
            yield registry.DOWN_LEAVES.hazard(
                f"the down section does not create {thing}, which the up section drops",
                because="after a revert, the next apply fails, because it does not exist",
                try_=f"CREATE {last.noun} {quoted(name)} … in the down section",
                line=line,
            )


def _hazards(
    statement: ParsedStatement, *, phase: Phase, is_repeatable: bool, has_down: bool
) -> Iterator[Hazard]:
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
        yield from _of_removals(statement, tokens, has_down=has_down)
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


def _of_removals(statement: ParsedStatement, tokens: Sequence[Token], *, has_down: bool) -> Iterator[Hazard]:
    for at, token in enumerate(tokens):
        is_key = are_words(tokens, at + 1, ":")
        is_property = is_key or (at > 0 and tokens[at - 1].says(".", ":"))
        if token.says("DELETE", "REMOVE") and not is_property:
            kept = "running code still reads the data, and a revert restores what the down section writes, no more"
            yield registry.REMOVES_EARLY.hazard(
                f"{token.value.upper()} in the phase expand",
                because=kept if has_down else "",
                line=statement.line,
            )
            return
