"""What a command says in a task gets into its record, whatever characters are in it."""

from __future__ import annotations

import io
from typing import Any, cast

import msgspec

from seedbed.cli.travel.recorder import Recorder
from seedbed.documents.errors import ErrorDocument
from seedbed.errors import Refused
from seedbed.model.event import ServerNotice
from seedbed.model.secret import Redactor, Secret
from seedbed.remote.records import Asked, Entry, Happened, Terminal, Written, decoded, encoded
from seedbed.remote.worker import Worker

BROKEN = b"caf\xe9 hunter2".decode(errors="surrogateescape")


class Worked:
    """A worker that has nobody to tell, and encodes all the same."""

    def __init__(self) -> None:
        self.told: list[Entry] = []

    def written(self, stream: Any, text: str) -> None:
        self.told.append(decoded(encoded(Written(stream, text))))

    def event(self, event: Any) -> None:
        self.told.append(decoded(encoded(Happened(event))))

    def answer(self, question: str, **_: Any) -> str:
        self.told.append(decoded(encoded(Asked(0, question))))
        return "yes"


def test_what_is_no_utf_8_is_spelled_out_and_secrets_are_masked() -> None:
    worked, log = Worked(), io.StringIO()
    recorder = Recorder(cast("Worker", worked), Terminal(), Redactor([Secret("hunter2")]), log)
    with recorder.installed():
        print(BROKEN)
    recorder._happened(ServerNotice("user/postgres", "", "NOTICE", BROKEN))
    assert recorder.ask(BROKEN)
    recorder.keep(ErrorDocument.of(Refused(BROKEN), "apply", "dev-ana"))
    told = msgspec.json.encode([worked.told, recorder.document]).decode()
    assert told.count(r"caf\\udce9 ********") == 4
    assert "hunter2" not in told + log.getvalue()


class Full(io.StringIO):
    """A log that takes nothing more."""

    def write(self, text: str) -> int:
        raise OSError(28, "No space left on device")


def test_a_log_that_takes_nothing_more_ends_no_step() -> None:
    worked = Worked()
    recorder = Recorder(cast("Worker", worked), Terminal(), Redactor(), Full())
    with recorder.installed():
        print("half way")
    assert worked.told[0] == Written("stdout", "half way")
