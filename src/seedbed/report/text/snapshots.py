"""Snapshots, copies and drills, as pages."""

from __future__ import annotations

from datetime import datetime

from seedbed.documents.snapshot import (
    CopyDocument,
    DrillDocument,
    DrillEntry,
    SnapshotEntry,
    SnapshotsDocument,
    SwapDocument,
)
from seedbed.report.styles import Line, Lines, Row, Style, Table, line, row
from seedbed.report.text.errors import error_text
from seedbed.support.phrases import count, duration, moment, number

_SIGNS = {
    "available": ("✓", Style.GOOD),
    "making": ("○", Style.CHANGE),
    "partial": ("✗", Style.BAD),
    "gone": ("○", Style.DIM),
}


def snapshots_text(document: SnapshotsDocument) -> Lines:
    """Return the snapshots, one row each, the copies, what of databases is not known, and how many there are."""
    rows: list[Row | Line] = []
    for each in document.snapshots:
        kept = _kept(each)
        rows.append(
            row(
                _SIGNS[each.state],
                (each.database, Style.BOLD),
                each.id,
                each.state,
                _taken(each),
                *([kept] if kept else []),
            )
        )
        if each.because:
            rows.append(line((each.because, Style.BAD), indent=4))
    page: Lines = [Table(tuple(rows)), line()] if rows else []
    if document.copies:
        copies = [
            row((each.database, Style.BOLD), each.name, each.state, each.place) for each in document.copies
        ]
        page += [line("copies beside the databases:"), Table(tuple(copies), indent=2), line()]
    page += [line(("✗ ", Style.BAD), each.text) for each in document.evidence if each.verdict == "bad"]
    page += [line(("? ", Style.WARN), each.text) for each in document.evidence if each.verdict == "unknown"]
    for error in document.errors:
        page += error_text(error)
    total = f"{document.environment}: {count(len(document.snapshots), 'snapshot')}"
    return [*page, line((total, Style.BAD if document.exit_code else Style.BOLD))]


def copy_text(document: CopyDocument) -> Lines:
    """Return what is restored, or was, where it is, and what it lacks."""
    if document.snapshot is None:
        return [line((f"{document.database}: nothing is left of the copy {document.name}", Style.BOLD))]
    verb = "would be restored" if document.dry_run else "is restored"
    page: Lines = [line((f"{document.database}: {document.snapshot.id} {verb} beside it", Style.BOLD))]
    if document.copy is not None:
        took = duration(document.seconds or 0.0)
        page.append(line((f"{document.copy.place}, in {took}", Style.PLAIN), indent=2))
        page += [
            line(f"{name} = {value}", indent=4) for name, value in sorted(document.copy.settings.items())
        ]
    page.append(line(f"as it was {_taken(document.snapshot)}; the database stays as it is", indent=2))
    page += [line(("it lacks: ", Style.WARN), each, indent=2) for each in document.lost]
    return page


def swap_text(document: SwapDocument) -> Lines:
    """Return what takes whose place, or took it, what is lost by that, and where the other one is."""
    page = planned_swap(document)
    if document.changed:
        page = [
            line(
                (
                    f"{document.database}: {_place(document)}, in {duration(document.seconds or 0.0)}",
                    Style.BOLD,
                )
            )
        ]
        page.append(line(f"what had the place is {document.kept}", indent=2))
    elif document.done:
        page = [line((f"{document.database}: {_place(document)} already", Style.BOLD))]
    return page


def planned_swap(document: SwapDocument) -> Lines:
    """Return what a swap would do, before it is confirmed."""
    whose = "the database takes its place back from" if document.back else "its place is taken by"
    page: Lines = [line((f"{document.database}: {whose} the copy {document.name}", Style.BOLD))]
    page += [line(("lost: ", Style.BAD), each, indent=2) for each in document.lost]
    page += [
        line(("✓ ", Style.GOOD) if each.passed else ("✗ ", Style.BAD), f"{each.name}: {each.text}", indent=2)
        for each in document.checks
    ]
    page += [line(("connected: ", Style.WARN), each, indent=2) for each in document.connected]
    page.append(line(f"what has the place now is then {document.kept}", indent=2))
    return page


def _place(document: SwapDocument) -> str:
    return "the database has its place again" if document.back else f"the copy {document.name} has its place"


def drill_text(document: DrillDocument) -> Lines:
    """Return what was checked of each copy, how long each part took, and whether all is well."""
    page: Lines = []
    for each in document.drills:
        page += [*_drill(each), line()]
    for error in document.errors:
        page += error_text(error)
    bad = sum(not one.passed for each in document.drills for one in each.checks)
    total = f"{document.environment}: {count(len(document.drills), 'snapshot')} restored, {count(bad, 'check')} failed"
    return [*page, line((total, Style.BAD if document.exit_code else Style.BOLD))]


def _drill(drill: DrillEntry) -> Lines:
    times = (
        ("restored in", drill.restoring),
        ("checked in", drill.checking),
        ("cleaned up in", drill.cleaning),
    )
    rows = [
        row(("✓", Style.GOOD) if each.passed else ("✗", Style.BAD), each.name, each.text)
        for each in drill.checks
    ]
    return [
        line((drill.database, Style.BOLD), f"  {drill.snapshot.id}"),
        Table(tuple(rows), indent=2),
        line(", ".join(f"{said} {duration(seconds)}" for said, seconds in times), indent=2),
        *(line(f"{name}: {number(rows_)}", indent=4) for name, rows_ in sorted(drill.rows.items())),
    ]


def _kept(snapshot: SnapshotEntry) -> tuple[str, Style] | None:
    """Return until when it is kept, where that is said."""
    if snapshot.expired is None:
        return "kept until unknown", Style.WARN
    if snapshot.expired:
        return f"expired {_at(snapshot.kept_until)}", Style.WARN
    return (f"kept until {_at(snapshot.kept_until)}", Style.DIM) if snapshot.kept_until else None


def _taken(snapshot: SnapshotEntry) -> str:
    return _at(snapshot.taken) if snapshot.taken else "at a time that is not known"


def _at(iso: str | None) -> str:
    return moment(datetime.fromisoformat(iso)) if iso else ""
