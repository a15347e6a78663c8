"""Counting a load whose rows stay as they are written."""

from __future__ import annotations

import threading

from seedbed.model.seed import Loaded, Loading, OnLoading


class Tally:
    """Counts the rows of one part of a dataset, and tells `on_loading` each time; thread-safe.

    What is inserted or updated counts as changed from that moment on, whatever becomes of the rest.
    """

    def __init__(self, part: str, on_loading: OnLoading) -> None:
        self.part = part
        self._on_loading = on_loading
        self._lock = threading.Lock()
        self._inserted = self._updated = self._unchanged = 0

    def add(self, *, inserted: int = 0, updated: int = 0, unchanged: int = 0) -> None:
        """Count further rows that are done with."""
        with self._lock:
            self._inserted += inserted
            self._updated += updated
            self._unchanged += unchanged
            changed = self._inserted + self._updated
            self._on_loading(Loading(self.part, changed + self._unchanged, changed))

    @property
    def loaded(self) -> Loaded:
        return Loaded(self.part, self._inserted, self._updated, self._unchanged)
