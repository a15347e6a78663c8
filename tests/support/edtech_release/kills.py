"""A release whose operator is killed at its changes: of the record, and of whatever its commands ask AWS for.

He is killed once AWS has answered, at each kind of change between two writes of the record, and at each of those. A
kill before a change leaves what the one after the change before it left: so he is killed then once for each operation.
"""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Callable
from typing import NamedTuple

from tests.support.aws_proxy import Call
from tests.support.deployment.kills import is_step, step
from tests.support.edtech_release.site import Site

_PATIENCE = 300.0  # seconds until the next change
_MOST = 150  # kills: more are no steps, but something that is another one in every run
# What tells how far a run is, and nothing of the release: those are the runs' own affair, and killed in their tests.
_OF_RUNS = ("run#", "environment#", "runs/", "state/")


class Change(NamedTuple):
    """A kind of change. `since`: how far the record was when it was asked for, by its last write before.

    `stack`: of a change of one. `operation` of a write of the record is RECORD: `since` is what that says.
    """

    since: str
    operation: str
    stack: str = ""

    def __str__(self) -> str:
        return f"{self.since}: {self.operation} {self.stack}".rstrip()


RECORD = "record"


class Changes:
    """Tells the changes of one run: each command of a step has a write of the record before and behind it."""

    def __init__(self, account: str) -> None:
        self._account = account
        self._last = "opened"

    def of(self, call: Call) -> Change | None:
        """Return what a call changes; None for what is none of the operator's changes."""
        if not is_step(call, self._account):
            return None
        if record := _record(call):
            self._last = record
            return Change(record, RECORD)
        found = step(call)
        if any(each in found for each in _OF_RUNS):
            return None
        stack = found.rpartition(" ")[2] if call.service == "cloudformation" else ""
        return Change(self._last, f"{call.service} {call.operation}", stack)


def _record(call: Call) -> str:
    """Return what a write of the record says, without times: the step, its state, and the commands that ended."""
    item = call.asked.get("Item", {})
    if "record" not in item:
        return ""
    told = json.loads(item["record"]["S"])
    open_ = [each for each in told["steps"] if each.get("state", "waiting") not in ("done", "skipped")]
    if not open_:
        return f"{told.get('state', 'open')}, all steps over"
    now = open_[0]
    return f"{now['name']} {now.get('state', 'waiting')} {len(now.get('commands', ()))}"


class Kills:
    """Kills what takes a release, again and again. `asked`, `answered`: at which changes that was, in order.

    `held_at` is called while a change is held, before the kill.
    """

    def __init__(self, site: Site, held_at: Callable[[Change], None]) -> None:
        self._site = site
        self._held_at = held_at
        self.asked: list[Change] = []
        self.answered: list[Change] = []

    def until_it_ends(self, start: Callable[[], subprocess.Popen[str]]) -> None:
        """Kill what `start` starts at the first change that it was not killed at before, until it ends by itself."""
        while self._is_killed(start):
            assert len(self.asked) + len(self.answered) < _MOST, self.answered
            self._site.fall_silent()

    def _is_killed(self, start: Callable[[], subprocess.Popen[str]]) -> bool:
        """Return whether it was killed: False where it has ended by itself, and well."""
        changes = Changes(self._site.shop.world.account)

        def is_unasked(call: Call) -> bool:
            found = changes.of(call)
            return found is not None and found.operation not in {each.operation for each in self.asked}

        def is_new(call: Call) -> bool:
            found = changes.of(call)
            return found is not None and found not in self.answered

        aws = self._site.aws
        with (
            aws.hold(is_unasked, when="asked", times=1) as before,
            aws.hold(is_new, when="answered", times=1) as after,
        ):
            running = start()
            end = time.monotonic() + _PATIENCE
            while running.poll() is None and not (before.hits or after.hits):
                assert time.monotonic() < end, self.answered
                time.sleep(0.02)
            # Told again by what the record said then: the rules saw calls in the order in which they came.
            held = [(one, changes.of(one.wait_until_inside())) for one in (before, after) if one.hits]
            for _, change in held:
                assert change is not None
                self._held_at(change)
            running.send_signal(signal.SIGKILL)
            said = running.communicate()
        if not held:
            assert running.returncode == 0, (self.answered, *said)
            return False
        for one, change in held:
            assert change is not None
            assert " failed " not in change.since, (change, *said)
            print(f"killed, {one.when}: {change}")
            (self.asked if one is before else self.answered).append(change)
        return True
