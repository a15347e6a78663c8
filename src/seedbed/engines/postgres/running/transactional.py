"""Migrations that fit into one transaction each: several of them travel in one message.

`BEGIN; body; INSERT history; COMMIT; BEGIN; …` is one round trip for all of them, while each one still commits
or fails alone, together with its record. The answers come back statement by statement; a COMMIT among them
says that one more migration is done. The server hands its answers over when a message ends, so how many travel
together depends on how quick they are: one at first, twice as many after each quick message, one again after a
slow one.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Sequence

from msgspec import Struct

from seedbed.engines.base import Progress
from seedbed.engines.postgres.running.steps import line_of_statement, place_in, settings
from seedbed.engines.postgres.store.fenced_writer import FencedWriter
from seedbed.engines.postgres.wire.libpq import CommandResult
from seedbed.engines.postgres.wire.messages import ServerError, send
from seedbed.errors import Location
from seedbed.model.event import WorkFinished, WorkStarted
from seedbed.model.migration import Direction, Step, Work

MOST_WORKS = 16
MOST_CHARACTERS = 256 * 1024
QUICK = 0.25  # seconds that a message may take for the next one to be longer


def is_short(work: Work) -> bool:
    """Return whether `work` is at most one step that commits together with its record."""
    steps = work.migration.steps(work.direction)
    return not steps or (len(steps) == 1 and steps[0].atomic and steps[0].backfill is None)


def grouped(works: Sequence[Work], unfinished: Collection[str]) -> Iterator[list[Work]]:
    """Yield `works` in order: short neighbours together, each of the others alone."""
    group: list[Work] = []
    for work in works:
        if is_short(work) and work.migration.version not in unfinished:
            group.append(work)
            continue
        if group:
            yield group
            group = []
        yield [work]
    if group:
        yield group


def _first(works: Sequence[Work], most: int) -> list[Work]:
    """Return the first of `works` that go into one message: at most `most`, and no more text than is sensible."""
    size = 0
    for count, work in enumerate(works[:most]):
        size += sum(len(step.body) for step in work.migration.steps(work.direction))
        if count and size > MOST_CHARACTERS:
            return list(works[:count])
    return list(works[:most])


class _Part(Struct, frozen=True):
    """One work inside a message; `start` and `end` bound its body, in characters of the message.

    `preamble` counts the statements before the body: BEGIN and the settings.
    """

    work: Work
    start: int
    end: int
    preamble: int

    @property
    def step(self) -> Step | None:
        return _step(self.work)


class _Message(Struct):
    """A message under way: `current` is the part at work, `statements` how many of it are done."""

    text: str
    parts: Sequence[_Part]
    current: int = 0
    statements: int = 0


def apply(writer: FencedWriter, works: Sequence[Work]) -> Iterator[Progress]:
    """Carry out `works`, retrying transient failures. Raises StepFailed, LeaseLost, Interrupted."""
    waiting, most, ceiling = list(works), 1, MOST_WORKS
    begun: set[str] = set()  # versions that were announced: a retry does not start them again
    for attempt in writer.attempts():
        if not waiting:
            return
        message = _compose(writer, _first(waiting, most))
        began = time.monotonic()
        try:
            for progress in _send(writer, message):
                if isinstance(progress, WorkFinished):
                    waiting.pop(0)
                    attempt.progressed()
                elif isinstance(progress, WorkStarted):
                    if progress.version in begun:
                        continue
                    begun.add(progress.version)
                yield progress
            most = min(most * 2, ceiling) if time.monotonic() - began < QUICK else 1
        except ServerError as error:
            if error.finished == 0 and len(message.parts) > 1 and not error.was_canceled:
                # Not even BEGIN was done. The server reads a whole message before it runs any of it, and its
                # grammar may be older than the one that parsed the files: one by one, all before the culprit
                # are done first.
                most = ceiling = 1
                continue
            part = message.parts[message.current]
            yield from writer.notices(part.work.migration.version)
            yield from writer.retry(part.work.migration, error, attempt, _where(message, part, error))


def _compose(writer: FencedWriter, works: Sequence[Work]) -> _Message:
    pieces: list[str] = []
    parts: list[_Part] = []
    length = 0
    for work in works:
        step = _step(work)
        local = settings(work.migration, local=True)
        head = f"BEGIN; {local}"
        body = step.body if step else ""
        tail = _tail(writer, work, step, parts[-1].work.migration.version if parts else "")
        start = length + len(head)
        parts.append(_Part(work, start, start + len(body), 1 + local.count(";")))
        pieces += (head, body, tail)
        length = start + len(body) + len(tail)
    return _Message("".join(pieces), parts)


def _tail(writer: FencedWriter, work: Work, step: Step | None, after: str) -> str:
    """Return what follows a body. The line break ends a comment that the body may close with.

    `after`: the version before this one in the message.
    """
    reset = "" if step is None or step.keeps_session else f"{writer.forget_session()}; "
    up = work.direction is Direction.UP
    record = (writer.table.applied if up else writer.table.reverted)(
        work.migration, writer.owner, after=after
    )
    return f"\n;{reset}{record}; COMMIT;\n"


def _step(work: Work) -> Step | None:
    steps = work.migration.steps(work.direction)
    return steps[0] if steps else None


def _send(writer: FencedWriter, message: _Message) -> Iterator[Progress]:
    yield _started(writer, message.parts[0].work)
    milliseconds = 0.0
    for tag, value in _counted(writer, message.text):
        if tag != "COMMIT":
            message.statements += 1
            milliseconds = _number(value)  # the record's in the end: it is the last statement before COMMIT
            continue
        work = message.parts[message.current].work
        yield from writer.notices(work.migration.version)
        yield WorkFinished(
            writer.target,
            work.migration.version,
            work.migration.name,
            work.direction.value,
            milliseconds / 1000,
        )
        message.statements = 0
        if message.current + 1 < len(message.parts):
            message.current += 1
            yield _started(writer, message.parts[message.current].work)


def _counted(writer: FencedWriter, text: str) -> Iterator[CommandResult]:
    """Yield the answers to `text`, each of its transactions counted among what is touched, once it is committed."""
    with writer.touched.unless(ServerError) as under_way:
        for answer in send(writer.wire, text):
            if answer.tag == "COMMIT":
                writer.touched.sending().stays()
            yield answer
        under_way.undone()  # the last answer was a COMMIT, which is counted


def _number(value: str) -> float:
    """Return what the record's statement says about the time; answers of the migration's own may be anything."""
    try:
        return float(value)
    except ValueError:
        return 0.0


def _started(writer: FencedWriter, work: Work) -> WorkStarted:
    return WorkStarted(writer.target, work.migration.version, work.migration.name, work.direction.value)


def _where(message: _Message, part: _Part, error: ServerError) -> Location:
    """Return the line that failed: by the error's position, else by counting the statements that are done."""
    path = part.work.migration.path
    if part.step is None:
        return Location(path)
    position = error.position
    if position is not None and part.start <= position <= part.end:
        return place_in(path, part.step, position - part.start)
    # No line: the body was through, and its COMMIT failed (a deferred constraint) or its record.
    return Location(path, line_of_statement(part.step, message.statements - part.preamble))
