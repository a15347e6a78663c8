"""Whether something that a contract removes was used, judged from looks at the counters of its server. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime
from typing import Literal

from msgspec import Struct

from seedbed.model.usage import Counter, Times, Usage
from seedbed.support.phrases import count, listed, moment

Window = tuple[Usage, Usage]  # two looks between which seedbed itself left the database alone

_SHORTEST = 7  # letters of a commit's name that are told from a word
_LATE = 900.0  # seconds that a server which tells times may be late with them


class Use(Struct, frozen=True):
    """Whether something is used, in one line for people."""

    verdict: Literal["none", "some", "unknown"]
    text: str


def judged(windows: Sequence[Window], commit: str) -> Use:
    """Return whether what a contract removes was used in any of `windows`, of one database.

    `commit`: the one that is released; a client of another one may read what goes, whatever it read until now.
    """
    if not windows:
        return Use("unknown", "there are no two looks to compare")
    some = [*_others(windows[-1][1], commit)]
    unknown: list[str] = []
    kept = windows[-1][1].counters
    for last in kept:
        uses, why = _of(last, windows)
        if uses:
            least = "at least " if last.times and last.times.period else ""
            some.append(f"{last.removed} was used {least}{count(uses, 'time')}")
        if last.now:
            some.append(f"{last.removed}: {last.now}")
        elif why and not uses:
            unknown.append(f"{last.removed}: {why}")
    if some:
        return Use("some", "; ".join(some))
    if unknown:
        return Use("unknown", "; ".join(unknown))
    if not kept:
        if before := {str(each.removed) for window in windows for look in window for each in look.counters}:
            return Use("unknown", f"{listed(sorted(before))}: counted before, and not found any more")
        return Use("none", "nothing goes that is read")
    return Use("none", f"{listed([str(each.removed) for each in kept])} {_WAS[len(kept) > 1]} not used")


_WAS = {False: "was", True: "were"}


def _of(last: Counter, windows: Sequence[Window]) -> tuple[int, str]:
    """Return how often something was used, and why that number does not show that there was no use."""
    uses, unclear, why = 0, 0, last.blind
    for before, after in windows:
        pairs = zip(_counters(before, last), _counters(after, last), strict=False)
        first, second = next(pairs, (None, None))
        if first is None or second is None:
            why = why or "it was not looked at before"
        elif first.since != second.since or second.uses < first.uses or second.unclear < first.unclear:
            why = why or "counting began anew in between"
        elif last.times is None:
            uses += second.uses - first.uses
            unclear += second.unclear - first.unclear
        elif first.times is None or second.times is None:
            why = why or "it was not looked at before"
        else:
            uses += _within({*second.times.uses, *last.times.uses}, first.times, second.times, last.times)
            unclear += _within(
                {*second.times.unclear, *last.times.unclear}, first.times, second.times, last.times
            )
            why = why or _untold(last.times, first.times.at)
    if unclear and not why:
        why = f"{count(unclear, 'use')} may have been of it"
    return uses, why


def _within(found: Collection[float], first: Times, second: Times, last: Times) -> int:
    """Return how many of the periods `found` lie between two looks as a whole.

    One in which a look lies may have had a use before it: by a reader that was still let be, or by seedbed's own step.
    """
    closes = float("inf") if second is last else second.at
    return sum(1 for each in found if first.at <= each and each + last.period <= closes)


def _untold(last: Times, opened: float) -> str:
    """Return of which time since `opened` nothing is told; empty where there is none but the last minutes."""
    if opened < last.since:
        return f"what used it before {_at(last.since)} is not told any more"
    whole = (
        (opened // last.period + 2) * last.period if last.period else opened
    )  # where the first whole one ends
    if last.until < max(last.at - _LATE, whole) or last.until == opened:
        return f"what used it since {_at(max(last.until, opened))} is not told yet: ask again in some minutes"
    return ""


def _at(at: float) -> str:
    return moment(datetime.fromtimestamp(at, UTC))


def _counters(look: Usage, like: Counter) -> Iterator[Counter]:
    return (each for each in look.counters if each.removed == like.removed)


def _others(look: Usage, commit: str) -> Iterator[str]:
    """Yield the clients that name a commit, and another one."""
    for each in look.clients:
        service, at, own = each.rpartition("@")
        if not at or not service or len(own) < _SHORTEST:
            continue
        if not (commit.startswith(own) or own.startswith(commit)):
            yield f"{each} is connected"
