"""A release whose operator is killed at each change: of the record, and of whatever its commands ask AWS for."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Callable
from typing import Literal

from tests.support.aws_proxy import Call
from tests.support.deployment.kills import is_step, step
from tests.support.edtech_release.site import Site

_PATIENCE = 180.0  # seconds until the next change
_MOST = 150  # kills: more are no steps, but something that is another one in every run
# What tells how far a run is, and nothing of the release: those are the runs' own affair, and killed in their tests.
_OF_RUNS = ("run#", "environment#", "runs/", "state/")


class Changes:
    """Names changes by how far the record was when they were asked for: a command of each step starts a task."""

    def __init__(self, account: str) -> None:
        self._account = account
        self._last = "opened"

    def name(self, call: Call) -> str:
        """Return the name of a change; empty for what is none of the operator's."""
        if not is_step(call, self._account):
            return ""
        if record := _record(call):
            self._last = record
            return f"record: {record}"
        found = step(call)
        return "" if any(each in found for each in _OF_RUNS) else f"{self._last}: {found}"


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


def killed_at_each_change(
    site: Site,
    start: Callable[[], subprocess.Popen[str]],
    when: Literal["asked", "answered"],
    held_at: Callable[[str], None] = lambda _: None,
) -> list[str]:
    """Kill what `start` starts at the first change that it was not killed at before, until it ends by itself.

    Returns the names of the changes, in their order. `held_at` is called while one is held, before the kill.
    """
    seen: list[str] = []
    while True:
        changes = Changes(site.shop.world.account)

        def is_new(call: Call, changes: Changes = changes) -> bool:
            name = changes.name(call)
            return bool(name) and name not in seen

        with site.aws.hold(is_new, when=when, times=1) as held:
            running = start()
            end = time.monotonic() + _PATIENCE
            while running.poll() is None and not held.hits:
                assert time.monotonic() < end, seen
                time.sleep(0.02)
            if not held.hits:
                said = running.communicate()
                assert running.returncode == 0, (seen, *said)
                return seen
            # Named again by what the record said then: the rule saw calls in the order in which they came.
            found = Changes.name(changes, held.wait_until_inside())
            held_at(found)
            running.send_signal(signal.SIGKILL)
            _, told = running.communicate()
        print(f"killed, {when}: {found}", *([told] if " failed " in found else []))
        assert found not in seen, found
        seen.append(found)
        assert len(seen) < _MOST, seen
        site.fall_silent()
