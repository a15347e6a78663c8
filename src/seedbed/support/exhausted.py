"""A machine, or a limit of this process, that has no more to give: no bug, and no fault of what was asked for."""

from __future__ import annotations

import errno

from seedbed.errors import Unavailable

_ERRNOS = {
    errno.EMFILE: "file descriptors (ulimit -n)",
    errno.ENFILE: "file descriptors",
    errno.ENOMEM: "memory (ulimit -v)",
}
_THREADS = "can't start new thread"  # CPython's words
_UNMAPPED = "failed to map segment"  # the dynamic linker's, of a library that no room is left for


def exhausted(error: BaseException) -> Unavailable | None:
    """Return what `error` says where it, or what led to it, is that something ran out; None for any other."""
    found: BaseException | None = error
    while found is not None:
        if lacking := _lacking(found):
            return Unavailable(
                f"this process got no more {lacking}",
                because=f"{type(found).__name__}: {found}" if str(found) else type(found).__name__,
                try_="raise the limit, or run it where there is more; then run the same command again",
            )
        found = found.__cause__ or found.__context__
    return None


def _lacking(error: BaseException) -> str:
    if isinstance(error, MemoryError) or _UNMAPPED in str(error):
        return _ERRNOS[errno.ENOMEM]
    if isinstance(error, RuntimeError) and str(error) == _THREADS:
        return "threads (ulimit -u)"
    return _ERRNOS.get(error.errno or 0, "") if isinstance(error, OSError) else ""
