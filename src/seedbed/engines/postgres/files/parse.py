"""A migration's file -> a migration. Pure: nothing in a file is run, and no server is asked.

SQL files have dbmate's sections (`-- migrate:up [transaction:false]`, `-- migrate:down`) and seedbed's directives
in the comments above them. A section is one atomic step; with `transaction:false` each statement is a step. Where a
file has several pairs of sections, their ups follow each other, and their downs, the last one first.
A section's mark counts only where PostgreSQL's own scanner sees a comment at the start of a line.
"""

from __future__ import annotations

from seedbed.engines.postgres.files.header import MigrationHeader
from seedbed.engines.postgres.files.sections import cut
from seedbed.engines.postgres.files.steps import joined, steps_of
from seedbed.engines.postgres.files.text import MigrationText, read_text
from seedbed.engines.postgres.files.tokens import scanned
from seedbed.engines.postgres.rules.outward import outward
from seedbed.model.migration import Migration, MigrationFile, Step


def parse(file: MigrationFile) -> Migration:
    """Return the migration that `file` holds. Raises MigrationFileError, or all that is wrong with it."""
    text = read_text(file)
    return text.all_of(lambda: _migration(file, text))


def _migration(file: MigrationFile, text: MigrationText) -> Migration:
    header, up, down, down_line = _python(text) if file.source.suffix == ".py" else _sql(text)
    common = header.common
    if common.irreversible and down:
        text.note(
            text.error(
                header.irreversible_line,
                "the file is declared irreversible and has a down section",
                "only one of the two can be true",
                "keep one of them",
            )
        )
    return Migration(
        version=file.version,
        name=file.name,
        path=file.path,
        checksum=file.checksum,
        phase=common.phase,
        up=up,
        down=down,
        irreversible=common.irreversible,
        after=common.after,
        overtakes=common.overtakes,
        settings=header.settings,
        hazards=tuple(outward(up)) if file.source.suffix != ".py" else (),
        allows=common.allows,
        postconditions=common.postconditions,
        down_line=down_line,
    )


_Read = tuple[
    MigrationHeader, tuple[Step, ...], tuple[Step, ...], int
]  # header, up, down, line of an empty down


def _sql(text: MigrationText) -> _Read:
    tokens = scanned(text)
    header, sections = cut(text, tokens)
    ups, downs = ([each for each in sections if each.name == name] for name in ("up", "down"))
    up = [steps_of(text, each, tokens, header) for each in ups]
    down = [steps_of(text, each, tokens, header) for each in reversed(downs)]
    empty = [each.line for each, steps in zip(reversed(downs), down, strict=True) if not steps]
    whole_up, whole_down = (all(each.is_transaction for each in some) for some in (ups, downs))
    way_down = () if empty else joined(down, is_transaction=whole_down)
    return header, joined(up, is_transaction=whole_up), way_down, min(empty, default=0)


def _python(text: MigrationText) -> _Read:
    from seedbed.engines.postgres.files.rows import read_rows

    up, down, header = read_rows(text)
    return header, up, down, 0
