"""The marks of sections, `-- migrate:up` and `-- migrate:down`: how they look, and what is said where they are wrong.

Where a comment begins and ends is known to the language's own scanner; what a comment says is the same in each.
"""

from __future__ import annotations

import re

from seedbed.engines.kit.findings import Findings
from seedbed.errors import MigrationFileError
from seedbed.support.phrases import one_line

_OF_ANY_LANGUAGE = re.compile(r"^[ \t]*(?:--|//|#)[ \t]*migrate:(?:up|down)\b", re.MULTILINE)


class Marks:
    """The marks in a language whose line comments begin with `comment`. Its errors are of the `text` that is read."""

    def __init__(self, comment: str) -> None:
        begin = re.escape(comment)
        self.comment = comment
        self.up = f"{comment} migrate:up"
        self.down = f"{comment} migrate:down"
        self._exact = re.compile(rf"{begin}\s*migrate:(up|down)(?:\s+(.*))?")
        self._nearly = re.compile(
            rf"{begin}+\s*migrate\s*:\s*(?:up|down)\b|{begin}\s*migrate:\w", re.IGNORECASE
        )
        self._hidden = re.compile(rf"^{begin}\s*migrate:up\b", re.MULTILINE)

    def exact(self, comment: str) -> re.Match[str] | None:
        """Return the name of the section that `comment` begins and its options, as the groups of a match."""
        return self._exact.fullmatch(comment)

    def is_nearly_one(self, comment: str) -> bool:
        """Return whether `comment` was meant to begin a section."""
        return self._nearly.match(comment) is not None

    def nearly(self, text: Findings, line: int, comment: str) -> MigrationFileError:
        return text.error(
            line,
            f"{one_line(comment)} is nearly the mark of a section",
            "a mark stands between two statements, at the start of its line, and is written exactly",
            f"{self.up} or {self.down}",
        )

    def missing(self, text: Findings, content: str) -> MigrationFileError:
        """Return the error for a text without an up; `content` is all of it."""
        what, line = f"the file has no `{self.up}`", 0
        if found := self._hidden.search(content):
            line = content.count("\n", 0, found.start()) + 1
            return text.error(line, f"{what} that counts", "this one stands inside a string or a comment")
        if found := _OF_ANY_LANGUAGE.search(content):
            line = content.count("\n", 0, found.start()) + 1
            if not found[0].lstrip().startswith(self.comment):
                return text.error(line, what, f"comments begin with {self.comment} in this language")
        return text.error(0, what, "", "begin with that line, and the statements after it")

    def down_first(self, text: Findings, line: int) -> MigrationFileError:
        return text.error(line, f"`{self.down}` comes before `{self.up}`", "", f"put `{self.up}` first")

    def before_the_first(self, text: Findings, line: int) -> MigrationFileError:
        return text.error(
            line,
            f"something stands before `{self.up}`",
            "only comments may stand here: it would never run",
            "put it into a section",
        )

    def directives_below(self, text: Findings, line: int) -> MigrationFileError:
        return text.error(
            line,
            "directives have no effect here",
            f"they are read above `{self.up}`, and nowhere else",
            "move them there",
        )

    def nothing_to_do(self, text: Findings, line: int) -> MigrationFileError:
        """Return the error for an up on `line` that was left blank."""
        return text.error(
            line,
            "there is nothing to do",
            f"`{self.up}` is followed by nothing",
            "write there what it does; or a comment, where it is to do nothing",
        )
