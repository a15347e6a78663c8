"""Keys of entities: computed alike by everybody, written as references in seeds."""

from __future__ import annotations

from uuid import NAMESPACE_URL, UUID, uuid5

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedbed.errors import Location, SeedFileError
from seedbed.seeding.keys import entity_key, resolve


def test_a_key_is_what_the_documents_promise_other_languages() -> None:
    platform = uuid5(NAMESPACE_URL, "seedbed:edtech")
    assert entity_key("edtech", "user.users", "ana") == uuid5(platform, "user.users:ana")
    assert entity_key("edtech", "user.users", "ana") == UUID("796e53c8-27ab-5ca9-b7d4-971ad44c0d19")


def test_a_number_and_its_text_label_the_same_entity() -> None:
    assert entity_key("edtech", "user.users", 42) == entity_key("edtech", "user.users", "42")


def test_platforms_entities_and_labels_do_not_share_keys() -> None:
    keys = {
        entity_key(platform, entity, label)
        for platform in ("edtech", "shop")
        for entity in ("user.users", "courses.courses")
        for label in ("ana", "ben")
    }
    assert len(keys) == 8


def test_references_are_resolved_wherever_they_are_nested() -> None:
    ana = str(entity_key("edtech", "tutor-matching.tutor_profiles", "ana"))
    value = {
        "who": "@tutor-matching.tutor_profiles:ana",
        "all": [["@tutor-matching.tutor_profiles:ana"], 1, None],
    }
    assert resolve(value, "edtech") == {"who": ana, "all": [[ana], 1, None]}


@given(st.text())
def test_any_text_can_be_written_by_doubling_its_at_sign(text: str) -> None:
    written = "@" + text if text.startswith("@") else text
    assert resolve(written, "edtech") == text


@pytest.mark.parametrize("text", ["@", "@foo", "@user:ana", "@user.users:", "@user.users:ana maria", "@.a:b"])
def test_a_malformed_reference_names_its_place_and_the_way_out(text: str) -> None:
    with pytest.raises(SeedFileError) as caught:
        resolve([text], "edtech", at=Location("seeds/a.csv", 3))
    assert str(caught.value.at) == "seeds/a.csv:3"
    assert caught.value.try_ == f"write @{text} for text that begins with @"
