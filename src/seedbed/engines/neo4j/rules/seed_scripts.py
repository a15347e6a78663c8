"""Cypher scripts among the seeds: what a transaction cannot hold is found before anything runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from seedbed.engines.neo4j.files.lexer import LexError
from seedbed.engines.neo4j.files.split import Statement, split
from seedbed.engines.neo4j.files.statements import StatementKind, kind_of
from seedbed.engines.neo4j.files.step_texts import statement_lines
from seedbed.engines.neo4j.rules.refusals import refusal
from seedbed.errors import Location, SeedFileError, raise_errors
from seedbed.model.migration import StepText
from seedbed.model.seed import Script


def checked(script: Script) -> Script:
    """Return `script` if a transaction can hold all of it. Raises all that is wrong with it: SeedFileErrors."""
    raise_errors(_wrong(script))
    return script


def script_text(script: Script) -> StepText:
    """Return what `script` sends, and each of its statements on one line. Raises what `checked` raises."""
    text = checked(script).source.data.decode("utf-8-sig")
    return StepText(text, statement_lines(text), "//")


def _wrong(script: Script) -> Iterator[SeedFileError]:
    """Yield what is wrong with the statements of `script`."""
    for each in statements(script):
        at = Location(script.path, each.line)
        if kind_of(each) is not StatementKind.DATA:
            yield SeedFileError(
                "a seed holds statements that change data",
                because="it is in one transaction with all other seeds of its kind",
                try_="constraints and indexes are made by migrations",
                at=at,
            )
        elif found := refusal(each):
            what = found.what.replace("a migration", "a seed")
            yield SeedFileError(what, because=found.because, try_=found.try_, at=at)


def statements(script: Script) -> Sequence[Statement]:
    """Return the statements of `script`. Raises SeedFileError."""
    text = script.source.data.decode("utf-8-sig")
    try:
        return split(text)
    except LexError as wrong:
        line = text.count("\n", 0, wrong.offset) + 1
        raise SeedFileError(
            wrong.what, because=wrong.because, try_=wrong.try_, at=Location(script.path, line)
        ) from None
