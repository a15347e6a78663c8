"""A run: open sessions on the targets of one environment, and everything that can be done with them.

    looking     status, plan, plan_revert, estimate, with_seeds, remembered
    changing    apply, revert, seed, reset
    verifying   reading, verify, verified, usage
    deciding    repair, bind, require_copy, unlock, dump, restore: about one target

Each line is a module of `project.verbs`; what they all rest on is `opened` there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from seedbed.execution.connecting import connect
from seedbed.execution.context import RunContext, this_process
from seedbed.execution.stopping import Stop
from seedbed.model.environment import Environment
from seedbed.model.event import Listener
from seedbed.model.platform import Database
from seedbed.project.neighbours import Neighbours
from seedbed.project.targets import Targets
from seedbed.project.verbs.changing import Changing
from seedbed.project.verbs.deciding import Deciding
from seedbed.project.verbs.verifying import Verifying

DEFAULT_WAIT = 60.0  # seconds that a run waits for another one's lease


class Run(Changing, Verifying, Deciding):
    """Open sessions on targets of one environment, and the verbs.

    `connected`: the targets that answered, in id order. `failed`: the errors of those that did not, by id.
    A verb that changes targets returns its outcome: what happens to single targets is an event, never an exception.
    """

    @classmethod
    @contextmanager
    def open(
        cls,
        targets: Targets,
        environment: Environment,
        databases: Sequence[Database],
        *,
        listener: Listener,
        stop: Stop | None = None,
        wait: float = DEFAULT_WAIT,
        compare: bool = True,
    ) -> Iterator[Run]:
        """Yield a run on `databases`. Raises UsageError, ForeignTarget: then nothing was touched.

        `compare`: False for a run that is to `bind` a copy, which is what is bound to another environment.
        """
        context = RunContext(
            this_process(),
            wait=wait,
            listener=listener,
            stop=stop or Stop(),
            environment=environment.name,
        )
        with (
            targets.open(environment, databases) as found,
            connect(found, targets.connector, context.emit, stop=context.stop, compare=compare) as (
                connected,
                failed,
            ),
            ExitStack() as closing,
        ):
            neighbours = Neighbours(targets, environment, closing, context.stop, context.tell)
            yield cls(targets, environment, connected, failed, context, neighbours)
