"""The records of an environment: its table and its bucket, with every change that a caller or a worker makes there.

Each change is one conditional write, so that two callers, two workers, or the second try of a write whose answer was
lost leave what one of them would. All raise what `seedbed.aws` raises: Unavailable where AWS does not answer.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec import Struct

from seedbed.aws.clients import ATTEMPTS
from seedbed.aws.faults import Denied
from seedbed.aws.items import Table, Write
from seedbed.aws.objects import Bucket
from seedbed.errors import OutcomeUnknown, Refused, Unavailable
from seedbed.remote.records import Ask, Blob, Listed, Run, blob_of, new_id
from seedbed.support.typed import ready

INLINE = 300_000  # bytes that stand beside a record; an item of a table has 400 KB at most
LINES = 100_000  # bytes of lines in one item
FRESH = 30.0  # seconds for which a beat says that its worker lives
WARM_FRESH = 15.0
WRITING = "writing"  # the part of the item that says which run writes
GONE = "-"  # in the place of the id of a run that stood in the way, and does not any more
# What keeps a pointer as it is. Who meets one looks at the record, too; and the task may not touch those of another
# environment, whatever a record says.
_NO_POINTER = (Unavailable, Denied)
_NUMBER = "event#{:08d}"
_LAST = "event#99999999"
_RUN_FIELDS = (
    "state",
    "task",
    "worker",
    "beat",
    "stop",
    "answers",
    "exit_code",
    "because",
    "document",
    "outputs",
    "ended",
)


class Warm(Struct, frozen=True):
    """A worker that waits for runs: its task, and when it was last heard of."""

    task: str
    beat: float


class Control:
    """The records of all runs of `environment`. Thread-safe.

    A table and a bucket may hold the records of several: each of its keys begins with a kind and the environment's
    name, so that policies keep the callers and the task of one to its own.
    """

    def __init__(self, table: Table, bucket: Bucket, environment: str) -> None:
        self.table = table
        self.bucket = bucket
        self.environment = environment

    def now(self) -> float:
        """Return the time in seconds by AWS's clock, which callers and workers have in common."""
        return self.table.now()

    def is_fresh(self, beat: float, within: float = FRESH) -> bool:
        """Return whether a heartbeat was just now. One that is to come was written by hand, and would never end."""
        return abs(self.now() - beat) < within

    # --- a caller

    def create(self, id_: str, ask: Ask, *, instead_of: str = "") -> str:
        """Write a new record; return "", or the id of the writing run that stands in its way.

        `instead_of`: the run that is known to be over, and whose place is taken. Where what stood in the way is gone
        by the time that it is looked for, that id is GONE, of which there is no record.
        """
        now, expires = self.now(), self._expires(ask)
        item = {"id": self._run(id_), "part": "ask", **_plain(ask), "fingerprint": ask.fingerprint, **expires}
        item |= {"state": "asked", "beat": now, "stop": 0, "answers": ()}
        pointer: dict[str, Any] = {
            "id": self._here,
            "part": f"run#{id_}",
            "command": ask.command,
        }
        pointer |= {"argv": ask.argv, "by": ask.by, "at": ask.at, "writes": ask.writes, "state": "asked"}
        writes = [Write(item, "attribute_not_exists(#id)"), Write({**pointer, **expires})]
        if ask.writes:
            mark = {"id": self._here, "part": WRITING, "run": id_}
            when = "attribute_not_exists(#id) OR #run IN (:none, :over)"
            writes.append(Write(mark, when, {"none": "", "over": instead_of or GONE}))
        token = f"{id_}-{os.urandom(4).hex()}"  # each call has a time of its own: other writes, another token
        refused = self.table.transact(writes, token)
        if not refused or (refused[0] and self.run(id_) is not None):
            return ""  # the second try of a write whose answer was lost finds what the first one wrote
        return self.writing() or GONE

    def writing(self) -> str:
        """Return the id of the run that has the mark of the one that writes; empty where none has."""
        mark = self.table.get(self._here, WRITING)
        return str(mark.get("run", "")) if mark else ""

    def started(self, id_: str, task: str) -> None:
        """Write down which task was started for a run."""
        self.table.update(self._run(id_), "ask", "SET #task = :task", when="attribute_exists(#id)", task=task)

    def keep(self, id_: str) -> bool:
        """Beat for a run that no worker has claimed; return whether that is still so."""
        changed = self.table.update(
            self._run(id_), "ask", "SET #beat = :now", when="#state = :asked", now=self.now(), asked="asked"
        )
        return changed is not None

    def request_stop(self, id_: str, code: int) -> None:
        """Ask the worker of a run to stop, with the exit code of the signal (130 or 143); the first one counts."""
        self.table.update(
            self._run(id_),
            "ask",
            "SET #stop = :code",
            when="attribute_exists(#id) AND #stop = :none",
            attempts=2,
            code=code,
            none=0,
        )

    def answer(self, id_: str, number: int, text: str) -> str:
        """Answer question `number` of a run, unless that is done; return the answer that counts."""
        changed = self.table.update(
            self._run(id_),
            "ask",
            "SET #answers = list_append(#answers, :one)",
            when="size(#answers) = :number",
            one=[text],
            number=number,
        )
        answers = (
            changed["answers"]
            if changed
            else (self.table.get(self._run(id_), "ask") or {}).get("answers", ())
        )
        return str(answers[number]) if number < len(answers) else text

    def close(self, run: Run, code: int, because: str) -> bool:
        """End a run that no worker has claimed, and now none can; return False where it is claimed, or over."""
        return self._ended(run, "asked", {"state": "done", "exit_code": code, "because": because})

    def decline(self, run: Run, code: int, because: str) -> bool:
        """End a run for the worker that has claimed it, and that could not begin it: nothing was touched."""
        return self._ended(run, "claimed", {"state": "done", "exit_code": code, "because": because})

    def mark_lost(self, run: Run, because: str) -> bool:
        """End a run whose worker is gone: how it ended is not known. Return False where it ended otherwise since."""
        return self._ended(run, "claimed", {"state": "lost", "because": because})

    # --- what is there

    def run(self, id_: str, *, attempts: int = ATTEMPTS) -> Run | None:
        """Return a run as it is now, None where there is no such record."""
        item = self.table.get(self._run(id_), "ask", attempts=attempts)
        return _of_item(id_, item) if item else None

    def lines(self, id_: str, after: int = -1) -> Iterator[tuple[int, list[str]]]:
        """Yield the lines of a run by the number of their item, those behind number `after`, without a gap."""
        expected = after + 1
        for item in self.table.between(self._run(id_), _NUMBER.format(expected), _LAST):
            if item["part"] != _NUMBER.format(expected):
                return
            yield expected, self._lines(id_, item)
            expected += 1

    def runs(
        self, *, most: int = 20, since: float = 0.0, unreadable: Callable[[Refused], None] = lambda _: None
    ) -> list[Listed]:
        """Return the newest runs, newest first; of those under way, as their records say now.

        `since`: none that was asked for before. What cannot be read is left out, and `unreadable` told of it: one such
        record, which whoever may ask for runs can write, must not be in everybody's way.
        """
        found: list[Listed] = []
        oldest = f"run#{new_id(now=since, noise=bytes(10))}" if since else "run#"
        for item in self.table.between(self._here, oldest, "run#~", newest_first=True, page=most):
            try:
                found.append(self._listed(item))
            except Refused as error:
                unreadable(error)
            if len(found) == most:
                break
        return found

    def asked(self, *, most: int = 10) -> list[str]:
        """Return the ids of the runs that wait for a worker, the oldest first, of the newest `most` of all."""
        pointers = self.table.between(self._here, "run#", "run#~", newest_first=True, page=most)
        newest = [each for _, each in zip(range(most), pointers, strict=False)]
        return [
            each["part"].removeprefix("run#") for each in reversed(newest) if each.get("state") == "asked"
        ]

    # --- a worker

    def claim(self, id_: str, worker: str, token: str) -> Run | None:
        """Claim a run for `worker`; None where another one has it, or it is over. `token`: of this claim alone."""
        changed = self.table.update(
            self._run(id_),
            "ask",
            "SET #state = :claimed, #worker = :worker, #token = :token, #beat = :now",
            when="#state = :asked OR (#state = :claimed AND #token = :token)",
            asked="asked",
            claimed="claimed",
            worker=worker,
            token=token,
            now=self.now(),
        )
        if changed is None:
            return None
        run = _of_item(id_, changed)
        with suppress(*_NO_POINTER):
            self._point(run, "claimed")
        return run

    def beat(self, id_: str) -> Run | None:
        """Say that the worker of a run lives; return the run, None where it is over."""
        changed = self.table.update(
            self._run(id_),
            "ask",
            "SET #beat = :now",
            when="#state = :claimed",
            attempts=1,
            now=self.now(),
            claimed="claimed",
        )
        return _of_item(id_, changed) if changed else None

    def append(self, run: Run, number: int, lines: Sequence[str]) -> None:
        """Write lines as item `number`. Called again with the same, it changes nothing."""
        part = {"id": self._run(run.id), "part": _NUMBER.format(number)}
        item: dict[str, Any] = {**part, **self._expires(run.ask)}
        if sum(len(each.encode()) for each in lines) > INLINE:
            key = f"runs/{self.environment}/{run.id}/{item['part'].replace('#', '-')}.json"
            self.bucket.put(key, msgspec.json.encode(lines), content_type="application/json")
            item["key"] = key
        else:
            item["lines"] = lines
        self.table.put(item, when="attribute_not_exists(#id)", attempts=2)

    def finish(
        self, run: Run, code: int, *, document: Blob | None = None, outputs: Mapping[str, Blob] | None = None
    ) -> None:
        """Write how a run ended, as its worker says: also where it was taken for lost meanwhile."""
        ended: dict[str, Any] = {"state": "done", "exit_code": code, "outputs": _plain(outputs or {})}
        if document is not None:
            ended["document"] = _plain(document)
        self._ended(run, "claimed", ended, late=True)

    # --- blobs

    def store(self, id_: str, data: bytes, ask: Ask) -> Blob:
        """Keep some bytes of a run beside its record, or in the bucket where they are many."""
        blob = blob_of(data)
        if len(data) > INLINE:
            blob = blob_of(data, f"runs/{self.environment}/{id_}/{blob.sha256}")
            self.bucket.put(blob.key, data)
        else:
            part = f"blob#{blob.sha256}"
            self.table.put({"id": self._run(id_), "part": part, "data": data, **self._expires(ask)})
        return blob

    def fetch(self, id_: str, blob: Blob) -> bytes:
        """Return what was stored. Raises OutcomeUnknown where it is gone, or is not what it was."""
        if blob.key:
            data = self.bucket.get(blob.key)
        else:
            item = self.table.get(self._run(id_), f"blob#{blob.sha256}")
            data = item["data"] if item else None
        if data is None or hashlib.sha256(data).hexdigest() != blob.sha256:
            raise OutcomeUnknown(
                f"{blob.size} bytes of run {id_} are {'gone' if data is None else 'not what they were'}",
                because=f"their SHA-256 is to be {blob.sha256}",
                try_="call the command again",
            )
        return data

    def put_files(self, data: bytes) -> str:
        """Keep an archive of the platform's files, where it is not there yet; return its SHA-256."""
        sha256 = hashlib.sha256(data).hexdigest()
        with suppress(Denied):  # who may not list what is there is not told what is not
            if self.bucket.has(self._files(sha256)):
                return sha256
        self.bucket.put(self._files(sha256), data, content_type="application/gzip")
        return sha256

    def files(self, sha256: str) -> bytes:
        """Return an archive of the platform's files. Raises Unavailable where it is gone, or is not what it was."""
        data = self.bucket.get(self._files(sha256))
        if data is None or hashlib.sha256(data).hexdigest() != sha256:
            raise Unavailable(
                f"the platform's files are {'gone' if data is None else 'not what they were'}",
                because=f"{self._files(sha256)} in the bucket {self.bucket.name}",
                try_="call the command again: it uploads them anew",
            )
        return data

    # --- warm workers

    def warm_beat(self, task: str, *, is_open: bool = True) -> None:
        """Say that a warm worker waits for runs, or (`is_open` false) that it takes no more."""
        item = {"id": self._here, "part": f"warm#{task}", "beat": self.now() if is_open else 0}
        self.table.put({**item, "expires": int(self.now()) + 86_400})

    def warm(self) -> Warm | None:
        """Return a worker that waits for runs and was heard of just now."""
        for item in self.table.between(self._here, "warm#", "warm#~"):
            if self.is_fresh(item["beat"], WARM_FRESH):
                return Warm(item["part"].removeprefix("warm#"), item["beat"])
        return None

    # --- inside

    @property
    def _here(self) -> str:
        return environment_item(self.environment)

    def _run(self, id_: str) -> str:
        return run_item(self.environment, id_)

    def _files(self, sha256: str) -> str:
        return f"files/{self.environment}/{sha256}.tar.gz"

    def _ended(self, run: Run, state: str, ended: Mapping[str, Any], *, late: bool = False) -> bool:
        """End a record that is in `state` (`late`: or lost), then what points to it; return whether it was."""
        values = {**ended, "ended": datetime.fromtimestamp(self.now(), UTC).isoformat(timespec="seconds")}
        change = "SET " + ", ".join(f"#{name} = :{name}" for name in values)
        # A second try finds its own state.
        when = "#state IN (:was, :lost)" if late else "#state = :was"
        more: dict[str, Any] = {"was": state, **({"lost": "lost"} if late else {})}
        changed = self.table.update(
            self._run(run.id), "ask", change, when=when, attempts=2 if late else ATTEMPTS, **values, **more
        )
        if changed is None:
            now = self.run(run.id)
            if now is None or now.state != ended["state"] or now.exit_code != ended.get("exit_code"):
                return False
        with suppress(*_NO_POINTER):
            self._point(run, str(ended["state"]), ended.get("exit_code"), values["ended"])
            self._free(run)
        return True

    def _point(self, run: Run, state: str, exit_code: int | None = None, ended: str = "") -> None:
        self.table.update(
            self._here,
            f"run#{run.id}",
            "SET #state = :state, #exit_code = :exit_code, #ended = :ended",
            when="attribute_exists(#id)",
            state=state,
            exit_code=exit_code,
            ended=ended,
        )

    def _free(self, run: Run) -> None:
        if run.ask.writes:
            self.table.update(
                self._here,
                WRITING,
                "SET #run = :none",
                when="#run = :run",
                none="",
                run=run.id,
            )

    def _expires(self, ask: Ask) -> Mapping[str, int]:
        return {"expires": int(self.now()) + ask.kept} if ask.kept else {}

    def _lines(self, id_: str, item: Mapping[str, Any]) -> list[str]:
        if "lines" in item:
            return list(item["lines"])
        data = self.bucket.get(item["key"])
        if data is None:
            raise OutcomeUnknown(
                f"a part of what run {id_} told is gone", because=f"{item['key']} is not in the bucket"
            )
        return msgspec.json.decode(data, type=ready(list[str]))

    def _listed(self, item: Mapping[str, Any]) -> Listed:
        id_ = item["part"].removeprefix("run#")
        found = {**item, "id": id_, "environment": self.environment}
        if item.get("state") not in ("done", "lost") and (run := self.run(id_)):
            found |= {"state": run.state, "exit_code": run.exit_code, "ended": run.ended}
        try:
            datetime.fromisoformat(found.get("at", ""))
            return msgspec.convert(found, ready(Listed))
        except (msgspec.ValidationError, TypeError, ValueError) as error:
            raise _unreadable(id_, error) from None


def environment_item(environment: str) -> str:
    """Return the id of the items about an environment itself, and of those that point to its runs."""
    return f"environment#{environment}"


def run_item(environment: str, id_: str) -> str:
    """Return the id of the items of a run."""
    return f"run#{environment}#{id_}"


def run_named(words: str) -> str:
    """Return the id of a run, which is named by itself, or by the id of its items: a pipe knows that alone."""
    return words.rpartition("#")[2]


def _plain(value: object) -> Any:
    return msgspec.to_builtins(value)


def _of_item(id_: str, item: Mapping[str, Any]) -> Run:
    found = {name: item[name] for name in _RUN_FIELDS if name in item}
    try:
        return msgspec.convert({"id": id_, "ask": item, **found}, ready(Run))
    except msgspec.ValidationError as error:
        raise _unreadable(id_, error) from None


def _unreadable(id_: str, error: Exception) -> Refused:
    return Refused(
        f"the record of run {id_} cannot be read",
        because=f"{error}; it was written by another version of seedbed, or by hand",
        try_="use the version of seedbed that started it",
    )
