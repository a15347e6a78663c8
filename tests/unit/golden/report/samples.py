"""A plan, a status, outcomes, events and an error that the golden files of the reports are made from."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

from msgspec.structs import replace

from seedbed.documents.bundle import BundleDocument
from seedbed.documents.cost import ActualEntry, CostDocument
from seedbed.documents.environments import Look
from seedbed.documents.going_down import DownDocument
from seedbed.documents.image import ImageDocument
from seedbed.documents.inventory import CollectedEntry, Done, ThereEntry
from seedbed.documents.runs import RunEntry
from seedbed.documents.sharing import ShareEntry
from seedbed.errors import (
    ExitCode,
    Hint,
    Interrupted,
    Location,
    MigrationFileError,
    OutcomeUnknown,
    SeedbedError,
    SeveralErrors,
    StepFailed,
    Unreachable,
    call,
)
from seedbed.model.coming_up import Arrival, Readiness, ServiceOutcome
from seedbed.model.cost import Inventory, Meter, Metered, Price, PriceTable, Spending, Spent
from seedbed.model.deployment import Change, Deployment, Estimate, Rollout, StackUpdate
from seedbed.model.environment import ConnectionSettings, EnvironmentPattern
from seedbed.model.event import (
    CopyFinished,
    CopyProgressed,
    DeployFinished,
    DeployProgressed,
    DeployStarted,
    Event,
    IdsAwaited,
    IdsRead,
    LeaseAwaited,
    LoginsChanged,
    QueryAsked,
    Repaired,
    Retrying,
    SeedLoaded,
    SeedProgressed,
    ServerNotice,
    StepProbed,
    TakenOver,
    TargetAwaited,
    TargetBound,
    TargetConnected,
    TargetDone,
    TargetEmptied,
    TargetFailed,
    TargetSkipped,
    WorkFinished,
    WorkProgressed,
    WorkStarted,
    failure,
)
from seedbed.model.hazard import Allowance, Hazard
from seedbed.model.history import History, Identity, Revision, RevisionState
from seedbed.model.ids import Extent
from seedbed.model.lifetime import EnvironmentRecord, Inhabited, Prospect
from seedbed.model.migration import (
    Backfill,
    Direction,
    Irreversibility,
    Migration,
    MigrationRef,
    Phase,
    Postcondition,
    Step,
    StepText,
)
from seedbed.model.outcome import Outcome, fold
from seedbed.model.plan import Action, DatabasePlan, Deferred, Plan, Terms, Unverified
from seedbed.model.platform import DatabaseId, Expectation, Field, Query, Reference
from seedbed.model.remembered import Question, Remembered, Seen
from seedbed.model.seed import PlannedSeed, SeedKind
from seedbed.model.sharing import Share, ShareOutcome
from seedbed.model.snapshot import Check, Copy, Drill, Kept, Restored, Snapshot, Swap
from seedbed.model.status import DatabaseStatus, MigrationState, MigrationStatus, Status
from seedbed.model.usage import Counter, Removed, Usage
from seedbed.model.verification import (
    ExpectationResult,
    FieldReading,
    Holders,
    Orphan,
    OwnershipResult,
    Reader,
    Reading,
    ReferenceResult,
    Verdict,
    Verification,
)
from seedbed.model.verified import Claim, ClaimHistory, Finding, Stretch, Verified, VerifyRecord
from seedbed.planning.costs import DAY, MONTH, estimate

USER, PAYMENT, REVIEWS = "user/postgres", "payment/postgres", "reviews/postgres"
VIDEO, STACK = "video-call/dynamodb", "edtech-staging-video-call-dynamodb"
USERS, NAMES, DROP = "20260112093000", "20260316090000", "20260330090000"
INVOICES, SEARCH, INDEX = "20260209100000", "20260220090000", "20260220091500"


def _step(index: int, summary: str, **settings: object) -> Step:
    return Step(index, summary, 1, summary=summary, **settings)  # type: ignore[arg-type]


def _migration(version: str, name: str, phase: Phase, *up: Step, **settings: object) -> Migration:
    path = f"services/{name}/{version}.sql"
    down = settings.pop("down", (_step(0, "DROP TABLE users"),))
    return Migration(version, name, path, version[:8] * 8, phase, up, down, **settings)  # type: ignore[arg-type]


CREATE = _migration(USERS, "create_users", Phase.EXPAND, _step(0, "CREATE TABLE users (id bigint, …)"))
BACKFILL = _migration(
    NAMES,
    "name_backfill_parts",
    Phase.MIGRATE,
    _step(0, "UPDATE users SET given = …", atomic=False, backfill=Backfill("users", "id", 1000)),
    irreversible=Irreversibility("names cannot be put together again"),
    postconditions=(
        Postcondition("SELECT id FROM users WHERE given IS NULL", "every user has a given name"),
        Postcondition("SELECT id FROM users WHERE family IS NULL"),
    ),
    down=(),
)
ADD = _migration(SEARCH, "add_search", Phase.EXPAND, _step(0, "ALTER TABLE reviews ADD search tsvector"))
CONCURRENTLY = _migration(
    INDEX,
    "index_search",
    Phase.EXPAND,
    _step(0, "SET maintenance_work_mem = '1GB'"),
    _step(1, "CREATE INDEX CONCURRENTLY reviews_search ON reviews USING gin (search)", atomic=False),
    after=(MigrationRef(USER, NAMES),),
)
CONTRACT = _migration(
    DROP, "name_drop_whole", Phase.CONTRACT, _step(0, "ALTER TABLE users DROP name"), down=()
)


FILL = _migration(
    "20260511090000",
    "fill_rooms",
    Phase.MIGRATE,
    _step(0, "Fill calls.room", atomic=False, backfill=Backfill("calls", "", 250)),
    allows=(Allowance("SMP301", "no screen shows the rooms of old calls"),),
)
CHANGES = (
    Change(Phase.EXPAND, "calls: add index by_host"),
    Change(Phase.EXPAND, "calls: add index by_room", 2),
)
DROPPED = Change(Phase.CONTRACT, "calls: remove index by_day")
KEY = Change(
    Phase.EXPAND,
    "calls: change the key",
    1,
    "a table keeps its key for ever",
    "declare a new table beside it",
)
COST = Estimate(
    FILL.version,
    {"items": 1_200_000, "write_units": 2_400_000, "dollars": 1.92},
    ("calls: about 1 200 000 items, 310 MB", "$1.92 on demand in eu-central-1"),
)


def deployment() -> Deployment:
    """Return a deployment with all that one may have."""
    template: dict[str, object] = {}
    updates = (
        StackUpdate(template, CHANGES[:1], ("calls.by_host",)),
        StackUpdate(template, (CHANGES[1], DROPPED), ("calls.by_room",)),
    )
    stuck = "UPDATE_ROLLBACK_COMPLETE: its last update failed and was taken back"
    return Deployment(
        "staging",
        Phase.CONTRACT,
        (
            Rollout(VIDEO, STACK, updates, ("video-call-recordings-staging",), (stuck,)),
            Rollout("edtech-staging-network", "edtech-staging-network", (StackUpdate(template, ()),)),
            Rollout("courses/dynamodb", "edtech-staging-courses-dynamodb"),
        ),
        ("aws://222222222222/eu-central-1",),
    )


def deployment_empty() -> Deployment:
    return Deployment("prod", Phase.EXPAND, (Rollout(VIDEO, STACK),))


def deployed() -> tuple[Event, ...]:
    """Return the events of a deployment that followed another run's update and then made one of its own."""
    return (
        TargetConnected(VIDEO, "DynamoDB in eu-central-1, account 222222222222"),
        DeployProgressed(VIDEO, STACK, 0, "UPDATE_IN_PROGRESS: it is being updated; waiting for it to end"),
        ServerNotice(VIDEO, "", "CDK", f"{STACK}: creating CloudFormation changeset..."),
        DeployStarted(VIDEO, STACK, 1, ("calls: add index by_room",), resumed=True),
        DeployProgressed(VIDEO, STACK, 1, "calls: add index by_room", 0, 1, "updates"),
        DeployProgressed(VIDEO, STACK, 1, "calls: add index by_room", 1, 1, "updates"),
        DeployProgressed(VIDEO, STACK, 1, "index calls.by_room is being filled", 0, 1, "ready"),
        DeployFinished(VIDEO, STACK, 1, 75.5),
        TargetDone(VIDEO),
    )


