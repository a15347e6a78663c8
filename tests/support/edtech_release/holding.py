"""What the databases of an environment of edtech hold, past seedbed, and what that has to be after the release."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any

import neo4j
import urllib3
from psycopg import sql

from tests.support.edtech_release.site import Site
from tests.support.postgres.wire import connected

# By what holds it, its rows, items, nodes or documents, in an order that is always the same one.
Held = dict[str, list[Any]]

_DATABASES = ("payment_db", "reviews_db", "user_db")
_TABLES = (
    "SELECT c.relname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace "
    "WHERE c.relkind IN ('r', 'm') AND n.nspname = 'public' ORDER BY 1"
)
_FUNCTIONS = (
    "SELECT p.proname FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace LEFT JOIN pg_depend AS d "
    "ON d.objid = p.oid AND d.deptype = 'e' WHERE n.nspname = 'public' AND d.objid IS NULL ORDER BY 1"
)
_NODES = "MATCH (n) WHERE NOT n:migrations_history RETURN labels(n) AS labels, properties(n) AS properties"
_RELATIONSHIPS = (
    "MATCH (a)-[r]->(b) RETURN type(r) AS type, properties(r) AS properties, coalesce(a.id, a.slug) AS a, "
    "coalesce(b.id, b.slug, b.code) AS b"
)
_SCHEMA = "SHOW INDEXES YIELD name RETURN name"


def held(site: Site) -> Held:
    """Return all that an environment's databases hold, and the history of each."""
    found = {name: _in_order(rows) for name, rows in _held(site)}
    found["history"] = history(site)
    return found


def history(site: Site) -> list[Any]:
    """Return each migration that is applied, as the history of its database has it."""
    ran = site.run("status", "-e", site.name, "--fresh", "--json", root=site.of_image, who="")
    return [
        [each["database"], one["version"], one["state"]]
        for each in json.loads(ran.out)["databases"]
        for one in each["migrations"]
        if one["state"] != "pending"
    ]


def _held(site: Site) -> Iterator[tuple[str, list[Any]]]:
    for database in _DATABASES:
        with connected(site.server, database) as connection:
            for (table,) in connection.execute(_TABLES).fetchall():
                asked = sql.SQL("SELECT to_jsonb(t) FROM {} AS t").format(sql.Identifier(table))
                yield f"{database}.{table}", [row for (row,) in connection.execute(asked)]
            yield f"{database}: functions", [row for (row,) in connection.execute(_FUNCTIONS)]
    for table in site.shop.tables():
        if table.endswith(f"-{site.name}") and "-migrations_history-" not in table:
            yield f"table {table}", site.shop.ask("dynamodb", "Scan", TableName=table)["Items"]
            yield f"indexes of {table}", _indexes(site, table)
    with neo4j.GraphDatabase.driver(site.graph["uri"], auth=None) as driver:
        for name, what in (("nodes", _NODES), ("relationships", _RELATIONSHIPS), ("schema", _SCHEMA)):
            yield name, [each.data() for each in driver.execute_query(what).records]
    urllib3.request("POST", f"{site.search['endpoint']}/_refresh")
    aliases = _asked(site, "_alias")
    names = [name for name in aliases if not name.startswith((".", "migrations_history"))]
    yield "aliases", [[name, sorted(aliases[name]["aliases"])] for name in names]
    for name in names:
        hits = _asked(site, f"{name}/_search?size=9999")["hits"]["hits"]
        yield f"index {name}", [[each["_id"], each["_source"]] for each in hits]


def _indexes(site: Site, table: str) -> list[str]:
    told = site.shop.ask("dynamodb", "DescribeTable", TableName=table)["Table"]
    return [each["IndexName"] for each in told.get("GlobalSecondaryIndexes", ())]


def _asked(site: Site, path: str) -> Any:
    return urllib3.request("GET", f"{site.search['endpoint']}/{path}").json()


def _in_order(rows: list[Any]) -> list[Any]:
    plain = json.loads(json.dumps(rows, default=str))
    return sorted(plain, key=lambda each: json.dumps(each, sort_keys=True))


def released(before: Mapping[str, list[Any]], name: str) -> Held:
    """Return what has to be held after the release, where `before` was held: all else stays as it is."""
    found = deepcopy(dict(before))
    for each in found["user_db.sessions"]:
        each["client"] = each.pop("device")
    table = f"courses-courses-{name}"
    found[f"indexes of {table}"] = sorted({*found[f"indexes of {table}"], "by_state"} - {"by_review"})
    spoken = set()
    for each in found["nodes"]:
        if each["labels"] == ["Tutor"]:
            codes = each["properties"].pop("languages")
            spoken |= set(codes)
            found["relationships"] += [
                {"type": "SPEAKS", "properties": {}, "a": each["properties"]["id"], "b": code}
                for code in codes
            ]
    found["nodes"] += [{"labels": ["Language"], "properties": {"code": each}} for each in spoken]
    found["schema"].append({"name": "language_code"})
    # Each change of questions is a new index; the one before it stays until the next one comes.
    found.pop("index questions-1")
    both = found.pop("index questions-2")
    for _, source in both:
        if "topics" in source:
            source["about"] = source["topics"]
    found["index questions-3"] = both
    found["index questions-4"] = [
        [id_, {name: value for name, value in source.items() if name != "topics"}] for id_, source in both
    ]
    others = [each for each in found["aliases"] if not each[0].startswith("questions-")]
    found["aliases"] = [*others, ["questions-3", []], ["questions-4", ["questions"]]]
    found["history"] = [*found["history"], *_APPLIED]
    return {name: _in_order(rows) for name, rows in found.items()}


_APPLIED = [
    [database, f"2026120109{number}000", "applied"]
    for database in ("ai/opensearch", "tutor-matching/neo4j", "user/postgres")
    for number in (0, 1, 2)
]


def by_alias(found: Mapping[str, list[Any]]) -> Held:
    """Return what is held with indexes by the names that applications know: the way back of one is a new one, too."""
    behind = {alias: name for name, aliases in found["aliases"] for alias in aliases}
    others = {
        name: rows for name, rows in found.items() if name != "aliases" and not name.startswith("index ")
    }
    return others | {f"alias {alias}": found[f"index {name}"] for alias, name in behind.items()}


def assert_same(now: Held, wanted: Held) -> None:
    """Compare what is held, by what holds it: all of it at once is pages."""
    assert sorted(now) == sorted(wanted), {*now} ^ {*wanted}
    for name, rows in now.items():
        assert rows == wanted[name], (name, rows, wanted[name])
