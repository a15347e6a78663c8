"""The reference engine keeps the contract."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest

pytest.register_assert_rewrite("seedbed.testing")

from seedbed.engines import registry  # noqa: E402
from seedbed.engines.base import Embedded  # noqa: E402
from seedbed.errors import (  # noqa: E402
    Location,
    MigrationFileError,
    SeedbedError,
    StepFailed,
    UsageError,
)
from seedbed.model.migration import Migration, MigrationFile, Phase, Source, checksum  # noqa: E402
from seedbed.project import Project  # noqa: E402
from seedbed.testing import (  # noqa: E402
    AtomicLoadContract,
    Bench,
    EngineContract,
    IdsContract,
    LeaseContract,
    LoadContract,
    LossContract,
    OneOwnerContract,
    PlaceContract,
    PresenceContract,
    QueryContract,
    ResetContract,
    SchemaContract,
    ScriptContract,
    TroubleContract,
    UnlockContract,
    VerifiedContract,
    reference,
)
from seedbed.testing.reference import engine  # noqa: E402
from seedbed.testing.reference.address import address  # noqa: E402
from seedbed.testing.reference.client import Connection  # noqa: E402

_numbers = count()  # of databases, whichever harness asks


class Inside:
    """A closed door."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def wait_until_inside(self, timeout: float) -> bool:
        return bool(self._connection.ask("inside", timeout=timeout)["inside"])


class MemoryHarness:
    """Databases in one server; what waits, waits at a door."""

    entry_point = "seedbed.testing.reference:engine"
    suffix = ".mem"
    script_suffix = ".mem"
    comment = "#"
    options: Mapping[str, Any] = {}
    leaves_work = True

    def __init__(self, server: Embedded) -> None:
        self._server = server

    def settings(self) -> Mapping[str, str]:
        return self._server.settings(f"contract/{next(_numbers)}")

    def nowhere(self) -> Mapping[str, str]:
        return {"socket": "/nowhere/socket"}

    def creates(self, thing: str) -> str:
        return f"# migrate:up\ncreate {thing}\n\n# migrate:down\ndrop {thing}\n"

    def adds(self, table: str) -> str:
        return f'# migrate:up\nadd {table} {{"name": "one more"}}\n'

    def removes(self, table: str) -> str:
        return f"# migrate:up\ncreate {table}_copy\n\n# migrate:down\ndrop {table}\n"

    def fails(self, thing: str) -> str:
        return f'# migrate:up\ncreate {thing}\nput {thing} 1 {{}}\nfail "because the test says so"\n'

    def fails_down(self, thing: str) -> str:
        return (
            f'# migrate:up\ncreate {thing}\n\n# migrate:down\ndrop {thing}\nfail "because the test says so"\n'
        )

    def waits(self, thing: str) -> str:
        return f"# migrate:up\ncreate {thing}\nwait door\n"

    def probeable(self, thing: str, on: str) -> str:
        up, down = f"slow create {thing} door", f"slow drop {thing} door"
        return f"# migrate:up transaction:false\n{up}\n\n# migrate:down transaction:false\n{down}\n"

    def unprovable(self, thing: str) -> str:
        return f"# migrate:up transaction:false\nmystery create {thing} door\n"

    def repeatable(self, table: str) -> str:
        statement = f'mystery put {table} 1 {{"name": "again"}} door'
        settings = 'repeatable because "it leaves the same row"'
        return f"# seedbed: {settings}\n# migrate:up transaction:false\n{statement}\n"

    def backfill(self, table: str, batch: int) -> str:
        return f"# seedbed: backfill={table}.id batch={batch}\n# migrate:up\nincrement {table} visits 1\n"

    def finds(self, table: str, name: str) -> str:
        return f"rows {table} name {name}"

    def counts(self, table: str) -> str:
        return f"rows {table}"

    def misspells(self, table: str) -> str:
        return f"show {table}"

    def writes(self, table: str) -> Sequence[str]:
        return [f'add {table} {{"name": "written"}}', f"delete {table} 1"]

    def script(self, table: str) -> str:
        return f'put {table} 7 {{"name": "seven"}}\n'

    def _ask(self, settings: Mapping[str, str], do: str, **request: Any) -> dict[str, Any]:
        with Connection(address(settings, None)) as connection:
            return connection.ask(do, **request)

    def made(self, settings: Mapping[str, str]) -> Collection[str]:
        return list(self._ask(settings, "tables")["tables"])

    def rows(self, settings: Mapping[str, str], table: str) -> Sequence[Mapping[str, Any]]:
        rows: Sequence[Mapping[str, Any]] = self._ask(settings, "tables")["tables"][table]
        return rows

    def audit(self, settings: Mapping[str, str]) -> Sequence[str]:
        return [" ".join(line.values()) for line in self._ask(settings, "audit")["audit"]]

    @contextmanager
    def hold(self, settings: Mapping[str, str]) -> Iterator[Inside]:
        with Connection(address(settings, None)) as connection:
            connection.ask("door", name="door", closed=True)
            try:
                yield Inside(connection)
            finally:
                connection.ask("door", name="door", closed=False)

    def break_lease(self, settings: Mapping[str, str]) -> None:
        self._ask(settings, "break", cut=True)

    troubles = ("lost",)

    @contextmanager
    def trouble(self, settings: Mapping[str, str], kind: str, after: int) -> Iterator[None]:
        self.break_lease(settings)
        yield

    def age_lease(self, settings: Mapping[str, str]) -> None:
        """Its lease ends with the connection of its holder."""

    def age_history(self, settings: Mapping[str, str]) -> None:
        self._ask(settings, "age")

    def lose_identity(self, settings: Mapping[str, str]) -> None:
        self._ask(settings, "lose_identity")


