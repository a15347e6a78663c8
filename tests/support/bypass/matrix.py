"""Every command against every way round: what it exits with, and whether it touched anything."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from tests.support.bypass.site import Site
from tests.support.bypass.verbs import LOOKS, VERBS, Verb
from tests.support.bypass.ways import WAYS, Attempt, Way

NOTHING = "—"


@dataclass(frozen=True)
class Tried:
    """How a call ended. `touched`: what it changed."""

    words: tuple[str, ...]
    code: int
    touched: tuple[str, ...]
    said: str


@dataclass(frozen=True)
class Cell:
    """What came of one way round, tried on one command."""

    verb: str
    way: str
    tried: tuple[Tried, ...]

    @property
    def passes(self) -> bool:
        return any(each.touched for each in self.tried)

    @property
    def text(self) -> str:
        """What the page shows: exit codes, in bold where something was changed."""
        if not self.tried:
            return NOTHING
        codes = dict.fromkeys(f"**{each.code}**" if each.touched else str(each.code) for each in self.tried)
        return ", ".join(sorted(codes))


def carried_out(
    site: Site,
    verbs: Iterable[Verb] = VERBS,
    ways: Collection[Way] = WAYS,
    tell: Callable[[str], None] = lambda _: None,
) -> list[Cell]:
    """Try `ways` on `verbs`, each on the site as it was, and return what came of them."""
    cells = []
    for verb in verbs:
        for way in ways:
            cell = Cell(verb.name, way.title, tuple(_tried(site, each) for each in way.of(site, verb)))
            tell(f"{verb.name}, {way.title}: {cell.text}")
            cells.append(cell)
    return cells


def looks(site: Site) -> list[Tried]:
    """Call what only looks at an environment, and return how that ended."""
    calls = {
        "doctor": (),
        "dump": ("-s", "user", "dump.new"),
        "plan": (),
        "release check": (),
        "release list": (),
        "release show": (),
        "runs list": (),
        "snapshot list": (),
        "status": (),
    }
    assert set(calls) <= set(LOOKS)
    return [
        _tried(site, Attempt((*name.split(), "-e", "prod", *more), "release")) for name, more in calls.items()
    ]


def _tried(site: Site, attempt: Attempt) -> Tried:
    attempt.arrange(site)
    before = site.contents.digest()
    words = tuple(
        site.release.digest[:12] if each == "DIGEST" and site.is_released else each for each in attempt.words
    )
    ran = site.call(*words, kind=attempt.kind, env=attempt.env)
    after = site.contents.digest()
    touched = tuple(name for name, digest in after.items() if digest != before[name])
    site.restore()
    return Tried(attempt.words, ran.code, touched, ran.everything)
