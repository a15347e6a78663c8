"""Every way round a protected environment, tried: docs/reference/what-is-refused.md is what came of it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace

from seedbed.engines.dynamodb.sandbox.world import World
from seedbed.engines.postgres.sandbox import EmbeddedServer
from tests.support.aws_proxy import proxy
from tests.support.bypass import matrix, page
from tests.support.bypass.matrix import Cell
from tests.support.bypass.site import Site, site
from tests.support.bypass.verbs import VERBS
from tests.support.bypass.ways import WAYS, prepare
from tests.support.servers import new_account

UPDATE = os.environ.get("UPDATE_GOLDEN", "") not in {"", "0"}
PLANNED = [each for each in VERBS if each.takes_plan]
TABLES = {
    page.BY_TASK: (True, True, VERBS),
    page.DIRECT: (False, True, VERBS),
    page.NO_RELEASE: (True, False, PLANNED),
    page.NO_RELEASE_DIRECT: (False, False, PLANNED),
}
Opened = Callable[[bool, bool], "Site"]


@contextmanager
def opened(room: Path, world: World, server: EmbeddedServer, table: str) -> Iterator[Site]:
    by_task, released, _ = TABLES[table]
    own = replace(world, account=new_account())
    with (
        proxy(own.endpoint) as aws,
        site(room, aws, own, server, by_task=by_task, released=released) as found,
    ):
        prepare(found)
        yield found


def _tell(line: str) -> None:
    sys.stderr.write(f"{line}\n")


@pytest.mark.soak
def test_nothing_passes_that_was_not_meant(
    tmp_path: Path, ministack_server: World, postgres_server: EmbeddedServer
) -> None:
    tables: dict[str, list[Cell]] = {}
    looks: list[matrix.Tried] = []
    for number, (table, (_, _, verbs)) in enumerate(TABLES.items()):
        with opened(tmp_path / str(number), ministack_server, postgres_server, table) as there:
            tables[table] = matrix.carried_out(there, verbs, tell=_tell)
            if table == page.DIRECT:
                looks = matrix.looks(there)
    assert [each for each in looks if each.touched] == []
    found = page.page({name: page.shown(name, cells) for name, cells in tables.items()}, page.looked(looks))
    if UPDATE:
        page.PAGE.write_text(found, encoding="utf-8")
    passed = [each for table, cells in tables.items() for each in page.not_meant(table, cells)]
    assert passed == [], "\n\n".join(passed)
    assert page.PAGE.read_text(encoding="utf-8") == found, "UPDATE_GOLDEN=1 make soak-bypass writes it anew"


SAMPLE = {
    "apply": ("as meant", "record by hand", "other table"),
    "repair VERSION": ("plain",),
}


@pytest.mark.slow(20)
def test_a_sample_of_it_is_as_the_page_says(
    tmp_path: Path, ministack_server: World, postgres_server: EmbeddedServer
) -> None:
    with opened(tmp_path, ministack_server, postgres_server, page.DIRECT) as there:
        cells = [
            each
            for verb in VERBS
            if verb.name in SAMPLE
            for each in matrix.carried_out(
                there, [verb], [way for way in WAYS if way.title in SAMPLE[verb.name]]
            )
        ]
    assert page.not_meant(page.DIRECT, cells) == []
    known = page.cells_of(page.PAGE.read_text(encoding="utf-8"), page.DIRECT)
    assert page.shown(page.DIRECT, cells) == {each: known[each] for each in page.shown(page.DIRECT, cells)}
