"""What a run remembers of the targets that it had open: so plans and states can be told without asking them again."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from msgspec import Struct, field

from seedbed.model.history import History
from seedbed.model.verified import Verified, VerifyRecord


class Question(StrEnum):
    """What only a target itself can answer; `words` say it in a plan that was made without asking."""

    HAZARDS = "hazards"
    NAMES = "names"
    FEASIBILITY = "feasibility"
    COST = "cost"

    @property
    def words(self) -> str:
        return _WORDS[self]


_WORDS = {
    Question.HAZARDS: "what its server says of these statements: hazards that only the database shows",
    Question.NAMES: "which names there are: things that belong to other services",
    Question.FEASIBILITY: "whether what the migrations set out from is as they need it",
    Question.COST: "what data migrations will cost",
}


_AHEAD = 60.0  # seconds that clocks may differ by
# In a plan, of a database whose logins could not be looked at
UNKNOWN_LOGINS = "what its logins lack"


class Seen(Struct, frozen=True):
    """When a target was last looked at, where it is not asked now.

    `run`: which did; empty where that was a deployment. `age`: seconds since. `changed`: when a deployment began to
    change its stack since.
    """

    run: str
    at: datetime
    age: float
    changed: datetime | None = None


class Remembered(Struct, frozen=True):
    """One target as the run `run` saw it. `at`: a moment before it was asked, by the clock of the run.

    `address`: as text, without secrets. `holder`: who had its lease besides that run. `deployed`: what its session
    told of its infrastructure (`SupportsMemory`), None for one without. `schema`: SHA-256 of its schema, empty where
    that is unknown. `open`: the questions that only its session answers. `verified`: what contracts wait for.
    `logins`: what would be made, granted or set of its logins; None where that is unknown. `changed`: when a deployment
    began to change its stack since; what is told of it may be otherwise by now.
    """

    database: str
    run: str
    at: datetime
    address: str
    server: str
    history: History
    holder: str = ""
    deployed: Mapping[str, Any] | None = None
    schema: str = ""
    open: tuple[Question, ...] = ()
    verified: Verified = field(default_factory=Verified)
    logins: tuple[str, ...] | None = ()
    changed: datetime | None = None

    def seen(self, now: datetime) -> Seen:
        """Return when this was seen, as of `now`. An age below zero is that of a clock that was wrong by far."""
        age = (now - self.at).total_seconds()
        return Seen(self.run, self.at, age if age < -_AHEAD else max(age, 0.0), self.changed)


def latest(records: tuple[VerifyRecord, ...]) -> tuple[VerifyRecord, ...]:
    """Return those of `records`, the newest first, that say of any claim what was found last.

    A run that read new rows alone says it where it found something wrong.
    """
    known = set[str]()
    kept = []
    for each in records:
        new = {one.claim.name for one in each.findings if one.is_full or not one.is_passed} - known
        if new:
            kept.append(each)
            known |= new
    return tuple(kept)
