"""Tells whoever subscribed to a base's topic what was collected there, and what will be."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from seedbed.aws import topics
from seedbed.documents.inventory import CollectedEntry
from seedbed.errors import Hint, SeedbedError, call, called_with, hint_text
from seedbed.model.environment import EnvironmentPattern
from seedbed.project.targets import Targets
from seedbed.support.phrases import count, moment


def tell(targets: Targets, collected: Sequence[CollectedEntry]) -> tuple[list[str], list[SeedbedError]]:
    """Publish for each base that names a topic what there is to tell; return the topics, and why others have nothing.

    Nothing is published where nothing is marked and nothing went.
    """
    platform = targets.catalog.platform
    told: list[str] = []
    failed: list[SeedbedError] = []
    for base in platform.environments:
        lines = _lines([each for each in collected if _lies_in(base, each)]) if base.notify else []
        if not lines:
            continue
        subject = f"seedbed: {count(len(lines), 'environment')} of {platform.name} in {base.pattern}"
        try:
            cloud = targets.cloud(base.named(base.pattern))
            topics.publish(cloud, base.notify, subject, message(base.pattern, lines))
        except SeedbedError as error:
            failed.append(error)
        else:
            told.append(base.notify)
    return told, failed


def message(base: str, lines: Sequence[str]) -> str:
    """Return the text of a message: a line for each environment, and what keeps one."""
    with called_with(""):  # who reads it has no directory of this task
        extend = hint_text(Hint(call("env extend", "NAME", "--ttl", "7d")), "", "")
    keeps = f"Any use of one that is not deleted yet keeps it, and: {extend}"
    return "\n".join((f"Environments in {base} whose time is over:", "", *lines, "", keeps, ""))


def _lies_in(base: EnvironmentPattern, each: CollectedEntry) -> bool:
    there = each.there
    return (there.base, there.account, there.region) == (base.pattern, base.account, base.region)


def _lines(collected: Sequence[CollectedEntry]) -> list[str]:
    """Return what there is to tell: first what will go, then what went, and what could not."""
    told = [(_rank(each), line) for each in collected if (line := _line(each))]
    return [line for _, line in sorted(told)]


def _rank(each: CollectedEntry) -> int:
    return {"collected": 1, "failed": 2}.get(each.done, 0)


def _line(each: CollectedEntry) -> str:
    """Return what becomes of an environment, and whose it is; empty where it stays."""
    record = each.there.record
    who = record.owner.rpartition("/")[2] if record else ""
    used = f", last used {_time(record.used)}" if record else ""
    whose = f"  owner {who or 'not known'}{used}"
    if each.done == "collected":
        return f"{each.there.environment}  is deleted{whose}"
    if each.done == "failed":
        return f"{each.there.environment}  could not be deleted{whose}"
    is_marked = each.done in {"marked", "postponed"} or (each.there.fate == "marked" and not each.done)
    if not is_marked or not each.there.goes:
        return ""
    return f"{each.there.environment}  will be deleted from {_time(each.there.goes)} on{whose}"


def _time(iso: str) -> str:
    return moment(datetime.fromisoformat(iso))
