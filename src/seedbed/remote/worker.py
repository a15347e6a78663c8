"""The worker's side of a run: it claims the record, writes there what happens, and looks there whether it is to stop.

The work comes first. While AWS does not answer, what is to be told waits in memory; it is written when AWS answers
again, or at the end. Where even that fails, the outcome goes to the task's own log, and the histories in the databases
are what counts.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from http.client import HTTPException
from typing import Any
from urllib.request import ProxyHandler, build_opener

import msgspec
from msgspec import Struct

from seedbed.aws.objects import Bucket
from seedbed.documents.document import VERSION
from seedbed.errors import Busy, ExitCode, Refused, SeedbedError, UsageError
from seedbed.model.event import Event
from seedbed.model.names import CONTROL_ENVIRONMENT, CONTROL_FILES
from seedbed.remote.control import Control
from seedbed.remote.records import (
    IMAGE,
    UPLOAD,
    Ask,
    Asked,
    Blob,
    Displayed,
    Entry,
    Expected,
    Happened,
    Run,
    Stream,
    Written,
)
from seedbed.remote.writing import Writer

CLAIM = "SEEDBED_CLAIM"  # set by a warm worker that has claimed the run already: the token of that claim
METADATA = "ECS_CONTAINER_METADATA_URI_V4"  # set by ECS in every container: who it is, over HTTP


class Rhythm(Struct, frozen=True):
    """Seconds: between two heartbeats, two looks at the record, two writes; for which an answer is waited for; in which
    the end has to be written."""

    beat: float = 5.0
    look: float = 1.0
    write: float = 0.2
    answer: float = 600.0
    end: float = 60.0


def this_task(environ: Mapping[str, str]) -> str:
    """Return the ARN of the task that this process runs in; `local:HOST:PID` where it runs in none."""
    if url := environ.get(METADATA):
        straight = build_opener(
            ProxyHandler({})
        )  # a proxy that the variables name knows nothing of this address
        with (
            suppress(OSError, HTTPException, ValueError, LookupError, TypeError),
            straight.open(f"{url}/task", timeout=2) as answer,
        ):
            return str(json.loads(answer.read())["TaskARN"])
    return f"local:{socket.gethostname()}:{os.getpid()}"


def require_same(ask: Ask, platform_digest: str) -> None:
    """Raise Refused unless this worker is the seedbed that was called, and has the files that were meant."""
    if ask.seedbed != VERSION:
        raise Refused(
            f"seedbed {ask.seedbed} called, and the task has seedbed {VERSION}",
            because="a plan is made and carried out by one version",
            try_=f"install seedbed {VERSION}, or build the task's image with {ask.seedbed}",
        )
    if ask.platform_digest != platform_digest:
        raise Refused(
            "the task has other files than the caller",
            because=f"the digest of seedbed.toml and the databases' directories is "
            f"{ask.platform_digest[:12]} there and {platform_digest[:12]} in the task",
            try_="build the image from these files and deploy it, or check out what the image was built from",
        )


def require_ours(ask: Ask, environ: Mapping[str, str]) -> None:
    """Raise Refused for a run that the definition of this task does not allow, whatever its record says.

    Who may write records could otherwise have anything carried out with the task's rights.
    """
    ours = environ.get(CONTROL_ENVIRONMENT, "")
    if ask.environment != ours:
        raise Refused(
            f"the run is for {ask.environment}, and this task is {ours or 'nowhere'}'s",
            because=f"{CONTROL_ENVIRONMENT} says so in the task's definition",
            try_="call the command again: it writes its record where it belongs",
        )
    allowed = environ.get(CONTROL_FILES) or IMAGE
    if ask.files != IMAGE and allowed != UPLOAD:
        raise Refused(
            f"{ask.environment} carries out the files of its image only, and the run has others",
            because=f"{CONTROL_FILES} is {allowed} in the task's definition, which deploy makes from the manifest",
            try_="build an image from the files that are meant, and deploy it",
        )


class Worker:
    """One run, carried out in this process. All methods but `claim`, `answer` and `finish` return at once.

    `name`: ARN of the task. `redact`: takes secrets out of what is told. `log`: is given lines for the task's own log.
    `token`: of the claim, where it was made for this process.
    """

    def __init__(
        self,
        control: Control,
        id_: str,
        *,
        name: str,
        redact: Callable[[str], str] = str,
        log: Callable[[str], None] | None = None,
        rhythm: Rhythm | None = None,
        token: str = "",
    ) -> None:
        self._control = control
        self._id = id_
        self._name = name
        self._token = token or os.urandom(8).hex()
        self._redact = redact
        self._log = log or _log
        self._rhythm = rhythm or Rhythm()
        self._run: Run | None = None
        self._writer: Writer | None = None
        self._questions = 0
        self._answers: tuple[str, ...] = ()
        self._stopped = False
        self._ending = False
        self._over = threading.Event()

    @property
    def run(self) -> Run:
        """The run as it was claimed."""
        assert self._run is not None
        return self._run

    @property
    def bucket(self) -> Bucket:
        """The bucket of its environment."""
        return self._control.bucket

    def claim(self) -> Run:
        """Return the run, which is ours from now on: handlers of signals have to be there by then.

        Raises Busy where another worker has it or it is over, UsageError where there is no such run.
        """
        run = self._control.claim(self._id, self._name, self._token)
        if run is None:
            known = self._control.run(self._id)
            if known is None:
                raise UsageError(
                    f"there is no run {self._id}", because="its record is not there, or has expired"
                )
            because = known.because or f"it is {known.state}{f' by {known.worker}' if known.worker else ''}"
            raise Busy(f"run {self._id} is not to be carried out here", because=because)
        self._run = run
        self._writer = Writer(self._control, run, pause=self._rhythm.write, log=self._log)
        return run

    @contextmanager
    def at_work(self, request: Callable[[ExitCode], None]) -> Iterator[None]:
        """Beat, write and look for a stop, which `request` is called with, within this context: up to `finish`."""
        assert self._writer is not None
        self._writer.start()
        watching = threading.Thread(target=self._watch, args=(request,), name="seedbed-worker", daemon=True)
        watching.start()
        try:
            yield
        finally:
            self._over.set()
            self._writer.close(0.0)

    # --- telling

    def event(self, event: Event) -> None:
        """Tell an event."""
        self._tell(Happened(event))

    def written(self, stream: Stream, text: str) -> None:
        """Tell what was written to a stream."""
        for at in range(0, len(text), Writer.LONGEST):
            self._tell(Written(stream, text[at : at + Writer.LONGEST]))

    def displayed(self, targets: Sequence[str], *, only_waking: bool = False) -> None:
        """Tell that a display of progress begins, with a row for each target; without any, that it ends."""
        self._tell(Displayed(tuple(targets), only_waking))

    def expected(self, totals: Mapping[str, int]) -> None:
        """Tell how much there is to do."""
        self._tell(Expected(totals))

    def answer(self, question: str, *, check: Callable[[], None] = lambda: None) -> str:
        """Ask the caller, and return the answer. `check` raises Interrupted once we are to stop; Refused: no answer."""
        number, self._questions = self._questions, self._questions + 1
        self._tell(Asked(number, question))
        until = time.monotonic() + self._rhythm.answer
        while len(self._answers) <= number:
            check()
            if time.monotonic() > until:
                raise Refused(
                    "the caller gave no answer",
                    because=f"{self._rhythm.answer:.0f} s ago it was asked: {question}",
                    try_="call the command again, and answer; --yes where it has that",
                )
            time.sleep(min(0.1, self._rhythm.look))
        return self._answers[number]

    def _tell(self, entry: Entry) -> None:
        assert self._writer is not None
        self._writer.put(_redacted(entry, self._redact))

    # --- the end

    def finish(
        self, code: int, *, document: bytes | None = None, outputs: Mapping[str, bytes] | None = None
    ) -> bool:
        """Write how the run ended, once all that it told is written; return whether that was possible.

        Where it was not, the task's log has the outcome.
        """
        assert self._writer is not None
        until = time.monotonic() + self._rhythm.end
        self._ending = True
        all_told = self._writer.close(self._rhythm.end)
        kept: dict[str, Blob] = {}
        while True:
            try:
                for name, data in {"": document or b"", **(outputs or {})}.items():
                    if name not in kept and (name or data):
                        kept[name] = self._control.store(self._id, data, self.run.ask)
                files = {name: each for name, each in kept.items() if name}
                self._control.finish(self.run, code, document=kept.get(""), outputs=files)
                break
            except SeedbedError as error:
                if time.monotonic() >= until:
                    self._log(
                        f"run {self._id} ended with exit code {code}; its record does not say so: {error.what}"
                    )
                    self._log(document.decode(errors="replace") if document else "(it has no document)")
                    return False
                time.sleep(min(1.0, self._rhythm.look))
        self._over.set()
        if not all_told:
            self._log(f"run {self._id} ended with exit code {code}; not all that it told is in its record")
        return all_told

    # --- the record

    def _watch(self, request: Callable[[ExitCode], None]) -> None:
        """Beat, and look for answers and for a stop, until the run is over."""
        beats_at, told = 0.0, False
        while not self._over.wait(self._rhythm.look):
            try:
                if time.monotonic() >= beats_at:
                    run = self._control.beat(self._id)
                    beats_at = time.monotonic() + self._rhythm.beat
                    if run is None and not told and not self._ending:
                        told = True
                        self._log(f"run {self._id} is taken for lost by others; it goes on")
                else:
                    run = self._control.run(self._id, attempts=1)
            except SeedbedError:
                continue  # the next look may be answered
            if run is not None:
                self._answers = run.answers
                if run.stop and not self._stopped:
                    self._stopped = True
                    request(ExitCode(run.stop))


def _redacted(entry: Any, redact: Callable[[str], str]) -> Any:
    if redact is str:
        return entry
    match entry:
        case Written():
            return Written(entry.stream, redact(entry.text))
        case Asked():
            return msgspec.structs.replace(entry, question=redact(entry.question))
        case Happened():
            return Happened(_redacted_event(entry.event, redact))
    return entry


def _redacted_event(event: Event, redact: Callable[[str], str]) -> Any:
    changes: dict[str, Any] = {}
    for name in event.__struct_fields__:
        value = getattr(event, name)
        if isinstance(value, str) and (text := redact(value)) != value:
            changes[name] = text
        elif isinstance(value, tuple) and any(isinstance(each, str) for each in value):
            changes[name] = tuple(redact(each) if isinstance(each, str) else each for each in value)
    return msgspec.structs.replace(event, **changes) if changes else event


def _log(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201  the log of the task
