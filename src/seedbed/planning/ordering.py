"""The order across databases: each keeps its own version order, `after=` ties them together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise

from seedbed.errors import UsageError
from seedbed.model.migration import MigrationRef
from seedbed.model.plan import Action

Edges = Mapping[MigrationRef, Sequence[tuple[MigrationRef, str]]]


def stages(chains: Sequence[Sequence[Action]]) -> tuple[tuple[MigrationRef, ...], ...]:
    """Return refs in stages; what stands in one stage needs nothing of another database in the same stage.

    `chains` are the databases' actions in their own order, which a stage keeps. Raises UsageError for a cycle,
    drawing it.
    """
    if not any(
        action.waits_for for chain in chains for action in chain
    ):  # the usual case, even with thousands
        refs = tuple(action.ref for chain in chains for action in chain)
        return (refs,) if refs else ()
    edges = _edges(chains)
    stage: dict[MigrationRef, int] = {}
    for ref in _topological(edges):
        stage[ref] = max(
            (stage[before] + (before.database != ref.database) for before, _ in edges[ref]), default=0
        )
    found: list[list[MigrationRef]] = [[] for _ in range(max(stage.values(), default=-1) + 1)]
    for ref in edges:
        found[stage[ref]].append(ref)
    return tuple(map(tuple, found))


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
    """Return all refs, each after those that it waits for. Raises UsageError for a cycle."""
    sorter = TopologicalSorter({ref: [before for before, _ in befores] for ref, befores in edges.items()})
    try:
        return list(sorter.static_order())
    except CycleError as error:
        raise _cycle(error.args[1][::-1], edges) from None  # graphlib goes from what is first to what waits


def _cycle(path: Sequence[MigrationRef], edges: Edges) -> UsageError:
    lines = [f"      {path[0]}"]
    for ref, following in pairwise(path):
        why = next(reason for before, reason in edges[ref] if before == following)
        lines += [f"        │ {why}", "        ▼", f"      {following}"]
    return UsageError(
        "the migrations form a cycle:\n" + "\n".join(lines),
        because="each of them would have to be applied before the other",
        try_="remove one after=, or split the migration that declares it",
    )
