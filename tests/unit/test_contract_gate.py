"""A contract of a protected environment waits for a passing `verify` of all that touches its database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from seedbed.documents.plan import PlanDocument
from seedbed.errors import ExitCode, Refused
from seedbed.execution import connecting, executing
from seedbed.model.history import Identity
from seedbed.model.migration import Phase
from seedbed.model.seed import SeedKind
from seedbed.model.verification import Verdict
from seedbed.model.verified import Verified
from seedbed.planning.verified import contracts
from seedbed.project import Request, Run
from seedbed.testing import reference
from seedbed.testing.reference.sandbox import Server, embedded
from seedbed.testing.reference.session import MemorySession
from tests.support.shop import CART, MANIFEST, SHOP, USER, Shop

FILL, DROP = "20260101000002", "20260101000003"
GO = Request(unreviewed=True)
TO_MIGRATE = Request(Phase.MIGRATE, unreviewed=True)


@pytest.fixture(autouse=True)
def reference_engine() -> Iterator[None]:
    with reference.installed():
        yield


@pytest.fixture
def server(short_path: Path) -> Iterator[Server]:
    with embedded(short_path / "server") as running:
        yield running


@pytest.fixture
def shop(tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """Its user database has a backfill, applied, and a contract, pending; nothing was verified."""
    found = Shop(tmp_path, server)
    found.migration("user", FILL, "migrate")
    found.migration("user", DROP, "contract")
    with found.run("prod") as run:
        run.apply(TO_MIGRATE)
    fill(found, monkeypatch)
    return found


def fill(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Load the rows as an application would: no fixture goes into a protected environment."""
    with monkeypatch.context() as patched, shop.run("prod") as run:
        patched.setattr("seedbed.project.protection.require_reviewed_seeds", lambda *_: None)
        run.seed([SeedKind.FIXTURE])


def missing(run: Run, database: str = USER) -> list[str]:
    return [each.what for each in run.plan(GO).of(database).unverified]


def is_applied(run: Run, version: str = DROP, database: str = USER) -> bool:
    (session,) = [each.session for each in run.connected if each.id == database]
    return session.history().revision(version) is not None


def refused(run: Run, database: str = USER, *, version: str = DROP) -> str:
    """Apply; return why it was refused, nothing having changed."""
    with pytest.raises(Refused) as raised:
        run.apply(GO)
    assert raised.value.exit_code is ExitCode.REFUSED
    assert f"contracts of {database} wait for verify" in raised.value.what
    assert not is_applied(run, version, database)
    return raised.value.because


def passes(run: Run) -> None:
    assert missing(run) == []
    assert run.apply(GO).exit_code is ExitCode.DONE
    assert is_applied(run)


def test_without_a_verify_the_plan_says_what_is_missing_and_apply_refuses(shop: Shop) -> None:
    with shop.run("prod") as run:
        (what,) = missing(run)
        assert what == (
            "never verified: shop/memory:orders.user_id → user/memory:users.id;"
            " cart/memory:carts.user_id → user/memory:users.id"
        )
        assert refused(run) == f"{USER}: {what}"
        (entry,) = PlanDocument.of(run.plan(GO), "plan").databases[2].unverified
        assert (entry.version, entry.what, entry.try_) == (DROP, what, "seedbed verify -e prod")


def test_a_verify_that_passed_lets_it_through(shop: Shop) -> None:
    with shop.run("prod") as run:
        run.verify(shop.references)
        passes(run)


def test_elsewhere_nothing_is_wanted(tmp_path: Path, server: Server) -> None:
    shop = Shop(tmp_path, server)
    shop.migration("user", DROP, "contract")
    with shop.run("staging") as run:
        passes(run)


