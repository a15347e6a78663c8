"""The embedding change of edtech's ai service, as a release carries it out: applications write all the time.

Old is the application that knows the former vector only, Both the one that writes both, New the one after it.
"""

from __future__ import annotations

import json
import runpy
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from seedbed.engines.opensearch.wire.client import Client
from seedbed.engines.opensearch.wire.errors import BLOCKED, RequestFailed
from seedbed.model.seed import SeedKind
from seedbed.project import Project
from tests.support.opensearch.beside import client as reached
from tests.support.opensearch.beside import variables
from tests.support.postgres.platform import EDTECH
from tests.support.projects import Ran, run
from tests.support.seeds import tables

HERE = Path(__file__).parents[3] / "edtech" / "services" / "ai" / "opensearch"
MANIFEST = """
[platform]
name = "edtech"

[services.ai.opensearch]

[environments."dev-*"]
account   = "111111111111"
ephemeral = true
"""
EXPAND = "20260615090000_embedding_add_base.py"
MIGRATE = ("20260629090000_embedding_fill_base.py", "20260629093000_similar_lessons_base.http")
CONTRACT = ("20260720090000_similar_lessons_drop_mini.http", "20260720093000_embedding_drop_mini.py")
LATER = "20261005090000_lessons_in_swedish.py"
STORY = (EXPAND, *MIGRATE, *CONTRACT)

Document = dict[str, Any]


class Release:
    """A project of the ai service's OpenSearch alone, whose files come one after the other."""

    def __init__(self, root: Path, settings: Mapping[str, str]) -> None:
        self._root = root
        self._env = variables(settings)
        self._to = root / "services" / "ai" / "opensearch"
        (self._to / "migrations").mkdir(parents=True)
        (root / "seedbed.toml").write_text(MANIFEST, encoding="utf-8")
        shutil.copy(HERE / "indexes.toml", self._to)
        shutil.copytree(HERE / "seeds", self._to / "seeds")

    def brings(self, *names: str) -> None:
        for name in names:
            shutil.copy(HERE / "migrations" / name, self._to / "migrations")

    def run(self, *arguments: str) -> Ran:
        ran = run(self._root, *arguments, "-e", "dev-ana", env=self._env)
        assert ran.code == 0, ran.everything
        return ran

    def apply(self, through: str) -> None:
        self.run("apply", "--through", through)


@dataclass
class Application:
    """One version of the application: it writes whole documents, and waits where it is told to."""

    client: Client
    embeds: Mapping[str, Callable[[list[str]], list[float]]]
    truth: dict[str, Document]
    lock: threading.Lock = field(default_factory=threading.Lock)

    def write(self, id_: str, title: str) -> None:
        texts: Document = {"title": {"en": title}, "text": {"en": f"about {title}"}}
        words = " ".join([title, f"about {title}"]).casefold().split()
        vectors = {name: embed(words) for name, embed in self.embeds.items()}
        document = {"lesson_id": id_, "kind": "text", **texts, **vectors}
        with self.lock:
            self._until_taken(
                lambda: self.client.call("PUT", f"/lessons/_doc/{id_}", document, idempotent=True)
            )
            self.truth[id_] = texts

    def delete(self, id_: str) -> None:
        with self.lock:
            self._until_taken(lambda: self.client.call("DELETE", f"/lessons/_doc/{id_}", idempotent=True))
            self.truth.pop(id_, None)

    def _until_taken(self, send: Callable[[], object]) -> None:
        began = time.monotonic()
        while True:
            try:
                send()
            except RequestFailed as error:
                if error.is_missing:  # what was to be deleted is not there
                    return
                if error.type != BLOCKED or time.monotonic() - began > 30:
                    raise
                time.sleep(0.02)
            else:
                return


@contextmanager
def writing(*applications: Application) -> Iterator[None]:
    """Let `applications` write, overwrite, delete and bring back lessons of their own meanwhile."""
    over = threading.Event()
    failed: list[BaseException] = []

    def work(number: int, application: Application) -> None:
        try:
            for count in range(10**6):
                if over.wait(0.005):
                    return
                id_ = f"busy-{number}-{count % 37}"
                if count % 5 == 4:
                    application.delete(id_)
                else:
                    application.write(id_, f"lesson {count}")
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=each) for each in enumerate(applications)]
    for each in threads:
        each.start()
    try:
        yield
    finally:
        over.set()
        for each in threads:
            each.join()
    assert not failed, failed


def embedded(name: str) -> Callable[[list[str]], list[float]]:
    """Return what the application of the platform computes; the former model is another one, of 48 numbers."""
    code = runpy.run_path(str(HERE / "migrations" / MIGRATE[0]))
    model: Callable[..., list[float]] = code["embedding"]
    if name == "embedding_base":
        return model
    return lambda words: model(words, b"mini-2025-11", 48)


def lessons(client: Client) -> dict[str, Document]:
    client.call("POST", "/lessons/_refresh")
    answer = client.call("POST", "/lessons/_search", {"size": 10_000}, idempotent=True)
    return {each["_id"]: each["_source"] for each in answer["hits"]["hits"]}


def similar(client: Client, name: str, vector: Sequence[float]) -> list[str]:
    body = {"id": name, "params": {"vector": vector, "size": 3}}
    answer = client.call("POST", "/lessons/_search/template", body, idempotent=True)
    return [each["_id"] for each in answer["hits"]["hits"]]


