"""A bundle in a directory of its own, which is there as long as a command works on it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from seedbed.documents.plan import PlanDocument
from seedbed.errors import Refused, Unavailable
from seedbed.execution.stopping import Stop
from seedbed.files.platform import platform_digest
from seedbed.files.scratch import Scratch, scratch
from seedbed.manifest.load import FILE
from seedbed.model.environment import Environment
from seedbed.model.release import PHASES, Release, StepName
from seedbed.model.release_rules import ReleaseRules
from seedbed.model.secret import Redactor
from seedbed.planning.reviewed import decoded
from seedbed.project.project import Project
from seedbed.project.releasing import children
from seedbed.project.rules import rules_of
from seedbed.releases import bundle as bundles
from seedbed.releases.bundle import Bundle
from seedbed.releases.records import digest_of
from seedbed.releases.store import ReleaseStore


class Unpacked:
    """A bundle below `room`, and the platform that it has. `environment`: the one that is released.

    `environ`: variables for its commands, and for what [release.code] runs. `locks`: held as long as the room is
    needed, by children as well.
    """

    def __init__(
        self, room: Scratch, environment: str, environ: Mapping[str, str], redactor: Redactor | None = None
    ) -> None:
        self.directory = room.directory
        self.environ = environ
        self.project = Project.open(bundles.platform_in(self.directory), environ=environ, redactor=redactor)
        self.environment: Environment = self.project.catalog.environment(environment)
        self.locks = (room.lock,)

    @property
    def rules(self) -> ReleaseRules:
        """What its own manifest says that the release keeps to; what was in force before is kept to as well."""
        return rules_of(self.environment)

    @property
    def manifest(self) -> bytes:
        return Path(self.platform, FILE).read_bytes()

    @property
    def platform(self) -> Path:
        """The directory for -C."""
        return bundles.platform_in(self.directory)

    @property
    def assembly(self) -> Path | None:
        """The environment's assembly of the CDK; None where the bundle has none."""
        there = bundles.assembly_in(self.directory, self.environment.name)
        return there if there.is_dir() else None

    def plan_file(self, name: StepName) -> Path:
        """Return where the plan of a step is."""
        return self.directory / f"{PHASES[name].value}.json"

    def place(self, store: ReleaseStore, release: Release) -> None:
        """Put the plans of a release where its commands find them. Raises Refused for one that was changed, and for
        rules that are not the bundle's.
        """
        if release.manifest and release.manifest != digest_of(self.manifest):
            raise Refused(
                f"release {release.number} of {release.environment} does not keep to the rules of its bundle",
                because=f"its record names another {FILE}",
                try_="look who wrote the record; then open a new release",
            )
        for each in release.steps:
            if each.plan:
                self.plan_file(each.name).write_bytes(store.get(each.plan))

    def plan(self, name: StepName) -> PlanDocument:
        """Return the plan of a step."""
        file = self.plan_file(name)
        return decoded(file.read_bytes(), str(file))

    def seedbed(self, words: Sequence[str], stop: Stop, *, keep: bool = True) -> children.Ended:
        """Run a command of seedbed on the platform of the bundle."""
        argv = (*children.SEEDBED, "-C", str(self.platform), *words)
        return children.run(argv, stop=stop, environ=self.environ, keep=keep, locks=self.locks)


@contextmanager
def unpacked(
    bundle: Bundle, environment: str, environ: Mapping[str, str], redactor: Redactor | None = None
) -> Iterator[Unpacked]:
    """Yield `bundle`, unpacked where no other user may read or write.

    Raises Refused where the platform's files are not those that it says, UsageError where it has no such environment.
    """
    with ExitStack() as stack:
        try:
            room = stack.enter_context(scratch("seedbed-bundle-"))
        except OSError as error:
            raise Unavailable("there is no room for the bundle of the release", because=str(error)) from None
        bundle.unpack(room.directory)
        found = Unpacked(room, environment, environ, redactor)
        homes = [Path(each.directory) for each in found.project.platform.databases]
        if platform_digest(found.platform, homes) != bundle.index.platform_digest:
            raise Refused(
                "the bundle does not have the files that it says",
                because="the digest of its platform is not that of its index",
                try_="build it again",
            )
        yield found
