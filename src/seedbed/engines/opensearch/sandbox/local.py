"""One OpenSearch node on this machine: how it is configured, started and known to be ready."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from seedbed.engines.opensearch.sandbox.software import installed, lock
from seedbed.engines.opensearch.sandbox.training import train
from seedbed.servers import aot_cache, java, jvm, ports
from seedbed.servers.identity import current_user
from seedbed.servers.server import Check, Server

JAVA = 21
NAME = "opensearch"
MAIN = "org.opensearch.bootstrap.OpenSearch"
OPTIONS = (
    *jvm.SMALL,
    *jvm.heap(least=128, most=512),
    "-Djna.nosys=true",  # these three: it starts as root, too
    "-Djna.nounpack=true",
    "-Djna.boot.library.path=/nonexistent",
    "-Dlog4j2.disable.jmx=true",
    "-Dopensearch.distribution.type=zip",
    "-Dopensearch.bundled_jdk=false",
    "-Djava.locale.providers=CLDR,SPI",  # SPI: what ICU lends to a Java without all languages
)
QUESTION = (
    b"GET /_cluster/health?wait_for_status=yellow&timeout=1s HTTP/1.1\r\n"
    b"Host: localhost\r\nConnection: close\r\n\r\n"
)
ANSWER = b"HTTP/1.1 200"
LOGGING = """\
status = error
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = [%d{ISO8601}][%-5p][%c{1.}] %m%n
rootLogger.level = warn
rootLogger.appenderRef.console.ref = console
"""


def server(folder: Path) -> Server:
    """Return the server that lives in the directory `folder`; it is fetched if need be. Raises SandboxError."""
    program = java.runtime(JAVA)
    software = installed()
    lasting = [*OPTIONS, f"-Dopensearch.path.home={software}", "-cp", _classes(software), MAIN]

    def describe(directory_: Path, more: Sequence[str]) -> Server:
        return _server(directory_, program, [*more, *lasting])

    return describe(folder, aot_cache.options(NAME, lock().title, program, lasting, describe, train))


def _classes(software: Path) -> str:
    return jvm.class_path([software / "lib", software / "icu"])


def _server(folder: Path, program: Path, arguments: Sequence[str]) -> Server:
    port = ports.choose_port(folder)
    return Server(
        name=lock().title,
        directory=folder,
        argv=[str(program), f"@{folder / 'arguments'}"],
        environment={"PATH": os.defpath, "HOME": str(folder)},
        identity=current_user(),
        ready=[Check("tcp", port=port, says=QUESTION.hex(), hears=ANSWER.hex())],
        stop=[(signal.SIGTERM, 60.0)],
        death_signal=signal.SIGTERM,
        before=lambda: _configure(folder, arguments, port),
    )


def _configure(folder: Path, arguments: Sequence[str], port: int) -> None:
    """Write the configuration of the start that comes; `arguments` of the JVM end with the main class."""
    for name in ("tmp", "conf", "logs"):
        shutil.rmtree(folder / name, ignore_errors=True)
        (folder / name).mkdir()
    (folder / "snap").mkdir(exist_ok=True)
    (folder / "conf" / "opensearch.yml").write_text(json.dumps(_settings(folder, port)), encoding="utf-8")
    (folder / "conf" / "log4j2.properties").write_text(LOGGING, encoding="utf-8")
    ports.save_port(folder, port)
    own = [f"-Djava.io.tmpdir={folder / 'tmp'}", f"-Dopensearch.path.conf={folder / 'conf'}"]
    jvm.write_arguments(folder / "arguments", [*own, *arguments])


def _settings(folder: Path, port: int) -> Mapping[str, Any]:
    return {
        "cluster.name": "sandbox",
        "node.name": "sandbox",
        "network.host": "127.0.0.1",
        "http.port": port,
        "transport.port": "0",
        "discovery.type": "single-node",
        "path.data": str(folder / "data"),
        "path.logs": str(folder / "logs"),
        "path.repo": [str(folder / "snap")],
        "cluster.routing.allocation.disk.threshold_enabled": False,
        "node.store.allow_mmap": False,
        "script.max_compilations_rate": "10000/1m",
        "knn.memory.circuit_breaker.enabled": False,
    }
