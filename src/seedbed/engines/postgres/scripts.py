"""SQL scripts among the seeds: what may not stand in them is found by the grammar before anything runs."""

from __future__ import annotations

from seedbed.engines.postgres import grammar, statements, summaries
from seedbed.engines.postgres.grammar import GrammarError, Parsed
from seedbed.errors import Location, SeedFileError
from seedbed.model.seed import Script


def check_script(script: Script) -> None:
    """Raise SeedFileError unless `script` parses and all of it may run inside the dataset's transaction."""
    data = script.source.data.removeprefix(b"\xef\xbb\xbf")
    if b"\0" in data:
        raise _error(
            script, data, data.index(b"\0"), "the file holds a NUL byte", "PostgreSQL would cut it there"
        )
    try:
        found = grammar.parse(data)
    except GrammarError as error:
        raise _error(script, data, error.offset, str(error), "PostgreSQL's grammar refuses it") from None
    for each in found:
        _refuse(script, data, each)


def _refuse(script: Script, data: bytes, each: Parsed) -> None:
    if refusal := statements.refusal(each):
        because = "a dataset is one transaction" if each.kind == "TransactionStmt" else refusal.because
        raise _error(script, data, each.start, refusal.what.replace("migration", "seed"), because)
    if statements.block(each) is statements.Block.OUTSIDE:
        what = f"{summaries.describe(each, data)} cannot run inside a transaction"
        raise _error(script, data, each.start, what, "a dataset is one transaction")


def _error(script: Script, data: bytes, offset: int, what: str, because: str) -> SeedFileError:
    line = data.count(b"\n", 0, offset) + 1
    return SeedFileError(
        what, because=because, try_="mend the script, and seed again", at=Location(script.path, line)
    )
