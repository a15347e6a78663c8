"""An environment of edtech in an account of its own, reached by its task, at what runs there before the release."""

from __future__ import annotations

import json
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import urllib3
from botocore.session import Session
from msgspec.structs import replace as changed

from seedbed.aws import rights
from seedbed.aws.items import Table
from seedbed.aws.objects import Bucket
from seedbed.engines.dynamodb.sandbox.world import World
from seedbed.engines.postgres.sandbox import EmbeddedServer, embedded
from seedbed.model.names import stack_tags
from seedbed.model.release import Approval, Identity, Release, Step, StepName
from seedbed.releases.table_store import TableStore
from tests.support.aws_proxy import TOKEN_VARIABLE, Policies, Proxy, proxy
from tests.support.deployment.inside import Authority, Inside, Servers, ask_for_passwords, inside
from tests.support.deployment.releases import Shop, Synthesis, synthesise
from tests.support.deployment.stage import Stage
from tests.support.edtech_release.apps import CLUSTER, Apps
from tests.support.edtech_release.files import (
    API,
    DECLARED,
    EDTECH,
    GRAPH_IMAGE,
    IMAGES,
    PROD,
    STAGING,
    write_former,
    write_new,
)
from tests.support.fargate import Fargate, fargate, seedbed_image
from tests.support.postgres.clusters import furnish
from tests.support.projects import Ran, clean_environment, run, start
from tests.support.servers import Settings, new_account

# Who calls, by the word that tests have for them: the kind of caller, and who that is.
PEOPLE = {
    "ana": (rights.RELEASE, "AROARELEASE:ana"),
    "eva": (rights.RELEASE, "AROARELEASE:eva"),
    "ben": (rights.APPROVE, "AROAAPPROVE:ben"),
    "ana again": (rights.APPROVE, "AROAAPPROVE:ana"),
}
REASON = "no reader since May, and the graph's volume has a snapshot"
_PATIENCE = 600.0


def synthesised(into: Path) -> Path:
    """Return the directory of all assemblies, `former-staging` and so on; made once for all workers."""
    flags = json.loads((EDTECH / "cdk" / "cdk.json").read_text())["context"] | {"graph-on-nfs": "accepted"}
    flags["graph-image"] = GRAPH_IMAGE
    writes = {"former": write_former, "new": write_new}
    synthesise(
        [
            Synthesis(f"{state}-{name}", name, write, context={**flags, "image": IMAGES[state]})
            for state, write in writes.items()
            for name in (STAGING, PROD)
        ],
        into,
    )
    return into


@dataclass(frozen=True)
class Checkout:
    """The platform as it is checked out: `former` as it runs, `new` with the release, of which there is one bundle."""

    root: Path
    worlds: Mapping[str, World]
    assemblies: Path

    @property
    def new(self) -> Path:
        return self.root / "new"

    @property
    def former(self) -> Path:
        return self.root / "former"

    def bundle(self, state: str = "new") -> Path:
        return self.root / f"{state}.tar"

    def assembly(self, state: str, name: str) -> Path:
        """Return an assembly as the account of an environment has it."""
        into = self.root / f"{state}-{name}"
        if not into.exists():
            stage = Stage(self.worlds[name], DECLARED[name])
            stage.assembly(self.assemblies / f"{state}-{name}", into)
        return into

    def build(self, state: str = "new", *, into: str = "") -> str:
        """Build the bundle of what is committed, and return its SHA-256."""
        words = [f"--assembly={name}={self.assembly(state, name)}" for name in self.worlds]
        words.append(f"--image=api=registry.example/api@{API[state]}")
        words += ["-o", str(self.bundle(into or state)), "--json"]
        ran = run(self.root / state, "release", "build", *words)
        assert ran.code == 0, ran.everything
        return str(json.loads(ran.out)["digest"])

    def commit(self, state: str, title: str) -> None:
        git = ["git", "-c", "user.name=ana", "-c", "user.email=ana@example.com", "-C", str(self.root / state)]
        subprocess.run([*git, "add", "-A"], check=True)
        subprocess.run([*git, "commit", "-qm", title], check=True)


def checkout(root: Path, server: World, assemblies: Path) -> Checkout:
    """Return the platform, checked out into `root`, whose environments lie in new accounts."""
    worlds = {name: changed(server, account=new_account()) for name in (STAGING, PROD)}
    found = Checkout(root, worlds, assemblies)
    accounts = {name: world.account for name, world in worlds.items()}
    for state, write in (("former", write_former), ("new", write_new)):
        (root / state).mkdir()
        write(root / state, accounts)
        subprocess.run(["git", "init", "-q", "-b", "main", str(root / state)], check=True)
        found.commit(state, "Rename what a session is of, and walk over languages")
    return found


