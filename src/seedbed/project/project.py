"""A project: a manifest, what it declares, and runs on its environments."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path, PurePath
from typing import Any

from seedbed.engines import registry
from seedbed.engines.capabilities import SupportsDiagnosis
from seedbed.errors import SeedbedError, hint_text
from seedbed.execution.stopping import Stop
from seedbed.manifest.load import find, load
from seedbed.model.environment import SANDBOX, Environment
from seedbed.model.event import Event, Listener
from seedbed.model.platform import Database, Platform
from seedbed.model.remembered import Remembered
from seedbed.model.secret import Redactor
from seedbed.project.catalog import Catalog
from seedbed.project.protection import require_databases
from seedbed.project.run import DEFAULT_WAIT, Run
from seedbed.project.sandbox import Sandbox
from seedbed.project.targets import Targets


def _ignore(_: Event) -> None:
    """Listen to nothing."""


class Project:
    """A platform as its manifest declares it. `catalog`: what there is; `run`: what can be done with it."""

    def __init__(
        self,
        platform: Platform,
        *,
        environ: Mapping[str, str] | None = None,
        redactor: Redactor | None = None,
        home: Path | None = None,
        running: Mapping[str, Mapping[str, str]] | None = None,
        in_task: bool = False,
    ) -> None:
        """`home`: where the sandbox keeps its servers (default: `.seedbed/sandbox` of the project).

        `running`: connection settings, by id, of databases of the sandbox that somebody else keeps running.
        `in_task`: this process carries out a run inside the network.
        """
        self.catalog = Catalog(platform)
        self.redactor = redactor or Redactor()
        self.home = home or sandbox_home(platform.root)
        self._environ = os.environ if environ is None else environ
        self._running = running or {}
        self._in_task = in_task

    @classmethod
    def open(cls, start: Path | None = None, **options: Any) -> Project:
        """Return the project whose manifest is found from `start` (this directory) upwards. Raises ManifestError."""
        path = find(start or Path.cwd())
        return cls(load(path, engine_options=_options, engine_names=registry.names()), **options)

    @property
    def platform(self) -> Platform:
        """What the manifest declares."""
        return self.catalog.platform

    @property
    def sandbox(self) -> Sandbox:
        """The embedded servers of this project."""
        return Sandbox(self.catalog, self.home)

    @property
    def targets(self) -> Targets:
        """Turns an environment and databases into targets."""
        return Targets(self.catalog, self.redactor, self.home, self._environ, self._running, self._in_task)

    @contextmanager
    def run(
        self,
        environment: str,
        databases: Sequence[Database] | None = None,
        *,
        listener: Listener = _ignore,
        stop: Stop | None = None,
        wait: float = DEFAULT_WAIT,
        compare: bool = True,
    ) -> Iterator[Run]:
        """Yield a run: open sessions on `databases` (default: all) of an environment.

        A target that does not answer is in `Run.failed` and its failure is an event; the others go on. `wait`: seconds
        to wait for another run's lease. `compare`: False for a run that is to `bind` a copy, which is what is bound to
        another environment. Raises UsageError, ForeignTarget: then nothing was touched.
        """
        where, chosen = self._chosen(environment, databases)
        self.catalog.require_extras(chosen)
        with Run.open(
            self.targets, where, chosen, listener=listener, stop=stop, wait=wait, compare=compare
        ) as run:
            yield run

    @contextmanager
    def recall(
        self,
        environment: str,
        databases: Sequence[Database] | None,
        remembered: Mapping[str, Remembered],
        *,
        now: datetime,
        listener: Listener = _ignore,
    ) -> Iterator[Run]:
        """Yield a run that asks no database: its `status` and `plan` are told from what runs left, by database.

        `databases`: None for all. What no run has seen is in `Run.failed`. Raises UsageError, ForeignTarget.
        """
        from seedbed.project.recalled import RecalledTargets

        where, chosen = self._chosen(environment, databases)
        targets = RecalledTargets(
            catalog=self.catalog,
            redactor=self.redactor,
            home=self.home,
            environ={},
            remembered=remembered,
            now=now,
        )
        with Run.open(targets, where, chosen, listener=listener) as run:
            yield run

    def _chosen(
        self, environment: str, databases: Sequence[Database] | None
    ) -> tuple[Environment, Sequence[Database]]:
        where = self.catalog.environment(environment)
        chosen = self.catalog.databases() if databases is None else databases
        if chosen:
            require_databases(self.platform, where)
        return where, chosen

    def diagnose(self) -> list[tuple[str, str]]:
        """Return (what, finding) pairs about this machine: from its engines, and of what deploys the app."""
        from seedbed.deployment import synthesis

        found = diagnose({database.engine for database in self.platform.databases}, self.home)
        if not synthesis.has_app(self.platform.root):
            return found
        from seedbed.deployment import diagnosis

        app = Path(self.platform.root, synthesis.APP)
        return [*found, *diagnosis.diagnose(app, self._environ, Stop())]


def sandbox_home(root: PurePath) -> Path:
    """Return where the sandbox of the platform in the directory `root` keeps its servers."""
    return Path(root) / ".seedbed" / "sandbox"


def diagnose(engines: Iterable[str], home: Path) -> list[tuple[str, str]]:
    """Return (what, finding) pairs about this machine and the sandbox `home`, from those of `engines` that have any."""
    found: list[tuple[str, str]] = []
    for name in sorted(engines):
        engine = registry.load(name)
        if isinstance(engine, SupportsDiagnosis):
            try:
                found += engine.diagnose(home)
            except SeedbedError as error:  # what is missing is a finding, not an end
                how = hint_text(error.try_, SANDBOX, "")
                found.append((name, f"{error.what}: {how or error.because}"))
    return found


def _options(engine: str) -> type[Any]:
    return registry.load(engine).options
