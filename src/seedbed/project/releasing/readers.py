"""Whether anything still reads what a contract removes: looks at counters, taken around what a release itself reads."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from seedbed.documents.usage import UsageDocument
from seedbed.errors import Refused
from seedbed.execution.stopping import Stop
from seedbed.model.release import READER, Evidence, Release
from seedbed.model.usage import Usage
from seedbed.planning.usage import Window, judged
from seedbed.project.releasing.unpacked import Unpacked
from seedbed.releases.store import ReleaseStore
from seedbed.support.typed import ready

LOOK = "look"  # of evidence: `text` is one of the two below
OPENS, CLOSES = "opens", "closes"
_FRESH = 60.0  # seconds for which a look does, while gates are waited for
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
        self._last: tuple[float, bytes] | None = None

    def __call__(self, unpacked: Unpacked, release: Release, databases: Sequence[str]) -> Sequence[Evidence]:
        if not databases:
            return []
        now = time.monotonic()
        if self._last is None or now - self._last[0] > _FRESH:
            self._last = (now, looked(unpacked, self._stop))
        looks = [each for step in release.steps for each in step.evidence if each.kind == LOOK]
        before = [(each.text, self._read(each)) for each in sorted(looks, key=lambda each: each.at)]
        last = _decoded(self._last[1])
        found = []
        for each in databases:
            use = judged(_windows(before, last, each), release.commit)
            text = f"{each}: {use.text}"
            found.append(Evidence(READER, _VERDICTS[use.verdict], text, release.opened, about=each))
        return found

    def _read(self, look: Evidence) -> Mapping[str, Usage]:
        try:
            return _decoded(self._store.get(look.blob)) if look.blob else {}
        except Refused:
            return {}


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
