"""The tools that `benchmarks.apply` compares with: pinned, checked, and kept in a cache; no part of any install.

goose and tern are built from their modules (`go.mod`, `go.sum`), with the drivers of PostgreSQL alone, which start
fastest. dbmate is the binary in its npm package, whose checksum stands here. psql is the server's own or the system's.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
MODULES = {"goose": "github.com/pressly/goose/v3/cmd/goose", "tern": "github.com/jackc/tern/v2"}
_TAGS = "no_clickhouse no_libsql no_mssql no_mysql no_sqlite3 no_vertica no_ydb"  # goose's drivers of other databases
_DBMATE = "@dbmate/linux-x64@2.36.0"
_DBMATE_SHA512 = "LdLpgyuluwJ93rWcvJjdlsjJ8rBeeAH52h3dSk0zAMaLrQn49dup1/o2tFpG1jM9f767HkuXdBrrjy6ZwG9BSg=="
# What `seedbed[postgres]` brings, in the versions of our lock.
PACKAGES = ("click", "msgspec", "postgast", "protobuf", "psycopg", "psycopg-binary", "typing-extensions")


class Missing(Exception):
    """A tool cannot be had here."""


def cache() -> Path:
    """Return the directory that keeps what was built and fetched."""
    home = os.environ.get("SEEDBED_BENCH_CACHE") or Path.home() / ".cache" / "seedbed-benchmarks"
    path = Path(home)
    path.mkdir(parents=True, exist_ok=True)
    return path


def psql(server_bin: Path) -> Path:
    """Return psql: beside the server, or the system's. Raises Missing."""
    found = server_bin / "psql" if (server_bin / "psql").exists() else shutil.which("psql")
    if found is None:
        raise Missing("the system has no psql")
    return Path(found)


def built(name: str) -> Path:
    """Return goose or tern, built from its module with the sums in go.sum. Raises Missing."""
    sums = hashlib.sha256((HERE / "go.sum").read_bytes()).hexdigest()[:12]
    target = cache() / f"{name}-{sums}"
    if not target.exists():
        if shutil.which("go") is None:
            raise Missing("the system has no Go to build it with")
        environment = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false -mod=readonly"}
        _run(["go", "build", "-tags", _TAGS, "-o", str(target), MODULES[name]], cwd=HERE, env=environment)
    return target


def dbmate() -> Path:
    """Return the binary of dbmate's package in the npm registry. Raises Missing."""
    target = cache() / f"dbmate-{_DBMATE.rpartition('@')[2]}"
    if not target.exists():
        if shutil.which("npm") is None or sys.platform != "linux" or os.uname().machine != "x86_64":
            raise Missing("the system has no npm to fetch it with, or is not Linux on x86_64")
        archive = cache() / _run(["npm", "pack", "--silent", _DBMATE], cwd=cache()).split()[-1]
        found = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
        if found != _DBMATE_SHA512:
            raise Missing(f"its package has another checksum than {_DBMATE_SHA512[:12]}…")
        with tarfile.open(archive) as files:
            member = files.extractfile("package/bin/dbmate")
            assert member is not None
            target.write_bytes(member.read())
        target.chmod(0o755)
    return target


def bare() -> Path:
    """Return the interpreter of an environment with seedbed as it is now and the locked packages, nothing else.

    Raises Missing.
    """
    pins = _pins()
    folder = cache() / f"bare-{hashlib.sha256(pins.encode()).hexdigest()[:12]}"
    python = folder / "bin" / "python"
    if not python.exists():
        _run([sys.executable, "-m", "venv", str(folder)])
        (folder / "locked.txt").write_text(pins, encoding="utf-8")
        _run(
            [str(python), "-m", "pip", "install", "-q", "--require-hashes", "-r", str(folder / "locked.txt")]
        )
    wheels = folder / "wheels"
    shutil.rmtree(wheels, ignore_errors=True)
    build = ["wheel", "-q", "--no-deps", "--no-build-isolation", "-w", str(wheels), str(ROOT)]
    _run([sys.executable, "-m", "pip", *build])
    (wheel,) = wheels.iterdir()
    _run([str(python), "-m", "pip", "install", "-q", "--no-deps", "--force-reinstall", str(wheel)])
    return python


def _pins() -> str:
    """Return the lines of our lock that PACKAGES have, with their hashes."""
    text = (ROOT / "requirements" / "dev.txt").read_text(encoding="utf-8")
    entries = re.split(r"\n(?=[a-z0-9])", text)
    wanted = [each for each in entries if re.split(r"[=\[ ]", each, maxsplit=1)[0] in PACKAGES]
    if len(wanted) != len(PACKAGES):
        raise Missing("the lock has not all of its packages")
    return "\n".join(wanted) + "\n"


def version(program: Path, *arguments: str) -> str:
    return _run([str(program), *arguments]).strip().splitlines()[0]


def _run(arguments: Sequence[str], *, cwd: Path | None = None, env: dict[str, str] | None = None) -> str:
    done = subprocess.run(arguments, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr or done.stdout).strip().splitlines()[-1:]
        raise Missing(f"`{' '.join(arguments[:3])} …` failed: {''.join(last)}")
    return done.stdout or done.stderr
