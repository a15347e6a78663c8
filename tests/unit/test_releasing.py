"""The steps of releases, without a database: who has a step, when new code is everywhere, whose plan may run."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from msgspec.structs import replace

from seedbed.aws import services as ecs
from seedbed.errors import (
    ExitCode,
    Interrupted,
    LeaseLost,
    OutcomeUnknown,
    Refused,
    StalePlan,
    StepFailed,
    Unreachable,
    UsageError,
    ViolationsFound,
)
from seedbed.execution.stopping import Stop
from seedbed.model.environment import Environment
from seedbed.model.migration import Phase
from seedbed.model.release import Identity, Release, Step, StepName
from seedbed.model.release_rules import NewCode, ReleaseRules
from seedbed.planning.reviewed import ReviewedPlan
from seedbed.project import released
from seedbed.project.releasing import code as bringing_code
from seedbed.project.releasing import looking
from seedbed.project.releasing.children import Ended
from seedbed.project.releasing.claim import holding
from seedbed.project.releasing.code import Bringing, Look, is_of, variables
from seedbed.project.releasing.going import failure
from seedbed.project.releasing.unpacked import Unpacked
from seedbed.project.request import Request
from seedbed.project.targets import Targets
from seedbed.releases.directory_store import DirectoryStore
from seedbed.releases.table_store import TableStore

ANA, BEN = Identity("ROLE:ana", "ana"), Identity("ROLE:ben", "ben")
COMMIT, IMAGE = "c0ffee" + "0" * 34, f"sha256:{'a' * 64}"


def a_release(**more: Any) -> Release:
    given: dict[str, Any] = {
        "environment": "prod",
        "number": 1,
        "bundle": "b" * 64,
        "platform_digest": "d" * 64,
        "commit": COMMIT,
        "images": {"api-server": IMAGE},
        "opened_by": ANA,
        "opened": 1000.0,
        "soak": 0.0,
        "steps": tuple(
            Step(name=each, plan="e" * 64 if each is StepName.EXPAND else "") for each in StepName
        ),
        **more,
    }
    return Release(**given)


# Who has a step


def test_who_lost_a_step_is_told_before_anything_else_is_written(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path, "prod")
    assert store.create(a_release())
    with holding(store, a_release(), ANA, beat=60) as first:
        first.confirm()
        silent = first.release
        steps = tuple(replace(each, beat=each.beat - 60) for each in silent.steps)
        assert store.replace(replace(silent, steps=steps, revision=silent.revision + 1))
        found = store.load(1)
        assert found is not None
        with holding(store, found, BEN, beat=60) as second:
            for write in (first.confirm, lambda: first.carried_out("apply"), first.finish):
                with pytest.raises(LeaseLost, match="taken over by ben"):
                    write()
            second.carried_out("apply")
            assert second.step.commands == ("apply",)


def test_a_heartbeat_says_that_whoever_takes_a_step_lives(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path, "prod")
    assert store.create(a_release())
    with holding(store, a_release(), ANA, beat=0.01) as claim:
        beat = claim.step.beat
        for _ in range(500):
            if claim.step.beat > beat:
                break
            threading.Event().wait(0.01)
        assert claim.step.beat > beat


@pytest.mark.parametrize(
    ("code", "kind", "means"),
    [
        (2, UsageError, ExitCode.USAGE),
        (3, Refused, ExitCode.REFUSED),
        (5, OutcomeUnknown, ExitCode.PARTIAL),
        (6, ViolationsFound, ExitCode.FOUND),
        (7, StepFailed, ExitCode.FAILED),
        (143, Interrupted, ExitCode.TERMINATED),
        (-9, OutcomeUnknown, ExitCode.PARTIAL),
    ],
)
def test_a_step_ends_as_its_command_did(code: int, kind: type, means: ExitCode) -> None:
    error = failure("apply", Ended(code), "expand of release 1")
    assert (type(error), error.exit_code) == (kind, means)


# New code


@pytest.mark.parametrize(
    ("answer", "is_new"),
    [
        (COMMIT, True),
        (f"version {COMMIT[:12]}, up 3 days", True),
        ('{"release": 1, "ok": true}', True),
        ('{"release": "1"}', True),
        ('{"release": 2}', False),
        ("deadbeef0000", False),
        ("c0ffe", False),
        ("", False),
    ],
)
def test_an_answer_is_of_a_release_by_its_commit_or_its_number(answer: str, is_new: bool) -> None:
    assert is_of(answer.encode(), a_release()) is is_new
    assert variables(a_release())["SEEDBED_IMAGE_API_SERVER"] == IMAGE


@contextmanager
def serving(answers: list[str]) -> Iterator[str]:
    """Yield the URL of a server that gives one answer after the other, and the last one for ever."""

    class Answering(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            said = answers.pop(0) if len(answers) > 1 else answers[0]
            self.send_response(200 if said else 503)
            self.end_headers()
            self.wfile.write(said.encode())

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Answering) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/version"
        finally:
            server.shutdown()
            thread.join()


def test_an_answer_that_does_not_end_keeps_nobody_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()

    class Dripping(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            while not over.wait(0.01):
                self.wfile.write(b"x")
                self.wfile.flush()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    monkeypatch.setattr(bringing_code, "_WHOLE", 0.2)
    with HTTPServer(("127.0.0.1", 0), Dripping) as server:
        threading.Thread(target=server.handle_request).start()
        try:
            said = bringing_code.fetched(f"http://127.0.0.1:{server.server_port}/")
        finally:
            over.set()
    assert "does not come to the end of its answer" in str(said)


@pytest.mark.parametrize("to", ["file:///etc/hostname", "ftp://127.0.0.1/x", "data:text/plain,ok"])
def test_a_url_that_leads_elsewhere_leads_to_http_alone(to: str) -> None:
    class Leading(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(302)
            self.send_header("Location", to)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Leading) as server:
        threading.Thread(target=server.handle_request).start()
        said = bringing_code.fetched(f"http://127.0.0.1:{server.server_port}/")
    assert str(said).endswith("answers 302")


def bringing(code: NewCode, told: list[str], look: Look | None = None) -> Bringing:
    return Bringing(
        a_release(),
        code,
        Path("nowhere"),
        {},
        Stop(),
        told.append,
        lambda: 2000.0,
        lambda _: look or Look("nothing"),
        pause=0.01,
    )


def test_new_code_is_waited_for_until_a_url_answers_with_it() -> None:
    told: list[str] = []
    with serving(["", "old", COMMIT]) as url:
        found = bringing(NewCode(wait="http", url=url), told).brought()
        assert (found.verdict, found.at) == ("good", 2000.0)
        assert [each.rpartition("/version ")[2] for each in told] == [
            "answers 503",
            "answers with another version",
        ]
    with serving(["old"]) as url, pytest.raises(ViolationsFound, match="the new code is not everywhere"):
        bringing(NewCode(wait="http", url=url, timeout=0.05), told).brought()


def test_new_code_on_ecs_is_everywhere_since_its_newest_task_started() -> None:
    look = Look("", "all of it", since=1500.0)
    found = bringing(NewCode(wait="ecs"), [], look).brought()
    assert (found.at, found.holds_from) == (2000.0, 1500.0)


def _service(**more: Any) -> ecs.ServiceTasks:
    return ecs.ServiceTasks(
        **{"name": "api", "tasks": (frozenset({IMAGE, "sha256:beside"}),), "since": 9.0, **more}
    )


@pytest.mark.parametrize(
    ("services", "missing"),
    [
        ([_service()], ""),
        ([], "no service of ECS has the tags"),
        ([_service(settling="1 of 2 tasks run")], "api: 1 of 2 tasks run"),
        (
            [_service(), _service(name="web", tasks=(frozenset({"sha256:old"}),))],
            "web has 1 task of other images",
        ),
    ],
)
def test_every_task_of_every_service_has_to_run_an_image_of_the_bundle(
    services: list[ecs.ServiceTasks], missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ecs, "services", lambda *_: services)
    targets = SimpleNamespace(cloud=lambda _: None)
    project = SimpleNamespace(platform=SimpleNamespace(name="shop"), targets=targets)
    unpacked = cast("Unpacked", SimpleNamespace(project=project, environment=Environment("prod")))
    found = looking.services(unpacked, {"api": f"repo@{IMAGE}"})
    assert found.missing.startswith(missing)
    assert bool(found.missing) is bool(missing)
    assert missing or found.since == 9.0


def test_services_are_found_by_their_tags_with_what_their_tasks_run(monkeypatch: pytest.MonkeyPatch) -> None:
    from datetime import UTC, datetime

    tags = [{"key": "platform", "value": "shop"}, {"key": "environment", "value": "prod"}]
    service = {"serviceName": "api", "status": "ACTIVE", "tags": tags, "desiredCount": 1, "runningCount": 1}
    other = {**service, "serviceName": "other", "tags": tags[:1]}
    graph = {**service, "serviceName": "Neo4j", "tags": [*tags, {"key": "managed-by", "value": "seedbed"}]}
    task = {
        "lastStatus": "RUNNING",
        "startedAt": datetime.fromtimestamp(50, UTC),
        "containers": [{"imageDigest": IMAGE}, {}],
    }
    answers: dict[str, list[Mapping[str, Any]]] = {
        "ListClusters": [{"clusterArns": ["one"], "nextToken": "more"}, {"clusterArns": []}],
        "ListServices": [{"serviceArns": ["a", "b"]}],
        "DescribeServices": [{"services": [service, other, graph]}],
        "ListTasks": [{"taskArns": ["t"]}],
        "DescribeTasks": [{"tasks": [task]}],
    }
    monkeypatch.setattr(ecs, "ask", lambda _c, _s, operation, **_: answers[operation].pop(0))
    found = ecs.services(cast("Any", None), {"platform": "shop", "environment": "prod"})
    assert found == [ecs.ServiceTasks("api", (frozenset({IMAGE}),), 50.0)]
    assert {name: left for name, left in answers.items() if left} == {}


# Whose plan may run

PROD = Environment("prod", protected=True, releases=ReleaseRules())


def plan(**more: Any) -> ReviewedPlan:
    given = {
        "path": "plan.json",
        "environment": "prod",
        "gate": Phase.EXPAND,
        "to": None,
        "out_of_order": False,
    }
    return ReviewedPlan(**{**given, "basis": {}, "release": 1, "sha256": "e" * 64, **more})


@pytest.fixture
def store(tmp_path: Path) -> DirectoryStore:
    return DirectoryStore(tmp_path / "kept", "prod")


@pytest.fixture
def targets(store: DirectoryStore, tmp_path: Path) -> Targets:
    catalog = SimpleNamespace(platform=SimpleNamespace(root=tmp_path, name="shop", databases=()))
    environ = {released.DIRECTORY: str(store.directory)}
    return Targets(cast("Any", catalog), cast("Any", None), tmp_path, environ)


def taking(name: StepName, **more: Any) -> Release:
    release = a_release(**more)
    steps = tuple(replace(each, state="running") if each.name is name else each for each in release.steps)
    return replace(release, steps=steps)


def test_a_plan_runs_while_its_release_takes_the_step_that_it_is_of(
    store: DirectoryStore, targets: Targets
) -> None:
    assert store.create(taking(StepName.EXPAND))
    released.require_released(targets, PROD, Request.of(plan()), "apply")
    released.require_released(targets, PROD, Request(unreviewed=True), "apply")
    open_to_all = Environment("staging")
    released.require_released(targets, open_to_all, Request(), "apply")


@pytest.mark.parametrize(
    ("there", "given", "error", "said"),
    [
        (taking(StepName.CODE), plan(), Refused, "only while its step is being taken"),
        (a_release(), plan(), Refused, "only while its step is being taken"),
        (taking(StepName.EXPAND, state="abandoned"), plan(), Refused, "only while its step is being taken"),
        (taking(StepName.EXPAND), plan(sha256="f" * 64), StalePlan, "has another plan"),
        (taking(StepName.EXPAND), plan(release=2), UsageError, "has no release 2"),
        (taking(StepName.EXPAND), plan(release=0), Refused, "changes by releases, and the plan is of none"),
        (taking(StepName.EXPAND), None, Refused, "changes by releases, and there is no plan"),
    ],
)
def test_any_other_plan_is_refused(
    there: Release,
    given: ReviewedPlan | None,
    error: type[Exception],
    said: str,
    store: DirectoryStore,
    targets: Targets,
) -> None:
    assert store.create(there)
    request = Request.of(given) if given else Request()
    with pytest.raises(error, match=said):
        released.require_released(targets, PROD, request, "apply")


ASKING = Environment(
    "prod", protected=True, releases=ReleaseRules(approvals={StepName.EXPAND: 1, StepName.CONTRACT: 1})
)


def by_hand(
    name: StepName,
    gate: Phase,
    skipped: StepName | None = None,
    work: Phase = Phase.EXPAND,
    after: Sequence[str] = (),
) -> Any:
    """Return a record that says that a step is taken, all before it done, and a plan through `gate` as that of it."""
    release = a_release()
    steps = []
    for each in release.steps:
        state = "running" if each.name is name else "skipped" if each.name is skipped else "done"
        steps.append(replace(each, state=state, plan="e" * 64 if each.name is name else ""))
    action = SimpleNamespace(version="1", phase=work, after=after)
    return replace(release, steps=tuple(steps)), plan(gate=gate, actions={"user/postgres": (action,)})


@pytest.mark.parametrize(
    ("written", "said"),
    [
        # A contract on a step for which nobody is asked.
        (by_hand(StepName.MIGRATE, Phase.CONTRACT), "has a plan through contract as that of migrate"),
        # What nobody approved as expand, by the next plan, which has it as well.
        (by_hand(StepName.MIGRATE, Phase.MIGRATE), "expand of release 1 of prod is not approved"),
        (
            by_hand(StepName.MIGRATE, Phase.MIGRATE, StepName.EXPAND),
            "expand of release 1 of prod was not taken",
        ),
        # What it comes after is in no plan: it is applied, and nothing is waited for.
        (
            by_hand(StepName.MIGRATE, Phase.MIGRATE, StepName.EXPAND, after=["other/postgres:1"]),
            "expand of release 1 of prod was not taken",
        ),
        (
            by_hand(StepName.CONTRACT, Phase.CONTRACT, StepName.MIGRATE, Phase.MIGRATE),
            "migrate of release 1 of prod was not taken",
        ),
        (
            by_hand(StepName.CONTRACT, Phase.CONTRACT, StepName.CODE, Phase.CONTRACT),
            "code of release 1 of prod was not taken",
        ),
    ],
)
def test_a_record_by_hand_lets_nothing_in_that_was_to_be_approved_as_something_else(
    written: tuple[Release, ReviewedPlan], said: str, store: DirectoryStore, targets: Targets
) -> None:
    record, given = written
    assert store.create(record)
    with pytest.raises(Refused, match=said):
        released.require_released(targets, ASKING, Request.of(given), "apply")


def test_a_step_with_nothing_to_do_needs_no_approval(store: DirectoryStore, targets: Targets) -> None:
    record, given = by_hand(StepName.MIGRATE, Phase.MIGRATE, StepName.EXPAND, Phase.MIGRATE)
    behind, waiting = (
        SimpleNamespace(version="2", phase=Phase.EXPAND, after=after) for after in ((), ("user/postgres:2",))
    )
    actions = {"other/postgres": (waiting,), "user/postgres": (*given.actions["user/postgres"], behind)}
    assert store.create(record)
    released.require_released(targets, ASKING, Request.of(replace(given, actions=actions)), "apply")


def test_rules_that_a_record_names_ask_for_no_less_than_those_that_are_here(
    store: DirectoryStore, targets: Targets
) -> None:
    record = taking(StepName.EXPAND, manifest=store.put(b'[platform]\nname = "shop"\n[environments.prod]\n'))
    assert store.create(record)
    with pytest.raises(Refused, match="is not approved"):
        released.require_released(targets, ASKING, Request.of(plan()), "apply")


def test_a_plan_that_names_a_release_is_its_own_in_every_environment(targets: Targets) -> None:
    with pytest.raises(UsageError, match="has no release 1"):
        released.require_released(targets, Environment("prod"), Request.of(plan()), "apply")


def test_a_task_alone_finds_the_records_by_its_own_variables(targets: Targets) -> None:
    environ = {
        "SEEDBED_ENV": "prod",
        "SEEDBED_CONTROL_TABLE": "records",
        "SEEDBED_CONTROL_BUCKET": "files",
        released.DIRECTORY: "elsewhere",
    }
    from seedbed.model.secret import Redactor

    there = Targets(targets.catalog, Redactor(), targets.home, environ, in_task=True)
    found = released.store_of(there, Environment("prod", region="eu-central-1"))
    assert isinstance(found, TableStore)
    assert (found.table.name, found.bucket.name) == ("records", "files")
    nowhere = {**environ, "AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_ACCESS_KEY_ID": "x"}
    outside = Targets(targets.catalog, Redactor(), targets.home, {**nowhere, "AWS_SECRET_ACCESS_KEY": "x"})
    with pytest.raises(Unreachable):  # the parameter store is asked
        released.store_of(outside, Environment("prod", region="eu-central-1"))
