"""A platform with one database in staging, whose snapshots tests take."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seedbed.execution.stopping import Stop
from seedbed.project import Project
from seedbed.project.snapshots import ReleaseSnapshots


class SnapshotSite:
    """The platform in `root`; `environ`: what says where its database is. Both are set by who makes it."""

    root: Path
    environ: Mapping[str, str]
    stop: Stop

    @property
    def project(self) -> Project:
        return Project.open(self.root, environ=self.environ)

    @property
    def database(self) -> Any:
        return self.project.catalog.databases()[0]

    @property
    def snapshots(self) -> ReleaseSnapshots:
        project = self.project
        where = project.catalog.environment("staging")
        return ReleaseSnapshots(project.targets, where, stop=self.stop, tell=lambda _: None)

    def apply(self) -> None:
        with self.project.run("staging") as run:
            outcome = run.apply()
        assert outcome.exit_code == 0, [each.error for each in outcome.targets]

    def take(self) -> Any:
        (result,) = self.snapshots.take([self.database], 12)
        return result
