"""A step that is ours: a thread tells that we live, and each change of the record is one condition.

Of two operators one has the step. Who lost it, because nothing was heard of him, is told before the next command.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from seedbed.errors import LeaseLost, SeedbedError, Unavailable
from seedbed.model.release import Evidence, Identity, Release, Step, StepName
from seedbed.planning import releases
from seedbed.planning.release_facts import Facts
from seedbed.releases.store import ReleaseStore

BEAT = 5.0  # seconds between two heartbeats
_ATTEMPTS = 20  # to write one change: each is refused only by another one's


class Claim:
    """A step of a release while we take it. Thread-safe."""

    def __init__(self, store: ReleaseStore, release: Release, name: StepName, token: str) -> None:
        self._store = store
        self._release = release
        self._token = token
        self._lock = threading.Lock()
        self._over = threading.Event()
        self.name = name

    @property
    def release(self) -> Release:
        """The release as it was written last."""
        return self._release

    @property
    def step(self) -> Step:
        return self._release.step(self.name)

    def confirm(self) -> None:
        """Raise LeaseLost unless the step is still ours: the store is asked."""
        self._write(lambda release, now: releases.beat(release, self.name, self._token, now))

    def carried_out(self, command: str, evidence: Sequence[Evidence] = ()) -> None:
        """Write down that a command was carried out to its end, and what shows that. Raises LeaseLost."""
        self._write(
            lambda release, now: releases.carried_out(release, self.name, self._token, now, command, evidence)
        )

    def finish(self, evidence: Sequence[Evidence] = ()) -> Release:
        """Write down that the step is done. Raises LeaseLost."""
        return self._write(
            lambda release, now: releases.finish(release, self.name, self._token, now, evidence)
        )

    def fail(self, because: str, evidence: Sequence[Evidence] = ()) -> Release:
        """Write down why the step ended early; it may be taken again. Raises LeaseLost."""
        return self._write(
            lambda release, now: releases.fail(release, self.name, self._token, now, because, evidence)
        )

    def taken_back(self, who: Identity, because: str, evidence: Sequence[Evidence] = ()) -> Release:
        """Write down that the whole release is taken back, which ends it. Raises LeaseLost."""
        return self._write(
            lambda release, now: releases.taken_back(
                release, self.name, self._token, who, now, because, evidence
            )
        )

    def _write(self, change: Callable[[Release, float], Release]) -> Release:
        with self._lock:
            for _ in range(_ATTEMPTS):
                new = change(self._release, self._store.now())
                if self._store.replace(new):
                    self._release = new
                    return new
                self._release = self._store.load(new.number) or self._release
        raise Unavailable(f"the record of release {self._release.number} is written by others all the time")

    def begin(self, beat: float) -> None:
        """Have a thread beat until `let_go`."""
        threading.Thread(target=self._beat, args=(beat,), name="seedbed-release", daemon=True).start()

    def _beat(self, beat: float) -> None:
        while not self._over.wait(beat):
            try:
                self.confirm()
            except LeaseLost:
                return  # whoever carries out commands asks before each of them
            except SeedbedError:
                continue  # the next beat may be answered

    def let_go(self) -> None:
        """Beat no more."""
        self._over.set()


@contextmanager
def claimed(
    store: ReleaseStore, release: Release, name: StepName, facts: Facts, *, beat: float = BEAT
) -> Iterator[Claim]:
    """Yield a step of `release`, which is ours within this context, as the record says.

    Raises Refused and GateClosed while a gate of it is closed, Busy where another operator takes it.
    """
    token = os.urandom(8).hex()
    with _held(store, release, token, lambda it: releases.claim(it, name, token, facts), beat) as claim:
        yield claim


@contextmanager
def holding(store: ReleaseStore, release: Release, who: Identity, *, beat: float = BEAT) -> Iterator[Claim]:
    """Yield the current step of `release` while it is taken back: no gate is asked. Raises Busy as `claimed` does."""
    token = os.urandom(8).hex()
    with _held(store, release, token, lambda it: releases.hold(it, token, who, store.now()), beat) as claim:
        yield claim


@contextmanager
def _held(
    store: ReleaseStore, release: Release, token: str, take: Callable[[Release], Release], beat: float
) -> Iterator[Claim]:
    for _ in range(_ATTEMPTS):
        new = take(release)
        if store.replace(new):
            break
        release = store.load(release.number) or release
    else:
        raise Unavailable(f"the record of release {release.number} is written by others all the time")
    name = next(each.name for each in new.steps if each.token == token)
    claim = Claim(store, new, name, token)
    claim.begin(beat)
    try:
        yield claim
    finally:
        claim.let_go()
