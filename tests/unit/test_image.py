"""The image of the migration task: what is written for it, what is refused, and who builds it."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from seedbed.cli import main
from seedbed.engines import registry
from seedbed.files.platform import platform_files
from seedbed.manifest.load import load
from seedbed.project import image

BASE = f"python:3.13-slim@sha256:{'b' * 64}"
NAME = "444444444444.dkr.ecr.eu-central-1.amazonaws.com/seedbed:1.4.0"
PINNED = f"click==8.5.1 --hash=sha256:{'c' * 64}\n"
EDTECH = Path(__file__).parents[2] / "edtech"
Said = tuple[int, str, str]


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A platform of two databases, and the working directory; `bundle.pem` and `pinned.txt` lie in it."""
    manifest = '[platform]\nname = "shop"\n[services.user.postgres]\n[services.user.dynamodb]\n'
    (tmp_path / "seedbed.toml").write_text(manifest)
    (tmp_path / "bundle.pem").write_text("certificates")
    (tmp_path / "pinned.txt").write_text(PINNED)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def type_(capsys: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """A function (words) -> the exit code and both streams of `seedbed image` with them."""

    def run(*words: str) -> Said:
        code = main.run(["image", *words])
        return (code, *capsys.readouterr())

    return run


def wanted(*more: str) -> tuple[str, ...]:
    return ("--base", BASE, "--ca-bundle", "bundle.pem", "--requirements", "pinned.txt", *more)


def test_the_files_pin_all_that_they_name(shop: Path, type_: Callable[..., Said]) -> None:
    code, _, err = type_(*wanted("--architecture", "arm64"))
    assert code == 0, err
    assert [line for line in err.splitlines() if line.startswith("wrote")] == [
        f"wrote {each}" for each in (image.DOCKERFILE, image.IGNORED, image.REQUIREMENTS)
    ]
    lines = (shop / image.DOCKERFILE).read_text().splitlines()
    assert f"FROM --platform=linux/arm64 {BASE}" in lines
    found = hashlib.sha256(b"certificates").hexdigest()
    (added,) = [each for each in lines if each.startswith("ADD ")]
    assert added == f"ADD --chmod=644 --checksum=sha256:{found} {image.BUNDLE_URL} {image.BUNDLE}"
    assert "ENV HOME=/tmp" in lines
    assert "USER 65534:65534" in lines
    assert "--require-hashes" in (shop / image.DOCKERFILE).read_text()
    assert [each for each in lines if each.startswith("COPY ")] == [
        "COPY cdk/image-requirements.txt /opt/image/",
        "COPY seedbed.toml /platform/",
        "COPY services /platform/services",
    ]
    ignored = (shop / image.IGNORED).read_text().splitlines()
    assert ignored[1] == "*"
    assert [each for each in ignored if each.startswith("!")] == [
        "!cdk/image-requirements.txt",
        "!seedbed.toml",
        "!services/user/dynamodb",
        "!services/user/postgres",
    ]


def test_the_image_has_the_files_that_a_run_compares(shop: Path, type_: Callable[..., Said]) -> None:
    for name in (
        "user/app.py",
        "user/postgres/migrations/1_a.sql",
        "user/postgres/.env",
    ):
        (shop / "services" / name).parent.mkdir(parents=True, exist_ok=True)
        (shop / "services" / name).touch()
    assert type_(*wanted())[0] == 0
    ignored = (shop / image.IGNORED).read_text().splitlines()
    brought = [each[1:] for each in ignored if each.startswith("!services")]
    left_out = {each.removeprefix("**/") for each in ignored if each.startswith("**/")}
    copied = {
        path.relative_to(shop).as_posix()
        for top in brought
        for path in (shop / top).rglob("*")
        if path.is_file() and path.name not in left_out
    }
    platform = load(shop / "seedbed.toml", lambda engine: registry.load(engine).options, registry.names())
    databases = [Path(each.directory) for each in platform.databases]
    assert {name for name, _ in platform_files(shop, databases)} == copied | {"seedbed.toml"}


def test_what_somebody_else_wrote_is_not_written_over(shop: Path, type_: Callable[..., Said]) -> None:
    (shop / image.IGNORED).write_text("*.secret\n")
    code, _, err = type_(*wanted())
    assert (code, "was not written by seedbed" in err) == (2, True)
    assert (shop / image.IGNORED).read_text() == "*.secret\n"
    assert not (shop / image.DOCKERFILE).exists()


@pytest.mark.parametrize("name", ["a b", "$HOME", "a*"])
def test_a_directory_that_would_mean_something_else_in_a_dockerfile_is_refused(
    shop: Path, type_: Callable[..., Said], name: str
) -> None:
    with (shop / "seedbed.toml").open("a") as manifest:
        manifest.write(f'[services.cart.postgres]\ndirectory = "{name}"\n')
    code, _, err = type_(*wanted())
    assert (code, "cannot be copied into an image" in err) == (2, True)
    assert type_(*wanted("--files", "upload"))[0] == 0


def test_an_image_for_uploads_holds_nothing_of_the_platform(shop: Path, type_: Callable[..., Said]) -> None:
    assert type_(*wanted("--files", "upload"))[0] == 0
    lines = (shop / image.DOCKERFILE).read_text().splitlines()
    assert [each for each in lines if each.startswith("COPY ")] == [
        "COPY cdk/image-requirements.txt /opt/image/"
    ]
    assert "services" not in (shop / image.IGNORED).read_text()


def test_what_is_not_said_again_is_as_before(shop: Path, type_: Callable[..., Said]) -> None:
    assert type_(*wanted("--files", "upload"))[0] == 0
    before = (shop / image.DOCKERFILE).read_text()
    code, _, err = type_()
    assert (code, err) == (0, "")  # nothing is written that is there
    assert type_("--architecture", "arm64")[0] == 0
    assert (shop / image.DOCKERFILE).read_text() == before.replace("x86_64", "arm64").replace(
        "amd64", "arm64"
    )


def test_check_says_what_is_no_longer_as_it_would_be_written(shop: Path, type_: Callable[..., Said]) -> None:
    assert type_(*wanted())[0] == 0
    code, out, _ = type_("--check")
    assert (code, out) == (0, "the files are what would be written\n")
    with (shop / "seedbed.toml").open("a") as manifest:
        manifest.write('[services.cart.postgres]\ndirectory = "cart/database"\n')
    written = (shop / image.DOCKERFILE).read_text()
    code, out, _ = type_("--check")
    assert code == 6
    assert "+COPY cart /platform/cart" in out
    assert "+!cart/database" in out
    assert (shop / image.DOCKERFILE).read_text() == written
    assert type_()[0] == 0
    (shop / image.REQUIREMENTS).write_text(f"{PINNED}numpy==2.4.0\n")
    code, out, _ = type_("--check")
    assert code == 6
    assert "has no hash for numpy==2.4.0" in out


def test_a_wheel_is_installed_by_its_own_hash(shop: Path, type_: Callable[..., Said]) -> None:
    wheel = "wheels/seedbed-0.1.0-py3-none-any.whl"
    (shop / "wheels").mkdir()
    (shop / wheel).write_bytes(b"one")
    mark = image.checksum(shop / wheel)
    (shop / "pinned.txt").write_text(f"{PINNED}./{wheel}[all] --hash={mark}\n")
    assert type_(*wanted("--wheel", wheel))[0] == 0
    assert f"COPY {wheel} /opt/image/{wheel}" in (shop / image.DOCKERFILE).read_text()
    assert type_("--check")[0] == 0
    (shop / wheel).write_bytes(b"another")
    code, out, _ = type_("--check")
    assert code == 6
    assert f"has not the hash of {wheel}" in out


@pytest.mark.parametrize(
    ("words", "what"),
    [
        ((), "no base is named"),
        (("--base", "python:3.13-slim"), "is no image that is named by its digest"),
        (("--base", f"python@sha256:{'b' * 63}"), "is no image that is named by its digest"),
        (("--base", f"python\nRUN evil@sha256:{'b' * 64}"), "is no image that is named by its digest"),
        (("--base", BASE), "no CA bundle is named"),
        (("--base", BASE, "--ca-bundle", "nowhere.pem"), "nowhere.pem cannot be read"),
        (("--base", BASE, "--ca-bundle", "sha256:12"), "is no checksum"),
        (wanted("--wheel", "../seedbed.whl"), "cannot be copied into an image"),
        (wanted("--wheel", "/tmp/seedbed.whl"), "cannot be copied into an image"),
        (wanted("--python", "three"), "is no version of Python"),
        (
            ("--base", BASE, "--ca-bundle", "bundle.pem", "--requirements", "bundle.pem"),
            "has no hash for certificates",
        ),
        (("--base", BASE, "--ca-bundle", "bundle.pem", "--wheel", "a.whl"), "there is no a.whl in"),
        (("--check",), "there is no cdk/Dockerfile to look at"),
        (wanted("--build"), "the image has no name"),
    ],
)
def test_what_would_not_be_the_same_image_again_is_refused(
    shop: Path, type_: Callable[..., Said], words: tuple[str, ...], what: str
) -> None:
    code, _, err = type_(*words)
    assert code == 2
    assert what in err
    assert not (shop / image.DOCKERFILE).exists()


def test_a_dockerfile_of_somebody_else_is_left_alone(shop: Path, type_: Callable[..., Said]) -> None:
    (shop / "cdk").mkdir()
    (shop / image.DOCKERFILE).write_text("FROM scratch\n")
    code, _, err = type_(*wanted())
    assert code == 2
    assert "cdk/Dockerfile was not written by seedbed" in err
    assert (shop / image.DOCKERFILE).read_text() == "FROM scratch\n"


def test_a_database_beside_the_platform_cannot_be_in_its_image(
    shop: Path, type_: Callable[..., Said]
) -> None:
    with (shop / "seedbed.toml").open("a") as manifest:
        manifest.write('[services.cart.postgres]\ndirectory = "../cart"\n')
    code, _, err = type_(*wanted())
    assert code == 2
    assert "the directory of cart/postgres cannot be copied" in err
    assert type_(*wanted("--files", "upload"))[0] == 0


def program(home: Path, name: str, script: str) -> Path:
    """Put a program `name` into `home` that writes its arguments into `asked` there, one call a line."""
    home.mkdir(exist_ok=True)
    asked = home / "asked"
    path = home / name
    path.write_text(f'#!/bin/sh\necho "$@" >> {asked}\n{script}\n')
    path.chmod(0o755)
    return asked


# There is no daemon here that could build: what is tried is what it is asked, and what is made of its answer.
@pytest.mark.parametrize("name", ["docker", "podman"])
def test_an_image_is_built_and_pushed_by_what_there_is_and_named_by_its_digest(
    shop: Path, type_: Callable[..., Said], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    digest = f"sha256:{'d' * 64}"
    others = json.dumps([f"elsewhere/seedbed@sha256:{'e' * 64}", f"{NAME.rpartition(':')[0]}@{digest}"])
    asked = program(shop / "bin", name, f"case $1 in image) echo '{others}';; build) echo step 1 of 6;; esac")
    monkeypatch.setenv("PATH", str(shop / "bin"))
    code, out, err = type_(*wanted("--push", "--name", NAME))
    assert code == 0, err
    assert out == f"{NAME.rpartition(':')[0]}@{digest}\n"
    assert "step 1 of 6" in err
    assert f'[environments.NAME.task] image = "{out.strip()}"' in err
    assert asked.read_text().splitlines() == [
        f"build --platform linux/amd64 --file cdk/Dockerfile --tag {NAME} .",
        f"push {NAME}",
        f"image inspect --format {{{{json .RepoDigests}}}} {NAME}",
    ]
    asked.unlink()
    code, out, err = type_("--build", "--name", NAME)
    assert (code, out) == (0, "")
    assert "its digest is known when it is pushed" in err
    assert len(asked.read_text().splitlines()) == 1


def test_json_has_what_was_written_built_pushed_and_how_files_differ(
    shop: Path, type_: Callable[..., Said], monkeypatch: pytest.MonkeyPatch
) -> None:
    pushed = f"{NAME.rpartition(':')[0]}@sha256:{'d' * 64}"
    program(shop / "bin", "docker", f"case $1 in image) echo '[\"{pushed}\"]';; esac")
    monkeypatch.setenv("PATH", str(shop / "bin"))
    code, out, err = type_(*wanted("--push", "--name", NAME, "--json"))
    assert code == 0, err
    document = json.loads(out)
    assert document["written"] == [image.DOCKERFILE, image.IGNORED, image.REQUIREMENTS]
    assert [document[each] for each in ("base", "built", "pushed")] == [BASE, NAME, pushed]
    (shop / image.DOCKERFILE).write_text((shop / image.DOCKERFILE).read_text().replace("65534", "0"))
    code, out, _ = type_("--check", "--json")
    document = json.loads(out)
    assert (code, document["checked"], document["written"]) == (6, True, [])
    assert "-USER 0:0" in document["differences"]
    code, out, _ = type_("--json", "--base", "python:3.13")
    assert (code, json.loads(out)["schema"]) == (2, "seedbed/error/1")


def test_a_builder_that_fails_or_is_not_there_is_said(
    shop: Path, type_: Callable[..., Said], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(shop / "nowhere"))
    code, _, err = type_(*wanted("--build", "--name", NAME))
    assert code == 2
    assert "neither docker nor podman is on the PATH" in err
    assert (shop / image.DOCKERFILE).exists()  # written before, to be taken elsewhere
    program(shop / "bin", "docker", "echo no space left; exit 3")
    monkeypatch.setenv("PATH", str(shop / "bin"))
    code, _, err = type_("--build", "--name", NAME)
    assert code == 4
    assert "docker build ended with 3" in err
    assert "no space left" in err


def test_the_dockerfile_of_the_demo_is_what_would_be_written() -> None:
    platform = load(EDTECH / "seedbed.toml", lambda engine: registry.load(engine).options, registry.names())
    request = image.asked_before(EDTECH)
    assert request is not None
    image.require_possible(request, EDTECH)
    assert image.differences(image.files(request, platform), EDTECH) == ()


def test_the_interpreter_that_looks_for_packages_needs_pip(
    shop: Path, type_: Callable[..., Said], monkeypatch: pytest.MonkeyPatch
) -> None:
    bare = shop / "python"
    bare.write_text('#!/bin/sh\necho "$0: No module named pip" >&2\nexit 1\n')
    bare.chmod(0o755)
    monkeypatch.setattr(sys, "executable", os.fspath(bare))
    code, _, err = type_("--base", BASE, "--ca-bundle", "bundle.pem")
    assert code == 2
    assert "there is no pip here" in err
    assert "--requirements FILE" in err
