"""Every command that has --json: what it prints is one document, of its own, as the schema says, however it ends.

The commands run in this process, on servers of the reference engine. What that engine cannot do, and what would take
the CDK, is put in its place: the command line and the documents are the real ones.
"""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import pytest
from msgspec.structs import replace

from seedbed.cli import main
from seedbed.deployment import templates
from seedbed.documents.schemas import COMMANDS, DOCUMENTS, written_by
from seedbed.environments.sandbox import daemons
from seedbed.errors import OutcomeUnknown, Refused, Unavailable
from seedbed.model.event import (
    CopyFinished,
    CopyProgressed,
    DeployFinished,
    DeployProgressed,
    DeployStarted,
    Event,
    TargetDone,
)
from seedbed.model.history import Owner
from seedbed.model.lifetime import EnvironmentRecord
from seedbed.model.outcome import Outcome
from seedbed.project import Catalog, Project, Run, deploying, lifetimes
from seedbed.releases.directory_store import DirectoryStore
from seedbed.remote import place
from seedbed.remote.records import Listed
from seedbed.report.progress import Progress
from seedbed.testing import reference
from seedbed.testing.reference.engine import MemoryEngine
from seedbed.testing.reference.lease import MemoryLease
from seedbed.testing.reference.sandbox import Server, embedded
from seedbed.testing.reference.session import MemorySession
from tests.support.documents import problems
from tests.support.release_steps import T0, a_release
from tests.support.snapshots import KeptSnapshots, SwappedSnapshots
from tests.unit.golden.report import samples

MANIFEST = """
[platform]
name = "sample"
[services.shop.memory]
[services.stock.memory]
[environments."dev-*"]
ephemeral = true
[environments.staging]
account = "222222222222"
[environments.prod]
account = "333333333333"
protected = true
"""
ONE = "20260101000001"
TABLE = "# migrate:up\ncreate carts\n# migrate:down\ndrop carts\n"
E = ("-e", "dev-test")
ASKS_NOBODY = ("verify", "soak", "snapshot", "close")  # steps that change nothing


