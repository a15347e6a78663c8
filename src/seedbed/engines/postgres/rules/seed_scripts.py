"""SQL scripts among the seeds: what may not stand in them is found by the grammar before anything of them runs."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from hashlib import sha256

from seedbed.engines.postgres.files import grammar, summaries
from seedbed.engines.postgres.files.grammar import ParsedStatement
from seedbed.engines.postgres.files.libpg_query import GrammarError
from seedbed.engines.postgres.files.scanner import scan
from seedbed.engines.postgres.files.step_texts import statement_lines
from seedbed.engines.postgres.rules import seeds, transactions
from seedbed.errors import Location, SeedFileError, raise_errors
from seedbed.model.migration import StepText
from seedbed.model.seed import Script, SeedKind

# (digest, kind, schema of the history) of the scripts that were found fit in this process: each is looked at before
# anything is touched, and again before it runs, and a large one takes seconds.
_found_fit: set[tuple[bytes, SeedKind, str]] = set()


def check_script(script: Script, kind: SeedKind, history_schema: str) -> None:
    """Raise SeedFileErrors unless `script` parses, all of it may run inside the dataset's transaction, and it keeps
    away from `history_schema`; one of reference data changes rows, and nothing else.
    """
    known = (sha256(script.source.data).digest(), kind, history_schema)
    if known not in _found_fit:
        for _ in _fit(script, kind, history_schema):
            pass
        _found_fit.add(known)


def script_text(script: Script, kind: SeedKind, history_schema: str) -> StepText:
    """Return what `script` sends, and each of its statements on one line. Raises what `check_script` raises."""
    data = _data(script)
    fit = _fit(script, kind, history_schema)
    try:
        comments = tuple(scan(data))
    except GrammarError:
        comments = ()  # it says where
    return StepText(data.decode(), tuple(statement_lines(data, fit, comments)), "--")


def _data(script: Script) -> bytes:
    return script.source.data.removeprefix(b"\xef\xbb\xbf")


def _fit(script: Script, kind: SeedKind, history_schema: str) -> Iterator[ParsedStatement]:
    """Yield the statements of `script`, one by one: all trees together are many times as large as the file.

    Raises all that is wrong with them once the last is read.
    """
    data = _data(script)
    if b"\0" in data:
        raise _error(
            script, data, data.index(b"\0"), "the file holds a NUL byte", "PostgreSQL would cut it there"
        )
    rows_only = kind is SeedKind.REFERENCE
    refused = partial(_refused, script, data, history_schema, rows_only=rows_only)
    wrong: list[SeedFileError | None] = []
    try:
        for each in grammar.parsed(data):
            if error := refused(each):
                wrong.append(error)
            yield each
    except GrammarError:
        wrong = [
            _error(script, data, each.offset, str(each), each.because)
            if isinstance(each, GrammarError)
            else refused(each)
            for each in grammar.one_by_one(data)
        ]
    raise_errors(filter(None, wrong))


def _refused(
    script: Script, data: bytes, history_schema: str, each: ParsedStatement, *, rows_only: bool
) -> SeedFileError | None:
    """Return the error for what has no place in a seed, or cannot run inside a transaction; None where it can."""
    words = "" if each.kind == "InsertStmt" else summaries.describe(each, data)
    refusal = seeds.refusal(each, words, history_schema, rows_only=rows_only)
    if refusal:
        because = "a dataset is one transaction" if each.kind == "TransactionStmt" else refusal.because
        what = refusal.what.replace("a migration", "a seed")
        return _error(script, data, each.start, what, because, refusal.try_)
    if transactions.transaction_use(each) is transactions.TransactionUse.OUTSIDE:
        what = f"{summaries.describe(each, data)} cannot run inside a transaction"
        return _error(script, data, each.start, what, "a dataset is one transaction")
    return None


def _error(
    script: Script, data: bytes, offset: int, what: str, because: str, try_: str = ""
) -> SeedFileError:
    line = data.count(b"\n", 0, offset) + 1
    try_ = try_ or "fix the script, and seed again"
    return SeedFileError(what, because=because, try_=try_, at=Location(script.path, line))
