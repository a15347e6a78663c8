"""What going back costs once a contract has begun: what it removed is in snapshots alone, and those have a moment."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from seedbed.errors import Hint, Refused, call, hint_text
from seedbed.model.release import DRILL, SNAPSHOT, Evidence, Release, StepName
from seedbed.planning.release_gates import latest
from seedbed.support.phrases import moment


def after_contract(release: Release, databases: Sequence[str]) -> Refused:
    """Return why a release is not taken back whose contract has begun, and what a restore costs: by database.

    `databases`: those that the contract changes.
    """
    contract = release.step(StepName.CONTRACT)
    lines = [line for each in databases for line in _cost(release, each)]
    first = next((each for each in databases if _can_be_restored(release, each)), "")
    way = call("snapshot restore", "--release", str(release.number), about=first)
    return Refused(
        f"release {release.number} cannot be taken back: its contract has begun",
        because="\n".join(
            (f"what it removes since {_at(contract.began)} comes back from a snapshot alone", *lines)
        ),
        try_=Hint(
            "restore beside, and copy back what is missing: ", way, "; or go forward with another release"
        )
        if first
        else "deploy what it removed anew; or go forward with another release",
    )


def _snapshot(release: Release, database: str) -> Evidence | None:
    found = latest([one for each in release.steps for one in each.evidence], SNAPSHOT)
    return found.get(database) or found.get("")


def _can_be_restored(release: Release, database: str) -> bool:
    snapshot = _snapshot(release, database)
    return snapshot is not None and snapshot.verdict == "good"


def _cost(release: Release, database: str) -> Iterator[str]:
    """Yield what there is of a database, what that lacks, and how it is restored beside."""
    evidence = [one for each in release.steps for one in each.evidence]
    snapshot = _snapshot(release, database)
    if snapshot is None or snapshot.verdict == "bad":
        yield f"{database}: this release has no snapshot of it, so what went is lost"
        return
    if snapshot.verdict == "unknown":
        yield f"{snapshot.text}: seedbed has none, and its operator may have"
        return
    way = call("snapshot restore", "--release", str(release.number), about=database)
    yield snapshot.text
    yield f"  lost: what was written since {_at(snapshot.holds_from)}, of what is taken from there"
    yield f"  beside: {hint_text(Hint(way), release.environment, '')}; {drilled(evidence, database)}"


def drilled(evidence: Sequence[Evidence], database: str) -> str:
    """Return how long restoring a database took when that was last tried, as far as it is known."""
    found = latest(evidence, DRILL).get(database)
    return f"the last drill: {found.text}" if found else "how long that takes is not known: no drill was made"


def _at(at: float) -> str:
    return moment(datetime.fromtimestamp(at, UTC))
