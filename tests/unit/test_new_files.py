"""New migration files parse, whatever the engine's language."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path, PurePath

import pytest

from seedbed.engines import registry
from seedbed.engines.capabilities import SupportsNewFiles
from seedbed.errors import UsageError
from seedbed.manifest.new_files import write_migration
from seedbed.model.migration import MigrationFile, Phase, Source, checksum
from seedbed.model.platform import Database, Platform
from seedbed.project.catalog import Catalog

STATEMENTS = {  # where the template leaves the first one to its author
    ".mem": ("# migrate:up", "create t"),
    ".sql": ("-- migrate:up", "CREATE TABLE t (id int);"),
    ".cypher": ("// migrate:up", "CREATE (:T);"),
}


KINDS = [(name, suffix) for name in registry.names() for suffix in registry.load(name).suffixes]


@pytest.mark.parametrize(("name", "suffix"), KINDS)
def test_a_new_migration_says_its_directives_in_its_own_language(
    name: str, suffix: str, tmp_path: Path
) -> None:
    engine = registry.load(name)
    database = Database("user", name, PurePath(tmp_path))
    directives = ["phase=migrate", "after=user/other:1"]
    template = engine.template
    if isinstance(engine, SupportsNewFiles):
        assert engine.new_file("", tmp_path, ()) == (engine.suffixes[0], template)
        found, template = engine.new_file(suffix, tmp_path, ())
        assert found == suffix
    path = write_migration(database, "20260101000000", "Add phone", suffix, template, directives)
    text = path.read_text(encoding="utf-8")
    mark, statement = STATEMENTS.get(suffix, ("", ""))
    text = text.replace(f"{mark}\n", f"{mark}\n{statement}\n") if mark else text
    source = Source(path.name, suffix, text.encode())
    parsed = engine.parse(MigrationFile("20260101000000", "add_phone", source, checksum(source.data)))
    assert parsed.phase is Phase.MIGRATE
    assert [str(each) for each in parsed.after] == ["user/other:1"]


def test_the_kind_of_a_new_file_is_one_of_its_engines_with_a_dot_or_without(tmp_path: Path) -> None:
    database = Database("user", "postgres", PurePath(tmp_path))
    catalog, now = Catalog(Platform("shop", PurePath(tmp_path), (database,))), datetime.now(UTC)
    written = [catalog.new_migration(database, "a", now, suffix=each) for each in ("", ".py", "py")]
    assert [each.suffix for each in written] == [".sql", ".py", ".py"]
    with pytest.raises(UsageError, match=r"postgres has no migrations in '\.http'") as caught:
        catalog.new_migration(database, "a", now, suffix="http")
    assert caught.value.because == "they are .sql or .py"
