"""Rooms and ports of servers that one database has for itself."""

from __future__ import annotations

import socket
from pathlib import Path

from seedbed.servers import directory, jvm, ports


def test_a_database_names_its_directory_in_one_part_of_a_path() -> None:
    assert directory.name_for("tutor-matching/neo4j") == "tutor-matching.neo4j"
    assert directory.name_for("../../x") == "......x"


def test_the_port_of_last_time_is_taken_again_where_it_is_free(tmp_path: Path) -> None:
    assert ports.last_port(tmp_path) == 0
    first = ports.choose_port(tmp_path)
    ports.save_port(tmp_path, first)
    assert ports.last_port(tmp_path) == ports.choose_port(tmp_path) == first
    with socket.create_server(("127.0.0.1", first)):
        assert ports.choose_port(tmp_path) != first
    (tmp_path / "port").write_text("nonsense")
    assert ports.PORTS[0] <= ports.choose_port(tmp_path) < ports.PORTS[1]


def test_a_directory_is_private_and_its_home_is_left_out_of_repositories(tmp_path: Path) -> None:
    made = directory.create(tmp_path / "sandbox", "ai.opensearch")
    assert made.stat().st_mode & 0o777 == 0o700
    assert (made.parent / ".gitignore").read_text() == "*\n"


def test_jars_are_in_the_order_of_their_names_and_arguments_keep_their_spaces(tmp_path: Path) -> None:
    for name in ("b.jar", "a.jar", "c.txt"):
        (tmp_path / name).touch()
    assert jvm.class_path([tmp_path]) == f"{tmp_path / 'a.jar'}:{tmp_path / 'b.jar'}"
    jvm.write_arguments(tmp_path / "arguments", ["-cp", 'with space and "quote"', "back\\slash"])
    written = (tmp_path / "arguments").read_text()
    assert written == '"-cp"\n"with space and \\"quote\\""\n"back\\\\slash"\n'
