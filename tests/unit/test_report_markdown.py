"""Results as Markdown: what a database says is no markup, whatever it is."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from seedbed.documents.verification import VerificationDocument
from seedbed.model.platform import DatabaseId, Field, Reference, Where
from seedbed.model.verification import Holders, Orphan, ReferenceResult, Verdict, Verification
from seedbed.report.markdown import code, verification_markdown
from seedbed.report.styles import Look, harmless, render
from seedbed.support.texts import MISLEADING
from tests.unit.golden.report import samples

HOSTILE = "a`b``|<img src=x onerror=y>\n\n# @all [x](y) ::error::z \\"
MARKDOWN = MarkdownIt("commonmark").enable("table")


def inline(markdown: str) -> list[Any]:
    """Return what stands in all paragraphs and cells of `markdown`."""
    return [part for each in MARKDOWN.parse(markdown) for part in each.children or ()]


@given(st.text(max_size=80))
@example(HOSTILE)
@example(" ")
@example("`")
@example("` `")
@example(" a ")
@example("\\")
@example("\\|")
def test_any_text_is_one_span_of_code_that_shows_it(text: str) -> None:
    shown = harmless(text).replace("\n", "\\n")
    found = inline(f"- {code(text)} in 1 row")
    if not shown.strip():
        assert [each.type for each in found] == ["text"]
        return
    assert [(each.type, each.content) for each in found] == [("code_inline", shown), ("text", " in 1 row")]
    assert not MISLEADING & set(map(ord, code(text)))


def test_what_is_long_is_cut() -> None:
    assert len(code("x" * 1000)) < 310


def test_names_and_ids_stay_within_their_cells_and_items() -> None:
    where = Where((("kind", ("a|b", HOSTILE)),))
    shop = Field(DatabaseId("shop/memory"), "orders.user_id", where)
    found = ReferenceResult(
        Reference(shop, Field(DatabaseId("user/memory"), "users.id")),
        Verdict.BROKEN,
        3,
        orphans=1,
        samples=[Orphan(HOSTILE, Holders(2, (HOSTILE, "")))],
    )
    page = verification_markdown(VerificationDocument.of(Verification("staging", (found,)), "verify"))
    markdown = render(page, Look())
    tokens = MARKDOWN.parse(markdown)
    assert [each.type for each in tokens].count("td_open") == 4
    kinds = {part.type for part in inline(markdown)}
    assert kinds == {"text", "code_inline"}
    assert [each.tag for each in tokens if each.type == "heading_open"] == ["h3"]
    spans = [each.content for each in inline(markdown) if each.type == "code_inline"]
    assert spans.count(harmless(HOSTILE).replace("\n", "\\n")) == 2
    assert f"[kind=a|b|{HOSTILE}".replace("\n", "\\n") in "".join(spans)
    assert "(empty)" in markdown


@pytest.mark.parametrize("look", [Look(width=40), Look(color=True), Look(unicode=False)])
def test_it_is_the_same_on_every_terminal_but_for_letters_that_it_has_not(look: Look) -> None:
    page = verification_markdown(VerificationDocument.of(samples.verification(), "verify"))
    wide = render(page, Look(unicode=look.unicode))
    assert render(page, look) == wide
