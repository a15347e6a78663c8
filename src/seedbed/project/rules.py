"""Which rules a release keeps to: those of its own manifest, and those that the release before it left in force."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seedbed.engines import registry
from seedbed.errors import SeedbedError
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


def rules_before(store: ReleaseStore, number: int, own: Environment) -> InForce:
    """Return the rules of release `number`, whose manifest has the environment as `own`.

    Raises what the store raises, and Refused where what it keeps was changed.
    """
    former = _closed(store, number)
    if former is None:
        return InForce(rules_of(own))
    try:
        before = declared(store.get(former.manifest), own.name)
    except SeedbedError as error:
        if not own.protected:
            return InForce(rules_of(own))
        return InForce(rules_of(own), (f"the rules of release {former.number} cannot be read: {error.what}",))
    if not own.protected and not before.protected:
        return InForce(rules_of(own))
    found = in_force(rules_of(own), rules_of(before))
    if own.protected:
        return found
    return InForce(found.rules, ("it is protected no more", *found.looser))


def rules_for(store: ReleaseStore, release: Release, own: Environment) -> InForce:
    """Return the rules of a release, with who has to let it in. Raises as `rules_before` does."""
    return with_consent(rules_before(store, release.number, own), release)


def declared(manifest: bytes, environment: str) -> Environment:
    """Return an environment as a manifest declares it. Raises ManifestError, UsageError."""
    with tempfile.TemporaryDirectory(prefix="seedbed-rules-") as room:
        path = Path(room, FILE)
        path.write_bytes(manifest)
        platform = load(path, engine_options=_options, engine_names=registry.names())
    return Catalog(platform).environment(environment)


def _options(engine: str) -> type[Any]:
    return registry.load(engine).options


def _closed(store: ReleaseStore, number: int) -> Release | None:
    """Return the last release before `number` that was closed and kept its manifest."""
    for each in reversed([each for each in store.numbers() if each < number][-_LOOKED_AT:]):
        found = store.load(each)
        if found is not None and found.state == "closed" and found.manifest:
            return found
    return None
