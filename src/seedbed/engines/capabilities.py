"""What only some engines can do: small protocols, each optional, each with contract tests of its own.

The core asks with `isinstance` and never by an engine's name. An engine that cannot do something leaves the protocol
out. Four sections: what an engine, a server of its sandbox, a session and a lease may be able to do. What `verify` asks
a session for is in `verification`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path, PurePath
from typing import Any, Protocol, runtime_checkable

from seedbed.engines.base import Embedded, Progress
from seedbed.model.deployment import Estimate
from seedbed.model.hazard import Hazard, HazardRule
from seedbed.model.migration import Migration, MigrationFile, Step, StepText, Work
from seedbed.model.ownership import Mention, Named
from seedbed.model.plan import Loss
from seedbed.model.seed import Dataset, Loaded, OnLoading, Script, SeedKind, ignore_loading
from seedbed.model.target import Target

# Of an engine


@runtime_checkable
class SupportsSchemas(Protocol):
    """An engine that reads files of its own besides migrations and seeds."""

    def schemas(self) -> Mapping[str, Mapping[str, Any]]:
        """Return the JSON Schema of each of them by its name: "tables.toml"."""
        ...


@runtime_checkable
class SupportsStarter(Protocol):
    """An engine that has an example to begin with. `starts_first`: it is the one where no engine is named."""

    starts_first: bool

    def starter(self) -> Mapping[str, str]:
        """Return the files of a first database, by their paths below its directory; `{version}` stands in a path for
        a migration's version.
        """
        ...


@runtime_checkable
class SupportsNewFiles(Protocol):
    """An engine whose new migration files are not all alike."""

    def new_file(self, suffix: str, directory: PurePath, files: Sequence[MigrationFile]) -> tuple[str, str]:
        """Return the suffix, one of its own, and the template of a new migration for the database in `directory`.

        `suffix`: the one that is wanted; empty for what fits what is declared there and the migrations in `files`.
        Raises ManifestError, MigrationFileError.
        """
        ...


@runtime_checkable
class SupportsDiagnosis(Protocol):
    """An engine that has something to say to `doctor`."""

    def diagnose(self, home: Path) -> Sequence[tuple[str, str]]:
        """Return (what, finding) pairs about this machine: binaries, versions, where the sandbox lives."""
        ...


@runtime_checkable
class SupportsHazards(Protocol):
    """An engine that knows reasons why a migration may hurt."""

    def hazards(self) -> Sequence[HazardRule]:
        """Return all of them, sorted by code: what `parse` and `examine` report is a case of one of these."""
        ...


@runtime_checkable
class SupportsNames(Protocol):
    """An engine that can tell what its migrations name, so that what belongs to another service is found."""

    def named(self, migration: Migration, options: Any) -> Named:
        """Return what the up section of `migration` makes and needs; pure. `options`: of its database."""
        ...

    def declared_names(self, directory: PurePath) -> frozenset[str]:
        """Return what the files of a database in `directory` declare besides its migrations. Raises ManifestError."""
        ...

    def foreign(self, mention: Mention, name: str, owner: str, *, is_there: bool) -> Hazard:
        """Return the hazard that `mention` is `name`, which belongs to `owner`; `is_there`: the target has it."""
        ...


@runtime_checkable
class SupportsExtras(Protocol):
    """An engine whose packages are installed with an extra of seedbed's."""

    @property
    def extras(self) -> Mapping[str, Sequence[str]]:
        """Return each extra that it needs, with the top-level modules that come with it."""
        ...


@runtime_checkable
class SupportsStepTexts(Protocol):
    """An engine whose statements may be longer than a line."""

    def step_text(self, migration: Migration, step: Step) -> StepText:
        """Return what `step` of `migration`, which is no program, sends; pure."""
        ...


