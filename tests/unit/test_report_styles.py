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
