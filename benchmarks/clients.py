"""Clients that are measured, each in a process of its own, and servers that take everything."""

from __future__ import annotations

import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

import msgspec

from tests.support.projects import clean_environment

T = TypeVar("T")


def told(module: str, *arguments: str) -> tuple[float, ...]:
    """Run `python -m MODULE ARGUMENTS` and return the numbers that it prints."""
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        capture_output=True,
        text=True,
        env=clean_environment({"PYTHONDONTWRITEBYTECODE": ""}),
        check=True,
    )
    return tuple(map(float, done.stdout.split()))


@contextmanager
def serving(module: str, *arguments: str) -> Iterator[str]:
    """Yield the endpoint of `python -m MODULE ARGUMENTS`, which prints its port and ends with its standard input."""
    with subprocess.Popen(
        [sys.executable, "-m", module, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stdin
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        process.stdin.close()


def reported(endpoint: str, as_: type[T]) -> T:
    """Return what such a server says of all that arrived since it was last asked."""
    with urllib.request.urlopen(f"{endpoint}/report") as answer:
        return msgspec.json.decode(answer.read(), type=as_)
