"""What is known when a step is to be taken: asked of the store, and of what still reads what a contract removes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from msgspec.structs import replace

from seedbed.documents.plan import PlanDocument
from seedbed.errors import Hint, Refused, UsageError, call
from seedbed.model.migration import Phase
from seedbed.model.release import PHASES, READER, Evidence, Identity, Release, StepName
from seedbed.planning.opening import contracted
from seedbed.planning.release_facts import Facts
from seedbed.project.releasing.unpacked import Unpacked
from seedbed.project.rules import rules_for
from seedbed.releases.store import ReleaseStore

_OTHERS = 20  # releases before the last one that are looked at: older ones have ended


class Readers(Protocol):
    """What tells whether anything still reads what a contract removes."""

    def __call__(self, unpacked: Unpacked, release: Release, databases: Sequence[str]) -> Sequence[Evidence]:
        """Return what was found of each of `databases`."""
        ...


def nobody_asked(unpacked: Unpacked, release: Release, databases: Sequence[str]) -> Sequence[Evidence]:
    """Return that nothing is known, for whoever only shows what there is."""
    del unpacked
    return [
        Evidence(
            READER,
            "unknown",
            f"{each}: whether it is still read is asked by release check",
            release.opened,
            about=each,
        )
        for each in databases
    ]


def plans_of(unpacked: Unpacked, release: Release) -> dict[Phase, PlanDocument]:
    """Return the plans of a release, by the gate that each goes through."""
    return {PHASES[each.name]: unpacked.plan(each.name) for each in release.steps if each.plan}


def facts_of(
    store: ReleaseStore, release: Release, unpacked: Unpacked, who: Identity, readers: Readers = nobody_asked
) -> Facts:
    """Return what is known about the current step of `release`. Raises what the store raises."""
    numbers = [each for each in store.numbers() if each != release.number][-_OTHERS:]
    others = [each for each in map(store.load, numbers) if each]
    databases = contracted(plans_of(unpacked, release))
    current = release.current
    evidence: Sequence[Evidence] = ()
    if current is not None and current.name is StepName.CONTRACT and not current.began:
        evidence = readers(unpacked, release, databases)
    now = store.now()
    found = rules_for(store, release, unpacked.environment)
    return Facts(
        now=now,
        rules=found.rules,
        looser=found.looser,
        caller=who,
        approvals=store.approvals(release.number),
        openings=store.openings(release.number),
        others=others,
        evidence=[replace(each, at=now) for each in evidence],
        contracted=databases,
        verify_max_age=unpacked.environment.verify_max_age if unpacked.environment.protected else 0.0,
    )


def chosen(store: ReleaseStore, environment: str, number: int | None) -> Release:
    """Return the release `number` of an environment; None: the newest that is open. Raises UsageError for none."""
    if number is not None:
        if found := store.load(number):
            return found
        raise UsageError(
            f"{environment} has no release {number}", try_=Hint("see which there are: ", call("release list"))
        )
    if found := newest_open(store):
        return found
    raise UsageError(
        f"no release of {environment} is open", try_=Hint("open one: ", call("release open", "release.tar"))
    )


def newest_open(store: ReleaseStore) -> Release | None:
    """Return the newest release that is open, None where none is."""
    for each in reversed(store.numbers()):
        found = store.load(each)
        if found and found.state == "open":
            return found
    return None


def latest(store: ReleaseStore) -> Release | None:
    """Return the newest release that is open, else the newest of all; None where there never was one."""
    if found := newest_open(store):
        return found
    numbers = store.numbers()
    return store.load(max(numbers)) if numbers else None


def require_open(release: Release) -> None:
    """Raise Refused for a release that has ended."""
    if release.state != "open":
        raise Refused(
            f"release {release.number} of {release.environment} is {release.state}",
            because=release.because or "its steps are over",
            try_=Hint("open another one: ", call("release open", "release.tar")),
        )
