"""The statements of a section -> steps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from msgspec import Struct
from msgspec.structs import replace

from seedbed.engines.neo4j.files.commands import SchemaCommand, command_in
from seedbed.engines.neo4j.files.header import CypherHeader
from seedbed.engines.neo4j.files.lexer import LexError, Token
from seedbed.engines.neo4j.files.sections import CypherSection
from seedbed.engines.neo4j.files.split import Statement, statements_of
from seedbed.engines.neo4j.files.statements import StatementKind, kind_of, parameters_of, summary
from seedbed.engines.neo4j.files.text import CypherText
from seedbed.engines.neo4j.rules.refusals import refusal
from seedbed.model.migration import Backfill, Step
from seedbed.support.phrases import one_line

_KEYS = "keys"  # the parameter that a backfill's statement is given
UNDO = "undo "


class ParsedStatement(Struct, frozen=True):
    """A statement of a section: its line in the file, its kind, and the command that a schema statement is."""

    statement: Statement
    line: int
    kind: StatementKind
    command: SchemaCommand | None = None


def statements_in(
    text: CypherText, section: CypherSection, tokens: Sequence[Token]
) -> tuple[ParsedStatement, ...]:
    """Return the statements of `section`; notes those that are not allowed there."""
    inside = [each for each in tokens if section.start <= each.start < section.end]
    found: list[ParsedStatement] = []
    for statement in statements_of(text.text, inside):
        if refused := refusal(statement):
            text.note(text.error(statement.line, refused.what, refused.because, refused.try_))
            continue
        try:
            found.append(_found(statement))
        except LexError as error:
            text.note(text.lex_error(error))
    return tuple(found)


def _found(statement: Statement) -> ParsedStatement:
    of = kind_of(statement)
    command = command_in(statement) if of is StatementKind.SCHEMA else None
    return ParsedStatement(statement, statement.line, of, command)


def steps_of(
    text: CypherText, section: CypherSection, found: Sequence[ParsedStatement], header: CypherHeader
) -> tuple[Step, ...]:
    """Return the steps of `section`; none where it is empty. Notes what has no place there."""
    if header.backfill:
        backfill = header.backfill
        return text.attempt(lambda: _backfill_steps(text, section, found, backfill)) or ()
    if header.is_read:
        _require_no_parameters(text, found)
    return tuple(
        replace(step, index=index) for index, step in enumerate(_steps(text, found, header.is_repeatable))
    )


def _steps(text: CypherText, found: Sequence[ParsedStatement], is_repeatable: bool) -> Iterator[Step]:
    """Yield one step for each run of data statements, and one for each of the others."""
    for of, run in groupby(found, key=lambda each: each.kind):
        statements = [each.statement for each in run]
        if of is StatementKind.DATA:
            yield _step(text, statements)
        else:
            for each in statements:
                step = _step(text, [each])
                yield replace(
                    step, atomic=False, repeatable=is_repeatable and of is StatementKind.IN_TRANSACTIONS
                )


def _step(text: CypherText, statements: Sequence[Statement]) -> Step:
    """Return `statements` as one step: from the first to the last, without what surrounds them."""
    first, last = statements[0], statements[-1]
    return Step(
        index=0,
        body=text.text[first.start : last.end],
        line=first.line,
        summary=summary(statements),
        keeps_session=True,
    )


def undone_by(body: str) -> int | None:
    """Return the index of the step up that the body of a derived step down undoes; None of one that is written."""
    return int(body.removeprefix(UNDO)) if body.startswith(UNDO) else None


def undo_steps(up: Sequence[Step]) -> tuple[Step, ...]:
    """Return the down steps of schema statements whose file has none: what undoes them, the last one first.

    It depends on the schema before each of them; its text is stored in the history.
    """
    return tuple(
        Step(
            index=index,
            body=f"{UNDO}{step.index}",
            line=step.line,
            atomic=False,
            summary=one_line(f"undo {step.summary}"),
            keeps_session=True,
        )
        for index, step in enumerate(reversed(up))
    )


def _require_no_parameters(text: CypherText, found: Sequence[ParsedStatement]) -> None:
    for each in found:
        for token in parameters_of(each.statement.tokens).values():
            wrong = text.error(
                text.line(token.start),
                f"${token.value} has no value",
                "only the statement of a backfill is given one: $keys, the keys of its batch",
                "// seedbed: backfill=Label.key",
            )
            text.note(wrong)


def _backfill_steps(
    text: CypherText, section: CypherSection, found: Sequence[ParsedStatement], backfill: Backfill
) -> tuple[Step, ...]:
    """Return the one step of a backfill's section; an empty down section counts as none."""
    if section.name == "down" and not found:
        return ()
    pattern = f"()-[r:{backfill.table[2:-1]}" if backfill.table.startswith("[") else f"(n:{backfill.table}"
    closing = "]->()" if backfill.table.startswith("[") else ")"
    example = f"UNWIND $keys AS key MATCH {pattern} {{{backfill.key}: key}}{closing} …"
    if len(found) != 1 or found[0].kind is not StatementKind.DATA:
        raise text.error(
            found[-1].line if found else section.line,
            "a backfill is one statement that changes data",
            f"it is run once for each batch of {backfill.table}, in a transaction with its checkpoint",
            f"{example}; anything else goes into a migration of its own",
        )
    (only,) = found
    used = parameters_of(only.statement.tokens)
    if set(used) != {_KEYS}:
        raise text.error(
            only.line,
            "a backfill's statement uses $keys, and no other parameter",
            "they are the keys of its batch; this one uses "
            + (", ".join(f"${each}" for each in sorted(used)) or "none at all"),
            example,
        )
    step = _step(text, [only.statement])
    line = one_line(
        f"{step.summary[:50]} in batches of {backfill.batch} along {backfill.table}.{backfill.key}"
    )
    return (replace(step, atomic=False, summary=line, backfill=backfill),)
