"""The lines of the image's Dockerfile, carried out one by one where there is no container: what they install runs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePath

import pip
import pytest

from seedbed.project import image
from tests.support.installed import build

BASE = f"python:{sys.version_info[0]}.{sys.version_info[1]}-slim@sha256:{'b' * 64}"
ROOTED = re.compile(r"(?<![\w./])(?=/(?:opt|platform)\b)")  # where a path of the image begins
NOBODY = 65534


@pytest.fixture
def machine() -> Iterator[Path]:
    """A directory that stands for the root of a container, and that every user may enter."""
    home = Path(tempfile.mkdtemp(prefix="seedbed-image-"))
    home.chmod(0o755)
    yield home
    shutil.rmtree(home, ignore_errors=True)


def instructions(dockerfile: str) -> list[tuple[str, str]]:
    """Return the instructions of a Dockerfile, each with what follows it, in their order."""
    text = dockerfile.replace("\\\n", " ")
    lines = [each for each in text.splitlines() if each.strip() and not each.startswith("#")]
    return [(each.partition(" ")[0], each.partition(" ")[2]) for each in lines]


def let_in(context: Path) -> list[str]:
    """Return the files of `context` that `.dockerignore` lets into the build."""
    patterns = (context / image.IGNORED).read_text().splitlines()[1:]
    allowed = [each[1:] for each in patterns if each.startswith("!")]
    never = {each.removeprefix("**/") for each in patterns if each.startswith("**/")}
    assert len(allowed) + len(never) + 1 == len(
        patterns
    )  # there is nothing else in it that would have to be known
    files = [each.relative_to(context) for each in context.rglob("*") if each.is_file()]
    return [
        str(each)
        for each in files
        if any(PurePath(each).is_relative_to(name) for name in allowed) and not never & set(each.parts)
    ]


def carry_out(context: Path, root: Path, tools: Path) -> Mapping[str, str]:
    """Do below `root` what the Dockerfile says, with the Python in `tools`; return the environment of the image."""
    environment = {"PATH": f"{tools}:/usr/bin:/bin"}
    network = {
        key: value for key, value in os.environ.items() if key.startswith("PIP_") or "_proxy" in key.lower()
    }
    network["PIP_NO_COMPILE"] = (
        "0"  # says no, whatever it looks like: a third of the time, for what runs three times
    )
    files = let_in(context)
    for name, rest in instructions((context / image.DOCKERFILE).read_text()):
        if name == "COPY":
            source, target = rest.split()
            copied = [each for each in files if PurePath(each).is_relative_to(source)]
            assert copied, f"COPY {rest}: the build has no such file"
            for each in copied:
                inside = PurePath(each).relative_to(source)
                to = Path(f"{root}{target}")
                to = to / PurePath(source).name if target.endswith("/") and not inside.parts else to / inside
                to.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(context / each, to)
        elif name == "RUN":
            command = ROOTED.sub(str(root), rest)
            done = subprocess.run(
                ["sh", "-ec", command],
                cwd="/",
                env={**network, **environment},
                capture_output=True,
                text=True,
            )
            assert done.returncode == 0, done.stdout + done.stderr
        elif name == "ENV":
            key, _, value = rest.partition("=")
            environment[key] = value
        else:
            assert name in {"FROM", "ADD", "USER", "WORKDIR", "CMD"}, name
    return environment


def narrowed(pinned: str, extra: str) -> str:
    """Return those of the requirements that seedbed needs with one extra."""
    needed = {
        "click",
        "msgspec",
        "postgast",
        "psycopg",
        "psycopg-binary",
        "protobuf",
        "typing_extensions",
        "./wheels/",
    }
    lines = [each for each in pinned.splitlines() if re.split(r"(?<=\./wheels/)|==", each)[0] in needed]
    return "\n".join(lines).replace("[all]", f"[{extra}]") + "\n"


def lent_to(user: int, tools: Path) -> dict[str, int]:
    """Return who `user` is for `subprocess`, where we may be that and it may run the Python in `tools`; else nobody."""
    who = {"user": user, "group": user} if os.geteuid() == 0 else {}
    try:
        subprocess.run([tools / "python", "-c", ""], check=True, capture_output=True, **who)  # type: ignore[call-overload]  # numbers
    except (OSError, subprocess.CalledProcessError):
        return {}
    return who


@pytest.mark.slow(60)
@pytest.mark.parametrize("extra", ["postgres", pytest.param("all", marks=pytest.mark.soak)])
def test_what_the_dockerfile_says_makes_a_seedbed_that_runs_as_nobody_with_nothing_around_it(
    machine: Path, tmp_path: Path, extra: str
) -> None:
    context, root = machine / "context", machine / "root"
    wheel = build(context / "wheels", kinds=("wheel",))["wheel"].relative_to(context)
    (context / "seedbed.toml").write_text(
        '[platform]\nname = "shop"\n[services.user.postgres]\n[environments."dev-*"]\nephemeral = true\n'
    )
    migrations = context / "services" / "user" / "postgres" / "migrations"
    (migrations / "__pycache__").mkdir(parents=True)
    (migrations / "20260101000000_users.sql").write_text("-- migrate:up\nSELECT 1;\n")
    (migrations / "__pycache__" / "left.pyc").write_bytes(b"")
    (context / "services" / "user" / "secret.txt").write_text("of the application")
    (context / "bundle.pem").write_text("certificates")
    command = [
        *(sys.executable, "-m", "seedbed", "-C", str(context), "image", "--base", BASE),
        *("--ca-bundle", str(context / "bundle.pem"), "--wheel", str(wheel)),
        *("--python", f"{sys.version_info[0]}.{sys.version_info[1]}"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    pinned = (context / image.REQUIREMENTS).read_text()
    for each in ("psycopg", "botocore", "click", f"./{wheel}[all]"):
        assert re.search(
            rf"^{re.escape(each)}(==\S+)? --hash=sha256:[0-9a-f]{{64}}$", pinned, re.MULTILINE
        ), each
    if extra != "all":  # a third of what there is to install
        (context / image.REQUIREMENTS).write_text(narrowed(pinned, extra))
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", machine / "python"], check=True)
    (packages,) = (machine / "python" / "lib").glob("python*/site-packages")
    (packages / "pip").symlink_to(
        Path(pip.__file__).parent
    )  # to install it there takes six seconds of processor
    tools = machine / "python" / "bin"
    environment = carry_out(context, root, tools)
    left = {
        str(each.relative_to(root / "platform")) for each in (root / "platform").rglob("*") if each.is_file()
    }
    assert left == {"seedbed.toml", "services/user/postgres/migrations/20260101000000_users.sql"}
    who = lent_to(NOBODY, tools)
    for variables in (environment, {"PATH": environment["PATH"]}):  # HOME is that of the image, then none
        for words in (["--version"], ["-C", f"{root}/platform", "status", "--help"]):
            said = subprocess.run(
                [tools / "seedbed", *words],
                cwd="/tmp",
                env=variables,
                capture_output=True,
                text=True,
                **who,  # type: ignore[call-overload]  # numbers
            )
            assert said.returncode == 0, said.stderr
            assert said.stderr == ""
    refused = subprocess.run(
        [tools / "seedbed", "-C", f"{root}/platform", "status", "-e", "dev-ana"],
        cwd="/tmp",
        env=environment,
        capture_output=True,
        text=True,
        **who,  # type: ignore[call-overload]  # numbers
    )
    assert "bug" not in refused.stderr  # every driver is there: what is missing is where the database is
    assert refused.returncode in {2, 3, 4}, refused.stderr
    assert "DB_HOST" in refused.stderr
