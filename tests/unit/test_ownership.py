"""A migration that names what another service's migrations make: found where it is sure, and nowhere else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner
from msgspec.structs import replace

from seedbed.cli.main import cli
from seedbed.errors import ExitCode, Refused, StepFailed
from seedbed.execution import owning
from seedbed.model.hazard import Hazard
from seedbed.model.ownership import Mention, Named, Place
from seedbed.model.platform import DatabaseId, Field, Reference
from seedbed.model.verification import ReferenceResult, Verdict
from seedbed.planning.ownership import strangers, unmade
from seedbed.project import Project, Request, Run
from seedbed.testing import reference
from seedbed.testing.reference.sandbox import embedded
from seedbed.testing.reference.session import MemorySession

MANIFEST = """
[platform]
name = "sample"
[services.cart.memory]
[services.shop.memory]
[environments.prod]
protected = true
"""


def test_what_is_made_anywhere_in_the_own_files_is_not_foreign() -> None:
    asked = Named(needs=(Mention(("users",)), Mention(("orders",))))
    assert [each.name for each in unmade(asked, [Named(frozenset({"users"}))])] == ["orders"]
    moved = Named(frozenset({"archive.orders"}))
    assert [each.name for each in unmade(asked, [moved])] == ["users"]


def test_what_code_may_make_is_not_foreign() -> None:
    asked = Named(needs=(Mention(("users",)),))
    assert not list(unmade(asked, [Named(hidden=("EXECUTE 'CREATE TABLE Users ()'",))]))
    assert list(unmade(asked, [Named(hidden=("CREATE TABLE superusers",))]))


def test_what_is_there_is_foreign_only_in_a_place_of_its_own() -> None:
    plain, apart = Mention(("users",)), Mention(("crm.users",), is_apart=True)
    owners = {"users": ["user/memory"], "crm.users": ["crm/memory"]}
    found = strangers([plain, apart], owners, {"users", "crm.users"})
    assert [name for _, name, _ in found] == ["crm.users"]
    assert [name for _, name, _ in strangers([plain, apart], owners, ())] == ["users", "crm.users"]
    assert not list(strangers([Mention(("nobody",))], owners, ()))


class Site:
    def __init__(self, root: Path, environ: dict[str, str]) -> None:
        self.root, self.environ = root, environ
        (root / "seedbed.toml").write_text(MANIFEST, encoding="utf-8")

    def migration(self, service: str, version: int, up: str, header: str = "") -> None:
        file = self.root / "services" / service / "memory" / "migrations" / f"2026010100000{version}_t.mem"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{header}# migrate:up\n{up}\n", encoding="utf-8")

    @contextmanager
    def run(self, *services: str) -> Iterator[Run]:
        project = Project.open(self.root, environ=self.environ)
        with project.run("prod", project.catalog.databases(services)) as run:
            yield run

    def hazards(self) -> dict[str, list[Hazard]]:
        with self.run() as run:
            return {
                each.database: [one for those in each.hazards.values() for one in those]
                for each in run.plan().databases
            }


@pytest.fixture
def site(tmp_path: Path, short_path: Path) -> Iterator[Site]:
    with reference.installed(), embedded(short_path / "server") as server:
        environ = {
            f"{service.upper()}_MEMORY_{name.upper()}": value
            for service in ("cart", "shop")
            for name, value in server.settings(f"{service}/memory").items()
        }
        yield Site(tmp_path, environ)


def test_a_table_of_another_service_is_a_hazard_with_its_owner_and_line(site: Site) -> None:
    site.migration("shop", 1, "create goods")
    site.migration("cart", 1, "create carts\nput goods 1 {}")
    found = site.hazards()
    assert not found["shop/memory"]
    (hazard,) = found["cart/memory"]
    assert (hazard.what, hazard.line) == ("names goods, a table of shop/memory", 3)


@pytest.mark.parametrize(
    "up", ["create goods\nput goods 1 {}", "create carts\nput unheard_of 1 {}", "create carts"]
)
def test_a_name_that_both_make_or_that_nobody_makes_is_none(site: Site, up: str) -> None:
    site.migration("shop", 1, "create goods")
    site.migration("cart", 1, up)
    assert not any(site.hazards().values())


def test_a_file_of_another_service_that_cannot_be_read_says_nothing(site: Site) -> None:
    site.migration("shop", 1, "create goods\nwhat is this")
    site.migration("cart", 1, "create carts\nput goods 1 {}")
    with site.run("cart") as run:
        assert not run.plan().of("cart/memory").hazards


def test_a_protected_environment_refuses_it_unless_the_file_allows_it(site: Site) -> None:
    site.migration("shop", 1, "create goods")
    site.migration("cart", 1, "create carts\nput goods 1 {}")
    with site.run("cart") as run, pytest.raises(Refused, match="hazard") as caught:
        run.apply(Request(unreviewed=True))
    assert "a table of shop/memory" in caught.value.because
    site.migration("cart", 1, "create carts\nput goods 1 {}", '# seedbed: allow=MEM201 because "one team"\n')
    with site.run("cart") as run:
        assert run.plan().of("cart/memory").hazards
        run.apply(Request(unreviewed=True))


def test_what_a_server_does_not_say_is_unverified_with_its_error(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = MemorySession.place

    def place(session: MemorySession) -> Place:
        if session.target == "shop/memory":
            raise StepFailed("this login may not ask that")
        return asked(session)

    monkeypatch.setattr(MemorySession, "place", place)
    with site.run() as run:
        found = run.verify((), ())
    cart, shop = found.ownership
    assert (cart.verdict, shop.verdict) == (Verdict.OK, Verdict.UNVERIFIED)
    assert shop.error is not None
    assert shop.error.what == "this login may not ask that"
    # Where nothing is declared, it is all that was asked; else it is no reason to say that references are not verified.
    assert (found.is_passed, found.errors) == (False, [shop.error])
    reference = Reference(Field(DatabaseId("cart/memory"), "a.b"), Field(DatabaseId("shop/memory"), "c.d"))
    beside = replace(found, references=(ReferenceResult(reference, Verdict.OK),))
    assert (beside.is_passed, beside.errors) == (True, [])


def test_of_a_database_that_does_not_answer_ownership_is_not_known_and_that_is_told(
    site: Site, tmp_path: Path
) -> None:
    site.environ["SHOP_MEMORY_SOCKET"] = str(tmp_path / "nowhere")
    with site.run() as run:
        found = run.verify((), ())
    assert [(each.database, each.verdict) for each in found.ownership] == [
        ("cart/memory", Verdict.OK),
        ("shop/memory", Verdict.UNVERIFIED),
    ]
    assert not found.is_passed
    assert [each.exit_code for each in found.errors] == [ExitCode.UNAVAILABLE]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ("-e prod", 0, "prod: 2 databases: 2 unverified"),
        ("-e prod -s cart", 2, "cart declares neither references nor expectations"),
        ("-e prod --dry-run", 2, "there is nothing to verify"),
        ("-e prod --history", 2, "there is nothing to verify"),
        ("-e sandbox", 2, "there is nothing to verify"),
    ],
)
def test_where_nothing_is_declared_ownership_is_verified_all_the_same(
    site: Site, monkeypatch: pytest.MonkeyPatch, arguments: str, code: int, words: str
) -> None:
    for name, value in site.environ.items():
        monkeypatch.setenv(name, value)
    ran = CliRunner().invoke(cli, ["-C", str(site.root), "verify", *arguments.split()], prog_name="seedbed")
    assert ran.exit_code == code, ran.output
    assert words in ran.output


def test_where_no_engine_tells_what_is_whose_there_is_nothing_to_verify(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owning, "SupportsPlace", int)  # which no session is
    for name, value in site.environ.items():
        monkeypatch.setenv(name, value)
    ran = CliRunner().invoke(cli, ["-C", str(site.root), "verify", "-e", "prod"], prog_name="seedbed")
    assert ran.exit_code == 2, ran.output
    assert "there is nothing to verify" in ran.output


def test_databases_of_one_login_are_not_known_and_pass(site: Site) -> None:
    with site.run() as run:
        found = run.verify((), ())
    assert [(each.verdict, each.alike) for each in found.ownership] == [
        (Verdict.UNVERIFIED, ("shop/memory",)),
        (Verdict.UNVERIFIED, ("cart/memory",)),
    ]
    assert found.is_passed
