"""A migration's file -> a migration. Pure: nothing in a file is run, and no server is asked.

SQL files have dbmate's sections (`-- migrate:up [transaction:false]`, `-- migrate:down`) and seedbed's directives
in the comments above them. A section is one atomic step; with `transaction:false` each statement is a step.
A section's mark counts only where PostgreSQL's own scanner sees a comment at the start of a line.
"""

from __future__ import annotations

from seedbed.engines.postgres.files.header import MigrationHeader
from seedbed.engines.postgres.files.sections import cut
from seedbed.engines.postgres.files.steps import steps_of
from seedbed.engines.postgres.files.text import MigrationText, read_text
from seedbed.engines.postgres.files.tokens import scanned
from seedbed.model.migration import Migration, MigrationFile, Step


def parse(file: MigrationFile) -> Migration:
    """Return the migration that `file` holds. Raises MigrationFileError."""
    text = read_text(file)
    up, down, header = _python(text) if file.source.suffix == ".py" else _sql(text)
    common = header.common
    if common.irreversible and down:
        raise text.error(
            header.irreversible_line,
            "the file is declared irreversible and has a down section",
            "only one of the two can be true",
            "keep one of them",
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
        allows=common.allows,
    )


def _sql(text: MigrationText) -> tuple[tuple[Step, ...], tuple[Step, ...], MigrationHeader]:
    """Return the steps up, the steps down and the header."""
    tokens = scanned(text)
    header, sections = cut(text, tokens)
    steps = {each.name: steps_of(text, each, tokens, header) for each in sections}
    return steps["up"], steps.get("down", ()), header


def _python(text: MigrationText) -> tuple[tuple[Step, ...], tuple[Step, ...], MigrationHeader]:
    from seedbed.engines.postgres.files.rows import read_rows

    return read_rows(text)
