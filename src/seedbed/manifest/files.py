"""The files of a database, found by convention: `migrations/*` and `seeds/<kind>/*` below its directory.

Nothing is skipped silently: a file that is neither understood nor known to be noise is an error.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path, PurePath

from seedbed.errors import (
    Hint,
    HistoryConflict,
    Location,
    ManifestError,
    MigrationFileError,
    SeedbedError,
    SeedFileError,
    call,
    collected,
    raise_errors,
)
from seedbed.model.migration import MigrationFile, Source, checksum
from seedbed.model.platform import Database
from seedbed.model.seed import SeedFile, SeedKind
from seedbed.support.guess import did_you_mean, guess
from seedbed.toml.text import printable, read, reason, shown

SEED_SUFFIXES = (".csv", ".json", ".py")
_PIECE = 256 << 10  # bytes of a seed that are read at once
_UNREADABLE = "this cannot be read as a file"
_NOISE = frozenset({"README.md", "__pycache__"})
_LABEL = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_. -]*[A-Za-z0-9_])?")
_VERSION = "20261122093000"  # as an example
_HALVES = (".up", ".down")  # 1_users.up.sql and 1_users.down.sql, as golang-migrate has them
LARGEST = 64 << 20  # bytes of a migration


def migration_files(
    database: Database, suffixes: Sequence[str], *, root: PurePath, may_repeat: bool = False
) -> tuple[MigrationFile, ...]:
    """Return the migrations of `database`, by version; () where it has no `migrations/` yet.

    `suffixes`: those that its engine reads. `root`: the platform's; paths are shown as seen from there. `may_repeat`:
    two files may have one version. Raises, for all files at once, MigrationFileError for one that cannot be a
    migration or cannot be read and HistoryConflict for two of one version; ManifestError where the manifest names a
    directory that does not exist.
    """
    directory = os.path.join(database.directory, "migrations")
    name = _name_pattern(suffixes)
    found: list[MigrationFile] = []
    wrong: list[SeedbedError] = []
    prefix = _prefix(directory, root)
    for entry in _entries(database, directory, root, MigrationFileError):
        try:
            found.append(_migration_file(entry, name, prefix, suffixes))
        except MigrationFileError as error:
            wrong.append(error)
    found.sort(key=lambda each: (int(each.version), each.path))
    wrong += (
        _same_version(database, one, other)
        for one, other in pairwise(() if may_repeat else found)
        if int(one.version) == int(other.version)
    )
    raise_errors(sorted(wrong, key=lambda each: str(each.at)))
    return tuple(found)


def _migration_file(
    entry: os.DirEntry[str], name: re.Pattern[str], prefix: str, suffixes: Sequence[str]
) -> MigrationFile:
    parsed = name.fullmatch(entry.name)
    if parsed is None or parsed[2].endswith(_HALVES):
        raise _misnamed(entry.name, prefix, suffixes)
    version, label, suffix = parsed.groups()
    data = _bytes(entry, prefix)
    return MigrationFile(version, label, Source(prefix + entry.name, suffix, data), checksum(data))


def seed_files(
    database: Database, kind: SeedKind, suffixes: Sequence[str] = (), *, root: PurePath
) -> tuple[SeedFile, ...]:
    """Return the seeds of one `kind` of `database`, by file name and unread; () where it has none.

    `suffixes`: of scripts that its engine runs, beside SEED_SUFFIXES. `root`: as for migrations.
    Raises SeedFileError for anything else that lies there, and ManifestError as above.
    """
    directory = os.path.join(database.directory, "seeds", kind.value)
    prefix = _prefix(directory, root)
    allowed = tuple(dict.fromkeys((*SEED_SUFFIXES, *suffixes)))
    entries = sorted(_entries(database, directory, root, SeedFileError), key=lambda each: each.name)
    return tuple(collected(partial(_seed_file, entry, prefix, allowed, database) for entry in entries))


def _entries(
    database: Database, directory: str, root: PurePath, error_type: type[MigrationFileError | SeedFileError]
) -> Iterator[os.DirEntry[str]]:
    """Yield what lies in `directory`, noise left out; nothing where it does not exist."""
    try:
        with os.scandir(directory) as entries:
            for entry in entries:
                name = entry.name
                if not (name.startswith(".") or name.endswith("~") or name in _NOISE):
                    yield entry
    except FileNotFoundError:
        if not os.path.isdir(database.directory):
            _require_files(database, root)
    except OSError as error:
        at = Location(printable(_decodable(_prefix(directory, root))))
        raise error_type("this directory cannot be read", because=reason(error), at=at) from None


def require_seed_kinds(database: Database, *, root: PurePath) -> None:
    """Raise SeedFileErrors for what lies in `seeds/` and is in the directory of no kind: nobody would load it."""
    directory = os.path.join(database.directory, "seeds")
    kinds = [each.value for each in SeedKind]
    names = sorted(each.name for each in _entries(database, directory, root, SeedFileError))
    prefix = _prefix(directory, root)
    raise_errors(_of_no_kind(name, prefix, kinds) for name in names if name not in kinds)


def _of_no_kind(name: str, prefix: str, kinds: Sequence[str]) -> SeedFileError:
    return SeedFileError(
        "this is in no kind of seeds",
        because=f"kinds are directories here: {', '.join(kinds)}",
        try_=did_you_mean(
            name, kinds, otherwise="move it into one of them, or elsewhere: nothing is skipped silently"
        ),
        at=Location(printable(prefix + _decodable(name))),
    )


def _bytes(entry: os.DirEntry[str], prefix: str) -> bytes:
    try:
        if entry.is_file():  # also through a symlink; opening a pipe would wait for ever
            with open(entry.path, "rb", buffering=0) as file:
                if os.fstat(file.fileno()).st_size > LARGEST:
                    raise _too_large(prefix + entry.name)
                return file.read()
        because = _no_file(entry)
    except OSError as error:
        because = reason(error)
    raise MigrationFileError(_UNREADABLE, because=because, at=Location(prefix + entry.name))


def _too_large(path: str) -> MigrationFileError:
    return MigrationFileError(
        f"the file has more than {LARGEST >> 20} MB",
        because="a migration is read as a whole, and is in memory several times over",
        try_="make several migrations of it; rows belong into a seed, whose .csv is read in batches",
        at=Location(path),
    )


def _seed_file(entry: os.DirEntry[str], prefix: str, allowed: Sequence[str], database: Database) -> SeedFile:
    path = prefix + entry.name
    suffix = next((each for each in allowed if path.endswith(each)), None)
    if suffix is None:
        raise SeedFileError(
            "this is not a seed",
            because=f"seeds of {database.id} end in {', '.join(allowed)}",
            try_="rename it, or move it elsewhere: nothing here is skipped silently",
            at=Location(printable(_decodable(path))),
        )
    try:
        if entry.is_file():
            return SeedFile(path, suffix, entry.stat().st_size, partial(_pieces, entry.path, path))
        because = _no_file(entry)
    except OSError as error:
        because = reason(error)
    raise SeedFileError(_UNREADABLE, because=because, at=Location(path))


def _pieces(file: str, path: str) -> Iterator[bytes]:
    """Yield the bytes of `file`, which is shown as `path`. Raises SeedFileError."""
    try:
        with open(file, "rb", buffering=0) as opened:
            while data := opened.read(_PIECE):
                yield data
    except OSError as error:
        raise SeedFileError(_UNREADABLE, because=reason(error), at=Location(path)) from None


def _no_file(entry: os.DirEntry[str]) -> str:
    return "it is a directory" if entry.is_dir() else "it is not a regular file, or a link that leads nowhere"


def _name_pattern(suffixes: Sequence[str]) -> re.Pattern[str]:
    """Return what a file's name looks like: version, label, suffix."""
    alternatives = "|".join(re.escape(each) for each in sorted(suffixes, key=len, reverse=True))
    return re.compile(rf"([0-9]{{1,18}})[_-]({_LABEL.pattern})({alternatives})")


