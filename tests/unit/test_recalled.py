"""Status and plan told from what runs left are those of the databases, and nobody is asked for them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from seedbed.documents.document import text
from seedbed.documents.plan import PlanDocument
from seedbed.documents.state import StateDocument, read
from seedbed.errors import ForeignTarget, Refused, StalePlan, Unavailable
from seedbed.model.migration import Phase
from seedbed.model.plan import Plan
from seedbed.model.remembered import Question, Remembered
from seedbed.model.status import Status
from seedbed.planning import reviewed
from seedbed.project import Project, Request, Run
from seedbed.support.phrases import ago
from seedbed.testing import reference
from seedbed.testing.reference.sandbox import Server, embedded
from tests.support.shop import FIRST, SHOP, USER, Shop
from tests.unit.golden.report import samples

AT = datetime(2026, 11, 28, 10, tzinfo=UTC)
NOW = AT + timedelta(minutes=12)
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


@pytest.mark.parametrize("gate", Phase)
@pytest.mark.parametrize("before", [nothing, through_migrate, verified, all_of_it, failed])
def test_status_and_plan_are_those_of_the_databases(
    shop: Shop, before: Callable[[Shop], None], gate: Phase
) -> None:
    before(shop)
    with shop.run("prod") as run:
        data, status, plan = left(run), run.status(), run.plan(Request(gate))
    with recalled(shop, data) as run:
        assert without_age(run.status()) == without_age(status)
        assert without_age(run.plan(Request(gate))) == without_age(plan)


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


def test_what_a_document_says_it_says_again(shop: Shop) -> None:
    known = {each.database: each for each in samples.remembered()}
    assert read(StateDocument.of("prod", known.values(), "apply").written(str), "x").remembered() == known


def test_a_run_replaces_what_it_had_open_and_leaves_what_others_saw_later() -> None:
    user, video = samples.remembered()
    first = StateDocument.of("prod", [user, video], "apply")
    later = replace(user, run="later", at=user.at + timedelta(hours=1), server="PostgreSQL 19")
    second = StateDocument.of("prod", [later], "status").over(first)
    assert second.remembered() == {user.database: later, video.database: video}
    assert second.over(None) == second
    # One that asked before, and ends after: what it saw is older.
    assert first.over(second).remembered() == second.remembered()


def test_nothing_in_the_document_is_a_secret() -> None:
    user, _ = samples.remembered()
    document = StateDocument.of("prod", [replace(user, holder="ana hunter2")], "apply")
    assert b"hunter2" not in document.written(lambda said: said.replace("hunter2", "********"))


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


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "Input data was truncated"),
        (b'{"schema": "seedbed/state/2", "seedbed": "9.0"}', "it was written by seedbed 9.0, and this is"),
        (b'{"schema": "seedbed/state/1", "seedbed": "0.1"}', "missing required field"),
    ],
)
def test_a_document_that_cannot_be_read_is_refused_with_the_way(data: bytes, said: str) -> None:
    with pytest.raises(Refused, match=r"cannot be read: s3://b/state/state\.json") as raised:
        read(data, "s3://b/state/state.json")
    assert said in raised.value.because
    assert "--fresh" in raised.value.try_


def test_what_a_later_version_adds_is_left_alone() -> None:
    data = json.loads(StateDocument.of("prod", samples.remembered(), "apply").written(str))
    data["more"] = 1
    data["databases"][0]["more"] = data["databases"][0]["revisions"][0]["more"] = {"a": 1}
    found = read(json.dumps(data).encode(), "x").remembered()
    assert found == {each.database: each for each in samples.remembered()}


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.4, "just now"),
        (1.9, "1 second ago"),
        (59.9, "59 seconds ago"),
        (745, "12 minutes ago"),
        (3600, "1 hour ago"),
        (180_000, "2 days ago"),
    ],
)
def test_an_age_is_told_in_one_unit(seconds: float, said: str) -> None:
    assert ago(seconds) == said


def test_a_clock_that_is_behind_makes_nothing_younger_than_new() -> None:
    user: Remembered = samples.remembered()[0]
    assert user.seen(user.at - timedelta(minutes=1)).age == 0
