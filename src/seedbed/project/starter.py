"""A first platform: files that work as they are. What is there already is never touched."""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from msgspec import Struct

from seedbed import __version__
from seedbed.engines import registry
from seedbed.engines.base import Engine
from seedbed.engines.capabilities import SupportsExtras, SupportsSchemas, SupportsStarter
from seedbed.errors import UsageError
from seedbed.manifest import load, new_files
from seedbed.manifest.schema import json_schema
from seedbed.manifest.sections import IN_WORDS, NAME
from seedbed.model.platform import Platform
from seedbed.project.checkout import default_branch
from seedbed.support.extras import install_line, is_from_an_index, missing
from seedbed.support.guess import suggestion

SERVICE = "catalog"
NAME_LENGTH = 32
SCHEMAS = "schemas"
WORKFLOW = ".github/workflows/seedbed.yml"
_SANDBOX = re.compile(
    r"""([\w.-]+)[^;]*;.*extra == ['"]sandbox['"]"""
)  # a requirement of that extra, in metadata

_MANIFEST = """\
#:schema {schema}
# What no folder can say. Migrations and seeds are found by convention, below services/<service>/<engine>/.
[platform]
name = "{platform}"

{databases}
# The environment `sandbox` is always there: real servers on this machine. Declare the others like this:
#
# [environments."dev-*"]        # one for each developer or branch; all data there may be deleted
# account   = "111111111111"
# region    = "eu-central-1"
# ephemeral = true
#
# [environments.prod]           # what changes it has to be reviewed
# account   = "333333333333"
# region    = "eu-central-1"
# protected = true
"""
_IGNORED = """\
# the sandbox's servers and their data; and in .seedbed/releases the records of releases, of environments that are
# not in AWS: never delete those, or have `store` of [release] name another place
.seedbed/
# bundles of releases
release.tar
# what seedbed env up sandbox --dotenv is written to
.env
# what the CDK synthesises
cdk.out/
"""
_APP = """\
from pathlib import Path

from seedbed.cdk import run

run(Path(__file__).parents[1] / "seedbed.toml")
"""
_CDK = """\
{
  "app": "python3 app.py",
  "versionReporting": false,
  "pathMetadata": false,
  "context": {"@aws-cdk/core:defaultCrossStackReferences": "strong"}
}
"""
_WHEEL_NOTE = (
    "      # seedbed was installed from a checkout or a file here: commit its wheel, "
    "pip wheel --no-deps -w wheels CHECKOUT\n"
)


class StarterRequest(Struct, frozen=True):
    """What is wanted: a platform in `directory`, whose first service has a database of each of `engines`.

    `cdk`: with the app that makes its stacks. `ci`: with workflows that take it to its environments, of "github".
    """

    directory: Path
    platform: str
    service: str
    engines: tuple[str, ...]
    cdk: bool = False
    ci: str = ""


class Starter(Struct, frozen=True):
    """What was written, what was left as it was and why, and the commands that come next."""

    directory: Path
    written: tuple[str, ...]
    kept: tuple[tuple[str, str], ...]
    commands: tuple[str, ...]


def engines() -> Sequence[str]:
    """Return the names of the installed engines that have an example to begin with."""
    return [name for name in registry.names() if isinstance(registry.load(name), SupportsStarter)]


def first_engine() -> str:
    """Return the engine that a platform begins with where none is named."""
    names = engines()
    loaded = {name: registry.load(name) for name in names}
    first = [name for name, each in loaded.items() if isinstance(each, SupportsStarter) and each.starts_first]
    return (first or names)[0]


def platform_name(directory: Path) -> str:
    """Return a name for the platform in `directory`: the directory's own, as far as it can be one."""
    name = re.sub(r"[^a-z0-9]+", "-", directory.name.lower()).lstrip("-0123456789")[:NAME_LENGTH].strip("-")
    return name if re.search(NAME, name) else "platform"


def require_possible(request: StarterRequest) -> None:
    """Raise UsageError where `request` cannot be written as it is; looks and changes nothing."""
    for of, name in (("platform", request.platform), ("service", request.service)):
        if not re.search(NAME, name) or len(name) > NAME_LENGTH:
            raise UsageError(
                f"{name!r} cannot be the name of a {of}",
                because=f"names have {IN_WORDS[NAME]}, and at most {NAME_LENGTH} characters",
                try_=f"--{of} {SERVICE}",
            )
    known = engines()
    for name in request.engines:
        if name not in known:
            raise UsageError(
                f"there is no engine {name!r} to begin with",
                because=f"the engines are {', '.join(known)}",
                try_=" ".join(f"--engine {each}" for each in several)
                if (several := name.replace(",", " ").split()) and set(several) <= set(known)
                else suggestion(name, known, nothing=""),
            )
    if request.directory.exists() and not request.directory.is_dir():
        raise UsageError(
            f"{request.directory} is no directory", because="a platform is one", try_="another name"
        )
    for above in request.directory.parents:
        if (above / load.FILE).is_file():
            raise UsageError(
                f"{request.directory} lies in a platform already",
                because=f"{above / load.FILE} declares it",
                try_=f"declare [services.{request.service}.{request.engines[0]}] there",
            )


