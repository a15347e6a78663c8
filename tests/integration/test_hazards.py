"""Hazards: shown by plan everywhere, refused by a protected environment unless somebody says why they do no harm."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from seedbed.cli.main import run as seedbed
from seedbed.documents.plan import PlanDocument
from seedbed.errors import Refused
from seedbed.project import Project, Request
from seedbed.report.text.plan import plan_text
from seedbed.testing import reference
from seedbed.testing.reference.sandbox import Server, embedded

MANIFEST = """
[platform]
name = "sample"
[services.shop.memory]
[environments.staging]
account = "222222222222"
[environments.prod]
account = "333333333333"
protected = true
"""
CREATE = "# migrate:up\ncreate carts\n# migrate:down\ndrop carts\n"
DROP = "# migrate:up\ndrop carts\n# migrate:down\ncreate carts\n"
ALLOWED = '# seedbed: phase=contract allow=MEM101 because "nobody has had a cart since May"\n'
UNREVIEWED = Request(unreviewed=True)


@pytest.fixture(autouse=True)
def reference_engine() -> Iterator[None]:
    with reference.installed():
        yield


@pytest.fixture
def server(short_path: Path) -> Iterator[Server]:
    with embedded(short_path / "server") as running:
        yield running


def project(root: Path, server: Server, *, drop: str = DROP) -> Project:
    migrations = root / "services" / "shop" / "memory" / "migrations"
    migrations.mkdir(parents=True, exist_ok=True)
    (root / "seedbed.toml").write_text(MANIFEST, encoding="utf-8")
    (migrations / "20260101000001_create.mem").write_text(CREATE, encoding="utf-8")
    (migrations / "20260101000002_drop.mem").write_text(drop, encoding="utf-8")
    settings = server.settings("shop/memory")
    environ = {"MEMORY_SOCKET": settings["socket"], "MEMORY_DATABASE": settings["database"]}
    return Project.open(root, environ=environ)


def test_a_protected_environment_refuses_a_hazard_and_nothing_is_touched(
    tmp_path: Path, server: Server
) -> None:
    with project(tmp_path, server).run("prod") as run:
        with pytest.raises(Refused) as caught:
            run.apply(UNREVIEWED)
        assert "shop/memory:20260101000002_drop: line 2: MEM101, it drops the table carts" in str(
            caught.value
        )
        assert 'allow=MEM101 because "…"' in caught.value.try_
        assert run.connected[0].session.history().revisions == ()


def test_what_its_author_takes_is_applied_there(tmp_path: Path, server: Server) -> None:
    site = project(tmp_path, server, drop=ALLOWED + DROP)
    with site.run("prod") as run:
        assert run.apply(UNREVIEWED).exit_code == 0
        assert len(run.connected[0].session.history().applied) == 2


def test_elsewhere_it_is_applied(tmp_path: Path, server: Server) -> None:
    site = project(tmp_path, server)
    with site.run("staging") as run:
        assert run.apply().exit_code == 0


def test_a_plan_shows_it_in_words_and_as_data(tmp_path: Path, server: Server) -> None:
    site = project(tmp_path, server)
    with site.run("staging") as run:
        plan = run.plan()
    hazard = plan.of("shop/memory").hazards["20260101000002"][0]
    assert (hazard.code, hazard.line, hazard.refused) == ("MEM101", 2, True)
    document = PlanDocument.of(plan, "plan")
    assert document.databases[0].hazards[0].code == "MEM101"
    said = str(plan_text(document))
    assert "MEM101 it drops the table carts (line 2)" in said
    assert "copy what is worth keeping" in said


def test_a_plan_shows_why_its_author_takes_it(tmp_path: Path, server: Server) -> None:
    site = project(tmp_path, server, drop=ALLOWED + DROP)
    with site.run("staging") as run:
        said = str(plan_text(PlanDocument.of(run.plan(), "plan")))
    assert "allowed because nobody has had a cart since May" in said


@pytest.mark.parametrize("github", ["", "true"])
def test_what_the_target_would_refuse_ends_a_plan_with_3_in_every_form_that_it_has(
    tmp_path: Path,
    server: Server,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    github: str,
) -> None:
    project(tmp_path, server, drop='# migrate:up\ncreate carts2\nfail "no"\n')
    settings = server.settings("shop/memory")
    monkeypatch.setenv("MEMORY_SOCKET", settings["socket"])
    monkeypatch.setenv("MEMORY_DATABASE", settings["database"])
    monkeypatch.setenv("GITHUB_ACTIONS", github)
    monkeypatch.chdir(tmp_path)
    sentence = "error: this would fail as things are: 20260101000002_drop"
    annotation = (
        "::error title=seedbed%3A shop/memory,file=services/shop/memory/migrations/20260101000002_drop.mem,line=3::"
        '20260101000002_drop would fail as things are: the server would refuse it: fail "no"%0Abecause: it says so'
        "%0Atry: leave it out"
    )

    def planned(*how: str, verb: str = "plan") -> str:
        assert seedbed([verb, "-e", "staging", *how]) == 3
        out, err = capsys.readouterr()
        assert sentence in err
        assert (annotation in err) is bool(github)
        return out

    assert 'MEM102 the server would refuse it: fail "no" (line 3)' in planned()
    assert "1 would fail" in planned("--summary")
    assert "would fail: MEM102 the server would refuse it" in planned("--sql")
    document = json.loads(planned("--json"))
    (hazard,) = document["databases"][0]["hazards"]
    assert (hazard["code"], hazard["fails"], hazard["refused"]) == ("MEM102", True, False)
    planned("--exit-code", "--out", "plan.json")
    assert json.loads((tmp_path / "plan.json").read_text(encoding="utf-8"))["databases"][0]["hazards"]
    planned("--dry-run", verb="apply")
    planned("--dry-run", "--json", verb="apply")
