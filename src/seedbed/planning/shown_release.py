"""A release with all that is known of it, as a document."""

from __future__ import annotations

from seedbed.documents.release import ReleaseDocument
from seedbed.model.release import Release
from seedbed.planning.consents import judged
from seedbed.planning.release_facts import Facts
from seedbed.planning.release_gates import gates, opens_at
from seedbed.planning.releases import choices


def document(release: Release, facts: Facts, command: str) -> ReleaseDocument:
    """Return `release` as `command` shows it: with what each step waits for, and what can be done now."""
    found = {each.name: gates(release, each.name, facts) for each in release.steps}
    current = release.current
    is_open = release.state == "open" and current is not None
    return ReleaseDocument.of(
        release,
        command,
        gates=found if is_open else {},
        approvals=judged(release, facts),
        choices=choices(release, facts, found),
        looser=facts.looser,
        opens_at=opens_at(found[current.name]) if is_open and current else 0.0,
    )
