"""What two looks at counters show of the use of what a contract removes, and what migrations remove."""

from __future__ import annotations

import msgspec
import pytest

from seedbed.documents.usage import UsageDocument
from seedbed.engines.postgres.rules.mentions import mentions
from seedbed.model.usage import Counter, Removed, Times, Usage
from seedbed.planning.usage import judged
from seedbed.support.typed import ready

TABLE = Removed("table", ("old",))
COMMIT = "abcdef0123456789"


def look(uses: int = 0, *clients: str, unclear: int = 0, since: str = "monday", blind: str = "") -> Usage:
    return Usage((Counter(TABLE, uses, unclear, since, blind),), clients)


@pytest.mark.parametrize(
    ("windows", "verdict", "said"),
    [
        ([(look(5), look(5))], "none", "table old was not used"),
        ([(look(5), look(7))], "some", "table old was used 2 times"),
        ([(look(5), look(5)), (look(9), look(10))], "some", "used 1 time"),  # between windows it was seedbed
        ([(look(5), look(5)), (look(9), look(9))], "none", "not used"),
        ([(look(5), look(5, since="tuesday"))], "unknown", "counting began anew"),
        ([(look(5), look(4))], "unknown", "counting began anew"),
        ([(look(5), look(5, unclear=2))], "unknown", "2 uses may have been of it"),
        ([(look(5), look(5, blind="it cannot be seen"))], "unknown", "it cannot be seen"),
        ([(look(5), look(6, blind="it cannot be seen"))], "some", "used 1 time"),
        ([(Usage(), look(5))], "unknown", "not looked at before"),
        ([(Usage(), Usage())], "none", "nothing goes"),
        ([(look(5), Usage())], "unknown", "table old: counted before, and not found any more"),
        ([(look(5), look(5)), (Usage(), Usage())], "unknown", "not found any more"),
        ([], "unknown", "no two looks"),
        ([(look(), look(0, "shop@1234567"))], "some", "shop@1234567 is connected"),
        ([(look(), look(0, "shop@abcdef0", "me@here", "@12345678"))], "none", "not used"),
    ],
)
def test_a_use_between_two_looks_is_seen(windows: list[tuple[Usage, Usage]], verdict: str, said: str) -> None:
    use = judged(windows, COMMIT)
    assert use.verdict == verdict
    assert said in use.text


def told(
    at: float,
    *uses: float,
    until: float = 0.0,
    since: float = 0.0,
    unclear: float = 0.0,
    period: float = 300.0,
) -> Usage:
    """Return a look of a server that tells times: until shortly before the look, unless it says until when."""
    times = Times(at, since, until or at - 60, uses, (unclear,) if unclear else (), period)
    return Usage((Counter(TABLE, since="monday", times=times),))


@pytest.mark.parametrize(
    ("windows", "verdict", "said"),
    [
        ([(told(1000), told(5000))], "none", "table old was not used"),
        ([(told(1000), told(5000, 1200, 1500))], "some", "table old was used at least 2 times"),
        ([(told(1000), told(5000, 900))], "none", "not used"),  # the look lies within that period
        ([(told(1000), told(5000, 4900))], "some", "used at least 1 time"),  # told, although not all of it
        ([(told(1000), told(5000, 1200, period=0.0))], "some", "table old was used 1 time"),
        ([(told(1000), told(5000, unclear=1200))], "unknown", "1 use may have been of it"),
        ([(told(1000), told(2000)), (told(4000), told(6000, 2100, 3000, 3900))], "none", "not used"),
        ([(told(1000), told(2000)), (told(4000), told(6000, 1500))], "some", "used at least 1 time"),
        ([(told(1000), told(2000, 1500)), (told(4000), told(6000))], "some", "used at least 1 time"),
        (
            [(told(1000), told(5000, since=1500))],
            "unknown",
            "before 1970-01-01 00:25 UTC is not told any more",
        ),
        ([(told(1000), told(5000, 2000, since=1500))], "some", "used at least 1 time"),
        ([(told(1000), told(5000, until=1200))], "unknown", "is not told yet: ask again"),
        ([(told(1000), told(1500))], "unknown", "is not told yet"),  # no whole period
        (
            [(told(1000), told(9000, until=5000))],
            "unknown",
            "used it since 1970-01-01 01:23 UTC is not told yet",
        ),
        ([(look(), told(5000))], "unknown", "not looked at before"),
    ],
)
def test_a_use_is_judged_by_its_time_where_that_is_told(
    windows: list[tuple[Usage, Usage]], verdict: str, said: str
) -> None:
    use = judged(windows, COMMIT)
    assert use.verdict == verdict, use
    assert said in use.text


def test_who_uses_it_now_is_a_reader_whatever_was_counted() -> None:
    now = Usage((Counter(TABLE, 5, since="monday", now="1 search context is open"),))
    assert judged([(look(5), now)], COMMIT).text == "table old: 1 search context is open"
    assert judged([(now, look(5))], COMMIT).verdict == "none"


def test_a_look_is_the_same_after_its_way_through_a_document() -> None:
    found = Usage(
        (Counter(TABLE, 5, 1, "monday", "", "it is open", Times(5.0, 1.0, 4.0, (2.0,), (3.0,), 300.0)),)
    )
    document = UsageDocument.of("prod", {"user/postgres": found}, {}, "verify")
    read = msgspec.json.decode(msgspec.json.encode(document), type=ready(UsageDocument))
    assert read.databases[0].usage() == found


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("SELECT u.legacy FROM app.users u", "yes"),
        ("INSERT INTO users (id, legacy) VALUES ($1, $2)", "yes"),
        ("INSERT INTO users (id) VALUES ($1) ON CONFLICT (legacy) DO NOTHING", "yes"),
        ("UPDATE users SET legacy = $1", "yes"),
        ("COPY users (legacy) FROM STDIN", "yes"),
        ("SELECT id FROM users JOIN other USING (legacy)", "yes"),
        ("SELECT id AS legacy FROM users", "no"),
        ("SELECT legacy FROM other", "no"),
        ("SELECT count(*) FROM users", "no"),
        ("SELECT o.* FROM other o, users u", "no"),
        ("SELECT * FROM users", "unclear"),
        ("SELECT id FROM users NATURAL JOIN other", "unclear"),
        ("SELECT row_to_json(u) FROM users u", "unclear"),
        ("INSERT INTO users VALUES ($1)", "unclear"),
        ("COPY users TO STDOUT", "unclear"),
        ("no SQL, legacy", "unclear"),
    ],
)
def test_a_statement_is_read_for_the_column_that_goes(text: str, verdict: str) -> None:
    assert mentions(text, "users", "legacy") == verdict
