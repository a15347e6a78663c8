"""Events as they come in, for people: a line each (`Plain`), or a row for each target (`live.Live`).

Workers tell events from several threads; a listener takes them one at a time.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Self

from seedbed.documents.errors import ErrorEntry
from seedbed.model.event import (
    CopyFinished,
    CopyProgressed,
    DeployFinished,
    DeployProgressed,
    DeployStarted,
    Event,
    IdsAwaited,
    IdsRead,
    LeaseAwaited,
    LoginsChanged,
    QueryAsked,
    Repaired,
    Retrying,
    SeedLoaded,
    SeedProgressed,
    ServerNotice,
    StepProbed,
    TakenOver,
    TargetAwaited,
    TargetBound,
    TargetConnected,
    TargetDone,
    TargetEmptied,
    TargetFailed,
    TargetSkipped,
    WorkFinished,
    WorkProgressed,
    WorkStarted,
)
from seedbed.report.console import Output
from seedbed.report.github import Annotation
from seedbed.report.styles import Line, Span, Style, cells, line
from seedbed.report.tracking import Track, awaited_words, done_word, part_words, waiting_words
from seedbed.support.phrases import count, duration, number

Clock = Callable[[], float]

_BATCHES_EVERY = 2.0  # seconds between two lines about one backfill
_WAITING_EVERY = 10.0  # between two lines about waiting for one lease
_RUNNING_AFTER = 10.0  # before the first word about something that just runs
_RUNNING_EVERY = 30.0  # between the words after that
_LOOK_EVERY = 1.0


class Ticker:
    """Calls `action` every `interval` seconds in a thread of its own, until it is stopped."""

    def __init__(self, interval: float, action: Callable[[], None]) -> None:
        self._interval = interval
        self._action = action
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="seedbed-progress", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._stopped.wait(self._interval):
            self._action()


class Progress:
    """A listener and a context: what is shown is complete, and the terminal clean, once the context is left."""

    interval = _LOOK_EVERY

    def __init__(
        self,
        output: Output,
        *,
        targets: Sequence[str] = (),
        clock: Clock = time.monotonic,
        tells_failures: bool = False,
    ) -> None:
        """`tells_failures`: say why something failed; otherwise only that it did, because the result says the rest."""
        self.output = output
        self.tells_failures = tells_failures
        self.clock = clock
        self.tracks: dict[str, Track] = {target: Track(target) for target in targets}
        self.total: Callable[[], str] = (
            str  # how far all of it is together; empty where nothing is said of that
        )
        self._open = True
        self._ticker = Ticker(self.interval, self._tick)

    def __call__(self, event: Event) -> None:
        with self.output.lock:
            if not self._open:
                return
            track = self.tracks.setdefault(event.target, Track(event.target))
            track.take(event, self.clock())
            self.show(event, track)
            if isinstance(event, TargetFailed):
                self.output.annotate(Annotation.of(ErrorEntry.of_event(event)))

    def expect(self, totals: Mapping[str, int]) -> None:
        """Take from `totals` how many migrations each target has before it."""
        with self.output.lock:
            for target, total in totals.items():
                self.tracks.setdefault(target, Track(target)).total = total

    def __enter__(self) -> Self:
        self._ticker.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ticker.stop()
        with self.output.lock:
            if self._open:
                self._open = False
                self.close()

    def show(self, event: Event, track: Track) -> None:
        """Show what `event` says; `track` knows it already."""

    def tick(self) -> None:
        """Show that time goes by."""

    def close(self) -> None:
        """Show the end."""

    def _tick(self) -> None:
        with self.output.lock:
            if self._open:
                self.tick()


class Plain(Progress):
    """A line for each event, the target first; for what goes on for long, one every now and then."""

    def show(self, event: Event, track: Track) -> None:
        if self._may_show(event, track):
            for words in told(event, track, self.output.verbose, tells_failures=self.tells_failures):
                self._say(track, words)

    def tick(self) -> None:
        """Say what has been running for a while without a word: a log that stands still looks like a hang."""
        now = self.clock()
        for track in self.tracks.values():
            since = track.works.get(track.current)
            if since is None or track.is_over:
                continue
            silent = now - track.spoke_at
            if silent >= (_RUNNING_EVERY if track.spoke_again else _RUNNING_AFTER):
                track.spoke_at, track.spoke_again = now, True
                label = track.label(track.current)
                self._say(track, line(label, f"  running for {duration(now - since.began)}"))

    def _say(self, track: Track, words: Line) -> None:
        width = max((cells(each) for each in self.tracks), default=0)
        head = (Span(track.target, Style.BOLD), Span(" " * (width - cells(track.target) + 2)))
        self.output.log([Line((*head, *words.spans), wrap=words.wrap)])

    def _may_show(self, event: Event, track: Track) -> bool:
        now = self.clock()
        if isinstance(event, LeaseAwaited):
            return track.may_speak("lease", now, _WAITING_EVERY)
        if isinstance(event, TargetAwaited):
            return track.may_speak("server", now, _WAITING_EVERY)
        if isinstance(event, WorkProgressed) and track.meter is not None:
            return track.may_speak(event.version, now, _BATCHES_EVERY)
        if isinstance(event, SeedProgressed):
            return track.may_speak(event.part, now, _BATCHES_EVERY)
        if isinstance(event, IdsRead) and not event.is_all:
            return track.may_speak(event.path, now, _BATCHES_EVERY)
        if isinstance(event, CopyProgressed):
            return track.may_speak(event.unit, now, _BATCHES_EVERY)
        if isinstance(event, DeployProgressed) and track.meter is not None:
            return track.may_speak(event.what, now, _WAITING_EVERY)
        track.spoke_at, track.spoke_again = now, False
        return True


class Waking(Plain):
    """A line now and then for each server that is awaited, and nothing else: the result says the rest."""

    def __call__(self, event: Event) -> None:
        if isinstance(event, TargetAwaited):
            super().__call__(event)

    def __enter__(self) -> Self:
        return self


class Quiet(Progress):
    """Nothing: how it ended, the result says, which is not quiet."""

    def __enter__(self) -> Self:
        return self


def told(event: Event, track: Track, verbose: int = 0, *, tells_failures: bool = False) -> Iterator[Line]:
    """Yield what `event` says, in words and without the target; nothing where it is only for `-v`."""
    match event:
        case TargetConnected(server=server) if verbose:
            yield line(f"connected  {server}")
        case TargetAwaited(waited=waited):
            yield line((waiting_words(event), Style.WARN), f"  {duration(waited)}")
        case LeaseAwaited(holder=holder, waited=waited):
            yield line((f"waits for {holder}", Style.WARN), f"  {duration(waited)}")
        case TakenOver(work=work):
            yield line((f"ended the work of a run that is gone: {work}", Style.WARN))
        case TargetBound(identity=identity):
            yield line(f"bound to {identity}")
        case LoginsChanged(what=what):
            yield line(("logins", Style.GOOD), f"  {what}")
        case TargetEmptied(what=what):
            yield line(("emptied", Style.WARN), f"  {what}")
        case TargetDone() if verbose:
            yield line(("done", Style.GOOD), f"  {track.summary()}")
        case TargetFailed():
            yield from _failed(event, track, tells_failures=tells_failures)
        case TargetSkipped(because=because):
            yield line((f"skipped because {because}", Style.WARN))
        case SeedLoaded():
            yield _loaded(event)
        case SeedProgressed() if track.meter is not None:
            yield line(f"{part_words(event)}  {track.meter.words()}")
        case Repaired(version=version, decision=decision):
            yield line(f"{version}  repaired: {decision}")
        case CopyProgressed() if track.meter is not None:
            yield line(track.meter.words())
        case IdsRead(path=path) if track.meter is not None:
            yield line(f"{path}  {track.meter.words()}")
        case IdsAwaited(path=path, count=many, seconds=seconds):
            yield line((awaited_words(path, many, seconds), Style.WARN))
        case QueryAsked(expectation=name) if verbose:
            yield line(f"checks {name}")
        case CopyFinished(verb=verb, what=what, file=file):
            yield line((f"{verb} done", Style.GOOD), f"  {what}  {file}")
        case DeployStarted() | DeployProgressed() | DeployFinished():
            yield from _told_of_deployment(event, track)
        case _:
            yield from _told_of_work(event, track, verbose)


def _told_of_deployment(event: Event, track: Track) -> Iterator[Line]:
    match event:
        case DeployStarted(updates=updates, resumed=resumed, stack=stack):
            again = "  resumes an interrupted run" if resumed else ""
            # A stack that holds no database is its own target, which stands before every line.
            name = "" if stack == event.target else f"{stack}  "
            yield line(f"{name}{count(updates, 'update')}{again}" if updates else f"{name}is deleted")
        case DeployProgressed(update=update, what=what, unit=unit, done=done, total=total):
            if track.meter is not None:
                yield line(f"{what}  {track.meter.words()}")
                return
            head = f"update {update}  " if update else ""
            if unit != "updates" or done < update:  # that one is made is said by what comes next
                yield line(f"update {update} of {total}  " if unit == "updates" and total > 1 else head, what)
        case DeployFinished(stack=stack, seconds=seconds):
            name = "" if stack == event.target else f"{stack}  "
            yield line(name, ("done", Style.GOOD), f"  {duration(seconds)}")
        case _:
            return


def _told_of_work(event: Event, track: Track, verbose: int) -> Iterator[Line]:
    match event:
        case WorkStarted(version=version, resumed=resumed) if resumed or verbose:
            yield line(track.label(version), "  resumed" if resumed else "  started")
        case WorkProgressed(version=version, done=done, total=total, unit=unit, summary=summary):
            if track.meter is not None:
                yield line(f"{track.label(version)}  {track.meter.words()}")
            elif total > 1:
                yield line(
                    f"{track.label(version)}  {done} of {count(total, unit.removesuffix('s'))}",
                    f"  {_flat(summary)}",
                )
        case WorkFinished(version=version, direction=direction, seconds=seconds):
            yield line(
                track.label(version), (f"  {done_word(direction)}", Style.GOOD), f"  {duration(seconds)}"
            )
        case StepProbed(version=version, step=step, verdict=verdict):
            yield line(track.label(version), (f"  step {step + 1}: {verdict}", Style.WARN))
        case Retrying(version=version, because=because, attempt=attempt, delay=delay):
            words = f"  lock not available, retrying in {duration(delay)} (attempt {attempt + 1}): {because}"
            yield line(track.label(version), (words, Style.WARN))
        case ServerNotice(version=version, severity=severity, text=text):
            grave = severity.upper() == "WARNING"
            if grave or verbose:
                head = f"{track.label(version)}  " if version else ""
                yield line(head, (f"{severity}: ", Style.WARN if grave else Style.DIM), text)
        case _:
            return


def _failed(event: TargetFailed, track: Track, *, tells_failures: bool) -> Iterator[Line]:
    head = f"{track.label(event.version)}  " if event.version else ""
    if not tells_failures:
        yield line(head, (track.verdict, Style.BAD))
        return
    where = f"{event.at}: " if event.at else ""
    yield line(head, (f"{track.verdict}: ", Style.BAD), f"{where}{event.error}", wrap=True)
    if event.because:
        yield line("  because: ", event.because, wrap=True)
    if event.try_:
        yield line("  try:     ", event.try_)


def _loaded(event: SeedLoaded) -> Line:
    counts = f"{number(event.inserted)} inserted, {number(event.updated)} updated, {number(event.unchanged)} unchanged"
    changed = event.inserted or event.updated
    return line(f"{event.dataset}  {event.part}  ", (counts, Style.GOOD if changed else Style.DIM))


def _flat(text: str) -> str:
    return " ".join(text.split())
