"""`release check`: what the current step waits for, and what has to hold by now; nothing is changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from msgspec import Struct

from seedbed.model.release import Evidence, Gate, Release, StepName
from seedbed.planning.release_gates import gates
from seedbed.project.releasing import looking
from seedbed.project.releasing.code import fetched
from seedbed.project.releasing.facts import Readers, chosen, facts_of, latest, nobody_asked, require_open
from seedbed.project.releasing.going import CHECK, document_of
from seedbed.project.releasing.operator import Operator
from seedbed.project.releasing.unpacked import Unpacked, unpacked
from seedbed.releases import bundle as bundles

if TYPE_CHECKING:
    from seedbed.project.project import Project


class Checked(Struct, frozen=True):
    """What a release waits for, and what its checks found; neither where nothing of it is left to do."""

    release: Release
    gates: tuple[Gate, ...] = ()
    found: tuple[Evidence, ...] = ()


def check(
    project: Project,
    environment: str,
    operator: Operator,
    environ: Mapping[str, str],
    number: int | None = None,
    readers: Readers = nobody_asked,
) -> Checked | None:
    """Return what the current step of a release waits for, and what its checks find; None where there never was one.

    Where `release next` would find nothing to do, nothing is waited for. Raises what asking raises.
    """
    store = operator.store
    release = chosen(store, environment, number) if number else latest(store)
    if release is None:
        return None
    if release.state == "closed" or (release.state != "open" and not number):
        return Checked(release)
    require_open(release)
    bundle = bundles.read(store.get(release.bundle), release.bundle)
    with unpacked(bundle, environment, environ, project.redactor) as found:
        found.place(store, release)
        current = release.current
        asked = facts_of(store, release, found, operator.who, readers)
        waits = gates(release, current.name, asked) if current else ()
        return Checked(release, waits, tuple(_checks(found, operator, release)))


def _checks(found: Unpacked, operator: Operator, release: Release) -> Iterator[Evidence]:
    """Yield what the checks find that have to hold by now."""
    for after in (StepName.CODE, StepName.MIGRATE):
        if not release.step(after).is_over:
            continue
        checks = [each for each in found.rules.checks if each.after is after]
        for each in checks:
            if each.url:
                answer, now = fetched(each.url), operator.store.now()
                if isinstance(answer, str):
                    yield Evidence(CHECK, "bad", f"{each.name}: {answer}", now, about=each.name)
                else:
                    yield Evidence(CHECK, "good", f"{each.name}: {each.url} answers", now, about=each.name)
        if any(each.expectation for each in checks):
            words = ("verify", "-e", found.environment.name, "--after", after.value, "--json")
            ended = found.seedbed(words, operator.stop)
            operator.stop.check()
            said = looking.told(document_of(ended)) or f"verify ended with exit code {ended.code}"
            yield Evidence(
                CHECK, "bad" if ended.code else "good", f"after {after.value}: {said}", operator.store.now()
            )
