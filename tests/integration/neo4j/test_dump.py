"""A small graph as a file, and back."""

from __future__ import annotations

import json
import stat
from hashlib import sha256
from pathlib import Path

import pytest

from seedbed.engines.neo4j.dump_restore import dump
from seedbed.engines.neo4j.dump_restore.file_format import InvalidDump, read
from seedbed.errors import Refused, UsageError
from seedbed.model.event import CopyFinished, CopyProgressed
from tests.support.neo4j.graphs import Graph, graph
from tests.support.servers import Settings

TABLES = "// migrate:up\nCREATE CONSTRAINT tutor FOR (t:Tutor) REQUIRE t.id IS UNIQUE;\n"
VALUES = """
CREATE (t:Tutor:Person {id: 1, i: 2, f: 2.0, nan: 0.0 / 0.0, s: 'a"b\\n', b: true, list: [1, 2], none: [], d: date('2026-01-02'),
  t: time('10:00:01.123456789+02:00'), lt: localtime('10:00'), z: datetime('2026-01-13T18:00:00Z'),
  first: datetime('2026-10-25T02:30:00+02:00[Europe/Berlin]'), again: datetime('2026-10-25T02:30:00+01:00[Europe/Berlin]'),
  ldt: localdatetime('2026-01-13T18:00'), p: duration('P1Y2M3DT4H5.000006S'), wgs: point({longitude: 1, latitude: 2}),
  xyz: point({x: 1, y: 2, z: 3}), days: [date('2026-01-01')], `odd ``name`: 1})
CREATE (t)-[:`TEACHES it` {since: date('2026-01-02')}]->(:Skill {slug: 'a'}), (t)-[:`TEACHES it` {n: 2}]->(:Skill {slug: 'b'})
CREATE (t)-[:KNOWS]->(t), ({nameless: true})
"""
# NaN is not itself, and all else is compared with its type.
LOOK = """
MATCH (n) WHERE NOT n:migrations_history
UNWIND keys(n) AS key
RETURN labels(n) AS labels, key, toStringOrNull(n[key]) AS value, toStringList(n[key]) AS list, valueType(n[key]) AS type
ORDER BY labels, key, value
"""
LOOK = LOOK.replace(
    "toStringList(n[key])",
    "CASE WHEN valueType(n[key]) STARTS WITH 'LIST' THEN [each IN n[key] | toString(each)] END",
)
SEARCH = "CREATE FULLTEXT INDEX search FOR (s:Skill) ON EACH [s.name]"


@pytest.fixture
def here(neo4j_settings: Settings) -> Graph:
    return graph(neo4j_settings)


def dumped(here: Graph, file: Path) -> Path:
    with here.session() as session:
        list(session.dump(file))
    return file


def empty(here: Graph) -> None:
    with here.lease() as lease:
        lease.reset()


def test_what_is_restored_is_what_was_dumped_and_dumps_the_same_again(here: Graph, tmp_path: Path) -> None:
    here.apply(TABLES)
    here.do(SEARCH, VALUES)
    before = here.ask(LOOK)
    with here.session() as session:
        told = list(session.dump(tmp_path / "first"))
        schema = session.schema()
    assert [each.done for each in told if isinstance(each, CopyProgressed)] == [4, 3]
    assert [each.what for each in told if isinstance(each, CopyFinished)] == ["4 nodes, 3 relationships"]
    assert stat.S_IMODE((tmp_path / "first").stat().st_mode) == 0o600
    empty(here)
    here.apply(TABLES)
    with here.lease() as lease:
        list(lease.restore(tmp_path / "first"))
    assert here.ask(LOOK) == before
    with here.session() as session:
        assert session.schema() == schema
    assert dumped(here, tmp_path / "again").read_bytes() == (tmp_path / "first").read_bytes()