def destroyed() -> tuple[Event, ...]:
    return (
        DeployStarted(VIDEO, STACK, 0, (f"delete {STACK}",)),
        DeployFinished(VIDEO, STACK, 1, 12.0),
        TargetDone(VIDEO),
    )


def plan_to_deploy() -> Plan:
    return Plan("dev-ana", Direction.UP, (DatabasePlan(VIDEO, (), changes=CHANGES),))


SLOW = Hazard("SMP201", "it reads every item", "the table has 12 000 000 of them", "an index", line=3)
LOST = Hazard("SMP101", "it deletes recordings", "no copy of them is left", refused=True)
KNOWN = Hazard("SMP301", "it takes an hour", refused=True)


def plan() -> Plan:
    """Return a plan with all that a plan may have."""
    user = (Action(USER, CREATE), Action(USER, BACKFILL, resumes=True), Action(USER, CONTRACT))
    reviews = (Action(REVIEWS, ADD), Action(REVIEWS, CONCURRENTLY, waits_for=(MigrationRef(USER, NAMES),)))
    held = (
        Deferred(
            MigrationRef(REVIEWS, "20260508090000"),
            "language_not_null",
            Phase.CONTRACT,
            "it lies beyond --to 20260424",
        ),
    )
    return Plan(
        "staging",
        Direction.UP,
        (
            DatabasePlan(PAYMENT, (), (), ("d0" * 32,)),
            DatabasePlan(REVIEWS, reviews, held, ("a0" * 32, "a1" * 32, "a2" * 32)),
            DatabasePlan(USER, user, (), ("b0" * 32, "b1" * 32, "b2" * 32, "b3" * 32)),
            DatabasePlan(
                VIDEO,
                (Action(VIDEO, FILL),),
                (),
                ("e0" * 32, "e1" * 32),
                (*CHANGES, KEY),
                (DROPPED,),
                {FILL.version: "index calls.by_room is missing"},
                {FILL.version: (SLOW, LOST, KNOWN)},
                (COST,),
            ),
        ),
        (tuple(each.ref for each in (*user, reviews[0])), (reviews[1].ref,)),
    )


def plan_of_a_release() -> Plan:
    """The plan of a release in which three people have a say."""
    terms = Terms("seedbed:1.4.0", (("expand", 1), ("code", 0), ("contract", 2)))
    return replace(plan(), release=12, terms=terms)


def plan_down() -> Plan:
    action = Action(USER, CREATE, Direction.DOWN)
    return Plan(
        "dev-ana", Direction.DOWN, (DatabasePlan(USER, (action,), (), ("c0" * 32,)),), ((action.ref,),)
    )


def plan_deferred() -> Plan:
    ref = MigrationRef(USER, DROP)
    because = "its phase is contract, the gate is at migrate"
    held = DatabasePlan(USER, (), (Deferred(ref, "name_drop_whole", Phase.CONTRACT, because),), ("c0" * 32,))
    return Plan("prod", Direction.UP, (held,), (), Phase.MIGRATE)


