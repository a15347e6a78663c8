"""SQL scripts among the seeds: what may not stand in them is found by the grammar before anything of them runs."""

from __future__ import annotations

from seedbed.engines.postgres.files import grammar, summaries
from seedbed.engines.postgres.files.grammar import ParsedStatement
from seedbed.engines.postgres.files.libpg_query import GrammarError
from seedbed.engines.postgres.rules import seeds, transactions
from seedbed.engines.postgres.rules.refusals import Refusal
from seedbed.errors import Location, SeedFileError
from seedbed.model.seed import Script


def check_script(script: Script, *, history_schema: str, rows_only: bool) -> None:
    """Raise SeedFileError unless `script` parses, all of it may run inside the dataset's transaction, and it keeps away
    from `history_schema`.

    `rows_only`: it changes rows, and nothing else.
    """
    data = script.source.data.removeprefix(b"\xef\xbb\xbf")
    if b"\0" in data:
        raise _error(
            script, data, data.index(b"\0"), "the file holds a NUL byte", "PostgreSQL would cut it there"
        )
    try:
        for each in grammar.parsed(
            data
        ):  # one by one: all trees together are many times as large as the file
            words = "" if each.kind == "InsertStmt" else summaries.describe(each, data)
            _refuse(script, data, each, seeds.refusal(each, words, history_schema, rows_only=rows_only))
    except GrammarError as error:
        raise _error(script, data, error.offset, str(error), error.because) from None


def _refuse(script: Script, data: bytes, each: ParsedStatement, refusal: Refusal | None) -> None:
    """Raise SeedFileError for `refusal`, and for what cannot run inside a transaction."""
    if refusal:
        because = "a dataset is one transaction" if each.kind == "TransactionStmt" else refusal.because
        what = refusal.what.replace("a migration", "a seed")
        raise _error(script, data, each.start, what, because, refusal.try_)
    if transactions.transaction_use(each) is transactions.TransactionUse.OUTSIDE:
        what = f"{summaries.describe(each, data)} cannot run inside a transaction"
        raise _error(script, data, each.start, what, "a dataset is one transaction")


def _error(
    script: Script, data: bytes, offset: int, what: str, because: str, try_: str = ""
) -> SeedFileError:
    line = data.count(b"\n", 0, offset) + 1
    try_ = try_ or "fix the script, and seed again"
    return SeedFileError(what, because=because, try_=try_, at=Location(script.path, line))
