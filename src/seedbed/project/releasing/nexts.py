"""`release next`: the steps whose gates are open, one after the other."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from msgspec import Struct

from seedbed.errors import Busy, GateClosed
from seedbed.execution.stopping import Stop
from seedbed.model.release import STEPS, Release, StepName
from seedbed.planning.release_facts import Facts
from seedbed.planning.release_gates import gates, opens_at
from seedbed.planning.releases import again, end
from seedbed.project.releasing.facts import Readers, chosen, facts_of, newest_open, nobody_asked, require_open
from seedbed.project.releasing.going import Steps
from seedbed.project.releasing.operator import Operator
from seedbed.project.releasing.unpacked import Unpacked, unpacked
from seedbed.releases import bundle as bundles

if TYPE_CHECKING:
    from seedbed.project.project import Project

PAUSE = 5.0  # seconds between two looks at gates
_LONGEST = 60.0
_SLICE = 0.2


class Went(Struct, frozen=True):
    """How far a release came; None: none is open. `taken`: the steps that were taken to their end now."""

    release: Release | None
    taken: tuple[StepName, ...] = ()


class Going(Struct, frozen=True):
    """Who goes on with a release, and how far. `wait`: until gates are open, and until others have ended.

    `environ`: of its commands. `readers`: what tells who still reads what a contract removes.
    """

    operator: Operator
    environ: Mapping[str, str]
    readers: Readers = nobody_asked
    through: StepName | None = None
    wait: bool = False
    pause: float = PAUSE


def go_on(project: Project, environment: str, going: Going, number: int | None = None) -> Went:
    """Take the steps of a release whose gates are open, and return how far it came; where nothing is to do, as it is.

    Raises GateClosed and Refused for a step that may not be taken, Busy where another operator takes it, what failed.
    """
    store = going.operator.store
    release = chosen(store, environment, number) if number else newest_open(store)
    if release is None:
        return Went(None)
    if release.state == "closed":
        return Went(release)
    require_open(release)
    bundle = bundles.read(store.get(release.bundle), release.bundle)
    with unpacked(bundle, environment, going.environ, project.redactor) as found:
        found.place(store, release)
        return _gone(going, found, release)


def _gone(going: Going, found: Unpacked, release: Release) -> Went:
    operator, store = going.operator, going.operator.store
    steps = Steps(operator, found)
    taken: list[StepName] = []
    told = ""
    renewed = set[StepName]()
    while True:
        operator.stop.check()
        current = release.current
        if current is None:
            closed = end(release, "closed", operator.who, store.now())
            return Went(
                closed if store.replace(closed) else store.load(release.number) or release, tuple(taken)
            )
        if going.through and STEPS.index(current.name) > STEPS.index(going.through):
            return Went(release, tuple(taken))
        facts = facts_of(store, release, found, operator.who, going.readers)
        if current.name not in renewed and (anew := again(release, facts)):
            renewed.add(current.name)  # once: what is too old as soon as it is there stays that
            store.replace(anew)
            release = _again(operator, release)
            continue
        try:
            release = steps.take(release, facts)
            taken.append(current.name)
        except (GateClosed, Busy) as error:
            if not going.wait:
                raise
            if error.what != told:
                told = error.what
                operator.tell(f"{error.what}: {error.because}")
            _rest(operator.stop, _pause(going, release, current.name, facts))
            release = _again(operator, release)
            require_open(release)


def _again(operator: Operator, release: Release) -> Release:
    return operator.store.load(release.number) or release


def _pause(going: Going, release: Release, name: StepName, facts: Facts) -> float:
    """Return for how many seconds nothing will open, as far as that is known."""
    at = opens_at(gates(release, name, facts))
    return min(max(at - facts.now, going.pause), _LONGEST) if at else going.pause


def _rest(stop: Stop, seconds: float) -> None:
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        stop.check()
        time.sleep(min(left, _SLICE))
    stop.check()
