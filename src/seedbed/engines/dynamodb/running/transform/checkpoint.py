"""The checkpoints of a transformation: how far each segment is, as the history records it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from seedbed.support.typed import ready


class SegmentCheckpoint(msgspec.Struct, frozen=True, omit_defaults=True):
    """How far one segment is. `pass_` counts from 1; `key` is the last item that is done with, None at the start.

    `found`: items that were still to be changed in this pass. The others are counts over all passes: items looked
    at in this pass, items changed, deleted, and made.
    """

    segments: int
    pass_: int = 1
    key: Mapping[str, Any] | None = None
    is_over: bool = False
    scanned: int = 0
    found: int = 0
    changed: int = 0
    deleted: int = 0
    made: int = 0

    def to_text(self) -> str:
        return msgspec.json.encode(self).decode()

    @classmethod
    def from_text(cls, text: str) -> SegmentCheckpoint:
        return msgspec.json.decode(text, type=ready(cls))

    def next_pass(self) -> SegmentCheckpoint:
        from msgspec.structs import replace

        return replace(self, pass_=self.pass_ + 1, key=None, is_over=False, scanned=0, found=0)


def resumed(checkpoints: Mapping[int, str], segments: int) -> list[SegmentCheckpoint]:
    """Return how far each segment is: as recorded, in as many segments as were begun with, or at the start.

    A segment that has not come to the pass that others are in begins that one.
    """
    found = {number: SegmentCheckpoint.from_text(text) for number, text in checkpoints.items()}
    if not found:
        return [SegmentCheckpoint(segments)] * segments
    count = next(iter(found.values())).segments
    current = max(each.pass_ for each in found.values())
    started = [found.get(number, SegmentCheckpoint(count)) for number in range(count)]
    return [each if each.pass_ == current else _in_pass(each, current) for each in started]


def _in_pass(checkpoint: SegmentCheckpoint, number: int) -> SegmentCheckpoint:
    while checkpoint.pass_ < number:
        checkpoint = checkpoint.next_pass()
    return checkpoint
