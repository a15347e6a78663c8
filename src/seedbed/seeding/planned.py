"""Files -> seeds as they are shown before they are loaded. Nothing of them is run, and no rows are kept."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from functools import partial

from seedbed.errors import collected
from seedbed.model.migration import StepText
from seedbed.model.seed import PlannedSeed, RowSource, Script, SeedFile, SeedKind
from seedbed.seeding.dataset import in_order
from seedbed.seeding.decoding import whole
from seedbed.seeding.digests import Digesting
from seedbed.seeding.directives import leading, table_and_key
from seedbed.seeding.programs import compiled
from seedbed.seeding.sources import open_seed

_READ = 1_000  # rows in memory while they are counted

OpenSeed = Callable[[SeedFile], RowSource | Script]
TextOfScript = Callable[[Script], StepText]


def planned_seeds(
    kind: SeedKind,
    files: Iterable[SeedFile],
    *,
    platform: str,
    scripts: Collection[str],
    vary: bool,
    text_of: TextOfScript,
) -> tuple[PlannedSeed, ...]:
    """Return what loading `files` would load, in that order. Raises what is wrong with any of them: SeedFileErrors.

    `vary`: as for a dataset. `text_of`: what a script of the engine's own sends; it raises what has no place there.
    """
    opened = partial(open_seed, platform=platform, scripts=scripts, vary=vary)
    one = partial(_planned, kind, opened, text_of)
    return tuple(collected(partial(one, file) for file in in_order(files)))


def _planned(kind: SeedKind, opened: OpenSeed, text_of: TextOfScript, file: SeedFile) -> PlannedSeed:
    digesting = Digesting(file)
    if file.suffix == ".py":
        return _program(kind, digesting)
    source = opened(digesting.file)
    if isinstance(source, Script):
        return PlannedSeed(kind, file.path, "", digesting.sha256, None, text_of(source))
    rows = sum(len(batch.rows) for batch in source.batches(_READ))
    return PlannedSeed(kind, file.path, source.table, digesting.sha256, rows)


def _program(kind: SeedKind, digesting: Digesting) -> PlannedSeed:
    """Return the seed that a `.py` is. It is to be reviewed before it runs, so it does not."""
    path = digesting.file.path
    text = whole(digesting.file)
    table, _ = table_and_key(leading(text), path)
    compiled(text, path)
    return PlannedSeed(kind, path, table, digesting.sha256, None, StepText(text, ()))
