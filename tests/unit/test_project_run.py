"""A run through the public API: what an environment demands, targets that fail, outcomes, histories between verbs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from seedbed.deployment.plan import DeploymentPlan
from seedbed.documents.document import text
from seedbed.documents.plan import ActionEntry, PlanDocument
from seedbed.errors import (
    ExitCode,
    LeaseLost,
    Refused,
    SeedbedError,
    SeveralErrors,
    StalePlan,
    Unreachable,
    UsageError,
)
from seedbed.model.event import Event, TargetConnected, WorkFinished
from seedbed.model.history import History
from seedbed.model.outcome import Outcome, Result
from seedbed.model.seed import SeedKind
from seedbed.model.status import MigrationState
from seedbed.planning import reviewed
from seedbed.project import Decision, Project, Request, Run, deploying
from seedbed.project import run as run_module
from seedbed.project.filling import fill, usual_kinds
from seedbed.project.verbs.changing import Changing
from seedbed.project.verbs.deciding import Deciding
from seedbed.project.verbs.looking import Looking
from seedbed.project.verbs.verifying import Verifying
from seedbed.testing import reference
from seedbed.testing.reference.lease import MemoryLease
from seedbed.testing.reference.sandbox import Server, embedded

MANIFEST = """
[platform]
name = "sample"
[services.cart.memory]
[services.shop.memory]
[environments."dev-*"]
ephemeral = true
[environments.staging]
account = "222222222222"
[environments.prod]
account = "333333333333"
protected = true
"""
CART = "cart/memory"
SHOP = "shop/memory"
FIRST, SECOND = "20260101000001", "20260101000002"
UNREVIEWED = Request(unreviewed=True)


@pytest.fixture(autouse=True)
def reference_engine() -> Iterator[None]:
    with reference.installed():
        yield


@pytest.fixture
def server(short_path: Path) -> Iterator[Server]:
    with embedded(short_path / "server") as running:
        yield running


class Site:
    """A project of two services with a database each, on one server."""

    def __init__(self, root: Path, server: Server) -> None:
        self.root = root
        self.environ = {
            f"{service.upper()}_MEMORY_{name.upper()}": value
            for service in ("cart", "shop")
            for name, value in server.settings(f"{service}/memory").items()
        }
        (root / "seedbed.toml").write_text(MANIFEST, encoding="utf-8")
        for service in ("cart", "shop"):
            self.migration(service, FIRST)

    def migration(self, service: str, version: str, header: str = "") -> None:
        file = self.root / "services" / service / "memory" / "migrations" / f"{version}_t.mem"
        file.parent.mkdir(parents=True, exist_ok=True)
        text = f"{header}# migrate:up\ncreate t{version}\n# migrate:down\ndrop t{version}\n"
        file.write_text(text, encoding="utf-8")

    def seed(self, service: str, name: str, text: str, kind: str = "reference") -> Path:
        file = self.root / "services" / service / "memory" / "seeds" / kind / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        return file

    def project(self, *, silent: str = "") -> Project:
        """Return the project; `silent`: a service whose database does not answer."""
        nowhere = {f"{silent.upper()}_MEMORY_SOCKET": str(self.root / "nowhere")} if silent else {}
        return Project.open(self.root, environ=self.environ | nowhere)


@pytest.fixture
def site(tmp_path: Path, server: Server) -> Site:
    return Site(tmp_path, server)


def applied(run: Run) -> dict[str, list[str]]:
    """Return the versions that each target holds, asked anew."""
    return {
        target.id: [revision.version for revision in target.session.history().revisions]
        for target in run.connected
    }


def plan_file(run: Run) -> bytes:
    """Return what `plan --out` writes."""
    return text(PlanDocument.of(run.with_seeds(run.plan()), "plan")).encode()


def _edited(plan: bytes, edit: Callable[[PlanDocument], PlanDocument]) -> bytes:
    """Return a plan file with a change in it, and a digest that belongs to it."""
    changed = edit(msgspec.json.decode(plan, type=PlanDocument))
    return text(replace(changed, digest=changed.digest_of_content())).encode()


def planned_in(run: Run, request: deploying.DeployRequest | None = None) -> DeploymentPlan:
    """Return a deployment in the environment of `run` that changes nothing."""
    site: Any = SimpleNamespace(environment=run.environment)
    nothing: Any = None
    return DeploymentPlan(site, nothing, {}, (), request or deploying.DeployRequest())


def results(outcome: Outcome) -> dict[str, Result]:
    return {target.target: target.result for target in outcome.targets}


# What an environment demands


def test_a_protected_environment_changes_by_a_reviewed_plan_only(site: Site) -> None:
    with site.project().run("prod") as run:
        with pytest.raises(Refused, match="apply requires a reviewed plan"):
            run.apply()
        assert applied(run) == {CART: [], SHOP: []}
        plan = reviewed.read(plan_file(run), "plan.json")
        assert run.apply(Request.of(plan)).exit_code is ExitCode.DONE
        assert applied(run) == {CART: [FIRST], SHOP: [FIRST]}


def _without_actions(plan: PlanDocument) -> PlanDocument:
    return replace(plan, databases=tuple(replace(each, actions=()) for each in plan.databases))


def _with_other_texts(plan: PlanDocument) -> PlanDocument:
    def other(action: ActionEntry) -> ActionEntry:
        return replace(action, steps=tuple(replace(each, text="create u") for each in action.steps))

    return replace(
        plan,
        databases=tuple(replace(each, actions=tuple(map(other, each.actions))) for each in plan.databases),
    )


@pytest.mark.parametrize("edit", [_without_actions, _with_other_texts])
def test_a_plan_that_does_not_show_what_would_run_is_refused_and_nothing_is_touched(
    site: Site, edit: Callable[[PlanDocument], PlanDocument]
) -> None:
    with site.project().run("prod") as run:
        plan = reviewed.read(_edited(plan_file(run), edit), "plan.json")
        with pytest.raises(SeveralErrors) as caught:
            run.apply(Request.of(plan))
        assert caught.value.exit_code is ExitCode.REFUSED
        assert {type(each) for each in caught.value.errors} == {StalePlan}
        assert applied(run) == {CART: [], SHOP: []}


def test_what_was_not_reviewed_is_refused_there(site: Site) -> None:
    with site.project().run("prod") as run:
        plan = reviewed.read(plan_file(run), "plan.json")
    site.migration("cart", SECOND)
    with site.project().run("prod") as run:
        with pytest.raises(StalePlan):
            run.apply(Request.of(plan))
        assert applied(run) == {CART: [], SHOP: []}


ROWS = "# seedbed: table=t20260101000001\nid,name\n1,ana\n"


def test_seeds_of_a_protected_environment_are_those_of_a_reviewed_plan(site: Site) -> None:
    site.seed("shop", "1_t.csv", ROWS)
    site.seed("shop", "1_t.csv", ROWS, "fixture")
    with site.project().run("prod") as run:
        plan = reviewed.read(plan_file(run), "plan.json")
        assert [(each.name, each.rows) for each in plan.seeds[SHOP]] == [("1_t.csv", 1)]
        with pytest.raises(Refused, match="prod is protected: seed requires a reviewed plan"):
            run.seed([SeedKind.REFERENCE])
        with pytest.raises(SeveralErrors, match="does not have all migrations of the plan yet") as caught:
            run.seed([SeedKind.REFERENCE], Request.of(plan))
        assert caught.value.exit_code is ExitCode.REFUSED
        run.apply(Request.of(plan))
        assert run.seed([SeedKind.REFERENCE], Request.of(plan)).changed
        assert not run.seed([SeedKind.REFERENCE], Request.of(plan)).changed
        assert not run.seed([SeedKind.REFERENCE], UNREVIEWED).changed


@pytest.mark.parametrize(
    ("name", "content", "because"),
    [
        ("1_t.csv", ROWS.replace("ana", "eve"), "1_t.csv was changed"),
        ("2_t.mem", "put t20260101000001 2 {}\n", "2_t.mem is not in the plan"),
        ("3_t.py", "raise SystemExit('it was run')\n", "3_t.py was changed"),
    ],
)
def test_a_seed_that_was_changed_since_its_review_is_refused_and_nothing_is_touched(
    site: Site, name: str, content: str, because: str
) -> None:
    site.seed("shop", "1_t.csv", ROWS)
    site.seed("shop", "3_t.py", "# seedbed: table=t20260101000001\ndef rows(): yield {'id': 7}\n")
    with site.project().run("prod") as run:
        run.apply(UNREVIEWED)
        plan = reviewed.read(plan_file(run), "plan.json")
        site.seed("shop", name, content)
        before = len(run.events)
        with pytest.raises(StalePlan) as caught:
            run.seed([SeedKind.REFERENCE], Request.of(plan))
        assert caught.value.because == because
        assert run.events[before:] == []


def test_a_plan_whose_seeds_nobody_reviews_is_none_to_seed(site: Site) -> None:
    site.seed("shop", "1_t.csv", ROWS)
    with site.project().run("staging") as run:
        run.apply()
        plan = reviewed.read(plan_file(run), "plan.json")
        assert plan.seeds == {CART: (), SHOP: ()}
        with pytest.raises(UsageError, match="a plan of staging shows no seeds"):
            run.seed([SeedKind.REFERENCE], Request.of(plan))
        assert run.seed([SeedKind.REFERENCE]).changed


def test_every_other_verb_that_changes_data_is_refused_there(site: Site, tmp_path: Path) -> None:
    file = tmp_path / "dump"
    file.write_text("", encoding="utf-8")
    with site.project().run("prod") as run:
        run.apply(UNREVIEWED)
        with pytest.raises(Refused, match="prod is protected: this command accepts no reviewed plan"):
            run.revert()
        with pytest.raises(Refused, match="prod is protected: this command accepts no reviewed plan"):
            run.restore(file)
        with pytest.raises(Refused, match="prod accepts reference data only"):
            run.seed([SeedKind.REFERENCE, SeedKind.FIXTURE])
        with pytest.raises(Refused, match="reset refuses prod"):
            run.reset()
        with pytest.raises(Refused, match="destroy refuses prod"):
            deploying.plan_destroy(run)
        assert applied(run) == {CART: [FIRST], SHOP: [FIRST]}
        assert run.revert(unreviewed=True).exit_code is ExitCode.DONE
        assert applied(run) == {CART: [], SHOP: []}


def test_no_stack_is_deployed_there_without_a_reviewed_plan(site: Site) -> None:
    with site.project().run("prod") as run, pytest.raises(Refused, match="deploy requires a reviewed plan"):
        deploying.deploy(run, planned_in(run))


def test_what_was_examined_there_is_not_deployed_by_a_run_on_another_environment(site: Site) -> None:
    with site.project().run("prod") as prod:
        plan = planned_in(prod)
    with (
        site.project().run("dev-ana") as run,
        pytest.raises(Refused, match="prod is protected: deploy requires"),
    ):
        deploying.deploy(run, plan)


def test_a_plan_of_another_environment_binds_nothing(site: Site) -> None:
    with site.project().run("dev-ana") as run:
        plan = reviewed.read(plan_file(run), "plan.json")
    wrong = pytest.raises(UsageError, match="the plan is for dev-ana, and this run for prod")
    with site.project().run("prod") as run:
        with wrong:
            run.apply(Request.of(plan))
        with wrong, deploying.plan_deploy(run, deploying.DeployRequest(reviewed=plan)):
            pass
        with wrong:
            deploying.deploy(run, planned_in(run, deploying.DeployRequest(reviewed=plan)))


def test_a_reviewed_plan_deploys_the_services_that_it_shows_and_no_other_stack(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[deploying.DeployRequest] = []

    @contextmanager
    def opened(run: Run, request: deploying.DeployRequest) -> Iterator[Any]:
        asked.append(request)
        yield None, [], []

    monkeypatch.setattr(deploying, "_site", opened)
    monkeypatch.setattr(deploying, "plan_deployment", lambda *_: None)
    project = site.project()
    with project.run("prod", project.catalog.databases(["cart"])) as run:
        plan = reviewed.read(plan_file(run), "plan.json")
        with deploying.plan_deploy(run, deploying.DeployRequest(reviewed=plan)):
            pass
    assert [each.services for each in asked] == [("cart",)]


def test_only_an_ephemeral_environment_is_emptied(site: Site) -> None:
    with site.project().run("staging") as run:
        run.apply()
        with pytest.raises(Refused, match="reset refuses staging"):
            run.reset()
        assert applied(run) == {CART: [FIRST], SHOP: [FIRST]}


def test_an_ephemeral_environment_is_emptied_and_filled_again(site: Site) -> None:
    with site.project().run("dev-ana") as run:
        run.apply()
        assert run.reset().exit_code is ExitCode.DONE
        assert applied(run) == {CART: [], SHOP: []}
        assert run.apply().exit_code is ExitCode.DONE
        assert applied(run) == {CART: [FIRST], SHOP: [FIRST]}


# Targets that fail


def test_a_target_that_does_not_answer_stops_no_other(site: Site) -> None:
    with site.project(silent="cart").run("staging") as run:
        assert [target.id for target in run.connected] == [SHOP]
        assert list(run.failed) == [CART]
        outcome = run.apply()
        assert results(outcome) == {SHOP: Result.CHANGED, CART: Result.FAILED}
        assert outcome.exit_code is ExitCode.PARTIAL
        assert results(run.seed([SeedKind.REFERENCE])) == {SHOP: Result.UNCHANGED, CART: Result.FAILED}


def test_status_says_which_target_did_not_answer(site: Site) -> None:
    with site.project(silent="cart").run("staging") as run:
        cart, shop = run.status().databases
    assert (cart.database, type(cart.error)) == (CART, Unreachable)
    assert (shop.database, shop.error, shop.count(MigrationState.PENDING)) == (SHOP, None, 1)


def test_what_has_to_know_all_targets_raises_what_failed(site: Site) -> None:
    with site.project(silent="cart").run("staging") as run:
        for verb in (run.require_connected, run.unlock, lambda: run.repair(FIRST, Decision.FORGET)):
            with pytest.raises(Unreachable) as caught:
                verb()
            assert caught.value.target == CART


def test_several_targets_that_failed_are_raised_together(site: Site) -> None:
    site.environ["SHOP_MEMORY_SOCKET"] = str(site.root / "nowhere")
    with site.project(silent="cart").run("staging") as run, pytest.raises(SeveralErrors) as caught:
        run.require_connected()
    assert [(each.target, type(each)) for each in caught.value.errors] == [
        (CART, Unreachable),
        (SHOP, Unreachable),
    ]
    assert caught.value.exit_code is ExitCode.UNAVAILABLE


def test_what_comes_after_a_target_that_does_not_answer_is_skipped(site: Site) -> None:
    site.migration("shop", SECOND, f"# seedbed: after={CART}:{FIRST}\n")
    with site.project(silent="cart").run("staging") as run:
        assert results(run.apply()) == {SHOP: Result.SKIPPED, CART: Result.FAILED}
        assert applied(run) == {SHOP: [FIRST]}


@pytest.mark.parametrize(("comes_after", "result"), [(FIRST, Result.CHANGED), (SECOND, Result.SKIPPED)])
def test_a_target_whose_lease_is_held_stops_only_what_comes_after_its_pending_work(
    site: Site, comes_after: str, result: Result
) -> None:
    with site.project().run("staging") as run:
        run.apply()
    site.migration("cart", SECOND)
    site.migration("shop", SECOND, f"# seedbed: after={CART}:{comes_after}\n")
    with site.project().run("staging") as other, site.project().run("staging", wait=0) as run:
        cart = other.connected[0]
        with other.context.lease(cart.id, cart.session):
            outcome = run.apply()
        assert results(outcome) == {CART: Result.FAILED, SHOP: result}
        assert list(run.failed) == []
        assert run.apply().exit_code is ExitCode.DONE  # nobody holds it now
        assert applied(run) == {CART: [FIRST, SECOND], SHOP: [FIRST, SECOND]}


def test_a_lease_that_goes_away_before_the_first_write_stops_no_other_target_and_has_touched_nothing(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = MemoryLease.history

    def history(lease: MemoryLease) -> History:
        if not broken:
            broken.append(lease)
            raise LeaseLost("the connection broke, and with it the lease", because="it was cut")
        return real(lease)

    broken: list[MemoryLease] = []
    monkeypatch.setattr(MemoryLease, "history", history)
    with site.project().run("staging") as run:
        outcome = run.apply()
        assert results(outcome) == {CART: Result.FAILED, SHOP: Result.CHANGED}
        (failed,) = [each.error for each in outcome.targets if each.error]
        assert (failed.error_kind, failed.exit_code, failed.touched) == ("Unreachable", 4, False)


def test_a_decision_is_about_one_database(site: Site) -> None:
    with site.project().run("staging") as run, pytest.raises(UsageError, match="2 databases are selected"):
        run.repair(FIRST, Decision.FORGET)


def test_an_error_of_one_target_is_an_event(site: Site) -> None:
    project = site.project()
    with project.run("staging", project.catalog.databases(["shop"])) as run:
        outcome = run.repair(FIRST, Decision.FORGET)
    assert results(outcome) == {SHOP: Result.FAILED}
    assert outcome.exit_code is ExitCode.USAGE


# Outcomes and histories


def test_each_verb_returns_its_own_outcome_and_a_run_has_that_of_all(site: Site) -> None:
    heard: list[Event] = []
    with site.project().run("staging", listener=heard.append) as run:
        assert all(target.finished == (FIRST,) for target in run.apply().targets)
        again = run.apply()
        assert results(again) == {CART: Result.UNCHANGED, SHOP: Result.UNCHANGED}
        assert not again.changed
        assert results(run.outcome) == {CART: Result.CHANGED, SHOP: Result.CHANGED}
        assert list(run.events) == heard
    assert isinstance(heard[0], TargetConnected)
    assert sum(isinstance(event, WorkFinished) for event in heard) == 2


def test_work_on_some_targets_has_their_outcome_only(site: Site) -> None:
    with site.project(silent="cart").run("staging") as run:
        assert run.outcome_of(lambda: None, on={CART}).exit_code is ExitCode.UNAVAILABLE
        assert results(run.outcome_of(lambda: None, on=())) == {}


def test_a_verb_knows_what_the_one_before_has_done(site: Site) -> None:
    with site.project().run("dev-ana") as run:
        assert not run.plan().is_empty
        run.apply()
        assert run.plan().is_empty
        assert all(database.is_up_to_date for database in run.status().databases)
        assert results(run.seed([SeedKind.FIXTURE])) == {CART: Result.UNCHANGED, SHOP: Result.UNCHANGED}
        run.revert()
        assert not run.plan().is_empty


def test_a_database_that_is_not_selected_is_looked_at_where_work_depends_on_it(site: Site) -> None:
    site.migration("shop", SECOND, f"# seedbed: after={CART}:{FIRST}\n")
    project = site.project()
    shop = project.catalog.databases(["shop"])
    with project.run("staging", shop) as run:
        with pytest.raises(UsageError, match="which is pending and not selected"):
            run.apply()
        with site.project().run("staging", project.catalog.databases(["cart"])) as other:
            other.apply()
    with site.project().run("staging", shop) as run:
        run.apply()
        assert applied(run) == {SHOP: [FIRST, SECOND]}
    with site.project().run("staging", project.catalog.databases(["cart"])) as run:
        with pytest.raises(SeedbedError, match=SHOP):
            run.revert()
        assert applied(run) == {CART: [FIRST]}


# What a revert removes


def _filled(site: Site, environment: str) -> None:
    """Apply the migrations of `shop` there, and leave two rows in its table."""
    file = site.root / "services/shop/memory/migrations" / f"{FIRST}_t.mem"
    added = f'create t{FIRST}\nadd t{FIRST} {{"a": 1}}\nadd t{FIRST} {{"a": 2}}\n'
    file.write_text(f"# migrate:up\n{added}# migrate:down\ndrop t{FIRST}\n", encoding="utf-8")
    with site.project().run(environment) as run:
        assert run.apply(UNREVIEWED).exit_code is ExitCode.DONE


def test_a_revert_says_how_many_rows_it_removes_and_has_to_be_confirmed(site: Site) -> None:
    _filled(site, "staging")
    with site.project().run("staging") as run:
        (found,) = run.plan_revert().losses
        assert (found[0], str(found[1])) == (SHOP, f"table t{FIRST}: 2 rows")
        with pytest.raises(Refused, match="removes data of staging") as caught:
            run.revert()
        assert caught.value.because == f"{SHOP} table t{FIRST}: 2 rows"
        assert applied(run) == {CART: [FIRST], SHOP: [FIRST]}
        assert run.revert(losing=True).exit_code is ExitCode.DONE
        assert applied(run) == {CART: [], SHOP: []}


def test_a_revert_that_removes_nothing_is_not_asked_about(site: Site) -> None:
    with site.project().run("staging") as run:
        run.apply()
        assert run.plan_revert().losses == ()
        assert run.revert().exit_code is ExitCode.DONE


@pytest.mark.parametrize("environment", ["dev-ana", "prod"])
def test_where_data_may_go_or_the_change_is_confirmed_a_revert_is_not_asked_about(
    site: Site, environment: str
) -> None:
    _filled(site, environment)
    with site.project().run(environment) as run:
        assert run.plan_revert().losses
        assert run.revert(unreviewed=True).exit_code is ExitCode.DONE


# Applying and seeding in one go


def failing(site: Site, service: str) -> None:
    file = site.root / "services" / service / "memory" / "migrations" / f"{SECOND}_t.mem"
    file.write_text('# migrate:up\nfail "because I say so"\n# migrate:down\ndrop t\n', encoding="utf-8")


def test_what_is_applied_whole_is_seeded_though_another_database_fails(site: Site) -> None:
    failing(site, "cart")
    site.seed("cart", "1_t.csv", ROWS)
    site.seed("shop", "1_t.csv", ROWS)
    with site.project().run("dev-ana") as run:
        outcome = fill(run, usual_kinds(run.environment))
        assert results(outcome) == {CART: Result.FAILED, SHOP: Result.CHANGED}
        assert {each.target: each.rows_changed for each in outcome.targets} == {CART: 0, SHOP: 1}
        assert outcome.exit_code is ExitCode.PARTIAL
    (site.root / "services" / "cart" / "memory" / "migrations" / f"{SECOND}_t.mem").unlink()
    with site.project().run("dev-ana") as run:
        assert {each.rows_changed for each in fill(run, [SeedKind.REFERENCE]).targets} == {0, 1}


def test_seeds_that_are_wrong_leave_what_is_applied_and_say_so(site: Site) -> None:
    site.seed("shop", "1_t.csv", "# seedbed: table=t20260101000001\nid,name\n1\n")
    with site.project().run("dev-ana") as run:
        outcome = fill(run, [SeedKind.REFERENCE])
        assert results(outcome) == {CART: Result.CHANGED, SHOP: Result.FAILED}
        assert outcome.exit_code is ExitCode.PARTIAL
        assert applied(run) == {CART: [FIRST], SHOP: [FIRST]}


def test_fixtures_are_usual_in_ephemeral_environments_only(site: Site) -> None:
    environment = site.project().catalog.environment
    assert usual_kinds(environment("dev-ana")) == (SeedKind.REFERENCE, SeedKind.FIXTURE)
    assert usual_kinds(environment("staging")) == (SeedKind.REFERENCE,)


def test_every_verb_is_named_in_the_module_of_run_beside_the_one_that_it_is_in() -> None:
    lines = [
        line.split(maxsplit=1) for line in (run_module.__doc__ or "").splitlines() if line.startswith("    ")
    ]
    named = {module: set(re.findall(r"\w+", verbs.partition(":")[0])) for module, verbs in lines}
    there = {
        each.__module__.rpartition(".")[2]: {verb for verb in vars(each) if not verb.startswith("_")}
        for each in (Looking, Changing, Verifying, Deciding)
    }
    assert named == there
