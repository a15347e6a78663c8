"""[release], and [environments.X.release] that has some of its keys otherwise -> `ReleaseRules`."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, date, tzinfo
from typing import Any

from msgspec import UNSET, Struct, UnsetType

from seedbed.manifest.durations import seconds
from seedbed.manifest.expectations import expectation
from seedbed.manifest.sections import CheckSection, CodeSection, PlatformReleaseSection, ReleaseSection
from seedbed.model.release import StepName
from seedbed.model.release_rules import (
    DatedFreeze,
    Freeze,
    NewCode,
    ReleaseCheck,
    ReleaseRules,
    WeeklyFreeze,
    usual,
)
from seedbed.support.guess import did_you_mean
from seedbed.toml.lines import KeyPath
from seedbed.toml.problems import convert
from seedbed.toml.text import Text, dotted, printable

_AT = ("release",)
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_TIME = re.compile(r"([A-Z][a-z]{2}) ([0-9]{2}):([0-9]{2})")


class DeclaredRules(Struct, frozen=True):
    """What [release] says, by the fields of `ReleaseRules`; what it does not say is not there."""

    said: Mapping[str, Any]

    def of(self, own: Mapping[str, Any] | None, *, protected: bool) -> ReleaseRules:
        """Return the rules of an environment that says `own` itself."""
        rules, own = usual(protected), own or {}
        approvals = {**rules.approvals, **self.said.get("approvals", {}), **own.get("approvals", {})}
        return ReleaseRules(**{"soak": rules.soak, **self.said, **own, "approvals": approvals})


def platform_rules(text: Text, ids: Collection[str]) -> DeclaredRules | None:
    """Return what [release] says, None where it is not there. Raises UsageError, with file and line."""
    if "release" not in text.data:
        return None
    section: PlatformReleaseSection = convert(text, text.data["release"], PlatformReleaseSection, _AT)
    said = dict(rules_said(text, section, _AT))
    if section.checks:
        said["checks"] = tuple(_checks(text, section, ids))
    if section.store:
        said["store"] = section.store
    return DeclaredRules(said)


def rules_said(text: Text, section: ReleaseSection, at: KeyPath) -> Iterator[tuple[str, Any]]:
    """Yield the fields of `ReleaseRules` that the section at the key `at` sets. Raises UsageError, with line."""
    for key in ("soak", "approval_max_age", "snapshot_max_age", "drill_max_age", "snapshot_keep"):
        if (said := getattr(section, key)) is not UNSET:
            yield key, seconds(said)
    approvals = {step: getattr(section.approvals, step) for step in section.approvals.__struct_fields__}
    yield "approvals", {StepName(step): each for step, each in approvals.items() if each is not UNSET}
    if not isinstance(section.freeze, UnsetType):
        yield (
            "freezes",
            tuple(_freeze(text, each, (*at, "freeze", index)) for index, each in enumerate(section.freeze)),
        )
    if not isinstance(section.code, UnsetType):
        yield "code", _code(text, section.code, (*at, "code"))


def _code(text: Text, section: CodeSection, at: KeyPath) -> NewCode:
    run, back = ([] if isinstance(each, UnsetType) else each for each in (section.run, section.back))
    wait = "" if isinstance(section.wait, UnsetType) else section.wait
    url = "" if isinstance(section.url, UnsetType) else section.url
    wrong = ""
    if bool(run) is bool(wait):
        wrong = "it has both `run` and `wait`" if run else "it has neither `run` nor `wait`"
    elif back and not run:
        wrong = "`back` undoes what `run` does, and there is no `run`"
    elif bool(url) is not (wait == "http"):
        wrong = '`url` is for wait = "http"' if url else 'wait = "http" has no `url`'
    if wrong:
        raise text.error(
            f"{dotted(at)} is wrong", at=at, because=wrong, try_='run = ["./deploy.sh"], or wait = "ecs"'
        )
    for key, words in (("run", run), ("back", back)):
        if words and not _is_inside(words[0]):
            raise text.error(
                f"{dotted((*at, key))} is wrong",
                at=(*at, key),
                because="it runs from the bundle, which has the platform's files and nothing else",
                try_=f'{key} = ["./deploy.sh"], seen from the manifest',
            )
    return NewCode(tuple(run), tuple(back), wait, url, seconds(section.timeout))


def _is_inside(path: str) -> bool:
    inner = posixpath.normpath(path)
    return bool(path) and not inner.startswith(("/", "..")) and inner != "." and "\\" not in path


def _checks(text: Text, section: PlatformReleaseSection, ids: Collection[str]) -> Iterator[ReleaseCheck]:
    names = dict[str, int]()
    for index, each in enumerate(section.checks):
        at = (*_AT, "checks", index)
        if each.name in names:
            raise text.error(
                f"there are two checks of the name {printable(each.name)!r}",
                at=(*at, "name"),
                because=f"line {text.line((*_AT, 'checks', names[each.name]))} has the other one",
                try_="name what each of them says",
            )
        names[each.name] = index
        yield _check(text, each, at, ids)


def _check(text: Text, section: CheckSection, at: KeyPath, ids: Collection[str]) -> ReleaseCheck:
    after = StepName(section.after)
    if isinstance(section.url, UnsetType):
        return ReleaseCheck(section.name, after, expectation(text, at, section, ids))
    if section.query is not UNSET or section.equal is not UNSET or section.database is not UNSET:
        raise text.error(
            "a check asks a URL, or databases",
            at=at,
            because="it has both",
            try_="make two checks of it",
        )
    return ReleaseCheck(section.name, after, url=section.url)


def _freeze(text: Text, said: str, at: KeyPath) -> Freeze:
    span, _, zone = said.rpartition(" ")
    first, _, last = span.partition("/")
    clocks = _zone(text, zone, at)
    try:
        if first[0].isdigit():
            days = date.fromisoformat(first), date.fromisoformat(last)
            if days[1] < days[0]:
                raise ValueError(f"{last} is before {first}")
            return DatedFreeze(said, *days, clocks)
        begins, ends = _minute(first), _minute(last)
    except ValueError as error:
        raise text.error(
            f"{dotted(at[:-1])} is wrong", at=at, because=f"{said!r}: {error}", try_=_EXAMPLE
        ) from None
    if begins == ends:
        raise text.error(
            f"{dotted(at[:-1])} is wrong",
            at=at,
            because=f"{said!r} ends when it begins",
            try_=_EXAMPLE,
        )
    return WeeklyFreeze(said, begins, ends, clocks)


_EXAMPLE = '"Fri 15:00/Mon 08:00 Europe/Berlin", or "2026-12-20/2027-01-06 Europe/Berlin"'


def _minute(said: str) -> int:
    """Return the minutes from Monday 00:00 to `Fri 15:00`; 24:00 is the beginning of the next day."""
    found = _TIME.fullmatch(said)
    day, hour, minute = (_DAYS.index(found[1]), int(found[2]), int(found[3])) if found else (0, 99, 0)
    if minute > 59 or hour * 60 + minute > 24 * 60:
        raise ValueError(f"{said} is no time of a day")
    return (day * 24 * 60 + hour * 60 + minute) % (7 * 24 * 60)


def _zone(text: Text, name: str, at: KeyPath) -> tzinfo:
    if name == "UTC":
        return UTC
    from zoneinfo import ZoneInfo, available_timezones

    try:
        return ZoneInfo(name)
    except (LookupError, OSError, ValueError):
        known = available_timezones()
    if not known:
        raise text.error(
            f"the clocks of {printable(name)} are unknown here",
            at=at,
            because="this machine has no time zone database",
            try_="install the package tzdata of the system, or `pip install tzdata`; or write UTC",
        )
    raise text.error(
        f"there is no time zone {printable(name)}",
        at=at,
        because="it is not in this machine's time zone database",
        try_=did_you_mean(name, sorted(known), otherwise="a name such as Europe/Berlin, or UTC"),
    )
