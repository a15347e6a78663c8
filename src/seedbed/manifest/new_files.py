"""Writing migration files: an empty one, or an old one under a new version."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from seedbed.errors import Hint, Location, UsageError, call
from seedbed.model.migration import MigrationFile
from seedbed.model.platform import Database
from seedbed.support.phrases import listed


def next_version(files: Sequence[MigrationFile], now: datetime) -> str:
    """Return `now` (UTC) as a version, or the first second after the last version if that is not earlier."""
    last = max((int(each.version) for each in files), default=0)
    while int(version := now.strftime("%Y%m%d%H%M%S")) <= last:
        later = _second_after(last)
        if later is None:
            return str(last + 1)
        now = later
    return version


def _second_after(version: int) -> datetime | None:
    """Return the second after the one that `version` names; None where it names none, or there is none after it."""
    try:
        named = datetime.strptime(str(version), "%Y%m%d%H%M%S")  # noqa: DTZ007  a version has no time zone
        return named + timedelta(seconds=1)
    except (ValueError, OverflowError):
        return None


def write_migration(
    database: Database, version: str, name: str, suffix: str, template: str, directives: Sequence[str]
) -> Path:
    """Write an empty migration and return its path. Raises UsageError for a name that no file can bear."""
    label = re.sub(r"[\s-]+", "_", name.strip().lower())
    if not re.fullmatch(r"[a-z0-9_]{1,100}", label):
        raise UsageError(
            f"{name!r} is not a name for a migration",
            because="it becomes part of a file's name: letters a to z, digits and underscores",
            try_=Hint(call("new", "add_phone_number", about=database.id)),
        )
    path = Path(database.directory) / "migrations" / f"{version}_{label}{suffix}"
    comment = template.split(maxsplit=1)[0]  # what the template itself begins with
    header = "".join(f"{comment} seedbed: {each}\n" for each in directives)
    text = template.format(summary=label.replace("_", " ").capitalize() + ".", directives=header)
    with _written(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8", newline="\n") as file:
            try:
                file.write(text)
                file.flush()
            except OSError:
                path.unlink()
                raise
    return path


def rename_migration(database: Database, files: Sequence[MigrationFile], version: str, new: str) -> Path:
    """Give the file of `version` the version `new`, and return its new path. Raises UsageError.

    `version` may have the name behind it, `20260301090000_add_phone`, and has to where two files carry it.
    """
    number, _, name = version.partition("_")
    chosen = [
        each for each in files if int(each.version) == _number(number) and (not name or each.name == name)
    ]
    if not chosen:
        raise UsageError(
            f"{database.id} has no migration {version}",
            because="no file carries that version",
            try_=f"one of {listed([each.version for each in files])}" if files else "",
        )
    if len(chosen) > 1:
        raise UsageError(
            f"{len(chosen)} migrations of {database.id} have the version {version}",
            because=listed([each.path for each in chosen]),
            try_=Hint(
                "say which: ",
                call("new", "--rebase", f"{chosen[-1].version}_{chosen[-1].name}", about=database.id),
            ),
        )
    (found,) = chosen
    old = Path(database.directory) / "migrations" / Path(found.path).name
    path = old.with_name(f"{new}_{found.name}{found.source.suffix}")
    if path.exists():
        raise UsageError(f"{path.name} is there already", because="two runs chose it", at=Location(str(path)))
    with _written(path):
        old.rename(path)
    return path


@contextmanager
def _written(path: Path) -> Iterator[None]:
    """Turn what the file system says while `path` is made into an error. Raises UsageError."""
    try:
        yield
    except OSError as error:
        raise UsageError(
            "the migration cannot be written",
            because=error.strerror or str(error),
            try_=f"check the disk, and who may write to {path.parent}",
            at=Location(str(path)),
        ) from None


def _number(version: str) -> int:
    return int(version) if version.isascii() and version.isdigit() else -1
