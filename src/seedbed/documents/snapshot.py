"""Snapshots, copies that were restored from them, and what a drill found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, ClassVar

from seedbed.documents.document import VERSION, Document, Part, says
from seedbed.documents.errors import ErrorEntry
from seedbed.errors import ExitCode, SeedbedError, exit_code
from seedbed.model.release import Evidence
from seedbed.model.snapshot import Check, Copy, Drill, Kept, Restored, Snapshot, Swap


class SnapshotEntry(Part, frozen=True):
    """One snapshot of one database."""

    id: Annotated[str, says("Its name.")]
    database: Annotated[str, says("The id of the database.")]
    release: Annotated[int, says("The release that it was taken for.")]
    state: Annotated[
        str, says("`making`, `available`, `partial` or `gone`; only an available one can be restored.")
    ]
    taken: Annotated[str | None, says("When it was begun; null where that is not known.")]
    size: Annotated[int | None, says("Its size in bytes; null where that is not known.")]
    because: Annotated[str, says("Why it is partial; else empty.")]
    parts: Annotated[Mapping[str, str], says("What it consists of, by what that was taken of.")]
    kept_until: Annotated[
        str | None,
        says(
            "In a list: until when the manifest's `snapshot_keep` keeps it; null where that is for ever, or not known."
        ),
    ]
    expired: Annotated[
        bool | None,
        says(
            "That is over, and its release is not open: `--expired` deletes it; null where that cannot be asked."
        ),
    ]

    @classmethod
    def of(cls, snapshot: Snapshot, kept: Kept | None = None) -> SnapshotEntry:
        taken = datetime.fromtimestamp(snapshot.taken, UTC).isoformat(timespec="seconds")
        until = kept.until(snapshot) if kept else 0.0
        return cls(
            snapshot.id,
            snapshot.database,
            snapshot.release,
            snapshot.state,
            taken if snapshot.taken else None,
            snapshot.size or None,
            snapshot.because,
            dict(snapshot.parts),
            datetime.fromtimestamp(until, UTC).isoformat(timespec="seconds") if until else None,
            kept.is_over(snapshot) if kept else False,
        )


class EvidenceEntry(Part, frozen=True):
    """What shows that something is so."""

    kind: Annotated[str, says("Of what.")]
    verdict: Annotated[str, says("`good`, `bad`, or `unknown`, which wants a written reason.")]
    text: Annotated[str, says("It, in one line.")]
    about: Annotated[str, says("The id of the database.")]
    since: Annotated[str | None, says("When the snapshot was begun; null where that is not known.")]

    @classmethod
    def of(cls, evidence: Evidence) -> EvidenceEntry:
        since = datetime.fromtimestamp(evidence.since, UTC).isoformat(timespec="milliseconds")
        told = since if evidence.since else None
        return cls(evidence.kind, evidence.verdict, evidence.text, evidence.about, told)


class CopyEntry(Part, frozen=True):
    """A copy of a database that was restored from a snapshot."""

    database: Annotated[str, says("The id of the database.")]
    name: Annotated[str, says("What tells it from others.")]
    state: Annotated[str, says("`making` or `available`.")]
    place: Annotated[str, says("Where it is.")]
    settings: Annotated[Mapping[str, str], says("Its connection settings that differ from the database's.")]

    @classmethod
    def of(cls, copy: Copy) -> CopyEntry:
        return cls(copy.database, copy.name, copy.state, copy.place, dict(copy.settings))


class SnapshotsDocument(Document, frozen=True, kw_only=True, tag="seedbed/snapshots/1"):
    """The snapshots of databases, and the copies beside them."""

    commands: ClassVar = ("snapshot take", "snapshot list", "snapshot delete")

    environment: Annotated[str, says("The environment's name.")]
    exit_code: Annotated[ExitCode, says("The exit code of the process.")]
    snapshots: Annotated[tuple[SnapshotEntry, ...], says("By database, the newest first.")]
    copies: Annotated[tuple[CopyEntry, ...], says("The copies that are there; only listed.")]
    evidence: Annotated[
        tuple[EvidenceEntry, ...],
        says("Whether each could be restored, when taken; in a list, of which databases seedbed takes none."),
    ]
    errors: Annotated[tuple[ErrorEntry, ...], says("What of databases is not known, and why.")]

    @classmethod
    def of(
        cls,
        environment: str,
        snapshots: Sequence[Snapshot],
        errors: Sequence[SeedbedError],
        command: str,
        *,
        copies: Sequence[Copy] = (),
        evidence: Sequence[Evidence] = (),
        kept: Kept | None = None,
        changed: bool = False,
        is_judged: bool = False,
    ) -> SnapshotsDocument:
        """`is_judged`: the exit code says whether all of `evidence` is good. `kept`: how long snapshots are."""
        code = exit_code(errors, changed=changed)
        if is_judged and not errors and any(each.verdict != "good" for each in evidence):
            code = ExitCode.FOUND
        return cls(
            seedbed=VERSION,
            command=command,
            environment=environment,
            exit_code=code,
            snapshots=tuple(SnapshotEntry.of(each, kept) for each in snapshots),
            copies=tuple(CopyEntry.of(each) for each in copies),
            evidence=tuple(EvidenceEntry.of(each) for each in evidence),
            errors=tuple(ErrorEntry.of(each, environment) for each in errors),
        )


class CopyDocument(Document, frozen=True, kw_only=True, tag="seedbed/copy/1"):
    """A copy that was restored beside its database, or taken away."""

    commands: ClassVar = ("snapshot restore", "snapshot drop")

    environment: Annotated[str, says("The environment's name.")]
    database: Annotated[str, says("The id of the database.")]
    name: Annotated[str, says("The name of the copy.")]
    dry_run: Annotated[bool, says("Nothing was done: this is what would be.")]
    snapshot: Annotated[SnapshotEntry | None, says("What is restored; null where the copy is taken away.")]
    copy: Annotated[CopyEntry | None, says("The copy; null where there is none yet, or no more.")]
    seconds: Annotated[float | None, says("How long it took; null where nothing was done.")]
    lost: Annotated[tuple[str, ...], says("What the copy lacks that the database has.")]

    @classmethod
    def of(
        cls,
        environment: str,
        database: str,
        name: str,
        command: str,
        *,
        restored: Restored | None = None,
        snapshot: Snapshot | None = None,
        lost: Sequence[str] = (),
        dry_run: bool = False,
    ) -> CopyDocument:
        found = restored.snapshot if restored else snapshot
        return cls(
            seedbed=VERSION,
            command=command,
            environment=environment,
            database=database,
            name=name,
            dry_run=dry_run,
            snapshot=SnapshotEntry.of(found) if found else None,
            copy=CopyEntry.of(restored.copy) if restored else None,
            seconds=round(restored.seconds, 3) if restored else None,
            lost=tuple(restored.lost if restored else lost),
        )


class CheckEntry(Part, frozen=True):
    """One thing that a drill looked at."""

    name: Annotated[str, says("What: identity, history, rows, an expectation.")]
    passed: Annotated[bool, says("It is as it should be.")]
    text: Annotated[str, says("What was found.")]

    @classmethod
    def of(cls, check: Check) -> CheckEntry:
        return cls(check.name, check.is_good, check.text)


class SwapDocument(Document, frozen=True, kw_only=True, tag="seedbed/swap/1"):
    """A copy that took the place of its database, or gave it back."""

    commands: ClassVar = ("snapshot swap",)

    environment: Annotated[str, says("The environment's name.")]
    database: Annotated[str, says("The id of the database.")]
    name: Annotated[str, says("The name of the copy.")]
    back: Annotated[bool, says("The database takes its place again.")]
    dry_run: Annotated[bool, says("Nothing was done: this is what would be.")]
    changed: Annotated[bool, says("It was done now; false also where it was done before.")]
    done: Annotated[bool, says("It is as it was asked for.")]
    snapshot: Annotated[SnapshotEntry | None, says("What the copy is of; null where it goes back, or on.")]
    lost: Annotated[tuple[str, ...], says("What is lost by it.")]
    checks: Annotated[
        tuple[CheckEntry, ...], says("What was looked at before; none where it goes back, or on.")
    ]
    connected: Annotated[tuple[str, ...], says("Who else was connected.")]
    kept: Annotated[str, says("Where what had the place is then.")]
    seconds: Annotated[float | None, says("How long it took; null where nothing was done.")]

    @classmethod
    def of(cls, environment: str, swap: Swap, command: str, *, dry_run: bool = False) -> SwapDocument:
        return cls(
            seedbed=VERSION,
            command=command,
            environment=environment,
            database=swap.database,
            name=swap.name,
            back=swap.is_back,
            dry_run=dry_run,
            changed=bool(swap.seconds),
            done=swap.is_over,
            snapshot=SnapshotEntry.of(swap.snapshot) if swap.snapshot else None,
            lost=swap.lost,
            checks=tuple(CheckEntry.of(each) for each in swap.checks),
            connected=swap.connected,
            kept=swap.kept,
            seconds=round(swap.seconds, 3) if swap.seconds else None,
        )


class DrillEntry(Part, frozen=True):
    """How one snapshot was restored, checked and cleaned up."""

    database: Annotated[str, says("The id of the database.")]
    snapshot: Annotated[SnapshotEntry, says("The snapshot.")]
    place: Annotated[str, says("Where the copy was.")]
    restoring: Annotated[float, says("Seconds from asking for the copy until it could be used.")]
    checking: Annotated[float, says("Seconds that the checks took.")]
    cleaning: Annotated[float, says("Seconds until nothing of the copy was left.")]
    checks: Annotated[tuple[CheckEntry, ...], says("In the order in which they were made.")]
    rows: Annotated[Mapping[str, int], says("How many rows each table of the copy has.")]

    @classmethod
    def of(cls, drill: Drill) -> DrillEntry:
        return cls(
            drill.snapshot.database,
            SnapshotEntry.of(drill.snapshot),
            drill.place,
            round(drill.restoring, 3),
            round(drill.checking, 3),
            round(drill.cleaning, 3),
            tuple(CheckEntry.of(each) for each in drill.checks),
            dict(drill.rows),
        )


class DrillDocument(Document, frozen=True, kw_only=True, tag="seedbed/drill/1"):
    """What it takes to restore snapshots, tried."""

    commands: ClassVar = ("snapshot drill",)

    environment: Annotated[str, says("The environment's name.")]
    release: Annotated[int, says("The release that the snapshots were taken for.")]
    at: Annotated[str, says("When the drill ended.")]
    exit_code: Annotated[ExitCode, says("The exit code of the process.")]
    drills: Annotated[tuple[DrillEntry, ...], says("One for each database, in the order of their ids.")]
    evidence: Annotated[tuple[EvidenceEntry, ...], says("Of each of them, whether it passed.")]
    errors: Annotated[tuple[ErrorEntry, ...], says("Why others were not tried.")]

    @classmethod
    def of(
        cls,
        environment: str,
        release: int,
        drills: Sequence[Drill],
        errors: Sequence[SeedbedError],
        at: datetime,
        command: str,
    ) -> DrillDocument:
        code = exit_code(errors)
        if not errors and not all(each.is_good for each in drills):
            code = ExitCode.FOUND
        return cls(
            seedbed=VERSION,
            command=command,
            environment=environment,
            release=release,
            at=at.isoformat(timespec="seconds"),
            exit_code=code,
            drills=tuple(DrillEntry.of(each) for each in drills),
            evidence=tuple(EvidenceEntry.of(each.evidence(at.timestamp())) for each in drills),
            errors=tuple(ErrorEntry.of(each, environment) for each in errors),
        )
