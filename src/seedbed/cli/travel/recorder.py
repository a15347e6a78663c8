"""What a command has in the place of a terminal where it runs for a client: all that it shows goes into the record."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from typing import TYPE_CHECKING, Any, TextIO

from msgspec import convert, to_builtins

from seedbed.documents.document import plain, redacted
from seedbed.model.event import AnyEvent, Event, Listener, TargetAwaited
from seedbed.model.secret import Redactor
from seedbed.report.console import Output
from seedbed.report.listening import listener_for
from seedbed.support.typed import ready

if TYPE_CHECKING:
    from seedbed.aws.objects import Bucket
    from seedbed.documents.document import Document
    from seedbed.execution.stopping import Stop
    from seedbed.remote.records import Stream, Terminal
    from seedbed.remote.worker import Worker

YES, NO = "yes", "no"  # answers to a question
_COLORED = re.compile(r"\x1b\[[0-9;]*m")


class Renaming(Redactor):
    """Masks secrets, and calls files as the client does, who does not know where they lie here."""

    def __init__(self) -> None:
        super().__init__()
        self._names: dict[str, str] = {}

    def rename(self, names: Mapping[str, str]) -> None:
        """Write names in the place of paths from now on. `names`: what the client calls a file, by its path here."""
        self._names = dict(names)

    def __call__(self, text: str) -> str:
        for path, name in self._names.items():
            text = text.replace(path, name)
        return super().__call__(text)


class Recorder:
    """Takes the place of the terminal, of the listener, and of whoever is asked."""

    def __init__(self, worker: Worker, terminal: Terminal, redactor: Redactor, log: TextIO) -> None:
        """`log`: where all is repeated for whoever reads the log of the task."""
        self.redactor = redactor
        self.can_ask = terminal.interactive
        self.directory = terminal.directory
        self.below = terminal.below
        self.document: Any = None
        self._worker = worker
        self._terminal = terminal
        self._log = log
        self._check: Callable[[], None] = lambda: None

    # --- the terminal

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Have this process write to the client's terminal, as wide and as colourful as that is."""
        terminal = self._terminal
        before = dict(os.environ)
        os.environ |= {
            "COLUMNS": str(terminal.columns),
            "LINES": str(terminal.lines),
            "TERM": "xterm" if terminal.capable else "dumb",
        }
        os.environ.pop("NO_COLOR", None)
        if terminal.github:
            os.environ |= {"GITHUB_ACTIONS": "true", "GITHUB_WORKSPACE": ""}
        out = _Text(self, "stdout", tty=terminal.stdout_tty, encoding=terminal.stdout_encoding)
        err = _Text(self, "stderr", tty=terminal.stderr_tty, encoding=terminal.stderr_encoding)
        try:
            with redirect_stdout(out), redirect_stderr(err):
                yield
        finally:
            os.environ.clear()
            os.environ.update(before)

    def written(self, stream: Stream, text: str) -> None:
        safe = self._safe(text)
        self._worker.written(stream, safe)
        with suppress(
            OSError, ValueError
        ):  # the record has it; no step fails because its log takes nothing more
            self._log.write(_COLORED.sub("", safe))
            self._log.flush()

    # --- the listener

    @contextmanager
    def progress(self, targets: Sequence[str], *, only_waking: bool = False) -> Iterator[Listener]:
        """Yield a listener whose events the client shows, in a display that has a row for each of `targets`."""
        logged = Output(None, self._log, color="never", redact=self.redactor, environ={})
        self._worker.displayed(targets, only_waking=only_waking)
        try:
            with listener_for(logged, targets=targets, tells_failures=True, only_waking=only_waking) as log:

                def listen(event: Event) -> None:
                    if not only_waking or isinstance(event, TargetAwaited):
                        self._happened(event)
                    log(event)

                yield listen
        finally:
            self._worker.displayed(())

    @property
    def run_id(self) -> str:
        return self._worker.run.id

    @property
    def bucket(self) -> Bucket:
        """Where what the run saw of its databases is left."""
        return self._worker.bucket

    def expect(self, totals: Mapping[str, int]) -> None:
        self._worker.expected(totals)

    def _happened(self, event: Event) -> None:
        ready(AnyEvent)
        self._worker.event(convert(redacted(to_builtins(event), self._safe), AnyEvent))

    def keep(self, document: Document) -> None:
        """Keep what the command ends with, for who looks at the record later."""
        self.document = redacted(plain(document), self._safe)

    def _safe(self, text: str) -> str:
        """Return `text` without secrets, and with what is no UTF-8 spelled out as a stream would: JSON has no such."""
        return self.redactor(text).encode("utf-8", "backslashreplace").decode()

    # --- whoever is asked, or stops it

    @contextmanager
    def watching(self, stop: Stop) -> Iterator[None]:
        """Have no question wait any longer once `stop` was asked for, within this context."""
        self._check = stop.check
        try:
            yield
        finally:
            self._check = lambda: None

    def ask(self, question: str) -> bool:
        """Return whether the client says yes. Raises Interrupted, and Refused where no answer comes."""
        return self._worker.answer(self._safe(question), check=self._check) == YES


class _Text(io.TextIOBase):
    """One of the two streams of a client's terminal."""

    def __init__(self, recorder: Recorder, stream: Stream, *, tty: bool, encoding: str) -> None:
        self._recorder = recorder
        self._stream: Stream = stream
        self._tty = tty
        self._encoding = encoding

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._encoding

    def isatty(self) -> bool:
        return self._tty

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if not isinstance(text, str):
            raise TypeError("a stream of text takes no bytes")  # click tries that, to see what it has
        if text:
            self._recorder.written(self._stream, text)
        return len(text)
