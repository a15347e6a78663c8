"""What a command's surroundings say on the way, of servers that are fetched and of calls that are not answered."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from seedbed.aws import awaited
from seedbed.servers import notify

if TYPE_CHECKING:
    from seedbed.cli.context import CommandContext


@contextmanager
def noticed(context: CommandContext) -> Iterator[None]:
    """Tell it all on standard error within this context.

    Not where AWS is silent towards a task: its caller could not be told either.
    """
    with ExitStack() as listening:
        listening.enter_context(notify.subscribed(context.out.log))
        if context.recorder is None:
            listening.enter_context(awaited.subscribed(context.out.log))
        yield