class Site:
    """A project of two databases that are there, `shop` and `stock`, and what may go wrong with it."""

    def __init__(
        self, root: Path, server: Server, patch: pytest.MonkeyPatch, capture: pytest.CaptureFixture[str]
    ) -> None:
        self.root = root
        self.server = server
        self.patch = patch
        self.capture = capture
        self.digest = ""  # of the release that `released` leaves
        (root / "seedbed.toml").write_text(MANIFEST, encoding="utf-8")
        for service in ("shop", "stock"):
            self.migration(f"{ONE}_carts", TABLE, service=service)
            self.address(service, server.socket)
            patch.setenv(f"{service.upper()}_MEMORY_DATABASE", f"{root.name}-{service}")

    def migration(self, name: str, text: str, *, service: str = "shop") -> None:
        directory = self.root / "services" / service / "memory" / "migrations"
        directory.mkdir(parents=True, exist_ok=True)
        (directory / f"{name}.mem").write_text(text, encoding="utf-8")

    def address(self, service: str, socket: str) -> None:
        self.patch.setenv(f"{service.upper()}_MEMORY_SOCKET", socket)

    def run(self, *arguments: str) -> tuple[int, str, str]:
        """Return exit code, standard output and standard error of a command."""
        self.capture.readouterr()
        code = main.run(["-C", str(self.root), *arguments])
        out, err = self.capture.readouterr()
        return code, out, err

    # What may be prepared before a command runs

    def applied(self) -> None:
        assert self.run("apply", *E)[0] == 0

    def base(self) -> None:
        """Declare a base, and be its task."""
        text = '[environments.shared-dev]\naccount = "222222222222"\nregion = "eu-central-1"\nbase = true\n'
        (self.root / "seedbed.toml").write_text(f"{MANIFEST}\n{text}", encoding="utf-8")
        self.patch.setattr("seedbed.cli.context.travels", lambda *_, **__: False)

    def snapshots(self) -> None:
        """Let the reference engine have a snapshot of release 1 that can be restored."""
        self.applied()
        self._keep(KeptSnapshots("shop/memory", takes=0))

    def swaps(self) -> None:
        """Let it have a copy that can take the database's place, too."""
        self.applied()
        kept = SwappedSnapshots("shop/memory", takes=0)
        self._keep(kept)
        kept.restore(kept.listed()[0], "r1")

    def _keep(self, kept: KeptSnapshots) -> None:
        kept.take(1, 1)
        engine = type("WithSnapshots", (MemoryEngine,), {"snapshots": kept.reached})()
        self.patch.setattr(Catalog, "engine", lambda *_: engine)

    def released(self) -> None:
        """Leave the record of a release of what is there, and its bundle, as `release open` does."""
        assert self.run("release", "build", "-o", str(self.root / "release.tar"))[0] == 0
        store = DirectoryStore(self.root / ".seedbed" / "releases" / "dev-test", "dev-test")
        bundle = store.put((self.root / "release.tar").read_bytes())
        release = a_release(1, environment="dev-test", bundle=bundle)
        self.digest = release.digest
        assert store.create(release)

    def taken(self) -> None:
        """Have all steps of the release taken."""
        store = DirectoryStore(self.root / ".seedbed" / "releases" / "dev-test", "dev-test")
        release = store.load(1)
        assert release is not None
        over = tuple(replace(each, state="done") for each in release.steps)
        assert store.replace(replace(release, steps=over, revision=release.revision + 1))

    def ended(self) -> None:
        """Leave the record of a release that was given up; its bundle is gone."""
        store = DirectoryStore(self.root / ".seedbed" / "releases" / "dev-test", "dev-test")
        who = store.caller()
        over = a_release(
            2, environment="dev-test", state="abandoned", ended=T0, ended_by=who, because="why not"
        )
        assert store.create(over)

    def rows(self) -> None:
        self.migration(
            "20260101000002_rows", '# migrate:up\nput carts 7 {"size": 1}\n# migrate:down\ndelete carts 7\n'
        )

    def refers(self) -> None:
        """Declare a reference from one database into the other."""
        text = '[[references]]\nfrom = "shop/memory:carts.item"\nto = "stock/memory:carts.id"\ngrace = "0s"\n'
        (self.root / "seedbed.toml").write_text(f"{MANIFEST}\n{text}", encoding="utf-8")
        self.applied()

    def orphan(self) -> None:
        self.migration(
            "20260101000002_rows", '# migrate:up\nput carts 7 {"item": 9}\n# migrate:down\ndelete carts 7\n'
        )
        self.applied()

    def kept(self) -> None:
        """Have a row in an environment that is neither protected nor ephemeral."""
        self.rows()
        assert self.run("apply", "-e", "staging")[0] == 0

    def stranger(self) -> None:
        """Bind the databases to another environment."""
        assert self.run("apply", "-e", "dev-other")[0] == 0

    def one_is_away(self) -> None:
        self.address("stock", str(self.root / "nobody"))

    def both_are_away(self) -> None:
        self.address("shop", str(self.root / "nobody"))
        self.one_is_away()

    def fails(self) -> None:
        self.migration(
            "20260101000002_fails", '# migrate:up\nfail "because I say so"\n# migrate:down\ndrop carts\n'
        )

    def unreadable(self) -> None:
        self.migration("20260101000002_wrong", "# migrate:up\nfrobnicate\n")

    def nobody_knows(self) -> None:
        unknown = OutcomeUnknown("it is unknown whether step 2 took effect", try_="look, then seedbed repair")
        self.patch.setattr(MemoryLease, "apply", _raises(unknown))

    def edited(self) -> None:
        self.applied()
        self.migration(f"{ONE}_carts", "# migrate:up\ncreate wagons\n# migrate:down\ndrop wagons\n")

    def late(self) -> None:
        self.migration("20250101000000_late", TABLE.replace("carts", "late"), service="stock")

    def no_way_back(self) -> None:
        self.migration(
            "20260101000002_more", '# seedbed: irreversible because "it is gone"\n# migrate:up\ncreate more\n'
        )
        self.applied()

    def seeds(self) -> None:
        self.seed_files()
        self.applied()

    def seed_files(self) -> None:
        directory = self.root / "services" / "shop" / "memory" / "seeds" / "reference"
        directory.mkdir(parents=True)
        (directory / "01_carts.json").write_text(
            '{"table": "carts", "key": ["id"], "rows": [{"id": 1, "size": 2}]}', encoding="utf-8"
        )

    def interrupted(self) -> None:
        """Press Ctrl-C as soon as the targets are connected."""
        self.patch.setattr(
            Progress, "__call__", _at("target_connected", lambda: os.kill(os.getpid(), signal.SIGINT))
        )

    def pressed_early(self) -> None:
        self.patch.setattr(Project, "open", _raises(KeyboardInterrupt()))

    def declined(self) -> None:
        self.patch.setattr("sys.stdin", SimpleNamespace(isatty=lambda: True))
        self.patch.setattr(click, "confirm", _raises(click.Abort()))

    def broken(self) -> None:
        self.patch.setattr(Run, "status", _raises(RuntimeError("hunter2")))

    def held(self) -> None:
        """Hold the lease of `shop`, for as long as the test runs."""
        self.applied()
        project = Project.open(self.root)
        run = project.run("dev-test", project.catalog.databases(["shop"]))
        session = run.__enter__().connected[0].session
        lease = session.lease(Owner("1", "ana"), wait=0, listener=lambda _: None)
        lease.__enter__()
        self.patch.setattr(self, "_held", (run, lease), raising=False)
        self.migration("20260101000002_more", "# migrate:up\ncreate more\n# migrate:down\ndrop more\n")

    def copies(self) -> None:
        """Have the engine offer what it does not: dump and restore."""
        self.applied()

        def copied(verb: str) -> Callable[..., Iterator[Event]]:
            def copy(_: object, file: Path) -> Iterator[Event]:
                yield CopyProgressed("shop/memory", verb, 1, 2, "rows")
                yield CopyFinished("shop/memory", verb, "2 rows", file.name)

            return copy

        # Classes of their own: what `isinstance` finds out about a protocol, it remembers.
        copying = type("Copying", (MemorySession,), {"dump": copied("dump")})
        restoring = type("Restoring", (MemoryLease,), {"restore": copied("restore")})
        self.patch.setattr("seedbed.testing.reference.session.MemorySession", copying)
        self.patch.setattr("seedbed.testing.reference.lease.MemoryLease", restoring)
        (self.root / "there.jsonl").write_text("", encoding="utf-8")

    def stacks(self) -> None:
        """Have deployments planned and made without the CDK."""

        @contextmanager
        def planned(*_: object) -> Iterator[Any]:
            yield SimpleNamespace(deployment=samples.deployment())

        def made(run: Run, *_: object, **__: object) -> Outcome:
            events = (
                DeployStarted(samples.VIDEO, samples.STACK, 1, ("calls: add index by_host",)),
                DeployProgressed(
                    samples.VIDEO, samples.STACK, 1, "calls: add index by_host", 1, 1, "updates"
                ),
                DeployFinished(samples.VIDEO, samples.STACK, 1, 2.5),
                TargetDone(samples.VIDEO),
            )

            def emit() -> None:
                for event in events:
                    run.context.emit(event)

            return run.outcome_of(emit)

        self.patch.setattr(deploying, "plan_deploy", planned)
        self.patch.setattr(
            deploying, "plan_destroy", lambda *_, **__: SimpleNamespace(names=[samples.STACK], stays="")
        )
        for name in ("deploy", "destroy"):
            self.patch.setattr(deploying, name, made)

    def no_stacks(self) -> None:
        refused = Refused(
            "the account is another one", because="it is 111111111111", try_="other credentials"
        )
        for name in ("plan_deploy", "plan_destroy"):
            self.patch.setattr(deploying, name, _raises(refused))

    def tasks(self) -> None:
        """Have an environment that is reached by a task, and has runs."""
        text = MANIFEST.replace("[environments.staging]\n", '[environments.staging]\naccess = "task"\n')
        (self.root / "seedbed.toml").write_text(text, encoding="utf-8")
        listed = Listed(
            id="01KDF7C2M0QS0V6E1TJ9WB6N4X",
            environment="staging",
            command="apply",
            argv=("--env=staging",),
            by="arn:aws:iam::222222222222:user/ana",
            at="2026-11-30T10:15:00+00:00",
            writes=True,
            state="done",
            exit_code=0,
            ended="2026-11-30T10:16:00+00:00",
        )
        control = SimpleNamespace(runs=lambda *_, **__: [listed])
        self.patch.setattr(place, "find", lambda *_: SimpleNamespace(control=control))

    def assembly(self) -> None:
        """Have an environment in a region, and in `made` what a CDK app made for it."""
        self._in_a_region()
        tags = {"platform": "sample", "environment": "dev-test", "managed-by": "seedbed"}
        stack = {
            "type": "aws:cloudformation:stack",
            "environment": "aws://111111111111/eu-central-1",
            "properties": {"templateFile": "one.json", "tags": tags},
        }
        made = self.root / "made"
        made.mkdir()
        (made / "manifest.json").write_text(json.dumps({"artifacts": {"one": stack}}), encoding="utf-8")
        template = {"Resources": {"Key": {"Type": "AWS::KMS::Key", "Properties": {}}}}
        (made / "one.json").write_text(json.dumps(template), encoding="utf-8")
        self.patch.chdir(self.root)
        self.patch.setenv("SEEDBED_CACHE", str(self.root / "cache"))

    def recorded(self) -> None:
        """Have an environment whose use is written down, without AWS."""
        self._in_a_region()
        text = (self.root / "seedbed.toml").read_text(encoding="utf-8")
        task = text.replace("ephemeral = true\n", 'ephemeral = true\naccess = "task"\n', 1)
        (self.root / "seedbed.toml").write_text(task, encoding="utf-8")

        def told(*_: object, **__: object) -> EnvironmentRecord:
            return EnvironmentRecord(name="dev-test")

        records = SimpleNamespace(extend=told, keep=told)
        self.patch.setattr(lifetimes, "environments", lambda *_: records)
        self.patch.setattr(lifetimes, "touch", lambda *_, **__: lifetimes.Touched(None, told()))

    def nowhere_to_look(self) -> None:
        """Have an environment in a region where AWS does not answer."""
        self._in_a_region()
        self.patch.setattr(templates, "deployed", _raises(Unavailable("AWS does not answer")))

    def _in_a_region(self) -> None:
        place = 'account = "111111111111"\nregion = "eu-central-1"\nephemeral = true\n'
        text = MANIFEST.replace("ephemeral = true\n", place, 1)
        (self.root / "seedbed.toml").write_text(text, encoding="utf-8")

    def no_daemons(self) -> None:
        self.patch.setattr(daemons, "start", lambda *_: None)


