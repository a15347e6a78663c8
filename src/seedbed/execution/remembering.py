"""What a run leaves behind of the targets that it had open: asked once more, at its end. Reads only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial
from hashlib import sha256
from typing import Any

from seedbed.engines.base import Session
from seedbed.engines.capabilities import (
    SupportsEstimates,
    SupportsExamination,
    SupportsFeasibility,
    SupportsInspection,
    SupportsLogins,
    SupportsPresence,
    SupportsUnlock,
)
from seedbed.engines.infrastructure import SupportsMemory
from seedbed.engines.verification import SupportsVerified
from seedbed.errors import SeedbedError
from seedbed.execution.connecting import ConnectedTarget, EngineOf
from seedbed.execution.threads import side_by_side
from seedbed.model.remembered import Question, Remembered
from seedbed.model.target import Target
from seedbed.model.verified import Verified

_ASKED: tuple[tuple[type[Any], Question], ...] = (
    (SupportsExamination, Question.HAZARDS),
    (SupportsPresence, Question.NAMES),
    (SupportsFeasibility, Question.FEASIBILITY),
    (SupportsEstimates, Question.COST),
)


def remembered(
    connected: Sequence[ConnectedTarget], engine: EngineOf, *, run: str, at: datetime
) -> tuple[list[Remembered], dict[str, SeedbedError]]:
    """Return what is known of each of `connected` now, and by id why nothing is of others.

    `at`: now. A session that was cut off, or that stopped when it was told to, is replaced by a new one.
    """
    calls = [partial(_remembered, each, engine, run, at) for each in connected]
    found: list[Remembered] = []
    failed: dict[str, SeedbedError] = {}
    for target, result in zip(connected, side_by_side(calls), strict=True):
        if isinstance(result, SeedbedError):
            failed[target.id] = result
        elif isinstance(result, BaseException):
            raise result
        else:
            found.append(result)
    return found, failed


def _remembered(each: ConnectedTarget, engine: EngineOf, run: str, at: datetime) -> Remembered:
    with suppress(SeedbedError):
        return _asked(each.target, each.session, run, at)
    with engine(each.database.engine).connect(each.target) as session:
        return _asked(each.target, session, run, at)


def _asked(target: Target, session: Session, run: str, at: datetime) -> Remembered:
    return Remembered(
        target.id,
        run,
        at,
        str(target.address),
        session.server,
        session.history(),
        _known(session.holder, "") if isinstance(session, SupportsUnlock) else "",
        session.memory() if isinstance(session, SupportsMemory) else None,
        _known(partial(_digest, session), "") if isinstance(session, SupportsInspection) else "",
        tuple(question for supports, question in _ASKED if isinstance(session, supports)),
        session.verified() if isinstance(session, SupportsVerified) else Verified(),
        _logins(session),
    )


def _logins(session: Session) -> tuple[str, ...] | None:
    if not isinstance(session, SupportsLogins):
        return ()
    try:
        return tuple(session.login_changes())
    except SeedbedError:
        return None


def _known(ask: Callable[[], str], otherwise: str) -> str:
    """Return what `ask` says; what else is known is told without it."""
    try:
        return ask()
    except SeedbedError:
        return otherwise


def _digest(session: SupportsInspection) -> str:
    return sha256("\n".join(session.schema()).encode()).hexdigest()
