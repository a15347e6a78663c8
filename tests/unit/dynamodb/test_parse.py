"""Migrations of DynamoDB as files: what is read from them, and what is refused with its line."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from seedbed.engines.dynamodb.files.parse import parse
from seedbed.errors import MigrationFileError, SeveralErrors
from seedbed.model.migration import Backfill, Migration, MigrationFile, MigrationRef, Phase, Source, checksum

UP = "def up(item):\n    return item\n"
DOWN = "def down(item):\n    return item\n"
TABLE_UP = "def up(table):\n    table.put({'id': '1'})\n"


def file(text: str | bytes, suffix: str = ".py") -> MigrationFile:
    data = text if isinstance(text, bytes) else text.encode()
    return MigrationFile(
        "7", "split_title", Source(f"migrations/7_split_title{suffix}", suffix, data), checksum(data)
    )


def parsed(directives: str, code: str = UP) -> Migration:
    return parse(file(f"# seedbed: {directives}\n{code}"))


def refused(text: str | bytes, suffix: str = ".py") -> MigrationFileError:
    with pytest.raises(MigrationFileError) as caught:
        parse(file(text, suffix))
    return caught.value


def test_a_transformation_is_one_step_over_all_items_of_its_table() -> None:
    migration = parsed("phase=migrate table=courses after=user/postgres:3", f'{UP}{DOWN}"""x"""')
    (step,) = migration.up
    assert (migration.version, migration.name, migration.phase) == ("7", "split_title", Phase.MIGRATE)
    assert migration.after == (MigrationRef("user/postgres", "3"),)
    assert step.backfill == Backfill("courses", "", 90)
    assert (step.atomic, step.repeatable, step.line) == (False, True, 1)
    assert step.body.startswith("# seedbed: phase")
    assert len(migration.down) == 1


@pytest.mark.parametrize(
    ("directives", "mode", "batch"),
    [
        ("table=courses", "paged", 90),
        ("table=courses batch=5", "paged", 5),
        ("table=courses from=1 to=2", "versioned", 250),
        ("table=courses from=1 to=2 batch=1000", "versioned", 1000),
        ('table=courses repeatable because "it looks first"', "repeatable", 250),
    ],
)
def test_a_transformation_is_once_by_version_or_by_itself_or_by_its_checkpoint(
    directives: str, mode: str, batch: int
) -> None:
    migration = parsed(directives)
    assert migration.settings["mode"] == mode
    assert migration.up[0].backfill == Backfill("courses", "", batch)


def test_settings_are_as_written() -> None:
    migration = parsed(
        "table=courses from=3 to=4 segments=8 read_units=500 write_units=100 needs=courses.by_teacher,lessons"
    )
    assert migration.settings == {
        "table": "courses",
        "from": "3",
        "to": "4",
        "segments": "8",
        "read_units": "500",
        "write_units": "100",
        "needs": "courses.by_teacher,lessons",
        "mode": "versioned",
    }


def test_a_free_form_is_one_transaction_unless_it_says_otherwise() -> None:
    together, alone = parsed("table=courses", TABLE_UP), parsed("table=courses transaction=false", TABLE_UP)
    assert (together.up[0].atomic, together.up[0].repeatable, together.up[0].backfill) == (True, False, None)
    assert (alone.up[0].atomic, alone.up[0].repeatable) == (False, False)
    assert "mode" not in together.settings
    repeatable = parsed('table=courses transaction=false repeatable because "puts"', TABLE_UP)
    assert repeatable.up[0].repeatable


def test_without_a_down_there_is_no_way_back() -> None:
    assert parsed("table=courses").down == ()
    migration = parsed('table=courses irreversible because "the words are gone"')
    assert migration.irreversible is not None
    assert migration.irreversible.because == "the words are gone"


@pytest.mark.parametrize(
    ("text", "summary"),
    [
        (f'"""Titles by language."""\n# seedbed: table=courses\n{UP}', "Titles by language."),
        (
            '# seedbed: table=courses\ndef up(item):\n    """One more.\n\n    Really."""\n    return item\n',
            "One more.",
        ),
        (f"# Counts from one.\n# seedbed: table=courses\n{UP}", "Counts from one."),
        (f"# seedbed: table=courses\n{UP}", "up: every item of courses"),
    ],
)
def test_a_step_says_what_its_author_said(text: str, summary: str) -> None:
    assert parse(file(text)).up[0].summary == summary


def test_nothing_in_a_file_is_run() -> None:
    parse(file(f"# seedbed: table=courses\nraise SystemExit(1)\n{UP}"))


def test_line_ends_and_a_byte_order_mark_make_no_difference() -> None:
    text = f"# seedbed: table=courses\n{UP}"
    plain = parse(file(text))
    windows = parse(file(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode()))
    assert windows == plain


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        (UP, 1, "which table"),
        (f"# seedbed: phase=migrate\n{UP}", 1, "which table"),
        ("# seedbed: table=courses\n", 0, "no function `up`"),
        ("# seedbed: table=courses\nif True:\n    def up(item): return item\n", 0, "no function `up`"),
        ("# seedbed: table=courses\nup = lambda item: item\n", 2, "not a function"),
        ("# seedbed: table=courses\nclass up: ...\n", 2, "not a function"),
        (f"# seedbed: table=courses\n{UP}{UP}", 4, "twice"),
        (f"# seedbed: table=courses\n{UP}from x import up\n", 4, "twice"),
        ("# seedbed: table=courses\ndef up(row): return row\n", 2, "neither an `item` nor a `table`"),
        ("# seedbed: table=courses\ndef up(item, x): return item\n", 2, "neither"),
        ("# seedbed: table=courses\ndef up(*item): return item\n", 2, "neither"),
        ("# seedbed: table=courses\ndef up(item=None): return item\n", 2, "neither"),
        ("# seedbed: table=courses\ndef up(*, item): return item\n", 2, "neither"),
        ("# seedbed: table=courses\nasync def up(item): return item\n", 2, "async"),
        ("# seedbed: table=courses\ndef up(item): yield item\n", 2, "generator"),
        ("# seedbed: table=courses\ndef up(item): return (yield)\n", 2, "generator"),
        ("# seedbed: table=courses\n@cache\ndef up(item): return item\n", 2, "decorated"),
        ("# seedbed: table=courses\ndef up(item) return item\n", 2, "not valid Python"),
        (f"# seedbed: table=courses\n{UP}def down(table): return None\n", 4, "a item and `down` a table"),
        (f'# seedbed: table=courses\n# seedbed: irreversible because "x"\n{UP}{DOWN}', 2, "irreversible"),
        (f"# seedbed: table=courses from=1\n{UP}", 1, "`to` is not"),
        (f"# seedbed: table=courses to=2\n{UP}", 1, "`from` is not"),
        (f"# seedbed: table=courses from=2 to=2\n{UP}", 1, "leads nowhere"),
        (f"# seedbed: table=courses from=2 to=1\n{UP}", 1, "leads nowhere"),
        (f"# seedbed: table=courses from=0 to=1\n{UP}", 1, "not understood"),
        (f'# seedbed: table=courses from=1 to=2 repeatable because "x"\n{UP}', 1, "beside"),
        (f"# seedbed: table=courses\n# seedbed: batch=91\n{UP}", 2, "more than one transaction"),
        (f"# seedbed: table=courses batch=0\n{UP}", 1, "not understood"),
        (f"# seedbed: table=courses from=1 to=2 batch=1001\n{UP}", 1, "not understood"),
        (f"# seedbed: table=courses segments=x\n{UP}", 1, "not understood"),
        (f"# seedbed: table=courses write_units=-1\n{UP}", 1, "not understood"),
        (f"# seedbed: table=courses read_units=1.5\n{UP}", 1, "not understood"),
        (f"# seedbed: table=a.b\n{UP}", 1, "not understood"),
        (f"# seedbed: table=courses needs=.x\n{UP}", 1, "not understood"),
        (f"# seedbed: table=courses table=lessons\n{UP}", 1, "twice"),
        (f"# seedbed: table=courses repeatable\n{UP}", 1, "no reason"),
        (f"# seedbed: table=courses irreversible\n{UP}", 1, "no reason"),
        (f"# seedbed: table=courses phase=later\n{UP}", 1, "not understood"),
        (f"# seedbed: table=courses after=3\n{UP}", 1, "not understood"),
        (f"# seedbed: table=courses colour=red\n{UP}", 1, "no directive"),
        (f"# seedbed: table=courses transaction=false\n{UP}", 1, "no meaning for a function of items"),
        (f"# seedbed: table=courses segments=2\n{TABLE_UP}", 1, "no meaning for a function of a table"),
        (f"# seedbed: table=courses from=1 to=2\n{TABLE_UP}", 1, "no meaning"),
        (f'# seedbed: table=courses repeatable because "x"\n{TABLE_UP}', 1, "one transaction"),
        (f"{UP}# seedbed: table=courses\n", 3, "no effect here"),
        (f"# seedbed: table=courses\n{UP}def applied(table): return True\n", 4, "is never called"),
        (f"# seedbed: table=courses\n{TABLE_UP}def applied(table): return True\n", 4, "is never called"),
        (
            f"# seedbed: table=courses transaction=false\n{TABLE_UP}def applied(item): return True\n",
            4,
            "asked about a table",
        ),
        (b"# seedbed: table=courses\n# caf\xe9\n" + UP.encode(), 2, "not UTF-8"),
    ],
)
def test_what_contradicts_itself_is_refused_with_its_line(text: str | bytes, line: int, says: str) -> None:
    error = refused(text)
    assert says in str(error)
    assert error.at is not None
    assert (error.at.path, error.at.line) == ("migrations/7_split_title.py", line)


ENDS: list[Callable[[], str]] = [
    lambda: "def up(item):\n    item['a'] = 1\n",
    lambda: "def up(item):\n    if item['a']:\n        return item\n",
    lambda: "def up(item):\n    for each in item:\n        return item\n",
    lambda: "def up(item):\n    try:\n        return item\n    except KeyError:\n        pass\n",
    lambda: "def up(item):\n    match item:\n        case {'a': 1}:\n            return item\n",
    lambda: "def up(item):\n    while True:\n        break\n",
    lambda: "def up(item):\n    if item['a']:\n        return\n    return item\n",
]


@pytest.mark.parametrize("code", ENDS, ids=range(len(ENDS)))
def test_a_function_that_may_forget_to_return_the_item_is_refused_since_that_would_delete_it(
    code: Callable[[], str],
) -> None:
    assert "return None" in refused(f"# seedbed: table=courses\n{code()}").try_


@pytest.mark.parametrize(
    "code",
    [
        "def up(item):\n    raise NotImplementedError\n",
        "def up(item):\n    if item['a']:\n        return item\n    else:\n        return None\n",
        "def up(item):\n    with open('x'):\n        return item\n",
        "def up(item):\n    try:\n        x = item['a']\n    except KeyError:\n        return None\n    else:\n        return item\n",
        "def up(item):\n    try:\n        pass\n    finally:\n        return item\n",
        "def up(item):\n    match item:\n        case {'a': 1}:\n            return item\n        case _:\n            return None\n",
        "def up(item):\n    while True:\n        for _ in ():\n            break\n        return item\n",
        "def up(item):\n    def inner():\n        return\n    return item\n",
    ],
)
def test_a_function_that_always_says_what_becomes_of_the_item_is_taken(code: str) -> None:
    parse(file(f"# seedbed: table=courses\n{code}"))


def test_another_suffix_is_refused() -> None:
    assert ".py" in str(refused("x", ".sql"))


def test_a_hazard_that_its_author_takes_is_known_with_the_reason() -> None:
    found = parsed('table=courses from=1 to=2 allow=DDB101 because "nobody reads them"')
    assert [(each.code, each.because) for each in found.allows] == [("DDB101", "nobody reads them")]


def test_directives_and_functions_that_are_wrong_are_named_at_once() -> None:
    with pytest.raises(SeveralErrors) as caught:
        parse(
            file(
                "# seedbed: table=courses phase=late\n# seedbed: nonsense\n"
                "async def up(item): ...\ndef down(row): ...\n"
            )
        )
    assert [each.at and each.at.line for each in caught.value.errors] == [1, 2, 3]