@pytest.fixture
def client(opensearch_settings: Mapping[str, str]) -> Iterator[Client]:
    with reached(opensearch_settings, opensearch_settings.get("prefix", "")) as asked:
        yield asked


def test_the_dimension_of_an_embedding_changes_while_applications_write(
    tmp_path: Path, opensearch_settings: Mapping[str, str], client: Client
) -> None:
    names = sorted(each.name for each in (HERE / "migrations").iterdir() if each.suffix in {".py", ".http"})
    release = Release(tmp_path, opensearch_settings)
    mini, base = embedded("embedding_mini"), embedded("embedding_base")
    truth: dict[str, Document] = {}
    old = Application(client, {"embedding_mini": mini}, truth)
    both = Application(client, {"embedding_mini": mini, "embedding_base": base}, truth)
    new = Application(client, {"embedding_base": base}, truth)

    release.brings(*(each for each in names if each < EXPAND))
    release.apply("contract")
    old.write("a", "letters for numbers")
    old.write("b", "beginnings of a story")
    with pytest.raises(RequestFailed, match="strict_dynamic_mapping_exception"):
        both.write("c", "too early")

    # Expand: a new field, nothing else; whoever knows only the former one goes on.
    release.brings(*STORY)
    release.apply("expand")
    both.write("c", "endings of a story")
    old.write("d", "loops")
    both.write("b", "beginnings")
    old.write("b", "beginnings of a story")  # which takes the new vector away again
    assert {id_ for id_, each in lessons(client).items() if "embedding_base" in each} == {"c"}

    # Migrate: whatever has no new vector gets one, while both applications write; then queries are switched.
    with writing(old, both):
        release.apply("migrate")
    after = lessons(client)
    assert {id_: {"title": each["title"], "text": each["text"]} for id_, each in after.items()} == truth
    for id_ in "abcd":
        assert len(after[id_]["embedding_mini"]) == 48
        assert after[id_]["embedding_base"] == pytest.approx(base(words(after[id_])), abs=1e-6)
    assert similar(client, "similar-lessons", mini(words(after["a"])))[0] == "a"
    assert similar(client, "similar-lessons-base", base(words(after["a"])))[0] == "a"
    old.write("late", "by the last of the former applications")

    # Contract: only the new vector is left, on every document.
    with writing(new):
        release.apply("contract")
    after = lessons(client)
    assert {id_: {"title": each["title"], "text": each["text"]} for id_, each in after.items()} == truth
    for each in after.values():
        assert "embedding_mini" not in each
        assert each["embedding_base"] == pytest.approx(base(words(each)), abs=1e-6)
    assert similar(client, "similar-lessons-base", base(words(after["late"])))[0] == "late"
    with pytest.raises(RequestFailed, match="strict_dynamic_mapping_exception"):
        both.write("c", "too late")
    with pytest.raises(RequestFailed):
        similar(client, "similar-lessons", mini(["a"]))

    # What comes later goes there and back again.
    release.brings(LATER)
    release.apply("contract")
    release.run("revert", "--steps", "1")
    assert lessons(client) == after


def words(document: Document) -> list[str]:
    texts = [*document["title"].values(), *document["text"].values()]
    return " ".join(texts).casefold().split()


def titles(document: Document) -> str:
    return json.dumps(document["title"], sort_keys=True)


def seeded(root: Path, settings: Mapping[str, str]) -> Release:
    """Return the service's project with all its migrations applied and its seeds loaded."""
    release = Release(root, settings)
    release.brings(*(each.name for each in (HERE / "migrations").iterdir()))
    release.run("apply")
    release.run("seed")
    return release


def test_seeds_are_the_people_and_lessons_of_the_other_services(
    tmp_path: Path, opensearch_settings: Mapping[str, str], client: Client
) -> None:
    seeded(tmp_path, opensearch_settings)
    found = lessons(client)
    courses = json.loads((HERE.parents[1] / "courses/dynamodb/seeds/fixture/02_lessons.json").read_text())
    assert sorted(map(titles, found.values())) == sorted(map(titles, courses))
    assert {each["minutes"] for each in found.values()} == {each["minutes"] for each in courses}
    asked = client.call(
        "POST", "/questions/_search", {"query": {"match": {"text": "STORY"}}}, idempotent=True
    )
    assert [each["_source"]["topics"] for each in asked["hits"]["hits"]] == [["structure"]]


def test_the_volume_is_6000_lessons_with_their_vectors() -> None:
    project = Project.open(EDTECH)
    (database,) = project.catalog.databases(["ai"], ["opensearch"])
    (lessons_,) = tables(project.catalog.dataset(database, SeedKind.VOLUME))
    rows = [dict(zip(lessons_.columns, each, strict=True)) for each in lessons_.rows]
    assert (lessons_.table, len({each["lesson_id"] for each in rows})) == ("lessons", 6000)
    vectors = [each["embedding_base"] for each in rows]
    assert {len(each) for each in vectors if isinstance(each, list)} == {64}
    assert all(isinstance(each, list) for each in vectors)


@pytest.mark.soak
@pytest.mark.slow
def test_the_volume_is_loaded_beside_the_seeds(
    tmp_path: Path, opensearch_settings: Mapping[str, str], client: Client
) -> None:
    release = seeded(tmp_path, opensearch_settings)
    release.run("seed", "--kind", "volume")
    assert client.call("GET", "/lessons/_count")["count"] == 6010
