"""A database of the sandbox as a template: every copy of it holds what it holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from seedbed.engines.postgres.sandbox.server import EmbeddedServer


class Template:
    """The database `name` of `server`, to which nobody is connected."""

    def __init__(self, server: EmbeddedServer, name: str) -> None:
        self._server = server
        self._name = name
        self._copies = count(1)

    @contextmanager
    def fresh(self) -> Iterator[Mapping[str, str]]:
        """Yield the settings of a copy, which is dropped with this context. Raises SandboxError."""
        name = f"{self._name}_{next(self._copies)}"
        self._server.drop_database(name)  # of tests that were killed
        self._server.create_from_template(name, self._name)
        try:
            yield self._server.settings_of(name)
        finally:
            self._server.drop_database(name)
