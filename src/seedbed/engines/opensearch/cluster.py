"""One target: its client and the directory of its files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PurePath
from typing import TYPE_CHECKING

from msgspec import Struct

from seedbed.engines.opensearch.address import Address
from seedbed.engines.opensearch.wire.client import Client
from seedbed.engines.opensearch.wire.errors import RequestFailed
from seedbed.errors import StepFailed

if TYPE_CHECKING:
    from seedbed.engines.opensearch.schema.shape import DeclaredIndexes


class Cluster(Struct):
    """One database of one service in one environment; `directory` holds its indexes.toml, if there is one."""

    target: str
    address: Address
    client: Client
    service: str
    environment: str
    directory: PurePath
    is_sandbox: bool = False
    _declared: DeclaredIndexes | None = None

    def declared(self) -> DeclaredIndexes:
        """Return what indexes.toml declares, nothing if there is none. Raises ManifestError."""
        if self._declared is None:
            from seedbed.engines.opensearch.schema.read import read_declared

            self._declared = read_declared(self.directory)
        return self._declared


@contextmanager
def translate_errors(cluster: Cluster, doing: str) -> Iterator[None]:
    """Turn a RequestFailed inside the context into the error to report, which says what was being done."""
    try:
        yield
    except RequestFailed as error:
        raise refusal(doing, error) from None


def refusal(doing: str, error: RequestFailed) -> StepFailed:
    """Return the error to report when a request failed while `doing` something."""
    return StepFailed(
        f"{doing} failed: {error.what}",
        because=error.because,
        try_=error.try_ or "fix the cause, then run the same command again",
        at=error.at,
    )
