"""Collecting environments: in every state that one can be in exactly the right ones go, at the right hour, once."""

from __future__ import annotations

import json
import subprocess
import threading
import uuid
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import pytest
from msgspec.structs import replace

from seedbed.aws import rights
from seedbed.aws.items import Table
from seedbed.aws.objects import Bucket
from seedbed.engines.dynamodb.sandbox.world import World
from seedbed.errors import Unreachable
from seedbed.execution.stopping import Stop
from seedbed.model.lifetime import EnvironmentRecord
from seedbed.model.names import login_secret, stack_tags
from seedbed.model.secret import Secret
from seedbed.model.sharing import Share
from seedbed.project import Project
from seedbed.project.collecting import Collected, Collector
from seedbed.project.inventory import sites
from seedbed.remote.control import Control
from seedbed.remote.environments import Environments, Use
from seedbed.remote.records import new_id
from seedbed.support.phrases import DAY, moment
from tests.support.afar import put_facts
from tests.support.aws_clients import client
from tests.support.aws_proxy import Policies, on, proxy
from tests.support.deployment.kills import killed_at_each_step
from tests.support.postgres.shared import PASSWORD, Base, base_server
from tests.support.postgres.wire import HERE
from tests.support.projects import Ran, clean_environment, run, start
from tests.support.remote import CALLER, asked, make_records
from tests.support.servers import new_account

_MANIFEST = """
[platform]
name = "{platform}"

[services.user.dynamodb]
[services.user.postgres]

[environments.shared-dev]
account = "{account}"
region  = "eu-central-1"
base    = true

[environments."dev-*"]
account   = "{account}"
region    = "eu-central-1"
ephemeral = true
base      = "shared-dev"
ttl       = "3d"

[environments."dev-alone-*"]
account   = "{account}"
region    = "eu-central-1"
ephemeral = true
ttl       = "3d"

[environments.prod]
account   = "{production}"
region    = "eu-central-1"
protected = true
"""


class Server:
    """A shared server, as far as collecting goes. `broken`: the environments whose part cannot be dropped."""

    def __init__(self, *shares: Share) -> None:
        self.shares = set(shares)
        self.dropped: list[Share] = []
        self.broken: set[str] = set()
        self._lock = threading.Lock()

    def listed(self) -> Sequence[Share]:
        return sorted(self.shares)

    def make(self, share: Share, logins: Mapping[str, Secret], *, template: str = "") -> str:
        raise NotImplementedError

    def drop(self, share: Share) -> str:
        if share.environment in self.broken:
            raise Unreachable("the server does not answer")
        with self._lock:
            self.shares.discard(share)
            self.dropped.append(share)
        return str(share)

    def keep(self, share: Share, template: str) -> bool:
        raise NotImplementedError

    def templates(self) -> Sequence[str]:
        return ()

    def drop_template(self, name: str) -> None:
        raise NotImplementedError


