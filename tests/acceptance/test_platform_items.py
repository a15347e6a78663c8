"""Every migration of the platform's DynamoDB tables, there and back and there again, with items of both forms in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from seedbed.engines.dynamodb.sandbox.ministack import ministack
from seedbed.engines.dynamodb.sandbox.world import World
from seedbed.engines.dynamodb.schema import template
from seedbed.engines.dynamodb.schema.read import read
from seedbed.engines.dynamodb.schema.shape import HISTORY_TABLE, TableShape
from seedbed.engines.dynamodb.wire.client import Client
from seedbed.engines.dynamodb.wire.values import from_item, to_item
from seedbed.model.event import SeedLoaded
from seedbed.model.migration import MigrationRef
from seedbed.model.names import table_name
from seedbed.model.outcome import Outcome
from seedbed.model.platform import ALL, Database
from seedbed.model.seed import SeedKind
from seedbed.project import Project, Request, Run
from seedbed.seeding.keys import entity_key
from tests.support.dynamodb.tables import stage
from tests.support.postgres.platform import EDTECH
from tests.support.seeds import tables as tables_of

SANDBOX = "sandbox"
SERVICES = ("ai", "chat", "courses", "tutor-matching", "video-call")
FIRST = {  # what the migrations of a service come after
    "tutor-matching": MigrationRef("user/postgres", "20260316090000"),
    "ai": MigrationRef("courses/dynamodb", "20260316093000"),
}
Item = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Stage:
    """Items around one migration.

    `old`: as deployed code wrote them before. `new`: what becomes of them. `since`: what new code has written when
    they are done; both survive the way back and there again. `back`: what the way back makes of `since`, where the
    old form shows it in another way.
    """

    table: str
    old: Sequence[Item]
    new: Sequence[Item]
    since: Sequence[Item] = ()
    back: Sequence[Item] = ()
    is_reversible: bool = True


AI = {
    "20260330090000": Stage(
        "turns",
        old=[{"conversation_id": "c", "turn": 1, "text": "What is x?", "speaker": "user"}, {"conversation_id": "c", "turn": 2, "text": ""}],
        new=[
            {"conversation_id": "c", "turn": 1, "content": [{"type": "text", "text": "What is x?"}], "speaker": "user", "schema_version": 2},
            {"conversation_id": "c", "turn": 2, "content": [{"type": "text", "text": ""}], "schema_version": 2},
        ],
        since=[{"conversation_id": "c", "turn": 3, "content": [{"type": "text", "text": "See:"}, {"type": "image", "object_key": "k"}], "schema_version": 2}],
        back=[{"conversation_id": "c", "turn": 3, "content": [{"type": "text", "text": "See:"}, {"type": "image", "object_key": "k"}], "text": "See:"}],
    ),
    "20260427090000": Stage(
        "turns",
        old=[{"conversation_id": "c", "turn": 2, "sources": [{"lesson_id": "l", "title": "Equations", "score": Decimal("0.5")}, {"lesson_id": "m"}]}, {"conversation_id": "c", "turn": 4}],
        new=[{"conversation_id": "c", "turn": 2, "sources": [{"lesson_id": "l", "score": Decimal("0.5")}, {"lesson_id": "m"}]}, {"conversation_id": "c", "turn": 4}],
        is_reversible=False,
    ),
    "20260608090000": Stage(
        "assistants",
        old=[{"assistant_id": "helper", "model": "m", "temperature": Decimal("0.3"), "tools": {"a", "b"}}, {"assistant_id": "essay-coach"}],
        new=[{"assistant_id": "study-helper", "model": "m", "temperature": Decimal("0.3"), "tools": {"a", "b"}}, {"assistant_id": "essay-coach"}],
    ),
    "20260608093000": Stage(
        "conversations",
        old=[{"conversation_id": "c", "assistant_id": "helper"}, {"conversation_id": "d", "assistant_id": "essay-coach"}],
        new=[{"conversation_id": "c", "assistant_id": "study-helper"}, {"conversation_id": "d", "assistant_id": "essay-coach"}],
        since=[{"conversation_id": "e", "assistant_id": "study-helper"}],
        back=[{"conversation_id": "e", "assistant_id": "helper"}],
    ),
}  # fmt: skip

CHAT = {
    "20260223090000": Stage(
        "messages",
        old=[{"conversation_id": "c", "message_key": "1", "attachment": {"name": "a.pdf", "bytes": 3}}, {"conversation_id": "c", "message_key": "2", "body": "hi"}],
        new=[{"conversation_id": "c", "message_key": "1", "attachments": [{"name": "a.pdf", "bytes": 3}]}, {"conversation_id": "c", "message_key": "2", "body": "hi"}],
        since=[{"conversation_id": "c", "message_key": "3", "attachments": [{"name": "b"}, {"name": "c"}]}],
    ),
    "20260511090000": Stage(
        "memberships",
        old=[
            {"user_id": "ana", "conversation_id": "c", "archived": False, "touched_at": "2026-05-01T08:00:00Z"},
            {"user_id": "ana", "conversation_id": "d", "archived": True, "touched_at": "2026-04-01T08:00:00Z"},
        ],
        new=[
            {"user_id": "ana", "conversation_id": "c", "inbox_at": "2026-05-01T08:00:00Z"},
            {"user_id": "ana", "conversation_id": "d", "touched_at": "2026-04-01T08:00:00Z"},
        ],
        since=[{"user_id": "emi", "conversation_id": "c", "inbox_at": "2026-06-01T08:00:00Z"}],
        back=[{"user_id": "emi", "conversation_id": "c", "archived": False, "touched_at": "2026-06-01T08:00:00Z"}],
    ),
    "20260713090000": Stage(
        "messages",
        old=[{"conversation_id": "c", "message_key": "2026-07-01T12:00:00.250Z#k3fa"}, {"conversation_id": "c", "message_key": "2021-01-01T00:00:00.000Z#k3fb"}],
        new=[
            {"conversation_id": "c", "message_key": "2026-07-01T12:00:00.250Z#k3fa", "expires_at": 1845979200},  # 2028-06-30
            {"conversation_id": "c", "message_key": "2021-01-01T00:00:00.000Z#k3fb", "expires_at": 1790812800},  # 2026-10-01
        ],
        since=[{"conversation_id": "c", "message_key": "2026-07-13T12:00:00.000Z#k3fc", "expires_at": 4102444800}],
    ),
}  # fmt: skip

COURSES = {
    "20260316093000": Stage(
        "courses",
        old=[
            {"course_id": "a", "language": "en", "title": "Algebra", "summary": "Letters."},
            {"course_id": "s", "language": "sv", "title": "Berätta", "translations": {"en": {"title": "Storytelling", "summary": "Begin late."}, "ja": {"title": "物語"}}},
            {"course_id": "p", "language": "en", "title": "Python", "schema_version": 1},
        ],
        new=[
            {"course_id": "a", "language": "en", "title": {"en": "Algebra"}, "summary": {"en": "Letters."}, "schema_version": 2},
            {"course_id": "s", "language": "sv", "title": {"sv": "Berätta", "en": "Storytelling", "ja": "物語"}, "summary": {"en": "Begin late."}, "schema_version": 2},
            {"course_id": "p", "language": "en", "title": {"en": "Python"}, "schema_version": 2},
        ],
        since=[{"course_id": "n", "language": "es", "title": {"es": "Nuevo", "en": "New"}, "summary": {"en": "Fresh."}, "schema_version": 2}],
        back=[{"course_id": "n", "language": "es", "title": "Nuevo", "translations": {"en": {"title": "New", "summary": "Fresh."}}}],
    ),
    "20260622093000": Stage(
        "courses",
        old=[
            {"course_id": "0badf00d-0000-0000-0000-000000000000", "language": "fr", "title": {"fr": "L’été : à l’œuvre"}, "schema_version": 2},
            {"course_id": "b", "language": "ja", "title": {"ja": "物語"}, "schema_version": 2},
        ],
        new=[
            {"course_id": "0badf00d-0000-0000-0000-000000000000", "language": "fr", "title": {"fr": "L’été : à l’œuvre"}, "slug": "lete-a-luvre-0badf00d", "schema_version": 2},
            {"course_id": "b", "language": "ja", "title": {"ja": "物語"}, "slug": "b", "schema_version": 2},
        ],
        since=[{"course_id": "c", "language": "en", "title": {"en": "C"}, "slug": "sea", "schema_version": 2}],
    ),
    "20260706090000": Stage(
        "courses",
        old=[{"course_id": "a", "language": "en", "title": {"en": "Algebra"}, "search_title": "algebra", "schema_version": 2}],
        new=[{"course_id": "a", "language": "en", "title": {"en": "Algebra"}, "schema_version": 2}],
        since=[{"course_id": "b", "language": "de", "title": {"de": "Straße"}, "schema_version": 2}],
        back=[{"course_id": "b", "language": "de", "title": {"de": "Straße"}, "search_title": "strasse", "schema_version": 2}],
    ),
}  # fmt: skip

TUTOR_MATCHING = {
    "20260209090000": Stage(
        "availability",
        old=[
            {"tutor_id": "b", "starts_at": "2026-02-09", "slots": [{"at": "00:00", "minutes": 50}, {"at": "09:00", "minutes": 50, "student_id": "ana"}]},
            {"tutor_id": "b", "starts_at": "2026-02-10", "slots": []},
            {"tutor_id": "g", "starts_at": "2026-02-09T08:00:00Z", "minutes": 50, "state": "free", "free_on": "2026-02-09"},
        ],
        new=[
            {"tutor_id": "b", "starts_at": "2026-02-09T00:00:00Z", "minutes": 50, "state": "free", "free_on": "2026-02-09"},
            {"tutor_id": "b", "starts_at": "2026-02-09T09:00:00Z", "minutes": 50, "state": "booked", "student_id": "ana"},
            {"tutor_id": "g", "starts_at": "2026-02-09T08:00:00Z", "minutes": 50, "state": "free", "free_on": "2026-02-09"},
        ],
        is_reversible=False,
    ),
    "20260323093000": Stage(
        "tutor_profiles",
        old=[{"tutor_id": "1", "name": "Vincent van Gogh"}, {"tutor_id": "2", "name": "Hugo"}, {"tutor_id": "3", "name": "Jo  Two Blanks "}],
        new=[
            {"tutor_id": "1", "given_name": "Vincent", "family_name": "van Gogh", "schema_version": 2},
            {"tutor_id": "2", "given_name": "Hugo", "schema_version": 2},
            {"tutor_id": "3", "given_name": "Jo  Two Blanks", "family_name": "", "schema_version": 2},
        ],
        since=[{"tutor_id": "4", "given_name": "Frida", "family_name": "Kahlo", "schema_version": 2}],
        back=[{"tutor_id": "4", "name": "Frida Kahlo"}],
    ),
    "20260413090000": Stage(
        "tutor_profiles",
        old=[{"tutor_id": "1", "currency": "EUR", "hourly_rate": Decimal("45.50")}, {"tutor_id": "2", "currency": "JPY", "hourly_rate": 6500}, {"tutor_id": "3", "currency": "BHD", "hourly_rate": Decimal("18.5")}],
        new=[{"tutor_id": "1", "currency": "EUR", "rate_minor": 4550}, {"tutor_id": "2", "currency": "JPY", "rate_minor": 6500}, {"tutor_id": "3", "currency": "BHD", "rate_minor": 18500}],
        since=[{"tutor_id": "4", "currency": "EUR", "rate_minor": 4999}],
        back=[{"tutor_id": "4", "currency": "EUR", "hourly_rate": Decimal("49.99")}],
    ),
    "20260803090000": Stage(
        "match_requests",
        old=[{"request_id": "1", "state": "open", "subject": "writing", "language": "en"}, {"request_id": "2", "state": "matched", "subject": "writing"}],
        new=[{"request_id": "1", "state": "open", "subject": "writing", "language": "en", "open_subject": "writing"}, {"request_id": "2", "state": "matched", "subject": "writing"}],
        since=[{"request_id": "3", "state": "open", "subject": "mathematics", "open_subject": "mathematics"}],
        back=[{"request_id": "3", "state": "open", "subject": "mathematics"}],
    ),
}  # fmt: skip

VIDEO_CALL = {
    "20260302090000": Stage(
        "participants",
        old=[{"call_id": "c", "user_id": "ana", "quality": 0}, {"call_id": "c", "user_id": "bruno"}, *({"call_id": "d", "user_id": f"{number:03d}", "quality": number % 5} for number in range(200))],
        new=[{"call_id": "c", "user_id": "ana", "quality": 1}, {"call_id": "c", "user_id": "bruno"}, *({"call_id": "d", "user_id": f"{number:03d}", "quality": number % 5 + 1} for number in range(200))],
        since=[{"call_id": "e", "user_id": "ana", "quality": 5}],
        back=[{"call_id": "e", "user_id": "ana", "quality": 4}],
    ),
    "20260518090000": Stage(
        "participants",
        old=[{"call_id": "c", "user_id": "ana", "ice_candidates": ["192.0.2.7 50012"]}, {"call_id": "c", "user_id": "bruno"}],
        new=[{"call_id": "c", "user_id": "ana"}, {"call_id": "c", "user_id": "bruno"}],
        is_reversible=False,
    ),
    "20260615090000": Stage(
        "recordings",
        old=[
            {"call_id": "c", "recording_id": "1", "recorded_at": "2026-06-01T00:00:00Z"},
            {"call_id": "c", "recording_id": "2", "recorded_at": "2025-01-01T00:00:00Z"},
            {"call_id": "c", "recording_id": "3", "recorded_at": "2025-01-01T00:00:00Z", "kept_because": "it is good"},
        ],
        new=[
            {"call_id": "c", "recording_id": "1", "recorded_at": "2026-06-01T00:00:00Z", "expires_at": 1796083200},  # 2026-12-01
            {"call_id": "c", "recording_id": "2", "recorded_at": "2025-01-01T00:00:00Z", "expires_at": 1784073600},  # 2026-07-15
            {"call_id": "c", "recording_id": "3", "recorded_at": "2025-01-01T00:00:00Z", "kept_because": "it is good"},
        ],
        since=[{"call_id": "d", "recording_id": "1", "recorded_at": "2026-07-01T00:00:00Z", "expires_at": 4102444800}],
    ),
}  # fmt: skip

STAGES: Mapping[str, Mapping[str, Stage]] = {
    "ai": AI,
    "chat": CHAT,
    "courses": COURSES,
    "tutor-matching": TUTOR_MATCHING,
    "video-call": VIDEO_CALL,
}


class Shelf:
    """The DynamoDB tables of the platform on a server of the sandbox, made as a deployment would make them."""

    def __init__(self, home: Path, client: Client) -> None:
        self.home = home
        self.client = client

    def project(self) -> Project:
        return Project.open(EDTECH, environ={}, home=self.home)

    @contextmanager
    def run(self, service: str) -> Iterator[Run]:
        project = self.project()
        # The database with items, or the only one that there is.
        databases = project.catalog.databases([service])
        wanted = [each for each in databases if each.engine == "dynamodb"] or databases
        with project.run(SANDBOX, wanted) as run:
            assert run.failed == {}
            yield run

    def furnish(self, *services: str) -> None:
        """Remove every table that there is, and make those of `services`, empty."""
        for name in self.client.call("ListTables", {})["TableNames"]:
            self.client.call("DeleteTable", {"TableName": name})
        for service in services:
            for table in tables(service):
                wanted = template.properties(table)
                wanted.pop("TimeToLiveSpecification", None)
                if stream := wanted.get("StreamSpecification"):
                    wanted["StreamSpecification"] = {**stream, "StreamEnabled": True}
                name = table_name(service, table.name, SANDBOX)
                self.client.call("CreateTable", {"TableName": name, **wanted})

    def apply(self, service: str, to: str | None = None) -> Outcome:
        with self.run(service) as run:
            return run.apply(Request(to=to))

    def revert(self, service: str) -> Outcome:
        with self.run(service) as run:
            return run.revert()

    def seed(self, service: str, *kinds: SeedKind) -> list[SeedLoaded]:
        with self.run(service) as run:
            outcome = run.seed(kinds)
            assert int(outcome.exit_code) == 0, run.events
            return [each for each in run.events if isinstance(each, SeedLoaded)]

    def put(self, service: str, table: str, items: Sequence[Item]) -> None:
        name = table_name(service, table, SANDBOX)
        for item in items:
            self.client.call("PutItem", {"TableName": name, "Item": to_item(item)})

    def clear(self, service: str, table: str) -> None:
        shape = next(each for each in tables(service) if each.name == table)
        names = [*shape.key.partition, *shape.key.sort]
        name = table_name(service, table, SANDBOX)
        for item in self.items(service, table):
            key = to_item({each: item[each] for each in names})
            self.client.call("DeleteItem", {"TableName": name, "Key": key})

    def items(self, service: str, table: str) -> list[Item]:
        request: dict[str, Any] = {"TableName": table_name(service, table, SANDBOX), "ConsistentRead": True}
        found: list[Item] = []
        while True:
            page = self.client.call("Scan", request)
            found += map(from_item, page["Items"])
            if not page.get("LastEvaluatedKey"):
                return found
            request["ExclusiveStartKey"] = page["LastEvaluatedKey"]


def tables(service: str) -> list[TableShape]:
    return [*read(EDTECH / "services" / service / "dynamodb" / "tables.toml").tables, HISTORY_TABLE]


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shelf]:
    """A sandbox of this module's own, with an AWS that runs as long as its tests."""
    home = tmp_path_factory.mktemp("home")
    with ministack(home) as world, Client(world.cloud) as client:
        yield Shelf(home, client)