def test_only_an_empty_target_takes_a_dump_and_only_a_whole_one(here: Graph, tmp_path: Path) -> None:
    here.apply("// migrate:up\nCREATE (:Skill {slug: 'a'});\n")
    file = dumped(here, tmp_path / "dump")
    with here.lease() as lease:
        with pytest.raises(Refused, match="it holds nodes"):
            list(lease.restore(file))
        here.do("MATCH (s:Skill) DELETE s", SEARCH)
        with pytest.raises(Refused, match="CREATE FULLTEXT INDEX"):
            list(lease.restore(file))
        here.do("DROP INDEX search")
        cut = tmp_path / "cut"
        cut.write_bytes(file.read_bytes()[:-30])
        with pytest.raises(UsageError, match="it is truncated"):
            list(lease.restore(cut))
        with pytest.raises(UsageError, match="cannot be read"):
            list(lease.restore(tmp_path / "nothing"))
        list(lease.restore(file))
    assert here.ask("MATCH (s:Skill) RETURN s.slug AS slug") == [{"slug": "a"}]
    here.do("MATCH (s:Skill) DELETE s")
    here.apply("// migrate:up\nRETURN 1;\n", "2")
    with (
        here.lease() as lease,
        pytest.raises(Refused, match="it has 2 migrations, the last 2"),
    ):
        list(lease.restore(file))


def test_more_than_a_dump_is_for_is_refused_and_no_file_is_left(
    here: Graph, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here.do("UNWIND range(1, 6) AS n CREATE (:Skill {n: n})-[:NEXT]->(:Skill)")
    monkeypatch.setattr(dump, "MOST", 17)
    with pytest.raises(Refused, match="12 nodes and 6 relationships"):
        dumped(here, tmp_path / "dump")
    monkeypatch.setattr(dump, "MOST", 18)
    dumped(here, tmp_path / "dump")
    with pytest.raises(Refused, match="cannot be written"):
        dumped(here, tmp_path / "dump")
    here.do("CREATE (:Skill {at: datetime('-0044-03-15T00:00:00Z')})")
    monkeypatch.setattr(dump, "MOST", 100)
    with pytest.raises(Refused, match="has a value that a dump cannot hold"):
        dumped(here, tmp_path / "other")
    assert [each.name for each in tmp_path.iterdir()] == ["dump"]


def test_a_file_that_was_changed_is_no_dump(here: Graph, tmp_path: Path) -> None:
    here.do("CREATE (:Skill {slug: 'a'})")
    data = dumped(here, tmp_path / "dump").read_bytes()
    assert [each.properties for each in read(data).nodes] == [{"slug": "a"}]
    with pytest.raises(InvalidDump, match="checksum is wrong"):
        read(data.replace(b'"a"', b'"b"'))
    with pytest.raises(InvalidDump, match="not that of a dump"):
        read(b"")
    with pytest.raises(InvalidDump, match="format 3"):
        read(data.replace(b'"seedbed_graph":1', b'"seedbed_graph":3'))


MORE = {
    '{"schema": "MATCH (n) DETACH DELETE n"}': "it is not one CREATE",
    '{"schema": "CREATE CONSTRAINT migrations_history_key FOR (n:L) REQUIRE n.p IS UNIQUE"}': "history",
    '{"node": 9, "labels": ["migrations_history"], "properties": {"key": "identity"}}': "history",
}


def test_a_dump_that_does_more_than_hold_a_graph_is_refused_whole(here: Graph, tmp_path: Path) -> None:
    """Its checksum is right: whoever changes a file can make that anew."""
    here.apply("// migrate:up\nCREATE (:Tutor {id: 1});\n")
    whole = dumped(here, tmp_path / "dump").read_bytes().splitlines(keepends=True)[:-1]
    here.do("MATCH (t:Tutor) DELETE t")
    for line, said in MORE.items():
        head = whole[0]
        if line.startswith('{"node'):
            head = head.replace(b'"nodes":1', b'"nodes":2')
        lines = [head, *whole[1:], line.encode() + b"\n"]
        tail = {"lines": len(lines), "sha256": sha256(b"".join(lines)).hexdigest()}
        (tmp_path / "changed").write_bytes(b"".join(lines) + json.dumps(tail).encode() + b"\n")
        with pytest.raises(UsageError) as caught, here.lease() as lease:
            list(lease.restore(tmp_path / "changed"))
        assert "holds what seedbed writes into no dump" in caught.value.what, line
        assert said in caught.value.because, line
        assert here.ask(LOOK) == [], line
    with here.lease() as lease:
        list(lease.restore(tmp_path / "dump"))  # it is the line that was refused
    assert len(here.ask(LOOK)) == 1
