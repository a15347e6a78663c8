"""The image of the migration task: the files that it is built from, and whether they still are what they would be.

What was asked for stands in the Dockerfile itself, as the command that writes it: nothing has to be remembered
elsewhere.
"""

from __future__ import annotations

import difflib
import hashlib
import os
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePath
from typing import Literal

from msgspec import Struct
from msgspec.structs import asdict

from seedbed.errors import Hint, UsageError, call
from seedbed.files.platform import IGNORED as NO_FILES
from seedbed.model.platform import Platform
from seedbed.support.phrases import listed

DOCKERFILE, IGNORED, REQUIREMENTS = "cdk/Dockerfile", ".dockerignore", "cdk/image-requirements.txt"
BUNDLE_URL = "https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem"
BUNDLE = "/etc/ssl/certs/rds-global-bundle.pem"  # where `seedbed.cdk.inject` says that it is
PLATFORMS = {"x86_64": "linux/amd64", "arm64": "linux/arm64"}
_INTO = "/opt/image"
_PLAIN = re.compile(r"[\w.+@-]+(/[\w.+@-]+)*")
_BASE = re.compile(r"[a-z0-9][\w.:/-]*@sha256:[0-9a-f]{64}")
_CHECKSUM = re.compile(r"sha256:[0-9a-f]{64}")
_PYTHON = re.compile(r"3\.[0-9]{1,2}")
_WROTE = "# Written by: seedbed image "
_OF_IGNORED = "# What the image is built from, and nothing else. Written by seedbed image."

_FILE = """\
# The image of the migration task: seedbed{holds}, and AWS's certificates where DB_SSLROOTCERT says.
{wrote}{options}
# Build it in the platform's directory: docker build -f {dockerfile} .
FROM --platform={platform} {base}

ADD --chmod=644 --checksum={bundle} {url} {place}

COPY {requirements} {into}/
{wheel}RUN cd {into} && python -m pip install --no-cache-dir --root-user-action=ignore --only-binary :all: \\
    --require-hashes -r {requirements_name}
{platform_files}
# No user of the base: a task has none of its home directories, and whatever writes one writes to /tmp.
ENV HOME=/tmp
USER 65534:65534
WORKDIR /tmp
CMD {command}
"""


class ImageRequest(Struct, frozen=True):
    """What is wanted of an image.

    `base`: by its digest. `ca_bundle`: the checksum of AWS's certificates, `sha256:…`. `files`: "image" has the
    platform's, too; "upload" has none, a run brings them. `architecture`: x86_64 or arm64. `python`: the base's, as
    3.13. `wheel`: seedbed's own, from the platform's directory, "" for the one of the package index.
    """

    base: str = ""
    ca_bundle: str = ""
    files: Literal["image", "upload"] = "image"
    architecture: Literal["x86_64", "arm64"] = "x86_64"
    python: str = "3.13"
    wheel: str = ""


def asked_before(root: Path) -> ImageRequest | None:
    """Return what the Dockerfile of the platform in `root` was written for; None where there is no Dockerfile.

    Raises UsageError for one that seedbed has not written.
    """
    path = root / DOCKERFILE
    if not path.exists():
        return None
    line = next((each for each in _text(path).splitlines() if each.startswith(_WROTE)), "")
    words = shlex.split(line.removeprefix(_WROTE))
    told = {
        key.removeprefix("--").replace("-", "_"): value
        for key, value in zip(words[::2], words[1::2], strict=False)
    }
    if not line or not told.keys() <= set(ImageRequest.__struct_fields__):
        raise UsageError(
            f"{DOCKERFILE} was not written by seedbed",
            because="it does not say for what it was written, and what is in it would be lost",
            try_=f"move it away, or go on building {DOCKERFILE} by yourself",
        )
    return ImageRequest(**told)  # type: ignore[arg-type]  # `require_possible` looks at the words


