"""edtech as it runs in staging and production, and what its next release changes: a rename, two indexes, nodes.

==========  ==================================  ================================  =============================
            expand                              migrate                           contract
==========  ==================================  ================================  =============================
PostgreSQL  sessions.client, beside device      it is filled                      sessions.device goes
DynamoDB    courses has an index by_state                                         its index by_review goes
Neo4j       Language.code is unique             Tutor.languages become SPEAKS     Tutor.languages goes
OpenSearch  questions have a field about        it is filled from topics          an index without topics
==========  ==================================  ================================  =============================
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

EDTECH = Path(__file__).parents[3] / "edtech"
STAGING, PROD = "staging", "prod"
DECLARED = {STAGING: "222222222222", PROD: "333333333333"}  # the accounts that edtech declares
REGISTRY = "444444444444.dkr.ecr.eu-central-1.amazonaws.com"
# The task carries out the files of its image, hence each state of the platform has one.
IMAGES = {"former": f"{REGISTRY}/seedbed@sha256:{'5' * 64}", "new": f"{REGISTRY}/seedbed@sha256:{'6' * 64}"}
GRAPH_IMAGE = f"{REGISTRY}/neo4j@sha256:{'7' * 64}"
API = {"former": f"sha256:{'a' * 64}", "new": f"sha256:{'b' * 64}"}  # what runs the code of the platform

_PLACE = """
[environments.{name}]
account = "{account}"
region  = "eu-central-1"
access  = "task"
{more}
"""
RELEASES = """
[release]
soak = "1h"
{more}
[release.code]
wait = "ecs"
timeout = "10s"
"""
CHECKS = """
[[release.checks]]
name     = "every session has its client"
database = "user/postgres"
query    = "SELECT id FROM sessions WHERE client IS NULL"
"""
FROZEN = 'freeze = ["2026-01-01/2126-01-01 UTC"]'

_USER = {
    "20261201090000_client_add.sql": """\
-- sessions.device says what signed in: a browser, an app, a partner's server. It becomes sessions.client.
-- seedbed: phase=expand
-- seedbed: lock_timeout=5s

-- migrate:up
ALTER TABLE sessions ADD COLUMN client text;
CREATE FUNCTION sessions_keep_client() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        NEW.client := coalesce(NEW.client, NEW.device);
        NEW.device := coalesce(NEW.device, NEW.client);
    ELSIF NEW.client IS DISTINCT FROM OLD.client THEN
        -- Emptied alone is the backfill on its way back.
        NEW.device := coalesce(NEW.client, NEW.device);
    ELSIF NEW.device IS DISTINCT FROM OLD.device THEN
        NEW.client := NEW.device;
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER sessions_keep_client BEFORE INSERT OR UPDATE OF device, client ON sessions
    FOR EACH ROW EXECUTE FUNCTION sessions_keep_client();

-- migrate:down
DROP TRIGGER sessions_keep_client ON sessions;
DROP FUNCTION sessions_keep_client();
ALTER TABLE sessions DROP COLUMN client;
""",
    "20261201091000_client_fill.py": '''\
# seedbed: phase=migrate
# seedbed: backfill=sessions.id batch=2
"""Fill sessions.client from sessions.device."""


def up(row: dict) -> dict | None:
    return {"client": row["device"]} if row["client"] is None and row["device"] is not None else None


def down(row: dict) -> dict | None:
    return {"client": None} if row["client"] is not None else None
''',
    "20261201092000_device_drop.sql": """\
-- seedbed: phase=contract
-- seedbed: lock_timeout=5s
-- seedbed: irreversible because "what differs from client is gone"

-- migrate:up
DROP TRIGGER sessions_keep_client ON sessions;
DROP FUNCTION sessions_keep_client();
ALTER TABLE sessions DROP COLUMN device;
""",
}
_GRAPH = {
    "20261201090000_languages.cypher": """\
// Who speaks what is walked over from now on: a language becomes a node.
// seedbed: phase=expand

// migrate:up
CREATE CONSTRAINT language_code FOR (l:Language) REQUIRE l.code IS UNIQUE;
""",
    "20261201091000_tutors_speak.cypher": """\
// seedbed: phase=migrate
// seedbed: backfill=Tutor.id batch=1

// migrate:up
UNWIND $keys AS key
MATCH (t:Tutor {id: key})
UNWIND t.languages AS code
MERGE (l:Language {code: code})
MERGE (t)-[:SPEAKS]->(l);

// migrate:down
UNWIND $keys AS key
MATCH (:Tutor {id: key})-[s:SPEAKS]->(l:Language)
DELETE s
WITH DISTINCT l
WHERE NOT EXISTS { (l)<-[:SPEAKS]-() }
DELETE l;
""",
    "20261201092000_tutors_without_languages.cypher": """\
