"""The published JSON Schema of tables.toml and its types say the same."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import get_args

from seedbed.engines.dynamodb.rules import quotas
from seedbed.engines.dynamodb.schema.json_schema import json_schema
from seedbed.engines.dynamodb.schema.read import KIND, parse
from seedbed.engines.dynamodb.schema.shape import StreamView
from seedbed.toml.text import Text


def test_the_schema_is_plain_json_and_names_itself() -> None:
    schema = json_schema()
    assert json.loads(json.dumps(schema)) == schema
    assert {"$schema", "$id", "title", "description"} <= schema.keys()


def test_unknown_keys_are_refused_everywhere() -> None:
    schema = json_schema()
    for name, each in {**schema["$defs"], "Document": schema}.items():
        assert each["additionalProperties"] is False, name


def test_every_key_and_section_is_described() -> None:
    definitions = json_schema()["$defs"]
    for name, each in definitions.items():
        assert each["description"], name
        plain = [
            key for key, one in each["properties"].items() if "description" not in one and "$ref" not in one
        ]
        assert plain == [], name


def test_the_schema_repeats_the_limits_that_a_schema_can_say() -> None:
    table = json_schema()["$defs"]["TableSection"]["properties"]
    assert table["indexes"]["maxProperties"] == quotas.GLOBAL_INDEXES
    assert table["local_indexes"]["maxProperties"] == quotas.LOCAL_INDEXES
    assert table["indexes"]["propertyNames"]["minLength"] == 3
    index = json_schema()["$defs"]["IndexSection"]["properties"]
    assert index["partition"]["anyOf"][1]["maxItems"] == quotas.KEY_ATTRIBUTES
    assert index["projection"]["anyOf"][0]["enum"] == ["ALL", "KEYS_ONLY"]


def _page(*parts: str) -> str:
    return Path(__file__).parents[3].joinpath("docs", *parts).read_text(encoding="utf-8")


def test_every_key_and_every_limit_is_on_the_page() -> None:
    page = _page("reference", "tables-toml.md")
    keys = {key for each in json_schema()["$defs"].values() for key in each["properties"]}
    words = keys - {"tables"} | set(get_args(StreamView))
    assert not {each for each in words if f"`{each}`" not in page}
    for limit in (
        quotas.GLOBAL_INDEXES,
        quotas.LOCAL_INDEXES,
        quotas.KEY_ATTRIBUTES,
        quotas.PROJECTED_PER_INDEX,
        quotas.PROJECTED,
        quotas.TABLE_LENGTH,
        quotas.NAME_BYTES,
    ):
        assert re.search(rf"^\| .*\| .*\b{limit}\b", page, re.MULTILINE), limit


def test_the_file_on_the_page_is_one() -> None:
    (shown,) = re.findall(
        r'^```toml title="[^"]*tables.toml"\n(.*?)^```$',
        _page("reference", "tables-toml.md"),
        re.MULTILINE | re.DOTALL,
    )
    tables = parse(Text("tables.toml", shown, KIND)).tables
    assert [each.name for each in tables] == ["courses", "lessons"]
    assert all(each.global_indexes or each.local_indexes for each in tables)
