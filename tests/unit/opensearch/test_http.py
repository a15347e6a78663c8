"""The language of `.http` migrations."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seedbed.engines.opensearch.files.comments import JsonError, decoded, without_comments
from seedbed.engines.opensearch.files.parse import parse
from seedbed.engines.opensearch.files.requests import request
from seedbed.engines.opensearch.rules.kinds import RequestKind, kind_of
from seedbed.engines.opensearch.running.bodies import behind_fence, with_ids
from seedbed.errors import MigrationFileError, SeveralErrors
from seedbed.model.migration import Migration, MigrationFile, Phase, Source, checksum


def migration(text: str, suffix: str = ".http") -> Migration:
    data = text.encode()
    source = Source(f"migrations/20260101_some{suffix}", suffix, data)
    return parse(MigrationFile("20260101", "some", source, checksum(data)))


def up(text: str) -> Migration:
    return migration(f"# migrate:up\n{text}\n")


def test_a_file_is_sections_of_requests_with_their_lines() -> None:
    found = migration(
        "# Lessons.\n# seedbed: phase=migrate after=user/postgres:20260101\n\n# migrate:up\n"
        "### the first\n// a comment\nPUT /lessons-1\nX-Some: thing\n\n{\n}\n\n###\n\nDELETE /old\n"
        "###\n# nothing but a comment\n"
        '# migrate:down\nPOST /old/_doc\n{"a": 1}\n'
    )
    assert found.phase is Phase.MIGRATE
    assert [str(each) for each in found.after] == ["user/postgres:20260101"]
    assert [(each.index, each.line, each.summary) for each in found.up] == [
        (0, 7, "the first"),
        (1, 15, "DELETE /old"),
    ]
    first = request(found.up[0].body, found.up[0].line)
    assert (first.method, first.path, first.headers) == ("PUT", "/lessons-1", {"X-Some": "thing"})
    assert json.loads(first.body) == {}
    assert request(found.down[0].body, 18).json == {"a": 1}


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("", 0, "does not have the sections"),
        ("# migrate:up\n", 1, "nothing to do"),
        ("# migrate:up\nPUT /a\n# migrate:up\nPUT /b\n", 1, "does not have the sections"),
        ("# migrate:up transaction:false\nPUT /a\n", 1, "no option"),
        ("# migrate:up\n# seedbed: phase=migrate\nPUT /a\n", 2, "no effect here"),
        ("# seedbed: phrase=migrate\n# migrate:up\nPUT /a\n", 1, "phrase"),
        ("# seedbed: repeatable\n# migrate:up\nPUT /a\n", 1, "reason"),
        (
            '# seedbed: irreversible because "x"\n# migrate:up\nPUT /a\n# migrate:down\nDELETE /a\n',
            4,
            "down section",
        ),
        ("# migrate:up\nput /a\n", 2, "does not begin a request"),
        ("# migrate:up\nPUT\n", 2, "does not begin a request"),
        ("# migrate:up\nPUT https://host/a\n", 2, "name a host"),
        ("# migrate:up\nPUT {{host}}/a\n", 2, "variables"),
        ("# migrate:up\nPUT /a?x=1&x=2\n", 2, "twice"),
        ("# migrate:up\nPUT /ä\n", 2, "not a path"),
        ("# migrate:up\nGET /a\n", 2, "changes nothing"),
        ("# migrate:up\nPOST /a/_search\n", 2, "changes nothing"),
        ("# migrate:up\nPUT /a\nAuthorization: Basic x\n\n{}\n", 3, "Authorization"),
        ("# migrate:up\nPUT /a\nno header\n\n{}\n", 3, "no header"),
        ('# migrate:up\nPUT /a\n\n{\n"a": 1,\n}\n', 6, "closing bracket"),
        ('# migrate:up\nPUT /a\n\n{\n"a": {"b": 1,\n"b": 2}}\n', 6, "twice"),
        ("# migrate:up\nPUT /a\n\n{'a': 1}\n", 4, "double quotes"),
        ('# migrate:up\nPUT /a\n\n{"a": NaN}\n', 4, "NaN"),
        ("# migrate:up\nPUT /a\nPUT /b\n", 3, "begins another request"),
        ('# migrate:up\nPUT /a\n\n{\n"a": 1}\n\nPUT /b\n', 7, "begins another request"),
        ('# migrate:up\nPOST /a/_bulk\n\n{"index": {}}\n{}\nPUT /b\n', 6, "begins another request"),
        ("# migrate:up\nPOST /a/_bulk\n", 2, "nothing to do"),
        ('# migrate:up\nPOST /a/_bulk\n\n{"index": {}}\n{"a": \n1}\n', 5, "not valid JSON"),
        ('# migrate:up\nPOST /a/_bulk\n\n{"index": {}}\n', 2, "document of an item"),
        ('# migrate:up\nPOST /a/_bulk\n\n{"insert": {}}\n{}\n', 2, "begins with one of"),
        ("# migrate:up\nDELETE /migrations_history\n", 2, "belongs to seedbed"),
        (
            '# migrate:up\nPOST /_bulk\n\n{"delete": {"_index": "migrations_history", "_id": "state"}}\n',
            2,
            "belongs to",
        ),
        (
            '# migrate:up\nPOST /_reindex\n\n{"source": {"index": "a"}, "dest": {"index": "migrations_history"}}\n',
            2,
            "belongs to",
        ),
        ("# migrate:up\nDELETE /lessons-*\n", 2, "does not name one index"),
        ("# migrate:up\nDELETE /a,b\n", 2, "does not name one index"),
        ("# migrate:up\nPOST /a/_update_by_query?wait_for_completion=false\n", 2, "wait_for_completion"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_line(text: str, line: int, says: str) -> None:
    with pytest.raises(MigrationFileError, match=says) as caught:
        migration(text)
    assert caught.value.at is not None
    assert caught.value.at.line == line


def test_a_file_that_is_no_text_or_of_another_kind_is_refused() -> None:
    source = Source("m.http", ".http", b"# migrate:up\nPUT /\xff\n")
    with pytest.raises(MigrationFileError, match="UTF-8") as caught:
        parse(MigrationFile("1", "some", source, "0"))
    assert caught.value.at is not None
    assert caught.value.at.line == 2
    with pytest.raises(MigrationFileError, match=r"\.sql"):
        migration("SELECT 1", ".sql")


def test_a_line_of_a_body_that_begins_with_a_hash_is_a_comment() -> None:
    text = '# migrate:up\nPUT /a\n\n{\n  # why\n  "settings": {"x": "# no"}\n#\n}\n'
    assert request(migration(text).up[0].body, 1).json == {"settings": {"x": "# no"}}


def test_windows_line_ends_and_a_byte_order_mark_change_nothing() -> None:
    text = "# migrate:up\nPUT /a\n\n{}\n"
    other = parse(
        MigrationFile(
            "20260101",
            "some",
            Source(
                "migrations/20260101_some.http",
                ".http",
                b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode(),
            ),
            checksum(text.encode()),
        )
    )
    assert other == migration(text)


@pytest.mark.parametrize(
    ("text", "kind", "atomic", "repeatable"),
    [
        ("PUT /lessons-1", RequestKind.CREATE_INDEX, True, False),
        ("DELETE /lessons-1", RequestKind.DROP_INDEX, True, False),
        (
            'POST /_aliases\n\n{"actions": [{"add": {"index": "a-1", "alias": "a"}}]}',
            RequestKind.ALIASES,
            True,
            False,
        ),
        ("PUT /lessons-1/_mapping\n\n{}", RequestKind.IDEMPOTENT, False, True),
        ("PUT /lessons-1/_settings\n\n{}", RequestKind.IDEMPOTENT, False, True),
        ("PUT /_index_template/lessons\n\n{}", RequestKind.IDEMPOTENT, False, True),
        ("PUT /_ingest/pipeline/lessons\n\n{}", RequestKind.IDEMPOTENT, False, True),
        ("POST /lessons/_refresh", RequestKind.IDEMPOTENT, False, True),
        ("PUT /lessons/_doc/1\n\n{}", RequestKind.IDEMPOTENT, False, True),
        ("PUT /lessons/_doc/1?if_seq_no=1&if_primary_term=1\n\n{}", RequestKind.ONCE, False, False),
        ("PUT /lessons/_create/1\n\n{}", RequestKind.CREATE, False, False),
        ("PUT /lessons/_doc/1?op_type=create\n\n{}", RequestKind.CREATE, False, False),
        ("POST /lessons/_doc\n\n{}", RequestKind.ADD, False, False),
        ("DELETE /lessons/_doc/1", RequestKind.REMOVAL, False, True),
        ("DELETE /_ingest/pipeline/lessons", RequestKind.REMOVAL, False, True),
        ('POST /lessons/_update/1\n\n{"doc": {}}', RequestKind.IDEMPOTENT, False, True),
        ('POST /lessons/_update/1\n\n{"script": "x"}', RequestKind.ONCE, False, False),
        ('POST /lessons/_bulk\n\n{"index": {}}\n{}', RequestKind.BULK, False, True),
        ('POST /lessons/_bulk\n\n{"update": {"_id": "1"}}\n{"script": "x"}', RequestKind.ONCE, False, False),
        ("POST /lessons/_update_by_query", RequestKind.TASK, False, False),
        ("POST /lessons/_delete_by_query\n\n{}", RequestKind.TASK, False, False),
        (
            'POST /_reindex\n\n{"source": {"index": "a"}, "dest": {"index": "b"}}',
            RequestKind.TASK,
            False,
            False,
        ),
        ("PUT /lessons/_clone/other", RequestKind.COPY, False, False),
        ("PUT /_data_stream/logs", RequestKind.COPY, False, False),
        ('PUT /_snapshot/repo/one\n\n{"indices": ["a", "b"]}', RequestKind.COPY, False, False),
        ("POST /logs/_rollover", RequestKind.ONCE, False, False),
    ],
)
def test_a_request_is_known_by_how_its_effect_can_be_told(
    text: str, kind: RequestKind, atomic: bool, repeatable: bool
) -> None:
    (step,) = up(text).up
    assert kind_of(request(step.body, step.line)) is kind
    assert (step.atomic, step.repeatable) == (atomic, repeatable)


def test_repeatable_makes_what_nobody_can_tell_run_again() -> None:
    text = (
        '# seedbed: repeatable because "it looks first"\n# migrate:up\nPOST /a/_update/1\n\n{"script": "x"}\n'
    )
    assert [each.repeatable for each in migration(text).up] == [True]


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("DELETE /lessons-1", {"OS101": True}),
        ('POST /_aliases\n\n{"actions": [{"remove_index": {"index": "a"}}]}', {"OS101": True}),
        ('POST /a/_delete_by_query\n\n{"query": {"match_all": {}}}', {"OS102": True, "OS104": False}),
        ("POST /a/_delete_by_query?conflicts=proceed\n\n{}", {"OS102": True}),
        (
            'POST /a/_update_by_query?conflicts=proceed\n\n{"script": {"source": "ctx.op = \'delete\'"}}',
            {"OS102": True},
        ),
        ("DELETE /_data_stream/logs", {"OS101": True}),
        ("PUT /logs-*/_mapping\n\n{}", {"OS105": True}),
        ("POST /logs-*/_delete_by_query?conflicts=proceed\n\n{}", {"OS102": True, "OS105": True}),
        ("PUT /a/_block/write", {"OS106": True}),
        ('PUT /a/_settings\n\n{"index": {"blocks": {"write": true}}}', {"OS106": True}),
        ('PUT /a/_settings\n\n{"blocks.write": false}', {}),
        ('PUT /_index_template/a\n\n{"index_patterns": ["*-logs"]}', {"OS107": True}),
        ('PUT /_index_template/a\n\n{"index_patterns": ["logs-*"]}', {}),
        ("POST /a/_close", {"OS103": True}),
        ("POST /a/_update_by_query", {"OS104": False}),
        ('POST /a/_update_by_query\n\n{"conflicts": "proceed"}', {}),
        ('POST /_reindex\n\n{"source": {"index": "a"}, "dest": {"index": "b"}}', {}),
        (
            'POST /_reindex\n\n{"source": {"index": "a"}, "dest": {"index": "b", "op_type": "create"}}',
            {"OS104": False},
        ),
        (
            'POST /_reindex\n\n{"source": {"index": "a"}, "dest": {"index": "b", "version_type": "external"}}',
            {"OS104": False},
        ),
        ("PUT /lessons-1", {}),
    ],
)
def test_what_may_hurt_is_known_before_anything_runs(text: str, codes: dict[str, bool]) -> None:
    found = up(text).hazards
    assert {each.code: each.refused for each in found} == codes
    assert all(each.line == 2 and each.because and each.try_ for each in found)


def test_the_way_back_of_a_new_index_is_no_hazard() -> None:
    assert migration("# migrate:up\nPUT /a\n# migrate:down\nDELETE /a\n").hazards == ()


@pytest.mark.parametrize(
    ("up", "down", "codes"),
    [
        ("PUT /a\n###\nPUT /b", "DELETE /a", ["OS108"]),
        (
            "PUT /a\n###\nPUT /b",
            'POST /_aliases\n\n{"actions": [{"remove_index": {"indices": ["a", "b"]}}]}',
            [],
        ),
        ("PUT /a", "", []),  # without a down section, nothing is promised
    ],
)
def test_an_index_that_the_down_section_forgets_is_known_from_the_file(
    up: str, down: str, codes: list[str]
) -> None:
    found = migration(f"# migrate:up\n{up}\n" + (f"# migrate:down\n{down}\n" if down else ""))
    assert [each.code for each in found.hazards] == codes


def test_a_hazard_that_the_author_takes_is_kept_with_the_reason() -> None:
    found = migration('# seedbed: allow=OS101 because "nobody reads it"\n# migrate:up\nDELETE /a\n')
    assert [(each.code, each.because) for each in found.allows] == [("OS101", "nobody reads it")]


def test_new_documents_get_ids_that_a_repeat_finds_again() -> None:
    bulk = request(
        'POST /a/_bulk\n\n{"index": {}}\n{"n": 1}\n{"delete": {"_id": "x"}}\n{"create": {"_index": "b"}}\n{}',
        1,
    )
    lines = [json.loads(each) for each in with_ids(bulk, "1-2").body.splitlines()]
    assert lines == [
        {"create": {"_id": "1-2-0"}},
        {"n": 1},
        {"delete": {"_id": "x"}},
        {"create": {"_index": "b", "_id": "1-2-2"}},
        {},
    ]
    one = with_ids(request('POST /a/_doc?refresh\n\n{"n": 1}', 1), "1-2")
    assert (one.method, one.path, one.body, one.params) == (
        "PUT",
        "/a/_create/1-2",
        {"n": 1},
        {"refresh": "true"},
    )


def test_behind_the_fence_a_request_says_the_same_and_takes_the_fence_down() -> None:
    made = behind_fence(
        request('PUT /a?timeout=5s\n\n{"number_of_shards": 2}', 1), RequestKind.CREATE_INDEX, "f1", "f2"
    )
    assert (made.method, made.path, made.params) == ("POST", "/f1/_rollover/a", {"timeout": "5s"})
    assert made.body == {"settings": {"number_of_shards": 2}}
    dropped = behind_fence(request("DELETE /a", 1), RequestKind.DROP_INDEX, "f1", "f2")
    kinds = [next(iter(each)) for each in dropped.body["actions"]]
    assert kinds == ["remove", "add", "remove_index"]
    assert dropped.body["actions"][0]["remove"]["must_exist"] is True


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ('{"a": 1} // b', '{"a": 1}     '),
        ('{"a": "// b"}', '{"a": "// b"}'),
        ('{"a": "/* b */"}', '{"a": "/* b */"}'),
        ('{"a": "\\"// b"}', '{"a": "\\"// b"}'),
        ("{/* a\nb */}", "{    \n    }"),
        ('{"a": "https://b"}', '{"a": "https://b"}'),
    ],
)
def test_comments_become_blanks_and_strings_stay(text: str, plain: str) -> None:
    assert without_comments(text) == plain


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda each: st.lists(each) | st.dictionaries(st.text(), each),
    max_leaves=8,
)


@settings(deadline=None)
@given(json_values)
def test_json_without_comments_is_left_as_it_is(value: object) -> None:
    text = json.dumps(value, ensure_ascii=False, indent=1)
    assert without_comments(text) == text
    assert decoded(text) == value


@settings(deadline=None)
@given(st.text(alphabet='{}[]",:/*\n a1\\', max_size=40))
def test_whatever_is_written_is_read_or_refused_with_a_line_that_is_there(text: str) -> None:
    plain = without_comments(text)
    assert len(plain) == len(text)
    line = 1
    try:
        decoded(plain)
    except JsonError as error:
        line = error.line
    assert 1 <= line <= text.count("\n") + 1


def test_everything_that_is_wrong_in_a_file_is_named_at_once_and_by_line() -> None:
    with pytest.raises(SeveralErrors) as caught:
        migration(
            "# seedbed: phase=late\n# migrate:up\nGET /a\n###\nPUT /b\n\n{,}\n###\nPUT /c\n###\nhello\n"
            "# migrate:down\nPUT http://host/a\n"
        )
    assert [each.at and each.at.line for each in caught.value.errors] == [1, 3, 7, 11, 13]


def test_an_empty_down_section_is_remembered_with_its_line() -> None:
    found = migration("# migrate:up\nPUT /a\n# migrate:down\n# nothing\n")
    assert (found.down, found.down_line) == ((), 3)


@pytest.mark.parametrize("unclosed", ['"\\' * 100_000, "/* " * 100_000], ids=["strings", "comments"])
def test_what_is_not_closed_is_looked_at_once(unclosed: str) -> None:
    assert without_comments(unclosed) == unclosed
