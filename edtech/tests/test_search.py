"""The ai service on indexes that hold the seeds again before each test."""

import pytest

from apps import search


@pytest.mark.parametrize("again", [1, 2])
def test_questions_are_found_by_their_words_until_they_are_forgotten(seedbed_environ, again: int) -> None:
    seedbed_environ("ai/opensearch")
    assert search.questions("story") == ["How do I know that my story is over?"]
    search.forget_all()
    assert search.questions("story") == []
