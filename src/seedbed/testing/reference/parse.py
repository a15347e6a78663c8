"""A `.mem` file -> a migration. Pure, and nothing in it is run.

The sections are those of every text engine (`# migrate:up [transaction:false]`, `# migrate:down`), the header
directives are seedbed's own (`# seedbed: phase=contract`), the statements are in `language`. A section is one atomic
step; with `transaction:false` each statement is a step.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from msgspec import Struct

from seedbed.errors import Location, MigrationFileError
from seedbed.model.directives import Directive, parse_directives
from seedbed.model.hazard import Hazard
from seedbed.model.headers import Header, read_common
from seedbed.model.migration import Backfill, Migration, MigrationFile, Step
from seedbed.testing.reference.language import Misread, Statement, read

_SECTION = re.compile(r"#\s*migrate:(\w+)\s*(.*?)\s*\Z")
_DIRECTIVES = re.compile(r"#\s*seedbed:\s*(.*)\Z")
_OWN = {"repeatable", "backfill", "batch"}
DROPS, FAILS = "MEM101", "MEM102"
_BATCH = 1000  # rows, where a backfill does not say it


class _Section(Struct, frozen=True):
    """`# migrate:<name>` at `line`, and the text after it."""

    name: str
    line: int
    is_transaction: bool
    text: str


class _Header(Struct, frozen=True):
    """What the directives of a file say, checked."""

    common: Header
    repeatable: bool = False
    backfill: Backfill | None = None


def parse(file: MigrationFile) -> Migration:
    """Return the migration that `file` holds. Raises MigrationFileError."""
    lines = file.text().split("\n")
    sections = _sections(file, lines)
    header = _header(file, lines[: sections[0].line - 1])
    statements = {each.name: _statements(file, each) for each in sections}
    found = {each.name: _steps(file, each, statements[each.name], header) for each in sections}
    if not found.get("up"):
        raise _error(file, sections[0].line, "there is nothing to do", "`# migrate:up` holds no statement")
    return Migration(
        version=file.version,
        name=file.name,
        path=file.path,
        checksum=file.checksum,
        phase=header.common.phase,
        up=found["up"],
        down=found.get("down", ()),
        irreversible=header.common.irreversible,
        after=header.common.after,
        overtakes=header.common.overtakes,
        hazards=tuple(_hazards(statements["up"])),
        allows=header.common.allows,
        postconditions=header.common.postconditions,
    )


def _error(file: MigrationFile, line: int, what: str, because: str, try_: str = "") -> MigrationFileError:
    return MigrationFileError(what, because=because, try_=try_, at=Location(file.path, line))


def _sections(file: MigrationFile, lines: Sequence[str]) -> list[_Section]:
    marks = [(number, match) for number, line in enumerate(lines, 1) if (match := _SECTION.match(line))]
    names = [match[1] for _, match in marks]
    if names not in (["up"], ["up", "down"]):
        raise _error(
            file,
            marks[0][0] if marks else 0,
            "the file has no sections that make a migration",
            f"its marks are {', '.join(names) or 'none at all'}",
            "write `# migrate:up`, the statements, and then perhaps `# migrate:down`",
        )
    ends = [number for number, _ in marks[1:]] + [len(lines) + 1]
    return [
        _Section(
            match[1], number, _is_transaction(file, number, match[2]), "\n".join(lines[number : end - 1])
        )
        for (number, match), end in zip(marks, ends, strict=True)
    ]


def _is_transaction(file: MigrationFile, line: int, options: str) -> bool:
    if options not in {"", "transaction:true", "transaction:false"}:
        raise _error(file, line, f"a section has no option {options!r}", "it may say `transaction:false`")
    return options != "transaction:false"


def _statements(file: MigrationFile, section: _Section) -> list[Statement]:
    try:
        return read(section.text, section.line + 1)
    except Misread as error:
        raise _error(file, error.args[1], "this is not a statement", error.args[0]) from None


def _steps(
    file: MigrationFile, section: _Section, statements: Sequence[Statement], header: _Header
) -> tuple[Step, ...]:
    if header.backfill and section.name == "up":
        return (_backfill(file, section, statements, header.backfill),)
    if not section.is_transaction:
        return tuple(_step(index, each, header) for index, each in enumerate(statements))
    for each in statements:
        if not each.is_atomic:
            raise _error(
                file,
                each.line,
                "this statement does not go into a transaction",
                "its effect stays whatever comes after it",
                f"`# migrate:{section.name} transaction:false`",
            )
    return (_whole(section, statements),) if statements else ()


def _whole(section: _Section, statements: Sequence[Statement]) -> Step:
    """Return a section as one step; its body keeps the line numbers by starting at the first statement."""
    first = statements[0].line
    body = "\n".join(section.text.split("\n")[first - section.line - 1 :]).rstrip()
    return Step(0, body, first, summary="; ".join(each.text for each in statements))


def _step(index: int, statement: Statement, header: _Header) -> Step:
    return Step(
        index,
        statement.text,
        statement.line,
        atomic=statement.is_atomic,
        repeatable=header.repeatable and not statement.is_atomic,
        summary=statement.text,
    )


def _backfill(
    file: MigrationFile, section: _Section, statements: Sequence[Statement], backfill: Backfill
) -> Step:
    if len(statements) != 1 or statements[0].op[:2] not in (
        ["set", backfill.table],
        ["increment", backfill.table],
    ):
        raise _error(
            file,
            section.line,
            "a backfill is one statement",
            f"each batch of {backfill.table} runs the same `set` or `increment`",
            f"`set {backfill.table} column value`, and everything else in another migration",
        )
    only = statements[0]
    return Step(0, only.text, only.line, atomic=False, summary=only.text, backfill=backfill)


def _header(file: MigrationFile, lines: Sequence[str]) -> _Header:
    marked = [
        (number, match[1]) for number, line in enumerate(lines, 1) if (match := _DIRECTIVES.match(line))
    ]
    directives = parse_directives(marked, file.path)
    single = {each.key: each for each in directives}
    return _Header(
        common=read_common(directives, file.path, own=_OWN),
        repeatable="repeatable" in single,
        backfill=_backfilled(file, single.get("backfill"), single.get("batch")),
    )


def _hazards(statements: Sequence[Statement]) -> Iterator[Hazard]:
    """Yield what no revert restores, and what the server refuses."""
    for each in statements:
        if each.kind == "fail":
            yield Hazard(
                FAILS,
                f"the server would refuse it: {each.text}",
                "it says so",
                "leave it out",
                each.line,
                fails=True,
            )
        if each.kind == "drop":
            yield Hazard(
                DROPS,
                f"it drops the table {each.op[1]}",
                "its rows are gone, and code that still reads them fails",
                "let the release go out that no longer uses it, and copy what is worth keeping",
                each.line,
                refused=True,
            )


def _backfilled(file: MigrationFile, directive: Directive | None, batch: Directive | None) -> Backfill | None:
    if directive is None:
        return None
    table, _, key = directive.value.partition(".")
    rows = batch.value if batch else str(_BATCH)
    if not table or not key or not rows.isascii() or not rows.isdigit() or int(rows) < 1:
        raise _error(
            file, directive.line, "the backfill is not understood", "it reads `backfill=table.key batch=1000`"
        )
    return Backfill(table, key, int(rows))