@pytest.mark.slow
@pytest.mark.parametrize("service", SERVICES)
def test_every_migration_of_items_comes_back_to_the_same_items(shelf: Shelf, service: str) -> None:
    assert list(STAGES[service]) == versions(shelf.project(), service)
    prepare(shelf, service)
    for version, each in STAGES[service].items():
        there_and_back(shelf, service, version, each)
    assert shelf.apply(service).changed is False


def prepare(shelf: Shelf, service: str) -> None:
    """Make the tables of a service, and apply what its migrations come after."""
    first = FIRST.get(service)
    other, _, engine = first.database.partition("/") if first else ("", "", "")
    shelf.furnish(service, *([other] if engine == "dynamodb" else []))
    if first:
        assert int(shelf.apply(other, first.version).exit_code) == 0


def there_and_back(shelf: Shelf, service: str, version: str, stage: Stage) -> None:
    """Apply one migration, revert it, apply it again; all before it are applied."""

    def found() -> list[Item]:
        return alike(shelf.items(service, stage.table))

    shelf.clear(service, stage.table)
    shelf.put(service, stage.table, stage.old)
    assert int(shelf.apply(service, version).exit_code) == 0
    assert found() == alike(stage.new), version
    shelf.put(service, stage.table, stage.since)
    if stage.is_reversible:
        assert int(shelf.revert(service).exit_code) == 0
        assert found() == alike([*stage.old, *(stage.back or stage.since)]), f"{version}: the way back"
        assert int(shelf.apply(service, version).exit_code) == 0
        assert found() == alike([*stage.new, *stage.since]), f"{version}: applied again"


