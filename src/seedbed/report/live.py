"""The live display: a row for each target at the bottom of the terminal, painted over and over.

It only moves the cursor up and clears lines. The cursor stays visible, no mode is switched and no other screen
is used, so whatever ends the process, the terminal is as it was.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Self

from seedbed.model.event import (
    DeployFinished,
    DeployProgressed,
    DeployStarted,
    Event,
    IdsAwaited,
    IdsRead,
    LeaseAwaited,
    QueryAsked,
    SeedLoaded,
    SeedProgressed,
    TargetAwaited,
    TargetBound,
    TargetDone,
    TargetFailed,
    TargetSkipped,
    WorkFinished,
    WorkProgressed,
)
from seedbed.report.progress import Progress, told
from seedbed.report.styles import Line, Look, Row, Span, Style, Table, line, render, row, widths
from seedbed.report.tracking import Stage, Track, done_word
from seedbed.support.phrases import duration

_SPINNER = "⠋⠙⠹⠸⠴⠦⠧⠏"
_BAR = 12  # cells
_WHAT = 3  # the column that gives way on a narrow terminal
_ON_ITS_ROW = (  # what the row shows well enough; anything else is printed above
    DeployFinished,
    DeployStarted,
    SeedLoaded,
    TargetDone,
    TargetFailed,
    TargetSkipped,
    TargetBound,
    WorkFinished,
)
_TICKS = (
    DeployProgressed,
    IdsAwaited,
    IdsRead,
    LeaseAwaited,
    QueryAsked,
    SeedProgressed,
    TargetAwaited,
    WorkProgressed,
)  # only ever shown on the row
_SIGNS = {
    Stage.WAITING: Span("○", Style.DIM),
    Stage.READY: Span("○", Style.DIM),
    Stage.QUEUED: Span("○", Style.WARN),
    Stage.WORKING: Span("○", Style.WARN),
    Stage.DONE: Span("✓", Style.GOOD),
    Stage.FAILED: Span("✗", Style.BAD),
    Stage.SKIPPED: Span("○", Style.WARN),
}
_BY_INTEREST = (  # which rows go first where there is no room for all: the last of these
    Stage.WORKING,
    Stage.QUEUED,
    Stage.FAILED,
    Stage.READY,
    Stage.WAITING,
    Stage.SKIPPED,
    Stage.DONE,
)


class Live(Progress):
    """One row per target with its state, what it works at, how many of how many, and a bar for a backfill."""

    interval = 0.125

    _painted: Sequence[int] = ()  # how wide each line is that stands there now
    _frame = 0
    _over = False

    def __enter__(self) -> Self:
        self.output.overlay = self
        return super().__enter__()

    def show(self, event: Event, track: Track) -> None:
        if isinstance(event, _TICKS) or (isinstance(event, _ON_ITS_ROW) and not self.output.verbose):
            return
        for words in told(event, track, self.output.verbose):
            self.output.log([Line((Span(f"{track.target}  ", Style.BOLD), *words.spans))])

    def tick(self) -> None:
        self._frame += 1
        self.paint()

    def close(self) -> None:
        """Leave the rows as they are in the end; where nothing was ever told, leave nothing."""
        self._over = True
        if any(each.began is not None for each in self.tracks.values()):
            self.paint()
        else:
            self.erase()
        self._painted = ()
        self.output.overlay = None

    # what Output asks of an overlay

    def erase(self) -> None:
        self.output.stderr.write(self._back() + "\x1b[J" if self._painted else "")
        self._painted = ()

    def paint(self) -> None:
        look, page = self._look(), self._page()
        text = self.output.redact(render(page, look)).replace("\n", "\x1b[K\n")
        self.output.stderr.write(f"{self._back()}{text}\x1b[J")
        self._painted = widths(page, look)

    def _back(self) -> str:
        """Return what moves the cursor to the first line; a terminal made narrower since has folded lines."""
        columns = self._size()[0]
        up = sum(max(1, -(-width // columns)) for width in self._painted)
        return f"\r\x1b[{up}A" if up else "\r"

    def _look(self) -> Look:
        stream = self.output.stderr
        return Look(
            stream.color, stream.unicode, max(1, self._size()[0] - 1), cut=True, redact=self.output.redact
        )

    def _size(self) -> tuple[int, int]:
        return self.output.stderr.size() or (80, 24)

    def _page(self) -> list[Line | Table]:
        total = "" if self._over else self.total()
        ending = [line((total, Style.BOLD))] if total else []
        tracks = list(self.tracks.values())
        room = max(1, self._size()[1] - 2 - len(ending))
        if self._over or len(tracks) <= room:
            return [Table(tuple(self._row(each) for each in tracks), flex=_WHAT), *ending]
        by_interest = sorted(tracks, key=lambda each: _BY_INTEREST.index(each.stage))
        shown = by_interest[: room - 1]
        hidden = Counter(each.stage.name.lower() for each in by_interest[room - 1 :])
        more = ", ".join(f"{many} {stage}" for stage, many in hidden.items())
        rows = [self._row(each) for each in tracks if each in shown]
        return [Table(tuple(rows), flex=_WHAT), line((f"… and {more}", Style.DIM)), *ending]

    def _row(self, track: Track) -> Row:
        sign = _SIGNS[track.stage]
        if track.stage is Stage.WORKING and not self._over:
            sign = Span(_SPINNER[self._frame % len(_SPINNER)], Style.CHANGE)
        return row(sign, (track.target, Style.BOLD), *self._cells(track))

    def _cells(self, track: Track) -> Sequence[str | Span]:
        match track.stage:
            case Stage.WAITING:
                return "", Span("" if self._over else "connecting", Style.DIM)
            case Stage.READY:
                return _position(track), Span("ready", Style.DIM)
            case Stage.QUEUED:
                return _position(track), Span(track.note, Style.WARN)
            case Stage.WORKING:
                return _position(track), *self._work(track)
            case Stage.DONE:
                return "", Span(
                    track.summary(),
                    Style.GOOD if track.finished or track.rows or track.updates else Style.DIM,
                )
            case Stage.FAILED:
                why = f": {track.note}" if self.tells_failures else ""
                return _position(track), Span(f"{track.verdict}{why}", Style.BAD)
            case Stage.SKIPPED:
                return _position(track), Span(f"skipped because {track.note}", Style.WARN)

    def _work(self, track: Track) -> tuple[str, str]:
        """Return what a target works at, and how far it is."""
        if track.doing and not track.current:
            if track.meter is None:
                return track.doing, ""
            return track.doing, f"{bar(track.meter.fraction)}  {track.meter.words()}".strip()
        if not track.current:
            return f"{track.finished} {done_word(track.direction)}" if track.finished else "at work", ""
        running = track.works[track.current]
        parts = []
        if track.meter is not None:
            parts += [bar(track.meter.fraction), track.meter.words()]
        elif running.steps > 1:
            parts.append(f"step {min(track.step + 1, running.steps)} of {running.steps}")
        if track.meter is None and self.clock() - running.began >= 1:
            parts.append(duration(self.clock() - running.began))
        if self._over:
            parts.insert(0, "stopped")
        # Without its version: that is in the outcome, and here it would take the room of what is in a hurry.
        return running.name or track.current, "  ".join(part for part in parts if part)


def _position(track: Track) -> str:
    """Return `8/14`, the migration at work counted; only what is known of it."""
    if track.updating:
        return track.updating
    at = track.finished + bool(track.current)
    if track.total:
        return f"{min(at, track.total)}/{track.total}"
    return str(at) if at else ""


def bar(fraction: float | None) -> str:
    """Return a bar of fixed width, empty where nobody knows how far it is."""
    if fraction is None:
        return ""
    full = int(fraction * _BAR)
    return "━" * full + "─" * (_BAR - full)