def start(request: StarterRequest, now: datetime, *, cwd: Path) -> Starter:
    """Write what `request` wants and is not there yet, and return what was done.

    A manifest that is there is the platform's: then no service is written, only what goes beside it. `cwd`: where the
    commands that come next are typed. Raises UsageError for what cannot be written: then nothing of it stays.
    """
    require_possible(request)
    has_manifest = (request.directory / load.FILE).exists()
    chosen = {name: registry.load(name) for name in request.engines}
    written: list[str] = []
    kept: list[tuple[str, str]] = []
    made: list[Path] = []  # files and directories, each after those that it lies in
    try:
        for path, text in _files(request, chosen, now, kept, has_manifest=has_manifest):
            name = os.path.relpath(path, request.directory)
            if _write(path, text, made):
                written.append(name)
            else:
                kept.append((name, "it is there" if _has(path, text) else _advice(name, request)))
    except BaseException:  # half of a platform would be taken for one by the next time
        _remove(made)
        raise
    commands = tuple(_next(request, chosen, cwd, has_manifest=has_manifest))
    return Starter(request.directory, tuple(written), tuple(kept), commands)


def _write(path: Path, text: str, made: list[Path]) -> bool:
    """Write a new file, and return whether there was none; what is made is added to `made`. Raises UsageError."""
    try:
        for each in reversed([each for each in path.parents if not each.exists()]):
            each.mkdir(exist_ok=True)
            made.append(each)
    except OSError as error:
        raise _not_written(path, error) from error
    try:
        with path.open("x", encoding="utf-8", newline="\n") as file:
            made.append(path)
            file.write(text)
    except FileExistsError:
        return False
    except OSError as error:
        raise _not_written(path, error) from error
    return True


def _has(path: Path, text: str) -> bool:
    """Return whether a file is as it would be written anew: then nothing in it is to be advised."""
    with suppress(OSError):
        return path.read_bytes() == text.encode()
    return False


def _remove(made: Sequence[Path]) -> None:
    """Remove files and directories of ours, the last first; a directory in which there is something else stays."""
    for each in reversed(made):
        with suppress(OSError):
            each.rmdir() if each.is_dir() else each.unlink()


def _not_written(path: Path, error: OSError) -> UsageError:
    return UsageError(
        f"{path} cannot be written",
        because=error.strerror or str(error),
        try_="a directory that you may write to",
    )


def _files(
    request: StarterRequest,
    chosen: Mapping[str, Engine],
    now: datetime,
    kept: list[tuple[str, str]],
    *,
    has_manifest: bool,
) -> Iterator[tuple[Path, str]]:
    """Yield every file that belongs to a first platform; a database's directory that has files goes to `kept`.

    The manifest comes last: what ends before it has begun no platform yet.
    """
    root = request.directory
    schemas = _schemas(chosen)
    databases = "".join(f"[services.{request.service}.{name}]\n" for name in chosen)
    manifest = (
        root / load.FILE,
        _MANIFEST.format(
            schema=f"{SCHEMAS}/{_schema_file(load.FILE)}", platform=request.platform, databases=databases
        ),
    )
    for name, schema in {
        load.FILE: json_schema({each: registry.load(each).options for each in registry.names()}),
        **schemas,
    }.items():
        yield root / SCHEMAS / _schema_file(name), json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
    yield root / ".gitignore", _IGNORED
    yield _workflow(request)
    if request.ci:
        yield from _workflows(request)
    if request.cdk:
        yield root / "cdk" / "app.py", _APP
        yield root / "cdk" / "cdk.json", _CDK
    for name, engine in () if has_manifest else chosen.items():
        directory = root / "services" / request.service / name
        if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
            kept.append((os.path.relpath(directory, root), "it has files, and they are this database's"))
        elif isinstance(engine, SupportsStarter):
            version = new_files.next_version((), now)
            for path, text in engine.starter().items():
                file = directory / path.replace("{version}", version)
                hint = os.path.relpath(root / SCHEMAS / _schema_file(file.name), file.parent)
                yield file, f"#:schema {hint}\n{text}" if file.name in schemas else text
    yield manifest