def alike(items: Sequence[Item]) -> list[Item]:
    """Return items in an order of their own; one without a version is of version 1."""
    plain = [
        {name: value for name, value in each.items() if (name, value) != ("schema_version", 1)}
        for each in items
    ]
    return sorted(plain, key=lambda each: sorted(map(str, each.items())))


def versions(project: Project, service: str) -> list[str]:
    (database,) = project.catalog.databases([service], ["dynamodb"])
    return [file.version for file in project.catalog.files(database)]


def test_what_has_irreversible_in_the_tables_says_why() -> None:
    project = Project.open(EDTECH)
    for database in project.catalog.databases([], ["dynamodb"]):
        for file in project.catalog.files(database):
            migration = project.catalog.parse(database.id, file)
            assert bool(migration.down) is STAGES[database.service][file.version].is_reversible
            assert bool(migration.down) is (migration.irreversible is None)


@pytest.mark.slow
@pytest.mark.parametrize("service", SERVICES)
def test_items_are_seeded_once_as_the_files_say_and_a_second_run_changes_nothing(
    shelf: Shelf, service: str
) -> None:
    prepare(shelf, service)
    assert int(shelf.apply(service).exit_code) == 0
    wanted = seeded(shelf.project(), service, SeedKind.REFERENCE, SeedKind.FIXTURE)
    loaded = shelf.seed(service, SeedKind.REFERENCE, SeedKind.FIXTURE)
    assert sum(each.inserted for each in loaded) == sum(map(len, wanted.values()))
    there = {table: shelf.items(service, table) for table in wanted}
    for table, items in wanted.items():
        assert len(there[table]) == len(items), table
        assert [each for each in items if not any(is_same(each, other) for other in there[table])] == []
    again = shelf.seed(service, SeedKind.REFERENCE, SeedKind.FIXTURE)
    assert [each for each in again if each.inserted or each.updated] == []
    assert {table: shelf.items(service, table) for table in wanted} == there


