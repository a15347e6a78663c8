"""Status and plan told from what runs left are those of the databases, and nobody is asked for them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from msgspec.structs import replace

from seedbed.documents.document import text
from seedbed.documents.plan import PlanDocument
from seedbed.documents.state import StateDocument, read
from seedbed.errors import ForeignTarget, SeedbedError, StalePlan, Unavailable
from seedbed.model.history import Owner
from seedbed.model.migration import Phase
from seedbed.model.plan import Plan
from seedbed.model.remembered import UNKNOWN_LOGINS, Question
from seedbed.model.status import Status
from seedbed.planning import reviewed
from seedbed.project import Project, Request, Run
from seedbed.testing import reference
from seedbed.testing.reference.sandbox import Server, embedded
from tests.support.shop import CART, FIRST, MANIFEST, SHOP, USER, Shop

AT = datetime(2026, 11, 28, 10, tzinfo=UTC)
NOW = AT + timedelta(minutes=12)
CART_REFERENCE = """[[references]]
from = "cart/memory:carts.user_id"
to = "user/memory:users.id"
grace = "0s"
"""
FILL, DROP = "20260101000002", "20260101000003"
TO_MIGRATE = Request(Phase.MIGRATE, unreviewed=True)
ALL = Request(unreviewed=True)


@pytest.fixture(autouse=True)
def reference_engine() -> Iterator[None]:
    with reference.installed():
        yield


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with embedded(tmp_path_factory.mktemp("memory")) as running:
        yield running


@pytest.fixture
def shop(short_path: Path, server: Server) -> Shop:
    """A shop with a backfill and a contract that wait, of the user database."""
    found = Shop(short_path, server)
    found.environ |= {
        f"{name}_MEMORY_DATABASE": f"{short_path.name}-{name}" for name in ("CART", "SHOP", "USER")
    }
    found.migration("user", FILL, "migrate")
    found.migration("user", DROP, "contract")
    return found


def left(run: Run, *, at: datetime = AT, command: str = "apply") -> bytes:
    """Return what a run leaves, as it is stored."""
    return StateDocument.of(run.environment.name, run.remembered("01J", at), command).written(str)


@contextmanager
def recalled(shop: Shop, data: bytes, *services: str, now: datetime = NOW) -> Iterator[Run]:
    """Open a run that knows what `data` says, without a variable that would say where a database is."""
    project = Project.open(shop.root, environ={})
    document = read(data, "state.json")
    chosen = project.catalog.databases(services)
    with project.recall(document.environment, chosen, document.remembered(), now=now) as run:
        yield run


def without_age(found: Plan | Status) -> Plan | Status:
    if isinstance(found, Status):
        return replace(found, databases=tuple(replace(each, seen=None) for each in found.databases))
    return replace(found, databases=tuple(replace(each, seen=None, unknown=()) for each in found.databases))


def nothing(_: Shop) -> None:
    """Leave the databases as they are: not bound yet."""


def through_migrate(shop: Shop) -> None:
    with shop.run("prod") as run:
        run.apply(TO_MIGRATE)


def verified(shop: Shop) -> None:
    through_migrate(shop)
    with shop.run("prod") as run:
        run.verify(shop.references)


def all_of_it(shop: Shop) -> None:
    verified(shop)
    with shop.run("prod") as run:
        run.apply(ALL)


def failed(shop: Shop) -> None:
    through_migrate(shop)
    shop.migration("shop", FILL, up='create more\nfail "because I say so"')
    with shop.run("prod") as run:
        run.apply(TO_MIGRATE)


def edited(shop: Shop) -> None:
    """What is applied has another file now."""
    through_migrate(shop)
    shop.migration("shop", FIRST, up="create orders\ncreate more")


def orphaned(shop: Shop) -> None:
    """What is applied has no file any more."""
    through_migrate(shop)
    (shop.root / "services" / "user" / "memory" / "migrations" / f"{FILL}_t.mem").unlink()


def overtaken(shop: Shop) -> None:
    """What came in later stands before what is applied."""
    through_migrate(shop)
    shop.migration("user", f"{FIRST}1", up="create late")


def told(call: Callable[[], Plan | Status]) -> object:
    """Return what `call` does without its age, or what it raises: that is the same, too."""
    try:
        return without_age(call())
    except SeedbedError as error:
        return type(error), error.what, error.because, error.try_


@pytest.mark.parametrize(
    "before", [nothing, through_migrate, verified, all_of_it, failed, edited, orphaned, overtaken]
)
def test_status_and_plan_are_those_of_the_databases(shop: Shop, before: Callable[[Shop], None]) -> None:
    before(shop)
    with shop.run("prod") as run:
        data, status = left(run), told(run.status)
        plans = [told(partial(run.plan, Request(gate))) for gate in Phase]
    with recalled(shop, data) as run:
        assert told(run.status) == status
        assert [told(partial(run.plan, Request(gate))) for gate in Phase] == plans


def test_who_is_at_work_besides_the_run_that_left_it_is_told_as_the_database_tells_it(shop: Shop) -> None:
    through_migrate(shop)
    with shop.run("prod") as other, shop.run("prod") as run:
        session, owner = other.connected[2].session, Owner("0a" * 16, "ana@laptop pid 4711")
        with session.lease(owner, wait=1, listener=lambda _: None):
            data, status = left(run), told(run.status)
    with recalled(shop, data) as run:
        assert told(run.status) == status
        assert "ana@laptop" in run.status().databases[2].holder


def test_a_database_that_is_no_longer_declared_is_left_alone_and_kept(shop: Shop) -> None:
    all_of_it(shop)
    with shop.run("prod") as run:
        data = left(run)
    shop.declare(MANIFEST.replace("[services.cart.memory]\n", "").replace(CART_REFERENCE, ""))
    with recalled(shop, data) as run:
        assert [each.database for each in run.status().databases] == [SHOP, USER]
    with shop.run("prod") as run:
        again = read(left(run, at=NOW), "x")
    kept = again.over(read(data, "x"), NOW).remembered()
    assert (sorted(kept), kept[CART].at, kept[SHOP].at) == ([CART, SHOP, USER], AT, NOW)


def test_logins_that_lack_something_are_told_and_where_nobody_knows_that_is_told(shop: Shop) -> None:
    all_of_it(shop)
    with shop.run("prod") as run:
        cart, shop_, user = run.remembered("01J", AT)
    seen = [cart, replace(shop_, logins=("make the login shop_app",)), replace(user, logins=None)]
    with recalled(shop, StateDocument.of("prod", seen, "apply").written(str)) as run:
        plan, status = run.plan(ALL), run.status()
    assert (plan.of(SHOP).logins, plan.of(USER).logins) == (("make the login shop_app",), ())
    assert [plan.of(each).unknown for each in (CART, SHOP, USER)] == [(), (), (UNKNOWN_LOGINS,)]
    assert [each.logins for each in status.databases] == [(), ("make the login shop_app",), ()]
    assert not plan.is_empty


def test_how_old_it_is_and_what_nobody_was_asked_is_said(shop: Shop) -> None:
    through_migrate(shop)
    with shop.run("prod") as run:
        data = left(run)
    with recalled(shop, data) as run:
        plan, status = run.plan(ALL), run.status()
    assert [each.seen and each.seen.age for each in status.databases] == [720.0] * 3
    assert plan.of(USER).seen == status.databases[2].seen
    assert plan.of(USER).unknown == (Question.NAMES.words,)
    assert plan.of(SHOP).unknown == ()  # there is nothing to do
    document = json.loads(text(PlanDocument.of(plan, "plan")))
    assert document["databases"][2]["seen"] == {
        "run": "01J",
        "at": "2026-11-28T10:00:00Z",
        "age_seconds": 720.0,
        "changed_at": None,
    }


def test_a_pull_request_is_planned_and_the_plan_is_bound_to_the_history_that_it_was_made_from(
    shop: Shop,
) -> None:
    through_migrate(shop)
    with shop.run("prod") as run:
        data = left(run)
    shop.migration("shop", "20260101000009", up="create invoices")
    with recalled(shop, data) as run:
        plan = run.plan(TO_MIGRATE)
    assert [each.migration.version for each in plan.of(SHOP).actions] == ["20260101000009"]
    request = Request.of(reviewed.read(text(PlanDocument.of(plan, "plan")).encode(), "plan.json"))
    with shop.run("prod") as run:
        assert run.apply(request).exit_code == 0
    shop.migration("shop", "20260101000010", up="create parcels")
    with recalled(shop, data) as run:  # the databases went on since
        plan = run.plan(TO_MIGRATE)
    request = Request.of(reviewed.read(text(PlanDocument.of(plan, "plan")).encode(), "plan.json"))
    shop.migration("shop", "20260101000011", up="create stamps")
    with shop.run("prod") as run:
        with pytest.raises(StalePlan):
            run.apply(request)
        assert not run.connected[1].session.history().revision("20260101000010")


def test_what_a_selection_comes_after_is_known_from_the_document_too(shop: Shop) -> None:
    shop.migration("shop", FILL, after=f"{USER}:{FILL}")
    with shop.run("prod") as run:
        data = left(run)
        with pytest.raises(Exception, match="pending and not selected") as live, one(shop, "shop") as narrow:
            narrow.plan(ALL)
    with (
        recalled(shop, data, "shop") as run,
        pytest.raises(type(live.value), match="pending and not selected"),
    ):
        run.plan(ALL)
    through_migrate(shop)
    with shop.run("prod") as run:
        data = left(run)
    with recalled(shop, data, "shop") as run:
        assert run.plan(ALL).of(SHOP).actions == ()


def one(shop: Shop, service: str) -> AbstractContextManager[Run]:
    project = Project.open(shop.root, environ=shop.environ)
    return project.run("prod", project.catalog.databases([service]))


def test_a_database_that_no_run_has_seen_is_told_with_the_way_and_the_others_are_told(shop: Shop) -> None:
    with one(shop, "shop") as run:
        run.apply(ALL)
        data = left(run)
    with recalled(shop, data) as run:
        told = run.status()
    with (
        recalled(shop, data, "cart") as run,
        pytest.raises(Unavailable, match="nothing is known of cart/memory"),
    ):
        run.require_connected()
    cart, shop_, user = told.databases
    assert cart.error
    assert "--fresh" in cart.error.try_
    assert user.error
    assert not shop_.error
    assert shop_.migrations[0].version == FIRST


def test_a_document_of_another_environment_is_refused(shop: Shop) -> None:
    all_of_it(shop)
    with shop.run("prod") as run:
        data = left(run)
    other = replace(read(data, "state.json"), environment="staging")
    with pytest.raises(ForeignTarget), recalled(shop, other.written(str), "shop"):
        pass


def test_who_is_at_work_and_what_was_applied_in_an_interrupted_run_is_left(shop: Shop) -> None:
    through_migrate(shop)
    with shop.run("prod") as run:
        run.connected[0].session.interrupt()
        data = left(run)
    with recalled(shop, data) as run:
        assert [len(each.migrations) for each in run.status().databases] == [1, 1, 3]
        assert run.failed == {}


def test_of_what_verify_kept_that_is_left_which_contracts_ask_for(shop: Shop) -> None:
    verified(shop)
    with shop.run("prod") as run:
        run.verify(shop.references)
        run.verify(shop.references[:1])
        (user,) = [each for each in run.remembered("01J", AT) if each.database == USER]
    kept = read(StateDocument.of("prod", [user], "verify").written(str), "x").remembered()[USER].verified
    assert len(user.verified.records) == 3
    assert [len(each.findings) for each in kept.records] == [1, 2]
    assert kept.now == user.verified.now


def test_what_was_verified_grows_old_while_it_is_remembered(shop: Shop) -> None:
    verified(shop)
    with shop.run("prod") as run:
        data = left(run)
    with recalled(shop, data) as run:
        assert run.plan(ALL).of(USER).unverified == ()
    with recalled(shop, data, now=AT + timedelta(hours=25)) as run:
        assert any("older than 24 h" in each.what for each in run.plan(ALL).of(USER).unverified)