def plan_unverified() -> Plan:
    """Return a plan of a protected environment whose contract waits for `verify`."""
    action = Action(USER, CONTRACT)
    try_ = Hint(call("verify", about_all=True))
    missing = (
        "never verified: payment/postgres:customers.user_id → user/postgres:users.id",
        "what was verified at 2026-11-03 09:30 UTC is older than 24 h",
    )
    waiting = tuple(Unverified(CONTRACT.version, each, try_) for each in missing)
    database = DatabasePlan(
        USER,
        (action,),
        (),
        ("c0" * 32, "c1" * 32),
        unverified=waiting,
        logins=("make the login user_db_app",),
    )
    return Plan("prod", Direction.UP, (database,), ((action.ref,),))


def plan_empty() -> Plan:
    return Plan("prod", Direction.UP, (DatabasePlan(USER, ()), DatabasePlan(PAYMENT, ())))


def plan_seeds() -> Plan:
    """Return a plan of a protected environment whose seeds are of every sort."""
    directory = f"services/{USER}/seeds/reference"
    sql = "-- titles\nUPDATE roles SET title = 'Tutor'\nWHERE code = 'tutor';\nDELETE FROM roles WHERE code = 'gone';\n"
    lines = ("UPDATE roles SET title = 'Tutor' WHERE code = 'tutor'", "DELETE FROM roles WHERE code = 'gone'")
    program = "# seedbed: table=currencies\ndef rows():\n    yield {'code': 'EUR'}\n"
    seeds = (
        PlannedSeed(SeedKind.REFERENCE, f"{directory}/01_roles.csv", "roles", "1a" * 32, 12_400),
        PlannedSeed(
            SeedKind.REFERENCE, f"{directory}/02_titles.sql", "", "2b" * 32, None, StepText(sql, lines, "--")
        ),
        PlannedSeed(
            SeedKind.REFERENCE,
            f"{directory}/03_more.py",
            "currencies",
            "3c" * 32,
            None,
            StepText(program, ()),
        ),
    )
    return Plan(
        "prod",
        Direction.UP,
        (DatabasePlan(USER, (), (), ("c0" * 32,), seeds=seeds), DatabasePlan(PAYMENT, ())),
    )


def status() -> Status:
    """Return a status with every state, a database without migrations and one that did not answer."""
    at = datetime(2026, 1, 12, 11, 30, 7, 250000, tzinfo=timezone(timedelta(hours=2)))
    user = (
        MigrationStatus(USERS, "create_users", MigrationState.APPLIED, "expand", at, 12),
        MigrationStatus(
            "20260114140000",
            "create_auth",
            MigrationState.EDITED,
            "expand",
            at,
            3400,
            "its file has changed since",
        ),
        MigrationStatus(
            "20260119101500", "add_passkey", MigrationState.MISSING, "expand", at, 0, "there is no file"
        ),
        MigrationStatus("20260126083000", "create_roles", MigrationState.OUT_OF_ORDER, "expand"),
        MigrationStatus(
            NAMES, "name_backfill_parts", MigrationState.STARTED, "migrate", None, 0, "step 1 of 2"
        ),
        MigrationStatus(
            "20260420090000", "email_unique", MigrationState.UNKNOWN, "expand", None, 0, "step 2 in hand"
        ),
        MigrationStatus(DROP, "name_drop_whole", MigrationState.PENDING),
    )
    payment = (MigrationStatus(INVOICES, "create_invoices", MigrationState.APPLIED, "expand", at, 125_000),)
    return Status(
        "staging",
        (
            DatabaseStatus("chat/memory", "memory", "memory 1"),
            DatabaseStatus(
                PAYMENT,
                "app@db-1:5432/payment",
                "PostgreSQL 18.6",
                f"{PAYMENT} of edtech in staging",
                payment,
            ),
            DatabaseStatus(
                REVIEWS, "app@db-2:5432/reviews", error=Unreachable("app@db-2:5432 refuses the connection")
            ),
            DatabaseStatus(
                USER,
                "app@db-1:5432/user",
                "PostgreSQL 18.6",
                f"{USER} of edtech in staging",
                user,
                holder="ana@laptop pid 4711 (since 2026-01-12T09:30:07Z)",
                logins=("set the password of user_db_app",),
            ),
            DatabaseStatus(
                VIDEO,
                "eu-central-1",
                "DynamoDB",
                f"{VIDEO} of edtech in staging",
                (MigrationStatus(FILL.version, FILL.name, MigrationState.APPLIED, "migrate", at, 12),),
                deployment=tuple(each.what for each in CHANGES),
            ),
        ),
    )


def status_up_to_date() -> Status:
    return Status("staging", (status().databases[1],))


_LOOKED = datetime(2026, 1, 12, 9, 30, 7, tzinfo=UTC)
SEEN = Seen("01KEXAMPLE0000000000000001", _LOOKED, 745.0)
SEEN_EARLIER = Seen("01KEXAMPLE0000000000000000", _LOOKED - timedelta(hours=50), 180_745.0)


def status_recalled() -> Status:
    """Return a status that was told without asking: two databases were last seen by one run, the third by another."""
    _, payment, _, user, video = status().databases
    return Status(
        "prod",
        (replace(payment, seen=SEEN), replace(user, seen=SEEN_EARLIER), replace(video, seen=SEEN)),
    )


def plan_recalled() -> Plan:
    """Return a plan that was made without asking."""
    found = plan()
    unknown = tuple(each.words for each in (Question.HAZARDS, Question.NAMES))
    databases = [
        replace(each, seen=SEEN, unknown=unknown if each.actions else ()) for each in found.databases
    ]
    return replace(found, databases=tuple(databases))