def seeded(project: Project, service: str, *kinds: SeedKind) -> dict[str, list[Item]]:
    """Return what the seeds of a service hold, by table: values as the files have them, empty ones left out."""
    (database,) = project.catalog.databases([service], ["dynamodb"])
    found: dict[str, list[Item]] = {}
    for kind in kinds:
        for part in tables_of(project.catalog.dataset(database, kind)):
            rows = (
                {n: v for n, v in zip(part.columns, row, strict=True) if v is not None} for row in part.rows
            )
            found.setdefault(part.table, []).extend(rows)
    return found


def is_same(wanted: Item, found: Item) -> bool:
    return wanted.keys() == found.keys() and all(
        is_equal(value, found[name]) for name, value in wanted.items()
    )


def is_equal(wanted: object, found: object) -> bool:
    """Return whether a value is there as a file has it: a .csv has text, and a set is written as a list."""
    if isinstance(found, set):
        return isinstance(wanted, list) and set(wanted) == found
    if isinstance(wanted, str) and isinstance(found, int | Decimal):
        return Decimal(wanted) == found
    return wanted == found


@pytest.mark.slow
def test_messages_without_end_are_loaded_only_when_they_are_asked_for(shelf: Shelf) -> None:
    prepare(shelf, "chat")
    assert int(shelf.apply("chat").exit_code) == 0
    small = shelf.seed("chat", SeedKind.REFERENCE, SeedKind.FIXTURE)
    assert sum(each.inserted for each in small) < 100
    wanted = seeded(shelf.project(), "chat", SeedKind.VOLUME)
    before = len(shelf.items("chat", "messages"))
    loaded = shelf.seed("chat", SeedKind.VOLUME)
    assert sum(each.inserted + each.updated for each in loaded) == sum(map(len, wanted.values()))
    assert len(shelf.items("chat", "messages")) == before + len(wanted["messages"])
    assert wanted == seeded(shelf.project(), "chat", SeedKind.VOLUME)


