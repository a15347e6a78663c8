"""Aliases move to the indexes of a copy, and back again: each time one request, all of them or none.

The request goes behind the lease's fence, together with a line of the audit. What an alias led to before is kept by
another one, `r12.ai.notes-before`, that the same request adds: what to go back to is where the aliases themselves are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct

from seedbed.engines.opensearch.cluster import Cluster, translate_errors
from seedbed.engines.opensearch.schema.names import BEFORE, is_reserved
from seedbed.engines.opensearch.store import fences, history, lease_store
from seedbed.engines.opensearch.store.lease import OpenSearchLease
from seedbed.engines.snapshots import SwapState
from seedbed.errors import Hint, Refused, call
from seedbed.model.event import Event
from seedbed.model.history import Owner
from seedbed.support.phrases import listed

_FIELDS = ("filter", "index_routing", "search_routing", "is_write_index", "is_hidden")

Action = dict[str, Any]


class _Found(Struct):
    """What is there. `aliases`: by alias, by index, how that is defined; `indexes`: all of them, with their aliases."""

    indexes: Mapping[str, Mapping[str, Mapping[str, Any]]]

    @property
    def aliases(self) -> dict[str, dict[str, Mapping[str, Any]]]:
        found: dict[str, dict[str, Mapping[str, Any]]] = {}
        for index, aliases in self.indexes.items():
            for alias, defined in aliases.items():
                found.setdefault(alias, {})[index] = defined
        return found


class AliasSwap:
    """The aliases of a database, and those of the copy that has its indexes below `prefix`."""

    def __init__(self, cluster: Cluster, prefix: str, name: str) -> None:
        self._cluster, self._prefix, self._name = cluster, prefix, name

    @property
    def lost(self) -> Sequence[str]:
        found = self._look()
        moved = {index for indexes in self._pairs(found).values() for index in indexes}
        stay = sorted(
            each.removeprefix(self._prefix)
            for each in found.indexes
            if each.startswith(self._prefix) and each not in moved and not self._is_history(each)
        )
        lines = [
            f"the index {each} stays as it is: applications know it by its own name, and no alias could move"
            for each in stay
        ]
        return [
            *lines,
            "seedbed's history stays: it says what was applied, also what the copy is from before of",
        ]

    @property
    def kept(self) -> str:
        return f"indexes with aliases {self._prefix}*{BEFORE}"

    def state(self) -> SwapState:
        found = self._look()
        aliases = found.aliases
        return (
            "swapped"
            if any(self._has_place(found, aliases, each) for each in self._pairs(found))
            else "beside"
        )

    def connected(self) -> Sequence[str]:
        return ()  # a write goes to one index or to the other, and no search sees both

    def close(self, *, back: bool, disconnect: bool) -> bool:
        del back, disconnect
        return False

    def open(self) -> None:
        """Nobody was kept out."""

    def swap(self, owner: Owner) -> str:
        if self.state() == "beside":
            self._require_aliases(self._look())
            self._move(owner, "swap", "beside", self._forward)
        return ""

    def back(self, owner: Owner) -> str:
        if self.state() == "swapped":
            self._move(owner, "swap back", "swapped", self._backward)
        return ""

    # What moves

    def _pairs(self, found: _Found) -> dict[str, list[str]]:
        """Return the indexes of the copy by the alias that is theirs in the database."""
        pairs: dict[str, list[str]] = {}
        for alias, indexes in found.aliases.items():
            ours = sorted(each for each in indexes if each.startswith(self._prefix))
            if alias.startswith(self._prefix) and not alias.endswith(BEFORE) and ours:
                pairs[alias.removeprefix(self._prefix)] = ours
        return dict(sorted(pairs.items()))

    def _has_place(
        self, found: _Found, aliases: Mapping[str, Mapping[str, Mapping[str, Any]]], alias: str
    ) -> bool:
        return any(each in aliases.get(alias, ()) for each in self._pairs(found)[alias])

    def _forward(self, found: _Found) -> Iterator[Action]:
        aliases = found.aliases
        for alias, ours in self._pairs(found).items():
            former = aliases.get(alias, {})
            for index, defined in former.items():
                yield _remove(index, alias)
                yield _add(index, self._before(alias), defined)
            as_before = next(iter(former.values())) if len(former) == 1 else {}
            for index in ours:
                copied = aliases[self._prefix + alias][index]
                yield _add(index, alias, as_before if len(ours) == 1 else copied)

    def _backward(self, found: _Found) -> Iterator[Action]:
        aliases = found.aliases
        for alias, ours in self._pairs(found).items():
            for index in ours:
                if index in aliases.get(alias, {}):
                    yield _remove(index, alias)
            for index, defined in aliases.get(self._before(alias), {}).items():
                yield _remove(index, self._before(alias))
                yield _add(index, alias, defined)

    def _before(self, alias: str) -> str:
        return f"{self._prefix}{alias}{BEFORE}"

    def _require_aliases(self, found: _Found) -> None:
        """Raise Refused where nothing could move, or an index has the name of an alias by now."""
        pairs = self._pairs(found)
        if not pairs:
            raise Refused(
                f"no alias of {self._cluster.target} can move to the copy",
                because="its indexes had none when the snapshot was taken, and applications know them by their names",
                try_="copy back what is missing: docs/how-to/restore-a-snapshot.md",
            )
        if taken := [each for each in pairs if each in found.indexes]:
            raise Refused(
                f"{listed(taken)} cannot move to the copy",
                because="an index has that name now, which was an alias when the snapshot was taken",
                try_="copy back what is missing: docs/how-to/restore-a-snapshot.md",
            )

    def _is_history(self, index: str) -> bool:
        return is_reserved(index.removeprefix(self._prefix))

    # Asking

    def _look(self) -> _Found:
        with translate_errors(self._cluster, f"looking at the aliases of {self._cluster.target}"):
            told = self._cluster.client.call("GET", "/_alias", params={"expand_wildcards": "all"})
        return _Found({name: dict(body.get("aliases") or {}) for name, body in told.items()})

    def _move(
        self, owner: Owner, what: str, asked_from: SwapState, moving: Callable[[_Found], Iterator[Action]]
    ) -> None:
        """Move what `moving` says under the lease: until it is held, another run or swap may move aliases, too.

        Nothing moves where aliases are not as `asked_from` by then. Raises Busy where somebody else has the lease.
        """

        def send(fence: str, following: str) -> None:
            fences.change(lease.cluster.client, [fences.down(fence), fences.up(following), *actions])

        because = f"aliases of the copy {self._name}"
        line = history.audit(owner.who, what, "", because)
        with (
            translate_errors(self._cluster, f"moving aliases of {self._cluster.target}"),
            lease_store.lease(self._cluster, owner, wait=0, listener=_ignore) as ledger,
        ):
            if self.state() != asked_from:
                return
            found = self._look()
            if asked_from == "beside":
                self._require_aliases(found)
            actions = list(moving(found))
            lease = OpenSearchLease(self._cluster, ledger)
            lease.write_atomically(what, send, lambda: line, {})


def living(indexes: Mapping[str, Mapping[str, Any]], prefix: str) -> list[str]:
    """Return the indexes below `prefix` that an alias outside of it leads to: applications read and write them."""
    return sorted(
        name
        for name, body in indexes.items()
        if name.startswith(prefix) and any(not each.startswith(prefix) for each in body.get("aliases") or ())
    )


def require_unused(
    cluster: Cluster, indexes: Mapping[str, Mapping[str, Any]], prefix: str, name: str
) -> None:
    """Raise Refused where the copy `name` has the place of the database: it is no copy any more."""
    if used := living(indexes, prefix):
        raise Refused(
            f"the copy {name} has the place of {cluster.target}",
            because=f"aliases of applications lead to {listed(used)}",
            try_=Hint(
                "give it back first: ",
                call("snapshot swap", "--release", name.removeprefix("r"), "--back", about=cluster.target),
            ),
        )


def _remove(index: str, alias: str) -> Action:
    return {"remove": {"index": index, "alias": alias, "must_exist": True}}


def _add(index: str, alias: str, defined: Mapping[str, Any]) -> Action:
    kept = {each: defined[each] for each in _FIELDS if each in defined}
    return {"add": {"index": index, "alias": alias, **kept}}


def _ignore(_: Event) -> None:
    """What a lease tells while it is waited for: nothing is."""
