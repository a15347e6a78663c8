"""What the manifest says of releases: what their steps wait for, what is run between them, when nothing is changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta, tzinfo
from typing import Literal

from msgspec import Struct, field

from seedbed.model.platform import Expectation
from seedbed.model.release import StepName
from seedbed.support.phrases import DAY

GATED = (StepName.EXPAND, StepName.CODE, StepName.MIGRATE, StepName.CONTRACT)  # they change something
_MINUTES = 24 * 60
_LONGEST = 366 * DAY  # of freezes that follow each other


class WeeklyFreeze(Struct, frozen=True):
    """A part of every week in which nothing is changed: minutes since Monday 00:00 by the clocks of `zone`.

    It goes over Sunday night where it ends before it begins. `text`: as the manifest has it.
    """

    text: str
    begins: int
    ends: int
    zone: tzinfo

    def around(self, at: float) -> tuple[float, float] | None:
        """Return when the freeze that `at` lies in begins and ends; None where it lies in none."""
        today = datetime.fromtimestamp(at, self.zone).date()
        monday = today - timedelta(days=today.weekday())
        length = (self.ends - self.begins) % (7 * _MINUTES)
        for week in (monday + timedelta(weeks=each) for each in (-1, 0, 1)):
            begins, ends = (
                _instants(week, self.begins, self.zone)[0],
                _instants(week, self.begins + length, self.zone)[1],
            )
            if begins <= at < ends:
                return begins, ends
        return None


class DatedFreeze(Struct, frozen=True):
    """Days on which nothing is changed, the last one included, by the clocks of `zone`."""

    text: str
    first: date
    last: date
    zone: tzinfo

    def around(self, at: float) -> tuple[float, float] | None:
        begins = _instants(self.first, 0, self.zone)[0]
        ends = _instants(self.last, _MINUTES, self.zone)[1]
        return (begins, ends) if begins <= at < ends else None


Freeze = WeeklyFreeze | DatedFreeze


class Frozen(Struct, frozen=True):
    """A time without changes: `until` when, None where there is no end of it; `by` what of the manifest."""

    until: float | None
    by: tuple[str, ...]


def frozen(freezes: Sequence[Freeze], at: float) -> Frozen | None:
    """Return the freeze that `at` lies in, with those that follow it without a break; None where it lies in none."""
    until, by = at, dict[str, None]()
    while until - at < _LONGEST:
        found = [(around[1], each.text) for each in freezes if (around := each.around(until))]
        if not found:
            return Frozen(until, tuple(by)) if by else None
        until = max(ends for ends, _ in found)
        by |= dict.fromkeys(text for _, text in found)
    return Frozen(None, tuple(by))


def _instants(day: date, minutes: int, zone: tzinfo) -> tuple[float, float]:
    """Return the first and the last instant at which clocks of `zone` show a time: most days it is the same one.

    An hour that a change of the clocks leaves out, or has twice, belongs to the freeze.
    """
    shown = datetime.combine(day + timedelta(days=minutes // _MINUTES), time(), zone)
    shown = shown.replace(hour=minutes % _MINUTES // 60, minute=minutes % 60)
    both = [shown.replace(fold=fold).timestamp() for fold in (0, 1)]
    return min(both), max(both)


class NewCode(Struct, frozen=True):
    """How the new code comes to where it runs: `run` brings it there, or it is waited for. Empty: `manual`.

    `run`, `back`: a command and its arguments, a file of the platform, that brings the new code and the old one.
    `wait`: until the services' tasks have the images of the release (`ecs`), until `url` says so (`http`), until a
    person says so (`manual`). `timeout`: seconds.
    """

    run: tuple[str, ...] = ()
    back: tuple[str, ...] = ()
    wait: Literal["", "ecs", "http", "manual"] = ""
    url: str = ""
    timeout: float = 1800.0


class ReleaseCheck(Struct, frozen=True):
    """What has to hold `after` a step: an expectation, or a `url` that answers with success."""

    name: str
    after: StepName
    expectation: Expectation | None = None
    url: str = ""


class ReleaseRules(Struct, frozen=True, kw_only=True):
    """What releases of an environment keep to.

    `soak`, `approval_max_age`, `snapshot_max_age`, `drill_max_age` (0: no drill is asked for): seconds.
    `snapshot_keep`: after so many a snapshot may be deleted; 0: never by itself.
    `approvals`: how many people approve a step; none where it is not there. `store`: the directory that keeps them, as
    the manifest has it; empty for the usual place.
    """

    soak: float = 0.0
    approvals: Mapping[StepName, int] = field(default_factory=dict)
    approval_max_age: float = 3 * DAY
    freezes: tuple[Freeze, ...] = ()
    snapshot_max_age: float = DAY
    drill_max_age: float = 0.0
    snapshot_keep: float = 0.0
    code: NewCode = NewCode()
    checks: tuple[ReleaseCheck, ...] = ()
    store: str = ""


def usual(protected: bool) -> ReleaseRules:
    """Return the rules where the manifest says nothing."""
    if not protected:
        return ReleaseRules()
    return ReleaseRules(soak=DAY, approvals={StepName.EXPAND: 1, StepName.CONTRACT: 1})
