"""indexes.toml: what it may say, and how it says no."""

from __future__ import annotations

from pathlib import Path

import pytest

from seedbed.engines.opensearch import engine
from seedbed.engines.opensearch.rules import sandbox
from seedbed.engines.opensearch.rules.declared import require_declared
from seedbed.engines.opensearch.rules.index_hazards import examine, losses
from seedbed.engines.opensearch.schema.json_schema import json_schema
from seedbed.engines.opensearch.schema.names import next_serial, physical, serial
from seedbed.engines.opensearch.schema.read import KIND, parse
from seedbed.engines.opensearch.schema.shape import DeclaredIndexes
from seedbed.errors import ManifestError, MigrationFileError, Refused
from seedbed.model.migration import Direction, Work
from seedbed.toml.text import Text
from tests.support.opensearch.searches import LESSONS, migration, moves


def read(text: str) -> DeclaredIndexes:
    return parse(Text("services/ai/opensearch/indexes.toml", text, KIND))


def one(body: str) -> str:
    return f"[[indexes.lessons.versions]]\nnumber = 1\n{body}"


VECTOR = """
[indexes.lessons.versions.mappings.properties.v]
type = "knn_vector"
"""


def test_definitions_are_found_by_their_numbers() -> None:
    index = read(LESSONS).index("lessons")
    assert index is not None
    second = index.version(2)
    assert second is not None
    assert second.mappings["properties"]["title"]["analyzer"] == "english"
    assert index.before(2) == index.version(1)
    assert index.before(1) is None


def test_nested_settings_and_dotted_ones_are_the_same() -> None:
    nested = read(one('settings = {index = {refresh_interval = "5s", search = {idle = {after = "1s"}}}}'))
    dotted = read(one('settings = {"index.refresh_interval" = "5s", "search.idle.after" = "1s"}'))
    assert nested == dotted
    assert nested.indexes[0].versions[0].digest == dotted.indexes[0].versions[0].digest


def test_pipelines_and_templates_have_versions_too() -> None:
    text = "[[pipelines.clean.versions]]\nnumber = 3\nbody = {processors = []}\n"
    pipeline = read(text).pipeline("clean")
    assert pipeline is not None
    assert pipeline.version(3) is not None
    assert pipeline.before(3) is None


def test_nothing_is_declared_by_an_empty_file() -> None:
    assert read("") == DeclaredIndexes()


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("[lessons]\n", 1, "unknown key"),
        ("[indexes.Lessons]\nversions = [{number = 1}]\n", 1, "cannot be named"),
        ("[indexes.lessons]\nversions = []\n", 1, "no version"),
        ("[indexes.lessons]\nversions = [{number = 2}, {number = 1}]\n", 2, "oldest first"),
        (one("settings = {uuid = 'x'}"), 3, "cannot be declared"),
        (one("settings = {number_of_shards = 0}"), 3, "shards"),
        (one("mappings = {_source = {enabled = false}}"), 3, "stored as they are sent"),
        (one("settings = {knn = true}" + VECTOR + "dimension = 3\n"), 4, "engine"),
        (one(VECTOR + "dimension = 3\nmethod = {name = 'hnsw', engine = 'lucene'}\n"), 4, "without k-NN"),
        (one("settings = {knn = true}" + VECTOR + "method = {engine = 'lucene'}\n"), 4, "dimension"),
        (one("mappings = {properties = {v = {type = 'dense_vector'}}}"), 3, "knn_vector"),
        (one("mappings = {properties = {v = {type = 'semantic_text'}}}"), 3, "text_embedding"),
        (one("mappings = {runtime = {v = {type = 'long'}}}"), 3, "derived"),
        (one("settings = {'lifecycle.name' = 'x'}"), 3, "ISM"),
        (
            "[[templates.all.versions]]\nnumber = 1\nbody = {index_patterns = ['*']}\n",
            3,
            "reaches migrations_history",
        ),
        ("[[pipelines.'a*'.versions]]\nnumber = 1\nbody = {}\n", 1, "does not name one pipeline"),
        (
            "[indexes.a]\nversions = [{number = 1}]\n[indexes.a-2]\nversions = [{number = 1}]\n",
            3,
            "behind 'a'",
        ),
    ],
)
def test_what_cannot_be_is_refused_at_its_line(text: str, line: int, words: str) -> None:
    with pytest.raises(ManifestError) as caught:
        read(text)
    assert words in str(caught.value)
    assert caught.value.at is not None
    assert caught.value.at.line >= line


def test_the_schema_is_made_of_the_types() -> None:
    schema = json_schema()
    assert schema["title"] == "indexes.toml"
    assert set(schema["properties"]) == {"indexes", "pipelines", "templates"}


def test_physical_indexes_are_numbered_for_good() -> None:
    assert physical("lessons", 3) == "lessons-3"
    assert serial("lessons", "lessons-12") == 12
    assert serial("lessons", "lessons-old") == serial("lessons", "other-1") == 0
    assert next_serial("lessons", ["lessons-1", "lessons-7", "lessons-x"]) == 8
    assert next_serial("lessons", []) == 1


