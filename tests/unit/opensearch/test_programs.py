"""Index migrations as files: what they may say, and how they say no."""

from __future__ import annotations

import pytest

from seedbed.engines.kit.python_program import failure
from seedbed.engines.opensearch.files.programs import (
    BLOCK,
    MigrationSubject,
    batch,
    block_seconds,
    function,
    parse_program,
    subject_of,
)
from seedbed.errors import MigrationFileError, SeveralErrors, StepFailed
from seedbed.model.migration import Backfill, Direction, Migration, Phase
from tests.support.opensearch.searches import migration_file

UP = "def up(doc):\n    doc['a'] = 1\n    return doc\n"
DOWN = "\n\ndef down(doc):\n    del doc['a']\n    return doc\n"


def parsed(text: str) -> Migration:
    return parse_program(migration_file(text))


def test_a_file_without_functions_goes_both_ways_by_its_definitions() -> None:
    found = parsed('"""English."""\n# seedbed: index=lessons version=2 phase=migrate\n')
    assert subject_of(found) == MigrationSubject("index", "lessons", 2)
    assert found.phase is Phase.MIGRATE
    assert found.up[0].summary == "English."
    assert found.up[0].backfill is None
    assert len(found.down) == 1
    assert block_seconds(found) == BLOCK


def test_documents_that_are_transformed_go_back_only_by_a_function() -> None:
    assert parsed(f"# seedbed: index=lessons version=2\n{UP}").down == ()
    assert len(parsed(f"# seedbed: index=lessons version=2\n{UP}{DOWN}").down) == 1


def test_what_is_irreversible_has_no_way_down() -> None:
    found = parsed('# seedbed: index=lessons version=2 irreversible because "nobody kept it"\n')
    assert found.down == ()
    assert found.irreversible is not None


def test_an_index_is_rebuilt_as_it_is_and_reverting_that_changes_nothing() -> None:
    found = parsed("# seedbed: index=lessons rebuild\n")
    assert subject_of(found) == MigrationSubject("index", "lessons", 0)
    assert [each.summary for each in (*found.up, *found.down)] == [
        "up: index lessons is rebuilt",
        "down: index lessons stays as it is",
    ]


def test_a_function_without_a_version_transforms_what_is_there() -> None:
    found = parsed(f"# seedbed: index=lessons batch=50\n{UP}")
    assert subject_of(found) == MigrationSubject("index", "lessons", 0)
    assert found.up[0].backfill == Backfill("lessons", "_id", 50)
    assert batch(found) == 50


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("\n", 1, "does not name what it changes"),
        ("# seedbed: index=a pipeline=b version=1\n", 1, "names index and pipeline"),
        ("# seedbed: index=lessons\n", 1, "names no version"),
        ("# seedbed: pipeline=p rebuild\n", 1, "no meaning"),
        ("# seedbed: index=lessons version=two\n", 1, "version=1 to"),
        (f"# seedbed: index=migrations_history\n{UP}", 1, "belongs to seedbed"),
        (f"# seedbed: index=a,b\n{UP}", 1, "does not name one index"),
        (f"# seedbed: index=lessons-*\n{UP}", 1, "does not name one index"),
        ("# seedbed: template=* version=1\n", 1, "does not name one template"),
        ("# seedbed: index=lessons version=2 colour=red\n", 1, "colour"),
        ("# seedbed: index=lessons version=2 block=5m\n", 1, "block"),
        ("# seedbed: index=lessons version=2 rebuild=yes\n", 1, "rebuild"),
        (f"# seedbed: pipeline=p version=1\n{UP}", 2, "no documents"),
        ("# seedbed: pipeline=p version=1 rebuild\n", 1, "no meaning"),
        ("# seedbed: index=l version=2\ndef up(item):\n    return item\n", 2, "accept a document"),
        ("# seedbed: index=l version=2\ndef up(doc):\n    doc['a'] = 1\n", 2, "without returning"),
        ("# seedbed: index=l version=2\ndef up(doc):\n    yield doc\n", 2, "generator"),
        ("# seedbed: index=l version=2\nup = 1\n", 2, "not a function"),
        ("# seedbed: index=l version=2\nasync def up(doc):\n    return doc\n", 2, "async"),
        (
            "# seedbed: index=l version=2\ndef up(doc):\n    if doc:\n        return doc\n",
            2,
            "without returning",
        ),
        (f"# seedbed: index=l version=2\n{UP}# seedbed: batch=5\n", 5, "no effect here"),
        ("# seedbed: index=l version=2\ndef down(doc):\n    return doc\n", 2, "no `up`"),
        (f"# seedbed: index=l version=2\n{UP}\n{UP}", 6, "twice"),
        (f'# seedbed: index=l version=2 irreversible because "x"\n{UP}{DOWN}', 7, "irreversible"),
        ("# seedbed: index=l version=2\ndef up(doc:\n", 2, "not valid Python"),
    ],
)
def test_what_makes_no_sense_is_refused_at_its_line(text: str, line: int, words: str) -> None:
    with pytest.raises(MigrationFileError) as caught:
        parsed(text)
    assert words in str(caught.value)
    assert caught.value.at is not None
    assert caught.value.at.line == line


def test_nothing_of_a_file_runs_while_it_is_parsed() -> None:
    parsed(f"# seedbed: index=lessons version=2\nraise SystemExit(3)\n{UP}")


def test_the_functions_are_there_when_they_are_asked_for() -> None:
    found = parsed(f"# seedbed: index=lessons version=2\n{UP}{DOWN}")
    up, down = (function(found.up[0], found.path, each) for each in Direction)
    assert up is not None
    assert down is not None
    assert down(up({})) == {}  # type: ignore[arg-type]


def test_code_that_fails_is_named_by_its_line_and_the_document() -> None:
    found = parsed("# seedbed: index=lessons version=2\ndef up(doc):\n    return doc['b']\n")
    up = function(found.up[0], found.path, Direction.UP)
    assert up is not None
    with pytest.raises(KeyError) as caught:
        up({})
    error = failure(caught.value, found.path, "the document 'l1'")
    assert "'l1'" in error.what
    assert error.at is not None
    assert error.at.line == 3


def test_a_file_whose_own_code_fails_is_a_failed_step() -> None:
    found = parsed(f"# seedbed: index=lessons version=2\n1 / 0\n{UP}")
    with pytest.raises(StepFailed, match="ZeroDivisionError"):
        function(found.up[0], found.path, Direction.UP)


def test_directives_and_functions_that_are_wrong_are_named_at_once() -> None:
    with pytest.raises(SeveralErrors) as caught:
        parsed("# seedbed: version=2 phase=late\ndef up(row):\n    return row\ndef down(doc):\n    pass\n")
    assert [each.what for each in caught.value.errors] == [
        "`phase=late` is not understood",
        "the file does not name what it changes",
        "`up` does not accept a document",
        "`down` may end without returning a document",
    ]
