"""Volume on a real cluster: all of it arrives, and is counted."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping

import pytest

from seedbed.engines.opensearch.seeds import bulk
from seedbed.engines.opensearch.seeds.bulk import BulkWriter, ItemRefused
from seedbed.errors import LeaseLost
from seedbed.model.seed import Dataset, SeedKind
from tests.support.opensearch.stage import Stage, rows, stage


@pytest.fixture
def here(opensearch_settings: Mapping[str, str]) -> Iterator[Stage]:
    with stage(opensearch_settings) as made:
        made.index("lessons-1", alias="lessons", n="long", text="text")
        yield made


def test_a_volume_is_all_there_and_counted_and_may_be_loaded_again(here: Stage) -> None:
    part = rows(
        "lessons", "_id n text", *((f"{at:05}", at, None if at % 2 else "x" * 500) for at in range(5000))
    )
    assert here.load(part, kind=SeedKind.VOLUME) == [(5000, 0, 0)]
    found = here.documents("lessons")
    assert len(found) == 5000
    assert found["00001"] == {"n": 1}
    assert sum(each["n"] for each in found.values()) == sum(range(5000))
    assert here.load(part, kind=SeedKind.VOLUME) == [(0, 5000, 0)]


def test_external_versions_lose_to_later_ones_and_repeat_without_harm(here: Stage) -> None:
    conflicts: list[str] = []
    for version, document in ((5, b'{"n": 5}'), (5, b'{"n": 6}'), (4, b'{"n": 4}'), (7, b'{"n": 7}')):
        writer = BulkWriter(here.client, "lessons-1", on_conflict=conflicts.append)
        writer.index("a", document, version=version)
        writer.flush()
    assert conflicts == ["a", "a"]
    writer = BulkWriter(here.client, "lessons-1", on_conflict=conflicts.append)
    writer.delete("a", version=6)
    writer.delete("b", version=1)
    writer.flush()
    assert (writer.counts.conflicts, writer.counts.deleted) == (1, 0)
    here.client.call("POST", "/lessons/_refresh")
    assert here.documents("lessons") == {"a": {"n": 7}}


def test_one_failing_document_among_many_is_found(here: Stage) -> None:
    documents = ((str(at), {"n": at if at != 777 else "x"}) for at in range(1000))
    with pytest.raises(ItemRefused) as caught:
        bulk.load(here.client, "lessons", documents)
    assert caught.value.id == "777"
    assert caught.value.because == (
        "mapper_parsing_exception: failed to parse field [n] of type [long] in document with id '777'."
        " Preview of field's value: 'x'; For input string: \"x\""
    )


def test_a_missing_alias_makes_no_index_of_its_name(here: Stage) -> None:
    with pytest.raises(ItemRefused, match="nope"):
        bulk.load(here.client, "nope", [("a", {"n": 1})], require_alias=True)
    assert "nope" not in here.client.call("GET", "/_all")


def test_a_lease_that_is_gone_ends_a_volume_on_its_way(here: Stage) -> None:
    def values() -> Iterator[tuple[str, dict[str, object]]]:
        for at in range(3000):
            if at == 1500:
                taken.set()
                gone.wait(60)
            yield str(at), {"n": at}

    taken, gone = threading.Event(), threading.Event()

    def unlock() -> None:
        taken.wait(60)
        here.session.unlock(actor="eve@desk")
        gone.set()

    thread = threading.Thread(target=unlock)
    thread.start()
    with here.lease() as lease, pytest.raises(LeaseLost):
        bulk.load(here.client, "lessons", values(), before=lease.confirm, most=500)
    thread.join()
    here.client.call("POST", "/lessons/_refresh")
    assert len(here.documents("lessons")) == 1000


def test_interrupting_ends_a_volume(here: Stage) -> None:
    from seedbed.errors import Interrupted

    part = rows("lessons", "_id n", *((str(at), at) for at in range(100)))
    with here.lease() as lease:
        here.session.interrupt()
        with pytest.raises(Interrupted):
            list(lease.bulk_load(Dataset(SeedKind.VOLUME, (part,))))
