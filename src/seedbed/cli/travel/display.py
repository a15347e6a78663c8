"""What a worker tells, shown on this terminal as if the command ran here."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import click

from seedbed.cli.travel.recorder import NO, YES
from seedbed.errors import OutputLost
from seedbed.remote.records import Asked, Displayed, Entry, Expected, Happened, Written
from seedbed.report.listening import listener_for
from seedbed.report.styles import harmless

if TYPE_CHECKING:
    from seedbed.cli.context import CommandContext
    from seedbed.remote.records import Stream
    from seedbed.report.console import Output
    from seedbed.report.progress import Progress

_SECONDS = re.compile(r" ?\(?\d+ s( ago)?\)?")


class Waiting:
    """One line about what is waited for: painted over and over on a terminal, elsewhere told when it changes."""

    def __init__(self, out: Output) -> None:
        self._out = out
        self._line = ""
        self._told = ""

    def __call__(self, line: str) -> None:
        """Show `line` in the place of the one before; "": nothing is waited for any more."""
        with self._out.lock:
            if self._out.quiet:
                return
            if self._out.stderr.is_capable and self._out.overlay in {None, self}:
                self.erase()
                self._line = harmless(line).replace("\n", " ")  # it may be what AWS says
                self._out.overlay = self if line else None
                self.paint()
            elif (words := _SECONDS.sub("", line)) != self._told:
                self._told = words
                if line:
                    self._out.log(line)

    def erase(self) -> None:
        if self._line:
            self._out.stderr.write("\r\x1b[K")

    def paint(self) -> None:
        if self._line:
            columns = (self._out.stderr.size() or (80, 24))[0]
            self._out.stderr.write(f"\r\x1b[K{self._line[: columns - 1]}")


class Display:
    """Shows entries, in order. `answer` is given the number of a question and what was said; returns what counts."""

    def __init__(self, context: CommandContext, answer: Callable[[int, str], str]) -> None:
        self.lost: OutputLost | None = None
        self.waiting = Waiting(context.out)
        self._context = context
        self._answer = answer
        self._showing = ExitStack()
        self._progress: Progress | None = None

    def __call__(self, entry: Entry) -> None:
        match entry:
            case Written(stream, text):
                self._write(stream, text)
            case Displayed(targets, only_waking):
                self.close()
                if targets:
                    self._open(targets, only_waking=only_waking)
            case Happened(event) if self._progress is not None:
                self._progress(event)
            case Expected(totals) if self._progress is not None:
                self._progress.expect(totals)
            case Asked(number, question):
                self._ask(number, question)

    def close(self) -> None:
        """Leave the terminal clean."""
        self._showing.close()
        self._progress = None

    def _open(self, targets: tuple[str, ...], *, only_waking: bool) -> None:
        self.waiting("")
        listening = listener_for(
            self._context.out,
            targets=targets,
            tells_failures=self._context.as_json,
            only_waking=only_waking,
        )
        self._progress = self._showing.enter_context(listening)

    def _write(self, name: Stream, text: str) -> None:
        if name == "stdout" and self._context.as_json:
            self._context.mark_documented()
        if name == "stdout" and self.lost:
            return
        try:
            self._context.out.pass_on(name, text)
        except OutputLost as error:  # told at the end: the run goes on all the same
            self.lost = error

    def _ask(self, number: int, question: str) -> None:
        """Have the question answered here, or leave that to others who follow the run at a terminal."""
        if not self._context.can_ask:
            self._context.out.log(f"the run waits for an answer, and there is no terminal here: {question}")
            return
        said = self._asked(question)
        if (counts := self._answer(number, said)) != said:
            self._context.out.log(f"it was answered meanwhile: {counts}")

    def _asked(self, question: str) -> str:
        with self._context.asking(), _pressed_as_usual():
            try:
                return YES if click.confirm(harmless(question), err=True) else NO
            except click.Abort:
                return NO


@contextmanager
def _pressed_as_usual() -> Iterator[None]:
    """Have Ctrl-C end a question within this context, and not ask the run to stop."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
