"""A small platform that is released: its files, its bundle, and the command line on it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from seedbed import __version__
from seedbed.engines.postgres.sandbox import EmbeddedServer
from seedbed.files import archive
from seedbed.files.platform import read_files
from seedbed.model.release import Approval, Release, StepName
from seedbed.releases import bundle
from seedbed.releases.directory_store import DirectoryStore
from tests.support.postgres.wire import connected
from tests.support.projects import ProjectFiles, Ran, clean_environment, run, start, variables

ENV = "prod"
ME = os.getuid()
SOMEBODY = 4711  # an account that nobody has


class Site:
    """A platform in `root`, whose environment `prod` is released; `env`: where its databases are."""

    def __init__(self, root: Path, env: Mapping[str, str]) -> None:
        self.env = env
        self.root = root
        self.bundle = self.root / "release.tar"

    @property
    def store(self) -> DirectoryStore:
        return DirectoryStore(self.root / ".seedbed" / "releases" / ENV, ENV)

    @property
    def release(self) -> Release:
        """The newest release, as its record is now."""
        found = self.store.load(max(self.store.numbers()))
        assert found is not None
        return found

    def states(self) -> dict[str, str]:
        return {each.name.value: each.state for each in self.release.steps}

    def build(self, *, commit: str = "c" * 40, images: Mapping[str, str] | None = None) -> str:
        """Write the bundle of the files as they are now, and return its SHA-256."""
        programs = {
            each.name: archive.Member(each.name, each.read_bytes(), True) for each in self.root.glob("*.sh")
        }
        data = bundle.build(
            bundle.Contents(
                platform="sample",
                seedbed=__version__,
                commit=commit,
                files=read_files(self.root),
                programs=programs,
                images=images or {},
            )
        )
        self.bundle.write_bytes(data)
        return bundle.read(data).sha256

    def plan_file(self, step: StepName, name: str = "plan.json") -> str:
        """Write the plan of a step of the newest release to a file, and return its path."""
        path = self.root / name
        path.write_bytes(self.store.get(self.release.step(step).plan))
        return str(path)

    def change(self, **fields: Any) -> None:
        """Change the record as no command would."""
        release = self.release
        assert self.store.replace(replace(release, revision=release.revision + 1, **fields))

    def age(self, seconds: float = 60.0) -> None:
        """Have whoever takes the current step be silent for so long: only tests about that wait for it."""
        steps = [
            replace(each, beat=each.beat - seconds) if each.state == "running" else each
            for each in self.release.steps
        ]
        self.change(steps=tuple(steps))

    def run(self, *words: str) -> Ran:
        return run(self.root, *words, env=self.env)

    def start(self, *words: str) -> subprocess.Popen[str]:
        return start(self.root, *words, env=clean_environment(self.env), stderr=subprocess.PIPE)

    def open(self, *more: str) -> Ran:
        return self.run("release", "open", "-e", ENV, str(self.bundle), *more)

    def next(self, *more: str) -> Ran:
        return self.run("release", "next", "-e", ENV, *more)

    def approve(self, step: StepName, *, by: int = SOMEBODY, reason: str = "", digest: str = "") -> None:
        """Leave an approval as the user `by` would leave it: the file system says that it is his."""
        store, release = self.store, self.release
        approval = Approval(
            number=release.number,
            step=step,
            digest=digest or release.digest,
            by=store.caller(),
            at=0.0,
            reason=reason,
        )
        store.approve(approval)
        home = store.directory / "approvals" / f"{release.number:04d}" / step
        left = home / store.caller().user_id
        if by != ME:
            os.chown(left, by, by)
            left.rename(home / f"uid-{by}")


RELEASE = """
[release]
approvals = {expand = 0, contract = 1}
soak = "0s"
"""


def write_users(files: ProjectFiles, more: str = RELEASE) -> None:
    files.manifest(["user"], more)
    files.migration(
        "20260101000001_make",
        "CREATE TABLE users (id int PRIMARY KEY, name text); INSERT INTO users VALUES (7, 'Ana');",
        "DROP TABLE users;",
    )
    files.migration(
        "20260101000002_add", "ALTER TABLE users ADD display text;", "ALTER TABLE users DROP display;"
    )
    files.migration(
        "20260101000003_fill",
        "UPDATE users SET display = name;",
        "UPDATE users SET display = NULL;",
        directives="phase=migrate",
    )
    files.migration("20260101000004_drop", "ALTER TABLE users DROP name;", directives="phase=contract")


class Users(Site):
    """The site, and what is in its database."""

    def __init__(self, root: Path, server: EmbeddedServer, database: str) -> None:
        super().__init__(root, variables(server, database, "USER_"))
        self.server, self.database = server, database

    @property
    def columns(self) -> list[str]:
        with connected(self.server, self.database) as connection:
            said = "SELECT column_name FROM information_schema.columns WHERE table_name = 'users' ORDER BY 1"
            return [str(row[0]) for row in connection.execute(said)]
