"""Empty databases on a PostgreSQL that tests share."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from seedbed.engines.postgres.sandbox import EmbeddedServer


@contextmanager
def empty_database(server: EmbeddedServer) -> Iterator[str]:
    """Yield the name of an empty database, which is dropped afterwards.

    Its files are copied: without a template PostgreSQL logs them page by page, which takes a third longer.
    """
    name = f"t_{uuid.uuid4().hex[:16]}"
    server.create_from_template(name, "template1")
    try:
        yield name
    finally:
        server.drop_database(name)