def _prefix(directory: str, root: PurePath) -> str:
    """Return `directory`, with a slash at its end, as seen from the platform's root."""
    try:
        relative = os.path.relpath(directory, root)
    except ValueError:  # another drive of Windows
        relative = directory
    return PurePath(relative).as_posix() + "/"


def _misnamed(name: str, prefix: str, suffixes: Sequence[str]) -> MigrationFileError:
    half = next((each for each in _HALVES if any(name.endswith(each + suffix) for suffix in suffixes)), "")
    return MigrationFileError(
        "this is not a migration's file name",
        because=f"a migration is one file, and {half} says that this is one of two"
        if half
        else _why_misnamed(name, suffixes),
        try_="make one file of both: `migrate:up` and its statements, `migrate:down` and its statements"
        if half
        else _cure(name, suffixes),
        at=Location(printable(prefix + _decodable(name))),
    )


def _cure(name: str, suffixes: Sequence[str]) -> str:
    """Return what to do about a file that is no migration: where it only lacks a version, the name to take."""
    label = PurePath(_decodable(name))
    if label.suffix in suffixes and _LABEL.fullmatch(label.stem) and not label.stem[0].isdigit():
        return f"{_VERSION}_{label}, or move it elsewhere: nothing here is skipped silently"
    return "rename it, or move it elsewhere: nothing here is skipped silently"