def _raises(error: BaseException) -> Callable[..., Any]:
    def call(*_: object, **__: object) -> None:
        raise error

    return call


def _at(kind: str, act: Callable[[], None]) -> Callable[[Progress, Event], None]:
    """Return what listens to events and acts at the first one of a `kind`."""
    heard: list[Event] = []

    def listen(_: Progress, event: Event) -> None:
        if event.kind == kind and not heard:
            heard.append(event)
            act()

    return listen


@dataclass(frozen=True)
class Case:
    """A command as it is typed, without --json; the document that it has to print; the code it has to leave with.

    `prepare`: what happens before, by the names of methods of `Site`. `errors`: how many there have to be; -1: any.
    """

    typed: str
    document: str
    code: int
    prepare: str = ""
    errors: int = -1

    @property
    def name(self) -> str:
        return f"{self.typed or '(nothing)'}{f', {self.prepare}' if self.prepare else ''}"


CASES: dict[str, list[Case]] = {
    "apply": [
        Case("-e dev-test", "outcome", 0),
        Case("-e dev-test", "outcome", 0, "applied"),
        Case("-e dev-test", "outcome", 5, "fails"),
        Case("-e dev-test", "outcome", 5, "one_is_away"),
        Case("-e dev-test", "outcome", 4, "both_are_away"),
        Case("-e dev-test", "outcome", 5, "nobody_knows"),
        Case("-e dev-test", "outcome", 130, "interrupted"),
        Case("-e dev-test --wait 0", "outcome", 4, "held"),
        Case("-e dev-test", "error", 3, "stranger", 2),
        Case("-e dev-test", "error", 3, "edited", 1),
        Case("-e dev-test", "error", 3, "edited late", 2),
        Case("-e dev-test", "error", 2, "unreadable", 1),
        Case("-e dev-test", "error", 130, "pressed_early"),
        Case("-e prod", "error", 3),
        Case("-e nowhere", "error", 2),
        Case("-e dev-test -s nobody", "error", 2),
        Case("-e dev-test --to 7 -s shop", "error", 2),
        Case("-e dev-test seedbed.toml", "error", 2),
        Case("-e dev-test --through soon", "error", 2),
        Case("", "error", 2),
        Case("-e dev-test --dry-run", "plan", 0),
        Case("-e prod --dry-run", "plan", 0),
        Case("-e dev-test --dry-run", "plan", 0, "one_is_away"),
        Case("-e dev-test --seed", "outcome", 0, "seed_files"),
        Case("-e prod --seed --unreviewed", "outcome", 0, "seed_files"),
    ],
    "plan": [
        Case("-e dev-test", "plan", 0),
        Case("-e dev-test --exit-code", "plan", 6),
        Case("-e dev-test --exit-code", "plan", 0, "applied"),
        Case("-e dev-test --through expand --out plan.json", "plan", 0),
        Case("-e dev-test --out nowhere/plan.json", "error", 2),
        Case("-e dev-test --out /dev/full", "error", 2),
        Case("-e dev-test --sql", "plan", 0),
        Case("-e dev-test --summary", "plan", 0),
        Case("-e prod", "plan", 0, "seed_files"),
        Case("-e dev-test", "error", 4, "one_is_away", 1),
        Case("-e dev-test", "error", 4, "both_are_away", 2),
        Case("-e dev-test", "error", 3, "edited"),
    ],
    "status": [
        Case("-e dev-test", "status", 0),
        Case("-e dev-test --exit-code", "status", 6),
        Case("-e dev-test --exit-code", "status", 0, "applied"),
        Case("-e dev-test", "status", 4, "one_is_away"),
        Case("-e dev-test --summary", "status", 4, "both_are_away"),
        Case("-e dev-test", "status", 0, "edited"),
        Case("-e dev-test", "error", 3, "stranger"),
        Case("-e dev-test", "error", 1, "broken"),
        Case("-e nowhere", "error", 2),
    ],
    "revert": [
        Case("-e dev-test -s shop", "outcome", 0, "applied"),
        Case("-e dev-test --all --to 0", "outcome", 0, "applied"),
        Case("-e dev-test -s shop", "outcome", 130, "applied interrupted"),
        Case("-e dev-test --all --dry-run", "plan", 0, "applied"),
        Case("-e dev-test", "error", 2),
        Case("-e dev-test --steps 1 --to 0", "error", 2),
        Case("-e dev-test --all", "error", 4, "both_are_away", 2),
        Case("-e dev-test --all", "error", 3, "no_way_back"),
        Case("-e prod --all", "error", 3),
        Case("-e staging -s shop --to 0", "error", 3, "kept"),
        Case("-e staging -s shop --to 0 --yes", "outcome", 0, "kept"),
        Case("-e staging -s shop --to 0 --dry-run", "plan", 0, "kept"),
        Case("-e dev-test -s shop --to 0", "outcome", 0, "rows applied"),
    ],
    "seed": [
        Case("-e dev-test", "outcome", 0, "seeds"),
        Case("-e dev-test", "outcome", 0, "applied"),
        Case("-e dev-test", "outcome", 0),
        Case("-e dev-test", "error", 3, "seed_files", 1),
        Case("-e prod --kind fixture", "error", 3),
        Case("-e prod", "error", 3, "seed_files"),
        Case("-e dev-test --kind none", "error", 2),
    ],
    "reset": [
        Case("-e dev-test --yes", "outcome", 0, "applied"),
        Case("-e dev-test", "error", 3, "applied"),
        Case("-e dev-test", "error", 130, "declined"),
        Case("-e staging --yes", "error", 3),
    ],
    "repair": [
        Case(f"{ONE} -e dev-test -s shop --checksum", "outcome", 0, "edited"),
        Case("-e dev-test -s shop --unlock --yes", "outcome", 0, "applied"),
        Case(f"{ONE} -e dev-test -s shop --applied", "outcome", 2, "applied"),
        Case(f"{ONE} -e dev-test", "error", 2),
        Case(f"{ONE} -e dev-test --forget", "error", 2, "applied"),
        Case("-e dev-test --unlock", "error", 4, "both_are_away", 2),
    ],
    "deploy": [
        Case("-e dev-test", "outcome", 0, "stacks"),
        Case("-e staging --dry-run", "deployment", 0, "stacks"),
        Case("-e staging", "error", 3, "stacks"),
        Case("-e dev-test", "error", 3, "no_stacks"),
        Case("-e prod", "error", 3),
    ],
    "destroy": [
        Case("-e dev-test --yes", "outcome", 0, "stacks"),
        Case("-e dev-test", "error", 3, "stacks"),
        Case("-e staging --yes", "error", 3),
    ],
    "dump": [
        Case("new.jsonl -e dev-test -s shop", "outcome", 0, "copies"),
        Case("there.jsonl -e dev-test -s shop", "error", 2, "copies"),
        Case("new.jsonl -e dev-test -s shop", "error", 2),
        Case("new.jsonl -e dev-test", "error", 2),
    ],
    "restore": [
        Case("there.jsonl -e dev-test -s shop", "outcome", 0, "copies"),
        Case("there.jsonl -e prod -s shop", "error", 3, "copies"),
        Case("absent.jsonl -e dev-test -s shop", "error", 2),
    ],
    "doctor": [
        Case("", "doctor", 0),
        Case("-e dev-test", "doctor", 0),
        Case("-e dev-test", "doctor", 4, "both_are_away", 2),
        Case("-e nowhere", "error", 2),
    ],
    "verify": [
        Case("-e dev-test", "verification", 0, "refers"),
        Case("-e dev-test", "verification", 6, "refers orphan"),
        Case("-e dev-test --dry-run", "reading", 0, "refers"),
        Case("-e dev-test --dry-run", "reading", 4, "refers one_is_away"),
        Case("-e dev-test", "verification", 4, "refers one_is_away"),
        Case("-e dev-test --history", "verified", 0, "refers"),
        Case("-e dev-test --history", "verified", 4, "refers one_is_away"),
        Case("-e dev-test --usage", "usage", 0),
        Case("-e dev-test --usage", "usage", 4, "one_is_away"),
        Case("-e dev-test", "verification", 0),
        Case("-e dev-test --dry-run", "error", 2, "", 1),
        Case("-e dev-test", "verification", 4, "one_is_away"),
        Case("-e dev-test -s shop", "error", 2, "", 1),
    ],
    "init": [
        Case("", "init", 0),
        Case("other", "error", 2),
        Case("--engine oracle", "error", 2),
    ],
    "image": [
        Case(f"--check --base python@sha256:{'b' * 64} --ca-bundle sha256:{'c' * 64}", "image", 6),
        Case("--check", "error", 2),
    ],
    "release build": [
        Case("-o release.tar", "bundle", 0),
        Case("-o release.tar --image api=api:1", "error", 2),
    ],
    "release open": [
        Case("-e dev-test release.tar", "release", 0, "released"),
        Case("-e sandbox release.tar", "error", 3, "released"),
        Case("-e dev-test nothing.tar", "error", 2),
        Case("-e dev-test release.tar --digest 000000000000", "error", 2, "released"),
    ],
    "release next": [
        Case("-e dev-test", "releases", 0),
        Case("-e dev-test --ok-if-closed --through close", "releases", 0),
        Case("-e dev-test 1", "error", 2),
        Case("-e dev-test", "release", 0, "ended"),
        Case("-e dev-test 7", "error", 2, "released"),
    ],
    "release show": [
        Case("-e dev-test", "release", 0, "released"),
        Case("-e dev-test 1", "release", 0, "released ended"),
        Case("-e dev-test", "release", 0, "ended"),
        Case("-e dev-test", "error", 2),
        Case("-e dev-test 7", "error", 2, "released"),
        Case("-e dev-test --markdown", "error", 2, "released"),
    ],
    "release check": [
        Case("-e dev-test", "readiness", 0, "released"),
        Case("-e dev-test", "readiness", 0, "ended"),
        Case("-e dev-test 2", "error", 3, "ended"),
        Case("-e dev-test", "releases", 0),
        Case("-e dev-test 7", "error", 2, "released"),
    ],
    "release approve": [
        Case("-e dev-test --step code --digest DIGEST", "approval", 0, "released"),
        Case("-e dev-test --step code --digest 000000000000", "error", 3, "released"),
        Case("-e dev-test --step code --digest 00000000000", "error", 2, "released"),
        *(Case(f"-e dev-test --step {each} --digest DIGEST", "error", 2, "released") for each in ASKS_NOBODY),
    ],
    "release back": [
        Case("-e dev-test --keep-migrations", "release", 0, "released"),
        Case("-e dev-test 7", "error", 2, "released"),
    ],
    "release abandon": [
        Case("-e dev-test --because over", "release", 0, "released"),
        Case("-e dev-test 7 --because over", "error", 2, "released"),
    ],
    "release close": [
        Case("-e dev-test", "release", 0, "released taken"),
        Case("-e dev-test", "error", 3, "released"),
    ],
    "release drill": [
        Case("-e dev-test", "release", 0, "released taken"),
        Case("-e dev-test 7", "error", 2, "released"),
    ],
    "release list": [
        Case("-e dev-test", "releases", 0, "released ended"),
        Case("-e dev-test", "releases", 0),
        Case("-e nowhere", "error", 2),
    ],
    "runs list": [
        Case("-e staging", "runs", 0, "tasks"),
        Case("-e dev-test", "error", 2),
        Case("-e nowhere", "error", 2),
    ],
    "env cost": [
        Case("dev-test --assembly made", "cost", 0, "assembly"),
        Case("dev-test", "error", 2),
        Case("sandbox", "error", 2),
        Case("--planned", "error", 2),
        Case("", "cost", 4, "nowhere_to_look", 1),
    ],
    "env extend": [
        Case("dev-test --ttl 7d", "lifetime", 0, "recorded"),
        Case("dev-test --ttl 7d", "error", 2),
    ],
    "env gc": [Case("--dry-run", "collection", 0), Case("more", "error", 2)],
    "env keep": [Case("dev-test", "lifetime", 0, "recorded"), Case("sandbox", "error", 2)],
    "env touch": [Case("dev-test", "lifetime", 0, "recorded"), Case("staging", "error", 2)],
    **{
        f"share {verb}": [
            Case(f"{what} -e shared-dev", "shares", code, "base"),
            Case(f"{what} -e dev-test", "error", 2),
        ]
        for verb, what, code in (
            ("make", "dev-ana shop/memory", 2),
            ("keep", "dev-ana shop/memory", 2),
            ("list", "", 0),
            ("drop", "dev-ana", 0),
        )
    },
    # The reference engine takes no snapshots: `tests/integration` has those that do.
    "snapshot take": [
        Case("-e dev-test -s shop --release 1", "snapshots", 0, "snapshots"),
        Case("-e dev-test --release 1", "snapshots", 6),
        Case("-e nowhere --release 1", "error", 2),
    ],
    "snapshot list": [
        Case("-e dev-test -s shop", "snapshots", 0, "snapshots"),
        Case("-e dev-test", "snapshots", 0),
        Case("-e nowhere", "error", 2),
    ],
    "snapshot restore": [
        Case("-e dev-test -s shop --release 1", "copy", 0, "snapshots"),
        Case("-e dev-test -s shop --release 1 --dry-run", "copy", 0, "snapshots"),
        Case("-e dev-test -s shop --release 2", "error", 3, "snapshots"),
        Case("-e dev-test -s shop --release 1", "error", 3),
        Case("-e dev-test --release 1", "error", 2),
    ],
    "snapshot drop": [
        Case("-e dev-test -s shop --release 1", "copy", 0, "snapshots"),
        Case("-e dev-test --release 1", "error", 2),
    ],
    "snapshot swap": [
        Case("-e dev-test -s shop --release 1 --yes", "swap", 0, "swaps"),
        Case("-e dev-test -s shop --release 1 --yes", "error", 3, "snapshots"),
    ],
    "snapshot drill": [
        Case("-e dev-test -s shop --release 1", "drill", 0, "snapshots"),
        Case("-e dev-test --release 1", "drill", 3),
        Case("-e nowhere --release 1", "error", 2),
    ],
    "snapshot delete": [
        Case("-e dev-test -s shop --release 1 --yes", "snapshots", 0, "snapshots"),
        Case("-e dev-test --release 1 --yes", "snapshots", 3),
        Case("-e dev-test -s shop --before 2020-01-01 --yes", "snapshots", 0, "snapshots"),
        Case("-e dev-test --release 1", "error", 2),
        Case("-e dev-test --yes", "error", 2),
    ],
    "env list": [Case("", "environments", 0), Case("more", "error", 2)],
    "env down": [
        Case("sandbox", "down", 0),
        Case("dev-test --yes", "down", 0, "stacks"),
        Case("prod", "error", 3),
    ],
    "env up": [
        Case("sandbox", "connections", 0, "no_daemons"),
        Case("dev-test", "up", 0, "seed_files"),
        Case("dev-test", "up", 5, "one_is_away"),
        Case("prod", "error", 3),
        Case("nowhere", "error", 2),
    ],
}
EACH = [
    pytest.param(command, case, id=f"{command} {case.name}")
    for command, cases in CASES.items()
    for case in cases
]


