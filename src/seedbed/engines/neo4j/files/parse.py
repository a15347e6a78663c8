"""A migration's file -> a migration. Pure: nothing in a file is run, and no server is asked.

`.cypher` files have sections (`// migrate:up`, `// migrate:down`) and seedbed's directives in the comments above them.
Data statements that follow each other are one atomic step; each schema statement, and each that commits batches of
its own, is a step alone, because Neo4j puts neither into the transaction that keeps the record.
"""

from __future__ import annotations

from collections.abc import Sequence

from seedbed.engines.neo4j.files.header import CypherHeader
from seedbed.engines.neo4j.files.lexer import LexError, Token, scan
from seedbed.engines.neo4j.files.sections import MARKS, CypherSection, cut
from seedbed.engines.neo4j.files.statements import StatementKind
from seedbed.engines.neo4j.files.steps import ParsedStatement, statements_in, steps_of, undo_steps
from seedbed.engines.neo4j.files.text import CypherText, read_text
from seedbed.engines.neo4j.rules.hazards import file_hazards
from seedbed.errors import Location, MigrationFileError
from seedbed.model.migration import Migration, MigrationFile, Step

SUFFIX = ".cypher"


def parse(file: MigrationFile) -> Migration:
    """Return the migration that `file` holds. Raises a MigrationFileError, or several, with their lines."""
    if file.source.suffix != SUFFIX:
        raise MigrationFileError(
            f"Neo4j has no migrations in {file.source.suffix!r}",
            because=f"they are Cypher: {SUFFIX}",
            at=Location(file.path),
        )
    text = read_text(file)
    return text.all_of(lambda: _migration(file, text))


def _migration(file: MigrationFile, text: CypherText) -> Migration:
    tokens = _scanned(text)
    header, sections = cut(text, tokens)
    found = {each.name: statements_in(text, each, tokens) for each in sections}
    steps = {each.name: steps_of(text, each, found[each.name], header) for each in sections}
    down_line = next((each.line for each in sections if each.name == "down" and not found["down"]), 0)
    up, common = found["up"], header.common
    _require_use_of_directives(text, up, header)
    down = _way_down(text, sections, steps, up, header)
    if not text.count and not text.text[sections[0].start : sections[0].end].strip():
        text.note(MARKS.nothing_to_do(text, sections[0].line))
    return Migration(
        version=file.version,
        name=file.name,
        path=file.path,
        checksum=file.checksum,
        phase=common.phase,
        up=steps["up"],
        down=down,
        irreversible=common.irreversible,
        after=common.after,
        overtakes=common.overtakes,
        hazards=file_hazards(
            up, found.get("down", ()), phase=common.phase, is_repeatable=header.is_repeatable
        ),
        allows=common.allows,
        postconditions=common.postconditions,
        down_line=down_line,
    )


def _scanned(text: CypherText) -> tuple[Token, ...]:
    try:
        return scan(text.text)
    except LexError as error:
        raise text.lex_error(error) from None


def _way_down(
    text: CypherText,
    sections: Sequence[CypherSection],
    steps: dict[str, tuple[Step, ...]],
    up: Sequence[ParsedStatement],
    header: CypherHeader,
) -> tuple[Step, ...]:
    """Return the down steps as written; else, of schema statements only, the one that follows from them."""
    written = steps.get("down", ())
    if header.common.irreversible is None:
        is_derived = not written and all(each.kind is StatementKind.SCHEMA for each in up)
        return undo_steps(steps["up"]) if is_derived else written
    if written:
        wrong = text.error(
            header.lines["irreversible"],
            "the file is declared irreversible and has a down section",
            f"`// migrate:down` on line {sections[-1].line} reverts it",
            "keep one of them",
        )
        text.note(wrong)
    return ()


def _require_use_of_directives(text: CypherText, up: Sequence[ParsedStatement], header: CypherHeader) -> None:
    """Refuse `repeatable` where nothing can be repeated."""
    if header.is_repeatable and not any(each.kind is StatementKind.IN_TRANSACTIONS for each in up):
        wrong = text.error(
            header.lines["repeatable"],
            "`repeatable` has no meaning here",
            "only CALL { … } IN TRANSACTIONS is ever run again; everything else commits once, with its record",
            "remove it",
        )
        text.note(wrong)