def remembered() -> tuple[Remembered, ...]:
    """Return what runs left of two databases."""
    applied = Revision(USERS, "create_users", "c5" * 32, Phase.EXPAND, applied_at=_LOOKED, duration_ms=12)
    begun = Revision(
        NAMES,
        "name_backfill_parts",
        "c6" * 32,
        Phase.MIGRATE,
        RevisionState.STARTED,
        step=1,
        checkpoint="at 500",
    )
    finding = Finding(Claim(f"{PAYMENT}:customers.user_id → {USER}:users.id", "3f2a"), Verdict.OK)
    record = VerifyRecord(
        "5d0c", "ci", 1.5, f"{USER} of edtech in prod", {USER: "9b1e"}, (), (finding,), "7", _LOOKED
    )
    table = {"TableName": "video-call-rooms-prod", "TableStatus": "ACTIVE"}
    return (
        Remembered(
            USER,
            SEEN_EARLIER.run,
            SEEN_EARLIER.at,
            "app@db-1:5432/user",
            "PostgreSQL 18.6",
            History(Identity("edtech", USER, "prod"), (applied, begun)),
            "ana@laptop pid 4711",
            None,
            "ab" * 32,
            (Question.HAZARDS, Question.NAMES),
            Verified((record,), _LOOKED),
        ),
        Remembered(
            VIDEO,
            SEEN.run,
            SEEN.at,
            "eu-central-1",
            "DynamoDB",
            History(),
            deployed={"tables": {"rooms": {"table": table, "ttl": {}}}},
            open=(Question.COST,),
        ),
    )


FAILED = TargetFailed(
    REVIEWS,
    "20260220090000_add_search failed on reviews/postgres: column «search» exists already",
    "DETAIL: it was locked here",
    "look who added it",
    Location("services/reviews/postgres/migrations/20260220090000_add_search.sql", 14, 3),
    7,
    SEARCH,
    "StepFailed",
)


def applied() -> tuple[Event, ...]:
    """Return the events of an apply in which all went well."""
    return (
        TargetConnected(PAYMENT, "PostgreSQL 18.6"),
        TargetConnected(USER, "PostgreSQL 18.6"),
        TargetDone(PAYMENT),
        TargetBound(USER, f"{USER} of edtech in staging"),
        WorkStarted(USER, USERS, "create_users", "up"),
        WorkFinished(USER, USERS, "create_users", "up", 0.012),
        WorkStarted(USER, NAMES, "name_backfill_parts", "up"),
        WorkProgressed(USER, NAMES, 1000, 2500, "rows", "up to id 1000"),
        WorkProgressed(USER, NAMES, 2000, 2500, "rows", "up to id 2000"),
        WorkProgressed(USER, NAMES, 2500, 2500, "rows", "up to id 2500"),
        WorkFinished(USER, NAMES, "name_backfill_parts", "up", 3.42),
        TargetDone(USER, (DROP,)),
    )


def verification() -> Verification:
    """Return what is found of four references: nothing, little, too much, and nothing that can be known."""
    user = Field(DatabaseId(USER), "users.id")
    customers = Reference(Field(DatabaseId(PAYMENT), "customers.user_id"), user, time="created_at")
    reviews = Reference(Field(DatabaseId(REVIEWS), "reviews.author_id"), user, optional=True, tolerated=0.001)
    hosts = Reference(Field(DatabaseId(VIDEO), "calls.host_id"), user)
    invoices = Reference(
        Field(DatabaseId(PAYMENT), "invoices.course_id"), Field(DatabaseId("chat/memory"), "a.id")
    )
    since = datetime(2026, 11, 3, 9, 30, tzinfo=UTC)
    orphans = [
        Orphan("7d444840-9dc0-11d1-b245-5ffdce74fad2", Holders(2, ("c-17", "c-18"), since)),
        Orphan("unknown", Holders(1)),
    ]
    missing = [Orphan(f"u-{number:02}", Holders(1, (f"p-{number:02}",))) for number in range(7)]
    error = Unreachable("chat/memory does not answer", because="connection refused", try_="start it")
    unkept = StepFailed(f"keeping what verify found of {PAYMENT} failed", because="the login may only read")
    unkept.target = PAYMENT
    return Verification(
        "staging",
        (
            ReferenceResult(customers, Verdict.BROKEN, 123_456, 0, 98_000, 3, 1, 2, samples=orphans),
            ReferenceResult(reviews, Verdict.TOLERATED, 40_000, 12, 98_000, orphans=7, samples=missing),
            ReferenceResult(
                hosts, Verdict.BROKEN, 500_000, 0, 3, orphans=100_001, is_systemic=True, samples=missing
            ),
            ReferenceResult(invoices, Verdict.UNVERIFIED, error=error),
        ),
        _expectations(error),
        ownership=(
            OwnershipResult(
                PAYMENT,
                Verdict.BROKEN,
                readers=(Reader(USER, "user_admin", 7, ("cards", "invoices", "ledger.entries")),),
            ),
            OwnershipResult(REVIEWS, Verdict.BROKEN, same=(VIDEO,)),
            OwnershipResult(USER, Verdict.OK),
            OwnershipResult("video/memory", Verdict.UNVERIFIED, alike=(USER,)),
        ),
        unkept={PAYMENT: unkept},
    )


def _expectations(error: SeedbedError) -> tuple[ExpectationResult, ...]:
    at = Location("seedbed.toml", 40)
    ask = Query(DatabaseId(PAYMENT), "SELECT …")
    equal = (ask, Query(DatabaseId(USER), "SELECT …"))
    rows = [{"currency": "EUR", "sum": str(number), "note": None} for number in range(1, 8)]
    numbers = [Decimal(1_200_000), Decimal("1200000.50")]
    return (
        ExpectationResult(Expectation("every entry has an account", (ask,), at), Verdict.OK),
        ExpectationResult(
            Expectation("the ledger sums to zero", (ask,), at), Verdict.BROKEN, 100, True, samples=rows
        ),
        ExpectationResult(Expectation("payouts are payments", equal, at), Verdict.TOLERATED, numbers=numbers),
        ExpectationResult(
            Expectation("as many profiles as users", equal, at), Verdict.OK, numbers=[numbers[0]] * 2
        ),
        ExpectationResult(
            Expectation("as many courses as chats", equal, at), Verdict.UNVERIFIED, error=error
        ),
    )


