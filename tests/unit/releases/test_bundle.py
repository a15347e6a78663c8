"""Bundles: the same bytes for the same inputs, and nothing else comes out of an archive that says that it is one."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from seedbed.errors import Refused, Unavailable, UsageError
from seedbed.files import archive
from seedbed.files.archive import Member
from seedbed.files.platform import platform_digest
from seedbed.releases import bundle
from seedbed.releases.bundle import Contents, assembly_in, build, platform_in, read

FILES = {"seedbed.toml": b"[platform]\n", "services/user/postgres/migrations/1_a.sql": "-- ä\n".encode()}
HOOK = Member("deploy.sh", b"#!/bin/sh\n", True)
CONTENTS = Contents(
    platform="shop",
    seedbed="0.1.0",
    commit="c" * 40,
    files=FILES,
    programs={"deploy.sh": HOOK},
    assemblies={"prod": (Member("asset.1/run", b"1", True), Member("manifest.json", b"{}"))},
    images={"worker": "sha256:2", "api": "sha256:1"},
)


def test_what_was_packed_is_what_is_read_and_unpacked(tmp_path: Path) -> None:
    data = build(CONTENTS)
    sha256 = hashlib.sha256(data).hexdigest()
    found = read(data, sha256)
    assert (found.sha256, found.index.platform, found.index.commit) == (sha256, "shop", "c" * 40)
    assert found.index.images == CONTENTS.images
    assert list(found.index.assemblies) == ["prod"]
    found.unpack(tmp_path)
    platform, assembly = platform_in(tmp_path), assembly_in(tmp_path, "prod")
    assert platform_digest(platform) == found.index.platform_digest
    assert {path.name for path in platform.iterdir()} == {"seedbed.toml", "services", "deploy.sh"}
    for path, mode in ((platform / "deploy.sh", 0o755), (assembly / "asset.1/run", 0o755)):
        assert path.stat().st_mode & 0o777 == mode
    assert not (assembly / "manifest.json").stat().st_mode & 0o111
    assert set(found.index.members) == {
        path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()
    } - {"release.json"}


def test_the_same_inputs_make_the_same_bytes() -> None:
    other = replace(CONTENTS, images={"api": "sha256:1", "worker": "sha256:2"})
    assert build(other) == build(CONTENTS)
    changes: list[dict[str, Any]] = [
        {"commit": "d" * 40},
        {"images": {"api": "sha256:2"}},
        {"files": {**FILES, "seedbed.toml": b"[platform] \n"}},
        {"programs": {}},
        {"assemblies": {}},
        {"seedbed": "0.1.1"},
    ]
    for changed in changes:
        assert build(replace(CONTENTS, **changed)) != build(CONTENTS)


def test_a_checkout_without_a_commit_or_with_changes_is_dirty() -> None:
    for commit, is_dirty in (("c" * 40, False), ("", True), ("c" * 40 + bundle.DIRTY, True)):
        assert read(build(replace(CONTENTS, commit=commit))).index.is_dirty is is_dirty


def test_another_bundle_than_the_one_that_is_asked_for_is_refused() -> None:
    data = build(CONTENTS)
    other = build(replace(CONTENTS, commit=""))
    with pytest.raises(Refused, match="not the one that is asked for"):
        read(other, hashlib.sha256(data).hexdigest())


def test_more_than_an_archive_takes_is_refused_when_it_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("LARGEST", 100), ("MOST", 3)):
        with monkeypatch.context() as patched:
            patched.setattr(archive, name, value)
            with pytest.raises(UsageError, match="more files than a bundle takes"):
                build(CONTENTS)


def tar(members: list[tuple[tarfile.TarInfo, bytes]]) -> bytes:
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as made:
        for header, data in members:
            header.size = len(data)
            made.addfile(header, io.BytesIO(data))
    return plain.getvalue()


def member(name: str, data: bytes = b"x", kind: bytes = tarfile.REGTYPE, link: str = "") -> Any:
    made = tarfile.TarInfo(name)
    made.type, made.linkname = kind, link
    return made, data if kind == tarfile.REGTYPE else b""


def indexed(*members: Any, index: Mapping[str, Any] | None = None) -> bytes:
    """Return an archive whose index fits what is in it: what is wrong with it is something else."""
    told = {each.name: hashlib.sha256(data).hexdigest() for each, data in members}
    whole = {"format": 1, "seedbed": "", "platform": "", "commit": "", "platform_digest": "", "members": told}
    return tar([member("release.json", json.dumps({**whole, **(index or {})}).encode()), *members])


@pytest.mark.parametrize(
    "data",
    [
        indexed(member("/etc/passwd")),
        indexed(member("../outside")),
        indexed(member("platform/../../outside")),
        indexed(member("platform\\..\\outside")),
        indexed(member("link", kind=tarfile.SYMTYPE, link="/etc"), member("link/passwd")),
        indexed(member("hard", kind=tarfile.LNKTYPE, link="release.json")),
        indexed(member("directory", kind=tarfile.DIRTYPE)),
        indexed(member("pipe", kind=tarfile.FIFOTYPE)),
        indexed(member("device", kind=tarfile.CHRTYPE)),
        indexed(member("a"), member("a")),
        indexed(member("a"), index={"members": {}}),
        indexed(member("a"), index={"members": {"a": "0" * 64}}),
        indexed(index={"members": {"a": "0" * 64}}),
        indexed(index={"members": 1}),
        indexed(member("large", b"x" * 5000)),
        tar([member("a"), member("release.json")]),
        tar([]),
        b"",
        b"no archive",
    ],
)
def test_nothing_else_is_taken_for_a_bundle(
    data: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "LARGEST", 4000)
    with pytest.raises(Refused, match="none that seedbed built"):
        read(data, hashlib.sha256(data).hexdigest())


def header(name: str, data: bytes = b"", kind: bytes = tarfile.REGTYPE) -> bytes:
    made = tarfile.TarInfo(name)
    made.type, made.size = kind, len(data)
    return made.tobuf(tarfile.USTAR_FORMAT) + data + b"\0" * (-len(data) % tarfile.BLOCKSIZE)


def pax(**said: str) -> bytes:
    """Return what says of the next file in an archive what its own header does not."""
    lines = [f" {name.replace('__', '.')}={value}\n".encode() for name, value in said.items()]
    return header("x", b"".join(str(len(each) + 2).encode() + each for each in lines), tarfile.XHDTYPE)


def crafted(*parts: bytes, name: str = "a", holds: bytes = b"", behind: bytes = b"") -> bytes:
    told = {name: hashlib.sha256(holds).hexdigest()}
    whole = {"format": 1, "seedbed": "", "platform": "", "commit": "", "platform_digest": "", "members": told}
    made = header("release.json", json.dumps(whole).encode()) + b"".join(parts) + b"\0" * 1024
    return made + b"\0" * (-len(made) % tarfile.RECORDSIZE) + behind


SPARSE = {"GNU__sparse__major": "0", "GNU__sparse__minor": "1", "GNU__sparse__map": "0,0"}


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(crafted(header("a"), behind=b"more"), id="something behind it"),
        pytest.param(crafted(header("a", kind=tarfile.CONTTYPE)), id="another kind of file"),
        pytest.param(crafted(pax(path="a"), header("b")), id="another name"),
        pytest.param(crafted(header("x", b"a\0", tarfile.GNUTYPE_LONGNAME), header("b")), id="a GNU name"),
        pytest.param(crafted(header("./a"), name="./a"), id="another way to say a name"),
        pytest.param(crafted(pax(path="a\0b"), header("b"), name="a\0b"), id="a name that no file has"),
        pytest.param(
            crafted(pax(**SPARSE, GNU__sparse__size="2000"), header("a"), holds=b"\0" * 2000), id="holes"
        ),
        pytest.param(crafted(pax(size="-9"), header("a")), id="less than nothing"),
        pytest.param(crafted(pax(comment="x") * 2000, header("a")), id="headers of headers"),
        pytest.param(crafted(header("x", b"a\0", tarfile.GNUTYPE_LONGNAME) * 2000), id="names of names"),
    ],
)
def test_what_can_be_read_in_two_ways_is_no_bundle(data: bytes) -> None:
    with pytest.raises(Refused, match="none that seedbed built"):
        read(data)


def test_the_plain_form_of_it_is_one() -> None:
    assert read(crafted(header("a"))).index.members


def test_a_compressed_one_is_none_so_that_none_grows_when_it_is_read() -> None:
    import gzip

    with pytest.raises(Refused, match="none that seedbed built"):
        read(gzip.compress(build(CONTENTS)))


def test_one_of_a_later_format_names_the_version_that_built_it() -> None:
    with pytest.raises(Refused, match="another version of seedbed") as found:
        read(indexed(index={"format": 2, "seedbed": "9.0"}))
    assert "9.0" in found.value.because


def test_every_byte_of_it_counts() -> None:
    data = build(CONTENTS)
    wanted = hashlib.sha256(data).hexdigest()
    for place in range(0, len(data), 97):
        spoiled = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
        with pytest.raises(Refused):
            read(spoiled, wanted)


def test_what_cannot_be_beside_each_other_is_no_fault_of_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for names in (("a", "a/b"), ("a/b", "a")):
        found = read(indexed(*(member(each) for each in names)))
        with pytest.raises(Refused, match="none that seedbed built"):
            found.unpack(tmp_path / names[0].replace("/", "-"))

    def full(*_: object, **__: object) -> Callable[..., object]:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.mkdir", full)
    with pytest.raises(Unavailable, match="cannot be unpacked"):
        read(build(CONTENTS)).unpack(tmp_path / "there")