@runtime_checkable
class SupportsScripts(Protocol):
    """An engine whose seeds may also be scripts in its own language, with the suffixes of its migrations."""

    def check_script(self, script: Script, kind: SeedKind, options: Any) -> None:
        """Raise SeedFileError for what has no place in a seed of `kind`, all of it at once; pure.

        It is asked before anything is touched. `options`: of its database.
        """
        ...

    def script_text(self, script: Script, kind: SeedKind, options: Any) -> StepText:
        """Return what `script` sends, whole; pure. Raises what `check_script` raises."""
        ...


@runtime_checkable
class SupportsProgramTexts(Protocol):
    """An engine whose programs do what is declared beside them, in a file of the database."""

    def program_text(self, directory: PurePath, migration: Migration, step: Step) -> StepText:
        """Return what `step` of `migration`, which is a program, does: its file, and what is declared of it.

        `directory`: of its database. Raises ManifestError.
        """
        ...


@runtime_checkable
class SupportsDeclarations(Protocol):
    """An engine whose databases have a file that says what is in them: "tables.toml"."""

    def check_declared(
        self, directory: PurePath, works: Sequence[Work], applied: Sequence[MigrationFile]
    ) -> None:
        """Check that file of the database in `directory`, and `works`, in their order, against it; connects to nothing.

        `applied`: the files of what is applied and stays so. It is asked before anything is touched. Raises
        ManifestError with the file's own line, and for each of `works` that can never be carried out by what is
        declared MigrationFileError or Irreversible, all of them at once.
        """
        ...


@runtime_checkable
class SupportsCheckpointTexts(Protocol):
    """An engine whose checkpoints are nothing to be read by people."""

    def checkpoint_text(self, checkpoint: str) -> str:
        """Return how far a migration is whose revision has `checkpoint`, as text for people; pure."""
        ...


@runtime_checkable
class SupportsSleep(Protocol):
    """An engine whose servers may sleep without connections, and take a while to wake."""

    def sleeps(self, address: Any) -> bool:
        """Return whether the server at `address` may, as its settings say."""
        ...


@runtime_checkable
class SupportsVaryingRows(Protocol):
    """An engine in which items of one table have different attributes.

    `rows_vary`: so the rows of one seed may, with `model.seed.MISSING` for a column that a row does not have: what is
    stored there stays.
    """

    rows_vary: bool


# Of a server of the sandbox


class Kept(Protocol):
    """The data of a database at one moment."""

    def fresh(self) -> AbstractContextManager[Mapping[str, str]]:
        """Yield the settings of a database that holds that and nothing else, for one user at a time.

        It is a copy where the engine can make one quickly, and goes with the context; elsewhere the database itself,
        restored. Raises SandboxError.
        """
        ...


@runtime_checkable
class SupportsTests(Embedded, Protocol):
    """Servers of the sandbox that can lend databases to an application's tests."""

    def apart(self, slot: int) -> SupportsTests:
        """Return these servers with databases of their own for `slot`, which no other process has meanwhile."""
        ...

    def keep(self, target: Target) -> Kept:
        """Remember what `target`, without connections, holds now. Raises SandboxError."""
        ...


# Of a session


@runtime_checkable
class SupportsExpectation(Protocol):
    """A session whose lease may be cheaper where it is known what it is for."""

    def expect(self, works: Sequence[Work]) -> None:
        """Know that the next lease is taken to carry out `works`.

        If others are to be carried out under it after all, its `apply` may raise StalePlan before it does anything.
        """
        ...


@runtime_checkable
class SupportsInspection(Protocol):
    """A session that can describe its schema."""

    def schema(self) -> Sequence[str]:
        """Return the canonical schema: one line per property, sorted, columns by name; history left out."""
        ...


@runtime_checkable
class SupportsExamination(Protocol):
    """A session that can look at what migrations would do to this very target."""

    def examine(self, migrations: Sequence[Migration]) -> Mapping[str, Sequence[Hazard]]:
        """Return, by version, the hazards that only the target shows; nothing is changed.

        Those that the file alone shows are in `Migration.hazards` already. What cannot be looked at yet, because an
        earlier migration makes it, has none.
        """
        ...


