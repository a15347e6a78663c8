"""From styled spans to characters."""

from __future__ import annotations

from seedbed.report.styles import (
    Look,
    Page,
    Style,
    Table,
    cells,
    harmless,
    line,
    render,
    row,
    shortened,
    widths,
)


def test_columns_are_as_wide_as_what_is_seen_of_their_widest_cell() -> None:
    table = Table((row("数据", "x"), row("ab", ("y", Style.BOLD)), row("é", "z")))
    assert render([table], Look()) == "数据  x\nab    y\né     z\n"


def test_columns_without_anything_in_them_are_left_out() -> None:
    assert render([Table((row("a", "", "b"), row("c", "", "d")))], Look()) == "a  b\nc  d\n"


def test_a_table_is_shortened_on_a_narrow_terminal_only() -> None:
    table = Table((row("20260112093000", "a_very_long_name_of_a_migration", "expand"),), flex=1)
    assert render([table], Look()) == "20260112093000  a_very_long_name_of_a_migration  expand\n"
    assert render([table], Look(width=40)) == "20260112093000  a_very_long_nam…  expand\n"
    assert render([table], Look(width=40, unicode=False)) == "20260112093000  a_very_long_n...  expand\n"
    assert render([table], Look(width=5)) == "20260112093000  a_very_long…  expand\n"


def test_only_the_flexible_part_of_a_line_gives_way() -> None:
    words = line("CREATE TABLE users (id bigint)", "  (not in a transaction)", indent=2, flex=0)
    assert render([words], Look(width=46)) == "  CREATE TABLE users …  (not in a transaction)\n"


def test_a_display_never_gets_a_line_that_folds() -> None:
    page: Page = [Table((row("x" * 30, "y"),)), line("short"), line(("z" * 40, Style.BAD))]
    look = Look(width=20, cut=True)
    assert max(widths(page, look)) <= 20
    assert render(page, look).splitlines()[1] == "short"


def test_nothing_that_a_terminal_obeys_comes_through() -> None:
    assert harmless("a\x1b[2Jb\x07\x9bc\rd") == "a\\x1b[2Jb\\x07\\x9bc\\x0dd"
    assert harmless("user\u202enimda") == "user\\u202enimda"
    assert harmless("user\u200bs\u061c\U000e0041") == "user\\u200bs\\u061c\\U000e0041"
    assert harmless("one\r\ntwo\tthree") == "one\ntwo    three"
    assert render([line("\x1b]0;title\x07")], Look(color=True)) == "\\x1b]0;title\\x07\n"


def test_a_secret_is_gone_before_anything_is_cut() -> None:
    look = Look(width=30, redact=lambda text: text.replace("correct horse battery", "********"))
    words = line("password: correct horse battery", " is wrong", flex=0)
    assert render([words], look) == "password: ******** is wrong\n"


def test_shortening_counts_cells() -> None:
    assert shortened("数据库迁移", 5) == "数据…"
    assert cells(shortened("数据库迁移", 6)) <= 6
    assert shortened("abc", 3) == "abc"
    assert shortened("abcdef", 2, unicode=False) == ".."


def test_shortening_ends_between_two_words_unless_little_would_be_left() -> None:
    text = "CREATE INDEX CONCURRENTLY reviews_by_course ON reviews"
    assert shortened(text, 30) == "CREATE INDEX CONCURRENTLY…"
    assert shortened(text, 26) == "CREATE INDEX CONCURRENTLY…"
    assert shortened(text, 20) == "CREATE INDEX…"
    assert shortened("reviews_by_course_and_language", 20) == "reviews_by_course_a…"


def test_prose_goes_on_below_and_no_word_of_it_is_broken() -> None:
    said = "its statements and the record of it commit together, or not at all, whatever happens to the run"
    page: Page = [line(("because: ", Style.DIM), said, indent=2, wrap=True)]
    narrow = render(page, Look(width=60))
    assert max(widths(page, Look(width=60))) <= 60
    assert narrow.splitlines()[1].startswith("    ")
    assert " ".join(narrow.split()) == f"because: {said}"
    assert render(page, Look()) == f"  because: {said}\n"


def test_a_word_that_is_wider_than_the_terminal_stays_whole() -> None:
    path = "services/user/postgres/migrations/20260102000000_commits.sql:3: "
    page: Page = [line((path, Style.BOLD), ("error: ", Style.BAD), "it commits by itself", wrap=True)]
    assert render(page, Look(width=40)) == f"{path.rstrip()}\n  error: it commits by itself\n"


def test_a_command_is_left_to_the_terminal() -> None:
    said = "seedbed plan -e staging --out plan.json; read it; seedbed apply -e staging plan.json"
    assert render([line(("try:     ", Style.DIM), said)], Look(width=40)) == f"try:     {said}\n"