class Account:
    """A base with its records, and environments in it of which only the tags of stacks count."""

    def __init__(self, world: World, root: Path, *, production: str = "333333333333") -> None:
        self.world = world
        self.root = root
        self.platform = f"p{uuid.uuid4().hex[:6]}"
        self.server = Server()
        self.token = ""
        for engine in ("dynamodb", "postgres"):
            (root / f"services/user/{engine}/migrations").mkdir(parents=True)
        text = _MANIFEST.format(platform=self.platform, account=world.account, production=production)
        (root / "seedbed.toml").write_text(text)
        table = f"records-{self.platform}"
        make_records(world.cloud, table, table)
        put_facts(world.cloud, self.platform, "shared-dev", {"control": {"table": table, "bucket": table}})
        self.records = Environments(Table(world.cloud, table))

    def ask(self, service: str, operation: str, **parameters: Any) -> Any:
        made = client(service, self.world.region, self.world.endpoint, self.world.account)
        return getattr(made, operation)(**parameters)

    def stack(
        self,
        name: str,
        *services: str,
        platform: str = "",
        engine: str = "dynamodb",
        base: str = "shared-dev",
        **options: Any,
    ) -> None:
        """Make stacks of an environment that read from `base`."""
        for service in services or ("user",):
            stack = f"{platform or self.platform}-{name}-{service}-{engine}"
            parameter = {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": "x"}}
            parameter["Properties"]["Name"] = f"/made/{stack}"  # type: ignore[index]
            tags = stack_tags(platform or self.platform, name)
            where = f"/{self.platform}/{base}/seedbed/control/table"
            read = {"Type": "AWS::SSM::Parameter::Value<String>", "Default": where}
            self.ask(
                "cloudformation",
                "create_stack",
                StackName=stack,
                TemplateBody=json.dumps(
                    {"Parameters": {"Read": read} if base else {}, "Resources": {"One": parameter}}
                ),
                Tags=[{"Key": key, "Value": value} for key, value in tags.items()],
                **options,
            )

    def record(
        self, name: str, *, used: float = 10 * DAY, marked: float = 0.0, **more: Any
    ) -> EnvironmentRecord:
        """Write a record, of times so many seconds ago."""
        self.records.touch(name, Use(CALLER, "apply"))
        now = self.records.now()
        values = {"used": now - used, "marked": now - marked if marked else 0, **more}
        self.records.table.update(
            f"environment#{name}",
            "about",
            "SET " + ", ".join(f"#{each} = :{each}" for each in values),
            **values,
        )
        found = self.records.about(name)
        assert found is not None
        return found

    def share(self, name: str, database: str = "user/postgres") -> None:
        self.server.shares.add(Share(self.platform, name, database))

    def run_in(self, name: str) -> None:
        """Have a worker carry out a run in an environment."""
        control = Control(self.records.table, Bucket(self.world.cloud, self.records.table.name), name)
        id_ = new_id()
        assert control.create(id_, asked(name)) == ""
        assert control.claim(id_, "local:1", "t") is not None

    def secret(self, name: str) -> None:
        secret = login_secret(self.platform, name, "user/postgres", "migrate")
        self.ask("secretsmanager", "create_secret", Name=secret, SecretString="{}")

    @property
    def environ(self) -> dict[str, str]:
        cloud = self.world.cloud
        assert cloud.secret_key is not None
        return {
            "AWS_ENDPOINT_URL": cloud.endpoint,
            "AWS_ACCESS_KEY_ID": cloud.access_key,
            "AWS_SECRET_ACCESS_KEY": cloud.secret_key.reveal(),
            **({"AWS_SESSION_TOKEN": self.token} if self.token else {}),
        }

    def collected(self, **options: Any) -> dict[str, Collected]:
        project = Project.open(self.root, environ=self.environ)
        (where,) = sites(project.platform)
        collector = Collector(
            project.targets, where, lambda _event: None, Stop(), servers=[self.server], **options
        )
        return {each.found.there.name: each for each in collector.collect()}

    def environments(self) -> set[str]:
        """Return the environments that have stacks, by the tag."""
        found = self.ask("cloudformation", "describe_stacks")["Stacks"]
        return {
            tag["Value"]
            for each in found
            if each["StackStatus"] != "DELETE_COMPLETE"
            for tag in each["Tags"]
            if tag["Key"] == "environment"
        }

    def secrets(self) -> list[str]:
        return [each["Name"] for each in self.ask("secretsmanager", "list_secrets")["SecretList"]]

    def call(self, *words: str, env: Mapping[str, str] | None = None) -> Ran:
        return run(self.root, *words, env=clean_environment({**self.environ, **(env or {})}))


@pytest.fixture
def account(ministack_server: World, tmp_path: Path) -> Account:
    return Account(replace(ministack_server, account=new_account()), tmp_path)


def every_state(account: Account) -> None:
    """Make an environment in every state that one can be in; marks are a day ago where nothing else is said."""
    ago = DAY + 60
    account.stack("dev-fresh")
    account.record("dev-fresh", used=0)
    account.stack("dev-used")
    account.record("dev-used", used=2 * DAY, marked=ago)
    account.stack("dev-extended")
    account.record("dev-extended", marked=ago, until=account.records.now() + 60)
    account.stack("dev-expired")
    account.record("dev-expired")
    account.stack("dev-marked")
    account.record("dev-marked", marked=DAY - 60)
    account.stack("dev-due", "user", "video")
    account.record("dev-due", marked=ago)
    account.share("dev-due")
    account.stack("dev-due-too")  # whose name begins with another's
    account.record("dev-due-too", used=0)
    account.share("dev-due-too")
    account.stack("dev-kept")
    account.record("dev-kept", marked=ago, keep=True)
    account.stack("dev-guarded", EnableTerminationProtection=True)
    account.record("dev-guarded", marked=ago)
    account.stack("dev-foreign", platform="another")
    account.record("dev-half", marked=ago, taken=account.records.now() - 3 * 3600, taker="died")
    account.stack("dev-half", "video")
    account.share("dev-half")
    account.stack("dev-unknown")
    account.record("dev-gone", used=0, marked=ago)
    account.share("dev-gone")
    account.secret("dev-gone")
    account.share("dev-lost")
    account.stack("dev-busy")
    account.record("dev-busy", marked=ago)
    account.run_in("dev-busy")
    account.stack("dev-alone-1")
    account.stack("exp-1")
    account.stack("shared-dev")


FATES = {
    "dev-fresh": ("used", ""),
    "dev-used": ("used", ""),
    "dev-extended": ("used", ""),
    "dev-expired": ("unmarked", "marked"),
    "dev-marked": ("marked", ""),
    "dev-due": ("due", "collected"),
    "dev-due-too": ("used", ""),
    "dev-kept": ("kept", ""),
    "dev-guarded": ("kept", ""),
    "dev-half": ("due", "collected"),
    "dev-unknown": ("uncounted", "counted"),
    "dev-gone": ("due", "collected"),
    "dev-lost": ("unmarked", "marked"),
    "dev-busy": ("used", ""),
    "dev-alone-1": ("kept", ""),
    "exp-1": ("kept", ""),
    "shared-dev": ("kept", ""),
}


@pytest.mark.slow
def test_of_environments_in_every_state_exactly_the_right_ones_go(account: Account) -> None:
    every_state(account)
    before, listed = account.environments(), account.records.listed()
    dry = account.collected(dry_run=True)
    assert {name: each.prospect.fate for name, each in dry.items()} == {n: f for n, (f, _) in FATES.items()}
    assert account.environments() == before
    assert account.records.listed() == listed
    found = account.collected()
    assert {name: (each.prospect.fate, each.done) for name, each in found.items()} == FATES
    gone = {name for name, (_, done) in FATES.items() if done == "collected"}
    assert account.environments() == before - gone
    assert {each.environment for each in account.server.dropped} == gone
    assert {each.environment for each in account.server.shares} == {"dev-due-too", "dev-lost"}
    assert account.secrets() == []
    assert {name for name in FATES if account.records.about(name)} == account.records.listed().keys()
    assert not gone & account.records.listed().keys()
    again = account.collected()
    assert {name: each.done for name, each in again.items() if each.done} == {}
    assert again["dev-expired"].prospect.fate == "marked"
    assert again["dev-unknown"].prospect.fate == "used"
    assert again["dev-lost"].prospect.fate == "marked"


@pytest.mark.slow
def test_nothing_goes_in_an_account_that_holds_what_is_protected(
    ministack_server: World, tmp_path: Path
) -> None:
    world = replace(ministack_server, account=new_account())
    account = Account(world, tmp_path, production=world.account)
    every_state(account)
    before = account.environments()
    found = account.collected()
    assert {each.prospect.fate for each in found.values()} == {"kept"}
    assert "holds prod, which is protected" in found["dev-due"].prospect.because
    assert account.environments() == before
    assert account.server.dropped == []


@pytest.mark.slow
def test_two_that_collect_at_once_take_each_environment_once_and_no_more_than_a_day_has(
    account: Account,
) -> None:
    names = [f"dev-{number}" for number in range(5)]
    for number, name in enumerate(names):
        account.stack(name)
        account.record(name, marked=DAY + 60 + number)
        account.share(name)
    with ThreadPoolExecutor(2) as pool:
        ways = list(pool.map(lambda _: account.collected(most=3), range(2)))
    done = [each.done for way in ways for each in way.values()]
    assert "failed" not in done
    assert done.count("collected") == 3
    assert len(account.environments()) == 2
    assert len(account.server.dropped) == len(set(account.server.dropped)) == 3
    later = account.collected(most=3)
    assert {each.done for each in later.values()} == {"postponed"}
    assert len(account.environments()) == 2


@pytest.mark.slow
def test_what_fails_keeps_no_other_back_and_goes_the_next_time(account: Account) -> None:
    for name in ("dev-a", "dev-a-b"):
        account.stack(name)
        account.record(name, marked=DAY + 60)
        account.share(name)
    account.server.broken.add("dev-a")
    found = account.collected()
    assert {name: each.done for name, each in found.items()} == {"dev-a": "failed", "dev-a-b": "collected"}
    assert account.records.about("dev-a") is not None  # it says what is left of it
    account.server.broken.clear()
    assert account.collected()["dev-a"].done == "collected"
    assert account.server.shares == set()


@pytest.mark.slow
def test_the_task_of_a_base_has_all_rights_that_collecting_takes(
    ministack_server: World, tmp_path: Path
) -> None:
    world = replace(ministack_server, account=new_account())
    with proxy(world.endpoint) as aws:
        account = Account(replace(world, endpoint=aws.endpoint), tmp_path)
        name = account.records.table.name
        place = ("aws", world.account, world.region, name, name)
        about = rights.Names(account.platform, "shared-dev", *place)
        tags = stack_tags(account.platform, "dev-ana")
        judge = aws.add(Policies(account=world.account, region=world.region, tags=tags))
        anybody = {"Effect": "Allow", "Action": "sts:GetCallerIdentity", "Resource": "*"}  # as AWS has it
        judge.enrol("task", [*rights.statements(rights.COLLECT, about), anybody])
        account.stack("dev-ana")
        account.record("dev-ana", marked=DAY + 60)
        account.share("dev-ana")
        account.secret("dev-gone")
        account.records.count("dev-gone", mark=True)
        account.record("dev-gone", marked=DAY + 60)
        account.stack("dev-new")
        account.token = "task"
        found = {name: each.done for name, each in account.collected().items()}
    assert found == {"dev-ana": "collected", "dev-gone": "collected", "dev-new": "counted"}
    assert judge.refused["task"] == set()


@pytest.mark.slow
def test_whoever_subscribed_to_the_topic_of_a_base_is_told_once_what_goes_and_when(
    ministack_server: World, tmp_path: Path
) -> None:
    world = replace(ministack_server, account=new_account())
    with proxy(world.endpoint) as aws:
        account = Account(replace(world, endpoint=aws.endpoint), tmp_path)
        topic = account.ask("sns", "create_topic", Name="dev-environments")["TopicArn"]
        manifest = tmp_path / "seedbed.toml"
        manifest.write_text(manifest.read_text().replace("= true\n", f'= true\nnotify = "{topic}"\n', 1))
        name = account.records.table.name
        place = ("aws", world.account, world.region, name, name)
        about = rights.Names(account.platform, "shared-dev", *place, topic=topic)
        tags = stack_tags(account.platform, "dev-due")
        judge = aws.add(Policies(account=world.account, region=world.region, tags=tags))
        anybody = {"Effect": "Allow", "Action": "sts:GetCallerIdentity", "Resource": "*"}  # as AWS has it
        judge.enrol("task", [*rights.statements(rights.COLLECT, about), anybody])
        account.token = "task"
        account.stack("dev-used")
        account.record("dev-used", used=0)
        calm = account.call("env", "gc", "--yes", "--json")
        assert (calm.code, calm.document["told"]) == (0, []), calm.everything  # there is nothing to tell
        for each, ago in (("dev-over", 0.0), ("dev-marked", 3600.0), ("dev-due", DAY + 60)):
            account.stack(each)
            account.record(each, marked=ago)
        dry = account.call("env", "gc", "--dry-run", "--json")
        assert (dry.code, dry.document["told"]) == (0, []), dry.everything
        ran = account.call("env", "gc", "--yes", "--json")
        assert (ran.code, ran.document["told"], ran.document["warnings"]) == (0, [topic], []), ran.everything
        (told,) = [each.asked for each in aws.calls if each.operation == "Publish"]
        lines = told["Message"].splitlines()
        marked = account.records.about("dev-marked")
        assert marked is not None
        when = moment(datetime.fromtimestamp(marked.goes, UTC))
        assert [line for line in lines if line.startswith("dev-marked  will be deleted from " + when)], lines
        assert [line.split("  ")[0] for line in lines if "  " in line] == [
            "dev-marked",
            "dev-over",
            "dev-due",
        ]
        assert all("owner ana, last used" in line for line in lines if "  " in line), lines
        assert told["Subject"] == f"seedbed: 3 environments of {account.platform} in shared-dev"
        assert judge.refused["task"] == set()
        account.stack("dev-late")
        account.record("dev-late", marked=DAY + 60)
        with aws.refuse("Publish", "AuthorizationError", "no", times=None):
            untold = account.call("env", "gc", "--yes", "--json")
        assert (untold.code, untold.document["told"]) == (0, []), untold.everything
        (warning,) = untold.document["warnings"]
        assert "sns:Publish is not allowed" in warning["error"]
        done = {each["there"]["environment"]: each["done"] for each in untold.document["environments"]}
        assert done["dev-late"] == "collected"


@pytest.mark.slow
def test_who_uses_an_environment_while_it_is_collected_keeps_what_is_left_of_it(
    ministack_server: World, tmp_path: Path
) -> None:
    world = replace(ministack_server, account=new_account())
    with proxy(world.endpoint) as aws:
        account = Account(replace(world, endpoint=aws.endpoint), tmp_path)
        account.stack("dev-ana", "course", "user")
        account.record("dev-ana", marked=DAY + 60)
        account.share("dev-ana")
        with ThreadPoolExecutor(1) as pool:
            with aws.hold("DeleteStack") as held:
                collecting = pool.submit(account.collected)
                held.wait_until_inside()
                account.records.touch("dev-ana", Use(CALLER, "env up"))
            assert collecting.result()["dev-ana"].done == "lost"
        assert account.records.about("dev-ana") is not None
        assert account.environments() == {"dev-ana"}  # one of its two stacks
    assert account.server.dropped == []


@pytest.mark.slow
def test_in_the_task_of_a_base_databases_on_its_server_go_with_their_environment(
    account: Account,
) -> None:
    logins = {each: Secret("canary-gc-1f9c") for each in ("user", "app_user")}
    with base_server() as server:
        base = Base(server, "rds")
        shares = [
            Share(account.platform, name, "user/postgres") for name in ("dev-ana", "dev-ben", "dev-lost")
        ]
        with base.reached() as shared:
            for each in shares:
                shared.make(each, logins)
        account.stack("dev-ana")
        account.record("dev-ana", marked=DAY + 60)
        account.stack("dev-ben")
        account.record("dev-ben", used=0)
        told = {
            "SEEDBED_ENV": "shared-dev",
            "SEEDBED_CONTROL_TABLE": account.records.table.name,
            "SEEDBED_DB_HOST": HERE,
            "SEEDBED_DB_PORT": str(server.port),
            "SEEDBED_DB_NAME": "postgres",
            "SEEDBED_DB_ADMIN_USER": "rds",
            "SEEDBED_DB_ADMIN_PASSWORD": PASSWORD,
        }
        silent = account.call("env", "gc", "--yes", env={**told, "SEEDBED_DB_PORT": "1"})
        assert (silent.code, account.environments()) == (4, {"dev-ana", "dev-ben"}), silent.everything
        ran = account.call("env", "gc", "--yes", "--json", env=told)
        assert ran.code == 0, ran.everything
        with base.reached() as shared:
            assert list(shared.listed()) == shares[1:]
    done = {each["there"]["environment"]: each["done"] for each in ran.document["environments"]}
    assert done == {"dev-ana": "collected", "dev-ben": "", "dev-lost": "marked"}
    assert PASSWORD not in ran.everything


@pytest.mark.slow
def test_what_was_moved_into_a_base_is_judged_by_its_former_record_too(account: Account) -> None:
    account.stack("dev-ana", base="")
    account.stack("dev-ana", "seedbed", engine="control", base="")
    stack = f"{account.platform}-dev-ana-seedbed-control"
    account.record("dev-ana", marked=DAY + 60)
    name = f"former-{account.platform}"
    make_records(account.world.cloud, name, name)
    unread = account.collected()["dev-ana"]
    assert (unread.prospect.fate, unread.done, stack in unread.prospect.because) == ("kept", "", True), unread
    put_facts(account.world.cloud, account.platform, "dev-ana", {"control": {"table": name, "bucket": name}})
    former = Environments(Table(account.world.cloud, name))
    former.touch("dev-ana", Use(CALLER, "apply"))
    used = account.collected()["dev-ana"]
    assert (used.prospect.fate, used.done) == ("used", ""), used
    listed = account.call("env", "list")
    assert f"dev-ana: {stack} is from before it lay in shared-dev" in listed.out, listed.everything
    former.table.update("environment#dev-ana", "about", "SET #used = :used", used=former.now() - 10 * DAY)
    assert account.collected()["dev-ana"].done == "collected"
    assert account.environments() == set()


@pytest.mark.slow
def test_what_another_manifest_may_know_better_is_kept_by_an_older_one(account: Account) -> None:
    """The manifest in the image of a base is not that of whoever declared an environment since."""
    records = account.records
    account.stack(
        "dev-new", base=""
    )  # its pattern is a newer one: in no base, so that its use is written down nowhere
    put_facts(account.world.cloud, account.platform, "shared-too", {"control": {"table": "t", "bucket": "t"}})
    account.stack("dev-other", base="shared-too")
    account.record("dev-other", marked=DAY + 60)  # from before it was moved
    account.stack("dev-long")
    records.touch("dev-long", Use(CALLER, "apply", declared_ttl=30 * DAY))
    account.record("dev-long", marked=DAY + 60)
    account.stack("dev-short")
    records.touch("dev-short", Use(CALLER, "apply", declared_ttl=0.5 * DAY))
    account.record("dev-short", used=2 * DAY, marked=DAY + 60)
    account.stack("exp-1")
    found = {name: (each.prospect.fate, each.done) for name, each in account.collected().items()}
    assert found == {
        "dev-new": ("kept", ""),
        "dev-other": ("kept", ""),
        "dev-long": ("used", ""),
        "dev-short": ("used", ""),
        "exp-1": ("kept", ""),
    }
    assert account.environments() == found.keys()
    told = account.call("env", "gc", "--yes")
    for name, why in (
        ("dev-new", "none of its stacks says that it lies in its base"),
        ("dev-other", "its stacks lie in shared-too, where it is not declared"),
        ("exp-1", "the manifest declares no environment of that name"),
    ):
        assert any(line.startswith(name) and why in line for line in told.out.splitlines()), told.everything


@pytest.mark.slow
def test_who_brings_up_what_was_left_behind_keeps_it_also_while_it_is_collected(
    ministack_server: World, tmp_path: Path
) -> None:
    world = replace(ministack_server, account=new_account())
    with proxy(world.endpoint) as aws:
        account = Account(replace(world, endpoint=aws.endpoint), tmp_path)
        account.record("dev-ana", marked=DAY + 60)
        account.share("dev-ana")
        with ThreadPoolExecutor(1) as pool:
            with aws.hold(on("UpdateItem", containing="collected"), when="answered") as held:
                collecting = pool.submit(account.collected)
                held.wait_until_inside()
                account.records.touch("dev-ana", Use(CALLER, "env up"))
            assert collecting.result()["dev-ana"].done == "lost"
        assert account.records.about("dev-ana") is not None
    assert account.server.dropped == []


@pytest.mark.slow
def test_what_is_destroyed_by_hand_leaves_no_record(account: Account) -> None:
    account.stack("dev-ana")
    account.stack("dev-ben")
    for name in ("dev-ana", "dev-ben"):
        account.record(name)
    ran = account.call("destroy", "-e", "dev-ana", "--yes")
    assert ran.code == 0, ran.everything
    assert account.environments() == account.records.listed().keys() == {"dev-ben"}


GOING = {"DeleteStack", "DeleteSecret", "DeleteItem"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("when", "one_of"),
    [
        ("asked", GOING),
        *(pytest.param(each, (), marks=pytest.mark.soak) for each in ("asked", "answered")),
    ],
    ids=["one of each", "asked", "answered"],
)
def test_killed_at_any_step_and_run_again_hours_later_it_ends_the_same(
    ministack_server: World, tmp_path: Path, when: Literal["asked", "answered"], one_of: Collection[str]
) -> None:
    world = replace(ministack_server, account=new_account())
    with proxy(world.endpoint) as aws:
        account = Account(replace(world, endpoint=aws.endpoint), tmp_path)
        names = ("dev-ana", "dev-gone")
        account.stack("dev-ana", "user", "video")
        account.record("dev-ana", marked=DAY + 60)
        account.record("dev-gone", marked=DAY + 60)
        account.secret("dev-gone")
        account.stack("dev-ben")
        account.record("dev-ben", used=0)

        def begin() -> subprocess.Popen[str]:
            for each in names:
                if account.records.about(each) is not None:  # hours later, who was killed is taken for dead
                    account.records.table.update(f"environment#{each}", "about", "SET #taken = :no", no=0)
            words = ("env", "gc", "--yes", "--most", "1000")
            return start(tmp_path, *words, env=clean_environment(account.environ))

        steps = killed_at_each_step(aws, world.account, begin, when, one_of=one_of)
        assert {each.split()[1] for each in steps} >= GOING, steps
        assert account.environments() == {"dev-ben"}
        assert account.secrets() == []
        assert account.records.listed().keys() == {"dev-ben"}
        assert not any(account.records.about(each) for each in names)


@pytest.mark.slow
def test_the_command_shows_asks_and_collects(account: Account) -> None:
    account.stack("dev-ana")
    account.record("dev-ana", marked=DAY + 60)
    account.stack("dev-ben")
    account.record("dev-ben", used=3600)
    listed = account.call("env", "list")
    assert (listed.code, "dev-ana" in listed.out, "dev-ben" in listed.out) == (0, True, True), (
        listed.everything
    )
    dry = account.call("env", "gc", "--dry-run", "--exit-code")
    assert (dry.code, "dev-ana would go" in dry.out) == (6, True), dry.everything
    unasked = account.call("env", "gc")
    assert (unasked.code, "confirm it with --yes" in unasked.err) == (3, True), unasked.everything
    assert account.environments() == {"dev-ana", "dev-ben"}
    # On a laptop the variable selects an environment: it does not make it the task of a base, with its servers.
    selected = account.call("env", "gc", "--dry-run", env={"SEEDBED_ENV": "shared-dev"})
    assert (selected.code, selected.out) == (0, dry.out), selected.everything
    manifest = account.root / "seedbed.toml"
    far = '[environments."dev-far-*"]\naccount = "777777777777"\nregion = "eu-central-1"\nephemeral = true\n'
    manifest.write_text(manifest.read_text() + far)
    others = account.call("env", "list", "--json")
    looked = {each["account"]: each["done"] for each in others.document["looked"]}
    assert (others.code, looked) == (0, {account.world.account: True, "777777777777": False}), (
        others.everything
    )
    nowhere = account.call("env", "list", "--json", env={"AWS_ENDPOINT_URL": "http://127.0.0.1:1"})
    assert (nowhere.code, {each["done"] for each in nowhere.document["looked"]}) == (4, {False}), (
        nowhere.everything
    )
    none = account.call("env", "gc", "--yes", "--most", "0", "--json")
    assert (none.code, {each["done"] for each in none.document["environments"]}) == (0, {"postponed", ""})
    ran = account.call("env", "gc", "--yes", "--exit-code", "--json")
    assert ran.code == 0, ran.everything  # the task of a base has credentials of its own account alone
    assert ["777777777777" in each["error"] for each in ran.document["errors"]] == [True], ran.everything
    done = {each["there"]["environment"]: each["done"] for each in ran.document["environments"]}
    assert done == {"dev-ana": "collected", "dev-ben": ""}
    assert account.environments() == {"dev-ben"}


@pytest.mark.slow
def test_policies_of_callers_outlive_what_is_collected_and_no_environment_is_there_by_them(
    account: Account,
) -> None:
    for name in ("dev-ana", "dev-gone"):
        account.stack(name, "seedbed", engine="callers", EnableTerminationProtection=name == "dev-ana")
    account.stack("dev-ana")
    account.record("dev-ana", marked=DAY + 60)
    listed = account.call("env", "list", "--json")
    assert [(each["environment"], each["stacks"]) for each in listed.document["there"]] == [("dev-ana", 1)]
    ran = account.call("env", "gc", "--yes", "--json")
    (entry,) = ran.document["environments"]
    callers = f"{account.platform}-dev-ana-seedbed-callers"
    assert (ran.code, entry["done"], entry["stays"]) == (0, "collected", callers), ran.everything
    assert account.environments() == {"dev-ana", "dev-gone"}
    assert account.call("env", "gc", "--yes", "--json").document["environments"] == []


@pytest.mark.slow
def test_a_second_region_is_collected_by_whoever_may_and_passed_over_by_the_task_of_a_base(
    account: Account,
) -> None:
    manifest = account.root / "seedbed.toml"
    far = '[environments."dev-far-*"]\naccount = "{}"\nregion = "eu-west-1"\nephemeral = true\n'
    manifest.write_text(manifest.read_text() + far.format(account.world.account))
    account.stack("dev-ana")
    account.record("dev-ana", used=0)
    inside = {"SEEDBED_ENV": "shared-dev", "SEEDBED_CONTROL_TABLE": account.records.table.name}
    (account.root / "services/user/postgres/migrations").rmdir()
    (account.root / "services/user/postgres").rmdir()
    manifest.write_text(
        manifest.read_text().replace("[services.user.postgres]\n", "")
    )  # no server to be reached
    ran = account.call("env", "gc", "--yes", "--json", env=inside)
    (passed,) = ran.document["errors"]
    assert (ran.code, passed["kind"]) == (0, "WrongRegion"), ran.everything
    assert "eu-west-1" in passed["error"]
    assert [each["there"]["environment"] for each in ran.document["environments"]] == ["dev-ana"]
    by_hand = account.call("env", "gc", "--yes", "--json")
    assert (by_hand.code, by_hand.document["errors"]) == (0, []), by_hand.everything
