"""Versions in order, by the files alone: each from the one declared before it, and back to it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from seedbed.engines.opensearch import engine
from seedbed.engines.opensearch.rules.declared import require_declared
from seedbed.engines.opensearch.rules.program_texts import program_text
from seedbed.engines.opensearch.schema.read import KIND, parse
from seedbed.engines.opensearch.schema.shape import DeclaredIndexes
from seedbed.errors import Irreversible, MigrationFileError, SeedbedError, SeveralErrors
from seedbed.model.migration import Direction, Migration, Work
from seedbed.toml.text import Text
from tests.support.opensearch.searches import migration, migration_file

UP, DOWN = Direction.UP, Direction.DOWN
NOTES = "index=notes version={}"


def declared(*numbers: int, kind: str = "indexes", body: str = "") -> DeclaredIndexes:
    versions = [f"[[{kind}.notes.versions]]\nnumber = {each}\n{body}\n" for each in numbers]
    return parse(Text("indexes.toml", "".join(versions), KIND))


def led(*directives: str, first: int = 1) -> list[Migration]:
    """Return migrations 1, 2, …, each with its directives, under a comment."""
    texts = enumerate(directives, first)
    return [
        migration(f"# One more.\n# seedbed: {each}\n", str(version), f"to_{version}")
        for version, each in texts
    ]


def notes(*numbers: int, first: int = 1) -> list[Migration]:
    return led(*(NOTES.format(each) for each in numbers), first=first)


def wrong(
    things: DeclaredIndexes,
    applied: Sequence[Migration],
    planned: Sequence[Migration],
    direction: Direction = UP,
) -> list[SeedbedError]:
    try:
        require_declared(things, [Work(each, direction) for each in planned], lambda: applied)
    except SeveralErrors as several:
        return list(several.errors)
    except SeedbedError as error:
        return [error]
    return []


def test_versions_that_come_one_after_the_other_go_there_and_back() -> None:
    things, files = declared(1, 3, 4), notes(1, 3, 4)
    for done in range(4):
        assert wrong(things, files[:done], files[done:]) == []
        assert wrong(things, files[:done], files[done:][::-1], DOWN) == []


@pytest.mark.parametrize(
    ("applied", "to", "what", "because", "try_"),
    [
        (
            (1,),
            3,
            "2_to_2 leads notes to version 3, and it is at version 1",
            "1_to_1 leads it there, and indexes.toml has version 2 in between",
            "# seedbed: index=notes version=2",
        ),
        (
            (1, 2, 3),
            2,
            "4_to_4 leads notes to version 2, and it is at version 3",
            "3_to_3 leads it there",
            "# seedbed: index=notes version=4",
        ),
        (
            (1, 2),
            2,
            "3_to_3 leads notes to version 2, which it has already",
            "2_to_2 leads it there",
            "# seedbed: index=notes version=3; or # seedbed: index=notes rebuild, for a new index of version 2",
        ),
        (
            (1, 2, 3, 4),
            4,
            "5_to_5 leads notes to version 4, which it has already",
            "4_to_4 leads it there",
            "declare the next one: [[indexes.notes.versions]] number = 5; or # seedbed: index=notes rebuild, "
            "for a new index of version 4",
        ),
    ],
)
def test_a_version_that_is_not_the_next_is_refused_at_its_line(
    applied: tuple[int, ...], to: int, what: str, because: str, try_: str
) -> None:
    there = notes(*applied)
    (planned,) = notes(to, first=len(there) + 1)
    (error,) = wrong(declared(1, 2, 3, 4), there, [planned])
    assert isinstance(error, MigrationFileError)
    assert (error.what, error.because, error.try_) == (what, because, try_)
    assert str(error.at) == f"{planned.path}:2"
    (same,) = wrong(declared(1, 2, 3, 4), [], [*there, planned])  # whether the others are applied or planned
    assert str(same) == str(error)


def test_all_versions_that_are_wrong_are_told_at_once_and_what_follows_from_one_is_not() -> None:
    planned = led(
        NOTES.format(1),
        NOTES.format(3),
        NOTES.format(4),
        NOTES.format(9),
        NOTES.format(2),
        "index=none version=1",
    )
    assert [each.what for each in wrong(declared(1, 2, 3, 4), [], planned)] == [
        "4_to_4 leads to version 9 of notes, which is not declared",
        "6_to_6 leads to version 1 of none, which is not declared",
        "2_to_2 leads notes to version 3, and it is at version 1",
        "5_to_5 leads notes to version 2, and it is at version 4",
    ]


def test_a_definition_that_is_there_no_more_is_missed_in_both_directions() -> None:
    files = notes(1, 2)
    (up,) = wrong(declared(2), files[:1], files[1:])
    (down,) = wrong(declared(2), files[:1], files[1:], DOWN)  # or the index would be removed
    for error in (up, down):
        assert "version 1" in error.because
        assert "indexes.toml does not have" in error.because
        assert error.try_ == "declare it again: [[indexes.notes.versions]] number = 1"
    assert isinstance(down, Irreversible)


@pytest.mark.parametrize(
    ("numbers", "because"),
    [
        (
            (1, 2, 2),
            "it came from version 2 of notes, where 2_to_2 leads, and a revert would go to version 1",
        ),
        ((1, 3), "it came from version 1 of notes, where 1_to_1 leads, and a revert would go to version 2"),
    ],
)
def test_a_revert_that_would_not_lead_to_where_its_migration_came_from_is_refused(
    numbers: tuple[int, ...], because: str
) -> None:
    *stay, last = notes(*numbers)
    errors = wrong(declared(1, 2, 3), stay, [last], DOWN)
    assert [type(each) for each in errors] == [Irreversible]
    error = errors[0]
    assert (error.what, error.because) == (f"{last.label} cannot be reverted", because)
    assert str(error.at) == f"{last.path}:2"


@pytest.mark.parametrize("kind", ["pipeline", "template"])
def test_pipelines_and_templates_have_the_same_order(kind: str) -> None:
    things = declared(1, 2, 3, kind=f"{kind}s", body='body = {index_patterns = ["logs-*"]}')
    first, second, again, third = led(*(f"{kind}=notes version={each}" for each in (1, 2, 2, 3)))
    assert wrong(things, [], [first, second, third]) == []
    assert [each.try_ for each in wrong(things, [first], [third])] == [f"# seedbed: {kind}=notes version=2"]
    assert [each.try_ for each in wrong(things, [first, second], [again])] == [
        f"# seedbed: {kind}=notes version=3"
    ]
    assert wrong(things, [first, second], [again], DOWN)


def test_an_index_that_no_file_leads_to_may_be_there_by_other_means() -> None:
    things = declared(1, 2, 3)
    assert wrong(things, [], notes(2, 3)) == []
    assert wrong(things, [], notes(2, 3)[::-1], DOWN) == []


def test_what_has_no_version_is_about_what_is_there() -> None:
    things, code = declared(1, 2), "# seedbed: index=notes\ndef up(doc):\n    return doc\n"
    first, rebuilt, second = led(NOTES.format(1), "index=notes rebuild", NOTES.format(2))
    assert wrong(things, [first], [rebuilt, migration(code, "9"), second]) == []
    assert wrong(things, [first], [second, rebuilt], DOWN) == []


def test_files_that_are_applied_are_read_for_it_and_requests_are_not(tmp_path: Path) -> None:
    (tmp_path / "indexes.toml").write_text("[[indexes.notes.versions]]\nnumber = 1\n")
    applied = [
        migration_file("# seedbed: index=notes version=1\n"),
        migration_file("nothing", "2", suffix=".http"),
    ]
    with pytest.raises(MigrationFileError, match="which it has already"):
        engine.check_declared(tmp_path, [Work(each) for each in notes(1, first=3)], applied)


def test_a_new_file_leads_to_what_is_declared_and_to_which_no_file_leads(tmp_path: Path) -> None:
    text = "".join(f"[[indexes.notes.versions]]\nnumber = {each}\n" for each in (1, 3))
    (tmp_path / "indexes.toml").write_text(text + "[[pipelines.clean.versions]]\nnumber = 1\nbody = {}\n")
    pipeline, first, last = (
        migration_file(f"# seedbed: {each}\n", str(number))
        for number, each in enumerate(
            ("pipeline=clean version=1", "index=notes version=1", "index=notes version=3")
        )
    )
    for files, directives in (
        ([], "pipeline=clean version=1"),  # which a new index may name
        ([pipeline], "index=notes version=1"),
        ([pipeline, first], "index=notes version=3"),
    ):
        suffix, template = engine.new_file("", tmp_path, files)
        assert suffix == ".py"
        assert template.endswith(f"# seedbed: {directives}\n")
        assert engine.new_file(".py", tmp_path, files) == (suffix, template)
        assert engine.new_file(".http", tmp_path, files) == (".http", engine.template)
    assert engine.new_file("", tmp_path, [pipeline, first, last]) == (".http", engine.template)
    assert "def up(doc)" in engine.new_file(".py", tmp_path, [pipeline, first, last])[1]


def shown(things: DeclaredIndexes, found: Migration, direction: Direction = UP) -> tuple[str, list[str]]:
    (step,) = found.steps(direction)
    text = program_text(things, found, step)
    assert text.text.startswith(step.body)
    return text.statements[1], text.text.removeprefix(step.body).split()


def test_a_plan_holds_the_definition_that_a_migration_leads_to() -> None:
    things = parse(
        Text(
            "indexes.toml",
            "[[indexes.notes.versions]]\nnumber = 1\nmappings = {properties = {a = {type = 'text'}}}\n"
            "[[indexes.notes.versions]]\nnumber = 2\nmappings = {properties = {a = {type = 'text'}, b = {type = 'ip'}}}\n"
            "[[pipelines.clean.versions]]\nnumber = 1\nbody = {processors = []}\n",
            KIND,
        )
    )
    first, second, rebuilt, again, pipeline = led(
        NOTES.format(1),
        NOTES.format(2),
        "index=notes rebuild",
        "index=notes version=2 rebuild",
        "pipeline=clean version=1",
    )
    way, text = shown(things, second)
    assert way == "index notes: version 1 -> 2, in place"
    assert '"ip"' in text
    assert shown(things, second, DOWN)[0] == "index notes: version 2 -> 1, by a new index"
    assert shown(things, again)[0] == "index notes: version 1 -> 2, by a new index"
    assert shown(things, first)[0] == "index notes: version 1, made"
    assert shown(things, first, DOWN)[0] == "index notes: removed"
    assert shown(things, rebuilt)[0] == "index notes: a new index of the version that it has"
    assert shown(things, rebuilt, DOWN)[0] == "index notes: as it is"
    way, text = shown(things, pipeline)
    assert way == "pipeline clean: version 1, made"
    assert '"processors":' in text