def usage() -> dict[str, Usage]:
    """Return a look at a database whose contract removes a column and a table."""
    counters = (
        Counter(Removed("column", ("users", "display_name")), 0, 12, "2026-11-02 07:00:00+00 0"),
        Counter(Removed("table", ("old_users",)), 418, 0, "16412 2026-11-02 07:00:00+00"),
        Counter(Removed("constraint", ("users", "users_check")), blind="nothing counts who uses that"),
    )
    return {"user/postgres": Usage(counters, ("user@3f9a1c2",))}


def verified() -> tuple[tuple[ClaimHistory, ...], dict[str, SeedbedError]]:
    """Return what is kept of references: one that broke, one that holds, one that nobody asked about."""
    first, last = datetime(2026, 10, 1, 2, 0, tzinfo=UTC), datetime(2026, 11, 3, 2, 0, tzinfo=UTC)
    broke, now = datetime(2026, 11, 4, 2, 0, tzinfo=UTC), datetime(2026, 11, 9, 2, 0, tzinfo=UTC)
    user = f"{USER}:users.id"
    broken = (Stretch(Verdict.BROKEN, broke, now, 6, 12_400), Stretch(Verdict.OK, first, last, 34, 0))
    error = Unreachable("chat/memory does not answer", because="connection refused", try_="start it")
    error.target = "chat/memory"
    return (
        ClaimHistory(f"{PAYMENT}:customers.user_id → {user}", broken),
        ClaimHistory(f"{REVIEWS}:reviews.author_id → {user}", (Stretch(Verdict.OK, first, now, 40, 0),)),
        ClaimHistory(f"{VIDEO}:calls.host_id → {user}", (Stretch(Verdict.UNVERIFIED, now, now, 1, 0),)),
        ClaimHistory("the ledger sums to zero", ()),
    ), {"chat/memory": error}


def reading() -> Reading:
    """Return what a verification would read: what is known well, what is charged, what is not known."""
    answer = Unreachable("chat/memory does not answer", because="connection refused", try_="start it")
    return Reading(
        "staging",
        (
            FieldReading(Field(DatabaseId(PAYMENT), "customers.user_id"), Extent(123_456)),
            FieldReading(Field(DatabaseId(VIDEO), "calls.host_id"), Extent(500_000, 62_500.0)),
            FieldReading(Field(DatabaseId(PAYMENT), "seen.course_id"), Extent()),
            FieldReading(Field(DatabaseId(VIDEO), "calls.call_id"), Extent(500_000, 6_250.4, "by_room")),
            FieldReading(Field(DatabaseId("chat/memory"), "a.id"), error=answer),
            FieldReading(Field(DatabaseId(USER), "users.id"), is_looked_for=True),
        ),
    )


def verification_passed() -> Verification:
    user = Field(DatabaseId(USER), "users.id")
    reviews = Reference(Field(DatabaseId(REVIEWS), "reviews.author_id"), user)
    return Verification("staging", (ReferenceResult(reviews, Verdict.OK, 40_000, 0, 98_000),))


def eventful() -> tuple[Event, ...]:
    """Return one of every event there is, of an apply in which not all went well."""
    return (
        *applied()[:-1],
        CopyProgressed(USER, "restore", 400, 1200, "nodes"),
        CopyFinished(USER, "restore", "1 200 nodes, 3 400 relationships", "graph.jsonl"),
        IdsRead(PAYMENT, "customers.user_id", 100_000, 120_000),
        IdsRead(PAYMENT, "customers.user_id", 123_456, 123_456, is_all=True),
        IdsAwaited(PAYMENT, "customers.user_id", 3, 58.2),
        QueryAsked(PAYMENT, "the ledger sums to zero"),
        TargetAwaited(REVIEWS, 12.0),
        TargetConnected(REVIEWS, "PostgreSQL 18.6"),
        LeaseAwaited(REVIEWS, "ana@laptop pid 4711", 0.0),
        LeaseAwaited(REVIEWS, "ana@laptop pid 4711", 1.0),
        TakenOver(REVIEWS, "ALTER TABLE reviews, running for 12 s, was cancelled"),
        LoginsChanged(REVIEWS, "set the password of reviews_db_app"),
        WorkStarted(REVIEWS, INDEX, "index_search", "up", 2, resumed=True),
        StepProbed(REVIEWS, INDEX, 1, "index reviews_search is there and valid: it took effect"),
        WorkProgressed(REVIEWS, INDEX, 2, 2, "statements", "CREATE INDEX CONCURRENTLY reviews_search"),
        WorkFinished(REVIEWS, INDEX, "index_search", "up", 125.2),
        WorkStarted(REVIEWS, SEARCH, "add_search", "up"),
        Retrying(REVIEWS, SEARCH, "canceling statement due to lock timeout", 1, 0.35),
        ServerNotice(REVIEWS, SEARCH, "NOTICE", "table rewritten"),
        ServerNotice(REVIEWS, SEARCH, "WARNING", "there is no transaction in progress\nHINT: begin one"),
        FAILED,
        TargetSkipped(
            "chat/memory", f"{INDEX}_x: it comes after {REVIEWS}:{SEARCH}, and that one failed", (INDEX,)
        ),
        Repaired("ai/memory", "20260101000000", "step 2 of 2 took effect: it is applied"),
        TargetDone("ai/memory"),
        TargetEmptied("demo/memory", "2 tables and the history"),
        TargetDone("demo/memory"),
        *deployed(),
        TargetDone(USER, (DROP,)),
    )


