"""`seedbed demo`."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import click

from seedbed.cli import options
from seedbed.cli.context import CommandContext, CommandKind, command_context
from seedbed.errors import ExitCode, Irreversible, UsageError, ViolationsFound
from seedbed.files.scratch import scratch
from seedbed.support.extras import install_line
from seedbed.support.phrases import count

if TYPE_CHECKING:
    from seedbed.model.event import SeedLoaded
    from seedbed.model.outcome import Outcome
    from seedbed.model.platform import Database
    from seedbed.model.seed import SeedKind
    from seedbed.project import Project, Run

ENV = "sandbox"
STACKS_AT_ONCE = 3  # each is a process of Node's
_COUNTED = 1_000  # rows that are read at once to be counted


@click.command("demo")
@click.option(
    "--keep",
    is_flag=True,
    help="Keep the sandbox afterwards, and the demo's own platform, written to ./edtech.",
)
@options.selection
@command_context(CommandKind.LOCAL)
def command(context: CommandContext, keep: bool, services: tuple[str, ...], engines: tuple[str, ...]) -> None:
    """Run the whole platform on embedded servers, and say what was done.

    Everything is migrated, seeded, counted and verified, and the last migrations are reverted and applied again. Where
    the CDK and Node are installed, tables are deployed before and destroyed afterwards. Outside a platform it runs its
    own: an EdTech platform of eight services.

    \b
    seedbed demo
    seedbed demo -s user -s payment
    """
    from seedbed.documents.status import StatusDocument
    from seedbed.report.text.status import status_text

    began = time.monotonic()
    with ExitStack() as cleaning, ExitStack() as closing:
        find_platform(context, cleaning, keep=keep)
        project = context.project
        databases = context.databases(services, engines)
        project.catalog.require_extras(databases)
        deployed = project.catalog.deployable(databases)
        if deployed and (lacking := lacks_cdk()):
            deployed = ()
            how = install_line("all", "cdk", "node", "sandbox")
            context.out.log(f"{lacking}: apply makes the tables. To see them deployed: {how}")
        if not keep:
            project.home = cleaning.enter_context(_scratch(project))
        engines_meant = ", ".join(sorted({each.engine for each in databases}))
        context.out.log(f"starting what {len(databases)} databases need: {engines_meant}")
        tour = Tour(context, closing)
        with _servers(project, [each for each in databases if each not in deployed]) as started:
            tables = closing.enter_context(context.run(ENV, deployed, wait=60)) if deployed else None
            if tables is not None:
                tables.require_connected()
                tour.step("deploy the tables with the CDK", tables, tour.deploy)
            started()
            with context.run(ENV, databases, wait=60) as run:
                run.require_connected()
                tour.step("migrate every database", run, run.apply)
                tour.step("seed reference data and fixtures", run, tour.seed)
                tour.step("seed again: nothing changes, every row is there", run, tour.count)
                tour.verify(run)
                tour.step("revert the last migration of each database", run, tour.revert_each)
                tour.step("apply again", run, run.apply)
                tour.step("seed again: only what went with the reverted ones", run, tour.load)
                tour.step("every row is there again", run, tour.count)
                document = StatusDocument.of(run.status(), context.command)
                context.out.result(status_text(document, summary=True))
        if tables is not None and not keep:
            tour.step("destroy what was deployed", tables, tour.destroy)
    context.out.log(f"done in {time.monotonic() - began:.1f} s: {tour.told}")


def find_platform(context: CommandContext, cleaning: ExitStack, *, keep: bool) -> None:
    """Have the demo work on the platform around, or where there is none on its own: a copy, which `keep` leaves here.

    Raises UsageError where a copy cannot be kept.
    """
    if context.has_manifest:
        return
    source = own_platform()
    if keep:
        import os
        import shlex

        copy = context.directory / source.name
        if copy.exists():
            raise UsageError(
                f"{copy} is there already",
                because="the demo's platform would be written to it",
                try_=f"seedbed -C {shlex.quote(os.path.relpath(copy))} demo --keep, or without --keep",
            )
    else:
        copy = cleaning.enter_context(scratch("seedbed.platform-")).directory / source.name
    shutil.copytree(
        source, copy, ignore=shutil.ignore_patterns(".seedbed", "__pycache__", "cdk.out", "node_modules")
    )
    context.move(copy)
    context.out.log(f"the demo's platform: {copy if keep else 'a copy of ' + str(source)}")


def own_platform() -> Path:
    """Return the platform that comes with seedbed: in its package, or beside its sources."""
    import seedbed

    package = Path(seedbed.__file__).parent
    found = next(
        (each for each in (package / "edtech", package.parents[1] / "edtech") if each.is_dir()), None
    )
    if found is None:
        raise UsageError(
            "the demo's platform is not here",
            because=f"neither {package} nor the directories around it have it",
            try_="install seedbed again: its wheel has it",
        )
    return found


@contextmanager
def _servers(project: Project, databases: Sequence[Database]) -> Iterator[Callable[[], object]]:
    """Run the servers of `databases`, and yield what waits until they have answered once.

    It takes seconds of a processor to start some of them, and more until they answer: meanwhile others are deployed.
    """
    with ExitStack() as owned, ThreadPoolExecutor(1, "servers") as threads:

        def start() -> None:
            owned.enter_context(project.sandbox.servers(databases))
            with project.run(ENV, databases):  # looks into each
                pass

        yield threads.submit(start).result


@contextmanager
def _scratch(project: Project) -> Iterator[Path]:
    """Yield a directory for the sandbox, which is removed when its servers have ended: they write to the last."""
    with scratch("seedbed.demo-") as room:
        try:
            yield room.directory
        finally:
            project.sandbox.wait_until_stopped()


def lacks_cdk() -> str:
    """Return what this machine lacks to deploy tables with the CDK, "" where it can; fetches nothing."""
    import os

    from seedbed.deployment.cdk import find_node

    if find_spec("aws_cdk") is None:
        return "the CDK is not installed"
    try:
        find_node(os.environ)
    except UsageError:
        return "there is no Node, which the CDK needs"
    return ""


def _kinds() -> list[SeedKind]:
    from seedbed.model.seed import SeedKind

    return [SeedKind.REFERENCE, SeedKind.FIXTURE]


class Tour:
    """The steps of the demo, each announced, each checked."""

    run: Run  # of this step

    def __init__(self, context: CommandContext, closing: ExitStack) -> None:
        """`closing`: what is entered here stays open until the demo is over."""
        self.context = context
        self.done: list[str] = []
        self._first = 0  # event of this step
        self._closing = closing

    @property
    def told(self) -> str:
        return "; ".join(self.done)

    @property
    def loaded(self) -> list[SeedLoaded]:
        """What this step has loaded."""
        from seedbed.model.event import SeedLoaded

        return [event for event in self.run.events[self._first :] if isinstance(event, SeedLoaded)]

    def step(self, title: str, run: Run, act: Callable[[], Outcome]) -> None:
        self.context.out.log(f"\n== {title}")
        self.run, self._first = run, len(run.events)
        outcome = act()
        if outcome.exit_code is not ExitCode.DONE:
            from seedbed.documents.outcome import OutcomeDocument
            from seedbed.report.text.outcome import outcome_text

            document = OutcomeDocument.of(outcome, (), self.context.command)
            self.context.out.result(outcome_text(document))
            self.context.leave(outcome.exit_code)
        self.done.append(f"{title} ({self._amount(outcome)})")

    def _amount(self, outcome: Outcome) -> str:
        """Return what a step changed, or found to be there, in the unit that it has."""
        migrations = sum(len(each.finished) for each in outcome.targets)
        stacks = sum(bool(each.updates) for each in outcome.targets)
        if migrations or stacks:
            return f"{migrations} migrations" if migrations else f"{stacks} stacks"
        from seedbed.manifest.files import SEED_SUFFIXES

        rows = [each for each in self.loaded if each.part.endswith(SEED_SUFFIXES)]
        changed = sum(each.inserted + each.updated for each in rows)
        by_scripts = sum(each.inserted + each.updated for each in self.loaded) - changed
        more = (
            f", and {by_scripts} by scripts" if by_scripts else ""
        )  # which are run, and have no rows to compare
        return f"{changed or sum(each.unchanged for each in rows)} rows{more}"

    def deploy(self) -> Outcome:
        """Deploy what is declared."""
        from seedbed.project import deploying

        plan = self._closing.enter_context(deploying.plan_deploy(self.run))
        return deploying.deploy(self.run, plan, jobs=STACKS_AT_ONCE)

    def destroy(self) -> Outcome:
        from seedbed.project import deploying

        services = {each.target.database.service for each in self.run.connected}
        return deploying.destroy(self.run, deploying.plan_destroy(self.run, services))

    def seed(self) -> Outcome:
        from seedbed.report.text.seeds import seed_text

        outcome = self.load()
        self.context.out.result(seed_text(self.loaded))
        return outcome

    def count(self) -> Outcome:
        """Compare every row of the seeds with what is stored. Raises ViolationsFound where not all are there, equal."""
        outcome = self.load()
        for target, wanted in self._wanted().items():
            parts = [each for each in self.loaded if each.target == target]
            equal = sum(each.unchanged for each in parts)
            if equal != wanted or any(each.inserted or each.updated for each in parts):
                raise ViolationsFound(
                    f"{target} does not hold what its seeds say",
                    because=f"they have {wanted} rows, and {equal} were found as they are",
                    try_="run the demo again with --keep, and look at the rows that differ",
                )
            self.context.out.log(f"{target}: all {wanted} rows of its seeds are there")
        return outcome

    def _wanted(self) -> dict[str, int]:
        """Return how many rows the seeds have, by database; scripts have none."""
        from seedbed.model.seed import Script

        return {
            each.id: sum(
                len(batch.rows)
                for kind in _kinds()
                for part in self.context.catalog.dataset(each.database, kind).parts
                if not isinstance(part, Script)
                for batch in part.batches(_COUNTED)
            )
            for each in self.run.connected
        }

    def verify(self, run: Run) -> None:
        """Verify what is declared of the databases of `run` alone; leave with 6 where something is broken."""
        from seedbed.documents.verification import VerificationDocument
        from seedbed.report.text.verification import verification_text

        here = {each.id for each in run.connected}
        catalog = self.context.catalog
        references = [
            each for each in catalog.references() if {each.from_.database, each.to.database} <= here
        ]
        expectations = [each for each in catalog.expectations() if here.issuperset(each.databases)]
        if references and find_spec("numpy") is None:
            self.context.out.log(f"numpy is not installed, which references need: {install_line('verify')}")
            references = []
        if not references and not expectations:
            return
        title = "verify that ids lead to rows of other services, and that expectations hold"
        self.context.out.log(f"\n== {title}")
        found = run.verify(references, expectations)
        self.context.out.result(verification_text(VerificationDocument.of(found, self.context.command)))
        self.context.leave_for(found.errors)
        if not found.is_passed:
            self.context.leave(ExitCode.FOUND)
        many = (count(len(references), "reference"), count(len(expectations), "expectation"))
        self.done.append(f"{title} ({', '.join(many)})")

    def load(self) -> Outcome:
        return self.run.seed(_kinds())

    def revert_each(self) -> Outcome:
        """Revert one migration of each database; one that is irreversible is skipped, with a message."""
        from seedbed.model.event import TargetDone

        run, project = self.run, self.context.project

        def revert(database: Database) -> None:
            with project.run(ENV, [database], listener=run.context.emit, stop=run.context.stop) as alone:
                try:
                    alone.revert()
                except Irreversible as error:
                    self.context.out.log(f"{database.id}: {error.what}, because {error.because}")
                    run.context.emit(TargetDone(database.id))

        def revert_all() -> None:
            with ThreadPoolExecutor(len(run.connected), "revert") as threads:
                list(threads.map(revert, [target.database for target in run.connected]))

        return run.outcome_of(revert_all)