def hazards(text: str, first: str, second: str, directives: str = "", code: str = "") -> list[str]:
    declared = read(
        f"[[indexes.lessons.versions]]\nnumber = 1\n{first}\n[[indexes.lessons.versions]]\nnumber = 2\n{second}\n"
    )
    return codes(declared, moves("lessons", 2, directives, code))


def codes(declared: DeclaredIndexes, text: str) -> list[str]:
    return [each.code for each in examine(declared, [migration(text)]).get("1", ())]


A = 'mappings = {properties = {a = {type = "keyword"}}}'
AB = 'mappings = {properties = {a = {type = "keyword"}, b = {type = "text"}}}'


def test_what_a_change_does_is_known_from_the_file() -> None:
    assert hazards("", A, AB) == ["OS305"]  # in place, and the way back is a new index
    assert hazards("", AB, A) == ["OS301", "OS302"]  # a new index, and a field goes
    assert hazards("", A, AB, "rebuild") == ["OS301"]
    assert hazards("", A, A, code="def up(doc):\n    return doc\n") == ["OS301"]
    assert hazards("", A, A) == []
    declared = read(LESSONS)
    assert codes(declared, "# seedbed: index=lessons rebuild\n") == [
        "OS301"
    ]  # no field goes: the version stays
    assert codes(declared, "# seedbed: index=lessons\ndef up(doc):\n    return doc\n") == ["OS301"]


@pytest.mark.parametrize(
    ("name", "version", "because", "try_"),
    [
        ("lessons", 7, "has version 1, 2 of index lessons", "[[indexes.lessons.versions]] number = 7"),
        ("lesons", 1, "has no index lesons", "did you mean lessons?"),
        ("words", 1, "has no index words", "[[indexes.words.versions]]"),
    ],
)
def test_a_version_that_is_not_declared_is_refused_from_the_files(
    name: str, version: int, because: str, try_: str
) -> None:
    with pytest.raises(MigrationFileError) as caught:
        require_declared(read(LESSONS), [Work(migration(moves(name, version)))])
    assert because in caught.value.because
    assert try_ in caught.value.try_
    assert caught.value.at is not None
    assert caught.value.at.line == 1
    require_declared(read(LESSONS), [Work(migration(moves("lessons", 2)))])


def test_errors_of_the_file_are_found_without_a_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    directory = tmp_path / "services" / "ai" / "opensearch"
    directory.mkdir(parents=True)
    (directory / "indexes.toml").write_text(one('mappings = {properties = {a = {type = "flattened"}}}'))
    with pytest.raises(ManifestError) as caught:
        engine.check_declared(directory, (), ())
    assert str(caught.value.at) == "services/ai/opensearch/indexes.toml:3:27"
    assert caught.value.try_ == 'type = "flat_object"'


def nested(levels: int) -> str:
    """Return a version whose mappings have fields on so many levels, the last with a sub-field and parameters."""
    path = ".properties.".join(f"f{each}" for each in range(levels))
    return one(
        f"[indexes.lessons.versions.mappings.properties.{path}]\n"
        'type = "text"\n'
        f"[indexes.lessons.versions.mappings.properties.{path}.fields.keyword]\n"
        'type = "keyword"\n'
    )


def test_fields_nest_as_deep_as_opensearch_lets_them() -> None:
    assert read(nested(20)).index("lessons") is not None
    with pytest.raises(ManifestError, match="has fields on 21 levels") as caught:
        read(nested(21))
    assert "an index accepts 20" in caught.value.because
    deeper = nested(21).replace("number = 1", 'number = 1\nsettings = {"mapping.depth.limit" = 25}')
    assert read(deeper).index("lessons") is not None
    with pytest.raises(ManifestError, match="nested too deep"):
        read(nested(40))


@pytest.mark.parametrize(
    ("body", "engine"),
    [
        ("method = {name = 'hnsw', engine = 'faiss'}", "has the engine faiss"),
        ("model_id = 'some'", "names no engine"),
        ("method = {name = 'hnsw', engine = 'lucene'}", ""),
    ],
)
def test_vectors_that_would_end_the_sandbox_are_known_by_name(body: str, engine: str) -> None:
    declared = read(one(f"settings = {{knn = true}}{VECTOR}dimension = 3\n{body}\n"))
    moved = migration(moves("lessons", 1))
    assert [each.code for each in sandbox.hazards(declared, moved)] == (["OS312"] if engine else [])
    if engine:
        with pytest.raises(Refused, match=f"v {engine}"):
            sandbox.require_vectors(declared, [Work(moved, Direction.UP)])
    sandbox.require_vectors(declared, [Work(moved, Direction.DOWN)])


def test_what_the_way_down_loses_depends_on_the_older_definition() -> None:
    assert "taken out" in losses("lessons", ["b"], is_strict=True)
    assert "left in" in losses("lessons", ["b"], is_strict=False)
    assert losses("lessons", [], is_strict=True) == ""
