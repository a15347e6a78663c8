"""What a message says to try is typed, as it stands, in the situation that it was printed in: then the work goes on.

In this process, on a server of the reference engine, in a platform that stands elsewhere and is named by -C.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from seedbed.cli import main
from seedbed.model.history import Owner, Revision, RevisionState
from seedbed.model.migration import Direction
from seedbed.project import Project
from seedbed.testing import reference
from seedbed.testing.reference.sandbox import Server, embedded

MANIFEST = """
[platform]
name = "sample"
[services.shop.memory]
[services.stock.memory]
[environments.staging]
account = "222222222222"
[environments.prod]
account = "333333333333"
protected = true
"""
ONE, TWO = "20260101000001", "20260101000002"
UNPROVABLE = "# migrate:up transaction:false\nmystery create more door\n# migrate:down\ndrop more\n"
_COMMAND = re.compile(r"seedbed (?:(?! or seedbed|;|, | shows| then| and ).)+")


class Site:
    """A project of two databases, named by -C where commands are typed, in the directory above."""

    def __init__(self, root: Path, capture: pytest.CaptureFixture[str]) -> None:
        self.root = root
        root.mkdir()
        self.capture = capture
        (root / "seedbed.toml").write_text(MANIFEST, encoding="utf-8")
        for service in ("shop", "stock"):
            self.migration(f"{ONE}_carts", _making("carts"), service=service)

    def migration(self, name: str, text: str, *, service: str = "shop") -> Path:
        file = self.root / "services" / service / "memory" / "migrations" / f"{name}.mem"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        return file

    def seed(self, size: int = 2) -> None:
        file = self.root / "services" / "shop" / "memory" / "seeds" / "reference" / "01_carts.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        rows = f'[{{"id": 1, "size": {size}}}]'
        file.write_text(f'{{"table": "carts", "key": ["id"], "rows": {rows}}}', encoding="utf-8")

    def type(self, *words: str) -> int:
        return main.run(["-C", self.root.name, *words])

    def hints(self, code: int, *words: str) -> list[list[str]]:
        """Run a command that ends with `code`, and return the commands that its errors say to try, in order."""
        self.capture.readouterr()
        assert self.type(*words, "--json") == code
        document = json.loads(self.capture.readouterr().out)
        errors = document.get("errors") or [each["error"] for each in document["targets"] if each["error"]]
        return [shlex.split(found.strip()) for each in errors for found in _COMMAND.findall(each["try"])]

    def carry_out(self, *hints: list[str]) -> None:
        for words in hints:
            assert words[:3] == ["seedbed", "-C", self.root.name]
            assert main.run(words[1:]) == 0, (words, self.capture.readouterr())

    def record(self, *revisions: Revision) -> None:
        """Write into the history of `shop` what a run left there that was killed."""
        project = Project.open(self.root)
        with project.run("staging", project.catalog.databases(["shop"])) as run:
            session = run.connected[0].session
            with session.lease(Owner("1", "ana"), wait=0, listener=lambda _: None) as lease:
                for revision in revisions:
                    lease.record(revision, actor="ana", because="")

    def started(self, version: str, direction: Direction) -> Revision:
        project = Project.open(self.root)
        migration = project.catalog.migration(project.catalog.database("shop/memory"), version)
        assert migration is not None
        return Revision(
            version,
            migration.name,
            migration.checksum,
            migration.phase,
            RevisionState.STARTED,
            direction,
            in_step=True,
        )


def _making(table: str, header: str = "") -> str:
    return f"{header}# migrate:up\ncreate {table}\n# migrate:down\ndrop {table}\n"


@pytest.fixture
def site(
    tmp_path: Path, short_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Site]:
    with reference.installed(), embedded(short_path / "server") as server:
        monkeypatch.chdir(tmp_path)
        monkeypatch.delenv("SEEDBED_ENV", raising=False)
        _name(server, monkeypatch, tmp_path)
        yield Site(tmp_path / "my platform", capsys)


def _name(server: Server, monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
    for service in ("shop", "stock"):
        monkeypatch.setenv(f"{service.upper()}_MEMORY_SOCKET", server.socket)
        monkeypatch.setenv(f"{service.upper()}_MEMORY_DATABASE", f"{root.name}-{service}")


APPLY = ("apply", "-e", "staging")


def test_an_edited_file_is_accepted(site: Site) -> None:
    assert site.type(*APPLY) == 0
    site.migration(f"{ONE}_carts", _making("carts", "# as it was meant\n"))
    site.carry_out(*site.hints(3, *APPLY))
    assert site.type(*APPLY) == 0


def test_the_record_of_a_file_that_is_gone_is_forgotten(site: Site) -> None:
    file = site.migration(f"{TWO}_more", _making("more"))
    assert site.type(*APPLY) == 0
    file.unlink()
    site.carry_out(*site.hints(3, *APPLY))
    assert site.type(*APPLY) == 0


@pytest.mark.parametrize("which", [0, 1])
def test_a_migration_that_is_out_of_order_gets_a_version_or_runs_where_it_is(site: Site, which: int) -> None:
    assert site.type(*APPLY) == 0
    site.migration("20250101000000_late", _making("late"))
    hints = site.hints(3, *APPLY)
    assert [each[3] for each in hints] == ["new", "apply"]
    site.carry_out(hints[which])
    assert site.type(*APPLY) == 0


def test_one_of_two_files_of_one_version_gets_another(site: Site) -> None:
    site.migration(f"{ONE}_twice", _making("twice"))
    site.carry_out(*site.hints(3, *APPLY))
    assert site.type(*APPLY) == 0


@pytest.mark.parametrize("which", [0, 1])
def test_a_step_whose_outcome_is_unknown_is_decided_either_way(site: Site, which: int) -> None:
    site.migration(f"{TWO}_unprovable", UNPROVABLE)
    assert site.type(*APPLY, "-s", "shop", "--to", ONE) == 0
    site.record(site.started(TWO, Direction.UP))
    hints = site.hints(5, *APPLY)
    assert [each[-1] for each in hints] == ["--applied", "--not-applied"]
    site.carry_out(hints[which])
    assert site.type(*APPLY) == 0


@pytest.mark.parametrize("which", [0, 1])
def test_a_file_that_was_edited_while_a_step_was_open_is_decided_about_or_restored(
    site: Site, which: int
) -> None:
    file = site.migration(f"{TWO}_more", _making("more"))
    assert site.type(*APPLY, "-s", "shop", "--to", ONE) == 0
    site.record(site.started(TWO, Direction.UP))
    before = file.read_text(encoding="utf-8")
    file.write_text(f"# as it was meant\n{before}", encoding="utf-8")
    hints = site.hints(3, *APPLY)
    assert [each[3] for each in hints] == ["repair", "apply"]
    if hints[which][3] == "apply":
        file.write_text(before, encoding="utf-8")
    site.carry_out(hints[which])
    assert site.type(*APPLY) == 0


def test_a_file_that_was_edited_in_the_middle_of_its_rows_is_accepted_for_the_rest(site: Site) -> None:
    text = "# seedbed: backfill=carts.id\n# migrate:up\nincrement carts visits 1\n"
    file = site.migration(f"{TWO}_visits", text)
    assert site.type(*APPLY, "-s", "shop", "--to", ONE) == 0
    site.record(replace(site.started(TWO, Direction.UP), in_step=False, checkpoint="7"))
    file.write_text(f"# as it was meant\n{file.read_text(encoding='utf-8')}", encoding="utf-8")
    hints = site.hints(3, *APPLY)
    assert [(each[3], each[-1]) for each in hints] == [("repair", "--checksum")]
    site.carry_out(*hints)
    assert site.type(*APPLY) == 0


def test_a_revert_that_was_begun_is_finished(site: Site) -> None:
    site.migration(f"{TWO}_more", _making("more"))
    assert site.type(*APPLY) == 0
    revision = site.started(TWO, Direction.DOWN)
    site.record(revision)
    hints = site.hints(3, *APPLY)
    assert [each[3] for each in hints] == ["revert"]
    site.carry_out(*hints)
    assert site.type(*APPLY) == 0


def test_a_run_that_holds_the_lease_is_ended(site: Site) -> None:
    assert site.type(*APPLY) == 0
    site.migration(f"{TWO}_more", _making("more"))
    project = Project.open(site.root)
    with project.run("staging", project.catalog.databases(["shop"])) as run:
        held = run.connected[0].session.lease(Owner("1", "ana"), wait=0, listener=lambda _: None)
        held.__enter__()
        (hint,) = site.hints(4, *APPLY, "--wait", "0")
        site.carry_out([*hint, "--yes"])  # it asks at a terminal, and here is none
        assert site.type(*APPLY) == 0


def test_what_came_after_is_reverted_first(site: Site) -> None:
    site.migration(f"{TWO}_more", _making("more", f"# seedbed: after=shop/memory:{ONE}\n"), service="stock")
    assert site.type(*APPLY) == 0
    revert = ("revert", "-e", "staging", "-s", "shop")
    site.carry_out(*site.hints(3, *revert))
    assert site.type(*revert) == 0


def test_a_protected_environment_gets_its_plan(site: Site) -> None:
    site.carry_out(*site.hints(3, "apply", "-e", "prod"))
    assert site.type("status", "-e", "prod", "--exit-code") == 0


def test_seeds_of_a_protected_environment_get_their_plan(site: Site) -> None:
    seed = ("seed", "-e", "prod")
    site.seed()
    assert site.type("apply", "-e", "prod", "--unreviewed") == 0
    site.carry_out(*site.hints(3, *seed))
    site.seed(size=3)
    site.carry_out(*site.hints(3, *seed, "plan.json"))
    assert site.type(*seed, "plan.json") == 0
    site.migration(f"{TWO}_more", _making("more"))
    site.carry_out(*site.hints(3, *seed, "plan.json"))  # it is made anew
    site.carry_out(*site.hints(3, *seed, "plan.json"))  # and applied
    site.carry_out(*site.hints(2, *seed, "plan.json", "-s", "shop"))
    site.carry_out(*site.hints(3, *seed, "--kind", "fixture"))


def test_a_plan_that_shows_no_seeds_is_left_out(site: Site) -> None:
    site.seed()
    assert site.type(*APPLY) == 0
    assert site.type("plan", "-e", "staging", "--out", "plan.json") == 0
    site.carry_out(*site.hints(2, "seed", "-e", "staging", "plan.json"))


def test_a_stale_or_an_edited_plan_is_made_anew(site: Site) -> None:
    plan = ("apply", "-e", "prod", "plan.json")
    assert site.type("plan", "-e", "prod", "--out", "plan.json") == 0
    site.migration(f"{TWO}_more", _making("more"))
    site.carry_out(*site.hints(3, *plan)[:1])
    file = site.root.parent / "plan.json"
    file.write_text(
        file.read_text(encoding="utf-8").replace("create more", "create nothing"), encoding="utf-8"
    )
    site.carry_out(*site.hints(3, *plan))
    assert site.type(*plan) == 0


def test_a_target_that_is_not_bound_is_bound(site: Site) -> None:
    site.seed()
    seed = ("seed", "-e", "staging", "-s", "shop")
    site.carry_out(*site.hints(3, *seed))
    assert site.type(*seed) == 0
