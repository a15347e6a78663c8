"""The verdicts on references and expectations from run to run: since when they hold, and when they broke."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from seedbed.model.platform import Expectation, Reference
from seedbed.model.verified import ClaimHistory, Finding, Stretch, Verified, claim, touched


def claim_history(
    declared: Sequence[Reference | Expectation], kept: Mapping[str, Verified]
) -> tuple[ClaimHistory, ...]:
    """Return the history of each of `declared`, from what its databases keep: `kept`, by their ids.

    A run that read new rows alone counts where it found something wrong, and nowhere else.
    """
    return tuple(
        ClaimHistory(claim(each).name, _stretches(_findings(claim(each).name, sorted(touched(each)), kept)))
        for each in declared
    )


def _findings(
    name: str, databases: Sequence[str], kept: Mapping[str, Verified]
) -> list[tuple[datetime, Finding]]:
    """Return what each run found of a claim, the latest first; each run once, however many databases keep it."""
    runs: dict[str, tuple[datetime, Finding]] = {}
    for database in databases:
        for record in kept[database].records if database in kept else ():
            found = record.finding(name)
            if found and (found.is_full or not found.is_passed):
                runs.setdefault(record.run, (record.at, found))
    return sorted(runs.values(), key=lambda each: each[0], reverse=True)


def _stretches(found: Sequence[tuple[datetime, Finding]]) -> tuple[Stretch, ...]:
    stretches: list[Stretch] = []
    for at, each in found:
        if stretches and stretches[-1].verdict is each.verdict:
            later = stretches.pop()
            stretches.append(Stretch(each.verdict, at, later.last, later.runs + 1, later.wrong))
        else:
            stretches.append(Stretch(each.verdict, at, at, 1, each.wrong))
    return tuple(stretches)
