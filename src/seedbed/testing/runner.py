"""A small runner: takes the lease, binds, applies what is pending. The suite runs it in process, and as a child.

`python -m seedbed.testing.runner` reads one line of JSON (`Order.to_json`), tells every event as a line of JSON on
standard output, and ends when its standard input does. At the event named `stop_at` it stops before that event is
told: so the suite kills it between what was done and the word about it, or lets it sleep there until SIGCONT comes.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePath
from pkgutil import resolve_name
from typing import Any

from msgspec import Struct, to_builtins

from seedbed.engines.base import Engine, Lease
from seedbed.engines.capabilities import SupportsBulkLoad, SupportsExpectation
from seedbed.errors import SeedbedError
from seedbed.model.environment import SANDBOX, Environment
from seedbed.model.event import Event, TargetConnected, to_dict
from seedbed.model.history import History, Identity, Owner, RevisionState
from seedbed.model.migration import Direction, Migration, MigrationFile, Source, Work, checksum
from seedbed.model.platform import Database
from seedbed.model.seed import Dataset, Rows, SeedKind
from seedbed.model.target import Target

PLATFORM = "contract"


class LeaseTaken(Event, frozen=True):
    """The lease is ours, the target is bound, nothing is applied yet."""


class LoadProgressed(Event, frozen=True):
    """A part of a volume is loaded, and stays."""


class Text(Struct, frozen=True):
    """A migration file as it goes to a child."""

    version: str
    name: str
    suffix: str
    text: str

    @property
    def file(self) -> MigrationFile:
        data = self.text.encode()
        path = f"migrations/{self.version}_{self.name}{self.suffix}"
        return MigrationFile(self.version, self.name, Source(path, self.suffix, data), checksum(data))


class Order(Struct, frozen=True):
    """What a runner is to do, in plain data. `stop_count`: at which event of the kind `stop_at` it stops.

    `rows`: how many it loads into the table `users` as a volume, once all is applied.
    """

    entry_point: str
    settings: Mapping[str, str]
    options: Mapping[str, Any]
    texts: Sequence[Text] = ()
    direction: str = Direction.UP
    who: str = "runner"
    wait: float = 30.0
    stop_at: str = ""
    stop_count: int = 1
    environment: str = SANDBOX
    rows: int = 0

    def to_json(self) -> str:
        return json.dumps(to_builtins(self))

    @classmethod
    def from_json(cls, line: str) -> Order:
        data = json.loads(line)
        return cls(**{**data, "texts": [Text(**each) for each in data["texts"]]})

    @property
    def engine(self) -> Engine:
        found: Engine = resolve_name(self.entry_point)
        return found

    @property
    def target(self) -> Target:
        """Return the target that the settings describe."""
        import msgspec

        from seedbed.support.typed import ready

        engine = self.engine
        options = msgspec.convert(dict(self.options), ready(engine.options))
        database = Database("contract", engine.name, PurePath("contract"), options)
        address = engine.address(self.settings, options)
        return Target(database, Environment(self.environment), PLATFORM, address)


def identity_of(target: Target) -> Identity:
    return Identity(target.platform, target.id, target.environment.name)


def pending(history: History, migrations: Sequence[Migration], direction: Direction) -> list[Work]:
    """Return what is left to do: as little planning as a runner needs."""
    if direction is Direction.UP:
        done = {each.version for each in history.revisions if each.state is RevisionState.APPLIED}
        return [Work(each) for each in migrations if each.version not in done]
    return [Work(each, direction) for each in reversed(migrations) if history.revision(each.version)]


def carry_out(order: Order, tell: Callable[[Event], None]) -> None:
    """Apply or revert what is pending, telling every event. Raises what the engine raises."""
    engine, target, direction = order.engine, order.target, Direction(order.direction)
    migrations = [engine.parse(each.file) for each in order.texts]
    with engine.connect(target) as session:
        tell(TargetConnected(target.id, session.server))
        owner = Owner(os.urandom(8).hex(), order.who)
        if isinstance(session, SupportsExpectation):
            session.expect(pending(session.history(), migrations, direction))
        with session.lease(owner, wait=order.wait, listener=tell) as lease:
            history = lease.history()
            if history.identity is None:
                lease.bind(identity_of(target))
            tell(LeaseTaken(target.id))
            for event in lease.apply(pending(history, migrations, direction)):
                tell(event)
            if order.rows:
                _load(lease, order.rows, lambda: tell(LoadProgressed(target.id)))


def _load(lease: Lease, count: int, tell: Callable[[], None]) -> None:
    """Load `count` users as a volume, and `tell` of each progress."""
    assert isinstance(lease, SupportsBulkLoad)
    users = tuple((number, f"user {number}") for number in range(1, count + 1))
    part = Rows("seeds/users.csv", "users", ("id", "name"), users, ("id",))
    list(lease.bulk_load(Dataset(SeedKind.VOLUME, (part,)), lambda _: tell()))


def main() -> int:
    """Carry out the order on standard input; the last line told is `done` or `error`."""
    order = Order.from_json(sys.stdin.readline())
    threading.Thread(target=_end_with_owner, daemon=True).start()
    try:
        carry_out(order, _teller(order))
    except SeedbedError as error:
        _say({"event": "error", "type": type(error).__name__, "text": str(error)})
        return int(error.exit_code)
    _say({"event": "done"})
    return 0


def _teller(order: Order) -> Callable[[Event], None]:
    left = order.stop_count
    thawed: list[int] = []  # a lock could be taken already by what the handler interrupts
    signal.signal(signal.SIGCONT, lambda number, _frame: thawed.append(number))

    def tell(event: Event) -> None:
        nonlocal left
        if event.kind == order.stop_at:
            left -= 1
            if left == 0:
                _say({"event": "stopped_at", "at": event.kind})
                while (
                    not thawed
                ):  # the signal may reach another thread, and wakes up none that waits for a lock
                    time.sleep(0.02)
        _say(to_dict(event))

    return tell


def _say(data: Mapping[str, Any]) -> None:
    sys.stdout.write(json.dumps(data) + "\n")
    sys.stdout.flush()


def _end_with_owner() -> None:
    sys.stdin.read()
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
