"""The platform's files: the same archive and the same digest wherever they lie, and nothing else comes out of one."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from seedbed.errors import Unavailable, UsageError
from seedbed.files import archive as archives
from seedbed.files import platform as files
from seedbed.files.platform import platform_digest, platform_files
from seedbed.remote.files import pack, unpack


@pytest.fixture
def platform(tmp_path: Path) -> Path:
    """A platform with a migration, and with much that is no part of it."""
    root = tmp_path / "platform"
    for name, text in {
        "seedbed.toml": "[platform]\n",
        "services/user/postgres/migrations/1_a.sql": "-- ä\n",
        "services/user/postgres/seeds/a.csv": "id\r\n",
        "services/user/__pycache__/a.cpython-312.pyc": "x",
        "services/user/b.pyc": "x",
        "cdk/app.py": "x",
        ".seedbed/state": "x",
        "README.md": "x",
    }.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
    return root


NAMES = [
    "seedbed.toml",
    "services/user/postgres/migrations/1_a.sql",
    "services/user/postgres/seeds/a.csv",
]


def test_manifest_and_services_are_the_platform(platform: Path, tmp_path: Path) -> None:
    assert [name for name, _ in platform_files(platform)] == NAMES
    unpack(pack(platform)[0], tmp_path / "there")
    for name in NAMES:
        assert (tmp_path / "there" / name).read_bytes() == (platform / name).read_bytes()
    assert platform_digest(tmp_path / "there") == platform_digest(platform)


def test_the_same_files_make_the_same_archive(platform: Path, tmp_path: Path) -> None:
    first, digest = pack(platform)[0], platform_digest(platform)
    for name in NAMES:
        os.utime(platform / name, (1, 1))
        (platform / name).chmod(0o600)
    platform.rename(tmp_path / "elsewhere")
    assert pack(tmp_path / "elsewhere") == (first, digest)
    assert platform_digest(tmp_path / "elsewhere") == digest


@pytest.mark.parametrize("change", ["content", "name", "new"])
def test_any_change_is_another_digest(platform: Path, change: str) -> None:
    before, archive = platform_digest(platform), pack(platform)
    path = platform / NAMES[1]
    if change == "content":
        path.write_text("-- b\n")
    elif change == "name":
        path.rename(path.with_name("2_a.sql"))
    else:
        path.with_name("2_a.sql").write_text("")
    assert platform_digest(platform) != before
    assert pack(platform) != archive


def test_a_directory_of_a_database_may_lie_elsewhere_in_the_platform(platform: Path) -> None:
    assert "cdk/app.py" in dict(platform_files(platform, [Path("cdk")]))
    assert "cdk/app.py" in dict(platform_files(platform, [platform / "cdk"]))
    with pytest.raises(UsageError, match="no part of the platform"):
        list(platform_files(platform, [platform.parent]))


def test_a_link_is_its_content_while_it_stays_inside(platform: Path, tmp_path: Path) -> None:
    link = platform / "services/user/postgres/seeds/b.csv"
    link.symlink_to("a.csv")
    unpack(pack(platform)[0], tmp_path / "there")
    copied = tmp_path / "there" / link.relative_to(platform)
    assert copied.read_bytes() == b"id\r\n"
    assert not copied.is_symlink()
    link.unlink()
    link.symlink_to("/etc/hostname")
    with pytest.raises(UsageError, match="is a link"):
        pack(platform)
    link.unlink()
    link.symlink_to(platform / "cdk")
    with pytest.raises(UsageError, match="is a link"):
        pack(platform)


def test_only_what_a_run_needs_is_read_and_no_settings_of_somebodys(platform: Path) -> None:
    for name in ("services/user/app.py", "services/user/postgres/.env", "services/user/postgres/.venv/a"):
        (platform / name).parent.mkdir(exist_ok=True)
        (platform / name).write_text("DB_PASSWORD=x")
    found = platform_files(platform, [platform / "services/user/postgres", Path("services/none/yet")])
    assert [name for name, _ in found] == NAMES


def test_an_archive_and_its_digest_are_of_the_same_bytes(
    platform: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    changing = platform / NAMES[1]

    def read(path: Path) -> bytes:
        data = path.read_bytes()
        changing.write_bytes(data + b"-- changed\n" if path == changing else changing.read_bytes())
        return data

    monkeypatch.setattr(files, "_read", read)
    data, digest = pack(platform)
    unpack(data, tmp_path / "there")
    assert platform_digest(tmp_path / "there") == digest


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda home: (home / b"1_\xff.sql".decode(errors="surrogateescape")).touch(), "cannot be sent"),
        (lambda home: (home / "a\\b.sql").touch(), "cannot be sent"),
        (lambda home: (home / "a\x1b[2Jb.sql").touch(), "cannot be sent"),
        (lambda home: (home / "big.sql").write_bytes(b"x" * 2000), "big.sql is one too many"),
    ],
    ids=["no UTF-8", "backslash", "escape", "size"],
)
def test_what_cannot_be_sent_is_named_before_it_is(
    platform: Path, monkeypatch: pytest.MonkeyPatch, spoil: Callable[[Path], object], said: str
) -> None:
    monkeypatch.setattr(archives, "LARGEST", 1000)
    spoil(platform / "services/user/postgres/migrations")
    with pytest.raises(UsageError, match=said) as found:
        pack(platform)
    assert str(found.value).isprintable() or "\n" in str(found.value)
    assert "\x1b" not in str(found.value)


def test_what_cannot_be_read_is_named_and_a_link_to_itself_is_no_file(
    platform: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (platform / "services/user/postgres/loop").symlink_to("loop")
    assert pack(platform)

    def denied(path: object) -> object:
        raise PermissionError(13, "Permission denied", str(path))

    for name in ("os.scandir", "pathlib.Path.read_bytes"):
        with monkeypatch.context() as patched:
            patched.setattr(name, denied)
            with pytest.raises(UsageError, match="cannot be read") as found:
                pack(platform)
        assert found.value.because == "Permission denied"


def archive(*members: tarfile.TarInfo) -> bytes:
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as made:
        for each in members:
            made.addfile(each, io.BytesIO(b"x" * each.size))
    return gzip.compress(plain.getvalue())


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", size: int = 0) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname, made.size = kind, link, size
    return made


@pytest.mark.parametrize(
    "members",
    [
        [member("/etc/passwd")],
        [member("../outside")],
        [member("services/../../outside")],
        [member("services\\..\\outside")],
        [member("link", tarfile.SYMTYPE, "/etc"), member("link/passwd")],
        [member("hard", tarfile.LNKTYPE, "seedbed.toml")],
        [member("pipe", tarfile.FIFOTYPE)],
        [member("device", tarfile.CHRTYPE)],
        [member("a"), member("a")],
        [member("large", size=2000)],
    ],
    ids=lambda each: each[0].name.replace("/", "_"),
)
def test_nothing_else_comes_out_of_an_archive(
    members: list[tarfile.TarInfo], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "LARGEST", 1000)
    there = tmp_path / "a" / "there"
    there.mkdir(parents=True)
    with pytest.raises(UsageError, match="none of ours"):
        unpack(archive(*members), there)
    assert not (tmp_path / "outside").exists()
    assert not (tmp_path / "a" / "outside").exists()
    assert not any(each.is_symlink() for each in there.rglob("*"))


def test_a_full_disk_is_no_fault_of_the_archive(
    platform: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, _ = pack(platform)

    def full(_: object, *_more: object, **_named: object) -> object:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.mkdir", full)
    with pytest.raises(Unavailable, match="cannot be unpacked") as found:
        unpack(data, tmp_path / "there")
    assert found.value.because == "No space left on device"


@pytest.mark.parametrize(
    "spoil",
    [lambda data: data[: len(data) // 2], lambda _: b"", lambda _: b"no archive"],
    ids=["cut off", "empty", "other"],
)
def test_an_archive_that_is_broken_is_refused(
    platform: Path, tmp_path: Path, spoil: Callable[[bytes], bytes]
) -> None:
    with pytest.raises(UsageError, match="none of ours"):
        unpack(spoil(pack(platform)[0]), tmp_path / "there")
