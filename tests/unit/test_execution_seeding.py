"""Loading datasets: what is refused before anything is touched, what is told, and what counts as touched."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import PurePosixPath
from typing import Any

import pytest
from msgspec import Struct

from seedbed.errors import (
    ExitCode,
    ForeignTarget,
    Interrupted,
    Location,
    SeedFileError,
    SeveralErrors,
    StalePlan,
    StepFailed,
    raise_errors,
)
from seedbed.execution import seeding
from seedbed.execution.connecting import ConnectedTarget
from seedbed.execution.context import RunContext
from seedbed.execution.stopping import Stop
from seedbed.model.environment import Environment
from seedbed.model.event import Event, SeedLoaded, SeedProgressed, TargetDone
from seedbed.model.history import History, Identity, Owner
from seedbed.model.outcome import Outcome, fold
from seedbed.model.platform import Database
from seedbed.model.seed import (
    Dataset,
    Loaded,
    Loading,
    OnLoading,
    Script,
    SeedKind,
    ignore_loading,
)
from seedbed.model.target import Target
from tests.support.seeds import opened

Load = Callable[[Dataset, OnLoading], Iterator[Loaded]]
CSV = "id,name\n1,ana\n2,ben\n3,eve\n"


def each_row(dataset: Dataset, on_loading: OnLoading) -> Iterator[Loaded]:
    """Load as an engine whose rows stay as they are written does."""
    for part in dataset.parts:
        assert not isinstance(part, Script)
        done = 0
        for batch in part.batches(2):
            done += len(batch.rows)
            on_loading(Loading(part.path, done, done))
        yield Loaded(part.path, done)


def refused() -> Iterator[Loaded]:
    raise StepFailed("the server refuses a row")


class FakeSession(Struct):
    """A session whose lease loads by `act`, and that knows when it was taken."""

    act: Load
    log: list[str]
    server: str = "fake 1"
    is_touched: bool = False

    @contextmanager
    def lease(self, owner: Owner, **_: Any) -> Iterator[FakeSession]:
        self.log.append("lease")
        yield self

    def load(self, dataset: Dataset, on_loading: OnLoading = ignore_loading) -> Iterator[Loaded]:
        self.log.append(f"load {dataset.kind}")
        return self.act(dataset, on_loading)

    def history(self) -> History:
        return History(None, ())

    def interrupt(self) -> None: ...


class Scene:
    """Targets of fake engines, and the files of their datasets."""

    def __init__(
        self, files: Mapping[str, Mapping[str, str]], act: Load = each_row, *, is_touched: bool = False
    ) -> None:
        """`files`: by database, the texts of seeds by `kind/name`. `is_touched`: what every lease says of itself."""
        self.files = files
        self.is_touched = is_touched
        self.log: list[str] = []
        self.told: list[Event] = []
        self.stop = Stop()
        self.connected = [self._connected(name, act) for name in files]

    def _connected(self, name: str, act: Load) -> ConnectedTarget:
        service, engine = name.split("/")
        database = Database(service, engine, PurePosixPath(name))
        address: Any = name
        target = Target(database, Environment("dev-x"), "edtech", address)
        history = History(Identity("edtech", name, "dev-x"), ())
        session: Any = FakeSession(act, self.log, is_touched=self.is_touched)
        return ConnectedTarget(target, session, history, ExitStack())

    def open(self, database: Database, kind: SeedKind) -> Dataset:
        self.log.append(f"open {kind}")
        found = {path: text for path, text in self.files[database.id].items() if path.startswith(kind)}
        return Dataset(kind, tuple(opened(path, text) for path, text in found.items()))

    def load(
        self,
        *kinds: SeedKind,
        check: seeding.CheckScript | None = None,
        require: seeding.RequireReviewed | None = None,
    ) -> Outcome:
        context = RunContext(Owner("1", "ana"), wait=1.0, listener=self.told.append, stop=self.stop)
        wanted = kinds or (SeedKind.REFERENCE, SeedKind.FIXTURE)
        seeding.load(self.connected, wanted, self.open, context, check, require)
        return fold(self.told)

    def of(self, kind: type[Event]) -> list[Event]:
        return [each for each in self.told if type(each) is kind]


def test_every_file_is_checked_before_the_first_lease_and_opened_one_dataset_at_a_time() -> None:
    scene = Scene({"a/x": {"reference/1_t.csv": CSV, "fixture/1_t.csv": CSV}})
    assert scene.load().exit_code is ExitCode.DONE
    assert scene.log == [
        "open reference", "open fixture", "lease", "open reference", "load reference", "open fixture", "load fixture",
    ]  # fmt: skip


def test_a_row_that_is_wrong_in_any_file_of_any_target_touches_none() -> None:
    scene = Scene(
        {"a/x": {"reference/1_t.csv": CSV}, "b/x": {"fixture/1_t.csv": CSV, "fixture/2_t.csv": CSV + "4\n"}}
    )
    with pytest.raises(SeedFileError) as caught:
        scene.load()
    assert str(caught.value.at) == "fixture/2_t.csv:5"
    assert "lease" not in scene.log
    assert scene.told == []


def test_sigterm_has_its_own_exit_code_also_beside_a_row_that_is_wrong(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scene = Scene({"a/x": {"reference/1_t.csv": CSV + "4\n"}, "b/x": {"reference/1_t.csv": CSV}})

    def open_last(database: Database, kind: SeedKind) -> Dataset:
        if database.id == "b/x":
            scene.stop.request(ExitCode.TERMINATED)
        return Scene.open(scene, database, kind)

    monkeypatch.setattr(scene, "open", open_last)
    with pytest.raises(SeveralErrors) as caught:
        scene.load(SeedKind.REFERENCE)
    assert [type(each) for each in caught.value.errors] == [SeedFileError, Interrupted]
    assert caught.value.exit_code is ExitCode.TERMINATED


def test_all_datasets_that_are_wrong_are_told_at_once() -> None:
    scene = Scene({"a/x": {"fixture/1_t.csv": CSV + "4\n"}, "b/x": {"reference/1_t.csv": "id,id\n"}})
    with pytest.raises(SeveralErrors) as caught:
        scene.load()
    assert [(each.target, each.what) for each in caught.value.errors] == [
        ("a/x", "the row has 1 field, the header 2"),
        ("b/x", "column id is there twice"),
    ]
    assert caught.value.exit_code is ExitCode.USAGE


def test_a_target_that_nobody_knows_is_refused_before_any_row_is_read() -> None:
    scene = Scene({"a/x": {"fixture/1_t.csv": "id\nbroken,row\n"}, "b/x": {}})
    scene.connected[0].history = scene.connected[1].history = History(None, ())
    with pytest.raises(ForeignTarget) as caught:
        scene.load()
    assert caught.value.what == "seed refuses a/x: a/x is not bound to an environment"
    assert "lease" not in scene.log


def test_a_target_that_nobody_knows_and_that_has_no_seeds_stops_those_of_no_other() -> None:
    scene = Scene({"a/x": {}, "b/x": {"fixture/1_t.csv": CSV}})
    scene.connected[0].history = History(None, ())
    assert scene.load().exit_code is ExitCode.DONE
    assert [each.target for each in scene.of(SeedLoaded)] == ["b/x"]


def test_a_stop_is_heard_while_files_are_checked() -> None:
    scene = Scene({"a/x": {"fixture/1_t.csv": CSV}})
    scene.stop.request(ExitCode.TERMINATED)
    with pytest.raises(Interrupted) as caught:
        scene.load()
    assert caught.value.exit_code is ExitCode.TERMINATED
    assert "lease" not in scene.log


def test_without_a_dataset_no_lease_is_taken() -> None:
    scene = Scene({"a/x": {}})
    assert scene.load().exit_code is ExitCode.DONE
    assert "lease" not in scene.log
    assert scene.told == [TargetDone("a/x")]


def test_the_first_change_is_told_at_once_and_the_rest_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    now = count()
    monkeypatch.setattr("seedbed.execution.seeding.time.monotonic", lambda: next(now) / 4)
    scene = Scene({"a/x": {"volume/1_t.csv": "id\n" + "1\n" * 20}})
    scene.load(SeedKind.VOLUME)
    told = [
        (each.done, each.total, each.changed)
        for each in scene.of(SeedProgressed)
        if isinstance(each, SeedProgressed) and each.verb == "load"
    ]
    assert told[0] == (2, 20, 2)
    assert 1 < len(told) < 10
    assert all(total == 20 for _, total, _ in told)
    assert scene.of(SeedLoaded) == [SeedLoaded("a/x", "volume", "1_t.csv", 20, 0, 0)]


def test_what_stayed_of_a_load_that_failed_counts_as_touched() -> None:
    def breaks(dataset: Dataset, on_loading: OnLoading) -> Iterator[Loaded]:
        on_loading(Loading("fixture/1_t.csv", 1, 0))
        on_loading(Loading("fixture/1_t.csv", 2, 2))
        on_loading(Loading("fixture/1_t.csv", 3, 3))
        yield from refused()

    scene = Scene({"a/x": {"fixture/1_t.csv": CSV}}, breaks, is_touched=True)
    outcome = scene.load(SeedKind.FIXTURE)
    assert outcome.exit_code is ExitCode.PARTIAL
    assert (outcome.targets[0].touched, outcome.targets[0].rows_changed) == (True, 3)
    assert scene.told[-2] == SeedProgressed("a/x", "fixture", "1_t.csv", "load", 3, 3, 3)


def test_an_error_says_that_an_earlier_dataset_stays() -> None:
    def second_breaks(dataset: Dataset, on_loading: OnLoading) -> Iterator[Loaded]:
        yield from each_row(dataset, on_loading) if dataset.kind is SeedKind.REFERENCE else refused()

    files = {"a/x": {"reference/1_t.csv": CSV, "fixture/1_t.csv": CSV}}
    (failed,) = Scene(files, second_breaks, is_touched=True).load().targets
    assert failed.error is not None
    assert (failed.error.exit_code, failed.error.because) == (7, "what reference loaded before it stays")
    (failed,) = Scene(files, second_breaks).load().targets
    assert failed.error is not None
    assert failed.error.because == ""


def test_a_history_that_changed_before_the_lease_was_taken_is_refused_under_it() -> None:
    def require(database: str, history: History) -> None:
        assert (database, history.identity) == ("a/x", None)  # as the lease reads it
        raise StalePlan("the plan no longer fits")

    scene = Scene({"a/x": {"reference/1_t.csv": CSV}})
    assert scene.load(SeedKind.REFERENCE, require=require).exit_code is ExitCode.REFUSED
    assert "load reference" not in scene.log


def test_several_errors_of_one_dataset_are_one_failure_that_names_all_of_them() -> None:
    def breaks(dataset: Dataset, on_loading: OnLoading) -> Iterator[Loaded]:
        names = "1_a.csv", "2_b.csv"
        raise_errors(
            StepFailed("there is no table", because="none is declared", at=Location(each)) for each in names
        )
        yield Loaded("")

    scene = Scene({"a/x": {"fixture/1_t.csv": CSV}}, breaks)
    outcome = scene.load(SeedKind.FIXTURE)
    assert outcome.exit_code is ExitCode.FAILED
    error = outcome.targets[0].error
    assert error is not None
    assert (error.error, str(error.at)) == ("there is no table", "1_a.csv")
    assert error.because == "none is declared\nalso 2_b.csv: there is no table; none is declared"


def test_every_file_of_a_dataset_that_is_wrong_is_told_its_scripts_as_well() -> None:
    files = {
        "fixture/1_t.csv": CSV + "4\n",
        "fixture/2_t.sql": "DROP TABLE t;",
        "fixture/3_t.csv": CSV + "5\n",
    }
    scene = Scene({"a/x": files})

    def check(_database: Database, _kind: SeedKind, script: Script) -> None:
        raise SeedFileError("it drops a table", at=Location(script.path))

    with pytest.raises(SeveralErrors) as caught:
        scene.load(SeedKind.FIXTURE, check=check)
    assert [str(each.at) for each in caught.value.errors] == [
        "fixture/1_t.csv:5",
        "fixture/2_t.sql",
        "fixture/3_t.csv:5",
    ]
    assert "lease" not in scene.log


def test_a_load_that_was_taken_back_leaves_nothing_touched_and_shows_no_progress() -> None:
    def breaks(dataset: Dataset, on_loading: OnLoading) -> Iterator[Loaded]:
        on_loading(Loading("fixture/1_t.csv", 3, 0))
        yield from refused()

    scene = Scene({"a/x": {"fixture/1_t.csv": CSV}}, breaks)
    assert scene.load(SeedKind.FIXTURE).exit_code is ExitCode.FAILED
    assert not any(isinstance(event, SeedProgressed) for event in scene.told)


def test_a_part_that_stays_is_told_before_the_next_one_fails() -> None:
    def breaks(dataset: Dataset, on_loading: OnLoading) -> Iterator[Loaded]:
        yield Loaded("fixture/1_t.csv", 3)
        yield from refused()

    scene = Scene({"a/x": {"fixture/1_t.csv": CSV}}, breaks)
    outcome = scene.load(SeedKind.FIXTURE)
    assert outcome.exit_code is ExitCode.PARTIAL
    assert outcome.targets[0].rows_changed == 3


def test_how_far_the_check_of_a_large_file_is_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    now = count()
    monkeypatch.setattr("seedbed.execution.seeding.time.monotonic", lambda: next(now))
    scene = Scene({"a/x": {"volume/1_t.csv": "id\n" + "1\n" * 2500}})
    scene.load(SeedKind.VOLUME)
    checked = [
        each for each in scene.of(SeedProgressed) if isinstance(each, SeedProgressed) and each.verb == "check"
    ]
    assert [(each.done, each.total, each.changed) for each in checked] == [
        (1000, 0, 0),
        (2000, 0, 0),
        (2500, 0, 0),
    ]
    assert scene.log.index("lease") > 0
    assert not fold(checked).changed
