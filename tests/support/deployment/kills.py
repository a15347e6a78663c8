"""A command killed at each of its steps, which are the changes that it asks AWS for, and started again each time."""

from __future__ import annotations

import re
import signal
import subprocess
import time
from collections.abc import Callable, Collection, Sequence
from typing import Any, Literal

from seedbed.errors import Busy
from tests.support.aws_proxy import Call, Proxy, mutating

_PATIENCE = 180.0  # seconds until the next step
_MOST = 80  # kills of one command: more are no steps, but something that is another one in every run
_ANY = re.compile(r"[0-9A-HJKMNP-TV-Z]{26}|[0-9a-f]{8}-[0-9a-f-]{27}|[0-9a-f]{16,}|(?<=#)\d+")
_AT_WORK = "another run writes to"  # a task outlives who started it
_FOR_TASKS = ("dynamodb", "s3", "logs")  # what a task asks for as its own role


def step(call: Call) -> str:
    """Return what a call changes, without what is another one in every run: "DeleteStack small-dev-ana-network"."""
    asked = call.asked
    if call.service == "s3":
        about: Any = call.request.target.partition("?")[0]
    elif "TransactItems" in asked:
        about = [part for each in asked["TransactItems"] for part in map(_item, each.values())]
    else:
        about = asked.get("StackName") or asked.get("Name") or asked.get("SecretId") or _item(asked)
        about = str(about).split("/")[1] if str(about).startswith("arn:aws:cloudformation") else about
    return f"{call.service} {call.operation} {_ANY.sub('*', str(about))}".strip()


def _item(asked: Any) -> str:
    keys = asked.get("Key") or asked.get("Item") or {}
    names = [str(value) for each in list(keys.values())[:2] for value in each.values()]
    return " ".join([str(asked.get("TableName", "")), *names]).strip()


def is_step(call: Call, account: str) -> bool:
    """Return whether a call is a change that a command asks for itself, not its task, as another role, for it."""
    is_own = call.access_key == account or call.service not in _FOR_TASKS
    return mutating(call) and (is_own or "/cdk-" in call.request.target)


def steps(calls: Sequence[Call], account: str) -> list[str]:
    """Return the steps among `calls`, in the order in which each was there first."""
    return list(dict.fromkeys(step(each) for each in calls if is_step(each, account)))


def killed_at_each_step(
    aws: Proxy,
    account: str,
    start: Callable[[], subprocess.Popen[str]],
    when: Literal["asked", "answered"],
    *,
    one_of: Collection[str] = (),
) -> list[str]:
    """Kill what `start` starts at the first step that it was not killed at before, until it ends by itself.

    `one_of`: operations, of each of which one step is enough; none: at every step. Returns the steps at which it was
    killed, in their order. Every run after a kill has to come further than the one before, and the last one has to end
    well: while what a task was asked for before the kill is still at work, it is started again, as it says.
    """
    seen: list[str] = []
    patient = time.monotonic() + _PATIENCE

    def is_next(call: Call) -> bool:
        if one_of and (call.operation not in one_of or call.operation in {each.split()[1] for each in seen}):
            return False
        return is_step(call, account) and step(call) not in seen

    while True:
        with aws.hold(is_next, when=when, times=1) as held:
            running = start()
            end = time.monotonic() + _PATIENCE
            while running.poll() is None and not held.hits:
                assert time.monotonic() < end, seen
                time.sleep(0.02)
            if not held.hits:
                said = running.communicate()
                if running.returncode == Busy.exit_code and _AT_WORK in str(said):
                    assert time.monotonic() < patient, (seen, *said)
                    time.sleep(1)
                    continue
                assert running.returncode == 0, (seen, *said)
                return seen
            found = step(held.wait_until_inside())
            running.send_signal(signal.SIGKILL)
            running.communicate()
        print(f"killed, {when}: {found}")
        assert found not in seen, found
        seen.append(found)
        patient = time.monotonic() + _PATIENCE
        assert len(seen) < _MOST, seen
