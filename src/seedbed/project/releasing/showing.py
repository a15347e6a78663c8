"""`release show`, `release list`: releases as documents. Nothing is changed, and no database is asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from seedbed.documents.release import ReleaseDocument, ReleasesDocument
from seedbed.model.release import Identity, Release
from seedbed.model.release_rules import usual
from seedbed.planning.release_facts import Facts
from seedbed.planning.shown_release import document
from seedbed.project.releasing.facts import chosen, facts_of, latest
from seedbed.project.releasing.unpacked import unpacked
from seedbed.releases import bundle as bundles
from seedbed.releases.store import ReleaseStore

if TYPE_CHECKING:
    from seedbed.project.project import Project

_NOBODY = Identity("", "")  # who looks takes no step, and may well have approved one


def show(
    project: Project,
    environment: str,
    store: ReleaseStore,
    environ: Mapping[str, str],
    number: int | None,
    command: str,
) -> ReleaseDocument:
    """Return a release with what its steps wait for. `number`: None for the one that is open, else the newest.

    Raises UsageError where there is none, what the store raises, and Refused where its bundle was changed.
    """
    release = _found(store, environment, number)
    if release.state != "open":
        return document(release, _as_it_ended(store, release), command)
    bundle = bundles.read(store.get(release.bundle), release.bundle)
    with unpacked(bundle, environment, environ, project.redactor) as found:
        found.place(store, release)
        return document(release, facts_of(store, release, found, _NOBODY), command)


def releases(store: ReleaseStore, environment: str, command: str, *, most: int) -> ReleasesDocument:
    """Return the newest releases of an environment."""
    numbers = sorted(store.numbers(), reverse=True)[:most]
    return ReleasesDocument.of(environment, filter(None, map(store.load, numbers)), command)


def _found(store: ReleaseStore, environment: str, number: int | None) -> Release:
    if number is None and (found := latest(store)):
        return found
    return chosen(store, environment, number)


def _as_it_ended(store: ReleaseStore, release: Release) -> Facts:
    """Return what tells which approvals counted when a release ended; its bundle may be gone."""
    rules = usual(protected=True)
    return Facts(now=release.ended, rules=rules, caller=_NOBODY, approvals=store.approvals(release.number))
