"""What ran out is told as that, and no bug."""

from __future__ import annotations

import errno

import pytest

from seedbed.errors import ExitCode
from seedbed.support.exhausted import exhausted


def _caused(error: BaseException, by: BaseException) -> BaseException:
    error.__cause__ = by
    return error


@pytest.mark.parametrize(
    ("error", "what"),
    [
        (MemoryError(), "memory"),
        (OSError(errno.EMFILE, "Too many open files"), "file descriptors"),
        (OSError("libx.so: failed to map segment from shared object"), "memory"),
        (ImportError("libx.so: failed to map segment from shared object"), "memory"),
        (RuntimeError("can't start new thread"), "threads"),
        (_caused(ValueError("x"), OSError(errno.ENOMEM, "Cannot allocate memory")), "memory"),
    ],
)
def test_what_ran_out_is_named_and_may_be_tried_again(error: BaseException, what: str) -> None:
    found = exhausted(error)
    assert found is not None
    assert what in found.what
    assert found.exit_code is ExitCode.UNAVAILABLE


@pytest.mark.parametrize(
    "error", [ValueError("x"), RuntimeError("x"), OSError(errno.EPERM, "no"), KeyError()]
)
def test_any_other_error_is_none_of_these(error: BaseException) -> None:
    assert exhausted(error) is None