@pytest.fixture(autouse=True)
def reference_engine() -> Iterator[None]:
    with reference.installed():
        yield


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with embedded(tmp_path_factory.mktemp("memory")) as running:
        yield running


@pytest.fixture
def site(
    short_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Site:
    monkeypatch.chdir(short_path)
    return Site(short_path, server, monkeypatch, capsys)


@pytest.mark.parametrize(("command", "case"), EACH)
def test_a_command_prints_one_document_that_is_its_own_and_as_its_schema_says(
    site: Site, command: str, case: Case
) -> None:
    for name in case.prepare.split():
        getattr(site, name)()
    code, out, err = site.run(*command.split(), *case.typed.replace("DIGEST", site.digest).split(), "--json")
    assert code == case.code, err
    document = json.loads(out)
    assert problems(document) == []
    assert document["schema"].split("/")[1] == case.document
    assert document["command"] == command
    assert document.get("exit_code", code) == code
    assert case.errors in {-1, len(document.get("errors", ()))}
    assert "hunter2" not in out


def _commands(group: click.Group, above: str = "") -> Iterator[str]:
    """Yield the name of every command that has --json, after those of the groups that it is in."""
    for name in group.list_commands(click.Context(group)):
        found = group.get_command(click.Context(group), name)
        if isinstance(found, click.Group):
            yield from _commands(found, f"{above}{name} ")
        elif found is not None and any(option.name == "as_json" for option in found.params):
            yield f"{above}{name}"


def test_every_command_with_json_is_here_and_so_is_every_document_that_it_may_write() -> None:
    there = set(_commands(main.cli))
    assert there ^ set(CASES) == set(), "CASES has to name the commands with --json, and no others"
    assert there ^ set(COMMANDS) == set(), "`commands` of documents have to name the commands with --json"
    for command, cases in CASES.items():
        assert {each.document for each in cases} == set(written_by(command)), (
            f"CASES[{command!r}] has to have a case for each document that it may write, and for no other"
        )
    printed = {name for name, each in DOCUMENTS.items() if each.is_printed}
    assert {each.document for cases in CASES.values() for each in cases} == printed


def test_the_digest_of_a_bundle_and_that_of_a_release_are_told_from_each_other(site: Site) -> None:
    site.released()
    bundle = hashlib.sha256((site.root / "release.tar").read_bytes()).hexdigest()
    code, _, err = site.run("release", "approve", *E, "--step", "code", "--digest", bundle)
    assert (code, f"{bundle} is the digest of the bundle, and not of release 1" in err) == (3, True), err
    opening = ("release", "open", *E, str(site.root / "release.tar"), "--digest")
    code, _, err = site.run(*opening, site.digest)
    assert (code, f"{site.digest} is the digest of release 1, and not of a bundle" in err) == (3, True), err
    assert site.run(*opening, bundle)[0] == 0


def test_what_a_seed_prints_stands_beside_the_document(site: Site) -> None:
    site.seeds()
    file = site.root / "services/shop/memory/seeds/fixture/printed.py"
    file.parent.mkdir(parents=True, exist_ok=True)
    table = "# seedbed: table=carts\n"
    file.write_text(f"{table}def rows():\n    print('a row')\n    yield {{'id': 1}}\n", encoding="utf-8")
    _, out, err = site.run("seed", *E, "--kind", "fixture", "--json")
    assert json.loads(out)["schema"] == "seedbed/outcome/1"
    assert "a row\n" in err


def test_a_verification_is_markdown_too_and_its_findings_stand_beside_their_lines_on_github(
    site: Site,
) -> None:
    site.refers()
    site.orphan()
    site.patch.setenv("GITHUB_ACTIONS", "true")
    site.patch.setenv("GITHUB_WORKSPACE", str(site.root))
    code, out, err = site.run("verify", *E, "--markdown")
    assert code == 6
    assert out.startswith("### `dev-test`: 1 reference: 1 broken")
    assert "- `9` in 1 row: `7`\n" in out
    line = (site.root / "seedbed.toml").read_text("utf-8").partition("from = ")[0].count("\n") + 1
    begins = f"::error title=seedbed%3A shop/memory%3Acarts.item,file=seedbed.toml,line={line},col=1::1 id, 1 orphan"
    assert [each for each in err.splitlines() if each.startswith(begins)] != []
    code, out, err = site.run("verify", *E, "--markdown", "--json")
    assert code == 2
    assert "--json and --markdown cannot be combined" in err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--since", "yesterday"), "'yesterday' is no time; write 2026-11-28, 2026-11-28T10:00 or"),
        (("--since", "9999-01-01"), "--since 9999-01-01 00:00 UTC lies in the future"),
        (("--since", "2026-01-01", "--history"), "--history and --since cannot be combined"),
        (("--max-units", "5", "--history"), "--history and --max-units cannot be combined"),
    ],
)
def test_what_would_verify_nothing_is_refused(site: Site, options: tuple[str, ...], said: str) -> None:
    site.refers()
    code, _, err = site.run("verify", *E, *options)
    assert (code, said in err) == (2, True), err


