"""Whether something that a contract removes was used, judged from looks at the counters of its server. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from msgspec import Struct

from seedbed.model.usage import Counter, Usage
from seedbed.support.phrases import count, listed

Window = tuple[Usage, Usage]  # two looks between which seedbed itself left the database alone

_SHORTEST = 7  # letters of a commit's name that are told from a word


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
            some.append(f"{last.removed} was used {count(uses, 'time')}")
        elif why:
            unknown.append(f"{last.removed}: {why}")
    if some:
        return Use("some", listed(some, separator="; "))
    if unknown:
        return Use("unknown", listed(unknown, separator="; "))
    if not kept:
        return Use("none", "nothing goes that is read")
    return Use("none", f"{listed([str(each.removed) for each in kept])} {_WAS[len(kept) > 1]} not used")


_WAS = {False: "was", True: "were"}


def _of(last: Counter, windows: Sequence[Window]) -> tuple[int, str]:
    """Return how often something was used, and why that number does not show that there was no use."""
    uses, why = 0, last.blind
    for before, after in windows:
        pairs = zip(_counters(before, last), _counters(after, last), strict=False)
        first, second = next(pairs, (None, None))
        if first is None or second is None:
            why = why or "it was not looked at before"
        elif first.since != second.since or second.uses < first.uses or second.unclear < first.unclear:
            why = why or "counting began anew in between"
        else:
            uses += second.uses - first.uses
            if unclear := second.unclear - first.unclear:
                why = why or f"{count(unclear, 'statement')} may have used it"
    return uses, why


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
