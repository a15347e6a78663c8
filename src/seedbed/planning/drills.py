"""What drills of snapshots showed, from the records of releases. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from seedbed.errors import Hint, call
from seedbed.model.release import DRILL, Evidence, Gate, Release
from seedbed.support.phrases import listed, moment, whole_hours


def last_drills(releases: Iterable[Release]) -> Mapping[str, Evidence]:
    """Return the last drill of each database that had one, by its id: its text has how long a restore took."""
    found: dict[str, Evidence] = {}
    for release in releases:
        for each in (one for step in release.steps for one in step.evidence if one.kind == DRILL):
            if each.about not in found or each.at >= found[each.about].at:
                found[each.about] = each
    return found


def drill_gate(
    releases: Sequence[Release], databases: Sequence[str], now: float, max_age: float
) -> Gate | str:
    """Return whether a snapshot of each of `databases` was tried lately, of whichever of `releases`.

    A text: why that cannot be known of some. The first release is the one that waits.
    """
    found = last_drills(releases)
    drills = [(each, found.get(each)) for each in databases]
    for database, drill in drills:
        if because := _lacking(database, drill, now, max_age):
            try_ = Hint("try it: ", call("release drill", str(releases[0].number)))
            return Gate(name="drill", is_open=False, because=because, try_=try_)
    texts = [each.text for _, each in drills if each is not None and each.verdict == "unknown"]
    if texts:
        return listed(texts, separator="; ")
    good = [each.text for _, each in drills if each is not None]
    return Gate(name="drill", is_open=True, because=listed(good, separator="; "))


def _lacking(database: str, drill: Evidence | None, now: float, max_age: float) -> str:
    """Return why a drill does not do; empty where it does."""
    if drill is None:
        return f"no snapshot of {database} was tried"
    if drill.verdict == "bad":
        return drill.text
    if now - drill.at > max_age:
        at = moment(datetime.fromtimestamp(drill.at, UTC))
        return f"the last drill of {database} was {at}, more than {whole_hours(max_age)} ago"
    return ""