def test_a_plan_is_written_as_markdown_and_in_no_other_form_beside_it(site: Site) -> None:
    code, out, err = site.run("plan", *E, "--markdown")
    assert (code, err) == (0, "")
    assert out.startswith("### `dev-test`: 2 to apply in 2 databases")
    assert f"| + | expand | `shop/memory` | `{ONE}_carts` |  |" in out
    assert "<summary><code>shop/memory</code>: 1 expand</summary>" in out
    for other in ("--json", "--sql", "--summary"):
        code, out, err = site.run("plan", *E, "--markdown", other)
        assert (code, f"--markdown and {other} cannot be combined" in err) == (2, True)


def test_a_plan_says_what_a_release_of_it_asks_for(site: Site) -> None:
    said = '[environments.dev-test]\nephemeral = true\ntask.image = "seedbed:1"\nrelease.approvals.contract = 2\n'
    (site.root / "seedbed.toml").write_text(f"{MANIFEST}\n{said}", encoding="utf-8")
    plan = json.loads(site.run("plan", *E, "--json", "--release", "7")[1])
    assert plan["approvals_needed"] == [{"step": "contract", "approvals": 2}]
    assert (plan["release"], plan["image"], plan["snapshots"]) == (7, "seedbed:1", [])
    ones = [f"{each}/memory:{ONE}" for each in ("shop", "stock")]
    assert plan["rollback"] == [{"phase": "expand", "reversible": ones, "irreversible": []}]