def _why_misnamed(name: str, suffixes: Sequence[str]) -> str:
    parts = re.fullmatch(r"([0-9]+)[_-](.*?)(\.[^.]*)?", name)
    wanted = " or ".join(f"{_VERSION}_create_users{each}" for each in suffixes)
    if parts is None:
        return f"{'' if name[:1].isdecimal() else 'it has no version, and '}a name looks like {wanted}"
    version, label, suffix = parts.groups()
    if suffix not in suffixes:
        return f"its engine reads {', '.join(suffixes)}, not {printable(_decodable(suffix or 'no suffix'))}"
    if len(version) > 18:
        return f"a version has at most 18 digits, this one has {len(version)}"
    if not _LABEL.fullmatch(label):
        return "after the version, a name has letters, digits and _, and between them . - and spaces"
    return f"a name looks like {wanted}"


def _same_version(database: Database, one: MigrationFile, other: MigrationFile) -> HistoryConflict:
    return HistoryConflict(
        f"two migrations of {database.id} have the version {other.version}",
        because=f"{one.path} and {other.path}",
        try_=Hint(
            "give it a version of its own: ",
            call("new", "--rebase", f"{other.version}_{other.name}", about=database.id),
        ),
        at=Location(other.path),
    )


def _require_files(database: Database, root: PurePath) -> None:
    """Raise ManifestError for a directory that does not exist although the manifest, or a file elsewhere, wants it.

    The conventional one may be missing: that is a database without its first migration.
    """
    if database.directory == root / "services" / database.service / database.engine:
        if elsewhere := _look_alike(database, root):
            raise _misplaced(database, elsewhere, root)
        return
    name = _prefix(str(database.directory), root).rstrip("/")
    raise ManifestError(
        f"{database.id} has no directory {printable(name)}",
        because="the manifest names it, and it does not exist",
        try_=f"correct the manifest, or mkdir -p {printable(name)}",
        at=_declaration(database, root),
    )


def _look_alike(database: Database, root: PurePath) -> str:
    """Return the directory that probably was to be `database`'s, which has none: without its engine, or mistyped."""
    services = os.path.join(root, "services")
    engineless = os.path.join(services, database.service)
    if any(os.path.isdir(os.path.join(engineless, each)) for each in ("migrations", "seeds")):
        return engineless
    try:
        declared = set(read(Path(root) / "seedbed.toml").data.get("services", ()))
        known = [each for each in os.listdir(services) if each not in declared]
    except (OSError, ManifestError):
        return ""
    likely = guess(database.service, known)
    found = os.path.join(services, likely, database.engine)
    return found if likely and os.path.isdir(os.path.join(found, "migrations")) else ""


def _misplaced(database: Database, elsewhere: str, root: PurePath) -> ManifestError:
    own, other = (_prefix(str(each), root).rstrip("/") for each in (database.directory, elsewhere))
    return ManifestError(
        f"{database.id} has no directory, and {printable(_decodable(other))} is no database's",
        because=f"its migrations/ and seeds/ lie in {printable(own)}",
        try_=f"move them there; or mkdir -p {printable(own)}, if those are not meant",
        at=Location(shown(Path(root) / "seedbed.toml")),
    )


def _declaration(database: Database, root: PurePath) -> Location:
    """Return where the manifest names the directory; the file is read again, since only this error asks."""
    path = Path(root) / "seedbed.toml"
    try:
        return read(path).location(("services", database.service, database.engine, "directory"))
    except ManifestError:
        return Location(shown(path))


def _decodable(name: str) -> str:
    """Return `name` with bytes that are no UTF-8 replaced: it is about to be printed."""
    return os.fsencode(name).decode("utf-8", "replace")
