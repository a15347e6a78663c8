"""The state document: what runs in the network leave for those who may not ask the databases.

It is read back, by every seedbed that understands its number: what it does not know there, it leaves alone.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any, ClassVar

from msgspec import DecodeError, Meta, Struct
from msgspec.json import decode
from msgspec.structs import replace

from seedbed.documents.document import VERSION, Document, Part, plain, redacted, says, text
from seedbed.errors import Hint, Refused, call
from seedbed.model.history import History, Identity, Revision, RevisionState
from seedbed.model.migration import Direction, Phase
from seedbed.model.remembered import Question, Remembered, latest
from seedbed.model.verification import Verdict
from seedbed.model.verified import Claim, Finding, Verified, VerifyRecord

_MOMENT = Meta(tz=True)
_Moment = Annotated[datetime, _MOMENT]
_AHEAD = timedelta(minutes=1)  # what clocks in one region differ by, at most


class _Kept(Part, frozen=True, forbid_unknown_fields=False):
    """A part that another version of seedbed may have written."""


class IdentityEntry(_Kept, frozen=True):
    """Which target this is."""

    platform: Annotated[str, says("The platform's name.")]
    database: Annotated[str, says("The database's id.")]
    environment: Annotated[str, says("The environment's name.")]


class RevisionEntry(_Kept, frozen=True):
    """A migration as the database recorded it."""

    version: Annotated[str, says("Its version.")]
    name: Annotated[str, says("Its name.")]
    checksum: Annotated[str, says("SHA-256 of its file, as it was applied.")]
    phase: Annotated[Phase, says("Its phase.")]
    state: Annotated[RevisionState, says("`applied`, or `started`: begun and not finished.")]
    direction: Annotated[Direction, says("`up`, or `down` in the middle of a revert.")]
    step: Annotated[int, says("How many steps are finished, while it is started.")]
    in_step: Annotated[bool, says("The next step was begun.")]
    checkpoint: Annotated[str | None, says("Where a backfill stands, in the engine's own text.")]
    overtakes: Annotated[tuple[str, ...], says("The versions that it was allowed to overtake.")]
    owner: Annotated[str, says("Who ran it.")]
    applied_at: Annotated[_Moment | None, says("When it was applied, by the server's clock.")]
    duration_ms: Annotated[int, says("How long it took; 0 where it is not known.")]
    snapshot: Annotated[str, says("What a hook called the copy that it made before; empty for none.")]
    ran: Annotated[str, says("The digest of its finished steps.")]


class FindingEntry(_Kept, frozen=True):
    """What `verify` found of a reference or an expectation."""

    claim: Annotated[str, says("The two fields of a reference, the name of an expectation.")]
    declared: Annotated[str, says("A digest of how it was declared.")]
    verdict: Annotated[Verdict, says("As in the document of `verify`.")]
    wrong: Annotated[int, says("How many ids or rows contradict it.")]
    is_full: Annotated[bool, says("All rows were read, not those alone that were new.")]


class RecordEntry(_Kept, frozen=True):
    """What one run of `verify` found of the database."""

    id: Annotated[str, says("Its id there.")]
    at: Annotated[_Moment, says("When it was kept, by the server's clock.")]
    run: Annotated[str, says("The same in every database of the run.")]
    who: Annotated[str, says("Who ran it.")]
    took: Annotated[float, says("Seconds from before the first id was read until it was kept.")]
    identity: Annotated[str, says("Which target the database said it was.")]
    histories: Annotated[Mapping[str, str], says("A digest of each history that took part, by database.")]
    pending: Annotated[tuple[str, ...], says("What was pending at the gate `migrate`.")]
    findings: Annotated[tuple[FindingEntry, ...], says("What was found.")]

    @classmethod
    def of(cls, record: VerifyRecord) -> RecordEntry:
        found = [
            FindingEntry(each.claim.name, each.claim.declared, each.verdict, each.wrong, each.is_full)
            for each in record.findings
        ]
        return cls(
            record.id,
            record.at,
            record.run,
            record.who,
            record.took,
            record.identity,
            record.histories,
            record.pending,
            tuple(found),
        )

    def record(self) -> VerifyRecord:
        found = [
            Finding(Claim(each.claim, each.declared), each.verdict, each.wrong, each.is_full)
            for each in self.findings
        ]
        return VerifyRecord(
            self.run,
            self.who,
            self.took,
            self.identity,
            self.histories,
            self.pending,
            tuple(found),
            self.id,
            self.at,
        )


class DatabaseStateEntry(_Kept, frozen=True):
    """One database, as the last run that had it open saw it."""

    database: Annotated[str, says("Its id.")]
    run: Annotated[str, says("The run that looked; empty where a deployment did.")]
    at: Annotated[_Moment, says("A moment before it looked, by its clock.")]
    seedbed: Annotated[str, says("The version of seedbed that looked.")]
    address: Annotated[str, says("Where it is; no secret is in it.")]
    server: Annotated[str, says("What answers there.")]
    identity: Annotated[
        IdentityEntry | None, says("Which target it says it is; null before the first apply.")
    ]
    revisions: Annotated[tuple[RevisionEntry, ...], says("Its history, in version order.")]
    holder: Annotated[
        str, says("Who was at work on it besides that run, and since when; empty where its lease was free.")
    ]
    deployed: Annotated[
        dict[str, Any] | None,
        says("Its infrastructure as it was live, in the words of its engine; null where it has none."),
    ]
    schema_sha256: Annotated[
        str, says("SHA-256 of its schema, a line for each property; empty where the engine does not tell it.")
    ]
    open: Annotated[
        tuple[Question, ...],
        says(
            "What a plan made from this cannot know: `hazards`, `names`, `feasibility`, `cost` are asked of the"
            " database itself."
        ),
    ]
    verified: Annotated[
        tuple[RecordEntry, ...],
        says("What `verify` found last of each reference and expectation, the newest first."),
    ]
    verified_now: Annotated[_Moment | None, says("What the clock of its server said then.")]
    # What was not there from the beginning has a default: documents without it are read.
    logins: Annotated[
        tuple[str, ...] | None,
        says("What `apply` would make, grant or set of its logins first; null where that could not be told."),
    ] = None
    changed: Annotated[
        _Moment | None, says("When a deployment began to change its stack since; null where none has.")
    ] = None

    @classmethod
    def of(cls, seen: Remembered) -> DatabaseStateEntry:
        identity = seen.history.identity
        return cls(
            seen.database,
            seen.run,
            seen.at,
            VERSION,
            seen.address,
            seen.server,
            IdentityEntry(identity.platform, identity.database, identity.environment) if identity else None,
            tuple(
                RevisionEntry(*(getattr(each, name) for name in RevisionEntry.__struct_fields__))
                for each in seen.history.revisions
            ),
            seen.holder,
            dict(seen.deployed) if seen.deployed is not None else None,
            seen.schema,
            seen.open,
            tuple(map(RecordEntry.of, latest(seen.verified.records))),
            seen.verified.now,
            seen.logins,
            seen.changed,
        )

    def remembered(self) -> Remembered:
        """Return what the run saw, as it was."""
        known = self.identity
        return Remembered(
            self.database,
            self.run,
            self.at,
            self.address,
            self.server,
            History(
                Identity(known.platform, known.database, known.environment) if known else None,
                tuple(
                    Revision(**{name: getattr(each, name) for name in RevisionEntry.__struct_fields__})
                    for each in self.revisions
                ),
            ),
            self.holder,
            self.deployed,
            self.schema_sha256,
            self.open,
            Verified(tuple(each.record() for each in self.verified), self.verified_now),
            self.logins,
            self.changed,
        )

    def over(self, other: DatabaseStateEntry, now: datetime) -> DatabaseStateEntry:
        """Return the later look of the two at one database, marked as changed where either says so of a later time.

        One of a time that is still to come says nothing: the clock of whoever looked was wrong.
        """
        later = other if self.at < other.at < now + _AHEAD else self
        marks = [each.changed for each in (self, other) if each.changed and each.changed >= later.at]
        return replace(later, changed=max(marks, default=None))


class StateDocument(Document, frozen=True, kw_only=True, tag="seedbed/state/1", forbid_unknown_fields=False):
    """Every database of an environment, as runs in its network saw it last: `plan` and `status` answer from it."""

    is_printed: ClassVar = False

    environment: Annotated[str, says("The environment's name.")]
    databases: Annotated[tuple[DatabaseStateEntry, ...], says("In the order of their ids.")]

    @classmethod
    def of(cls, environment: str, seen: Iterable[Remembered], command: str) -> StateDocument:
        databases = sorted(map(DatabaseStateEntry.of, seen), key=lambda each: each.database)
        return cls(seedbed=VERSION, command=command, environment=environment, databases=tuple(databases))

    def over(self, older: StateDocument | None, now: datetime) -> StateDocument:
        """Return this one together with what only `older` knows, or knows from a later look; `now`: by AWS's clock.

        Of another environment, `older` says nothing.
        """
        is_ours = older is not None and older.environment == self.environment
        known = {each.database: each for each in older.databases} if older and is_ours else {}
        for each in self.databases:
            known[each.database] = each.over(known[each.database], now) if each.database in known else each
        return StateDocument(
            seedbed=self.seedbed,
            command=self.command,
            environment=self.environment,
            databases=tuple(known[each] for each in sorted(known)),
        )

    def marked(self, changed: Collection[str], at: datetime) -> StateDocument:
        """Return this one, in which a deployment begins to change the stacks of the databases `changed`.

        It began after all of them were looked at, whatever the clocks say.
        """
        marked = [
            replace(each, changed=max(at, each.at)) if each.database in changed else each
            for each in self.databases
        ]
        return replace(self, databases=tuple(marked))

    def remembered(self) -> dict[str, Remembered]:
        """Return what was seen, by database."""
        return {each.database: each.remembered() for each in self.databases}

    def written(self, redact: Callable[[str], str]) -> bytes:
        """Return it as it is stored, with no secret in it."""
        return text(redacted(plain(self), redact)).encode()


class _Head(Struct):
    schema: str = ""
    seedbed: str = ""


def read(data: bytes, where: str) -> StateDocument:
    """Return the state document that `data`, stored at `where`, holds. Raises Refused for what is none of ours."""
    wanted = StateDocument.__struct_config__.tag
    head = _Head()
    try:
        head = decode(data, type=_Head)
        if head.schema == wanted:
            return decode(data, type=StateDocument)
        because = f'it has to say "schema": "{wanted}"'
    except (DecodeError, ValueError, RecursionError) as error:
        because = str(error)
    raise Refused(
        f"the state document cannot be read: {where}",
        because=f"{because}; it was written by seedbed {head.seedbed}, and this is {VERSION}"
        if head.seedbed
        else because,
        try_=Hint(
            "use the same version, or have it written anew: ", call("status", "--fresh", about_all=True)
        ),
    )