@runtime_checkable
class SupportsPresence(Protocol):
    """A session of an engine with `SupportsNames`."""

    def present(self, names: Sequence[str]) -> Collection[str]:
        """Return those of `names`, as the engine's `named` writes them, that the target has now."""
        ...


@runtime_checkable
class SupportsFeasibility(Protocol):
    """A session that can tell at once that its target is not what works set out from."""

    def require_feasible(self, works: Sequence[Work]) -> None:
        """Raise Refused for what the first of `works`, in their order, would not find; nothing is changed.

        It is asked for every plan, before the lease is taken and once more under it. What a former run began is left
        to the lease, and so is what cannot be told because an earlier one of `works` makes it.
        """
        ...


@runtime_checkable
class SupportsEstimates(Protocol):
    """A session that can say what migrations will cost, by looking at the target."""

    def estimate(self, migrations: Sequence[Migration], *, sample: int) -> Sequence[Estimate]:
        """Return one estimate for each migration that walks over data; others have none.

        `sample`: how many items each is tried on, in memory, nothing being written; 0 looks at sizes only.
        """
        ...


@runtime_checkable
class SupportsLosses(Protocol):
    """A session that can say how much data work would remove."""

    def losses(self, works: Sequence[Work]) -> Sequence[Loss]:
        """Return what `works` would remove as the target is now, in their order, without what is empty.

        Nothing is changed, and nothing that `works` name is run. Where only running it would tell, the number is
        unknown.
        """
        ...


@runtime_checkable
class SupportsUnlock(Protocol):
    """A session that can say who is at work (`status`), and end that run by force (`repair --unlock`)."""

    def holder(self) -> str:
        """Return who holds the lease, and since when, as far as this login may see; empty if it is free."""
        ...

    def unlock(self, *, actor: str) -> str:
        """End the run that holds the lease, audited, and return who that was; empty if the lease is free."""
        ...


@runtime_checkable
class SupportsLogins(Protocol):
    """A session of an engine that makes logins: its own and the application's, where the settings say which.

    Whatever they lack is made when a lease is taken, before it, and told as LoginsChanged. What cannot be made is
    Refused there, and the lease is not taken.
    """

    def login_changes(self) -> Sequence[str]:
        """Return what would be made, granted or set, as text without secrets; nothing is changed, or where the settings
        name no such logins.
        """
        ...


@runtime_checkable
class SupportsDump(Protocol):
    """A session whose data can be written to a file, where there is little of it."""

    def dump(self, file: Path) -> Iterator[Progress]:
        """Write everything but the history to `file`, which must not exist. Raises Refused for more than it is for."""
        ...


# Of a lease


@runtime_checkable
class SupportsReset(Protocol):
    """A lease that can empty its target; the core asks `is_ephemeral` before it ever calls this."""

    def reset(self) -> str:
        """Remove everything, history included, and return what was removed, as text."""
        ...


@runtime_checkable
class SupportsRestore(Protocol):
    """A lease that can fill its empty target from what `SupportsDump` wrote."""

    def restore(self, file: Path) -> Iterator[Progress]:
        """Restore what `file` holds. Raises Refused unless the target is empty."""
        ...


@runtime_checkable
class SupportsBulkLoad(Protocol):
    """A lease that has a faster way for volume than to compare every row with what is there."""

    def bulk_load(self, dataset: Dataset, on_loading: OnLoading = ignore_loading) -> Iterator[Loaded]:
        """Write all rows of `dataset` as they are, and yield the outcome of each part once all of it stays.

        Rows stay as they are written, so a load that failed has left some; it is made good by running it again, because
        the same rows are written the same again. Of two rows with one key the later one stays. Sources are read in
        batches, and as often as need be; `on_loading` is told by one thread at a time how far a part is. Raises
        StepFailed, SeedFileError.
        """
        ...
