"""Whether anything still reads what a contract removes: looks at counters, taken around what a release itself reads."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import msgspec

from seedbed.documents.usage import UsageDocument
from seedbed.errors import Refused
from seedbed.execution.stopping import Stop
from seedbed.model.release import READER, Evidence, Release, StepName
from seedbed.model.resource import ResourceAction
from seedbed.model.usage import Usage
from seedbed.planning.usage import Window, judged
from seedbed.project.releasing.running import old_code
from seedbed.project.releasing.unpacked import Unpacked
from seedbed.releases.store import ReleaseStore
from seedbed.support.phrases import listed
from seedbed.support.typed import ready

LOOK = "look"  # of evidence: `text` is one of the two below
OPENS, CLOSES = "what others use is counted from here on", "what others use is counted up to here"
_FRESH = 60.0  # seconds for which a look does, while gates are waited for
_SOON = 10.0  # seconds for which one does that found nobody: the contract may begin next
_VERDICTS: Mapping[str, Literal["good", "bad", "unknown"]] = {
    "none": "good",
    "some": "bad",
    "unknown": "unknown",
}


def looked(unpacked: Unpacked, stop: Stop) -> bytes:
    """Return the document of a look; nothing where there is none, so that nothing is known. Raises Interrupted."""
    ended = unpacked.seedbed(("verify", "-e", unpacked.environment.name, "--usage", "--json"), stop)
    stop.check()
    return ended.output if not ended.code else b""


class CountedReaders:
    """Readers as servers count them. `stop`: ends a look; `store`: has the looks of before."""

    def __init__(self, store: ReleaseStore, stop: Stop) -> None:
        self._store = store
        self._stop = stop
        self._last: tuple[float, Sequence[Evidence]] | None = None

    def __call__(self, unpacked: Unpacked, release: Release, databases: Sequence[str]) -> Sequence[Evidence]:
        if self._last is not None:
            at, found = self._last
            fresh = _SOON if all(each.verdict == "good" for each in found) else _FRESH
            if time.monotonic() - at <= fresh:
                return found
        found = [*self._counted(unpacked, release, databases), *_undeployed(unpacked, release)]
        found += old_code(unpacked, self._images(release), release.opened)
        self._last = (time.monotonic(), found)
        return found

    def _counted(self, unpacked: Unpacked, release: Release, databases: Sequence[str]) -> Iterator[Evidence]:
        """Yield what the servers of `databases` count, and whether that shows a reader."""
        if not databases:
            return
        last = _decoded(looked(unpacked, self._stop))
        looks = [each for step in release.steps for each in step.evidence if each.kind == LOOK]
        before = [(each.text, self._read(each)) for each in sorted(looks, key=lambda each: each.at)]
        for each in databases:
            use = judged(_windows(before, last, each), release.commit)
            text = f"{each}: {use.text}"
            yield Evidence(READER, _VERDICTS[use.verdict], text, release.opened, about=each)

    def _images(self, release: Release) -> list[str]:
        """Return the images of `release`, and of those after it: a hotfix passes one that soaks."""
        later = map(self._store.load, (each for each in self._store.numbers() if each > release.number))
        return [one for each in (release, *later) if each for one in each.images.values()]

    def _read(self, look: Evidence) -> Mapping[str, Usage]:
        try:
            return _decoded(self._store.get(look.blob)) if look.blob else {}
        except Refused:
            return {}


def _undeployed(unpacked: Unpacked, release: Release) -> Iterator[Evidence]:
    """Yield that nothing tells who reads what stacks lose: of whole resources no database is left that would count."""
    if not release.step(StepName.CONTRACT).plan:
        return
    for stack in unpacked.plan(StepName.CONTRACT).stacks:
        gone = [each.id for each in stack.changes if each.action is ResourceAction.REMOVE and each.holds]
        if gone:
            text = f"{stack.stack}: whether {listed(gone)} is still used is not counted"
            yield Evidence(READER, "unknown", text, release.opened, about=stack.stack)


def _decoded(data: bytes) -> Mapping[str, Usage]:
    if not data:
        return {}
    try:
        document = msgspec.json.decode(data, type=ready(UsageDocument))
    except msgspec.MsgspecError:
        return {}
    return {each.database: each.usage() for each in document.databases}


def _windows(
    looks: Sequence[tuple[str, Mapping[str, Usage]]], last: Mapping[str, Usage], database: str
) -> list[Window]:
    """Return the windows between looks at one database; the last one ends with `last`."""
    windows: list[Window] = []
    opened: Usage | None = None
    nothing = Usage()
    for text, look in looks:
        if text == OPENS:
            opened = look.get(database, nothing)
        elif opened is not None:
            windows.append((opened, look.get(database, nothing)))
            opened = None
    if opened is None or database not in last:
        return []  # what was used until now is not known
    return [*windows, (opened, last[database])]
