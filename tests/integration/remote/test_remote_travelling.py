"""Every command that travels: its file goes along or comes back, and its exit code arrives."""

from __future__ import annotations

import stat

import pytest

from seedbed.engines.postgres.sandbox import EmbeddedServer
from tests.support.afar import Afar
from tests.support.postgres.wire import waking
from tests.support.servers import Settings

TUTORS = "// migrate:up\nCREATE CONSTRAINT tutor FOR (t:Tutor) REQUIRE t.id IS UNIQUE;\n"
LOOK = """
[[expectations]]
name = "no id is negative"
database = "user/postgres"
query = "SELECT id FROM t1 WHERE id < 0"
"""


@pytest.mark.slow(20)
def test_a_graph_is_dumped_to_a_file_here_and_restored_from_it(afar: Afar, neo4j_settings: Settings) -> None:
    root = afar.files.root
    manifest = (root / "seedbed.toml").read_text()
    (root / "seedbed.toml").write_text(manifest.replace("[services.user.postgres]", "[services.user.neo4j]"))
    for name, text in (
        ("migrations/20260101000000_tutors.cypher", TUTORS),
        ("seeds/reference/1_Tutor.csv", ""),
    ):
        path = root / "services" / "user" / "neo4j" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text or "id\n1\n2\n")
    inside = {f"NEO4J_{name.upper()}": value for name, value in neo4j_settings.items()}
    inside = {name.replace("NEO4J_USER", "NEO4J_USERNAME"): value for name, value in inside.items()}
    with afar.waited_on(inside):
        assert afar.call("apply").code == 0
        assert afar.call("seed").code == 0
        dumped = afar.call("dump", "graph.jsonl")
        assert dumped.code == 0, dumped.everything
        file = root / "graph.jsonl"
        assert (stat.S_IMODE(file.stat().st_mode), file.read_text().count('"Tutor"')) == (0o600, 2)
        again = afar.call("dump", "graph.jsonl")
        assert (again.code, "graph.jsonl is there already" in again.err) == (2, True), again.everything
        assert afar.call("reset", "--yes").code == 0
        assert afar.call("apply").code == 0
        restored = afar.call("restore", "graph.jsonl")
        assert restored.code == 0, restored.everything
        assert afar.call("restore", "nowhere.jsonl").code == 2
        assert afar.call("dump", "more.jsonl").code == 0
        assert (root / "more.jsonl").read_text().count('"Tutor"') == 2


def test_a_dump_that_the_engine_does_not_offer_leaves_no_file(afar: Afar) -> None:
    afar.files.tables(1)
    with afar.waited_on():
        assert afar.call("apply").code == 0
        ran = afar.call("dump", "data.jsonl")
    assert (ran.code, "user/postgres has no dump" in ran.err) == (2, True), ran.everything
    assert not list(afar.files.root.glob("*.jsonl"))


@pytest.mark.slow
def test_verify_repair_and_revert_end_as_they_end_here(afar: Afar) -> None:
    afar.files.tables(2)
    manifest = afar.files.root / "seedbed.toml"
    manifest.write_text(manifest.read_text() + LOOK)
    afar.files.seed("01_t1.csv", "id\n-1\n")
    with afar.waited_on():
        assert afar.call("apply").code == 0
        assert afar.call("verify").code == 0
        assert afar.call("seed").code == 0
        broken = afar.call("verify", "--json")
        assert broken.code == 6, broken.everything
        assert broken.document["expectations"][0]["name"] == "no id is negative"
        edited = next(afar.files.root.rglob("*_t2.sql"))
        edited.write_text(edited.read_text().replace("CREATE TABLE t2 (id", "CREATE TABLE t2 ( id"))
        assert afar.call("apply").code == 3
        repaired = afar.call("repair", "20260101000002", "--checksum", "-s", "user")
        assert repaired.code == 0, repaired.everything
        assert afar.call("apply").code == 0
        assert afar.call("revert").code == 0
        assert afar.call("revert", "--to", "0").code == 0
        assert "2 pending" in afar.call("status", "--fresh").out


@pytest.mark.soak
def test_a_server_that_answers_after_40_seconds_is_applied_to_by_a_task(
    afar: Afar, postgres_server: EmbeddedServer
) -> None:
    afar.files.tables(1)
    with waking(postgres_server, 40) as port:
        asleep = {"DB_HOST": "127.0.0.1", "DB_PORT": str(port), "DB_PAUSES": "10", "DB_SSLMODE": "disable"}
        with afar.waited_on(asleep):
            ran = afar.call("apply")
    assert (ran.code, "waits for its server to wake" in ran.err) == (0, True), ran.everything
