"""A file's text, and errors with a line of it."""

from __future__ import annotations

from seedbed.engines.kit.findings import Findings
from seedbed.engines.neo4j.files.lexer import LexError
from seedbed.errors import MigrationFileError
from seedbed.model.migration import MigrationFile


class CypherText(Findings):
    """A file's text with LF line ends, and what is wrong on its lines; offsets count characters."""

    def __init__(self, path: str, text: str) -> None:
        super().__init__(path)
        self.text = text

    def line(self, offset: int) -> int:
        return self.text.count("\n", 0, offset) + 1

    def begins_line(self, offset: int) -> bool:
        """Return whether only blanks come before `offset` on its line."""
        return not self.text[self.text.rfind("\n", 0, offset) + 1 : offset].strip()

    def lex_error(self, error: LexError) -> MigrationFileError:
        """Return the error for a text whose tokens end in the middle."""
        return self.error(self.line(error.offset), error.what, error.because, error.try_)


def read_text(file: MigrationFile) -> CypherText:
    """Return the text that `file` holds, line ends as its checksum has them. Raises MigrationFileError."""
    return CypherText(file.path, file.text())