def require_possible(request: ImageRequest, root: Path) -> None:
    """Raise UsageError where no image could be built of `request`, or not the same one again."""
    if not _BASE.fullmatch(request.base):
        raise UsageError(
            f"{request.base[:200]!r} is no image that is named by its digest"
            if request.base
            else "no base is named",
            because="a tag can be moved: another image would be built than the one that was reviewed",
            try_=f"--base python:{request.python}-slim@sha256:…; the digest is printed by"
            f" docker buildx imagetools inspect python:{request.python}-slim",
        )
    if not _CHECKSUM.fullmatch(request.ca_bundle):
        raise UsageError(
            f"{request.ca_bundle[:200]!r} is no checksum" if request.ca_bundle else "no CA bundle is named",
            because="certificates say whom to trust, so they are reviewed once, and then not changed",
            try_=f"fetch {BUNDLE_URL}, look at it, and name it: --ca-bundle FILE, or its sha256:…",
        )
    wrong = next(
        (
            (name, value, known)
            for name, value, known in (
                ("files", request.files, ("image", "upload")),
                ("architecture", request.architecture, tuple(PLATFORMS)),
            )
            if value not in known
        ),
        None,
    )
    if wrong:
        raise UsageError(f"there is no {wrong[0]} {wrong[1]!r}", try_=f"--{wrong[0]} {listed(wrong[2])}")
    if not _PYTHON.fullmatch(request.python):
        raise UsageError(f"{request.python!r} is no version of Python", try_="--python 3.13, the base's")
    _require_wheel(request.wheel)


def _require_wheel(wheel: str) -> None:
    path = PurePath(wheel)
    if wheel and (path.is_absolute() or ".." in path.parts or not re.fullmatch(r"[\w./+-]+\.whl", wheel)):
        raise UsageError(
            f"{wheel!r} cannot be copied into an image",
            because="what is copied lies in the platform's directory",
            try_="--wheel wheels/seedbed-VERSION-py3-none-any.whl",
        )


def checksum(file: Path) -> str:
    """Return the checksum of `file`: sha256:… Raises UsageError where it cannot be read."""
    try:
        return f"sha256:{hashlib.sha256(file.read_bytes()).hexdigest()}"
    except OSError as error:
        raise UsageError(f"{file} cannot be read", because=error.strerror or str(error)) from error


def files(request: ImageRequest, platform: Platform) -> Mapping[str, str]:
    """Return what is written for `request`: text by path, seen from the platform's directory."""
    brought = list(_directories(platform)) if request.files == "image" else []
    return {DOCKERFILE: _dockerfile(request, brought), IGNORED: _ignored(request, brought)}


def _directories(platform: Platform) -> Iterator[str]:
    """Yield the directory of each database, seen from the platform's. Raises UsageError for one that is elsewhere."""
    for each in platform.databases:
        path = PurePath(os.path.relpath(each.directory, platform.root))
        because = ""
        if not path.parts or ".." in path.parts:
            because = f"{path.as_posix()} does not lie below the platform's"
        elif not _PLAIN.fullmatch(path.as_posix()):
            because = f"{path.as_posix()!a} would mean something else in a Dockerfile: letters, digits and . _ - + @"
        if because:
            raise UsageError(
                f"the directory of {each.id} cannot be copied into an image",
                because=because,
                try_="move it, or --files upload",
            )
        yield path.as_posix()


def _dockerfile(request: ImageRequest, brought: Sequence[str]) -> str:
    wheel = f"COPY {request.wheel} {_INTO}/{request.wheel}\n" if request.wheel else ""
    tops = sorted({each.partition("/")[0] for each in brought})
    copied = [f"COPY {each} /platform/{each}\n" for each in tops]
    command = ["seedbed", "-C", "/platform", "status"] if brought else ["seedbed", "--version"]
    return _FILE.format(
        holds=", the platform's files" if brought else " alone: a run brings the platform's files",
        wrote=_WROTE,
        options=shlex.join(
            part
            for key, value in asdict(request).items()
            if value
            for part in (f"--{key.replace('_', '-')}", value)
        ),
        dockerfile=DOCKERFILE,
        platform=PLATFORMS[request.architecture],
        base=request.base,
        bundle=request.ca_bundle,
        url=BUNDLE_URL,
        place=BUNDLE,
        requirements=REQUIREMENTS,
        requirements_name=PurePath(REQUIREMENTS).name,
        into=_INTO,
        wheel=wheel,
        platform_files="".join(["\nCOPY seedbed.toml /platform/\n", *copied]) if brought else "",
        command="[" + ", ".join(f'"{each}"' for each in command) + "]",
    )


