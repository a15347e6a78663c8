"""Packages that are installed with an extra, `pip install "seedbed[EXTRA]"`: what is missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from importlib.util import find_spec

from seedbed.errors import UsageError
from seedbed.support.phrases import listed

_OURS = __name__.partition(".")[0]


class MissingExtra(UsageError):
    """A package is not installed; nothing was touched. `try_` is the line that installs it."""


def missing(packages: Sequence[str]) -> list[str]:
    """Return those of `packages`, names of top-level modules, that cannot be imported; imports none of them."""
    return [package for package in packages if not _is_installed(package)]


def require_extras(extras: Mapping[str, Sequence[str]]) -> None:
    """Raise MissingExtra if a package of `extras` is missing, naming all extras that have to be installed.

    `extras`: names of extras, each with the top-level modules that it brings.
    """
    absent = {extra: packages for extra, given in extras.items() if (packages := missing(given))}
    if not absent:
        return
    packages = sorted({package for several in absent.values() for package in several})
    extra = ",".join(sorted(absent))
    raise MissingExtra(
        f"{listed(packages)} {'is' if len(packages) == 1 else 'are'} not installed",
        because=f"seedbed was installed without {listed([f'[{name}]' for name in sorted(absent)])}",
        try_=f'pip install "seedbed[{extra}]"',
    )


class BrokenPackage(UsageError):
    """A package is installed and cannot be imported; `try_` is the line that installs it anew."""


def import_failure(error: BaseException) -> BrokenPackage | None:
    """Return `error` as one about a package, where it was raised by importing one; None for any other."""
    package, traceback = "", error.__traceback__
    while traceback is not None:
        if traceback.tb_frame.f_code.co_name == "<module>":
            package = str(traceback.tb_frame.f_globals.get("__name__", "")).partition(".")[0]
        traceback = traceback.tb_next
    if isinstance(error, ImportError) and error.name:
        package = package if package not in {"", "__main__", _OURS} else error.name.partition(".")[0]
    if not isinstance(error, Exception) or package in {"", "__main__", _OURS}:
        return None
    return BrokenPackage(
        f"{package} is installed and cannot be imported",
        because=f"{type(error).__name__}: {error}",
        try_=f"pip install --force-reinstall {package}",
    )


@cache
def _is_installed(package: str) -> bool:
    return find_spec(package) is not None