@dataclass
class Site:
    """One environment. `who`: whose rights commands have where nobody else is named."""

    name: str
    checkout: Checkout
    shop: Shop
    tasks: Fargate
    inner: Inside
    aws: Proxy
    server: EmbeddedServer
    graph: Settings
    search: Settings
    apps: Apps
    judge: Policies
    said: list[str] = field(default_factory=list)

    def environ(self, who: str = "ana") -> dict[str, str]:
        return {**self.shop.environ, **({TOKEN_VARIABLE: who} if who else {})}

    def run(self, *words: str, who: str = "ana", code: int = 0, root: Path | None = None) -> Ran:
        """Run a command, which has to end with `code`."""
        began = time.monotonic()
        done = run(root or self.checkout.new, *words, env=self.environ(who), timeout=_PATIENCE)
        self.said.append(f"{time.monotonic() - began:5.1f} s  {done.code}  seedbed {' '.join(words)}")
        print(self.said[-1])
        assert done.code == code, done.everything
        return done

    def open(self, state: str = "new", *words: str, who: str = "ana", code: int = 0) -> Ran:
        return self.release_("open", str(self.checkout.bundle(state)), *words, who=who, code=code)

    def release_(self, verb: str, *words: str, who: str = "ana", code: int = 0) -> Ran:
        return self.run("release", verb, "-e", self.name, *words, who=who, code=code)

    def start(self, *words: str, who: str = "ana") -> subprocess.Popen[str]:
        return start(
            self.checkout.new, *words, env=clean_environment(self.environ(who)), stderr=subprocess.PIPE
        )

    def approve(self, step: StepName, *, who: str = "ben", reason: str = "", code: int = 0) -> Ran:
        words = ["--step", step.value, "--digest", self.release.digest[:12]]
        return self.release_("approve", *words, *(["--reason", reason] if reason else []), who=who, code=code)

    @property
    def of_image(self) -> Path:
        """The checkout that the task's image was built from: a run of any other one is refused."""
        task = self.parameters("task")["task-definition"]
        told = self.shop.ask("ecs", "DescribeTaskDefinition", taskDefinition=task)["taskDefinition"]
        image = told["containerDefinitions"][0]["image"]
        return self.checkout.former if image == IMAGES["former"] else self.checkout.new

    def assert_none_was_refused(self) -> None:
        """See that nobody, and no task, asked AWS for what they may not."""
        assert self.tasks.judged is not None
        for judge in (self.judge, self.tasks.judged):
            refused = {who: sorted(map(str, what)) for who, what in judge.refused.items() if what}
            assert refused == {}, refused

    # --- the record, past all rights

    def parameters(self, part: str) -> dict[str, str]:
        path = f"/edtech/{self.name}/seedbed/{part}"
        found: dict[str, str] = {}
        token: dict[str, str] = {}
        while True:
            said = self.shop.ask("ssm", "GetParametersByPath", Path=path, Recursive=True, **token)
            found |= {each["Name"].rpartition("/")[2]: each["Value"] for each in said["Parameters"]}
            if not said.get("NextToken"):
                return found
            token = {"NextToken": said["NextToken"]}

    @property
    def store(self) -> TableStore:
        control, cloud = self.parameters("control"), self.shop.world.cloud
        return TableStore(Table(cloud, control["table"]), Bucket(cloud, control["bucket"]), self.name)

    @property
    def release(self) -> Release:
        """The newest release, as its record is now."""
        store = self.store
        found = store.load(max(store.numbers()))
        assert found is not None
        return found

    @property
    def state(self) -> str:
        return self.release.state

    def states(self) -> dict[str, str]:
        return {each.name.value: each.state for each in self.release.steps}

    def change(self, **fields: Any) -> None:
        """Change the record as no command would."""
        release = self.release
        assert self.store.replace(changed(release, revision=release.revision + 1, **fields))

    def pass_(self, seconds: float) -> None:
        """Let time pass: whatever the record tells was so much earlier. Approvals are as old as they are."""

        def earlier(step: Step) -> Step:
            evidence = [
                changed(each, at=each.at - seconds, since=each.since and each.since - seconds)
                for each in step.evidence
            ]
            times = {
                name: value - seconds for name in ("began", "beat", "ended") if (value := getattr(step, name))
            }
            return changed(step, evidence=tuple(evidence), **times)

        release = self.release
        self.change(opened=release.opened - seconds, steps=tuple(map(earlier, release.steps)))

    def migrated_later(self, seconds: float) -> None:
        """Have the last change of data be so much later than it was."""
        step = self.release.step(StepName.MIGRATE)
        later = changed(step, ended=step.ended + seconds)
        steps = [later if each.name is step.name else each for each in self.release.steps]
        self.change(steps=tuple(steps))

    def an_approval(self, step: StepName, user_id: str) -> Approval:
        """Return an approval as somebody would have written it."""
        by = Identity(user_id, f"arn:aws:sts::{self.shop.world.account}:assumed-role/x/{user_id}")
        release = self.release
        return Approval(number=release.number, step=step, digest=release.digest, by=by, at=time.time())

    def client(self, service: str, who: str) -> Any:
        """Return a client of AWS with the rights of one of PEOPLE."""
        return Session().create_client(
            service,
            region_name=self.shop.world.region,
            endpoint_url=self.aws.endpoint,
            aws_access_key_id=self.shop.world.account,
            aws_secret_access_key="not-to-be-shown",
            aws_session_token=who,
        )

    def fall_silent(self) -> None:
        """Have whoever takes the current step be silent for a minute: only tests about that wait for it."""
        steps = [
            changed(each, beat=each.beat - 60) if each.state == "running" else each
            for each in self.release.steps
        ]
        self.change(steps=tuple(steps))


