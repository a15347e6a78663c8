"""Files against history."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from seedbed.errors import ExitCode, HistoryConflict, SeveralErrors
from seedbed.model.history import History, Revision, RevisionState
from seedbed.model.migration import MigrationFile, Phase, Source, checksum
from seedbed.model.status import MigrationState
from seedbed.planning.pending import conflicts, pending
from seedbed.planning.statuses import migration_statuses


def file(version: str, text: str = "x") -> MigrationFile:
    data = text.encode()
    return MigrationFile(version, f"m{version}", Source(f"{version}.sql", ".sql", data), checksum(data))


def revision(version: str, text: str = "x", **fields: object) -> Revision:
    base = Revision(version, f"m{version}", checksum(text.encode()), Phase.EXPAND)
    return replace(base, **fields)


def history(*revisions: Revision) -> History:
    return History(None, revisions)


def test_what_is_not_applied_is_pending_in_order() -> None:
    files = [file("1"), file("2"), file("10")]
    found = pending("user/postgres", history(revision("1")), files)
    assert [each.version for each in found] == ["2", "10"]


def test_an_edited_file_is_refused_with_both_checksums_and_a_way_out() -> None:
    with pytest.raises(HistoryConflict) as caught:
        pending("user/postgres", history(revision("1")), [file("1", "other")])
    assert "edited" in caught.value.what
    assert checksum(b"other")[:12] in caught.value.because
    assert "seedbed repair -e ENV -s user --engine postgres 1 --checksum" in caught.value.try_


def test_a_missing_file_is_refused() -> None:
    with pytest.raises(HistoryConflict, match="its file is not here"):
        pending("user/postgres", history(revision("1")), [])


def test_a_late_file_is_refused_unless_it_is_allowed() -> None:
    files, applied = [file("1"), file("2")], history(revision("2"))
    with pytest.raises(HistoryConflict, match="would run after 2_m2") as caught:
        pending("user/postgres", applied, files)
    assert "--rebase 1" in caught.value.try_
    late = pending("user/postgres", applied, files, out_of_order=True)
    assert [each.version for each in late] == ["1"]


def test_a_contract_that_was_overtaken_is_not_late() -> None:
    applied = history(revision("2", overtakes=("1",)))
    found = pending("user/postgres", applied, [file("1"), file("2")])
    assert [each.version for each in found] == ["1"]


def test_every_contradiction_is_told_at_once() -> None:
    edited = file("1", "other")
    with pytest.raises(SeveralErrors) as caught:
        pending(
            "user/postgres",
            history(revision("1"), revision("3"), revision("4")),
            [edited, file("2"), file("4")],
        )
    assert [each.what.split(",")[0] for each in caught.value.errors] == [
        "1_m1 was edited after user/postgres had applied it",
        "2_m2 would run after 3_m3",
        "user/postgres has 3_m3",
    ]
    assert caught.value.exit_code is ExitCode.REFUSED


def test_a_contract_that_only_some_overtook_is_late() -> None:
    applied = history(revision("2", overtakes=("1",)), revision("3"))
    with pytest.raises(HistoryConflict, match="3_m3"):
        pending("user/postgres", applied, [file("1"), file("2"), file("3")])


def test_a_started_file_that_has_done_nothing_may_still_be_mended() -> None:
    started = revision("1", state=RevisionState.STARTED)
    assert not conflicts("user/postgres", history(started), [file("1", "mended")])


@pytest.mark.parametrize("fields", [{"step": 1}, {"in_step": True}, {"checkpoint": "7"}])
def test_a_started_file_that_has_done_something_may_not_be_edited(fields: dict[str, object]) -> None:
    started = replace(revision("1", state=RevisionState.STARTED), **fields)
    (conflict,) = conflicts("user/postgres", history(started), [file("1", "edited")])
    assert conflict.kind == "edited"


def test_versions_compare_as_numbers() -> None:
    assert not pending("user/postgres", history(revision("007")), [file("7")])


@pytest.mark.parametrize(
    ("is_in_use", "state"), [(False, MigrationState.UNKNOWN), (True, MigrationState.STARTED)]
)
def test_a_step_that_a_run_has_in_its_hands_is_not_of_unknown_outcome(
    is_in_use: bool, state: MigrationState
) -> None:
    begun = history(revision("1", state=RevisionState.STARTED, in_step=True))
    (found,) = migration_statuses(
        "user/postgres", begun, [file("1")], lambda _: "expand", is_in_use=is_in_use
    )
    assert found.state is state
