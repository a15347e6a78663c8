"""Files that a command reads or writes where it was called, and that lie elsewhere where it runs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import click
from msgspec import Struct, field

from seedbed.cli.travel.arguments import files
from seedbed.errors import Location, Refused, UsageError

LARGEST = 1_000_000_000  # bytes of a file that is sent
NEW, THERE, NOWHERE = (
    "new",
    "there",
    "nowhere",
)  # what is where a file is to be written: nothing, something, no directory


class Parcel(Struct):
    """The files of one call, by the names that they have on the way.

    `names`: of the parameters that are files. `typed`: a file as the call had it. `inputs`: what is read. `outputs`:
    what is where a file is to be written.
    """

    names: dict[str, str] = field(default_factory=dict)
    typed: dict[str, str] = field(default_factory=dict)
    inputs: dict[str, bytes] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)


def packed(command: click.Command, values: Mapping[str, Any]) -> Parcel:
    """Return the files that a call of `command` names. Raises UsageError for one that cannot be read."""
    parcel = Parcel()
    for param, is_read in files(command):
        value = values.get(param.name or "")
        if value is None:
            continue
        path = Path(value)
        name = path.name if path.name not in parcel.typed else f"{len(parcel.typed)}-{path.name}"
        parcel.names[param.name or ""] = name
        parcel.typed[name] = os.fspath(value)
        if is_read:
            parcel.inputs[name] = _read(path)
        else:
            exists = os.path.lexists(path)
            parcel.outputs[name] = THERE if exists else NEW if path.parent.is_dir() else NOWHERE
    return parcel


def unpacked(inputs: Mapping[str, bytes], outputs: Mapping[str, str], folder: Path) -> dict[str, Path]:
    """Return where the files of a call lie below `folder`: as much is there as was there where it was called.

    Raises Refused for a name that leads elsewhere: `packed` makes none.
    """
    places = {}
    for name in (*inputs, *outputs):
        if name != os.path.basename(name) or name in {"", ".", ".."} or "\0" in name:
            raise Refused(
                f"{name!r} is no name of a file of a run", because="it leads out of the run's directory"
            )
    for number, name in enumerate((*inputs, *outputs)):
        place = folder / str(number) / name
        if outputs.get(name) != NOWHERE:
            place.parent.mkdir(parents=True)
        if name in inputs:
            place.write_bytes(inputs[name])
        elif outputs[name] == THERE:
            place.touch()
        places[name] = place
    return places


def written(places: Mapping[str, Path], outputs: Mapping[str, str]) -> dict[str, bytes]:
    """Return the files that a command wrote, by their names; what was only put there is none."""
    found = {name: places[name] for name in outputs if places[name].is_file()}
    return {name: data for name, path in found.items() if (data := path.read_bytes())}


def arrive(path: Path, data: bytes, *, over: bool, private: bool) -> None:
    """Write a file that came back, whole or not at all. `over`: something was there when it was sent for.

    `private`: only its owner may read it. Raises UsageError where that is not possible, or where something came in
    between.
    """
    try:
        if path.exists() and not path.is_file():  # a device
            path.write_bytes(data)
            return
        draft = path.with_name(f".{path.name}.{uuid4().hex[:8]}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if private else 0o666)
        try:
            with os.fdopen(descriptor, "wb") as out:
                out.write(data)
            if over:
                draft.replace(path)
            else:
                os.link(draft, path)
        finally:
            with suppress(OSError):
                draft.unlink()
    except OSError as error:
        raise UsageError(
            f"{path} cannot be written",
            because=error.strerror or str(error),
            try_=f"check the disk, and who may write to {path.absolute().parent}",
            at=Location(str(path)),
        ) from None


def _read(path: Path) -> bytes:
    try:
        if not path.is_file():
            raise OSError("it is no regular file, and a task is sent only what can be read twice")
        if path.stat().st_size > LARGEST:
            raise OSError(f"it has more than {LARGEST} bytes")
        return path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"{path} cannot be read",
            because=error.strerror or str(error),
            try_="check its name, and who may read it",
            at=Location(str(path)),
        ) from None
