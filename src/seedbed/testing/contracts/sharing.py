"""The contract of engines whose servers are shared."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from seedbed.engines.sharing import SupportsSharing
from seedbed.model.sharing import Share
from seedbed.testing.harness import SharingHarness

_numbers = itertools.count(1)
# Of each two, the words in a row are the same.
_ALIKE = (
    ("dev-a", "b-c", "dev-a-b", "c"),
    ("dev-a", "b_c", "dev-a", "b-c"),
    ("dev-a", "b", "dev-a-b", "b"),
    ("dev-a", "db", "dev-a-db", "db"),
)


class SharingContract:
    """For engines that have `SupportsSharing`; whoever tests one has a fixture `sharing`, a `SharingHarness`."""

    @pytest.fixture
    def shares(self, sharing: SharingHarness) -> Iterator[tuple[Share, Share]]:
        """Two parts whose names look alike; nothing of them is there, nor afterwards."""
        name = f"dev-s{next(_numbers)}"
        one, other = (Share(sharing.platform, each, sharing.database) for each in (name, f"{name}-b"))
        yield one, other
        with sharing.reached() as server:
            for each in (one, other):
                server.drop(each)

    def test_no_two_pairs_of_environment_and_service_have_a_name_in_common(
        self, sharing: SharingHarness
    ) -> None:
        for one, service, other, another in _ALIKE:
            names, others = (
                [*_engine(sharing).shared_settings(*each).values()]
                for each in ((one, service), (other, another))
            )
            assert not {*names} & {*others}

    def test_of_several_that_make_a_part_at_once_one_does_and_the_next_one_finds_nothing_lacking(
        self, sharing: SharingHarness, shares: tuple[Share, Share]
    ) -> None:
        share, _ = shares
        with ThreadPoolExecutor(3) as pool:
            told = [*pool.map(lambda _: _made(sharing, share), range(3))]
        assert any(told)
        assert _made(sharing, share) == ""
        assert _listed(sharing).count(share) == 1

    def test_a_part_goes_whole_and_what_another_one_has_stays(
        self, sharing: SharingHarness, shares: tuple[Share, Share]
    ) -> None:
        for each in shares:
            _made(sharing, each)
            sharing.fill(each)
        one, other = shares
        before = sharing.content(other)
        with sharing.reached() as server:
            assert server.drop(one)
            assert server.drop(one) == ""
        assert [each for each in _listed(sharing) if each in shares] == [other]
        assert sharing.content(other) == before
        _made(sharing, one)
        assert sharing.content(one) != before
        with sharing.reached() as server:
            assert server.drop(one)

    def test_of_several_that_drop_a_part_at_once_none_fails_and_nothing_is_left(
        self, sharing: SharingHarness, shares: tuple[Share, Share]
    ) -> None:
        share, _ = shares
        _made(sharing, share)
        with ThreadPoolExecutor(3) as pool:
            assert any([*pool.map(lambda _: _dropped(sharing, share), range(3))])
        assert share not in _listed(sharing)

    def test_a_template_that_was_never_kept_leaves_a_part_empty_and_can_be_dropped(
        self, sharing: SharingHarness, shares: tuple[Share, Share]
    ) -> None:
        share, other = shares
        with sharing.reached() as server:
            assert server.make(share, sharing.logins(share), template="never-kept")
            server.drop_template("never-kept")
            assert "never-kept" not in server.templates()
            assert not server.keep(other, "of-nothing")
            assert "of-nothing" not in server.templates()

    def test_what_is_kept_is_what_another_one_begins_with_and_stays_its_own_too(
        self, sharing: SharingHarness, shares: tuple[Share, Share]
    ) -> None:
        one, other = shares
        _made(sharing, one)
        sharing.fill(one)
        before = sharing.content(one)
        with sharing.reached() as server:
            is_kept = server.keep(one, "filled")
            assert ("filled" in server.templates()) is is_kept
            assert server.make(other, sharing.logins(other), template="filled")
            server.drop_template("filled")
            assert "filled" not in server.templates()
        assert sharing.content(one) == before
        assert (sharing.content(other) == before) is is_kept


def _engine(sharing: SharingHarness) -> SupportsSharing:
    assert isinstance(sharing.engine, SupportsSharing)
    return sharing.engine


def _made(sharing: SharingHarness, share: Share) -> str:
    with sharing.reached() as server:
        return server.make(share, sharing.logins(share))


def _dropped(sharing: SharingHarness, share: Share) -> str:
    with sharing.reached() as server:
        return server.drop(share)


def _listed(sharing: SharingHarness) -> Sequence[Share]:
    with sharing.reached() as server:
        found = server.listed()
    assert list(found) == sorted(found)
    return found
