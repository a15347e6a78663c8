"""What engines share that read ids: rows that hold them are counted, times that rows tell are read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime, time

from seedbed.model.ids import spellings
from seedbed.model.platform import Where
from seedbed.model.verification import Holders, Suspect

_MILLISECONDS = 1e11  # a time since 1970 that is larger than this counts them, not seconds


def held_texts(suspects: Iterable[Suspect]) -> Mapping[str, str]:
    """Return, by the texts that rows may have in place of the ids of `suspects`, the ids."""
    found: dict[str, str] = {}
    for each in suspects:
        found |= spellings([each.id])
        found |= dict.fromkeys(each.spelled, each.id)
    return found


def together(one: Holders | None, other: Holders, most: int) -> Holders:
    """Return what two say of one id that is spelled in two ways."""
    if one is None:
        return other
    moments = [each for each in (one.since, other.since) if each]
    return Holders(one.count + other.count, (*one.rows, *other.rows)[:most], min(moments, default=None))


class Tally:
    """Counts the rows that hold each of `suspects`, and keeps the keys of `most` of them."""

    def __init__(self, suspects: Iterable[Suspect], most: int) -> None:
        self._wanted = {each.id: each.more for each in suspects}
        self._most = most
        self._held: dict[str, Holders] = {}

    def add(self, id_: str, row: str, since: datetime | None) -> None:
        """Count a row that holds `id_`, if that is one of those wanted."""
        if id_ not in self._wanted:
            return
        held = self._held.get(id_, Holders(self._wanted[id_]))
        moments = [each for each in (held.since, since) if each]
        rows = (*held.rows, row) if len(held.rows) < self._most else held.rows
        self._held[id_] = Holders(held.count + 1, rows, min(moments, default=None))

    def holders(self) -> Mapping[str, Holders]:
        """Return what was counted, by id."""
        return self._held


def takes(where: Where, texts: Callable[[str], Iterable[str]]) -> bool:
    """Return whether a row is one of `where`; `texts`: a field's name -> what the row has there, as text."""
    if any(frozenset(wanted).isdisjoint(texts(name)) for name, wanted in where.equal):
        return False
    return where.since is None or is_new(where.since, map(moment, texts(where.time)))


def is_new(since: datetime, times: Iterable[datetime | None]) -> bool:
    """Return whether one of `times` is from `since` on, or nothing tells when it was."""
    known = list(times)
    return not known or any(each is None or each >= since for each in known)


def moment(value: object) -> datetime | None:
    """Return the time that `value` tells: ISO 8601, or seconds or milliseconds since 1970; None if it tells none."""
    try:
        if isinstance(value, str) and not _is_number(value):
            at = datetime.fromisoformat(value)
        elif isinstance(value, datetime):
            at = value
        elif isinstance(value, date):
            at = datetime.combine(value, time(), UTC)
        elif isinstance(value, str | int | float):
            since = float(value)
            at = datetime.fromtimestamp(since / 1000 if since > _MILLISECONDS else since, UTC)
        else:
            return None
    except (ValueError, OverflowError, OSError):
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _is_number(text: str) -> bool:
    return text.removeprefix("-").replace(".", "", 1).isdigit()