def _schemas(chosen: Mapping[str, Engine]) -> dict[str, Mapping[str, object]]:
    found: dict[str, Mapping[str, object]] = {}
    for engine in chosen.values():
        if isinstance(engine, SupportsSchemas):
            found |= engine.schemas()
    return found


def _schema_file(name: str) -> str:
    return f"{name.removesuffix('.toml')}.json"


def _workflow(request: StarterRequest) -> tuple[Path, str]:
    """Return the workflow that tests migrations: at the root of the repository, for GitHub looks nowhere else."""
    from seedbed.project.workflows import SandboxRequest, sandbox_workflow

    repository, below = _place(request)
    extras, platform = _extras(request), None
    if (request.directory / load.FILE).exists():  # which says what the platform has, whatever is asked for
        platform = _platform(request.directory)
        extras = [*sorted({each.engine for each in platform.databases}), "sandbox"]
    note = "" if is_from_an_index() else _WHEEL_NOTE
    install = f'{note}      - run: pip install "{_package(",".join(extras))}"'
    wanted = SandboxRequest(below, default_branch(repository), install, __version__, platform)
    return repository / WORKFLOW, sandbox_workflow(wanted)


def _package(extras: str) -> str:
    """Return what pip is told to install in a workflow: from the index, or from a wheel beside the platform."""
    if is_from_an_index():
        return f"seedbed[{extras}]=={__version__}"
    return f"./wheels/seedbed-{__version__}-py3-none-any.whl[{extras}]"


def _place(request: StarterRequest) -> tuple[Path, str]:
    """Return the root of the repository, and where the platform lies in it, as a POSIX path."""
    root = request.directory
    repository = next((each for each in (root, *root.parents) if (each / ".git").exists()), root)
    return repository, root.relative_to(repository).as_posix()


def _workflows(request: StarterRequest) -> Iterator[tuple[Path, str]]:
    """Yield the workflows that take the platform to the environments of its manifest. Raises UsageError."""
    from seedbed.project.workflows import WorkflowsRequest, github_files

    manifest = request.directory / load.FILE
    if not manifest.exists():
        raise UsageError(
            "there is no environment that a workflow could take a release to",
            because=f"{request.directory} has no {load.FILE} yet, which declares them",
            try_="write the platform first, without --ci; then declare its environments",
        )
    platform = _platform(request.directory)
    repository, below = _place(request)
    has_app = request.cdk or (request.directory / "cdk" / "cdk.json").exists()
    branch, install = default_branch(repository), f'pip install "{_package("$EXTRAS")}"'
    wanted = WorkflowsRequest(platform, below, branch, install, __version__, has_app)
    for place, text in github_files(wanted):
        yield repository / place, text


def _extras(request: StarterRequest) -> list[str]:
    return [*sorted(request.engines), "sandbox"]


def _platform(directory: Path) -> Platform:
    return load.load(directory / load.FILE, lambda name: registry.load(name).options, registry.names())


def _advice(name: str, request: StarterRequest) -> str:
    """Return why a file was left as it is, and what in it would be of use."""
    if name == load.FILE:
        schema = f"{SCHEMAS}/{_schema_file(load.FILE)}"
        databases = " ".join(f"[services.{request.service}.{each}]" for each in request.engines)
        return f"it declares the platform; for editors: #:schema {schema} at its top; for more: {databases}"
    if name == ".gitignore":
        return "it should have .seedbed/, release.tar, .env and cdk.out/"
    return "it is there"


def _next(
    request: StarterRequest, chosen: Mapping[str, Engine], cwd: Path, *, has_manifest: bool
) -> Iterator[str]:
    """Yield the commands that bring the platform up, as they are typed in `cwd`."""
    needed = [
        package
        for engine in chosen.values()
        if isinstance(engine, SupportsExtras)
        for packages in engine.extras.values()
        for package in packages
    ]
    if missing(needed) or not _has_sandbox():
        yield install_line(*_extras(request))
    if request.directory != cwd:
        yield f"cd {shlex.quote(os.path.relpath(request.directory, cwd))}"
    if has_manifest:
        yield "seedbed plan -e sandbox"
        return
    yield "seedbed env up sandbox"  # some servers take seconds to start: once, rather than once a command
    yield "seedbed apply -e sandbox"
    yield "seedbed seed -e sandbox"
    yield "seedbed status -e sandbox"


def _has_sandbox() -> bool:
    """Return whether all that the extra `sandbox` brings is installed, by what our own metadata say."""
    from importlib.metadata import PackageNotFoundError, distribution, requires

    try:
        for requirement in requires("seedbed") or ():
            if found := _SANDBOX.match(requirement):
                distribution(found[1])
    except PackageNotFoundError:
        return False
    return True
