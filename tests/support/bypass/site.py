"""A protected environment in an emulated account, and everything in it that a command could touch.

One PostgreSQL database with two migrations, one that adds and one that drops are pending; a release of these that was
opened and takes no step; a table and a bucket of records. Calls are judged by what the caller's role may.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from seedbed import __version__
from seedbed.aws import rights
from seedbed.aws.cloud import Cloud
from seedbed.aws.items import Table
from seedbed.aws.objects import Bucket
from seedbed.engines.dynamodb.sandbox.world import World
from seedbed.engines.postgres.sandbox import EmbeddedServer
from seedbed.files.platform import read_files
from seedbed.model.release import Approval, Release, Step, StepName
from seedbed.model.secret import Secret
from seedbed.releases import bundle
from seedbed.releases.table_store import TableStore
from seedbed.remote.control import Control
from seedbed.remote.warm import WarmWorker
from seedbed.remote.worker import CLAIM
from tests.support.afar import QUICK, define, judged, make_network, names_of, put_facts
from tests.support.aws_proxy import TOKEN_VARIABLE, Policies, Proxy
from tests.support.bypass.contents import Contents
from tests.support.deployment.assemblies import assembly
from tests.support.forked import Forked
from tests.support.projects import ProjectFiles, Ran, clean_environment, command, run, variables
from tests.support.remote import make_records

ENV, OTHER = "prod", "staging"
STACK = "sample-prod-user-postgres"
WHO = {
    rights.RELEASE: "AROARELEASE:ana",
    rights.APPROVE: "AROAAPPROVE:ben",
    rights.RUN: "AROARUN:cai",
}
PROTECTED, BY_TASK = "protected = true\n", 'access = "task"\n'
RELEASE = '\n[release]\nsoak = "0s"\n'
_MANIFEST = """
[platform]
name = "sample"
[services.user.postgres]
[environments."dev-*"]
account = "{account}"
region = "{region}"
ephemeral = true
[environments.staging]
account = "{account}"
region = "{region}"
[environments.prod]
account = "{account}"
region = "{region}"
"""
_TASK = (sys.executable, "-I", "-m", "seedbed.cli.travel.task")


@dataclass
class Site:
    """See the module. `by_task`: a task carries out what is called; `image`: the platform's files in its image.

    `hostile`: variables that somebody adds to those of the task when it is started.
    """

    root: Path
    image: Path
    cloud: Cloud
    aws: Proxy
    control: Control
    contents: Contents
    inside: dict[str, str]
    by_task: bool
    is_released: bool
    hostile: dict[str, str] = field(default_factory=dict)

    @property
    def store(self) -> TableStore:
        """The releases, with every right."""
        return TableStore(self.control.table, self.control.bucket, ENV)

    @property
    def release(self) -> Release:
        found = self.store.load(max(self.store.numbers()))
        assert found is not None
        return found

    def environ(self, kind: str) -> dict[str, str]:
        """Return the variables of a caller of a kind; where no task is, they lead to the database as well."""
        assert self.cloud.secret_key is not None
        access = {
            "AWS_ENDPOINT_URL": self.aws.endpoint,
            "AWS_ACCESS_KEY_ID": self.cloud.access_key,
            "AWS_SECRET_ACCESS_KEY": self.cloud.secret_key.reveal(),
            TOKEN_VARIABLE: kind,
        }
        return access if self.by_task else {**access, **self.contents.variables}

    def call(self, *words: str, kind: str = rights.RELEASE, env: Mapping[str, str] | None = None) -> Ran:
        return run(self.root, *words, env={**self.environ(kind), **(env or {})}, timeout=120)

    def keep(self) -> None:
        """Have `restore` lead back to what is there now."""
        self.contents.keep()
        self._kept = self.root.parent / f"kept-{uuid.uuid4().hex[:8]}"
        shutil.copytree(self.root, self._kept, symlinks=True)

    def restore(self) -> None:
        """Bring everything back that was changed since `keep`."""
        self.contents.restore()
        shutil.rmtree(self.root)
        shutil.copytree(self._kept, self.root, symlinks=True)
        self.hostile.clear()

    _kept: Path = Path()

    # --- files

    @property
    def rules(self) -> str:
        """What its manifest says of releases."""
        return RELEASE if self.is_released else ""

    @property
    def pending(self) -> Path:
        """The file of the migration that the first step applies."""
        (found,) = self.root.glob("services/user/postgres/migrations/*_note.sql")
        return found

    def write(self, *, protected: bool = True, release: str = "", account: str = "") -> None:
        """Write the manifest of the checkout."""
        text = _MANIFEST.format(account=account or self.cloud.account, region=self.cloud.region)
        text += (PROTECTED if protected else "") + (BY_TASK if self.by_task else "") + release
        (self.root / "seedbed.toml").write_text(text)

    def file(self, name: str, data: bytes) -> str:
        """Write a file into the checkout, and return its name."""
        (self.root / name).write_bytes(data)
        return name

    def build(self, name: str = "release.tar") -> str:
        """Build a bundle of the files as they are, and return its name."""
        data = bundle.build(
            bundle.Contents(
                platform="sample", seedbed=__version__, commit="c" * 40, files=read_files(self.root)
            )
        )
        return self.file(name, data)

    def plan_of(self, name: StepName) -> bytes:
        """Return the plan of a step of the release."""
        return self.store.get(self.release.step(name).plan)

    # --- the release

    def taking(self, name: StepName) -> None:
        """Write into the record that a step is being taken, as who may write it can."""
        release, now = self.release, self.store.now()
        steps = _taking(release, name, now)
        assert self.store.replace(replace(release, steps=steps, revision=release.revision + 1))

    def approved(self, name: StepName, kind: str = rights.APPROVE) -> None:
        """Approve a step, in the name of a caller of that kind."""
        signed = replace(self.cloud, session_token=Secret(kind), endpoint=self.aws.endpoint)
        table, bucket = (each.name for each in (self.control.table, self.control.bucket))
        store, release = TableStore(Table(signed, table), Bucket(signed, bucket), ENV), self.release
        store.approve(
            Approval(
                number=release.number,
                step=name,
                digest=release.digest,
                by=store.caller(),
                at=store.now(),
                reason="seen",
            )
        )

    def decoy(self) -> tuple[str, str]:
        """Return a table and a bucket of somebody else, where the release is approved and takes its step."""
        if not self._decoy:
            table, bucket = "sample-decoy", f"sample-decoy-{uuid.uuid4().hex[:12]}"
            make_records(self.cloud, table, bucket)
            store = TableStore(Table(self.cloud, table), Bucket(self.cloud, bucket), ENV)
            release, now = self.release, self.store.now()
            assert store.create(replace(release, steps=_taking(release, StepName.EXPAND, now), revision=0))
            for each in (release.bundle, *(step.plan for step in release.steps if step.plan)):
                store.put(self.store.get(each))
            self._decoy = (table, bucket)
        return self._decoy

    _decoy: tuple[str, str] | None = None

    # --- the task

    @contextmanager
    def waited_on(self) -> Iterator[None]:
        """Have a worker carry out what is called within this context, each run as the program of a task."""
        cloud = replace(self.cloud, session_token=Secret(rights.WORK), endpoint=self.aws.endpoint)
        table, bucket = (each.name for each in (self.control.table, self.control.bucket))
        control = Control(Table(cloud, table), Bucket(cloud, bucket), ENV)
        worker = WarmWorker(control, "local:warm", self._spawn, QUICK)
        thread = threading.Thread(target=worker.work)
        thread.start()
        try:
            yield
        finally:
            worker.stop()
            thread.join()

    def _spawn(self, id_: str, token: str) -> subprocess.Popen[bytes]:
        """Start a run: as the program of a task where its variables are hostile, else as a fork, which is quicker."""
        said = {**self.inside, TOKEN_VARIABLE: rights.WORK, CLAIM: token}
        bound = [*_TASK, *(f"{name}={value}" for name, value in said.items()), "--", "--run", id_]
        words, env = (bound, self.hostile) if self.hostile else (command("--run", id_), said)
        start: Any = subprocess.Popen if self.hostile else Forked
        with (self.root.parent / "task.log").open("a") as log:
            return start(  # type: ignore[no-any-return]
                words,
                cwd=self.image,
                env=clean_environment(env),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                text=True,
            )


def _taking(release: Release, name: StepName, now: float) -> tuple[Step, ...]:
    return tuple(
        replace(each, state="running", token="t", began=now, beat=now) if each.name is name else each
        for each in release.steps
    )


def _write_files(root: Path) -> None:
    files = ProjectFiles(root)
    files.tables(2)
    files.seed("01_t1.json", '[{"id": 7}]')


def _write_pending(root: Path) -> None:
    files = ProjectFiles.__new__(ProjectFiles)
    files.root = root
    files.migration("20260201000001_note", "ALTER TABLE t1 ADD note text;", "ALTER TABLE t1 DROP note;")
    files.migration("20260201000002_drop", "DROP TABLE t2;", directives="phase=contract")


@contextmanager
def site(
    room: Path, aws: Proxy, world: World, server: EmbeddedServer, *, by_task: bool, released: bool
) -> Iterator[Site]:
    """Yield a protected environment with a release that was just opened, and with a worker where it has a task."""
    cloud, root, image = world.cloud, room / "checkout", room / "image"
    root.mkdir(parents=True)
    table, bucket = "sample-prod-seedbed", f"sample-prod-seedbed-{uuid.uuid4().hex[:12]}"
    make_records(cloud, table, bucket)
    control = Control(Table(cloud, table), Bucket(cloud, bucket), ENV)
    names = {each: f"t_{uuid.uuid4().hex[:16]}" for each in (ENV, OTHER)}
    for each in names.values():
        server.create_from_template(each, "template1")
    contents = Contents(cloud, control, server, names[ENV], names[OTHER])
    found = Site(root, image, cloud, aws, control, contents, {}, by_task, released)
    try:
        with _furnished(found, names, server):
            yield found
    finally:
        contents.drop()


@contextmanager
def _furnished(site: Site, names: Mapping[str, str], server: EmbeddedServer) -> Iterator[None]:
    cloud, control = site.cloud, site.control
    _write_files(site.root)
    access = site.environ(rights.RELEASE)
    site.inside.update(
        {
            **{name: access[name] for name in access if name.startswith("AWS_")},
            **{name.removeprefix("USER_"): value for name, value in site.contents.variables.items()},
            "SEEDBED_CONTROL_TABLE": control.table.name,
            "SEEDBED_CONTROL_BUCKET": control.bucket.name,
            "SEEDBED_ENV": ENV,
            "SEEDBED_FILES": "image",
            "AWS_REGION": cloud.region,
        }
    )
    definition = define(cloud, site.inside)
    facts = {
        "control": {"table": control.table.name, "bucket": control.bucket.name, "log-group": "x"},
        "task": {**make_network(cloud), "task-definition": definition},
    }
    put_facts(cloud, "sample", ENV, facts)
    judge = _judge(site, definition)
    by_task, site.by_task = site.by_task, False
    site.write(release="")
    for name in (ENV, OTHER):
        more = ("--unreviewed",) if name == ENV else ()
        made = site.call("apply", "-e", name, *more, env=variables(server, names[name], "USER_"))
        assert made.code == 0, made.everything
    _write_pending(site.root)
    assembly(
        site.root / "cdk.out",
        {STACK: {"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}}},
        account=cloud.account,
    )
    site.by_task = by_task
    site.write(release=site.rules)
    shutil.copytree(site.root, site.image)
    site.build()
    if not by_task:
        _open(site)
        yield
        return
    with site.waited_on():
        looked = site.call("status", "-e", ENV, "--fresh", kind=rights.RUN)
        assert looked.code == 0, looked.everything
        _open(site)
        yield
    del judge


def _open(site: Site) -> None:
    if site.is_released:
        opened = site.call("release", "open", "-e", ENV, "release.tar")
        assert opened.code == 0, opened.everything
    site.keep()


def _judge(site: Site, definition: str) -> Policies:
    names = replace(names_of(site.cloud, ENV, site.control, definition), ephemeral=False)
    judge = judged(site.aws, site.cloud, names)
    for kind, user in WHO.items():
        judge.caller(kind, names, user_id=user)
    return judge
