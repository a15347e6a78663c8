"""Waiting until what a schema statement made can be used: an index is filled after the statement has returned."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from msgspec import Struct

from seedbed.engines.neo4j.files.commands import Noun, SchemaCommand
from seedbed.engines.neo4j.schema.catalogue import (
    FAILED,
    ONLINE,
    Catalogue,
    Read,
    SchemaObject,
    read_catalogue,
)
from seedbed.errors import StepFailed

_FIRST, _LONGEST = 0.02, 1.0  # seconds between two looks


class IndexProgress(Struct, frozen=True):
    """An index that is being filled, and how far that is: 0 to 100."""

    name: str
    percent: float


def wait_online(
    read: Read, command: SchemaCommand, *, sleep: Callable[[float], None], undo: Callable[[], None]
) -> Iterator[IndexProgress]:
    """Wait until the index that `command` made is ONLINE, yielding its progress at each poll.

    A server that cannot fill it keeps it, of no use and under its name: then `undo` is called, which drops it, and
    StepFailed raised. Where an index was there before, `undo` has to do nothing.
    """
    pause = _FIRST
    while (index := index_of(command, read_catalogue(read))) is not None and index.state != ONLINE:
        if index.state == FAILED:
            undo()
            raise StepFailed(
                f"the index {index.name} cannot be filled",
                because=_first_line(index.failure) or "the server gives no reason",
                try_="change the data that does not fit, or leave it out",
            )
        yield IndexProgress(index.name, index.percent)
        sleep(pause)
        pause = min(pause * 2, _LONGEST)


def index_of(command: SchemaCommand, catalogue: Catalogue) -> SchemaObject | None:
    """Return the index that `command` is about: that of its name, or another of the same things."""
    if command.subject is None:
        return None
    named = catalogue.indexes.get(command.name)
    if named is not None or command.noun is Noun.CONSTRAINT:
        return named
    return catalogue.like(Noun.INDEX, command.subject)


def _first_line(text: str) -> str:
    return text.strip().split("\n", 1)[0]