# What yields an environment with edtech as it was before the release, by its name.
Brought = Callable[[str], AbstractContextManager[Site]]


def _judge(site: Site) -> None:
    """Have the calls of people judged by what their kind may."""
    control, task = site.parameters("control"), site.parameters("task")
    world = site.shop.world
    names = rights.Names(
        "edtech", site.name, "aws", world.account, world.region, control["table"], control["bucket"],
        cluster=task["cluster"],
        family=task["task-definition"].rpartition("/")[2].partition(":")[0],
        log_group=task["log-group"],
        roles=[task["task-role"], task["execution-role"]],
    )  # fmt: skip
    site.judge.place = replace(site.judge.place, passed=list(names.roles))
    for who, (kind, user_id) in PEOPLE.items():
        site.judge.caller(kind, names, who, user_id=user_id)


@contextmanager
def former(
    checkout: Checkout, name: str, directory: Path, server: EmbeddedServer, graph: Settings, search: Settings
) -> Iterator[Site]:
    """Yield an environment with edtech as it was before the release, with its data, in an account of its own."""
    world = checkout.worlds[name]
    authority = Authority(directory)
    with ExitStack() as stack:
        aws = stack.enter_context(proxy(world.endpoint))
        apps = Apps(aws, world.account, name, API["former"])
        tasks = stack.enter_context(fargate(aws, world, judged=True))
        image = seedbed_image(aws=aws.endpoint, authorities=authority.bundle)
        for state, there in (("former", checkout.former), ("new", checkout.new)):
            tasks.images[IMAGES[state]] = replace(image, directory=there)
        judge = aws.add(Policies(account=world.account, region=world.region, tags=stack_tags("edtech", name)))
        inner = stack.enter_context(inside(world, tasks, authority, Servers(server, graph, search)))
        shop = Shop(checkout.new, world, checkout.root, aws.endpoint)
        shop.prepare()
        shop.ask("ecs", "CreateCluster", clusterName=CLUSTER)
        site = Site(name, checkout, shop, tasks, inner, aws, server, graph, search, apps, judge)
        Stage(world, world.account).make(checkout.assembly("former", name))
        stack.enter_context(_repository(search))
        first = ("apply --through migrate --unreviewed", "verify")  # contracts wait there
        for words in (*(first if name == PROD else ()), "apply --unreviewed", "seed --unreviewed"):
            site.run(*words.split(), "-e", name, who="", root=checkout.former)
        _judge(site)
        yield site


@contextmanager
def _repository(search: Settings) -> Iterator[None]:
    """Tell a domain where its snapshots go, as its operator does once; they go with their index."""
    url = f"{search['endpoint']}/_snapshot/seedbed"
    body = {"type": "fs", "settings": {"location": f"edtech-{uuid.uuid4().hex[:8]}"}}
    assert urllib3.request("PUT", url, json=body).status == 200
    try:
        yield
    finally:
        urllib3.request("DELETE", f"{url}/*")
        urllib3.request("DELETE", url)


@contextmanager
def asking(home: Path, cluster: Path) -> Iterator[EmbeddedServer]:
    """Yield a PostgreSQL that asks for passwords."""
    furnish(home, cluster)
    with embedded(home) as server:
        ask_for_passwords(server)
        yield server