def seeded() -> tuple[Event, ...]:
    return (
        SeedLoaded(PAYMENT, "reference", "01_currencies.csv", 0, 0, 160),
        SeedProgressed(PAYMENT, "reference", "02_countries.csv", "check", 10_000, 0, 0),
        SeedProgressed(PAYMENT, "reference", "02_countries.csv", "load", 5_000, 12_403, 0),
        SeedProgressed(PAYMENT, "reference", "02_countries.csv", "load", 10_000, 12_403, 0),
        SeedLoaded(PAYMENT, "reference", "02_countries.csv", 12_400, 3, 0),
        TargetDone(PAYMENT),
        SeedLoaded(USER, "fixture", "01_users.csv", 0, 0, 42),
        TargetDone(USER),
    )


def seeded_again() -> tuple[Event, ...]:
    return (SeedLoaded(USER, "fixture", "01_users.csv", 0, 0, 42), TargetDone(USER))


def failed_untouched() -> tuple[Event, ...]:
    return (failure(USER, Unreachable("app@db-1:5432 refuses the connection", try_="start it")),)


def interrupted() -> tuple[Event, ...]:
    stopped = Interrupted("stopped between two steps", because="Ctrl-C", try_="run the same command again")
    return (
        WorkFinished(USER, USERS, "create_users", "up", 0.012),
        failure(USER, stopped),
        TargetConnected(PAYMENT, "PostgreSQL 18.6"),
    )


def unknown() -> tuple[Event, ...]:
    what = "it is unknown whether statement 2 of 20260220091500_index_search took effect on reviews/postgres"
    try_ = "look, then `seedbed repair 20260220091500 --applied`"
    unknown = OutcomeUnknown(what, because="a former run began it", try_=try_)
    return (failure(REVIEWS, unknown, INDEX),)


def error() -> MigrationFileError:
    return MigrationFileError(
        "COMMIT ends the transaction that the history is written in",
        because="a migration's transaction belongs to seedbed",
        try_="leave COMMIT out, or say transaction:false",
        at=Location("services/user/postgres/migrations/20260112093000_create_users.sql", 12, 1),
    )


def errors() -> SeveralErrors:
    """Return what several databases failed with at once."""
    one = Unreachable("app@db-1:5432 refuses the connection", try_="start it")
    other = Unreachable("app@db-2:5432 does not answer", because="timeout expired")
    one.target, other.target = USER, REVIEWS
    return SeveralErrors([one, other])


def utc() -> datetime:
    return datetime(2026, 1, 12, 9, 30, 7, tzinfo=UTC)


def environments() -> tuple[EnvironmentPattern, ...]:
    return (
        EnvironmentPattern("dev-*", account="111111111111", region="eu-central-1", ephemeral=True),
        EnvironmentPattern("prod", account="333333333333", region="eu-central-1", protected=True),
    )


def record() -> EnvironmentRecord:
    """What is written down of dev-ana, which is marked to be collected."""
    by = "arn:aws:sts::111111111111:assumed-role/Developer/ana"
    return EnvironmentRecord(
        name="dev-ana",
        owner=by,
        by=by.replace("/ana", "/ben"),
        command="apply",
        created=1_795_000_000.0,
        used=1_795_600_000.0,
        marked=1_795_900_000.0,
        commit="6ea16859d0b54a8c3c2f0f2a9b7e1d5c4b3a2918",
        branch="main",
    )


def there() -> tuple[ThereEntry, ...]:
    """One that is used, one whose record is not known, one that was moved, one that is left behind."""
    dev = environments()[0].named("dev-ana")
    used = Inhabited(name="dev-ana", environment=dev, stacks=("a", "b"), record=replace(record(), marked=0.0))
    unknown = replace(used, name="dev-ben", stacks=("c",), record=None, recorded=False)
    in_base = replace(dev, base="shared-dev")
    moved = replace(used, name="dev-dan", environment=in_base, stacks=("d",), record=None, former_stack="d")
    left = replace(used, name="dev-cleo", stacks=(), left=("user/postgres of dev-cleo",))
    place = ("111111111111", "eu-central-1")
    return (
        ThereEntry.of(used, Prospect("used", "its time is not over", 1_795_859_200.0), *place, ()),
        ThereEntry.of(
            unknown, Prospect("kept", "there is no table for its record"), *place, ("c DELETE_FAILED",)
        ),
        ThereEntry.of(moved, Prospect("kept", "its use may be written down in d"), *place, ()),
        ThereEntry.of(
            left, Prospect("due", "it has no stack any more, and it was marked a day ago"), *place, ()
        ),
    )


def gone(code: ExitCode = ExitCode.DONE) -> DownDocument:
    """An environment that went; with another code: of which a database in its base is left."""
    of_stacks = arrival().stacks
    if not code:
        of_stacks = replace(of_stacks, targets=of_stacks.targets[:1])
    of_base = [ShareEntry.of(each) for each in shares()] if code else []
    errors_ = errors().errors[:1] if code else ()
    return DownDocument.of(
        "dev-ana", code, of_stacks, "edtech-dev-ana-seedbed-callers", of_base, errors_, "env down"
    )


def looks() -> tuple[Look, ...]:
    """An account that was looked at, and one that was not."""
    return (
        Look("111111111111", "eu-central-1", there()),
        Look("222222222222", "eu-central-1", error=errors().errors[0]),
    )


