"""The driver's own libpq, where it is not what is expected."""

from __future__ import annotations

from pathlib import Path

import pytest

from seedbed.engines.postgres.wire import libpq


def test_a_libpq_that_cannot_be_loaded_leaves_everything_to_the_driver(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "libpq-1.so.5"
    broken.write_bytes(b"half of it")
    monkeypatch.setattr(libpq, "_path", lambda: broken)
    libpq._library.cache_clear()
    try:
        assert not libpq.is_available()
    finally:
        libpq._library.cache_clear()
