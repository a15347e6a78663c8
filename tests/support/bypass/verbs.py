"""All commands of seedbed, by what they do to an environment: those that change one, and those that do not.

What is in neither list, and in the command line, fails a test: whoever adds a command says what it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import click
from msgspec.structs import replace

from seedbed.aws import rights
from seedbed.cli.main import cli
from seedbed.model.release import StepName
from tests.support.bypass.site import ENV, Site

DB_ROLES = frozenset({rights.RUN, rights.RELEASE})


def _as_it_is(_: Site) -> None:
    """Arrange nothing."""


@dataclass(frozen=True)
class Verb:
    """A command that changes an environment. `words`: how it is called, without anything that confirms it.

    `best`: what is added so that it does what it is there for, once `arrange` was called. `kind`: of its caller; `may`:
    all kinds that may. `takes_plan`: it carries out a plan file. `is_local`: no task carries it out.
    """

    name: str
    words: tuple[str, ...]
    best: tuple[str, ...] = ()
    arrange: Callable[[Site], None] = _as_it_is
    kind: str = rights.RUN
    may: frozenset[str] = DB_ROLES
    takes_plan: bool = False
    is_local: bool = False

    @property
    def path(self) -> tuple[str, ...]:
        return tuple(self.name.partition(" --")[0].removesuffix(" VERSION").split())

    def has(self, option: str) -> bool:
        return any(option in each.opts for each in command_at(self.path).params)


def _of_release(name: str, *words: str, **more: object) -> Verb:
    given = {"kind": rights.RELEASE, "may": frozenset({rights.RELEASE}), "is_local": True, **more}
    return Verb(f"release {name}", ("-e", ENV, *words), **given)  # type: ignore[arg-type]


def _of_env(name: str, *words: str) -> Verb:
    may = frozenset({rights.DEPLOY, rights.RELEASE})
    return Verb(f"env {name}", words, kind=rights.RELEASE, may=may, is_local=True)


def _of_snapshots(name: str, *best: str) -> Verb:
    return Verb(f"snapshot {name}", ("-e", ENV, "-s", "user", "--release", "1"), best)


def _none_is_open(site: Site) -> None:
    release = site.release
    assert site.store.replace(replace(release, state="abandoned", revision=release.revision + 1))


_WHY = ("--because", "checked")
_RUN = "01M8RN33F9EDQMQ2CN1T6ZGEM4"
VERBS = (
    Verb("apply", ("-e", ENV), takes_plan=True),
    Verb(
        "deploy",
        ("-e", ENV, "--assembly", "cdk.out"),
        kind=rights.RELEASE,
        may=frozenset({rights.DEPLOY, rights.RELEASE}),
        takes_plan=True,
        is_local=True,
    ),
    Verb("seed", ("-e", ENV, "--kind", "reference"), takes_plan=True),
    Verb("revert", ("-e", ENV), ("--unreviewed",)),
    Verb("restore", ("-e", ENV, "-s", "user", "dump.jsonl"), ("--unreviewed",)),
    Verb("reset", ("-e", ENV), ("--yes",)),
    Verb("repair VERSION", ("-e", ENV, "-s", "user", "20260101000002", "--forget"), _WHY),
    Verb("repair --unlock", ("-e", ENV, "-s", "user", "--unlock"), ("--yes",)),
    Verb("repair --bind", ("-e", ENV, "-s", "user", "--bind", "--was", "staging"), ("--yes", *_WHY)),
    Verb(
        "destroy",
        ("-e", ENV),
        ("--yes",),
        kind=rights.RELEASE,
        may=frozenset({rights.DEPLOY, rights.RELEASE}),
        is_local=True,
    ),
    _of_env("up", ENV),
    _of_env("down", ENV),
    _of_env("keep", ENV),
    _of_env("extend", ENV, "--ttl", "1d"),
    _of_env("touch", ENV),
    _of_env("gc"),
    Verb("share make", ("x", "-e", ENV)),
    Verb("share keep", ("x", "-e", ENV)),
    Verb("share drop", ("x", "-e", ENV)),
    _of_snapshots("take"),
    _of_snapshots("restore"),
    Verb(
        "snapshot swap",
        ("-e", ENV, "-s", "user", "--release", "1"),
        ("--unreviewed", "--yes"),
        kind=rights.RELEASE,
        may=frozenset({rights.RELEASE}),
        is_local=True,
    ),
    _of_snapshots("drop"),
    _of_snapshots("drill"),
    _of_snapshots("delete", "--yes"),
    _of_release("open", "release.tar", arrange=_none_is_open),
    _of_release("next", arrange=lambda site: site.approved(StepName.EXPAND)),
    _of_release(
        "approve",
        "--step",
        "expand",
        "--digest",
        "DIGEST",
        kind=rights.APPROVE,
        may=frozenset({rights.APPROVE}),
    ),
    _of_release("back"),
    _of_release("abandon", "--because", "x"),
    _of_release("close"),
    Verb("runs stop", (_RUN, "-e", ENV), is_local=True),
    Verb("runs warm --end", ("-e", ENV, "--end"), is_local=True),
)
# They change nothing of an environment, and why.
LOOKS = {
    "demo": "has a sandbox of its own",
    "doctor": "asks and tells",
    "dump": "reads a database, and writes a file",
    "env cost": "asks what is there, and what it costs",
    "env list": "asks what is there",
    "image": "builds an image; what runs is told by `deploy`",
    "init": "writes files",
    "new": "writes a file",
    "plan": "reads, and writes a file",
    "release build": "writes a file",
    "release check": "reads the record, and asks",
    "release drill": "tries snapshots as `snapshot drill` does, and keeps what that showed",
    "release list": "reads the records",
    "release show": "reads the record",
    "runs attach": "follows a run",
    "runs list": "reads the records of runs",
    "schema": "writes to standard output",
    "share list": "asks a base",
    "snapshot list": "asks which there are",
    "status": "reads",
    "verify": "reads; what it found is kept beside the history",
}


def command_at(path: tuple[str, ...]) -> click.Command:
    """Return the command that these words name."""
    found: click.Command | None = cli
    for word in path:
        assert isinstance(found, click.Group), path
        found = found.get_command(click.Context(found), word)
    assert found is not None, path
    return found


def commands(group: click.Command = cli, path: tuple[str, ...] = ()) -> Iterator[str]:
    """Yield the names of all commands that the command line has."""
    if not isinstance(group, click.Group):
        yield " ".join(path)
        return
    context = click.Context(group)
    for name in group.list_commands(context):
        found = group.get_command(context, name)
        assert found is not None
        yield from commands(found, (*path, name))
