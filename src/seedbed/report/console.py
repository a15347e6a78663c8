"""Where everything that seedbed writes goes through: stdout for results, stderr for progress and logs.

There is no terminal library behind it. Colours are a handful of sequences, tables a dozen lines, the live
display is `live.py`; both write escape sequences of their own, see docs/adr.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal, Protocol, TextIO

from seedbed.errors import OutputLost
from seedbed.report import github
from seedbed.report.styles import Line, Look, Page, Span, colored, render

if TYPE_CHECKING:
    from seedbed.documents.document import Document
    from seedbed.documents.errors import ErrorEntry

Color = Literal["auto", "always", "never"]


class Overlay(Protocol):
    """A display at the bottom of the terminal that makes room for what is written above it."""

    def erase(self) -> None: ...

    def paint(self) -> None: ...


class Stream:
    """One of the two streams, and what it can show.

    A reader that went away is not an error of ours: what comes after is dropped, and the exit code stays.
    """

    def __init__(
        self, file: TextIO | None, color: Color, environ: Mapping[str, str], *, strict: bool
    ) -> None:
        self._file = file
        self._environ = environ
        self._strict = strict
        self.is_terminal = _is_terminal(file)
        self.is_capable = self.is_terminal and environ.get("TERM", "dumb") not in {"", "dumb"}
        self.color = color == "always" or (
            color == "auto" and self.is_capable and not environ.get("NO_COLOR")
        )
        self.encoding = (getattr(file, "encoding", None) or "utf-8").lower().replace("_", "-")
        self.unicode = self.encoding in {"utf-8", "utf8", "utf-8-sig"}

    def size(self) -> tuple[int, int] | None:
        """Return columns and lines of the terminal as it is now; None where there is none."""
        if not self.is_terminal or self._file is None:
            return None
        try:
            real = os.get_terminal_size(self._file.fileno())
        except (OSError, ValueError):
            real = os.terminal_size((0, 0))
        columns = _positive(self._environ.get("COLUMNS")) or real.columns or 80
        return columns, _positive(self._environ.get("LINES")) or real.lines or 24

    def look(self, redact: Callable[[str], str]) -> Look:
        size = self.size()
        return Look(self.color, self.unicode, size[0] if size else None, redact=redact)

    def write(self, text: str) -> None:
        """Write `text` now. Raises OutputLost only where the stream is strict, and never for a reader that left."""
        if self._file is None:
            return
        try:
            self._file.write(text.encode(self.encoding, "backslashreplace").decode(self.encoding))
            self._file.flush()
        except BrokenPipeError:
            self._give_up()
        except (OSError, ValueError) as error:
            # A migration does not fail because its progress cannot be shown; a result that is lost does matter.
            if self._strict and isinstance(error, OSError):
                self._give_up()
                raise lost(error) from None

    def _give_up(self) -> None:
        """Let what Python still holds for the stream go nowhere, so that its own flush at exit is quiet, too."""
        file, self._file = self._file, None
        try:
            assert file is not None
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, file.fileno())
            os.close(nowhere)
        except (OSError, ValueError):
            return


class Output:
    """The one sink. `redact` sees every text before it is laid out and once more before it is written."""

    def __init__(
        self,
        stdout: TextIO | None,
        stderr: TextIO | None,
        *,
        color: Color = "auto",
        quiet: int = 0,
        verbose: int = 0,
        redact: Callable[[str], str],
        environ: Mapping[str, str] | None = None,
    ) -> None:
        environ = os.environ if environ is None else environ
        self.stdout = Stream(stdout, color, environ, strict=True)
        self.stderr = Stream(stderr, color, environ, strict=False)
        self.quiet = quiet
        self.verbose = verbose
        self.redact = redact
        self.github = github.is_github(environ)
        self.root = environ.get("GITHUB_WORKSPACE", "")
        self.below = ""  # where what is shown lies in the checkout, if that is elsewhere
        self.lock = threading.RLock()  # a signal handler may write while its own thread is writing
        self.overlay: Overlay | None = None

    def result(self, page: Page | str) -> None:
        """Write what was asked for, to stdout."""
        self._write(self.stdout, self._rendered(self.stdout, page))

    def log(self, page: Page | str, *, level: int = 0) -> None:
        """Write what is told on the way, to stderr, from `-v` level `level` on; with `--quiet`, errors only."""
        if self.verbose >= level and not (self.quiet and level >= 0):
            self._write(self.stderr, self._rendered(self.stderr, page))

    def pass_on(self, name: Literal["stdout", "stderr"], text: str) -> None:
        """Write what another process wrote for this terminal, which had laid it out and redacted it.

        A terminal is given its colours, and nothing else that it would obey: who may write records of runs is not who
        sits here.
        """
        stream = self.stdout if name == "stdout" else self.stderr
        self._write(stream, colored(text) if stream.is_terminal else text)

    def error(self, error: ErrorEntry) -> None:
        """Write an error to stderr, however quiet; on GitHub, as an annotation, too."""
        from seedbed.report.text.errors import error_text

        self.log(error_text(error), level=-1)
        self.annotate(github.Annotation.of(error))

    def annotate(self, annotation: github.Annotation) -> None:
        """Write an annotation as a command to GitHub's runner; anywhere else, nothing."""
        if self.github:
            with self.lock:
                self.stderr.write(self.redact(github.command(annotation, self.root, self.below)))

    def document(self, document: Document | Mapping[str, Any]) -> None:
        """Write one JSON document to stdout.

        Its texts are redacted one by one: a mask in the middle of a number would leave no JSON.
        """
        from seedbed.documents.document import plain, redacted, text

        written = text(redacted(plain(document), self.redact), ascii_only=not self.stdout.unicode)
        written = github.disarm_json(written) if self.github else written
        with self.lock:
            self.stdout.write(written)

    def _rendered(self, stream: Stream, page: Page | str) -> str:
        if isinstance(page, str):
            page = [Line((Span(page.removesuffix("\n")),))]
        text = self.redact(render(page, stream.look(self.redact)))
        return github.disarm(text) if self.github else text

    def _write(self, stream: Stream, text: str) -> None:
        with self.lock:
            if self.overlay is None or not stream.is_terminal:
                stream.write(text)
                return
            self.overlay.erase()
            stream.write(text)
            self.overlay.paint()


def lost(error: OSError) -> OutputLost:
    """Return the error to report when standard output takes nothing more."""
    return OutputLost(
        "the result cannot be written to standard output",
        because=error.strerror or str(error),
        try_="check where the output goes: a full disk, or a device that takes nothing",
    )


def _is_terminal(file: TextIO | None) -> bool:
    try:
        return file is not None and file.isatty()
    except ValueError:  # closed
        return False


def _positive(text: str | None) -> int:
    return int(text) if text and text.isdecimal() else 0
