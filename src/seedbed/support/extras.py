"""Packages that are installed with an extra, `pip install "seedbed[EXTRA]"`: what is missing, and the line that helps.

The line depends on how seedbed came here: pip and uv note that beside the package (PEP 610 and 627).
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.util import find_spec
from typing import Any

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
    raise MissingExtra(
        f"{listed(packages)} {'is' if len(packages) == 1 else 'are'} not installed",
        because=f"seedbed was installed without {listed([f'[{name}]' for name in sorted(absent)])}",
        try_=install_line(*absent),
    )


def install_line(*extras: str) -> str:
    """Return the command that adds `extras` to the environment that seedbed runs in, from where it came itself."""
    named, origin = f"[{','.join(sorted(extras))}]", _origin()
    match origin:
        case {"url": str(url), "dir_info": {"editable": True}}:
            return f'{_installer()} -e "{_path_of(url)}{named}"'
        case {"url": str(url), "dir_info": dict()}:
            return f'{_installer()} "{_path_of(url)}{named}"'
        case {"url": str(url), "vcs_info": {"vcs": vcs, "commit_id": commit}}:
            return f'{_installer()} "{_OURS}{named} @ {vcs}+{url}@{commit}"'
        case {"url": str(url)}:
            return f'{_installer()} "{_OURS}{named} @ {url}"'
        case _:
            return f'{_installer()} "{_OURS}{named}"'


def is_from_an_index() -> bool:
    """Return whether seedbed was installed by its name, rather than from a checkout or a file."""
    return not _origin()


def _installer() -> str:
    """Return the command that installs into this environment, whichever is active."""
    if "/pipx/venvs/" in sys.prefix:
        return "pipx install --force"
    if "/uv/tools/" in sys.prefix:
        return "uv tool install --force"
    if _noted("INSTALLER").strip() == "uv":  # it makes environments without pip
        return f"uv pip install --python {sys.executable}"
    return f"{sys.executable} -m pip install"


def _origin() -> dict[str, Any]:
    """Return what was noted about a checkout, a file or a repository that seedbed was installed from; else nothing."""
    import json

    try:
        found = json.loads(_noted("direct_url.json") or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


@cache
def _noted(name: str) -> str:
    """Return what stands in a file of seedbed's own metadata; empty where there is none."""
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        return distribution(_OURS).read_text(name) or ""
    except PackageNotFoundError:
        return ""


def _path_of(url: str) -> str:
    from urllib.parse import unquote, urlsplit

    return unquote(urlsplit(url).path)


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