def _ignored(request: ImageRequest, brought: Sequence[str]) -> str:
    wanted = [
        REQUIREMENTS,
        *([request.wheel] if request.wheel else []),
        *(["seedbed.toml"] if brought else []),
    ]
    lines = [f"!{each}" for each in (*wanted, *sorted(brought))]
    return "\n".join(
        (
            _OF_IGNORED,
            "*",
            *lines,
            *(f"**/{each}" for each in sorted(NO_FILES)),
            "",
        )
    )


def write(texts: Mapping[str, str], root: Path) -> tuple[str, ...]:
    """Write `texts` below `root`, and return the paths of those that were not so before. Raises UsageError.

    What another program wrote is not written over.
    """
    if (root / IGNORED).exists() and not _text(root / IGNORED).startswith(_OF_IGNORED):
        raise UsageError(
            f"{IGNORED} was not written by seedbed",
            because="it decides what an image is built from, and what is in it would be lost",
            try_="move it away; other images than this one find theirs beside their Dockerfile: "
            "DOCKERFILE.dockerignore",
        )
    written = []
    for name, text in texts.items():
        path = root / name
        if path.exists() and _text(path) == text:
            continue
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="\n")
        except OSError as error:
            raise UsageError(f"{path} cannot be written", because=error.strerror or str(error)) from error
        written.append(name)
    return tuple(written)


def differences(texts: Mapping[str, str], root: Path) -> tuple[str, ...]:
    """Return in the form of `diff -u` how the files below `root` are not what would be written."""
    return tuple(
        line.rstrip("\n")
        for name, text in texts.items()
        for line in difflib.unified_diff(
            _text(root / name).splitlines() if (root / name).exists() else [],
            text.splitlines(),
            name,
            f"{name}, as it would be written",
            lineterm="",
        )
    )


def unhashed(request: ImageRequest, root: Path) -> str:
    """Return what is wrong with the requirements of the image, "" where each has a hash, the wheel its own."""
    path = root / REQUIREMENTS
    if not path.exists():
        return f"there is no {REQUIREMENTS}"
    lines = _required(_text(path))
    if bare := without_hash(_text(path)):
        return f"{REQUIREMENTS} has no hash for {bare}"
    if request.wheel and (root / request.wheel).exists():
        line = next((each for each in lines if each.startswith(f"./{request.wheel}")), "")
        if checksum(root / request.wheel) not in line:
            return f"{REQUIREMENTS} has not the hash of {request.wheel}"
    return ""


def without_hash(text: str) -> str:
    """Return the first requirement in `text` that has no hash, "" where each has one."""
    lines = _required(text)
    return next(
        (each.split()[0] for each in lines if "--hash=sha256:" not in each), "" if lines else "anything"
    )


def _required(text: str) -> list[str]:
    """Return the requirements in `text`, one a line, without comments and options."""
    lines = [each.strip() for each in text.replace("\\\n", " ").splitlines()]
    return [each for each in lines if each and not each.startswith(("#", "--"))]


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read", because=str(error)) from error


def nothing_asked() -> UsageError:
    return UsageError(
        f"there is no {DOCKERFILE} to look at",
        because="it would say for what it was written",
        try_=Hint(call("image", "--base", "IMAGE@sha256:DIGEST", "--ca-bundle", "FILE")),
    )
