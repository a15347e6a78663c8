"""What counts as touched: from before it is sent, until the server said that nothing of it stays."""

from __future__ import annotations

import pytest

from seedbed.engines.kit.touched import Touched


def test_a_write_counts_from_before_it_is_sent_until_it_is_known_to_leave_nothing() -> None:
    touched = Touched()
    assert not touched
    write = touched.sending()
    assert touched
    write.undone()
    assert not touched
    write.undone()  # it is taken back once
    touched.sending()
    assert touched


@pytest.mark.parametrize(
    ("error", "is_touched"), [(ValueError, False), (OSError, True), (KeyboardInterrupt, True)]
)
def test_only_a_refusal_leaves_nothing(error: type[BaseException], is_touched: bool) -> None:
    touched = Touched()

    def send() -> None:
        with touched.unless(ValueError):
            assert touched
            raise error

    with pytest.raises(error):
        send()
    assert bool(touched) is is_touched


def test_what_stays_stays_whatever_comes() -> None:
    touched = Touched()

    def send() -> None:
        with touched.unless(ValueError) as write:
            write.stays()
            raise ValueError("late")

    with pytest.raises(ValueError, match="late"):
        send()
    assert touched


def test_each_sending_of_a_request_counts_and_only_the_last_is_taken_back() -> None:
    touched = Touched()
    asked: list[int] = []
    send, undo = touched.before(lambda: asked.append(1))
    undo()  # nothing was sent yet
    send()
    send()
    undo()
    assert (bool(touched), len(asked)) == (True, 2)
    undo()
    assert not touched


def test_what_is_kept_from_being_sent_does_not_count() -> None:
    touched = Touched()

    def refuse() -> None:
        raise ValueError("the lease is lost")

    send, _ = touched.before(refuse)
    with pytest.raises(ValueError, match="lost"):
        send()
    assert not touched
