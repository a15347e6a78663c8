"""The statements of a section -> steps, and what may not stand among them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from seedbed.engines.postgres.files.grammar import (
    GrammarError,
    ParsedStatement,
    SqlToken,
    SqlTokenKind,
    parse,
)
from seedbed.engines.postgres.files.header import MigrationHeader
from seedbed.engines.postgres.files.sections import Section
from seedbed.engines.postgres.files.summaries import describe, summary
from seedbed.engines.postgres.files.text import MigrationText
from seedbed.engines.postgres.files.tokens import syntax_error
from seedbed.engines.postgres.rules.refusals import refusal
from seedbed.engines.postgres.rules.sessions import may_change_session
from seedbed.engines.postgres.rules.transactions import TransactionUse, transaction_use
from seedbed.model.migration import Backfill, Step
from seedbed.support.phrases import one_line

_WALKERS = {"UpdateStmt", "InsertStmt", "DeleteStmt", "MergeStmt"}


def steps_of(
    text: MigrationText, section: Section, tokens: Sequence[SqlToken], header: MigrationHeader
) -> tuple[Step, ...]:
    """Return the steps of `section`: one, or one for each statement. Raises MigrationFileError."""
    statements = _statements(text, section, tokens)
    _require_place(text, section, statements)
    parameters = [
        each
        for each in tokens
        if each.kind is SqlTokenKind.PARAMETER and section.start <= each.start < section.end
    ]
    if header.backfill:
        return _backfill_steps(text, section, statements, parameters, header.backfill)
    _require_no_parameters(text, section, statements, parameters)
    sql = text.data[section.start : section.end]
    if section.is_transaction:
        return (_whole(text, section, sql, statements),) if statements else ()
    return tuple(_single(text, section, sql, index, each, header) for index, each in enumerate(statements))


def _statements(
    text: MigrationText, section: Section, tokens: Iterable[SqlToken]
) -> tuple[ParsedStatement, ...]:
    start = section.start
    comments = [
        SqlToken(each.kind, each.start - start, each.end - start)
        for each in tokens
        if each.kind is not SqlTokenKind.PARAMETER and start <= each.start < section.end
    ]
    try:
        return parse(text.data[start : section.end], comments)
    except GrammarError as error:
        raise syntax_error(text, error, start, section.end, section.line) from None


def _line(text: MigrationText, section: Section, statement: ParsedStatement) -> int:
    return text.line(section.start + statement.start)


def _require_place(text: MigrationText, section: Section, statements: Iterable[ParsedStatement]) -> None:
    """Refuse statements that have no place in a migration, or none in a transaction."""
    for each in statements:
        refused = refusal(each)
        if refused:
            raise text.error(_line(text, section, each), refused.what, refused.because, refused.try_)
        if section.is_transaction and transaction_use(each) is TransactionUse.OUTSIDE:
            sql = text.data[section.start : section.end]
            raise text.error(
                _line(text, section, each),
                f"{describe(each, sql)} cannot run inside a transaction block",
                "PostgreSQL refuses it there, and this section is one transaction",
                f"-- migrate:{section.name} transaction:false",
            )


def _require_no_parameters(
    text: MigrationText,
    section: Section,
    statements: Sequence[ParsedStatement],
    parameters: Iterable[SqlToken],
) -> None:
    """Require that no $1 is used outside a backfill; functions and PREPARE have parameters of their own."""
    own = [each for each in statements if each.kind in {"CreateFunctionStmt", "PrepareStmt"}]
    for token in parameters:
        offset = token.start - section.start
        if not any(each.start <= offset < each.end for each in own):
            raise text.error(
                text.line(token.start),
                f"{text.data[token.start : token.end].decode()} has no value",
                "only the statement of a backfill is given some: the first and the last key of its batch",
                "-- seedbed: backfill=table.key",
            )


def _whole(text: MigrationText, section: Section, sql: bytes, statements: Sequence[ParsedStatement]) -> Step:
    """Return a section as one step: from its first statement to its last, without what surrounds them."""
    first, last = statements[0], statements[-1]
    return Step(
        index=0,
        body=sql[first.start : last.end].decode(),
        line=_line(text, section, first),
        summary=summary(statements, sql),
        keeps_session=not may_change_session(statements),
    )


def _single(
    text: MigrationText,
    section: Section,
    sql: bytes,
    index: int,
    statement: ParsedStatement,
    header: MigrationHeader,
) -> Step:
    atomic = transaction_use(statement) is TransactionUse.INSIDE
    return Step(
        index=index,
        body=sql[statement.start : statement.end].decode(),
        line=_line(text, section, statement),
        atomic=atomic,
        repeatable=header.is_repeatable and not atomic,
        summary=summary([statement], sql),
        keeps_session=not may_change_session([statement]),
    )


def _backfill_steps(
    text: MigrationText,
    section: Section,
    statements: Sequence[ParsedStatement],
    parameters: Iterable[SqlToken],
    backfill: Backfill,
) -> tuple[Step, ...]:
    """Return the one step of a backfill's section; an empty down section counts as none."""
    example = f"UPDATE {backfill.table} SET … WHERE {backfill.key} BETWEEN $1 AND $2"
    if section.name == "down" and not statements:
        return ()
    if not section.is_transaction:
        raise text.error(
            section.line, "a backfill is never `transaction:false`", "each of its batches is a transaction"
        )
    if len(statements) != 1 or not _walks(statements[0]):
        line = _line(text, section, statements[-1]) if statements else section.line
        raise text.error(
            line,
            "a backfill is one statement that changes rows",
            f"it is run once for each batch of {backfill.table}",
            f"{example}; anything else goes into a migration of its own",
        )
    used = {text.data[each.start : each.end].decode() for each in parameters}
    if used != {"$1", "$2"}:
        raise text.error(
            _line(text, section, statements[0]),
            "a backfill's statement uses $1 and $2, and no other parameter",
            "they are the first and the last key of its batch; this one uses "
            + (", ".join(sorted(used)) or "none at all"),
            example,
        )
    only, sql = statements[0], text.data[section.start : section.end]
    step = Step(
        index=0,
        body=sql[only.start : only.end].decode(),
        line=_line(text, section, only),
        atomic=False,
        summary=one_line(f"{describe(only, sql)} in batches of {backfill.batch} along {backfill.key}"),
        backfill=backfill,
    )
    return (step,)


def _walks(statement: ParsedStatement) -> bool:
    if statement.kind in _WALKERS:
        return True
    return statement.kind == "SelectStmt" and "withClause" in statement.node()
