"""The statements of a section -> steps, and what may not stand among them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence

from msgspec import Struct
from msgspec.structs import replace

from seedbed.engines.postgres.files.grammar import ParsedStatement, one_by_one, parsed
from seedbed.engines.postgres.files.header import MigrationHeader
from seedbed.engines.postgres.files.libpg_query import GrammarError
from seedbed.engines.postgres.files.scanner import SqlToken, SqlTokenKind
from seedbed.engines.postgres.files.sections import Section
from seedbed.engines.postgres.files.summaries import describe, summary
from seedbed.engines.postgres.files.text import MigrationText
from seedbed.engines.postgres.files.tokens import syntax_error
from seedbed.engines.postgres.rules.refusals import refusal
from seedbed.engines.postgres.rules.sessions import may_change_session
from seedbed.engines.postgres.rules.transactions import TransactionUse, transaction_use
from seedbed.model.migration import Backfill, Step
from seedbed.support.phrases import LINE, one_line

_BETWEEN = "\n;\n"  # a body may end in a comment
_WALKERS = {"UpdateStmt", "InsertStmt", "DeleteStmt", "MergeStmt"}


class _Statement(Struct, frozen=True):
    """What of a statement is kept: its tree is many times as large."""

    kind: str
    start: int
    end: int
    use: TransactionUse
    keeps_session: bool
    walks: bool
    description: str  # empty once the summary of a section is long enough


def steps_of(
    text: MigrationText, section: Section, tokens: Sequence[SqlToken], header: MigrationHeader
) -> tuple[Step, ...]:
    """Return the steps of `section`: one, or one for each statement; notes what has no place there."""
    statements = _statements(text, section, tokens)
    parameters = [
        each
        for each in tokens
        if each.kind is SqlTokenKind.PARAMETER and section.start <= each.start < section.end
    ]
    if header.backfill:
        backfill = header.backfill
        return text.attempt(lambda: _backfill_steps(text, section, statements, parameters, backfill)) or ()
    if header.is_read:
        _require_no_parameters(text, section, statements, parameters)
    if section.is_transaction:
        return (_whole(text, section, statements),) if statements else ()
    return tuple(_single(text, section, index, each, header) for index, each in enumerate(statements))


def joined(sections: Sequence[tuple[Step, ...]], *, is_transaction: bool) -> tuple[Step, ...]:
    """Return the steps of several sections as those of one; `is_transaction`: each is one, and so is the whole."""
    steps = [each for section in sections for each in section]
    if len(steps) < 2 or len(sections) < 2:
        return tuple(steps)
    if not is_transaction:
        return tuple(replace(each, index=index) for index, each in enumerate(steps))
    lines, offset = [], 0
    for each in steps:
        lines.append((offset, each.line))
        offset += len(each.body) + len(_BETWEEN)
    whole = replace(
        steps[0],
        body=_BETWEEN.join(each.body for each in steps),
        summary=summary([each.summary for each in steps], 1),
        keeps_session=all(each.keeps_session for each in steps),
        lines=tuple(lines),
    )
    return (whole,)


def _statements(text: MigrationText, section: Section, tokens: Iterable[SqlToken]) -> list[_Statement]:
    """Return the statements of `section`; notes those that have no place in a migration, or are no SQL."""
    start, sql = section.start, text.data[section.start : section.end]
    comments = [
        SqlToken(each.kind, each.start - start, each.end - start)
        for each in tokens
        if each.kind is not SqlTokenKind.PARAMETER and start <= each.start < section.end
    ]
    noted = text.count
    try:
        return _kept(text, section, sql, parsed(sql, comments))
    except GrammarError as error:
        text.forget(noted)
        found = list(one_by_one(sql, comments))
        if not any(isinstance(each, GrammarError) for each in found):
            raise syntax_error(text, error, start, section.end, section.line) from None
        return _kept(text, section, sql, found)


def _kept(
    text: MigrationText, section: Section, sql: bytes, found: Iterable[ParsedStatement | GrammarError]
) -> list[_Statement]:
    """Return what is kept of the statements `found` in `sql`, the text of `section`; notes what is wrong with them."""
    kept: list[_Statement] = []
    described = 0  # characters
    for each in found:
        if isinstance(each, GrammarError):
            text.note(syntax_error(text, each, section.start, section.end, section.line))
            continue
        use = transaction_use(each)
        _require_place(text, section, sql, each, use)
        description = describe(each, sql) if described <= LINE or not section.is_transaction else ""
        described += len(description)
        keeps = not may_change_session([each])
        kept.append(_Statement(each.kind, each.start, each.end, use, keeps, _walks(each), description))
    return kept


def _line(text: MigrationText, section: Section, statement: _Statement | ParsedStatement) -> int:
    return text.line(section.start + statement.start)


def _require_place(
    text: MigrationText, section: Section, sql: bytes, statement: ParsedStatement, use: TransactionUse
) -> None:
    """Note a statement that has no place in a migration, or none in a transaction."""
    refused, line = refusal(statement, in_transaction=section.is_transaction), _line(text, section, statement)
    if refused:
        text.note(text.error(line, refused.what, refused.because, refused.try_))
    elif section.is_transaction and use is TransactionUse.OUTSIDE:
        wrong = text.error(
            line,
            f"{describe(statement, sql)} cannot run inside a transaction block",
            "PostgreSQL refuses it there, and this section is one transaction",
            f"-- migrate:{section.name} transaction:false",
        )
        text.note(wrong)


def _require_no_parameters(
    text: MigrationText,
    section: Section,
    statements: Sequence[_Statement],
    parameters: Iterable[SqlToken],
) -> None:
    """Require that no $1 is used outside a backfill; functions and PREPARE have parameters of their own."""
    own = [each for each in statements if each.kind in {"CreateFunctionStmt", "PrepareStmt"}]
    starts = [each.start for each in own]
    for token in parameters:
        offset = token.start - section.start
        before = bisect_right(starts, offset)
        if not (before and offset < own[before - 1].end):
            wrong = text.error(
                text.line(token.start),
                f"{text.data[token.start : token.end].decode()} has no value",
                "only the statement of a backfill is given some: the first and the last key of its batch",
                "-- seedbed: backfill=table.key",
            )
            text.note(wrong)


def _body(text: MigrationText, section: Section, first: _Statement, last: _Statement) -> str:
    return text.data[section.start + first.start : section.start + last.end].decode()


def _whole(text: MigrationText, section: Section, statements: Sequence[_Statement]) -> Step:
    """Return a section as one step: from its first statement to its last, without what surrounds them."""
    first, last = statements[0], statements[-1]
    return Step(
        index=0,
        body=_body(text, section, first, last),
        line=_line(text, section, first),
        summary=summary([each.description for each in statements if each.description], len(statements)),
        keeps_session=all(each.keeps_session for each in statements),
    )


def _single(
    text: MigrationText,
    section: Section,
    index: int,
    statement: _Statement,
    header: MigrationHeader,
) -> Step:
    atomic = statement.use is TransactionUse.INSIDE
    return Step(
        index=index,
        body=_body(text, section, statement, statement),
        line=_line(text, section, statement),
        atomic=atomic,
        repeatable=header.is_repeatable and not atomic,
        summary=summary([statement.description], 1),
        keeps_session=statement.keeps_session,
    )


def _backfill_steps(
    text: MigrationText,
    section: Section,
    statements: Sequence[_Statement],
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
    if len(statements) != 1 or not statements[0].walks:
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
    only = statements[0]
    step = Step(
        index=0,
        body=_body(text, section, only, only),
        line=_line(text, section, only),
        atomic=False,
        summary=one_line(f"{only.description} in batches of {backfill.batch} along {backfill.key}"),
        backfill=backfill,
    )
    return (step,)


def _walks(statement: ParsedStatement) -> bool:
    if statement.kind in _WALKERS:
        return True
    return statement.kind == "SelectStmt" and "withClause" in statement.node()
