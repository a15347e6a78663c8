"""The program: connections, and the end of the process."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import socket
import sys
import threading

from .requests import Server


def serve(server: Server, connection: socket.socket) -> None:
    """Answer one connection; requests are carried out in order, and its end is seen while one is running."""
    session = server.enter(connection)
    requests: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()

    def work() -> None:
        while (line := requests.get()) is not None:
            answer = server.answer(session, json.loads(line))
            with contextlib.suppress(OSError):
                connection.sendall(json.dumps(answer).encode() + b"\n")

    worker = threading.Thread(target=work, daemon=True)
    worker.start()
    try:
        with contextlib.suppress(OSError), connection.makefile("rb") as lines:
            for line in lines:
                requests.put(line)
    finally:
        requests.put(None)
        server.leave(session)
        worker.join()
        connection.close()


def end_with_owner(path: str) -> None:
    """End this process when its standard input ends: whoever started it is gone."""
    while os.read(0, 4096):
        pass
    with contextlib.suppress(OSError):
        os.unlink(path)
    os._exit(0)


def main(path: str) -> None:
    """Serve on the unix socket `path` until standard input ends; `ready` on standard output says it is up."""
    server = Server()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        os.chmod(path, 0o600)
        listener.listen(128)
        threading.Thread(target=end_with_owner, args=(path,), daemon=True).start()
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=serve, args=(server, connection), daemon=True).start()