def test_volume_messages_are_in_order_and_never_two_under_one_key() -> None:
    messages = seeded(Project.open(EDTECH), "chat", SeedKind.VOLUME)["messages"]
    keys = [(each["conversation_id"], each["message_key"]) for each in messages]
    assert len(set(keys)) == len(keys) > 5000
    for conversation in {each for each, _ in keys}:
        times = [key.partition("#")[0] for each, key in keys if each == conversation]
        assert times == sorted(times)


def key(label: str) -> str:
    entity, _, name = label.partition(":")
    return str(entity_key("edtech", entity, name))


GRETA, BRUNO, ANA = (key(f"user.users:{each}") for each in ("greta", "bruno", "ana"))
STORYTELLING, ALGEBRA = (key(f"courses.courses:{each}") for each in ("storytelling", "algebra"))
ANSWERS: Mapping[str, tuple[Item, int]] = {  # index -> what it is asked, as its key's attributes, and how many it finds
    "ai.conversations.by_user": ({"user_id": key("user.users:emi")}, 2),
    "ai.conversations.by_course": ({"course_id": STORYTELLING}, 1),
    "ai.conversations.by_assistant": ({"assistant_id": "essay-coach", "language": "ja"}, 1),
    "ai.turns.by_feedback": ({"feedback": "bad"}, 1),
    "chat.conversations.by_course": ({"course_id": STORYTELLING}, 1),
    "chat.messages.by_sender": ({"sender_id": ANA}, 4),
    "chat.messages.by_report": ({"report_state": "open", "report_reason": "insult"}, 1),
    "chat.memberships.by_conversation": ({"conversation_id": key("chat.conversations:storytelling")}, 4),
    "chat.memberships.by_inbox": ({"user_id": ANA}, 1),  # two more are archived
    "courses.courses.by_teacher": ({"teacher_id": GRETA}, 2),
    "courses.courses.by_category": ({"category": "writing", "language": "en"}, 1),
    "courses.courses.by_slug": ({"slug": "algebra"}, 1),
    "courses.courses.by_review": ({"review_state": "waiting"}, 1),
    "courses.lessons.by_position": ({"course_id": STORYTELLING, "position": 25}, 1),
    "courses.lessons.by_change": ({"changed_on": "2026-05-07"}, 2),
    "courses.enrolments.by_course": ({"course_id": STORYTELLING, "state": "completed"}, 2),
    "courses.enrolments.by_payment": ({"payment_id": key("payment.payments:ana-algebra")}, 1),
    "courses.enrolments.by_organisation": ({"organisation_id": key("user.organisations:northgate"), "state": "ended"}, 1),
    "courses.progress.by_course": ({"user_id": ANA, "course_id": ALGEBRA}, 2),
    "courses.progress.by_lesson": ({"lesson_id": key("courses.lessons:storytelling-wanting")}, 1),  # one has begun
    "tutor-matching.tutor_profiles.by_user": ({"user_id": BRUNO}, 1),
    "tutor-matching.tutor_profiles.by_subject": ({"listed_subject": "writing", "language": "en", "currency": "EUR"}, 1),
    "tutor-matching.availability.by_free_day": ({"free_on": "2036-01-08"}, 1),
    "tutor-matching.availability.by_student": ({"student_id": key("user.users:chiara")}, 26),
    "tutor-matching.match_requests.by_student": ({"student_id": key("user.users:farid")}, 1),
    "tutor-matching.match_requests.by_queue": ({"open_subject": "mathematics", "language": "it"}, 1),
    "tutor-matching.match_requests.by_tutor": ({"tutor_id": key("tutor-matching.tutor_profiles:bruno"), "state": "declined"}, 1),
    "video-call.calls.by_host": ({"host_id": GRETA}, 3),
    "video-call.calls.by_course": ({"course_id": ALGEBRA}, 1),
    "video-call.calls.by_live_region": ({"live_region": "eu-central-1"}, 0),  # nobody is talking
    "video-call.calls.by_failure": ({"failed_month": "2026-05"}, 1),
    "video-call.participants.by_user": ({"user_id": key("user.users:farid")}, 2),
    "video-call.recordings.by_owner": ({"owner_id": GRETA}, 2),
    "video-call.recordings.by_transcript_state": ({"transcript_state": "waiting"}, 1),
}  # fmt: skip


