"""The records of environments: who uses each, since when, how long it stays.

The record of one is an item of its own, `about`. What all are listed by is a copy of it, under one id: any caller may
write copies, of other environments too, so that nothing but a list is made of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from seedbed.aws.items import Table
from seedbed.aws.rights import COLLECTED, ENVIRONMENTS
from seedbed.errors import Hint, UsageError, call
from seedbed.model.lifetime import ANEW, STALE, EnvironmentRecord
from seedbed.remote.control import WRITING, environment_item
from seedbed.support.typed import ready

_KEPT = 90 * 86_400  # seconds
_ABOUT = "about"
_QUIET = "#used = :used AND #until = :until AND #keep = :no"  # nothing was said of it since it was read
_FREE = {"marked": 0.0, "taken": 0.0, "taker": ""}  # of what is not to be collected


class Use(Struct, frozen=True):
    """Who uses an environment: an ARN; by which command, and from which commit of which branch, where that is known.

    `declared_ttl`: seconds for which it stays by the user's manifest, 0: for ever; None: not known.
    """

    by: str
    command: str = ""
    commit: str = ""
    branch: str = ""
    declared_ttl: float | None = None


class Environments:
    """The records of environments in one table. Thread-safe. Raises what `Table` raises."""

    def __init__(self, table: Table) -> None:
        self.table = table

    def now(self) -> float:
        """Return the time in seconds by AWS's clock."""
        return self.table.now()

    def listed(self) -> dict[str, EnvironmentRecord]:
        """Return the copies of all records by name, as anybody may have written them: to be shown, no more."""
        items = self.table.between(ENVIRONMENTS, "!", "~")
        return {str(each["part"]): _of_item(str(each["part"]), each) for each in items}

    def about(self, name: str) -> EnvironmentRecord | None:
        """Return the record of an environment, None where it has none."""
        item = self.table.get(environment_item(name), _ABOUT)
        return _of_item(name, item) if item else None

    def shown(self, name: str) -> EnvironmentRecord | None:
        """Return the copy of a record, as anybody may have written it: to be shown, no more."""
        item = next(self.table.between(ENVIRONMENTS, name, name), None)
        return _of_item(name, item) if item else None

    def touch(self, name: str, use: Use, *, ttl: float = 0.0) -> EnvironmentRecord | None:
        """Write down that an environment is used now, which takes a mark from it; return its record.

        Where that was done within ten minutes, by the same commit, nothing is written, and None is returned. `ttl`: of
        this environment alone, in seconds; 0: as it was.
        """
        return self.touch_known(name, self.about(name), use, ttl=ttl)

    def touch_known(
        self, name: str, known: EnvironmentRecord | None, use: Use, *, ttl: float = 0.0
    ) -> EnvironmentRecord | None:
        """Do what `touch` does with an environment whose record was `known` just now."""
        now = self.now()
        if known and not ttl and not _is_news(known, use, now):
            return None
        changes = {
            **msgspec.structs.asdict(use),
            "used": now,
            **_FREE,
            **({"ttl": ttl} if ttl else {}),
        }
        if known is None:
            made = EnvironmentRecord(name=name, owner=use.by, created=now, **changes)
            if self._add(made):
                return made
        return self._change(name, changes)

    def count(self, name: str, *, mark: bool = False) -> EnvironmentRecord:
        """Return the record of an environment that has none yet: its time begins now. `mark`: it is marked at once."""
        now = self.now()
        made = EnvironmentRecord(name=name, created=now, used=now, marked=now if mark else 0.0)
        if not self._add(made) and (known := self.about(name)):
            self._copy(known)
            return known
        return made

    def extend(self, name: str, seconds: float) -> EnvironmentRecord:
        """Let an environment stay for `seconds` from now at least. Raises UsageError where it has no record."""
        return self._said(name, {"until": self.now() + seconds, **_FREE})

    def keep(self, name: str, *, keep: bool) -> EnvironmentRecord:
        """Have an environment kept for ever, or no more. Raises UsageError where it has no record."""
        return self._said(name, {"keep": keep, **_FREE})

    # --- collecting

    def mark(self, record: EnvironmentRecord) -> EnvironmentRecord | None:
        """Mark what is to be collected a day later; None where it was used or kept since it was read."""
        when = f"{_QUIET} AND #marked = :zero"
        return self._change(record.name, {"marked": self.now()}, when, **_seen(record), zero=0)

    def take(self, record: EnvironmentRecord, token: str) -> EnvironmentRecord | None:
        """Begin to collect an environment; None where another one does, or it was used, kept or extended since.

        The second try of this, with the same `token`, finds what the first one wrote.
        """
        now = self.now()
        when = f"{_QUIET} AND #marked = :marked AND (#taken < :stale OR #taker = :new_taker)"
        seen = {**_seen(record), "marked": record.marked, "stale": now - STALE}
        return self._change(record.name, {"taken": now, "taker": token}, when, **seen)

    def slot(self, day: str, most: int) -> bool:
        """Count one more environment that is collected on `day`; False where that are `most` already.

        A count whose answer was lost counts twice: rather one too few than one too many.
        """
        if most < 1:
            return False
        counted = self.table.update(
            COLLECTED,
            day,
            "SET #count = if_not_exists(#count, :none) + :one, #expires = :expires",
            when="attribute_not_exists(#count) OR #count < :most",
            none=0,
            one=1,
            most=most,
            expires=int(self.now()) + _KEPT,
        )
        return counted is not None

    def is_taken(self, name: str, token: str) -> bool:
        """Return whether an environment is still collected by the one who has `token`: nobody used it meanwhile."""
        known = self.about(name)
        return known is not None and known.taker == token

    def give_back(self, name: str, token: str) -> None:
        """Let others collect what could not be collected to the end; it stays marked."""
        self._change(name, {"taken": 0.0, "taker": ""}, "#taker = :was", was=token)

    def remove(self, name: str, *, token: str = "") -> bool:
        """Remove the record of an environment; False where it is not collected by `token` (none: whoever does).

        With it goes what says which of its runs writes, if none does.
        """
        values: dict[str, Any] = {"token": token} if token else {}
        when = "attribute_not_exists(#id) OR #taker = :token" if token else ""
        is_gone = self.table.delete(environment_item(name), _ABOUT, when=when, **values)
        if is_gone:
            self.unlist(name)
            self.table.delete(environment_item(name), WRITING, when="#run = :none", none="")
        return is_gone

    def unlist(self, name: str) -> None:
        """Remove the copy of a record that is gone: whoever removed that was killed before this."""
        self.table.delete(ENVIRONMENTS, name)

    # --- inside

    def _add(self, record: EnvironmentRecord) -> bool:
        """Write a new record; False where there is one. The copy is first: what has a record is never unlisted."""
        self._copy(record)
        item = {"id": environment_item(record.name), "part": _ABOUT, **_fields(record)}
        return self.table.put(item, when="attribute_not_exists(#id)")

    def _said(self, name: str, changes: Mapping[str, Any]) -> EnvironmentRecord:
        changed = self._change(name, changes)
        if changed is None:
            raise UsageError(
                f"there is no record of {name}",
                because="none is written before the environment is used for the first time",
                try_=Hint("have one written: ", call("env touch", name)),
            )
        return changed

    def _change(
        self, name: str, changes: Mapping[str, Any], when: str = "", **values: Any
    ) -> EnvironmentRecord | None:
        """Change a record and its copy; None where there is none, or `when` does not hold.

        In `when` are `values`, and those that are written with `new_` in front.
        """
        item = self.table.update(
            environment_item(name),
            _ABOUT,
            "SET " + ", ".join(f"#{each} = :new_{each}" for each in changes),
            when=" AND ".join(filter(None, ("attribute_exists(#id)", when))),
            **{f"new_{each}": value for each, value in changes.items()},
            **values,
        )
        if item is None:
            return None
        record = _of_item(name, item)
        self._copy(record)
        return record

    def _copy(self, record: EnvironmentRecord) -> None:
        self.table.put({"id": ENVIRONMENTS, "part": record.name, **_fields(record)})


def _is_news(known: EnvironmentRecord, use: Use, now: float) -> bool:
    is_other = bool(use.commit) and use.commit != known.commit
    is_other = is_other or use.declared_ttl not in {None, known.declared_ttl}
    return bool(known.marked or known.taken) or is_other or now - known.used >= ANEW


def _seen(record: EnvironmentRecord) -> dict[str, Any]:
    """Return the values of _QUIET."""
    return {"used": record.used, "until": record.until, "no": False}


def _fields(record: EnvironmentRecord) -> dict[str, Any]:
    return msgspec.structs.asdict(record)


def _of_item(name: str, item: Mapping[str, Any]) -> EnvironmentRecord:
    """Return what an item says; of one that another version wrote, or a hand, what can be read of it."""
    known = {each: item[each] for each in EnvironmentRecord.__struct_fields__ if each in item}
    try:
        return msgspec.convert({**known, "name": name}, ready(EnvironmentRecord))
    except msgspec.ValidationError:
        return replace(EnvironmentRecord(name=name), keep=True)  # never collected by what is not understood
