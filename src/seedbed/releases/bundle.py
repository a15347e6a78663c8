"""A bundle: all that a release brings into environments, in one archive whose SHA-256 is its name.

::

    release.json            what is in it: see `Index`
    assembly/ENVIRONMENT/…  the CDK's assembly for an environment
    platform/…              the platform's files, and those that [release.code] runs

The same inputs make the same bytes: no times, no owners, no paths of the machine. It is not compressed, so that no
archive unpacks to more than it is.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec
from msgspec import Struct, field

from seedbed.errors import Hint, Refused, Unavailable, call
from seedbed.files import archive
from seedbed.files.platform import TooMuch, digest_of
from seedbed.support.phrases import number as thousands
from seedbed.support.typed import UNREADABLE, ready

FORMAT = 1
INDEX, PLATFORM, ASSEMBLY = "release.json", "platform", "assembly"
DIRTY = "-dirty"  # how the commit ends where files differed from it
_BLOCK = tarfile.BLOCKSIZE
_OVERHEAD = (
    4 * _BLOCK
)  # of one file in an archive: its header, that of a long name, and what fills its last block


class Index(Struct, frozen=True, kw_only=True):
    """What a bundle says of itself.

    `seedbed`: the version that built it. `commit`: of the checkout, `…-dirty` where files differed from it, empty where
    it was none. `platform_digest`: of the platform's files, as a task computes it. `images`: their digests by name.
    `assemblies`: the digest of each environment's. `members`: the SHA-256 of every other file in it.
    """

    format: int
    seedbed: str
    platform: str
    commit: str
    platform_digest: str
    images: Mapping[str, str] = field(default_factory=dict)
    assemblies: Mapping[str, str] = field(default_factory=dict)
    members: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_dirty(self) -> bool:
        """Whether nobody can tell from the commit what is in it."""
        return not self.commit or self.commit.endswith(DIRTY)


class Contents(Struct, frozen=True, kw_only=True):
    """What a bundle is built of. `programs`: files that [release.code] runs, by their names below the platform's root.

    `files`: the platform's, in the order of their names. `assemblies`: files by environment, in the same order.
    """

    platform: str
    seedbed: str
    commit: str
    files: Mapping[str, bytes]
    programs: Mapping[str, archive.Member] = field(default_factory=dict)
    assemblies: Mapping[str, tuple[archive.Member, ...]] = field(default_factory=dict)
    images: Mapping[str, str] = field(default_factory=dict)


def build(contents: Contents) -> bytes:
    """Return the bundle of `contents`. Raises TooMuch for more than an archive takes."""
    members = sorted(_members(contents), key=lambda each: each.name)
    index = Index(
        format=FORMAT,
        seedbed=contents.seedbed,
        platform=contents.platform,
        commit=contents.commit,
        platform_digest=digest_of(contents.files.items()),
        images=dict(sorted(contents.images.items())),
        assemblies={
            name: digest_of((each.name, each.data) for each in files)
            for name, files in sorted(contents.assemblies.items())
        },
        members={each.name: hashlib.sha256(each.data).hexdigest() for each in members},
    )
    first = msgspec.json.format(msgspec.json.encode(index), indent=1) + b"\n"
    members.insert(0, archive.Member(INDEX, first))
    if len(members) > archive.MOST or sum(len(each.data) for each in members) > archive.LARGEST:
        raise TooMuch(
            "the release has more files than a bundle takes",
            because=f"that are {thousands(archive.LARGEST)} bytes in {thousands(archive.MOST)} files at most",
            try_="move away what is no migration and no seed, and assets of the CDK app that are built elsewhere",
        )
    return archive.write(members)


class Bundle(Struct, frozen=True):
    """A bundle that was read: every file in it is what its index says."""

    sha256: str
    index: Index
    data: bytes

    def unpack(self, to: Path) -> None:
        """Write what is in it below `to`, which is empty. Raises Unavailable where the disk does not take it."""
        try:
            for each in _read(self.data):
                archive.place(each, to)
        except (FileExistsError, NotADirectoryError) as error:
            raise _foreign(f"two of its files cannot be beside each other: {error.filename}") from None
        except OSError as error:
            raise Unavailable(
                f"the bundle of the release cannot be unpacked in {to}",
                because=error.strerror or str(error),
                try_="check the disk",
            ) from None


def platform_in(unpacked: Path) -> Path:
    """Return where an unpacked bundle has the platform: the directory for -C."""
    return unpacked / PLATFORM


def assembly_in(unpacked: Path, environment: str) -> Path:
    """Return where an unpacked bundle has the assembly of an environment, if it has one."""
    return unpacked / ASSEMBLY / environment


def read(data: bytes, expected_sha256: str = "") -> Bundle:
    """Return the bundle that `data` is. `expected_sha256`: what it has to be, "" for whatever it is.

    Raises Refused for another one, and for an archive that `build` would not have made.
    """
    sha256 = hashlib.sha256(data).hexdigest()
    if expected_sha256 and sha256 != expected_sha256:
        raise Refused(
            "the bundle is not the one that is asked for",
            because=f"its SHA-256 is {sha256}, and should be {expected_sha256}",
            try_="get the file that was built, or open a new release with this one",
        )
    index: Index | None = None
    left: dict[str, str] = {}
    for each in _read(data):
        if index is None:
            index = _index(each)
            left = dict(index.members)
        elif left.pop(each.name, "") != hashlib.sha256(each.data).hexdigest():
            raise _foreign(f"{each.name} is not what {INDEX} says")
    if index is None or left:
        raise _foreign(f"{next(iter(left), INDEX)} is not in it")
    if not archive.is_as_written(data):
        raise _foreign("what it has is there in another form than a build writes")
    return Bundle(sha256, index, data)


def _members(contents: Contents) -> Iterator[archive.Member]:
    for name, data in contents.files.items():
        program = contents.programs.get(name)
        yield archive.Member(f"{PLATFORM}/{name}", data, program is not None and program.is_program)
    for name, program in contents.programs.items():
        if name not in contents.files:
            yield archive.Member(f"{PLATFORM}/{name}", program.data, program.is_program)
    for environment, files in contents.assemblies.items():
        for each in files:
            yield archive.Member(f"{ASSEMBLY}/{environment}/{each.name}", each.data, each.is_program)


def _read(data: bytes) -> Iterator[archive.Member]:
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as opened:
            yield from archive.read(opened)
    except archive.Foreign as error:
        raise _foreign(str(error)) from None
    except archive.UNREADABLE as error:
        raise _foreign(f"it cannot be read: {error}") from None


def _index(first: archive.Member) -> Index:
    if first.name != INDEX:
        raise _foreign(f"it begins with {first.name}, and not with {INDEX}")
    try:
        found = msgspec.json.decode(first.data, type=ready(Index))
    except UNREADABLE as error:
        raise _foreign(f"{INDEX}: {error}") from None
    if found.format != FORMAT:
        raise Refused(
            "the bundle was built by another version of seedbed",
            because=f"its format is {found.format}, by seedbed {found.seedbed}; this one reads {FORMAT}",
            try_="use the version that built it, or build it again",
        )
    return found


def _foreign(because: str) -> Refused:
    return Refused(
        "the bundle is none that seedbed built",
        because=because,
        try_=Hint("build it: ", call("release build", "-o", "release.tar")),
    )
