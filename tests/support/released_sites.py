"""Platforms of which snapshots are taken, released: one for each engine."""

from __future__ import annotations

import os
import subprocess
import traceback
from pathlib import Path

from click.testing import CliRunner

from seedbed import __version__
from seedbed.cli.main import cli
from seedbed.files.platform import read_files
from seedbed.model.release import Release
from seedbed.releases import bundle
from seedbed.releases.directory_store import DirectoryStore
from tests.support.kept_snapshots import Kept
from tests.support.postgres import snapshot_site as users
from tests.support.projects import Ran

ENV = "staging"
RUNBOOK = Path(__file__).parents[2] / "docs" / "how-to" / "restore-a-snapshot.md"
RELEASE = '\n[release]\nstore = "kept"\napprovals = {expand = 0, contract = 0}\nsoak = "0s"\n'


class Released:
    """A platform of which snapshots are taken, and its releases; commands are called in this process."""

    def __init__(self, kept: Kept, section: str) -> None:
        self.kept, self.site, self.section = kept, kept.site, section
        self.root: Path = self.site.root
        self.of = 0  # the release whose snapshot is restored: the first one that is opened
        manifest = self.root / "seedbed.toml"
        manifest.write_text(manifest.read_text() + RELEASE)

    @property
    def store(self) -> DirectoryStore:
        return DirectoryStore(self.root / "kept" / ENV, ENV)

    @property
    def release(self) -> Release:
        found = self.store.load(max(self.store.numbers()))
        assert found is not None
        return found

    @property
    def selection(self) -> tuple[str, ...]:
        return ("-e", ENV, "-s", self.kept.database.service)

    def run(self, *words: str) -> Ran:
        done = CliRunner().invoke(cli, ["-C", str(self.root), *words], env=self.site.environ)
        failed = "".join(traceback.format_exception(done.exception)) if done.exit_code == 1 else ""
        return Ran(done.exit_code, done.stdout, done.stderr + failed)

    def good(self, *words: str) -> Ran:
        ran = self.run(*words)
        assert ran.code == 0, ran.everything
        return ran

    def open(self) -> None:
        """Build a release of the files as they are, open it, and say that its code is everywhere."""
        platform = self.kept.target.platform
        contents = bundle.Contents(
            platform=platform, seedbed=__version__, commit="c" * 40, files=read_files(self.root)
        )
        (self.root / "release.tar").write_bytes(bundle.build(contents))
        self.good("release", "open", "-e", ENV, str(self.root / "release.tar"))
        self.of = self.of or self.release.number
        self.good("release", "approve", "-e", ENV, "--step", "code", "--digest", self.release.digest[:12])

    def next(self, *more: str) -> Ran:
        return self.run("release", "next", "-e", ENV, *more)

    def documented(self, kind: str, number: int = 1) -> str:
        """Return a block of the page about snapshots, about that of the newest release."""
        text = (
            RUNBOOK.read_text(encoding="utf-8").partition(f"\n## {self.section}\n")[2].partition("\n## ")[0]
        )
        block = text.split(f"```{kind}")[number].partition("\n")[2].partition("```")[0]
        return block.replace("r12", f"r{self.of}")

    def psql(self, script: str, **env: str) -> None:
        site: users.Site = self.site
        self.shell(script, PATH=f"{site.server.bin}:{os.environ['PATH']}", **env)

    def shell(self, script: str, **env: str) -> None:
        known = {**os.environ, **self.site.environ, **env}
        done = subprocess.run(["sh", "-euc", script], env=known, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
