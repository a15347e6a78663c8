"""Seeds into a graph: nodes, relationships, scripts, volume."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from seedbed.engines.neo4j.seeds import volume
from seedbed.errors import SeveralErrors, StepFailed
from seedbed.model.migration import Direction
from seedbed.model.seed import Dataset, Loading, Script, SeedKind
from tests.support.neo4j.graphs import Graph, graph, parts
from tests.support.servers import Pool

SKILL = "CREATE CONSTRAINT skill FOR (s:Skill) REQUIRE s.slug IS UNIQUE"
TUTOR = "CREATE CONSTRAINT tutor FOR (t:Tutor) REQUIRE t.id IS UNIQUE"
SKILLS = "slug,name\nalgebra,Algebra\nvoice,Voice\n"
TUTORS = '[{"id": "@user.users:bruno", "rating": 4.2, "hours": [9, 10.5], "open": false, "born": null}]'
TEACHES = "from.id,to.slug,since:date,hours:int\n@user.users:bruno,algebra,2026-01-13,3\n"
FILES = {"1_Tutor.json": TUTORS, "2_Skill.csv": SKILLS, "3_Tutor-TEACHES-Skill.csv": TEACHES}
WHAT = "MATCH (t:Tutor)-[r:TEACHES]->(s:Skill) RETURN s.slug AS slug, toString(r.since) AS since, r.hours AS hours"


@pytest.fixture(scope="module")
def server(neo4j_servers: Pool) -> Iterator[Graph]:
    with neo4j_servers.borrowed() as settings:
        made = graph(settings)
        made.do(SKILL, TUTOR)
        yield made


@pytest.fixture
def here(server: Graph) -> Iterator[Graph]:
    """A graph without nodes; what a test makes unique besides, it drops itself."""
    yield server
    server.do("MATCH (n) WHERE NOT n:migrations_history DETACH DELETE n")


def test_nodes_and_relationships_are_loaded_and_a_second_load_changes_nothing(here: Graph) -> None:
    assert here.counts(*parts(FILES)) == [(1, 0, 0), (2, 0, 0), (1, 0, 0)]
    assert here.ask(WHAT) == [{"slug": "algebra", "since": "2026-01-13", "hours": 3}]
    assert here.counts(*parts(FILES)) == [(0, 0, 1), (0, 0, 2), (0, 0, 1)]


def test_only_what_differs_is_written_and_what_the_file_does_not_name_stays(here: Graph) -> None:
    here.load(*parts(FILES))
    here.do(
        "MATCH (t:Tutor) SET t.since = 7, t.hours = [1.0]", "MATCH ()-[r:TEACHES]->() SET r.note = 'kept'"
    )
    files = {**FILES, "3_Tutor-TEACHES-Skill.csv": TEACHES.replace(",3\n", ",4\n")}
    assert here.counts(*parts(files)) == [(0, 1, 0), (0, 0, 2), (0, 1, 0)]
    assert here.ask("MATCH (t:Tutor) RETURN t.since AS since, t.hours AS hours") == [
        {"since": 7, "hours": [9.0, 10.5]}
    ]
    assert here.ask("MATCH ()-[r:TEACHES]->() RETURN r.note AS note, r.hours AS hours") == [
        {"note": "kept", "hours": 4}
    ]


def test_an_integer_is_no_float_and_null_takes_a_property_away(here: Graph) -> None:
    first = {"Skill.json": '[{"slug": "a", "rank": 1, "name": "x"}]'}
    here.load(*parts(first))
    assert here.counts(*parts({"Skill.json": '[{"slug": "a", "rank": 1.0, "name": null}]'})) == [(0, 1, 0)]
    assert here.ask("MATCH (s:Skill) RETURN valueType(s.rank) AS type, s.name AS name") == [
        {"type": "FLOAT NOT NULL", "name": None}
    ]


def test_values_are_what_their_columns_say(here: Graph) -> None:
    text = (
        "slug,n:int,f:float,b:boolean,d:date,t:time,lt:localtime,at:datetime,lat:localdatetime,p:duration,tags:string[],"
        "days:date[],place:point\n"
        "a,-7,0.1,TRUE,2026-02-28,10:00+02:00,10:00,2026-01-13T18:00:00.5Z,2026-01-13T18:00,P1DT2H,x; y ;z,"
        '2026-01-01;2026-01-02,"{""longitude"": 13.4, ""latitude"": 52.5}"\n'
    )
    assert here.counts(*parts({"Skill.csv": text})) == [(1, 0, 0)]
    assert here.counts(*parts({"Skill.csv": text})) == [(0, 0, 1)]
    (found,) = here.ask(
        "MATCH (s:Skill) RETURN toString(s.at) AS at, toString(s.t) AS t, toString(s.p) AS p, s.tags AS tags, s.b AS b, "
        "[each IN s.days | toString(each)] AS days, s.place.latitude AS latitude, s.n AS n"
    )
    assert found == {
        "at": "2026-01-13T18:00:00.5Z",
        "t": "10:00:00+02:00",
        "p": "P1DT2H",
        "tags": ["x", "y", "z"],
        "b": True,
        "days": ["2026-01-01", "2026-01-02"],
        "latitude": 52.5,
        "n": -7,
    }


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"Skill.csv": "# seedbed: key=name\nslug,name\na,A\n"}, "no constraint makes name unique"),
        (
            {"Course.csv": "id,name\n1,A\n"},
            "CREATE CONSTRAINT course_id_unique FOR (n:Course) REQUIRE n.id IS UNIQUE",
        ),
        ({"Skill.csv": "slug,rank:int\na,1\na,2\n"}, "two rows have the same key"),
    ],
)
def test_a_seed_that_cannot_be_loaded_is_refused_before_anything_is_written(
    here: Graph, files: dict[str, str], words: str
) -> None:
    with pytest.raises(StepFailed) as caught:
        here.load(*parts({"0_Tutor.json": TUTORS, **files}))
    assert words in str(caught.value)
    assert here.ask("MATCH (t:Tutor) RETURN t") == []


def test_a_relationship_whose_end_is_missing_names_it_and_takes_all_of_the_dataset_along(here: Graph) -> None:
    files = {**FILES, "3_Tutor-TEACHES-Skill.csv": TEACHES + "@user.users:bruno,magic,2026-01-13,1\n"}
    with pytest.raises(StepFailed) as caught:
        here.load(*parts(files))
    assert "there is no Skill with slug = 'magic'" in str(caught.value)
    assert "3_Tutor-TEACHES-Skill.csv:3" in str(caught.value)
    assert here.ask("MATCH (n) WHERE NOT n:migrations_history RETURN n") == []


def test_what_the_server_refuses_is_told_with_the_file_and_nothing_stays(here: Graph) -> None:
    here.do("CREATE CONSTRAINT name FOR (s:Skill) REQUIRE s.name IS UNIQUE")
    text = "# seedbed: key=slug\nslug,name\na,Same\nb,Same\n"
    with pytest.raises(StepFailed) as caught:
        here.load(*parts({"1_Tutor.json": TUTORS, "2_Skill.csv": text}))
    assert str(caught.value.at).endswith("2_Skill.csv:3")
    assert "already exists with label `Skill`" in str(caught.value)
    assert here.ask("MATCH (n) WHERE NOT n:migrations_history RETURN n") == []
    here.do("DROP CONSTRAINT name")


def test_a_row_with_what_another_node_has_already_is_found_among_those_that_are_sent(here: Graph) -> None:
    here.do("CREATE CONSTRAINT name FOR (s:Skill) REQUIRE (s.name, s.rank) IS UNIQUE")
    here.do("CREATE (:Skill {slug: 'x', name: 'Voice', rank: 2})")
    text = "# seedbed: key=slug\nslug,name,rank:int\na,Voice,1\nb,Voice,2\nc,Voice,3\n"
    for kind in (SeedKind.FIXTURE, SeedKind.VOLUME):
        with pytest.raises(StepFailed) as caught:
            here.load(*parts({"2_Skill.csv": text}), kind=kind)
        assert str(caught.value.at).endswith("2_Skill.csv:4")
    here.do("DROP CONSTRAINT name")


def test_a_key_that_two_constraints_could_be_is_asked_for(here: Graph) -> None:
    here.do("CREATE CONSTRAINT name FOR (s:Skill) REQUIRE s.name IS UNIQUE")
    with pytest.raises(StepFailed, match="Skill has several keys"):
        here.load(*parts({"Skill.csv": SKILLS}))
    assert here.counts(*parts({"Skill.csv": "# seedbed: key=name\n" + SKILLS})) == [(2, 0, 0)]
    here.do("DROP CONSTRAINT name")


def test_relationships_between_the_same_nodes_are_told_apart_by_their_own_key(here: Graph) -> None:
    here.load(*parts({"1_Tutor.json": TUTORS, "2_Skill.csv": SKILLS}))
    rows = "from.id,to.slug,year:int,hours:int\n@user.users:bruno,algebra,2025,5\n@user.users:bruno,algebra,2026,7\n"
    with pytest.raises(StepFailed, match="two rows have the same key"):
        here.load(*parts({"Tutor-TAUGHT-Skill.csv": rows}))
    keyed = "# seedbed: key=from.id,to.slug,year:int\n" + rows
    assert here.counts(*parts({"Tutor-TAUGHT-Skill.csv": keyed})) == [(2, 0, 0)]
    assert here.counts(*parts({"Tutor-TAUGHT-Skill.csv": keyed.replace(",7\n", ",8\n")})) == [(0, 1, 1)]
    one = "from.id,to.slug,hours:int\n@user.users:bruno,algebra,5\n"
    with pytest.raises(StepFailed, match="2 relationships match one row"):
        here.load(*parts({"Tutor-TAUGHT-Skill.csv": one}))


def test_nodes_get_their_other_labels_and_names_may_be_anything(here: Graph) -> None:
    here.do("CREATE CONSTRAINT odd FOR (n:`Odd ``label`) REQUIRE n.`the key` IS UNIQUE")
    file = {
        "1.json": '{"table": "Odd `label:Person", "key": ["the key"], "rows": [{"the key": 1, "a.b c": "x"}]}'
    }
    assert here.counts(*parts(file)) == [(1, 0, 0)]
    assert here.counts(*parts(file)) == [(0, 0, 1)]
    here.do("MATCH (n:Person) REMOVE n:Person")
    assert here.counts(*parts(file)) == [(0, 1, 0)]
    assert here.ask(
        "MATCH (n:Person:`Odd ``label`) RETURN size(labels(n)) AS labels, n.`a.b c` AS value"
    ) == [{"labels": 2, "value": "x"}]


def test_no_name_of_a_seed_is_read_as_cypher(here: Graph) -> None:
    here.do("CREATE (:Skill {slug: 'kept'})")
    column = "x\\u0060 = 1 WITH 1 AS one MATCH (s) DETACH DELETE s //"
    assert here.counts(*parts({"Skill.csv": f'slug,"{column}"\na,b\n'})) == [(1, 0, 0)]
    assert here.ask(
        "MATCH (s:Skill) RETURN s.slug AS slug, s[$column] AS value ORDER BY slug", column=column
    ) == [
        {"slug": "a", "value": "b"},
        {"slug": "kept", "value": None},
    ]


def test_a_script_is_in_the_same_transaction_and_counts_what_it_made(here: Graph) -> None:
    script = (
        "// three of them\nUNWIND [1, 2] AS n MERGE (:Room {n: n});\nMATCH (s:Skill) SET s.seen = true;\n"
    )
    files = {"1_Skill.csv": SKILLS, "2_rooms.cypher": script}
    assert here.counts(*parts(files)) == [(2, 0, 0), (2, 2, 0)]
    with pytest.raises(StepFailed, match=r"1.cypher:2: the seed failed.*by zero"):
        here.load(*parts({"1.cypher": "MATCH (r:Room) DELETE r;\nRETURN 1/0;"}))
    assert here.ask("MATCH (r:Room) RETURN count(r) AS n") == [{"n": 2}]


@pytest.mark.parametrize(
    "script",
    [
        "MATCH (n:$('migrations' + '_history')) WHERE n.key STARTS WITH 'revision:' SET n.checksum = 'x';",
        "CREATE (:$('migrations' + '_history') {key: 'revision:9', version: '9'});",
    ],
)
def test_a_script_that_reaches_the_history_at_run_time_leaves_nothing_behind(
    here: Graph, script: str
) -> None:
    migration = "// migrate:up\nCREATE (:Skill {slug: 'x'});\n// migrate:down\nMATCH (s:Skill {slug: 'x'}) DELETE s;\n"
    here.apply(migration, version="7")
    stored = "MATCH (n:migrations_history) WHERE NOT n.key IN ['lease', 'fence'] RETURN properties(n) AS p ORDER BY n.key"
    before = here.ask(stored)
    with pytest.raises(StepFailed, match="changes the history"):
        here.load(*parts({"1_Skill.csv": SKILLS, "2_x.cypher": script}))
    assert here.ask(stored) == before
    assert here.ask("MATCH (s:Skill) RETURN s.slug AS slug") == [{"slug": "x"}]
    here.apply(migration, version="7", direction=Direction.DOWN)


def test_volume_goes_in_batches_and_again_the_same(here: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(volume.load, "__kwdefaults__", {"batch": 40})
    nodes = "def rows():\n    for n in range(100):\n        yield {'slug': f's{n}', 'rank': n}\n"
    edges = (
        "def rows():\n    for n in range(99):\n        yield {'from.slug': f's{n}', 'to.slug': f's{n + 1}'}\n"
    )
    files = {"1_Skill.py": nodes, "2.py": "# seedbed: table=(:Skill)-[:REQUIRES]->(:Skill)\n" + edges}
    assert here.counts(*parts(files), kind=SeedKind.VOLUME) == [(100, 0, 0), (99, 0, 0)]
    assert here.counts(*parts(files), kind=SeedKind.VOLUME) == [(0, 100, 0), (0, 99, 0)]
    files["2.py"] = files["2.py"].replace("range(99)", "range(100)")
    with pytest.raises(StepFailed, match="there is no Skill with slug = 's100'"):
        here.load(*parts(files), kind=SeedKind.VOLUME)
    assert here.ask("MATCH ()-[r:REQUIRES]->() RETURN count(r) AS n") == [{"n": 99}]


def test_of_a_volume_that_fails_on_its_way_the_batches_before_stay_and_are_told(
    here: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(volume.load, "__kwdefaults__", {"batch": 40})
    monkeypatch.setattr(volume, "_FIRST", 40)
    here.do("UNWIND range(0, 99) AS n CREATE (:Skill {slug: 's' + n})")
    edges = "def rows():\n    for n in range(100):\n        yield {'from.slug': f's{n}', 'to.slug': f's{n + 1}'}\n"
    (part,) = parts({"2.py": "# seedbed: table=(:Skill)-[:REQUIRES]->(:Skill)\n" + edges})
    told: list[Loading] = []
    with here.lease() as lease, pytest.raises(StepFailed, match="there is no Skill with slug = 's100'"):
        list(lease.bulk_load(Dataset(SeedKind.VOLUME, (part,)), told.append))
    assert [each.changed for each in told] == [40, 80]
    assert here.ask("MATCH ()-[r:REQUIRES]->() RETURN count(r) AS n") == [{"n": 80}]


def test_relationships_of_a_volume_whose_nodes_nothing_makes_are_refused_before_anything_is_written(
    here: Graph,
) -> None:
    files = {
        "1_Skill.csv": SKILLS,
        "2_Tutor-TEACHES-Skill.csv": TEACHES,
        "3_Tutor-KNOWS-Tutor.csv": "from.id,to.id\na,b\n",
    }
    with pytest.raises(SeveralErrors) as caught:
        here.load(*parts(files), kind=SeedKind.VOLUME)
    assert [(str(each.at)[-3:], each.what.partition(" with ")[0]) for each in caught.value.errors] == [
        ("v:2", "there is no Tutor"),
        ("v:2", "there is no Tutor"),
    ]
    assert here.ask("MATCH (s:Skill) RETURN s") == []


def test_two_rows_of_a_volume_with_one_key_are_found_before_any_is_written(here: Graph) -> None:
    nodes = "def rows():\n    for n in range(12_000):\n        yield {'slug': f's{n % 11_990}', 'rank': n}\n"
    with pytest.raises(StepFailed, match="two rows have the same key") as caught:
        here.load(*parts({"1_Skill.py": nodes}), kind=SeedKind.VOLUME)
    assert caught.value.because == "slug = 's0', in rows 1 and 11991"
    assert here.ask("MATCH (s:Skill) RETURN s LIMIT 1") == []


def test_every_match_of_a_load_goes_through_an_index(here: Graph) -> None:
    from seedbed.engines.neo4j.seeds import statements
    from seedbed.engines.neo4j.seeds.keys import UNIQUE, resolved, unique_from
    from seedbed.engines.neo4j.seeds.table import table_of

    with here.lease() as lease:
        unique = unique_from(lease.read(UNIQUE))
    for part in parts(FILES):
        assert not isinstance(part, Script)
        table = resolved(table_of(part), unique)
        for statement in (statements.look(table.shape), statements.write(table.shape)):
            chunk = next(table.chunks(10))
            plan = _operators(here, statement, dict(statements.parameters(chunk)))
            assert not plan & {"AllNodesScan", "NodeByLabelScan"}, plan
            assert any("UniqueIndexSeek" in each or each == "MergeUniqueNode" for each in plan)


def _operators(here: Graph, statement: str, parameters: dict[str, object]) -> set[str]:
    import neo4j

    with neo4j.GraphDatabase.driver(
        here.settings["uri"], auth=None, notifications_min_severity="OFF"
    ) as driver:
        plan = driver.execute_query(f"EXPLAIN {statement}", parameters).summary.plan
    found: set[str] = set()
    left = [plan]
    while left:
        each = left.pop()
        assert each is not None
        found.add(each["operatorType"].partition("@")[0])
        left += each.get("children", [])
    return found
