"""Files of a call that runs elsewhere: what is sent, where it lies there, and how it comes back."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from seedbed.cli.main import cli
from seedbed.cli.travel.parcel import NEW, NOWHERE, THERE, arrive, packed, unpacked, written
from seedbed.errors import UsageError


def command(name: str) -> object:
    import click

    return cli.get_command(click.Context(cli), name)


@pytest.mark.parametrize(
    ("typed", "place"), [("new.json", NEW), ("there.json", THERE), ("nowhere/x.json", NOWHERE)]
)
def test_where_a_file_is_to_be_written_is_as_it_is_here(
    typed: str, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "there.json").write_text("{}")
    monkeypatch.chdir(tmp_path / "here")
    parcel = packed(command("plan"), {"out": typed})  # type: ignore[arg-type]
    name = Path(typed).name
    assert (parcel.names, parcel.typed, parcel.outputs) == ({"out": name}, {name: typed}, {name: place})
    places = unpacked(parcel.inputs, parcel.outputs, tmp_path / "task")
    assert places[name].exists() == (place == THERE)
    assert places[name].parent.exists() == (place != NOWHERE)
    assert written(places, parcel.outputs) == {}
    if place != NOWHERE:
        places[name].write_bytes(b"plan")
        assert written(places, parcel.outputs) == {name: b"plan"}


def test_a_file_that_is_read_is_sent_and_one_that_cannot_be_read_twice_is_not(tmp_path: Path) -> None:
    dump = tmp_path / "graph.jsonl"
    dump.write_bytes(b"\0\xff")
    parcel = packed(command("restore"), {"file": dump})  # type: ignore[arg-type]
    assert parcel.inputs == {"graph.jsonl": b"\0\xff"}
    assert unpacked(parcel.inputs, {}, tmp_path / "task")["graph.jsonl"].read_bytes() == b"\0\xff"
    with pytest.raises(UsageError, match="/dev/null cannot be read") as refused:
        packed(command("restore"), {"file": Path("/dev/null")})  # type: ignore[arg-type]
    assert "no regular file" in refused.value.because


def test_a_file_comes_back_whole_and_over_nothing_that_came_in_between(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    arrive(path, b"one", over=False, private=True)
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"one", 0o600)
    with pytest.raises(UsageError, match="cannot be written") as refused:
        arrive(path, b"two", over=False, private=False)
    assert "exists" in refused.value.because
    assert path.read_bytes() == b"one"
    arrive(path, b"two", over=True, private=False)
    assert path.read_bytes() == b"two"
    assert os.listdir(tmp_path) == ["out.jsonl"]


def test_a_device_is_written_as_it_is() -> None:
    arrive(Path("/dev/null"), b"gone", over=True, private=False)
    with pytest.raises(UsageError, match="/dev/full cannot be written"):
        arrive(Path("/dev/full"), b"gone", over=True, private=False)