@pytest.mark.parametrize("service", SERVICES)
def test_every_index_answers_what_it_is_for(dynamodb_local_account: World, service: str) -> None:
    """On the server that takes only what AWS takes: tables, seeds and queries."""
    project = Project.open(EDTECH)
    (database,) = project.catalog.databases([service], ["dynamodb"])
    shapes = [each for each in tables(service) if each != HISTORY_TABLE]
    with stage(dynamodb_local_account, *shapes, directory=Path(database.directory)) as made:
        with made.lease() as lease:
            for kind in (SeedKind.REFERENCE, SeedKind.FIXTURE):
                assert all(each.inserted for each in lease.load(project.catalog.dataset(database, kind)))
        for table in shapes:
            for index in (*table.global_indexes, *table.local_indexes):
                asked, count = ANSWERS[f"{service}.{table.name}.{index.name}"]
                names = {f"#{number}": name for number, name in enumerate(asked)}
                query = {
                    "TableName": made.database.physical(table.name),
                    "IndexName": index.name,
                    "KeyConditionExpression": " AND ".join(f"{each} = :{each[1:]}" for each in names),
                    "ExpressionAttributeNames": names,
                    "ExpressionAttributeValues": to_item(
                        {f":{n}": value for n, value in enumerate(asked.values())}
                    ),
                }
                found = made.client.call("Query", query)["Items"]
                assert len(found) == count, (table.name, index.name)


def test_no_index_is_without_a_question() -> None:
    names = {
        f"{service}.{table.name}.{index.name}"
        for service in SERVICES
        for table in tables(service)
        for index in (*table.global_indexes, *table.local_indexes)
    }
    assert names == ANSWERS.keys()


def test_every_reference_across_a_border_resolves_in_the_seeds() -> None:
    project = Project.open(EDTECH)
    values: dict[str, set[object]] = {}
    for database in project.catalog.databases():
        for name, found in columns(project, database).items():
            values[f"{database.id}:{name}"] = found
    assert len(project.platform.references) > 20
    for reference in project.platform.references:
        held = values[str(replace(reference.from_, where=ALL))]
        assert held, reference
        assert held - values[str(reference.to)] == set(), reference


def columns(project: Project, database: Database) -> dict[str, set[object]]:
    """Return the values that the seeds have in each column, as `table.column`."""
    found: dict[str, set[object]] = {}
    for kind in SeedKind:
        for part in tables_of(project.catalog.dataset(database, kind)):
            for number, column in enumerate(part.columns):
                values = {row[number] for row in part.rows if isinstance(row[number], str)}
                found.setdefault(f"{part.table}.{column}", set()).update(values)
    return found
