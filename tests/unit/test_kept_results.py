"""What `verify` keeps in the databases that it read, and what it does not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from seedbed.engines.kit import verified
from seedbed.errors import Interrupted, StepFailed
from seedbed.execution import keeping
from seedbed.model.history import History, Revision, RevisionState
from seedbed.model.migration import Phase
from seedbed.model.platform import DatabaseId, Expectation, Field, Query, Reference
from seedbed.model.seed import SeedKind
from seedbed.model.verification import Verdict, Verification
from seedbed.model.verified import (
    MOST,
    NEWEST,
    Claim,
    Finding,
    Stretch,
    Verified,
    VerifyRecord,
    claim,
    findings,
    history_digest,
    superfluous,
)
from seedbed.planning.verified_history import claim_history
from seedbed.project import Run
from seedbed.testing import reference
from seedbed.testing.reference.sandbox import Server, embedded
from seedbed.testing.reference.session import MemorySession
from tests.support.shop import CART, SHOP, USER, Shop

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def reference_engine() -> Iterator[None]:
    with reference.installed():
        yield


@pytest.fixture
def server(short_path: Path) -> Iterator[Server]:
    with embedded(short_path / "server") as running:
        yield running


@pytest.fixture
def shop(tmp_path: Path, server: Server) -> Shop:
    found = Shop(tmp_path, server)
    with found.run("staging") as run:
        run.apply()
        run.seed([SeedKind.FIXTURE])
    return found


def test_where_a_table_is_missing_what_is_pending_is_told(tmp_path: Path, server: Server) -> None:
    shop = Shop(tmp_path, server)
    with shop.run("staging") as run:
        errors = [each.error for each in run.reading(shop.references).fields]
        errors += [each.error for each in run.verify(shop.references).references]
    told = {(each.what, each.because.partition("; ")[2], each.try_) for each in errors if each}
    assert ("there is no table orders", "1 migration is pending in shop/memory", "seedbed apply -e ENV") in {
        (what, because, try_[:20]) for what, because, try_ in told
    }
    assert len(told) == 3
    assert all(errors)


def test_where_a_contract_stands_before_what_is_missing_the_way_past_it_is_told(
    tmp_path: Path, server: Server
) -> None:
    shop = Shop(tmp_path, server)
    for service in ("shop", "user"):
        shop.migration(service, "20260101000000", phase="contract")  # before what makes the table
    for environment, way in (
        ("prod", "say overtake=20260101000000 in the expands"),
        ("staging", "seedbed apply"),
    ):
        with shop.run(environment) as run:
            error = run.verify(shop.references[:1]).references[0].error
        assert error is not None
        assert error.try_.startswith(way)
        waits = "the next of them, the contract 20260101000000, waits for verify"
        assert (waits in error.because) == (environment == "prod")


def kept(run: Run, database: str) -> Sequence[VerifyRecord]:
    (session,) = [each.session for each in run.connected if each.id == database]
    assert isinstance(session, MemorySession)
    return session.verified().records


def verdicts(record: VerifyRecord) -> dict[str, Verdict]:
    return {each.claim.name: each.verdict for each in record.findings}


def test_a_result_is_kept_in_ascii_which_every_database_can_hold() -> None:
    kept = VerifyRecord("7", "Zoë 😀", 0, "→ ü", {}, (), (), "1", NOW)
    text = verified.text(kept)
    assert text.isascii()
    assert verified.record(kept.id, NOW, text, "user/postgres") == kept


def test_each_database_keeps_what_touches_it_and_what_that_was_taken_on(shop: Shop) -> None:
    with shop.run("staging") as run:
        assert not run.verify(shop.references).unkept
        (user,), (order,), (cart,) = (kept(run, each) for each in (USER, SHOP, CART))
        digests = {each.id: history_digest(each.history) for each in run.connected}
    assert set(verdicts(user)) == {str_of(each) for each in shop.references}
    assert verdicts(order) == {str_of(shop.references[0]): Verdict.OK}
    assert verdicts(cart) == {str_of(shop.references[1]): Verdict.OK}
    assert user.run == order.run == cart.run
    assert user.histories == digests
    assert user.identity == f"{USER} of sample in staging"
    assert user.pending == ()
    assert 0 <= user.took < 60


def str_of(reference: Reference) -> str:
    return f"{reference.from_} → {reference.to}"


def test_a_partial_run_keeps_what_was_verified_and_nothing_else(shop: Shop) -> None:
    with shop.run("staging") as run:
        run.verify(shop.references[:1])
        (user,) = kept(run, USER)
        assert set(verdicts(user)) == {str_of(shop.references[0])}
        assert not kept(run, CART)


def test_what_could_not_be_verified_is_kept_as_that(shop: Shop) -> None:
    with shop.run("staging", silent="user") as run:
        found = run.verify(shop.references)
        assert not found.unkept
        (order,) = kept(run, SHOP)
    assert verdicts(order) == {str_of(shop.references[0]): Verdict.UNVERIFIED}
    assert set(order.histories) == {SHOP, CART}


def test_what_waits_at_migrate_is_kept_and_what_waits_for_the_gate_is_not(shop: Shop) -> None:
    shop.migration("user", "20260101000003", "migrate")
    shop.migration("user", "20260101000004", "contract")
    shop.migration("user", "20260101000005", "expand")
    shop.migration("cart", "20260101000003", "contract")
    with shop.run("staging") as run:
        run.verify(shop.references)
        assert kept(run, USER)[0].pending == ("20260101000003",)
        assert kept(run, CART)[0].pending == ()


def test_a_history_that_changes_meanwhile_is_kept_as_it_was(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.migration("user", "20260101000003", "migrate")
    with shop.run("staging") as run:
        before = history_digest(next(each.history for each in run.connected if each.id == USER))
        keep = keeping.keep

        def late(*arguments: object) -> object:
            with shop.run("staging") as other:
                other.apply()
            return keep(*arguments)  # type: ignore[arg-type]  # handed on as it came

        monkeypatch.setattr(keeping, "keep", late)
        run.verify(shop.references)
        (record,) = kept(run, USER)
        after = next(each.session.history() for each in run.connected if each.id == USER)
    assert record.histories[USER] == before != history_digest(after)


def test_a_login_that_may_only_read_keeps_nothing_and_that_is_said(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(self: MemorySession, *_: object) -> None:
        raise StepFailed(f"keeping {self.target} failed", because="permission denied")

    monkeypatch.setattr(MemorySession, "keep", denied)
    with shop.run("staging") as run:
        found = run.verify(shop.references)
        assert found.is_passed
        assert set(found.unkept) == {USER, SHOP, CART}
        assert found.unkept[USER].target == USER
        assert not kept(run, USER)


def test_a_database_that_was_never_bound_keeps_nothing_and_that_is_said(
    tmp_path: Path, server: Server
) -> None:
    shop = Shop(tmp_path, server)
    with shop.run("staging") as run:
        found = run.verify(shop.references)
        assert set(found.unkept) == {USER, SHOP, CART}
        assert "has no history" in found.unkept[USER].what


def test_a_run_that_is_stopped_between_reading_and_keeping_keeps_nothing(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    with shop.run("staging") as run:
        keep = keeping.keep

        def stopped(*arguments: object) -> object:
            run.context.stop.request()
            return keep(*arguments)  # type: ignore[arg-type]  # handed on as it came

        monkeypatch.setattr(keeping, "keep", stopped)
        with pytest.raises(Interrupted):
            run.verify(shop.references)
    with shop.run("staging") as run:
        assert not any(kept(run, each) for each in (USER, SHOP, CART))


# What a record says


def _record(number: int, days: float, *names: str) -> VerifyRecord:
    found = tuple(Finding(Claim(name, ""), Verdict.OK) for name in names)
    return VerifyRecord("", "", 0, "", {}, (), found, str(number), NOW - timedelta(days=days))


def test_of_many_records_the_newest_stay_and_the_last_of_each_earlier_day() -> None:
    hourly = [_record(number, number / 24, "a") for number in range(24 * 10)]
    gone = set(superfluous(hourly))
    left = [each for each in hourly if each.id not in gone]
    assert left[:NEWEST] == hourly[:NEWEST]
    days = [each.at.date() for each in left[NEWEST:]]
    assert len(days) == len(set(days)) > 6


def test_the_last_record_of_everything_outlives_many_partial_ones() -> None:
    records = [*(_record(number, number / 500, "a") for number in range(150)), _record(999, 0.4, "a", "b")]
    assert "999" not in superfluous(records)
    assert len(superfluous([_record(number, number) for number in range(500)])) == 500 - MOST


ORDERS = Reference(Field(DatabaseId(SHOP), "orders.user_id"), Field(DatabaseId(USER), "users.id"))


def test_a_claim_is_another_one_when_its_declaration_says_something_else() -> None:
    assert claim(ORDERS) == claim(replace(ORDERS, grace=5, time="at"))
    assert (
        len(
            {
                claim(each).declared
                for each in (ORDERS, replace(ORDERS, tolerated=0.5), replace(ORDERS, optional=True))
            }
        )
        == 3
    )
    query = Query(DatabaseId(USER), "SELECT 1")
    sums = Expectation("sums", (query,), at=None)  # type: ignore[arg-type]  # where it stands says nothing here
    assert claim(sums).name == claim(replace(sums, queries=(replace(query, text="SELECT 2"),))).name
    assert claim(sums) != claim(replace(sums, queries=(replace(query, text="SELECT 2"),)))
    assert not findings(Verification("prod"), USER)


def test_the_digest_of_a_history_is_about_what_went_through_migrate() -> None:
    def revision(version: str, phase: Phase, **more: object) -> Revision:
        return replace(Revision(version, "t", "c", phase, applied_at=NOW), **more)

    expand, fill, drop = (
        revision("1", Phase.EXPAND),
        revision("2", Phase.MIGRATE),
        revision("3", Phase.CONTRACT),
    )
    taken = history_digest(History(None, (expand, fill)))
    assert taken == history_digest(History(None, (fill, drop)))
    for other in (
        (expand,),
        (replace(fill, state=RevisionState.STARTED),),
        (replace(fill, applied_at=NOW + timedelta(seconds=1)),),
        (fill, revision("4", Phase.MIGRATE)),
    ):
        assert history_digest(History(None, other)) != taken


# From run to run


def _run(number: int, verdict: Verdict, *, is_full: bool = True, wrong: int = 0) -> VerifyRecord:
    found = (Finding(claim(ORDERS), verdict, wrong, is_full),)
    return VerifyRecord(f"r{number}", "", 0, "", {}, (), found, str(number), NOW + timedelta(days=number))


def test_a_history_says_since_when_a_reference_is_broken_and_until_when_it_was_not() -> None:
    records = [
        _run(6, Verdict.OK, is_full=False),  # says nothing of the other rows
        _run(5, Verdict.BROKEN, is_full=False, wrong=3),
        _run(4, Verdict.BROKEN, wrong=2),
        _run(2, Verdict.OK),
        _run(1, Verdict.OK),
    ]
    # The other database knows the same runs, by a clock of its own, and one more that reached it alone.
    other = [
        replace(each, at=each.at + timedelta(hours=1)) for each in (*records, _run(0, Verdict.UNVERIFIED))
    ]
    kept_ = {SHOP: Verified(tuple(records)), USER: Verified(tuple(other))}
    (found,) = claim_history([ORDERS], kept_)
    broken, ok, unverified = found.stretches
    days = [timedelta(days=number) for number in range(6)]
    assert broken == Stretch(Verdict.BROKEN, NOW + days[4], NOW + days[5], 2, 3)
    assert ok == Stretch(Verdict.OK, NOW + days[1], NOW + days[2], 2, 0)
    assert (unverified.verdict, unverified.runs) == (Verdict.UNVERIFIED, 1)
    assert claim_history([ORDERS], {})[0].stretches == ()


def test_the_history_is_read_from_the_databases_that_answer(shop: Shop) -> None:
    with shop.run("staging") as run:
        run.verify(shop.references)
        run.verify(shop.references)
    with shop.run("staging", silent="user") as run:
        found, unread = run.verified(shop.references)
    assert set(unread) == {USER}
    assert [(each.stretches[0].verdict, each.stretches[0].runs) for each in found] == [(Verdict.OK, 2)] * 2