def collected() -> tuple[CollectedEntry, ...]:
    """One of each outcome, of what is there."""
    used, unknown, _, left = there()
    failed = Unreachable("c is still there", because="it is DELETE_FAILED")
    done: tuple[Done, ...] = ("counted", "marked", "collected", "postponed", "lost")
    return (
        CollectedEntry.of(used, "", None),
        CollectedEntry.of(unknown, "failed", failed),
        *(CollectedEntry.of(left, each, None, "edtech-dev-cleo-seedbed-callers") for each in done),
    )


def runs() -> tuple[RunEntry, ...]:
    by = "arn:aws:sts::222222222222:assumed-role/Developer/ana"
    one = RunEntry(
        id="01KDF7C2M0QS0V6E1TJ9WB6N4X",
        called="apply",
        arguments=("--env=staging", "plan.json"),
        by=by,
        at="2026-11-30T10:15:00+00:00",
        state="claimed",
        writes=True,
        seconds=None,
        exit_code=None,
    )
    return (
        one,
        replace(one, id="01KDF7B9ZD5B8Q4X0M5Q0H6R7T", state="asked", called="status", writes=False),
        replace(one, id="01KDF6Y1P3F1H2J3K4M5N6P7Q8", state="done", seconds=83.5, exit_code=ExitCode.DONE),
        replace(one, id="01KDF6W0A1B2C3D4E5F6G7H8J9", state="done", seconds=4.0, exit_code=ExitCode.FAILED),
        replace(one, id="01KDF6T7K8M9N0P1Q2R3S4T5V6", state="lost", by="ana"),
    )


def connections() -> dict[str, ConnectionSettings]:
    return {
        "ai/opensearch": ConnectionSettings({"AI_OPENSEARCH_ENDPOINT": "http://127.0.0.1:40123"}, {}),
        "user/postgres": ConnectionSettings(
            {"USER_DB_HOST": "/run/user", "USER_DB_NAME": "user"}, {"account": "000000000000"}
        ),
    }


def arrival() -> Arrival:
    """A deployment of three stacks of which one failed, and what could be filled all the same."""
    stacks: list[Event] = [
        DeployFinished("shop-dev-ana-network", "shop-dev-ana-network", 1, 75.0),
        TargetDone("shop-dev-ana-network"),
        TargetDone("cart/dynamodb"),
        failure(
            "shop-dev-ana-search-opensearch",
            StepFailed(
                "update 1 of 1 of shop-dev-ana-search-opensearch failed: the stack is ROLLBACK_COMPLETE",
                because="Domain: you have reached your limit of domains",
                try_="fix what the reason names; the same command goes on from here",
            ),
            touched=True,
        ),
    ]
    databases: list[Event] = [
        WorkFinished("cart/dynamodb", "20260101000001", "fill", "up", 0.4),
        SeedLoaded("cart/dynamodb", "reference", "01.json", 12, 0, 0),
        TargetDone("cart/dynamodb"),
        failure("user/postgres", StepFailed("there is no table t9"), touched=True),
    ]
    return Arrival(
        "dev-ana",
        fold(stacks),
        fold(databases),
        (
            ServiceOutcome("cart", Readiness.READY, ("cart/dynamodb",), "", 62.5),
            ServiceOutcome(
                "search",
                Readiness.SKIPPED,
                ("search/opensearch",),
                "shop-dev-ana-search-opensearch failed",
            ),
            ServiceOutcome(
                "user",
                Readiness.FAILED,
                ("user/postgres",),
                "user/postgres failed: there is no table t9",
                71.0,
            ),
        ),
        (),
        312.7,
    )


def arrived() -> Arrival:
    """All of it went well."""
    events: list[Event] = [
        WorkFinished("cart/dynamodb", "20260101000001", "fill", "up", 0.4),
        TargetDone("cart/dynamodb"),
    ]
    ready = ServiceOutcome("cart", Readiness.READY, ("cart/dynamodb",), "", 1.5)
    return Arrival("dev-ana", Outcome(), fold(events), (ready,), (), 1.6)


def stopped_on_the_way() -> Arrival:
    """Nothing was done, and an error says why."""
    skipped = ServiceOutcome("cart", Readiness.SKIPPED, ("cart/dynamodb",), "it was stopped before")
    return Arrival(
        "dev-ana", Outcome(), Outcome(), (skipped,), (Interrupted("stopped", because="Ctrl-C"),), 3.0
    )


def shares() -> list[ShareOutcome]:
    """What making the databases of an environment on the servers of a base did; one could not be made."""
    return [
        ShareOutcome(Share("shop", "dev-ana", "search/opensearch")),
        ShareOutcome(Share("shop", "dev-ana", "user/postgres"), "database dev_ana_user_db, empty"),
        ShareOutcome(
            Share("shop", "dev-ana", "payment/postgres"),
            error=Unreachable("no connection to the server", because="timeout expired", try_="try again"),
        ),
    ]


def bundle() -> BundleDocument:
    """What was built for an environment, with the image of one service."""
    return BundleDocument.of(
        "release build",
        "release.tar",
        "3f9a" * 16,
        686_080,
        commit="c0ffee" * 6 + "cafe",
        platform_digest="d" * 64,
        images={"api": f"sha256:{'a' * 64}"},
        assemblies={"prod": "e" * 64},
    )


def snapshots() -> list[Snapshot]:
    """One that can be restored, one of which a part is gone, one that is being made."""
    return [
        Snapshot(
            id="seedbed-shop-prod-user-r12",
            database="user/postgres",
            release=12,
            state="available",
            taken=1_793_440_800.0,
            size=12_884_901_888,
        ),
        Snapshot(
            id="seedbed-shop-prod-cart-r12",
            database="cart/dynamodb",
            release=12,
            state="partial",
            taken=1_793_440_801.0,
            because="carts has no backup",
            parts={"carts-prod": "", "history-prod": "arn:aws:dynamodb:eu-central-1:111111111111:table/x"},
        ),
        Snapshot(
            id="seedbed-shop-prod-ai-r12", database="ai/opensearch", release=12, state="making", percent=40
        ),
    ]


