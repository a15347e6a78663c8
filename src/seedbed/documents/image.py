"""The image of the migration task: what `image` wrote, compared, built and pushed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, ClassVar

from seedbed.documents.document import VERSION, Document, says


class ImageDocument(Document, frozen=True, kw_only=True, tag="seedbed/image/1"):
    """The image of the migration task: what it is built from, and what was done about it."""

    commands: ClassVar = ("image",)

    base: Annotated[str, says("The base, by its digest.")]
    architecture: Annotated[str, says("The processor that it is for.")]
    files: Annotated[str, says("`image`: it has the platform's files; `upload`: a run brings them.")]
    checked: Annotated[bool, says("With `--check`: files were compared, and none was written.")]
    written: Annotated[
        tuple[str, ...],
        says("The files that were not so before, and were written: paths from the platform's directory."),
    ]
    differences: Annotated[
        tuple[str, ...],
        says(
            "With `--check`, lines that say how files are not what would be written, mostly as `diff -u` has them."
        ),
    ]
    built: Annotated[str, says("What the image is called that was built; empty where none was.")]
    pushed: Annotated[str, says("The image that was pushed, by its digest; empty where none was.")]

    @classmethod
    def of(
        cls,
        base: str,
        architecture: str,
        files: str,
        command: str,
        *,
        checked: bool = False,
        written: Iterable[str] = (),
        differences: Iterable[str] = (),
        built: str = "",
        pushed: str = "",
    ) -> ImageDocument:
        return cls(
            seedbed=VERSION,
            command=command,
            base=base,
            architecture=architecture,
            files=files,
            checked=checked,
            written=tuple(written),
            differences=tuple(differences),
            built=built,
            pushed=pushed,
        )