class ExpiringHarness(MemoryHarness):
    """Leases are lost without a word, as they are where they expire: only the token tells."""

    def break_lease(self, settings: Mapping[str, str]) -> None:
        self._ask(settings, "break", cut=False)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Embedded]:
    with engine.embedded(tmp_path_factory.mktemp("memory")) as running:
        yield running


@pytest.fixture(scope="session")
def harness(server: Embedded) -> MemoryHarness:
    return MemoryHarness(server)


class TestMemory(EngineContract): ...


class TestMemoryFences(LeaseContract, LoadContract, ResetContract):
    @pytest.fixture
    def harness(self, server: Embedded) -> MemoryHarness:
        return ExpiringHarness(server)


class TestMemoryInTrouble(TroubleContract): ...


class TestMemoryLoadsAtomically(AtomicLoadContract): ...


class TestMemoryRunsScripts(ScriptContract): ...


class TestMemoryResets(ResetContract): ...


class TestMemoryDescribesItself(SchemaContract): ...


class TestMemoryUnlocks(UnlockContract): ...


class TestMemoryCountsLosses(LossContract): ...


class TestReferenceReadsIds(IdsContract): ...


class TestReferenceHasOneOwner(OneOwnerContract): ...


class TestReferenceKnowsItsPlace(PlaceContract): ...


class TestReferenceTellsWhatIsThere(PresenceContract): ...


class TestReferenceAnswersQueries(QueryContract): ...


class TestReferenceKeepsWhatVerifyFinds(VerifiedContract): ...


def test_a_server_ends_with_its_owner(tmp_path: Path) -> None:
    with engine.embedded(tmp_path) as running:
        socket = Path(running.settings("user/memory")["socket"])
        assert socket.exists()
    assert not socket.exists()


def test_a_home_whose_path_is_too_long_for_a_socket_works_too(tmp_path: Path) -> None:
    home = tmp_path / ("long" * 30)
    with (
        engine.embedded(home) as running,
        Connection(address(running.settings("user/memory"), None)) as connection,
    ):
        assert connection.ask("history")["revisions"] == []


