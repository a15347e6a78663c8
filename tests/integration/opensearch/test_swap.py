"""Aliases move to a copy, and back: by one request behind the fence, whose answer may be lost."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from seedbed.engines.opensearch.store import fences, lease_store
from seedbed.engines.opensearch.wire.client import Client
from seedbed.errors import Refused
from seedbed.project import swaps
from tests.support.opensearch.snapshot_site import DOCUMENTS, Site, opened
from tests.support.servers import Settings


@pytest.fixture
def site(tmp_path: Path, opensearch_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    with opened(tmp_path, opensearch_settings, monkeypatch) as made:
        yield made


def exchanged(site: Site, *, back: bool = False) -> Any:
    with swaps.swapping(site.snapshots, site.project.targets, site.database, 12, stop=site.stop) as found:
        planned = found.look(back=back)
        swaps.require_good(planned)
        return planned, found.carry_out(planned, disconnect=False)


def aliases(site: Site) -> dict[str, list[str]]:
    found = site.client.call("GET", "/_alias")
    named = {
        name: sorted(each for each in body["aliases"] if not each.startswith("migrations_history"))
        for name, body in found.items()
        if not name.startswith(".")
    }
    return {name: each for name, each in named.items() if each}


@pytest.mark.slow
def test_an_alias_moves_to_the_copy_and_back_and_what_has_the_place_is_no_copy(site: Site) -> None:
    site.take()
    site.client.call("PUT", "/notes-1/_doc/n0", {"text": "since", "by": "ben"}, params={"refresh": True})
    site.client.call("PUT", "/notes-1/_doc/n99", {"text": "since", "by": "ben"}, params={"refresh": True})
    site.snapshots.restore(site.database, 12)
    before = aliases(site)
    (planned, done) = exchanged(site)
    assert planned.lost[0].startswith("all that was written since ")
    assert "notes-1: 21 rows, and 20 rows in the copy" in planned.lost
    assert any(each.startswith("the index lessons stays as it is") for each in planned.lost)
    assert done.kept == "indexes with aliases r12.ai.*-before"
    assert site.documents("notes") == DOCUMENTS
    assert aliases(site) == {
        "notes-1": ["r12.ai.notes-before"],
        "r12.ai.notes-1": ["notes", "r12.ai.notes"],
    }
    assert exchanged(site)[0].is_over

    with pytest.raises(Refused, match="has the place of ai/opensearch"):
        site.snapshots.drop(site.database, "r12")
    (later,) = site.snapshots.take([site.database], 13)  # of what applications write to
    assert later.snapshot is not None
    assert "r12.ai.notes-1" in later.snapshot.parts
    site.apply()  # under the lease of a later run

    exchanged(site, back=True)
    assert aliases(site) == before
    assert len(site.documents("notes")) == 21
    assert exchanged(site, back=True)[0].is_over
    site.snapshots.drop(site.database, "r12")
    assert site.names() == ["lessons", "migrations_history", "notes-1"]
    site.snapshots.delete([site.database], release=13)


@pytest.mark.parametrize("outcome", ["done", "not done"])
def test_a_swap_whose_answer_is_lost_is_settled_by_the_fence(
    site: Site, outcome: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process ends with its request on the way: whoever comes next finds out whether it took effect."""
    site.take()
    site.snapshots.restore(site.database, 12)
    real = fences.change

    class Killed(BaseException):
        pass

    def change(client: Client, actions: Any) -> None:
        if any("notes" in json.dumps(each) for each in actions):
            if outcome == "done":
                real(client, actions)
            raise Killed
        real(client, actions)

    with monkeypatch.context() as patched:
        patched.setattr(fences, "change", change)
        with pytest.raises(Killed):
            exchanged(site)
    assert ("r12.ai.notes-1" in site.client.call("GET", "/_alias/notes")) is (outcome == "done")
    exchanged(site)
    assert [*site.client.call("GET", "/_alias/notes")] == ["r12.ai.notes-1"]
    exchanged(site, back=True)


def before_the_lease(monkeypatch: pytest.MonkeyPatch, work: Callable[[], object]) -> None:
    """Do `work` once, when a swap has looked and does not hold the lease yet."""
    real, todo = lease_store.lease, [work]

    @contextmanager
    def lease(*args: Any, **kwargs: Any) -> Iterator[Any]:
        while todo:
            todo.pop()()
        with real(*args, **kwargs) as ledger:
            yield ledger

    monkeypatch.setattr(lease_store, "lease", lease)


def test_of_two_who_swap_one_moves_aliases_as_they_are_then(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.take()
    site.snapshots.restore(site.database, 12)
    before = aliases(site)
    with monkeypatch.context() as patched:
        before_the_lease(patched, lambda: exchanged(site))
        exchanged(site)
    assert aliases(site)["r12.ai.notes-1"] == ["notes", "r12.ai.notes"]
    with monkeypatch.context() as patched:
        before_the_lease(patched, lambda: exchanged(site, back=True))
        exchanged(site, back=True)
    assert aliases(site) == before

    more = {"actions": [{"add": {"index": "lessons", "alias": "notes"}}]}
    with monkeypatch.context() as patched:
        before_the_lease(patched, lambda: site.client.call("POST", "/_aliases", more))
        exchanged(site)
    assert [*site.client.call("GET", "/_alias/notes")] == ["r12.ai.notes-1"]


def test_what_has_no_alias_takes_no_place(site: Site) -> None:
    manifest = site.root / "seedbed.toml"
    manifest.write_text(manifest.read_text().partition("[[expectations]]")[0])
    site.client.call("POST", "/_aliases", {"actions": [{"remove": {"index": "notes-1", "alias": "notes"}}]})
    site.take()
    site.snapshots.restore(site.database, 12)
    with pytest.raises(Refused, match="no alias of ai/opensearch can move"):
        exchanged(site)