// seedbed: phase=contract
// seedbed: backfill=Tutor.id batch=1
// seedbed: irreversible because "the order in which a tutor names languages is gone"

// migrate:up
UNWIND $keys AS key
MATCH (t:Tutor {id: key})
WHERE all(code IN t.languages WHERE EXISTS { (t)-[:SPEAKS]->(:Language {code: code}) })
REMOVE t.languages;
""",
}
_SEARCH = {
    "20261201090000_questions_about.py": '# seedbed: index=questions version=4 phase=expand\n"""questions.about."""\n',
    "20261201091000_questions_about_fill.py": '''\
# seedbed: index=questions phase=migrate
"""questions.about of every question, from its topics."""


def up(doc: dict) -> dict:
    if "topics" in doc and "about" not in doc:
        doc["about"] = doc["topics"]
    return doc


def down(doc: dict) -> dict:
    doc.pop("about", None)
    return doc
''',
    "20261201092000_questions_without_topics.py": '''\
# seedbed: index=questions version=5 phase=contract
# seedbed: irreversible because "topics that nobody carried over are gone"
"""questions without topics."""


def up(doc: dict) -> dict:
    doc.pop("topics", None)
    return doc
''',
}
_REPORT = "90_refresh_report.sql"  # reference data change rows alone
_ABOUT, _TOPICS = 'about           = {type = "keyword"}\n', 'topics          = {type = "keyword"}\n'
_BY_STATE = """\
# What waits for its author, longest first.
[tables.courses.indexes.by_state]
partition  = "state"
sort       = "updated_at"
projection = "KEYS_ONLY"

"""


def write_former(root: Path, accounts: Mapping[str, str] = DECLARED) -> None:
    """Write edtech into `root` as it runs; what are fixtures elsewhere is its reference data."""
    shutil.copytree(EDTECH / "services", root / "services", ignore=shutil.ignore_patterns("volume"))
    for fixtures in (root / "services").glob("*/*/seeds/fixture"):
        reference = fixtures.parent / "reference"
        reference.mkdir(exist_ok=True)
        for each in fixtures.iterdir():
            if each.is_file() and each.name != _REPORT:
                each.rename(reference / f"5{each.name}")  # after what was there before
        shutil.rmtree(fixtures)
    write_manifest(root, accounts, RELEASES.format(more=""))


def write_new(root: Path, accounts: Mapping[str, str] = DECLARED) -> None:
    """Write edtech into `root` as its next release has it."""
    shutil.copytree(
        EDTECH / "services", root / "services", ignore=shutil.ignore_patterns("volume", "fixture")
    )
    for home, files in (
        ("user/postgres", _USER),
        ("tutor-matching/neo4j", _GRAPH),
        ("ai/opensearch", _SEARCH),
    ):
        for name, text in files.items():
            (root / "services" / home / "migrations" / name).write_text(text, encoding="utf-8")
    tables = root / "services" / "courses" / "dynamodb" / "tables.toml"
    before, _, rest = tables.read_text(encoding="utf-8").partition("# The editors' queue")
    after = rest.partition("# The lessons of a course")
    tables.write_text(f"{before}{_BY_STATE}\n{after[1]}{after[2]}", encoding="utf-8")
    indexes = root / "services" / "ai" / "opensearch" / "indexes.toml"
    text = indexes.read_text(encoding="utf-8")
    former, between, pipelines = text.partition("\n\n# What every text passes")
    third = "[[indexes.questions.versions]]" + former.rpartition("[[indexes.questions.versions]]")[2]
    both, last = (third.replace(_TOPICS.rstrip(), each.rstrip()) for each in (_TOPICS + _ABOUT, _ABOUT))
    fourth, fifth = both.replace("number = 3", "number = 4"), last.replace("number = 3", "number = 5")
    indexes.write_text(f"{former}\n{fourth}\n{fifth}{between}{pipelines}", encoding="utf-8")
    write_manifest(root, accounts, RELEASES.format(more="") + CHECKS)


def write_manifest(root: Path, accounts: Mapping[str, str], release: str) -> None:
    """Write the manifest, with what it says of releases."""
    services, _, _ = (EDTECH / "seedbed.toml").read_text(encoding="utf-8").partition('[environments."dev-*"]')
    places = "".join(
        _PLACE.format(
            name=name,
            account=account,
            more="protected = true" if name == PROD else "",
        )
        for name, account in accounts.items()
    )
    (root / "seedbed.toml").write_text(services + release + places, encoding="utf-8")