def test_a_server_ends_when_its_owner_is_killed(tmp_path: Path) -> None:
    script = (
        "import sys, pathlib\n"
        "from seedbed.testing.reference import engine\n"
        "with engine.embedded(pathlib.Path(sys.argv[1])) as running:\n"
        "    print(running.settings('x')['socket'], flush=True)\n"
        "    sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as owner:
        assert owner.stdout is not None
        socket = Path(owner.stdout.readline().strip())
        assert socket.is_socket()
        owner.kill()
    for _ in range(100):
        if not socket.exists():
            break
        time.sleep(0.05)
    assert not socket.exists()


def parsed(text: str) -> Migration:
    source = Source("migrations/1_x.mem", ".mem", text.encode())
    return engine.parse(MigrationFile("1", "x", source, checksum(source.data)))


def test_a_section_is_one_atomic_step() -> None:
    migration = parsed("# seedbed: phase=migrate\n\n# migrate:up\n\ncreate users\nput users 1 {}\n")
    (step,) = migration.up
    assert (step.body, step.line, step.atomic) == ("create users\nput users 1 {}", 5, True)
    assert migration.phase is Phase.MIGRATE


def test_outside_of_a_transaction_every_statement_is_a_step() -> None:
    migration = parsed("# migrate:up transaction:false\ncreate a\nslow create b 0.5\nmystery add a {} 0\n")
    assert [(each.index, each.line, each.atomic) for each in migration.up] == [
        (0, 2, True),
        (1, 3, False),
        (2, 4, False),
    ]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("create users\n", 0),
        ("# migrate:down\ndrop users\n", 1),
        ("# migrate:up\n\n# nothing\n", 1),
        ("# migrate:up\ncreate users\nmake coffee\n", 3),
        ("# migrate:up\ncreate users;\n", 2),
        ("# migrate:up\nput users 1 [1]\n", 2),
        ("# migrate:up\nput users 1 {\n", 2),
        ("# migrate:up\nsleep long\n", 2),
        ("# migrate:up\nslow create users 0.5\n", 2),
        ("# migrate:up transaction:false\nslow put users 1 {} 0.5\n", 2),
        ("# migrate:up nonsense\ncreate users\n", 1),
        ("# seedbed: phase=later\n# migrate:up\ncreate users\n", 1),
        ("# seedbed: colour=blue\n# migrate:up\ncreate users\n", 1),
        ("# seedbed: backfill=users.id\n# migrate:up\ncreate users\n", 2),
        ("# seedbed: after=20260101\n# migrate:up\ncreate users\n", 1),
        ("# seedbed: irreversible\n# migrate:up\ncreate users\n", 1),
    ],
)
def test_a_file_that_is_wrong_is_refused_with_its_line(text: str, line: int) -> None:
    with pytest.raises(MigrationFileError) as caught:
        parsed(text)
    assert caught.value.at == Location("migrations/1_x.mem", line)


def test_a_failing_statement_is_told_with_its_line(harness: MemoryHarness) -> None:
    bench = Bench(harness)
    with pytest.raises(StepFailed) as caught:
        bench.apply(bench.text("# migrate:up\ncreate users\n\ndrop orders\n"))
    assert caught.value.at is not None
    assert caught.value.at.line == 5  # the suite puts a line of directives above
    assert caught.value.because == "there is no table 'orders'"


def test_a_manifest_declares_it_only_where_it_is_installed(tmp_path: Path) -> None:
    (tmp_path / "seedbed.toml").write_text(
        '[platform]\nname = "sample"\n[services.shop.memory]\n', encoding="utf-8"
    )
    with pytest.raises(SeedbedError) as caught:
        Project.open(tmp_path)
    assert "memory" in str(caught.value)
    with reference.installed():
        assert [each.id for each in Project.open(tmp_path).catalog.databases()] == ["shop/memory"]
    with pytest.raises(UsageError, match="there is no engine 'memory'"):
        registry.load("memory")