def kept() -> Kept:
    """As of when the second of them is over, and the first one by just a second; a release of none is open."""
    return Kept(30 * 86_400.0, 1_793_440_800.5 + 30 * 86_400.0, {11})


def restored() -> Restored:
    copy = Copy(
        database="user/postgres",
        name="r12",
        state="available",
        place="cluster shop-prod-user-r12",
        settings={"host": "shop-prod-user-r12.cluster-x.eu-central-1.rds.amazonaws.com"},
    )
    return Restored(snapshot=snapshots()[0], copy=copy, seconds=421.5, lost=("its readers",))


def swap() -> Swap:
    return Swap(
        database="user/postgres",
        name="r12",
        is_back=False,
        kept="cluster shop-prod-user-before-r12",
        lost=(
            "all that was written since 2026-11-27 10:00:00 UTC, 1 day ago",
            "users: 101 rows, and 100 rows in the copy",
        ),
        checks=drill().checks[:2],
        connected=("shop in user (web), process 4711",),
        snapshot=snapshots()[0],
    )


def swapped() -> Swap:
    return replace(swap(), seconds=312.0, is_over=True)


DRILLED = datetime(2026, 11, 28, 10, 0, tzinfo=UTC)


def drill() -> Drill:
    return Drill(
        snapshot=snapshots()[0],
        place="cluster shop-prod-user-r12-drill",
        restoring=421.5,
        checking=3.25,
        cleaning=80.0,
        checks=(
            Check("identity", True, "bound to shop user/postgres prod"),
            Check("rows", False, "orders has rows in the database, and none in the copy"),
        ),
        rows={"users": 12_400, "orders": 0},
    )


PYTHON = f"python:3.13-slim@sha256:{'b' * 64}"


def image() -> ImageDocument:
    """What `image --push` did."""
    name = "444444444444.dkr.ecr.eu-central-1.amazonaws.com/seedbed"
    return ImageDocument.of(
        PYTHON,
        "arm64",
        "image",
        "image",
        written=("cdk/Dockerfile", ".dockerignore"),
        built=f"{name}:1.4.0",
        pushed=f"{name}@sha256:{'d' * 64}",
    )


def started() -> tuple[str, tuple[str, ...], tuple[tuple[str, str], ...], tuple[str, ...]]:
    """A platform that was started: its directory, what was written, what was left alone, what comes next."""
    return (
        "/srv/shop",
        ("seedbed.toml", "services/catalog/postgres/migrations/20260112093000_create_products.sql"),
        ((".gitignore", "it should have .seedbed/, .env and cdk.out/"),),
        ("cd shop", "seedbed apply -e sandbox"),
    )


def costs() -> CostDocument:
    """What ana's environment and the base that it lies in cost, with a price that is not known, and what was paid."""
    endpoint, node = Meter("AmazonVPC", "VpcEndpoint-Hours"), Meter("AmazonES", "ESInstance:t3.small")
    having = (("databaseEngine", "aurora-postgresql"),)
    unit = Meter("AmazonRDS", "Aurora:ServerlessV2Usage", having=having)
    secret = Meter("AWSSecretsManager", "AWSSecretsManager-Secrets", "month")
    listed = "Price List API, AmazonVPC, published 2026-11-20"
    missing = Price(None, "", "", "2026-11-30", f"the price list has no {node.id} in eu-central-1")
    prices = {
        endpoint.id: Price(0.012, "Hrs", "AAAAAAAAAAAAAAA1", "2026-11-30", listed),
        unit.id: Price(0.14, "ACU-Hr", "AAAAAAAAAAAAAAA2", "2026-11-30", listed.replace("VPC", "RDS")),
        secret.id: Price(0.4, "Secrets", "AAAAAAAAAAAAAAA3", "2026-11-02", listed.replace("VPC", "SM")),
        node.id: missing,
    }
    own = Inventory(
        "dev-ana",
        "shared-dev",
        "eu-central-1",
        True,
        9,
        64,
        (Metered("secret", secret, 6, 6), Metered("AWS::Athena::WorkGroup", None, 1, 1)),
        ("AWS::DynamoDB::Table",),
    )
    shared = (
        Metered("interface endpoint, a zone", endpoint, 5, 5),
        Metered("Aurora capacity unit", unit, 0, 1),
        Metered("search node, t3.small.search", node, 1, 1),
    )
    base = Inventory("shared-dev", "", "eu-central-1", False, 6, 88, shared, ("AWS::S3::Bucket",))
    table = PriceTable("eu-central-1", prices)
    paid = Spending("2026-10-31", "2026-11-30", (Spent("", 1.5), Spent("dev-ana", 1203.25)), 1, True)
    return CostDocument.of(
        [estimate(each, table, MONTH) for each in (own, base)],
        [table],
        MONTH,
        [ActualEntry.of("111111111111", paid), ActualEntry.of("222222222222", Spending("a", "b", (), 1))],
        ["333333333333"],
        [error()],
        "env cost",
    )


def costs_none() -> CostDocument:
    """Nothing is deployed anywhere."""
    return CostDocument.of([], [], DAY, [], [], [], "env cost")


def costs_unpriced() -> CostDocument:
    """An environment in a region of which no price is known."""
    nat = Metered("NAT gateway", Meter("AmazonEC2", "NatGateway-Hours"), 1, 1)
    found = Inventory("staging", "", "eu-west-1", True, 1, 1, (nat,))
    table = PriceTable("eu-west-1")
    return CostDocument.of([estimate(found, table, DAY)], [table], DAY, [], [], [], "env cost")