def test_one_that_is_older_than_it_may_be_is_not_enough(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    with shop.run("prod") as run:
        run.verify(shop.references)
        _later(monkeypatch, hours=25)
        assert "is older than 24 h" in refused(run)
        shop.declare(MANIFEST.replace("protected = true", 'protected = true\nverify_max_age = "26h"'))
    with shop.run("prod") as run:
        passes(run)


def test_what_is_broken_in_a_reference_of_another_database_alone_is_let_through(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.migration("cart", DROP, "contract")
    shop.rows("shop", "id,user_id\n1,8\n")
    fill(shop, monkeypatch)
    with shop.run("prod") as run:
        assert not run.verify(shop.references).is_passed
        assert missing(run, CART) == []
        (what,) = missing(run)
        assert what.startswith(
            "shop/memory:orders.user_id → user/memory:users.id is broken: 1 wrong, verified at"
        )
        assert refused(run).startswith(f"{USER}: shop/memory:orders.user_id")


def test_what_is_broken_in_a_reference_that_touches_it_is_not(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.migration("shop", DROP, "contract")
    shop.rows("shop", "id,user_id\n1,8\n")
    fill(shop, monkeypatch)
    with shop.run("prod") as run:
        run.verify(shop.references)
        assert "is broken: 1 wrong" in missing(run, SHOP)[0]
        # The parent's side as well: what users lack, a contract of users may have taken.
        assert "is broken: 1 wrong" in missing(run, USER)[0]


def test_one_that_passed_before_the_last_backfill_is_not_enough(shop: Shop) -> None:
    late = "20260101000004"
    with shop.run("prod") as run:
        run.verify(shop.references)
    shop.migration("user", DROP, "migrate")
    shop.migration("user", late, "contract")
    with shop.run("prod") as run:
        run.apply(TO_MIGRATE)
        assert "is older than the last migrate step of user/memory" in refused(run, version=late)


def test_one_that_passed_before_the_last_backfill_of_what_it_comes_after_is_not_enough(shop: Shop) -> None:
    with shop.run("prod") as run:
        run.verify(shop.references)
        run.verify(shop.references[1:])  # shop takes no part: its clock has to tell
    shop.migration("shop", FILL, "migrate")
    shop.migration("user", DROP, "contract", after=f"{SHOP}:{FILL}")
    shop.migration("cart", DROP, "contract", after=f"{SHOP}:{FILL}")
    with shop.run("prod") as run:
        run.apply(TO_MIGRATE)
        for database in (USER, CART):
            (what, *_) = missing(run, database)
            assert what.endswith(f"is older than the last migrate step of {SHOP}, which {DROP}_t comes after")
        run.verify(shop.references)
        assert missing(run) == missing(run, CART) == []


def test_what_waits_at_migrate_has_to_go_first(shop: Shop) -> None:
    late = "20260101000004"
    with shop.run("prod") as run:
        run.verify(shop.references)
    shop.migration("user", DROP, "migrate")
    shop.migration("user", late, "contract")
    with shop.run("prod") as run:
        assert missing(run) == [f"{DROP}_t is pending at the gate migrate"]
        assert "is pending at the gate migrate" in refused(run, version=late)
        run.verify(shop.references)
        (entry,) = PlanDocument.of(run.plan(GO), "plan").databases[2].unverified
    assert entry.try_ == (
        "seedbed plan -e prod --through migrate --out plan.json; seedbed apply -e prod plan.json; seedbed verify -e prod"
    )


def test_what_waits_at_migrate_in_a_database_that_it_comes_after_has_to_go_first(shop: Shop) -> None:
    shop.migration("shop", FILL, "migrate")
    shop.migration("user", DROP, "contract", after=f"{SHOP}:{FILL}")
    with shop.run("prod") as run:
        run.verify(shop.references)
        assert missing(run) == [
            f"{FILL}_t is pending at the gate migrate in {SHOP}, which {DROP}_t comes after"
        ]


def test_what_goes_through_migrate_between_two_contracts_has_to_be_verified_between_them(shop: Shop) -> None:
    shop.migration("user", "20260101000004", "migrate")
    shop.migration("user", "20260101000005", "contract")
    with shop.run("prod") as run:
        run.verify(shop.references)
        (one,) = run.plan(GO).of(USER).unverified
        assert (
            one.what
            == "20260101000004_t is pending at the gate migrate, after 20260101000003_t and before 20260101000005_t"
        )
        assert one.try_ == f"seedbed plan -e ENV -s user --engine memory --to {DROP} --out plan.json"


def test_one_that_was_taken_while_something_waited_is_not_enough(shop: Shop) -> None:
    """An expand changes nothing that the record could be compared with."""
    late = "20260101000004"
    shop.migration("user", DROP, "expand")
    shop.migration("user", late, "contract")
    with shop.run("prod") as run:
        run.verify(shop.references)
        run.apply(TO_MIGRATE)
        assert missing(run)[0].startswith(
            f"{DROP} of {USER} was pending at the gate migrate when it was verified at"
        )


def test_one_of_another_history_is_not_enough(shop: Shop) -> None:
    """A copy of another environment's database brings its results along."""
    with shop.run("prod") as run:
        run.verify(shop.references)
        copy(run, USER, Identity("sample", USER, "prod"))
    with shop.run("prod") as run:
        assert missing(run)[0].endswith(f"was {USER} of sample in staging")


def copy(run: Run, database: str, identity: Identity) -> None:
    """Make what `database` keeps that of a copy of staging's."""
    (session,) = [each.session for each in run.connected if each.id == database]
    assert isinstance(session, MemorySession)
    (record,) = session.verified().records
    session.keep(replace(record, identity=str(replace(identity, environment="staging"))), [record.id])


def test_one_that_could_not_verify_all_of_it_is_not_enough(shop: Shop) -> None:
    with shop.run("prod", silent="cart") as run:
        run.verify(shop.references)
    with shop.run("prod") as run:
        (what,) = missing(run)
        assert what.startswith("cart/memory:carts.user_id → user/memory:users.id could not be verified at")
        assert what.endswith(" UTC")
        (one,) = run.plan(GO).of(USER).unverified
        assert one.try_.startswith("correct what seedbed verify -e ENV shows")


def test_partial_runs_add_up(shop: Shop) -> None:
    with shop.run("prod") as run:
        run.verify(shop.references[:1])
        assert missing(run) == ["never verified: cart/memory:carts.user_id → user/memory:users.id"]
        run.verify(shop.references[1:])
        passes(run)


def test_new_rows_alone_say_what_is_wrong_and_never_that_all_is_well(shop: Shop) -> None:
    with shop.run("prod") as run:
        run.verify(shop.references)
        (session,) = [each.session for each in run.connected if each.id == USER]
        assert isinstance(session, MemorySession)
        (full,) = session.verified().records
        new = replace(full, findings=tuple(replace(each, is_full=False) for each in full.findings))
        session.keep(replace(new, pending=(FILL,)), [])
        assert missing(run) == []
        session.keep(new, [full.id])
        assert missing(run)[0].startswith("never verified: ")
        wrong = tuple(replace(each, verdict=Verdict.BROKEN) for each in new.findings)
        session.keep(replace(new, findings=wrong), [])
        assert " is broken, verified at " in missing(run)[0]


def test_a_reference_that_is_declared_otherwise_since_has_to_be_verified_anew(shop: Shop) -> None:
    with shop.run("prod") as run:
        run.verify(shop.references)
    shop.declare(MANIFEST.replace('grace = "0s"', 'grace = "0s"\ntolerated = 0.5', 1))
    with shop.run("prod") as run:
        assert "is declared otherwise since it was verified at" in missing(run)[0]


def test_it_is_asked_again_under_the_lease(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    with shop.run("prod") as run:
        run.verify(shop.references)
        require_own = connecting.require_own

        def meanwhile(targets: Any) -> None:
            """A backfill of another run, between the first look and the lease, broke what passed."""
            with shop.run("prod") as other:
                (session,) = [each.session for each in other.connected if each.id == USER]
                assert isinstance(session, MemorySession)
                session.keep(replace(session.verified().records[0], pending=(FILL,)), [])
            require_own(targets)

        monkeypatch.setattr(executing, "require_own", meanwhile)
        assert "was pending at the gate migrate" in refused(run)


def test_nothing_is_wanted_where_nothing_touches_the_database(tmp_path: Path, server: Server) -> None:
    shop = Shop(tmp_path, server)
    shop.declare(MANIFEST.replace("[[references]]", "[[nothing]]").split("[[nothing]]")[0] + _ENVIRONMENTS)
    shop.migration("user", DROP, "contract")
    with shop.run("prod") as run:
        passes(run)


_ENVIRONMENTS = MANIFEST[MANIFEST.index("[environments.staging]") :]


def test_a_contract_that_was_begun_goes_on_whatever_is_known_by_now(shop: Shop) -> None:
    with shop.run("prod") as run:
        plan = run.plan(GO)
        begun = replace(plan.of(USER).actions[0], resumes=True)
        assert plan.of(USER).unverified
        assert contracts(replace(plan.of(USER), actions=(begun,))) == []


def test_records_are_read_only_where_a_contract_is_about_to_run(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    _count(monkeypatch, asked.append)
    with shop.run("prod") as run:
        run.plan(TO_MIGRATE)
        assert run.apply(TO_MIGRATE).exit_code is ExitCode.DONE
        run.status()
        assert asked == []
        run.plan(GO)
        assert asked == [USER]


def _count(monkeypatch: pytest.MonkeyPatch, told: Callable[[str], None]) -> None:
    verified = MemorySession.verified

    def counted(self: MemorySession) -> Verified:
        told(self.target)
        return verified(self)

    monkeypatch.setattr(MemorySession, "verified", counted)


def _later(monkeypatch: pytest.MonkeyPatch, hours: float) -> None:
    """Let the clocks of the databases go on."""
    verified = MemorySession.verified

    def later(self: MemorySession) -> Verified:
        found = verified(self)
        return replace(found, now=found.now and found.now + timedelta(hours=hours))

    monkeypatch.setattr(MemorySession, "verified", later)


def test_an_expectation_beside_the_database_is_wanted_as_much_as_a_reference(shop: Shop) -> None:
    file = shop.root / "services" / "user" / "memory" / "expectations.toml"
    text = '[[expectations]]\nname = "all users have a name"\nquery = "rows users name 0"\n'
    file.write_text(text, encoding="utf-8")
    with shop.run("prod") as run:
        run.verify(shop.references)
        assert missing(run) == ["never verified: all users have a name"]
        run.verify(shop.references, run.catalog.expectations())
        assert missing(run) == []
    file.write_text(text.replace("users name 0", "users name ana"), encoding="utf-8")
    with shop.run("prod") as run:
        assert missing(run)[0].startswith(
            "all users have a name is declared otherwise since it was verified at"
        )
        run.verify((), run.catalog.expectations())
        (what,) = missing(run)
        assert what.startswith("all users have a name is broken: 1 wrong, verified at")
