"""The order across databases: each keeps its own version order, `after=` ties them together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from seedbed.errors import UsageError
from seedbed.model.migration import MigrationRef
from seedbed.model.plan import Action

Edges = Mapping[MigrationRef, Sequence[tuple[MigrationRef, str]]]


def stages(chains: Sequence[Sequence[Action]]) -> tuple[tuple[MigrationRef, ...], ...]:
    """Return refs in stages; what stands in one stage needs nothing of another database in the same stage.

    `chains` are the databases' actions in their own order. Raises UsageError for a cycle, drawing it.
    """
    edges = _edges(chains)
    _refuse_cycle(edges)
    stage: dict[MigrationRef, int] = {}
    for ref in _topological(edges):
        stage[ref] = max(
            (stage[before] + (before.database != ref.database) for before, _ in edges[ref]), default=0
        )
    depth = max(stage.values(), default=-1) + 1
    return tuple(tuple(ref for ref in stage if stage[ref] == number) for number in range(depth))


def _edges(chains: Sequence[Sequence[Action]]) -> Edges:
    planned = {action.ref for chain in chains for action in chain}
    edges: dict[MigrationRef, list[tuple[MigrationRef, str]]] = {}
    for chain in chains:
        previous: MigrationRef | None = None
        for action in chain:
            before = [(ref, "after=") for ref in action.waits_for if ref in planned]
            if previous:
                before.append((previous, "comes later in the same database than"))
            edges[action.ref] = before
            previous = action.ref
    return edges


def _topological(edges: Edges) -> list[MigrationRef]:
    done: dict[MigrationRef, None] = {}
    for start in edges:
        stack = [(start, False)]
        while stack:
            ref, ready = stack.pop()
            if ref in done:
                continue
            if ready:
                done[ref] = None
                continue
            stack.append((ref, True))
            stack.extend((before, False) for before, _ in edges[ref] if before not in done)
    return list(done)


def _refuse_cycle(edges: Edges) -> None:
    finished: set[MigrationRef] = set()
    for start in edges:
        path: list[MigrationRef] = []
        on_path: set[MigrationRef] = set()
        stack: list[tuple[MigrationRef, int]] = [(start, 0)]
        while stack:
            ref, position = stack.pop()
            if position == 0:
                if ref in finished:
                    continue
                path.append(ref)
                on_path.add(ref)
            if position < len(edges[ref]):
                stack.append((ref, position + 1))
                following = edges[ref][position][0]
                if following in on_path:
                    raise _cycle([*path[path.index(following) :], following], edges)
                if following not in finished:
                    stack.append((following, 0))
                continue
            finished.add(ref)
            on_path.discard(path.pop())


def _cycle(path: Sequence[MigrationRef], edges: Edges) -> UsageError:
    lines = [f"      {path[0]}"]
    for ref, following in pairwise(path):
        why = next(reason for before, reason in edges[ref] if before == following)
        lines += [f"        │ {why}", "        ▼", f"      {following}"]
    return UsageError(
        "the order of the migrations runs in a circle:\n" + "\n".join(lines),
        because="each of them would have to be applied before the other",
        try_="take one after= out, or split the migration that carries it",
    )
