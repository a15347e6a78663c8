"""What `release build` wrote."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

from seedbed.documents.document import VERSION, Document, says


class BundleDocument(Document, frozen=True, kw_only=True, tag="seedbed/bundle/1"):
    """The bundle of a release: its digest, and what is in it."""

    commands: ClassVar = ("release build",)

    file: Annotated[str, says("Where it was written.")]
    digest: Annotated[str, says("Its SHA-256, by which a release names it.")]
    size: Annotated[int, says("Its size in bytes.")]
    commit: Annotated[
        str,
        says("The commit of the checkout, `…-dirty` where files differ from it; empty where there is none."),
    ]
    platform_digest: Annotated[
        str, says("SHA-256 of the platform's files, as runs inside the network have it.")
    ]
    images: Annotated[Mapping[str, str], says("The digests of images, by their names.")]
    assemblies: Annotated[
        Mapping[str, str], says("SHA-256 of the files of each environment's cloud assembly, by its name.")
    ]

    @classmethod
    def of(
        cls,
        command: str,
        file: str,
        digest: str,
        size: int,
        *,
        commit: str,
        platform_digest: str,
        images: Mapping[str, str],
        assemblies: Mapping[str, str],
    ) -> BundleDocument:
        return cls(
            seedbed=VERSION,
            command=command,
            file=file,
            digest=digest,
            size=size,
            commit=commit,
            platform_digest=platform_digest,
            images=images,
            assemblies=assemblies,
        )
