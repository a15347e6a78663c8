"""The lease on a real cluster: what an owner that lost it can still do, which is nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest
from msgspec.structs import replace

from seedbed.engines.opensearch.rest import path
from seedbed.engines.opensearch.schema.names import HISTORY
from seedbed.engines.opensearch.store import fences, history
from seedbed.engines.opensearch.store.history import Intent
from seedbed.engines.opensearch.store.lease import OpenSearchLease
from seedbed.engines.opensearch.wire.errors import RequestFailed
from seedbed.errors import LeaseLost
from seedbed.model.history import Revision, RevisionState
from seedbed.model.migration import Phase
from tests.support.opensearch.stage import Stage, stage
from tests.support.opensearch.works import Killed, aliases, indexes, killed, revision

DONE = Revision("20260101000001", "some", "0" * 64, Phase.EXPAND, owner="test")
BEGUN = replace(DONE, state=RevisionState.STARTED, in_step=True)


@pytest.fixture
def here(opensearch_settings: Mapping[str, str]) -> Iterator[Stage]:
    with stage(opensearch_settings) as made:
        yield made


def rolls(lease: OpenSearchLease, fence: str) -> None:
    """Make the index `orders` behind `fence`, as a step does."""
    lease.cluster.client.call("POST", path(fence, "_rollover", "orders"), {})


def intends(lease: OpenSearchLease) -> str:
    """Note what is about to be sent, as a step does before it sends; return the fence that it takes down."""
    lease.ledger.intend(
        Intent(lease.ledger.fence, history.document(DONE), history.document(BEGUN), "some: PUT /orders")
    )
    return lease.ledger.fence


def test_a_request_that_arrives_after_another_run_took_over_is_refused_by_the_server(here: Stage) -> None:
    with here.lease() as lease:
        fence = intends(lease)
        here.session.unlock(actor="eve")
        with here.lease("eve"), pytest.raises(RequestFailed):
            rolls(lease, fence)
    assert "orders" not in indexes(here)
    assert revision(here) is None


def test_a_request_that_arrives_after_an_unlock_that_nobody_followed_is_refused_as_well(here: Stage) -> None:
    with here.lease() as lease:
        fence = intends(lease)
        here.session.unlock(actor="eve")
        with pytest.raises(RequestFailed):
            rolls(lease, fence)
    with here.lease("eve"):
        pass
    assert "orders" not in indexes(here)
    assert revision(here) is None


def test_a_step_that_took_effect_before_its_runner_died_is_recorded_by_the_next(here: Stage) -> None:
    def dies(fence: str, _: str) -> None:
        rolls(lease, fence)
        raise Killed

    with killed(), here.lease() as lease:
        lease.write_atomically(
            "some", dies, lambda: history.document(DONE), history.document(BEGUN), moves=True
        )
    assert revision(here) is None
    with here.lease("eve"):
        assert revision(here) is not None
    assert "orders" in indexes(here)
    assert aliases(here) == {}  # the fence stands on the history again
    found = fences.position(here.client)
    assert [index for index, _ in found.found] == [HISTORY]


def test_an_unlock_between_effect_and_record_forgets_neither(here: Stage) -> None:
    with here.lease() as lease:
        rolls(lease, intends(lease))
        here.session.unlock(actor="eve")
    with here.lease("ben"):
        found = revision(here)
    assert found is not None
    assert found.state is RevisionState.APPLIED


def test_where_somebody_took_the_fence_down_by_hand_the_step_counts_as_begun(here: Stage) -> None:
    with here.lease() as lease:
        fence = intends(lease)
        here.client.call("POST", "/_aliases", {"actions": [{"remove": {"index": HISTORY, "alias": fence}}]})
    with here.lease("eve"):
        found = revision(here)
    assert found is not None
    assert (found.state, found.in_step) == (RevisionState.STARTED, True)


def test_a_swap_of_aliases_and_its_record_are_both_made_or_neither(here: Stage) -> None:
    here.index("lessons-1", alias="lessons")
    here.index("lessons-2")
    swap: list[fences.Action] = [
        {"remove": {"index": "lessons-1", "alias": "lessons", "must_exist": True}},
        {"add": {"index": "lessons-2", "alias": "lessons"}},
    ]

    def send(fence: str, following: str) -> None:
        fences.change(here.client, [fences.down(fence), fences.up(following), *swap])

    swapped = history.document(replace(BEGUN, checkpoint="swapped"))
    with here.lease() as lease:
        lease.write_atomically("swap", send, lambda: swapped, {})
        assert aliases(here) == {"lessons": "lessons-2"}
        with pytest.raises(RequestFailed):
            lease.write_atomically("swap", send, lambda: history.document(DONE), {})
        found = revision(here)
    assert found is not None
    assert found.checkpoint == "swapped"
    assert aliases(here) == {"lessons": "lessons-2"}


def test_a_change_that_was_written_and_not_spread_yet_is_seen_and_completed_by_the_next(here: Stage) -> None:
    with here.lease():
        pass
    cluster, client = here.session.cluster, here.client
    seen = history.read_state(cluster)
    after = replace(seen.stored, sequence=seen.stored.sequence + 1, pending=history.document(DONE))
    assert history.write_state(client, seen, after) is not None
    assert revision(here) is not None
    with here.lease("eve"):
        stored = client.call("GET", f"/{HISTORY}/_doc/revision:{DONE.version}")
    assert stored["_version"] == after.sequence


def test_a_record_that_arrives_late_changes_nothing(here: Stage) -> None:
    with here.lease() as lease:
        lease.commit(BEGUN)
        old = lease.ledger.stored
        lease.commit(replace(DONE, checksum="1" * 64))
        history.write_pending(here.client, old)
        lease.write(history.gone(DONE.version))
        history.write_pending(here.client, old)
    assert revision(here) is None


def test_a_record_that_arrives_after_the_history_is_gone_makes_no_new_one(here: Stage) -> None:
    with here.lease() as lease:
        here.client.call("DELETE", f"/{HISTORY}")
        with pytest.raises(LeaseLost):
            lease.commit(DONE)
        with pytest.raises(RequestFailed):
            history.write_pending(here.client, replace(lease.ledger.stored, pending=history.document(DONE)))
    assert history.read_state(here.session.cluster).seq_no == -1


def test_a_lease_that_was_ended_is_noticed_at_the_next_look(here: Stage) -> None:
    with here.lease() as lease:
        here.session.unlock(actor="eve")
        lease.check()  # asks nobody, and knows nothing yet
        with pytest.raises(LeaseLost):
            lease.confirm()
        with pytest.raises(LeaseLost):
            lease.check()


def test_what_was_seen_of_a_successor_is_nothing_to_build_on(here: Stage) -> None:
    with here.lease() as lease:
        here.session.unlock(actor="eve")
        with here.lease("eve") as successor:
            successor.write(history.document(BEGUN))
            before = history.read_state(here.session.cluster).stored
            lease.held.store.read(anyway=True)  # as a look does, right before it says that the lease is lost
            lease.held.heartbeat()
            with pytest.raises(LeaseLost):
                lease.commit(DONE)
            after = history.read_state(here.session.cluster).stored
            assert (after.holder, after.sequence) == (before.holder, before.sequence)
            assert revision(here) is not None
            successor.confirm()


def test_a_long_history_is_read_whole(here: Stage) -> None:
    many: dict[str, history.Document] = {}
    for number in range(1100):
        many |= history.document(replace(DONE, version=f"{20260101000000 + number}"))
    with here.lease() as lease:
        lease.write(many)
        lease.commit(DONE)  # so that the many are not pending any more
    assert len(here.session.history().revisions) == 1100
