"""Which rules a release keeps to: those of its own manifest, and those of the ones before that still hold."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from seedbed.engines import registry
from seedbed.errors import SeedbedError
from seedbed.files.scratch import scratch
from seedbed.manifest.load import FILE, load
from seedbed.model.environment import Environment
from seedbed.model.release import Release
from seedbed.model.release_rules import ReleaseRules, usual
from seedbed.planning.rules_in_force import InForce, in_force, with_consent
from seedbed.project.catalog import Catalog

if TYPE_CHECKING:
    from seedbed.releases.store import ReleaseStore

_LOOKED_AT = 50  # releases before, of which the last one that was closed counts


def rules_of(environment: Environment) -> ReleaseRules:
    """Return what an environment says of its releases."""
    return environment.releases or usual(environment.protected)


def rules_before(store: ReleaseStore, number: int, own: Environment, supersedes: int) -> InForce:
    """Return the rules of release `number`, whose manifest has the environment as `own`.

    `supersedes`: the release that it carries on, 0 for none. Raises what the store raises, and Refused where what it
    keeps was changed.
    """
    found = InForce(rules_of(own))
    for former in (_closed(store, number), *_carried_on(store, number, supersedes)):
        if former is not None:
            found = _stricter(found, store, former, own)
    return found


def _stricter(found: InForce, store: ReleaseStore, former: Release, own: Environment) -> InForce:
    """Return the rules `found` as strict as those of `former` as well, with what the own ones ask for less."""
    try:
        before = declared(store.get(former.manifest), own.name)
    except SeedbedError as error:
        unread = f"the rules of release {former.number} cannot be read: {error.what}"
        return InForce(found.rules, (*found.looser, unread)) if own.protected else found
    if not own.protected and not before.protected:
        return found
    looser = in_force(rules_of(own), rules_of(before)).looser
    if not own.protected:
        looser = ("it is protected no more", *looser)
    rules = in_force(found.rules, rules_of(before)).rules
    return InForce(rules, tuple(dict.fromkeys((*found.looser, *looser))))


def rules_for(store: ReleaseStore, release: Release, own: Environment) -> InForce:
    """Return the rules of a release, with who has to let it in. Raises as `rules_before` does."""
    return with_consent(rules_before(store, release.number, own, release.supersedes), release)


def declared(manifest: bytes, environment: str) -> Environment:
    """Return an environment as a manifest declares it. Raises ManifestError, UsageError."""
    with scratch("seedbed.rules-") as room:
        path = room.directory / FILE
        path.write_bytes(manifest)
        platform = load(path, engine_options=_options, engine_names=registry.names())
    return Catalog(platform).environment(environment)


def _options(engine: str) -> type[Any]:
    return registry.load(engine).options


def _carried_on(store: ReleaseStore, number: int, supersedes: int) -> Iterator[Release]:
    """Yield the releases that `number` carries on, one after the other, which kept their manifests."""
    while 0 < supersedes < number:
        found, number = store.load(supersedes), supersedes
        if found is not None and found.manifest:
            yield found
        supersedes = found.supersedes if found else 0


def _closed(store: ReleaseStore, number: int) -> Release | None:
    """Return the last release before `number` that was closed and kept its manifest."""
    for each in reversed([each for each in store.numbers() if each < number][-_LOOKED_AT:]):
        found = store.load(each)
        if found is not None and found.state == "closed" and found.manifest:
            return found
    return None
