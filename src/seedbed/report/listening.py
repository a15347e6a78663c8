"""Which listener fits: the choice between lines, rows and silence."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from seedbed.report.console import Output
from seedbed.report.progress import Clock, Plain, Progress, Quiet, Waking


@contextmanager
def listener_for(
    output: Output,
    *,
    targets: Sequence[str] = (),
    clock: Clock = time.monotonic,
    tells_failures: bool = False,
    only_waking: bool = False,
) -> Iterator[Progress]:
    """Yield the listener that fits: quiet, live on a terminal, otherwise lines.

    `targets`: ids of those that will be told about, in the order in which they are to be shown. `tells_failures`: say
    why something failed, because the result is for machines. `only_waking`: say which servers are awaited, no
    more.
    """
    chosen: type[Progress] = Plain
    if output.quiet:
        chosen = Quiet
    elif only_waking:
        chosen = Waking
    elif output.stderr.is_capable:
        from seedbed.report.live import Live

        chosen = Live
    with chosen(output, targets=targets, clock=clock, tells_failures=tells_failures) as listener:
        yield listener
