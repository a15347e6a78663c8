"""What a database keeps of `verify`: what was found of the references and expectations that touch it, and when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from msgspec import Struct, json

from seedbed.model.history import History
from seedbed.model.migration import Phase
from seedbed.model.platform import Expectation, Reference
from seedbed.model.verification import Verdict, Verification

NEWEST = 50  # records that stay whatever they are about
MOST = 200  # records; beyond NEWEST, those of one selection share a day


class Claim(Struct, frozen=True):
    """A reference or an expectation: its name, and a digest of how it is declared."""

    name: str
    declared: str


class Finding(Struct, frozen=True):
    """What was found of a claim. `wrong`: how many ids or rows contradict it, as far as they were counted.

    `is_full`: all rows were read, not those alone that are new: only then it says that the claim holds.
    """

    claim: Claim
    verdict: Verdict
    wrong: int = 0
    is_full: bool = True

    @property
    def is_passed(self) -> bool:
        return self.verdict in {Verdict.OK, Verdict.TOLERATED}


class VerifyRecord(Struct, frozen=True):
    """What one run of `verify` found of one database.

    `run`: the same in every database of the run. `took`: seconds from before the first id was read until the record
    was kept. `identity`: of the database, as text. `histories`: by database a digest of each that took part, as it was
    before anything was read. `pending`: what of this database was pending at the gate `migrate` then. `findings`: of
    everything verified that touches it. `id` and `at`, by the clock of its server, are the store's.
    """

    run: str
    who: str
    took: float
    identity: str
    histories: Mapping[str, str]
    pending: tuple[str, ...]
    findings: tuple[Finding, ...]
    id: str = ""
    at: datetime = datetime.min.replace(tzinfo=UTC)

    @property
    def since(self) -> datetime:
        """When its reading began: nothing that was written later is sure to be in it."""
        return self.at - timedelta(seconds=self.took)

    @property
    def names(self) -> frozenset[str]:
        """What it is about."""
        return frozenset(each.claim.name for each in self.findings)

    def finding(self, name: str) -> Finding | None:
        return next((each for each in self.findings if each.claim.name == name), None)


class Stretch(Struct, frozen=True):
    """Runs one after the other that found the same of a claim: when the first and the last of them were kept.

    `wrong`: as the last of them counted.
    """

    verdict: Verdict
    first: datetime
    last: datetime
    runs: int
    wrong: int


class ClaimHistory(Struct, frozen=True):
    """The verdicts on a claim from run to run, the latest first; none where it was never verified."""

    name: str
    stretches: tuple[Stretch, ...]


class Verified(Struct, frozen=True):
    """All that a database keeps of `verify`, the newest first, and what its clock says now."""

    records: tuple[VerifyRecord, ...] = ()
    now: datetime | None = None


def claim(declared: Reference | Expectation) -> Claim:
    """Return what `declared` claims."""
    if isinstance(declared, Reference):
        name = f"{declared.from_} → {declared.to}"
        return Claim(name, _digest((declared.optional, declared.tolerated)))
    queries = [(each.database, each.text) for each in declared.queries]
    return Claim(declared.name, _digest((queries, declared.tolerance)))


def touched(declared: Reference | Expectation) -> frozenset[str]:
    """Return the databases that `declared` is about."""
    if isinstance(declared, Reference):
        return frozenset({declared.from_.database, declared.to.database})
    return frozenset(declared.databases)


def findings(found: Verification, database: str) -> tuple[Finding, ...]:
    """Return what was found of everything that touches `database`."""
    references = [
        Finding(
            claim(each.reference),
            each.verdict,
            each.orphans + each.empty * (not each.reference.optional),
            each.is_full,
        )
        for each in found.references
        if database in touched(each.reference)
    ]
    expectations = [
        Finding(claim(each.expectation), each.verdict, each.rows)
        for each in found.expectations
        if database in touched(each.expectation)
    ]
    return (*references, *expectations)


def _digest(data: object) -> str:
    return sha256(json.encode(data, order="deterministic")).hexdigest()[:16]


def history_digest(history: History) -> str:
    """Return a digest of what data rests on: the migrate phases that a database has been through, and when."""
    return _digest(
        [
            (
                each.version,
                each.checksum,
                each.state,
                each.direction,
                each.applied_at and each.applied_at.timestamp(),
            )
            for each in history.revisions
            if each.phase is Phase.MIGRATE
        ]
    )


def superfluous(kept: Sequence[VerifyRecord]) -> list[str]:
    """Return the ids of those of `kept`, the newest first, that nothing is lost by forgetting.

    The newest stay, and of each earlier day the last record about the same references and expectations.
    """
    gone: list[str] = []
    seen = set()
    for number, each in enumerate(kept):
        selection = each.names, each.at.date()
        if number - len(gone) >= MOST or (number >= NEWEST and selection in seen):
            gone.append(each.id)
        seen.add(selection)
    return gone
