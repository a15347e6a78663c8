"""The runbook for going back, carried out: what a section says is typed in the state that the section is about."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.test_docs import alike, blocks, fits, typed
from tests.support.dynamodb import snapshot_site as courses
from tests.support.neo4j import snapshot_site as tutors
from tests.support.opensearch import snapshot_site as notes
from tests.support.postgres import snapshot_site as users
from tests.support.release_steps import a_release
from tests.support.released_sites import ENV, Released

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "go-back.md"
NUMBER = 12
EXPAND = (
    "-- migrate:up\nALTER TABLE users ADD display text;\n-- migrate:down\nALTER TABLE users DROP display;\n"
)


def sections() -> Mapping[str, Any]:
    return {
        each.title: each for each in blocks(PAGE.read_text(encoding="utf-8")) if each.language == "console"
    }


def read(it: Released, title: str) -> None:
    """Type what a block of the page has, and compare what is said with what it shows."""
    for step in typed(sections()[title]):
        words = shlex.split(step.command)
        assert words.pop(0) == "seedbed"
        ran = it.run(*words)
        assert (ran.code == 0) is not step.may_fail, f"{step.command}\n{ran.everything}"
        said, shown = alike(ran.everything), [each for each in alike("\n".join(step.shown)) if each != "…"]
        missing = [line for line in shown if not any(fits(line, each) for each in said)]
        assert missing == [], f"go-back.md:{step.line}: nobody said {missing}:\n{ran.everything}"
        assert shown, f"go-back.md:{step.line}: it shows nothing of\n{ran.everything}"


def open_as_release_12(it: Released) -> None:
    """Open what is in the platform as release 12: eleven came before it."""
    if not it.store.numbers():
        before = a_release(NUMBER - 1, environment=ENV, state="closed")
        assert it.store.create(before)
    it.open()
    assert it.release.number == NUMBER


def contracted(it: Released, drop: str) -> None:
    """Release what drops something, and write to the database since."""
    it.site.migration("20260101000002_drop", drop)
    open_as_release_12(it)
    done = it.next("--through", "contract")
    assert done.code == 0, done.everything


def test_a_release_is_taken_back_before_its_contract_and_not_after(column: Released) -> None:
    before = column.kept.content()
    column.site.migration("20260101000002_display", EXPAND)
    column.site.migration("20260101000003_drop", users.DROP)
    open_as_release_12(column)
    assert column.next("--through", "verify").code == 0
    read(column, "before")
    assert column.kept.content() == before


@pytest.mark.slow(15)
def test_a_column_is_brought_back(column: Released) -> None:
    before = column.kept.content()
    contracted(column, users.DROP)
    read(column, "after")
    assert column.next().code == 0
    read(column, "column")
    site: users.Site = column.site
    site.migration("20260601090000_nicknames_back", column.documented("sql", 1))
    read(column, "column, with its migration")
    port = str(site.rds.clusters["seedbed-shop-staging-user-r12"]["port"])
    column.psql(column.documented("sh"), COPY=site.conninfo(port), DATABASE=site.conninfo())
    site.migration("20260601100000_nicknames_set", column.documented("sql", 2))
    read(column, "column, with its migration")
    read(column, "column, at the end")
    assert column.kept.content() == before


def test_an_attribute_is_brought_back(attribute: Released) -> None:
    before = attribute.kept.content()
    contracted(attribute, courses.DROP)
    read(attribute, "attribute")
    attribute.site.migration("20260601090000_subtitles_back", attribute.documented("python"))
    read(attribute, "attribute, with its migration")
    assert attribute.kept.content() == before


@pytest.mark.soak
def test_a_label_and_a_whole_graph_are_brought_back(label: Released, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(label.root)
    before = label.kept.content()
    contracted(label, tutors.DROP)
    read(label, "label")
    label.site.migration("20260601090000_seniors_back", label.documented("cypher"))
    read(label, "label, with its migration")
    assert label.kept.content() == before
    label.site.graph.do(
        "MATCH (n) DETACH DELETE n", "DROP CONSTRAINT tutor", "DROP CONSTRAINT migrations_history_key"
    )
    read(label, "graph")
    assert label.kept.content() == before


@pytest.mark.soak
def test_an_index_is_brought_back(index: Released) -> None:
    contracted(index, notes.DROP)
    read(index, "index")
    site: notes.Site = index.site
    site.migration("20260601090000_notes_back", index.documented("http"))
    read(index, "index, with its migration")
    index.shell(index.documented("sh", 2), AWS_ACCESS_KEY_ID="any", AWS_SECRET_ACCESS_KEY="any")
    assert site.documents("notes") == notes.DOCUMENTS
    read(index, "index, at the end")


def test_every_block_of_the_page_is_carried_out_by_a_test() -> None:
    named = Path(__file__).read_text(encoding="utf-8")
    assert [each for each in sections() if f'"{each}")' not in named] == []