class Full(io.StringIO):
    """Standard output on a disk that is full."""

    def write(self, _: str) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize(
    ("typed", "code", "told"),
    [
        ("apply", 5, "error: the result cannot be written to standard output"),
        ("apply --json", 5, "error: the result cannot be written to standard output"),
        ("apply --dry-run", 4, "error: the result cannot be written to standard output"),
        ("status", 4, "error: the result cannot be written to standard output"),
        ("status --json", 4, "error: the result cannot be written to standard output"),
        ("reset --json", 3, "error: reset would delete all data"),
        ("apply --json --nothing", 2, "No such option"),
    ],
)
def test_a_full_disk_is_no_bug_and_hides_no_error(site: Site, typed: str, code: int, told: str) -> None:
    site.patch.setattr(sys, "stdout", Full())
    command, *options = typed.split()
    found, _, err = site.run(command, *E, *options)
    assert (found, "bug" in err, "Traceback" in err) == (code, False, False)
    assert told in err


def test_a_directory_that_was_removed_is_a_wrong_call(
    site: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = site.root / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    code = main.run(["status", *E, "--json"])
    document = json.loads(capsys.readouterr().out)
    assert (code, document["errors"][0]["error"]) == (2, "the working directory is gone")


def test_a_plan_file_holds_the_document_that_was_printed(site: Site) -> None:
    _, out, _ = site.run("plan", *E, "--out", "plan.json", "--json")
    assert (site.root / "plan.json").read_text(encoding="utf-8") == out
    assert site.run("apply", *E, "plan.json")[0] == 0


def test_what_a_dry_run_prints_is_a_plan_file(site: Site) -> None:
    _, out, _ = site.run("apply", *E, "--dry-run", "--json")
    (site.root / "plan.json").write_text(out, encoding="utf-8")
    assert site.run("apply", *E, "plan.json")[0] == 0


def test_a_plan_file_with_a_field_too_many_is_refused_with_its_name(site: Site) -> None:
    site.run("plan", *E, "--out", "plan.json")
    plan = json.loads((site.root / "plan.json").read_text(encoding="utf-8"))
    (site.root / "plan.json").write_text(json.dumps({**plan, "more": 1}), encoding="utf-8")
    code, _, err = site.run("apply", *E, "plan.json")
    assert code == 2
    assert err.startswith("plan.json: error: the plan file is damaged")
    assert "unknown field `more`" in err


def test_every_error_is_told_in_words_as_well(site: Site) -> None:
    site.both_are_away()
    code, out, err = site.run("plan", *E)
    assert (code, out) == (4, "")
    assert "shop/memory: error:" in err
    assert "stock/memory: error:" in err


def test_an_alias_writes_the_document_of_its_command(site: Site) -> None:
    _, out, _ = site.run("migration:show", *E, "--json")
    assert json.loads(out)["command"] == "status"


@pytest.mark.parametrize(
    ("typed", "command", "said"),
    [
        ("stats", "", "Did you mean status?"),
        ("env lits", "env", "No such command"),
        ("apply -e dev-test --wiat 3", "apply", "No such option"),
        ("env up", "env up", "Missing argument"),
        ("new x", "new", "No such option"),  # it prints a path, and no document
    ],
)
def test_a_call_that_is_wrong_is_a_document_too(site: Site, typed: str, command: str, said: str) -> None:
    code, out, err = site.run(*typed.split(), "--json")
    assert code == 2
    assert said in err
    document = json.loads(out)
    assert problems(document) == []
    assert document["command"] == command
    [error] = document["errors"]
    assert error["kind"] == "UsageError"
    assert said in error["error"]


def test_schema_prints_those_that_there_are_and_says_which_a_command_writes(site: Site) -> None:
    for name in DOCUMENTS:
        code, out, _ = site.run("schema", name)
        assert (code, json.loads(out)["title"]) == (0, f"seedbed {name}")
    code, _, err = site.run("schema", "apply")
    assert code == 2
    assert "apply --json writes plan or outcome or error" in err
    code, _, err = site.run("schema", "nothing")
    assert code == 2
    listed = err.partition("the schemas are ")[2].splitlines()[0].split(", ")
    assert set(listed) == {"manifest", "tables.toml", "indexes.toml", "expectations.toml", *DOCUMENTS}
