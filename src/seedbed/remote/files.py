"""A platform's files on their way to a task: one archive, which is the same wherever it is made."""

from __future__ import annotations

import gzip
import io
import tarfile
import zlib
from collections.abc import Iterable
from pathlib import Path

from seedbed.errors import Unavailable, UsageError
from seedbed.files import archive
from seedbed.files.platform import SERVICES, TooMuch, digest_of, read_files


def pack(root: Path, directories: Iterable[Path] = (Path(SERVICES),)) -> tuple[bytes, str]:
    """Return a platform's files as a tar.gz, and their digest: what is changed meanwhile is in both or in neither.

    Without times, owners and modes: the same bytes for the same files. Raises UsageError, also for too much.
    """
    try:
        files = read_files(root, directories)
    except TooMuch as error:
        error.try_ += '; or files = "image" in the environment\'s task'
        raise
    plain = archive.write(archive.Member(*each) for each in files.items())
    return gzip.compress(plain, compresslevel=6, mtime=0), digest_of(files.items())


def unpack(data: bytes, to: Path) -> None:
    """Unpack what `pack` made below `to`. Raises UsageError for anything that it would not have made, before that."""
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as opened:
            for each in archive.read(opened):
                archive.place(each, to)
    except FileExistsError as error:
        raise _foreign(f"it has {error.filename} twice") from None
    except archive.Foreign as error:
        raise _foreign(str(error)) from None
    except (*archive.UNREADABLE, zlib.error, gzip.BadGzipFile) as error:
        raise _foreign(f"it cannot be read: {error}") from None
    except OSError as error:
        raise Unavailable(
            f"the platform's files cannot be unpacked in {to}",
            because=error.strerror or str(error),
            try_="give the task more room for files, or move away what is no migration and no seed",
        ) from None


def _foreign(because: str) -> UsageError:
    return UsageError("the archive of the platform's files is none of ours", because=because)
