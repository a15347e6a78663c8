"""One Neo4j Community server on this machine: how it is configured, started and known to be ready."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from seedbed.engines.neo4j.sandbox.training import train
from seedbed.servers import aot_cache, jars, java, jvm, ports
from seedbed.servers.identity import current_user
from seedbed.servers.server import Check, Server

JAVA = 21
NAME = "neo4j"
MAIN = "org.neo4j.server.Neo4jCommunity"
LOCK = Path(__file__).with_name("neo4j.lock")
OPENED = ("java.nio", "java.io", "sun.nio.ch", "java.util.concurrent", "java.lang")
OPTIONS = (
    *jvm.SMALL,
    *jvm.heap(least=128, most=512),
    *(f"--add-opens=java.base/{each}=ALL-UNNAMED" for each in OPENED),
    "-Dlog4j2.disable.jmx=true",
    "-Dio.netty.tryReflectionSetAccessible=true",
)
# Most of its work is planning, in many methods that each run a few times. What is compiled fills the 48 MB that a JVM
# with one compiler has for it: it then collects everything, every few MB; a twelfth of its time while a platform is
# migrated and seeded. More is set aside here, and used only as far as it is needed.
COMPILING = ("-XX:CompileThresholdScaling=0.1", "-XX:ReservedCodeCacheSize=240m")
HANDSHAKE = bytes.fromhex(
    "6060b017 00000404 00000000 00000000 00000000"
)  # Bolt 4.4, which every version speaks
AGREED = bytes.fromhex("00000404")


@cache
def lock() -> jars.Lockfile:
    """Return what Neo4j consists of."""
    return jars.read(LOCK.read_text(encoding="utf-8"))


def server(folder: Path, *, has_login: bool = False) -> Server:
    """Return the server that lives in the directory `folder`; its jars are fetched if need be. Raises SandboxError.

    `has_login`: it lets in those who have its password, which is that of a new server until it is changed.
    """
    program = java.runtime(JAVA)
    classes = jvm.class_path([jars.fetch(lock(), jars.cache(), NAME)])

    def describe(directory_: Path, more: Sequence[str]) -> Server:
        arguments = [*OPTIONS, *COMPILING, *more, "-cp", classes, MAIN]
        return _server(directory_, program, arguments, has_login=has_login)

    lasting = [*OPTIONS, classes, MAIN]
    return describe(folder, aot_cache.options(NAME, lock().title, program, lasting, describe, train))


def _server(folder: Path, program: Path, arguments: Sequence[str], *, has_login: bool) -> Server:
    port = ports.choose_port(folder)
    return Server(
        name=lock().title,
        directory=folder,
        argv=[str(program), f"@{folder / 'arguments'}"],
        environment={
            "PATH": os.defpath,
            "HOME": str(folder),
            "NEO4J_HOME": str(folder),
            "NEO4J_CONF": str(folder / "conf"),
        },
        identity=current_user(),
        ready=[
            Check("file", path=str(folder / "log"), contains="Started."),
            Check("tcp", port=port, says=HANDSHAKE.hex(), hears=AGREED.hex()),
        ],
        stop=[(signal.SIGTERM, 60.0)],
        death_signal=signal.SIGTERM,
        before=lambda: _configure(folder, arguments, port, has_login=has_login),
    )


def _configure(folder: Path, arguments: Sequence[str], port: int, *, has_login: bool) -> None:
    """Write the configuration of the start that comes; `arguments` of the JVM end with the main class."""
    for name in ("tmp", "conf", "logs"):
        shutil.rmtree(folder / name, ignore_errors=True)
        (folder / name).mkdir()
    settings = "".join(
        f"{key}={value}\n" for key, value in _settings(folder, port, has_login=has_login).items()
    )
    (folder / "conf" / "neo4j.conf").write_text(settings, encoding="utf-8")
    ports.save_port(folder, port)
    own = [f"--home-dir={folder}", f"--config-dir={folder / 'conf'}", "--console-mode"]
    scratch = f"-Djava.io.tmpdir={folder / 'tmp'}"
    jvm.write_arguments(folder / "arguments", [scratch, *arguments, *own])


def _settings(folder: Path, port: int, *, has_login: bool) -> Mapping[str, str]:
    return {
        "server.directories.data": str(folder / "data"),
        "server.directories.logs": str(folder / "logs"),
        "server.directories.import": str(folder / "import"),
        "server.default_listen_address": "127.0.0.1",
        "server.bolt.listen_address": f"127.0.0.1:{port}",
        "server.bolt.advertised_address": f"127.0.0.1:{port}",
        "server.http.enabled": "false",
        "server.https.enabled": "false",
        "dbms.security.auth_enabled": str(has_login).lower(),
        "dbms.usage_report.enabled": "false",
        "server.fleet_discovery.enabled": "false",  # it would look for others by broadcasting
        "server.memory.pagecache.size": "16m",
        "dbms.memory.transaction.total.max": "256m",
        "db.tx_log.preallocate": "false",
        "db.tx_log.rotation.size": "1m",
        "db.tx_log.rotation.retention_policy": "false",
        "db.checkpoint.iops.limit": "-1",
        "db.shutdown_transaction_end_timeout": "0s",
        "internal.dbms.bolt.netty_server_shutdown_quiet_period_duration": "0s",  # else a stop takes ten seconds
    }
