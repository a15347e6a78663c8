"""What `init` wrote, and what it left as it was."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, ClassVar

from seedbed.documents.document import VERSION, Document, Part, says


class KeptEntry(Part, frozen=True):
    """A file or directory that was there, and stayed as it was."""

    path: Annotated[str, says("Its path, from the platform's directory.")]
    because: Annotated[str, says("Why it stayed, and what in it would be of use.")]


class InitDocument(Document, frozen=True, kw_only=True, tag="seedbed/init/1"):
    """A platform that was started: its files, and the commands that bring it up."""

    commands: ClassVar = ("init",)

    directory: Annotated[str, says("The platform's directory.")]
    written: Annotated[tuple[str, ...], says("The files that were written: paths from that directory.")]
    kept: Annotated[tuple[KeptEntry, ...], says("What was there already, and was left alone.")]
    next: Annotated[tuple[str, ...], says("The commands that come next, to be typed where init was.")]

    @classmethod
    def of(
        cls,
        directory: str,
        written: Iterable[str],
        kept: Iterable[tuple[str, str]],
        following: Iterable[str],
        command: str,
    ) -> InitDocument:
        return cls(
            seedbed=VERSION,
            command=command,
            directory=directory,
            written=tuple(written),
            kept=tuple(KeptEntry(*each) for each in kept),
            next=tuple(following),
        )
