"""What a command costs that a warm worker carries out in its network, beside the same one called there directly.

``python -m benchmarks.runs [--rounds N] [--only NAME]``

Both are whole processes, `seedbed apply` from its start to its end, on the same database, and take turns; who begins a
round changes. What counts is the difference of neighbours. The worker is `seedbed --warm`, a process of its own with
the variables that its task definition would give it; it begins a process for each run. AWS is the sandbox's, behind a
proxy that holds back each call: of the caller by what a laptop is away from its region, of the worker by what a subnet
is. The database is beside both, which favours the direct call. Between two calls both rest for three seconds.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from msgspec.structs import replace

from benchmarks.lines import Difference, keep, machine, more_than
from seedbed.aws.items import Table
from seedbed.aws.objects import Bucket
from seedbed.engines.dynamodb.sandbox.ministack import ministack
from seedbed.engines.dynamodb.sandbox.world import World
from seedbed.engines.postgres.sandbox import EmbeddedServer, embedded
from seedbed.remote.control import Control
from tests.support.afar import define, make_network, put_facts
from tests.support.aws_proxy import proxy
from tests.support.processes import until
from tests.support.projects import ProjectFiles, clean_environment, command, variables
from tests.support.remote import make_records
from tests.support.servers import new_account

MOST = 3.0  # seconds
ENVIRONMENT = "dev-bench"
MIGRATIONS = 20
RECORDS = "bench-dev-seedbed"
LAPTOP, SUBNET = 0.04, 0.005  # seconds from a call to its answer, besides what AWS takes
REST = 3.0  # seconds between two calls: who edits a migration takes longer
CASES = ("nothing", "one")


class Afar:
    """A platform with one database, reached directly (`inside`: the variables that say how) and by a worker."""

    def __init__(self, root: Path, caller: Mapping[str, str], inside: Mapping[str, str]) -> None:
        self.files = ProjectFiles(root)
        self.files.tables(MIGRATIONS)
        self._caller, self._inside = caller, inside
        self._count = MIGRATIONS

    def more(self) -> None:
        """Write one more migration."""
        self._count += 1
        self.files.tables(1, first=self._count)

    def spent(self, *, direct: bool) -> float:
        """Return the seconds that `apply` took. Raises RuntimeError where it did not end well."""
        words, env = (["--local"], {**self._caller, **self._inside}) if direct else ([], dict(self._caller))
        began = time.perf_counter()
        ran = subprocess.run(
            command("apply", "-e", ENVIRONMENT, *words),
            cwd=self.files.root,
            env=clean_environment({**env, "PYTHONDONTWRITEBYTECODE": ""}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        seconds = time.perf_counter() - began
        if ran.returncode or (not direct and "by a worker that was waiting" not in ran.stderr):
            raise RuntimeError(ran.stdout + ran.stderr)
        return seconds


@contextmanager
def afar(room: Path, world: World, server: EmbeddedServer) -> Iterator[Afar]:
    """Yield a platform whose environment has a worker that waits."""
    root = room / "platform"
    root.mkdir()
    cloud = world.cloud
    make_records(cloud, RECORDS, RECORDS)
    with ExitStack() as closing:
        far, near = (closing.enter_context(proxy(world.endpoint)) for _ in range(2))
        far.delay(lambda _call: True, LAPTOP)
        near.delay(lambda _call: True, SUBNET)
        assert cloud.secret_key is not None
        keys = {"AWS_ACCESS_KEY_ID": cloud.access_key, "AWS_SECRET_ACCESS_KEY": cloud.secret_key.reveal()}
        server.ensure_database("bench")
        inside = {
            **variables(server, "bench"),
            "SEEDBED_CONTROL_TABLE": RECORDS,
            "SEEDBED_CONTROL_BUCKET": RECORDS,
            "SEEDBED_ENV": ENVIRONMENT,
            "SEEDBED_FILES": "upload",
            "AWS_REGION": cloud.region,
        }
        facts = {
            "control": {"table": RECORDS, "bucket": RECORDS, "log-group": "x"},
            "task": {**make_network(cloud), "task-definition": define(cloud, inside)},
        }
        put_facts(cloud, "sample", ENVIRONMENT, facts)
        platform = Afar(root, {**keys, "AWS_ENDPOINT_URL": far.endpoint}, inside)
        manifest = root / "seedbed.toml"
        declared = f'account = "{cloud.account}"\nregion = "{cloud.region}"\naccess = "task"\n'
        manifest.write_text(manifest.read_text().replace('account = "111111111111"\n', declared))
        with (room / "worker.log").open("w") as log:
            worker = subprocess.Popen(
                command("--warm"),
                cwd=room,
                env=clean_environment({**keys, **inside, "AWS_ENDPOINT_URL": near.endpoint}),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        closing.callback(worker.wait)
        closing.callback(worker.terminate)
        control = Control(Table(cloud, RECORDS), Bucket(cloud, RECORDS), ENVIRONMENT)
        assert until(lambda: control.warm() is not None, 60)
        yield platform


def measured(platform: Afar, case: str, rounds: int) -> Difference:
    """Let both take turns, after a turn each that does not count."""
    ours, direct = list[float](), list[float]()
    for round_ in range(rounds + 1):
        for is_direct in (round_ % 2 == 0, round_ % 2 == 1):
            if case == "one":
                platform.more()
            time.sleep(REST)
            seconds = platform.spent(direct=is_direct)
            if round_:
                (direct if is_direct else ours).append(seconds)
    return more_than(f"apply, {case} to do", "s", ours, "directly", direct, MOST)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.runs", description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--only", choices=CASES, action="append", help="measure only this; may be repeated")
    asked = parser.parse_args(arguments)
    with ExitStack() as closing:
        room = Path(closing.enter_context(tempfile.TemporaryDirectory(prefix="seedbed-bench-")))
        server = closing.enter_context(embedded(room / "server"))
        world = replace(closing.enter_context(ministack(room / "aws", keeps=False)), account=new_account())
        facts = machine(
            "botocore",
            rounds=asked.rounds,
            laptop=LAPTOP,
            subnet=SUBNET,
            nice=os.getpriority(os.PRIO_PROCESS, 0),
        )
        platform = closing.enter_context(afar(room, world, server))
        lines = []
        for case in asked.only or CASES:
            lines.append(measured(platform, case, asked.rounds))
            print(lines[-1], flush=True)
    if not asked.only:
        keep("runs", {**facts, "load_after": os.getloadavg()[0]}, lines)
    return 0


if __name__ == "__main__":
    sys.exit(main())
