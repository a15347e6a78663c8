"""How the new code comes to where it runs: a program of the platform brings it, or it is waited for.

What counts is when it is everywhere: the soak begins then. What is asked tells that where it can; else it is when the
answer was first seen.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from seedbed.errors import Hint, SeedbedError, StepFailed, UsageError, ViolationsFound, call
from seedbed.execution.stopping import Stop
from seedbed.model.release import CODE, Evidence, Release
from seedbed.model.release_rules import NewCode
from seedbed.project.releasing import children

_PAUSE = 5.0  # seconds between two looks
_SLICE = 0.2
_ANSWER = 1 << 20  # bytes of an answer that are read
_PATIENCE = 10.0  # seconds for a part of an answer
_WHOLE = 30.0  # seconds for all of it
_HTTP = ("http://", "https://")
_COMMIT = re.compile(r"\b[0-9a-f]{7,64}\b")


class Look(Struct, frozen=True):
    """What was seen: `missing` says what is not there yet; `since`: when all was there, 0 where that is not told."""

    missing: str
    text: str = ""
    since: float = 0.0


class Bringing(Struct, frozen=True):
    """The new code of `release` on its way. `directory`: the unpacked bundle, with `locks` on it; `services`: looks at
    those of ECS.
    """

    release: Release
    code: NewCode
    directory: Path
    environ: Mapping[str, str]
    stop: Stop
    tell: Callable[[str], None]
    now: Callable[[], float]
    services: Callable[[Mapping[str, str]], Look]
    pause: float = _PAUSE
    locks: Sequence[int] = ()

    def brought(self) -> Evidence:
        """Return what shows that the new code is everywhere, once it is.

        Raises StepFailed where the program failed, ViolationsFound where the time is over, Interrupted.
        """
        if self.code.run:
            self._called(self.code.run, "the new code is not everywhere")
            return Evidence(CODE, "good", f"{self.code.run[0]} ended with exit code 0", self.now())
        return self._awaited(self.release.images)

    def taken_back(self, images: Mapping[str, str]) -> Evidence:
        """Return what shows that the former code, of `images`, is everywhere again. Raises as `brought` does."""
        if self.code.back:
            self._called(self.code.back, "the former code may not be everywhere")
            return Evidence(CODE, "good", f"{self.code.back[0]} ended with exit code 0", self.now())
        if self.code.wait == "ecs" and images:
            return self._awaited(images, "release back")
        return Evidence(CODE, "unknown", "nothing tells that the former code is everywhere", self.now())

    def _called(self, words: tuple[str, ...], otherwise: str) -> None:
        program = self.directory / words[0]
        if not program.is_file():
            raise UsageError(
                f"the bundle has no {words[0]}",
                because="[release.code] names it",
                try_="name a file below the manifest's directory, and build the bundle anew",
            )
        self.tell(f"{' '.join(words)}")
        environ = {**self.environ, **variables(self.release)}
        ended = children.run(
            (str(program), *words[1:]),
            stop=self.stop,
            environ=environ,
            cwd=self.directory,
            keep=False,
            locks=self.locks,
        )
        self.stop.check()
        if ended.code:
            raise StepFailed(
                f"{words[0]} ended with exit code {ended.code}",
                because=f"{otherwise}: what it did is its own affair",
                try_=Hint("fix what it says; it is called again by: ", call("release next")),
            )

    def _awaited(self, images: Mapping[str, str], then: str = "release next") -> Evidence:
        until = time.monotonic() + self.code.timeout
        said = ""
        while True:
            look = self._look(images)
            if not look.missing:
                return Evidence(CODE, "good", look.text, self.now(), since=look.since)
            if look.missing != said:
                said = look.missing
                self.tell(f"waiting for the new code: {said}")
            if time.monotonic() >= until:
                raise ViolationsFound(
                    "the new code is not everywhere",
                    because=f"{said}, after {self.code.timeout / 60:g} min",
                    try_=Hint("bring it there; then: ", call(then)),
                )
            self._rest(min(self.pause, max(0.0, until - time.monotonic())))

    def _rest(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.stop.check()
            time.sleep(min(left, _SLICE))
        self.stop.check()

    def _look(self, images: Mapping[str, str]) -> Look:
        if self.code.wait == "ecs":
            try:
                return self.services(images)
            except SeedbedError as error:
                return Look(error.what)
        return answer_of(self.code.url, self.release)


def variables(release: Release) -> dict[str, str]:
    """Return what a program of the platform is told of a release."""
    images = {
        f"SEEDBED_IMAGE_{re.sub(r'[^A-Z0-9]', '_', name.upper())}": digest
        for name, digest in release.images.items()
    }
    return {
        "SEEDBED_RELEASE": str(release.number),
        "SEEDBED_ENVIRONMENT": release.environment,
        "SEEDBED_COMMIT": release.commit,
        **images,
    }


def answer_of(url: str, release: Release) -> Look:
    """Return whether `url` answers with the commit or the number of `release`."""
    said = fetched(url)
    if isinstance(said, str):
        return Look(said)
    if is_of(said, release):
        return Look(
            "", f"{url} answers with release {release.number}, commit {release.commit[:12] or 'unknown'}"
        )
    return Look(f"{url} answers with another version")


def is_of(answer: bytes, release: Release) -> bool:
    """Return whether an answer names the commit of a release, or as JSON its number as `release`."""
    text = answer.decode(errors="replace")
    if release.commit and any(release.commit.startswith(each) for each in _COMMIT.findall(text)):
        return True
    try:
        found: Any = json.loads(text)
    except ValueError:
        return False
    return isinstance(found, dict) and str(found.get("release", "")) == str(release.number)


def fetched(url: str) -> bytes | str:
    """Return what `url` answers with success, else as text why there is no such answer.

    An answer that comes byte by byte is waited for no longer than `_WHOLE`.
    """
    if not url.startswith(_HTTP):
        return f"{url} is no address of HTTP"
    told: list[bytes | str] = []
    asking = threading.Thread(target=lambda: told.append(_asked(url)), name="seedbed-url", daemon=True)
    asking.start()
    asking.join(_WHOLE)
    return told[0] if told else f"{url} does not come to the end of its answer in {_WHOLE:g} s"


def _asked(url: str) -> bytes | str:
    from http.client import HTTPException
    from urllib.error import HTTPError
    from urllib.request import HTTPRedirectHandler, Request, build_opener

    class Redirects(HTTPRedirectHandler):
        """Follows what leads elsewhere, but to nothing else than HTTP."""

        def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
            if not newurl.startswith(_HTTP):
                raise HTTPError(url, code, msg, headers, fp)
            return super().redirect_request(req, fp, code, msg, headers, newurl)

    try:
        wanted = Request(url, headers={"User-Agent": "seedbed"})  # noqa: S310  HTTP alone
        with build_opener(Redirects).open(wanted, timeout=_PATIENCE) as answer:
            return bytes(answer.read(_ANSWER))
    except HTTPError as error:
        return f"{url} answers {error.code}"
    except (OSError, HTTPException, ValueError) as error:
        return f"{url} does not answer: {getattr(error, 'reason', None) or error}"
