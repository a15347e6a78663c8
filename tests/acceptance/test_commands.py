"""The command line on real databases: what each command does, says and leaves as its exit code."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path

import psycopg
import pytest

from seedbed.engines.postgres.sandbox import EmbeddedServer
from tests.support.documents import problems
from tests.support.projects import ProjectFiles, Ran, clean_environment, run, start, variables

Seedbed = Callable[..., Ran]


@pytest.fixture
def database(new_database: Callable[[], str]) -> str:
    return new_database()


@pytest.fixture
def env(postgres_server: EmbeddedServer, database: str) -> dict[str, str]:
    """DB_* of a fresh database."""
    return variables(postgres_server, database)


@pytest.fixture
def seedbed(files: ProjectFiles, env: Mapping[str, str]) -> Seedbed:
    """Run a command on the project and the fresh database, in the environment dev-test where it takes one."""

    def call(*arguments: str, e: str = "dev-test", **options: object) -> Ran:
        return run(files.root, *arguments, *(["-e", e] if e else []), env=env)

    return call


def query(server: EmbeddedServer, database: str, text: str) -> list[tuple[object, ...]]:
    with psycopg.connect(**server.dsn(database), autocommit=True) as connection:  # type: ignore[arg-type]
        return connection.execute(text.encode()).fetchall()


def versions(server: EmbeddedServer, database: str) -> list[str]:
    rows = query(server, database, "SELECT version FROM seedbed.migrations_history ORDER BY version")
    return [str(row[0]) for row in rows]


def test_apply_status_revert_apply(
    files: ProjectFiles, seedbed: Seedbed, postgres_server: EmbeddedServer, database: str
) -> None:
    files.tables(3)
    assert seedbed("status", "--exit-code").code == 6
    first = seedbed("apply")
    assert first.code == 0, first.everything
    assert "3 migrations applied" in first.out
    again = seedbed("apply")
    assert again.code == 0
    assert "nothing to do" in again.out
    assert seedbed("status", "--exit-code").code == 0
    assert seedbed("plan", "--exit-code").code == 0
    reverted = seedbed("revert", "--steps", "2")
    assert reverted.code == 0, reverted.everything
    assert versions(postgres_server, database) == ["20260101000001"]
    assert seedbed("revert", "--to", "0").code == 0
    assert versions(postgres_server, database) == []
    assert seedbed("apply", "--to", "20260101000002").code == 0
    assert versions(postgres_server, database) == ["20260101000001", "20260101000002"]


def test_a_dry_run_changes_nothing(
    files: ProjectFiles, seedbed: Seedbed, postgres_server: EmbeddedServer, database: str
) -> None:
    files.tables(2)
    ran = seedbed("apply", "--dry-run")
    assert ran.code == 0
    assert "2 to apply" in ran.out
    assert query(postgres_server, database, "SELECT 1 FROM pg_namespace WHERE nspname = 'seedbed'") == []


def test_a_failing_migration_says_where_and_leaves_what_stood_before_it(
    files: ProjectFiles, seedbed: Seedbed, postgres_server: EmbeddedServer, database: str
) -> None:
    files.tables(2)
    path = files.migration(
        "20260102000000_bad", "CREATE TABLE ok (id int);\nINSERT INTO missing VALUES (1);", ""
    )
    files.migration("20260103000000_later", "CREATE TABLE later (id int);", "DROP TABLE later;")
    ran = seedbed("apply")
    assert ran.code == 5  # two were applied, one failed
    assert f"{path.relative_to(files.root).as_posix()}:3" in ran.everything
    assert 'relation "missing" does not exist' in ran.everything
    assert versions(postgres_server, database) == ["20260101000001", "20260101000002"]
    assert query(postgres_server, database, "SELECT to_regclass('ok'), to_regclass('later')") == [
        (None, None)
    ]
    alone = seedbed("apply")
    assert alone.code == 7  # nothing changed this time


def test_bad_files_are_refused_before_anything_is_touched(
    files: ProjectFiles, seedbed: Seedbed, postgres_server: EmbeddedServer, database: str
) -> None:
    files.tables(1)
    files.migration("20260102000000_commits", "CREATE TABLE a (id int);\nCOMMIT;", "")
    ran = seedbed("apply")
    assert ran.code == 2
    assert "20260102000000_commits.sql:3" in ran.err
    assert query(postgres_server, database, "SELECT to_regclass('t1')") == [(None,)]


def test_history_conflicts_say_what_to_do(files: ProjectFiles, seedbed: Seedbed) -> None:
    files.tables(3)
    assert seedbed("apply").code == 0
    edited = files.migration("20260101000003_t3", "CREATE TABLE other (id int);", "DROP TABLE other;")
    ran = seedbed("apply")
    assert ran.code == 3
    assert "was edited" in ran.err
    assert "20260101000003 --checksum" in ran.err
    assert seedbed("repair", "20260101000003", "--checksum").code == 0
    assert seedbed("apply").code == 0
    edited.unlink()
    assert seedbed("apply").code == 3
    assert seedbed("repair", "20260101000003", "--forget", "--because", "it went").code == 0
    files.migration("20260101000000_late", "CREATE TABLE late (id int);", "DROP TABLE late;")
    late = seedbed("apply")
    assert late.code == 3
    assert "--allow-out-of-order" in late.err
    status = seedbed("status")
    assert "late" in status.out
    rebased = run(files.root, "new", "--rebase", "20260101000000", "-s", "user")
    assert rebased.code == 0, rebased.everything
    assert seedbed("apply").code == 0


def test_duplicate_versions_name_both_files(files: ProjectFiles, seedbed: Seedbed) -> None:
    files.migration("20260101000001_a", "SELECT 1;")
    files.migration("20260101000001_b", "SELECT 1;")
    ran = seedbed("status")
    assert ran.code == 3
    assert "_a.sql" in ran.err
    assert "_b.sql" in ran.err


def test_a_gate_holds_and_an_expand_may_overtake_a_contract(
    files: ProjectFiles, seedbed: Seedbed, postgres_server: EmbeddedServer, database: str
) -> None:
    files.migration("1_start", "CREATE TABLE a (x int, y int);", "DROP TABLE a;")
    files.migration(
        "2_drop_y", "ALTER TABLE a DROP y;", "ALTER TABLE a ADD y int;", directives="phase=contract"
    )
    files.migration("3_add_z", "ALTER TABLE a ADD z int;", "ALTER TABLE a DROP z;", directives="overtake=2")
    files.migration("4_add_w", "ALTER TABLE a ADD w int;", "ALTER TABLE a DROP w;")
    ran = seedbed("apply", "--through", "expand")
    assert ran.code == 0
    assert versions(postgres_server, database) == ["1", "3"]
    assert seedbed("apply").code == 0
    assert versions(postgres_server, database) == ["1", "2", "3", "4"]


def test_a_plan_file_is_refused_when_stale_and_resumes_its_own(
    files: ProjectFiles, seedbed: Seedbed, postgres_server: EmbeddedServer, database: str
) -> None:
    files.tables(3)
    refused = seedbed("apply", e="prod")
    assert refused.code == 3
    assert "plan --" in refused.err or "plan -e" in refused.err
    assert seedbed("plan", "--out", "plan.json", e="prod").code == 0
    wrong = seedbed("apply", "plan.json", e="staging")
    assert wrong.code == 2
    broken = files.migration("20260101000003_t3", "SELECT 1/0;", "")
    assert seedbed("apply", "plan.json", e="prod").code == 3  # the file is another one now
    broken.unlink()
    files.tables(1, first=3)
    blocker = psycopg.connect(**postgres_server.dsn(database), autocommit=True)  # type: ignore[arg-type]
    with blocker:
        blocker.execute("CREATE TABLE t3 (id int)")
    half = seedbed("apply", "plan.json", e="prod")
    assert half.code == 5
    assert versions(postgres_server, database) == ["20260101000001", "20260101000002"]
    with psycopg.connect(**postgres_server.dsn(database), autocommit=True) as connection:  # type: ignore[arg-type]
        connection.execute("DROP TABLE t3")
    resumed = seedbed("apply", "plan.json", e="prod")
    assert resumed.code == 0, resumed.everything
    files.tables(1, first=4)
    stale = seedbed("apply", "plan.json", e="prod")
    assert stale.code == 3
    assert "no longer fits" in stale.err


def test_a_late_cycle_is_drawn(
    tmp_path: Path, postgres_server: EmbeddedServer, new_database: Callable[[], str]
) -> None:
    files = ProjectFiles(tmp_path, ("a", "b"))
    files.migration("1_x", "SELECT 1;", directives="after=b/postgres:1", service="a")
    files.migration("1_y", "SELECT 1;", directives="after=a/postgres:1", service="b")
    env = {
        **variables(postgres_server, new_database(), "A_"),
        **variables(postgres_server, new_database(), "B_"),
    }
    ran = run(tmp_path, "plan", "-e", "dev-test", env=env)
    assert ran.code == 2
    assert "cycle" in ran.err
    assert "▼" in ran.err or "v" in ran.err


def test_one_database_fails_and_the_others_go_on_while_what_comes_after_is_skipped(
    tmp_path: Path, postgres_server: EmbeddedServer, new_database: Callable[[], str]
) -> None:
    files = ProjectFiles(tmp_path, ("a", "b", "c"))
    files.migration("1_ok", "CREATE TABLE t (id int);", service="a")
    files.migration("2_bad", "SELECT 1/0;", service="a")
    files.migration("1_ok", "CREATE TABLE t (id int);", service="b")
    files.migration("1_ok", "CREATE TABLE t (id int);", service="c")
    files.migration("2_waits", "CREATE TABLE u (id int);", directives="after=a/postgres:2", service="c")
    env: dict[str, str] = {}
    for service in "abc":
        env |= variables(postgres_server, new_database(), f"{service.upper()}_")
    ran = run(tmp_path, "apply", "-e", "dev-test", "--json", env=env)
    assert ran.code == 5
    targets = {each["target"]: each for each in ran.document["targets"]}
    assert targets["a/postgres"]["result"] == "failed"
    assert targets["b/postgres"]["result"] == "changed"
    assert targets["c/postgres"]["result"] == "skipped"
    assert targets["c/postgres"]["finished"] == ["1"]
    assert "a/postgres:2" in targets["c/postgres"]["because"]


def test_an_unreachable_database_does_not_stop_the_others(
    tmp_path: Path, postgres_server: EmbeddedServer, new_database: Callable[[], str]
) -> None:
    files = ProjectFiles(tmp_path, ("a", "b"))
    files.tables(1, service="a")
    files.tables(1, service="b")
    env = {
        **variables(postgres_server, new_database(), "A_"),
        **variables(postgres_server, "no_such_database", "B_"),
    }
    ran = run(tmp_path, "apply", "-e", "dev-test", env=env)
    assert ran.code == 5
    assert "no_such_database" in ran.everything
    only = run(tmp_path, "apply", "-e", "dev-test", "-s", "b", env=env)
    assert only.code == 3  # it answers, and trying again would not help


def test_an_environment_that_comes_up_in_part_says_that_something_stayed(
    files: ProjectFiles, postgres_server: EmbeddedServer, database: str
) -> None:
    files.tables(1)
    files.seed("t9.csv", "id\n1\n")
    env = variables(postgres_server, database)
    first = run(files.root, "env", "up", "dev-ana", env=env)
    assert first.code == 5, first.everything  # the migration stays, and the seed leaves nothing
    assert "there is no table t9" in first.everything
    assert (
        run(files.root, "env", "up", "dev-ana", env=env).code == 7
    )  # by now nothing is changed before the seed


def test_seeds_load_once_and_then_change_nothing(
    files: ProjectFiles, seedbed: Seedbed, postgres_server: EmbeddedServer, database: str
) -> None:
    files.migration(
        "1_roles", "CREATE TABLE roles (code text PRIMARY KEY, title text NOT NULL);", "DROP TABLE roles;"
    )
    files.seed("01_roles.csv", "code,title\nadmin,Administrator\ntutor,Tutor\n")
    files.seed(
        "02_more.json", '{"table": "roles", "rows": [{"code": "guest", "title": "Guest"}]}', kind="fixture"
    )
    assert seedbed("seed").code == 3  # nobody knows yet which database this is
    assert seedbed("apply").code == 0
    first = seedbed("seed")
    assert first.code == 0, first.everything
    assert "3 rows inserted" in first.out
    again = seedbed("seed", "--json")
    assert again.code == 0
    assert not again.document["changed"]
    files.seed("01_roles.csv", "code,title\nadmin,Admin\ntutor,Tutor\n")
    third = seedbed("seed", "--kind", "reference")
    assert "1 updated" in third.out
    assert query(postgres_server, database, "SELECT title FROM roles WHERE code = 'admin'") == [("Admin",)]


def test_seeds_of_production_are_planned_approved_and_loaded_as_they_were_shown(
    files: ProjectFiles, seedbed: Seedbed, postgres_server: EmbeddedServer, database: str
) -> None:
    files.migration("1_roles", "CREATE TABLE roles (code text PRIMARY KEY, title text NOT NULL);")
    rows = files.seed("01_roles.csv", "code,title\nadmin,Administrator\ntutor,Tutor\n")
    script = files.seed(
        "02_titles.sql", "-- shorter\nUPDATE roles SET title = 'Admin'\n WHERE code = 'admin';\n"
    )
    planned = seedbed("plan", "--out", "plan.json", e="prod")
    assert planned.code == 0, planned.everything
    assert "2 rows into roles; sha256 " + sha256(rows.read_bytes()).hexdigest() in planned.out
    assert "UPDATE roles SET title = 'Admin' WHERE code = 'admin'\n" in planned.out
    assert planned.out.endswith("1 to apply in 1 database: 1 expand; 2 seeds to load\n")
    assert "then load its seeds with: seedbed seed -e prod plan.json" in planned.err
    assert script.read_text() in seedbed("plan", "--sql", e="prod").out
    early = seedbed("seed", "plan.json", e="prod")
    assert (early.code, "apply them first: seedbed apply -e prod plan.json" in early.err) == (3, True)
    assert seedbed("apply", "plan.json", e="prod").code == 0
    alone = seedbed("seed", e="prod")
    assert (alone.code, "seed requires a reviewed plan" in alone.err) == (3, True)
    kept = script.read_text()
    script.write_text(kept.replace("'Admin'", "'Root'"))
    changed = seedbed("seed", "plan.json", e="prod")
    assert (changed.code, "because: 02_titles.sql was changed" in changed.err) == (3, True)
    assert query(postgres_server, database, "SELECT * FROM roles") == []
    script.write_text(kept)
    loaded = seedbed("seed", "plan.json", e="prod")
    assert loaded.code == 0, loaded.everything
    assert query(postgres_server, database, "SELECT title FROM roles ORDER BY code") == [
        ("Admin",),
        ("Tutor",),
    ]
    assert seedbed("plan", "--exit-code", e="prod").code == 0


def test_where_nothing_is_loaded_the_kinds_that_are_accepted_there_are_named(
    files: ProjectFiles, seedbed: Seedbed
) -> None:
    files.tables(1)
    files.seed("t1.csv", "id\n1\n", kind="fixture")
    assert seedbed("apply").code == 0
    other = seedbed("seed", "--kind", "volume").out
    assert other == "nothing to load: there are no volume seeds; there are others: --kind fixture\n"
    assert seedbed("seed", "--kind", "fixture").code == 0


def test_a_fixture_that_fails_says_that_the_reference_data_before_it_stays(
    files: ProjectFiles, seedbed: Seedbed, postgres_server: EmbeddedServer, database: str
) -> None:
    files.migration(
        "1_t", "CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE u (id int REFERENCES t, k int UNIQUE);"
    )
    files.seed("1_t.csv", "id\n1\n")
    files.seed("1_u.csv", "# seedbed: key=k\nid,k\n1,1\n2,2\n", kind="fixture")
    assert seedbed("apply").code == 0
    failed = seedbed("seed")
    assert failed.code == 5, failed.everything
    assert "fixture/1_u.csv:4: the seed failed" in failed.out
    assert "Key (id)=(2) is not present in table" in failed.out
    assert "; what reference loaded before it stays" in failed.out
    assert failed.out.endswith("1 row inserted or updated, which stay: the same seed goes on from there\n")
    assert query(postgres_server, database, "SELECT id FROM t") == [(1,)]
    again = seedbed("seed")
    assert again.code == 7, again.everything
    assert "loaded before it stays" not in again.out


def test_reset_empties_ephemeral_environments_only(
    files: ProjectFiles, seedbed: Seedbed, postgres_server: EmbeddedServer, database: str
) -> None:
    files.tables(2)
    assert seedbed("apply").code == 0
    assert seedbed("reset", "--yes", e="staging").code == 3
    assert seedbed("reset").code == 3  # no terminal to ask at
    assert versions(postgres_server, database)
    assert seedbed("reset", "--yes").code == 0
    assert query(postgres_server, database, "SELECT to_regclass('t1')") == [(None,)]
    assert seedbed("apply").code == 0


@pytest.mark.parametrize(
    ("alias", "rest"),
    [
        ("migration:run", ()),
        ("migrate:postgres", ()),
        ("postgres:migrate", ()),
        ("migration:show", ()),
        ("seed:run", ()),
        ("seed:postgres", ()),
        ("postgres:reset", ("--yes",)),
        ("migration:revert", ()),
    ],
)
def test_aliases_come_from_the_registry(
    files: ProjectFiles, seedbed: Seedbed, alias: str, rest: tuple[str, ...]
) -> None:
    files.tables(1)
    assert seedbed("apply").code == 0
    assert seedbed(alias, *rest).code == 0


def test_documents_are_the_same_on_a_real_database(files: ProjectFiles, seedbed: Seedbed) -> None:
    files.tables(1)
    for name, rest in {
        "plan": (),
        "apply": (),
        "status": (),
        "seed": (),
        "doctor": (),
        "revert": (),
        "reset": ("--yes",),
    }.items():
        ran = seedbed(name, *rest, "--json")
        assert ran.code == 0, ran.everything
        assert problems(ran.document) == []
        assert ran.document["command"] == name


def test_new_writes_a_migration_that_applies(files: ProjectFiles, seedbed: Seedbed) -> None:
    made = run(files.root, "new", "add phone", "--phase", "migrate")
    assert made.code == 0, made.everything
    path = Path(made.out.strip())
    assert path.name.endswith("_add_phone.sql")
    assert "-- seedbed: phase=migrate" in path.read_text(encoding="utf-8")
    assert seedbed("apply").code == 0


def test_ctrl_c_rolls_the_step_back_and_says_where_it_stands(
    files: ProjectFiles,
    seedbed: Seedbed,
    env: Mapping[str, str],
    postgres_server: EmbeddedServer,
    database: str,
) -> None:
    files.tables(1)
    files.migration(
        "20260102000000_slow", "CREATE TABLE slow (id int); SELECT pg_sleep(60);", "DROP TABLE slow;"
    )
    for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
        child = start(files.root, "apply", "-e", "dev-test", env=clean_environment(env))
        _wait_for(postgres_server, database, "SELECT 1 FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)%' "
                  "AND state = 'active' AND pid <> pg_backend_pid() AND wait_event = 'PgSleep'")  # fmt: skip
        child.send_signal(number)
        said, _ = child.communicate(timeout=50)
        assert child.returncode == code, said
        assert "interrupted" in said
        assert versions(postgres_server, database) == ["20260101000001"]
        assert query(postgres_server, database, "SELECT to_regclass('slow')") == [(None,)]


def _wait_for(server: EmbeddedServer, database: str, text: str) -> None:
    deadline = time.monotonic() + 50
    while not query(server, database, text):
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.05)


def test_json_never_prompts_and_stdout_is_one_document(files: ProjectFiles, seedbed: Seedbed) -> None:
    ran = seedbed("apply", "--json", "-v")
    assert json.loads(ran.out)["exit_code"] == 0


def test_the_sandbox_needs_no_variables_and_keeps_its_data_between_commands(short_path: Path) -> None:
    files = ProjectFiles(short_path)
    files.tables(2)
    assert run(short_path, "apply", "-e", "sandbox").code == 0
    status = run(short_path, "status", "-e", "sandbox", "--exit-code")
    assert status.code == 0, status.everything


def test_what_another_database_came_after_is_not_reverted_alone_and_goes_last_with_all(
    tmp_path: Path, postgres_server: EmbeddedServer, new_database: Callable[[], str]
) -> None:
    files = ProjectFiles(tmp_path, ("a", "b"))
    files.migration("1_x", "CREATE TABLE x (id int);", "DROP TABLE x;", service="a")
    files.migration(
        "1_y", "CREATE TABLE y (id int);", "DROP TABLE y;", directives="after=a/postgres:1", service="b"
    )
    env = {
        **variables(postgres_server, new_database(), "A_"),
        **variables(postgres_server, new_database(), "B_"),
    }
    assert run(tmp_path, "apply", "-e", "dev-test", env=env).code == 0
    refused = run(tmp_path, "revert", "-e", "dev-test", "-s", "a", env=env)
    assert refused.code == 3
    assert "b/postgres:1 was applied after it" in refused.err
    both = run(tmp_path, "revert", "-e", "dev-test", "--all", "--json", env=env)
    assert both.code == 0, both.everything
    finished = [each["target"] for each in both.document["events"] if each["event"] == "work_finished"]
    assert finished == ["b/postgres", "a/postgres"]


def test_a_database_that_is_only_looked_at_does_not_take_the_selected_ones_address(
    tmp_path: Path, postgres_server: EmbeddedServer, new_database: Callable[[], str]
) -> None:
    files = ProjectFiles(tmp_path, ("a", "b"))
    files.tables(1, service="a")
    files.migration(
        "1_y", "CREATE TABLE y (id int);", directives="after=a/postgres:20260101000001", service="b"
    )
    theirs = variables(postgres_server, new_database())
    refused = run(tmp_path, "apply", "-e", "dev-test", "-s", "b", env=theirs)
    assert refused.code == 2
    assert "A_DB_HOST" in refused.err
    told = {**theirs, **variables(postgres_server, new_database(), "A_")}
    pending = run(tmp_path, "apply", "-e", "dev-test", "-s", "b", env=told)
    assert pending.code == 2
    assert "pending and not selected" in pending.err
    assert run(tmp_path, "apply", "-e", "dev-test", "-s", "a", env=told).code == 0
    assert run(tmp_path, "apply", "-e", "dev-test", "-s", "b", env=told).code == 0
