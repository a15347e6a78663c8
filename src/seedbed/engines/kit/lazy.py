"""An engine object that imports what a call needs when it is called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seedbed.support.extras import require_extras

if TYPE_CHECKING:
    from seedbed.engines.base import Embedded, Session, Variable
    from seedbed.model.migration import Migration, MigrationFile
    from seedbed.model.target import Target


class LazyEngine:
    """The part of an `Engine` that is the same in all of them: late imports from its own package.

    `packages` are the top-level modules that the extra of the engine's name brings, and they are looked for before they
    are imported. `package` has `options.Options`, `session.connect`, `sandbox.embedded`, and `parse` in its module
    `parser`. A subclass says the rest: its name, its variables, how to read an address, and what else it supports.
    """

    package: str
    parser: str = "parse"
    name: str
    variables: Sequence[Variable]
    suffixes: Sequence[str]
    template: str
    packages: Sequence[str] = ()

    @property
    def extras(self) -> Mapping[str, Sequence[str]]:
        return {self.name: self.packages}

    @property
    def options(self) -> type[Any]:
        options: type[Any] = self._part("options", "Options")
        return options

    def embedded(self, home: Path) -> AbstractContextManager[Embedded]:
        require_extras(self.extras)
        running: AbstractContextManager[Embedded] = self._part("sandbox", "embedded")(home)
        return running

    def parse(self, file: MigrationFile) -> Migration:
        require_extras(self.extras)
        migration: Migration = self._part(self.parser, "parse")(file)
        return migration

    def connect(self, target: Target) -> AbstractContextManager[Session]:
        require_extras(self.extras)
        session: AbstractContextManager[Session] = self._part("session", "connect")(target)
        return session

    def _part(self, module: str, name: str) -> Any:
        return getattr(import_module(f"{self.package}.{module}"), name)


class LazyEngineWithDiagnosis(LazyEngine):
    """The same with `SupportsDiagnosis`: `package` has `sandbox.diagnose` as well."""

    def diagnose(self, home: Path) -> Sequence[tuple[str, str]]:
        findings: Sequence[tuple[str, str]] = self._part("sandbox", "diagnose")(home)
        return findings
