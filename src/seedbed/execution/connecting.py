"""Opening sessions on many targets side by side, and making sure that each is the target it should be."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial

from msgspec import Struct

from seedbed.engines.base import Engine, Session
from seedbed.errors import ForeignTarget, SeedbedError
from seedbed.execution.stopping import Stop
from seedbed.execution.threads import side_by_side
from seedbed.model.event import Listener, TargetReached, failure
from seedbed.model.history import History, Identity
from seedbed.model.target import Target

EngineOf = Callable[[str], Engine]


class Connected(Struct):
    """A target with its open session and the history that was read from it."""

    target: Target
    session: Session
    history: History
    closing: ExitStack

    @property
    def id(self) -> str:
        return self.target.id


def identity(target: Target) -> Identity:
    """Return who `target` has to be."""
    return Identity(target.platform, target.id, target.environment.name)


@contextmanager
def connected(
    targets: Sequence[Target], engine: EngineOf, listener: Listener
) -> Iterator[tuple[list[Connected], dict[str, SeedbedError]]]:
    """Yield the targets that answered, in id order, and the errors of those that did not, by id.

    Raises ForeignTarget before anything is touched if any target is stamped as another one.
    """
    ordered = sorted(targets, key=lambda each: each.id)
    reached: list[Connected] = []
    errors: dict[str, SeedbedError] = {}
    with ExitStack() as closing:
        results = side_by_side([partial(_open, each, engine) for each in ordered])
        for target, result in zip(ordered, results, strict=True):
            if isinstance(result, SeedbedError):
                errors[target.id] = result
            elif isinstance(result, BaseException):
                raise result
            else:
                closing.push(result.closing)
                reached.append(result)
        for each in reached:
            refuse_foreign(each.target, each.history)
        for each in reached:
            listener(TargetReached(each.id, each.session.server))
        for target_id, error in errors.items():
            listener(failure(target_id, error))
        yield reached, errors


def _open(target: Target, engine: EngineOf) -> Connected:
    with ExitStack() as stack:
        session = stack.enter_context(engine(target.database.engine).connect(target))
        history = session.history()
        return Connected(target, session, history, stack.pop_all())


def refuse_foreign(target: Target, history: History) -> None:
    """Raise ForeignTarget if the target is stamped as another one."""
    wanted = identity(target)
    if history.identity is not None and history.identity != wanted:
        raise ForeignTarget(
            f"{target.address} is not {wanted}",
            because=f"it is stamped as {history.identity}",
            try_="check the address and the environment's name; nothing was touched",
        )


def refuse_unstamped(target: Target, history: History, verb: str) -> None:
    """Raise ForeignTarget if nobody knows which target this is."""
    if history.identity is None:
        raise ForeignTarget(
            f"{verb} refuses {target.id}: nobody knows which database {target.address} is",
            because="it carries no identity yet; the first apply stamps it",
            try_=f"seedbed apply -e {target.environment.name} first",
        )


def on_each(
    reached: Sequence[Connected], act: Callable[[Connected], None], listener: Listener, stop: Stop
) -> None:
    """Call `act` on every target side by side; an error of one is told to `listener` and harms no other."""

    def one(each: Connected) -> None:
        try:
            with stop.watching(each.session):
                act(each)
        except SeedbedError as error:
            listener(failure(each.id, stop.mark(error)))

    for result in side_by_side([partial(one, each) for each in reached]):
        if isinstance(result, BaseException):
            raise result
