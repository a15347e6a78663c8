"""Kill a process at each message that it sends to PostgreSQL, one after the other."""

from __future__ import annotations

import itertools
import os
import signal
import traceback
from collections.abc import Callable
from typing import Any

from seedbed.engines.postgres.logins import making
from seedbed.engines.postgres.sharing import binding, sending, server
from seedbed.engines.postgres.wire import messages
from seedbed.engines.postgres.wire.libpq import PlainConnection


def killed_at(number: int, work: Callable[[], object], *, sent: bool) -> bool:
    """Do `work` in a process of its own, which is killed at its message `number`; False where it has fewer.

    `sent`: the message is on its way, and the server does what it says, or not. Raises AssertionError where it fails.
    """
    child = os.fork()
    if child == 0:
        try:
            _arm(number, sent=sent)
            work()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
        return True
    assert os.waitstatus_to_exitcode(status) == 0, "it failed before it was killed: see what it printed"
    return False


def _arm(number: int, *, sent: bool) -> None:
    """Let this process die at its message `number`."""
    told = itertools.count(1)
    run = messages.run

    def counting(connection: Any, text: str) -> list[str]:
        if next(told) == number:
            if sent:
                _send(connection, text.encode())
            os.kill(os.getpid(), signal.SIGKILL)
        return run(connection, text)

    for module in (server, sending, making, binding):
        vars(module)["run"] = counting


def _send(connection: Any, text: bytes) -> None:
    if isinstance(connection, PlainConnection):
        connection._library.PQsendQuery(connection._open, text)
        connection._library.PQflush(connection._open)
    else:
        connection.pgconn.send_query(text)
        connection.pgconn.flush()
