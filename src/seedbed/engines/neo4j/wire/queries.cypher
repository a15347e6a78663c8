// Every query of seedbed's own. Each has a name and says what it does; parameters are named as in the code.

// server: who answers
CALL dbms.components() YIELD name, versions, edition
WITH name, versions, edition WHERE name = 'Neo4j Kernel'
RETURN versions[0] AS version, edition;

// ── history ────────────────────────────────────────────────────────────────────────────────────────────────────

// constraint: the one constraint under which all of ours lives; `key` is never null
CREATE CONSTRAINT migrations_history_key IF NOT EXISTS
FOR (n:migrations_history) REQUIRE n.key IS UNIQUE;

// history: the identity, every revision, and the revisions that the last run left
MATCH (h:migrations_history)
WHERE h.key IN ['identity', 'schema'] OR h.key STARTS WITH 'revision:'
RETURN CASE h.key WHEN 'schema' THEN {key: h.key, applied: h.applied} ELSE properties(h) END AS stored,
       h.applied_at.epochMillis AS applied_at;

// removed: which of some revisions a revert or a repair took out since the last run
MATCH (s:migrations_history {key: 'schema'})
MATCH (a:migrations_history)
WHERE a.key STARTS WITH 'audit:' AND a.action IN ['revert', 'forget'] AND a.version IN $versions AND a.at >= s.at
RETURN DISTINCT a.version AS version;

// traces: what is there beside a history that holds nothing
OPTIONAL MATCH (l:migrations_history)
WITH count(l) AS own
OPTIONAL MATCH (n)
WITH own, n LIMIT 1
RETURN own, count(n) AS nodes;

// names: of all constraints and indexes
SHOW INDEXES YIELD name, type WHERE type <> 'LOOKUP'
RETURN collect(name) AS names;

// bind: who the target is, where nothing says so yet; returns what is there then
MERGE (i:migrations_history {key: 'identity'})
ON CREATE SET i += $identity, i.bound_at = datetime.realtime()
RETURN i.platform AS platform, i.database AS database, i.environment AS environment;

// rebind: who the target is, whatever said so before
MERGE (i:migrations_history {key: 'identity'})
SET i += $identity, i.bound_at = datetime.realtime();

// write: a revision as it stands; null takes a property away, what is not named stays
MERGE (h:migrations_history {key: 'revision:' + $values.version})
SET h += $values,
    h.applied_at = CASE WHEN $applied_at IS NULL THEN datetime.realtime() ELSE datetime({epochMillis: $applied_at}) END;

// forget: a revision is taken out
MATCH (h:migrations_history {key: 'revision:' + $version})
DELETE h;

// audit: what somebody decided, never changed
CREATE (a:migrations_history {
  key: 'audit:' + toString(datetime.realtime()) + ':' + randomUUID(),
  at: datetime.realtime(), actor: $actor, action: $action, version: $version, because: $because
});

// keep: what verify found, if the target is bound
MATCH (:migrations_history {key: 'identity'})
CREATE (v:migrations_history {
  key: 'verified:' + toString(datetime.realtime()) + ':' + randomUUID(), at: datetime.realtime(), record: $record
})
RETURN v.key AS key;

// forget_kept: some of what verify found earlier
MATCH (v:migrations_history) WHERE v.key IN $keys AND v.key STARTS WITH 'verified:'
DELETE v;

// kept: all of it, the newest first, and what the server's clock says now
MATCH (v:migrations_history) WHERE v.key STARTS WITH 'verified:'
RETURN v.key AS key, v.at.epochMillis AS at, v.record AS record, datetime.realtime().epochMillis AS now
ORDER BY v.at DESC;

// reverses: what undoes the schema steps of a revision, told from what there was before them
MATCH (h:migrations_history {key: 'revision:' + $version})
RETURN h.reverses AS reverses;

// own: all that is ours but what changes meanwhile: lease, fence, results of verify; to see whether a seed changes any
MATCH (h:migrations_history)
WHERE NOT h.key IN ['lease', 'fence'] AND NOT h.key STARTS WITH 'verified:'
RETURN h.key AS key, labels(h) AS labels, properties(h) AS stored, COUNT { (h)--() } AS relationships
ORDER BY key;

// ── lease ──────────────────────────────────────────────────────────────────────────────────────────────────────
// Each of these is a statement and a transaction in one: a runner that is frozen in the middle of it holds no lock.
// What follows the first SET is read under the lock that it took.

// nodes: the lease that nobody has, and the fence
MERGE (l:migrations_history {key: 'lease'}) ON CREATE SET l.token = 0
MERGE (f:migrations_history {key: 'fence'}) ON CREATE SET f.token = 0;

// look: who has the lease, by the server's clock
MATCH (l:migrations_history {key: 'lease'})
RETURN l.token AS token, l.holder AS holder, l.who AS who, l.since AS since,
       l.expires <= datetime.realtime().epochMillis AS is_expired;

// take: the lease, if it still is as it was seen, and free or expired
MATCH (l:migrations_history {key: 'lease'})
SET l.locked = true
WITH l, datetime.realtime() AS now
WHERE l.token = $seen AND (l.holder IS NULL OR l.expires <= now.epochMillis)
SET l.token = $seen + 1, l.holder = $holder, l.who = $who, l.since = toString(datetime.truncate('second', now)),
    l.seconds = $seconds, l.expires = now.epochMillis + toInteger(1000 * $seconds)
RETURN l.token AS token;

// heartbeat: the holder is alive
MATCH (l:migrations_history {key: 'lease'})
SET l.locked = true
WITH l
WHERE l.token = $token AND l.holder = $holder
SET l.expires = datetime.realtime().epochMillis + toInteger(1000 * $seconds)
RETURN l.token AS token;

// release: the lease is given back; its token stays
MATCH (l:migrations_history {key: 'lease'})
SET l.locked = true
WITH l
WHERE l.token = $token AND l.holder = $holder
REMOVE l.holder, l.who, l.since, l.seconds, l.expires;

// unlock: the lease is taken from its holder, with a line in the audit
MATCH (l:migrations_history {key: 'lease'})
SET l.locked = true
WITH l
WHERE l.token = $token AND l.holder = $holder
SET l.token = $token + 1
REMOVE l.holder, l.who, l.since, l.seconds, l.expires
CREATE (a:migrations_history {
  key: 'audit:' + toString(datetime.realtime()) + ':' + randomUUID(),
  at: datetime.realtime(), actor: $actor, action: 'unlock', version: '', because: $because
})
RETURN l.token AS token;

// raise_fence: no transaction under an older token gets through from now on; waits for one that is through already
MATCH (f:migrations_history {key: 'fence'})
SET f.locked = true
WITH f
SET f.token = CASE WHEN f.token < $token THEN $token ELSE f.token END
REMOVE f.transaction
RETURN f.token AS token;

// check_fence: the first statement of a transaction that writes; it holds the fence until it ends, and leaves its name
MATCH (f:migrations_history {key: 'fence'})
SET f.transaction = $transaction
WITH f
MATCH (l:migrations_history {key: 'lease'})
RETURN f.token = $token AND l.token = $token AND l.holder = $holder AS ours;

// show_lease: its last statement, and what a schema statement is let through by
MATCH (f:migrations_history {key: 'fence'})
MATCH (l:migrations_history {key: 'lease'})
RETURN f.token = $token AND l.token = $token AND l.holder = $holder AS ours;

// last_through: the name of the last transaction that got through; waits for one that is being committed
MATCH (f:migrations_history {key: 'fence'})
SET f.locked = true
RETURN f.transaction AS transaction;

// ── transactions on the server ─────────────────────────────────────────────────────────────────────────────────
// One that was told to end stays in the list until its client says something; it holds no lock, and never commits.

// others: transactions of runs other than `mark`
SHOW TRANSACTIONS YIELD transactionId, database, metaData, elapsedTime, status
WHERE database = $database AND NOT status STARTS WITH 'Terminated' AND metaData.seedbed IS NOT NULL AND metaData.seedbed <> $mark
RETURN transactionId AS id, metaData.seedbed_who AS who, elapsedTime.milliseconds AS milliseconds;

// work_of: what the runs `marks` do, records left out: those are short, and say what became of the work
SHOW TRANSACTIONS YIELD transactionId, database, metaData, elapsedTime, status
WHERE database = $database AND NOT status STARTS WITH 'Terminated' AND metaData.seedbed IN $marks AND metaData.seedbed_kind = 'work'
RETURN transactionId AS id, metaData.seedbed_who AS who, elapsedTime.milliseconds AS milliseconds;

// called: one transaction by its name
SHOW TRANSACTIONS YIELD transactionId, database, metaData, elapsedTime, status
WHERE database = $database AND NOT status STARTS WITH 'Terminated' AND metaData.seedbed_transaction = $transaction
RETURN transactionId AS id, metaData.seedbed_who AS who, elapsedTime.milliseconds AS milliseconds;

// end: by id; those that have ended already are told so
TERMINATE TRANSACTIONS $ids;

// ── backfills ──────────────────────────────────────────────────────────────────────────────────────────────────
// `{match}` is MATCH (n:`Label`), or a pattern of relationships called n; `{key}` is n.`key`.

// key_kinds: the kinds of values that the key has, and how many of each
{match}
RETURN valueType({key}) AS kind, count(*) AS count;

// count: how many there are
{match}
RETURN count(*) AS count;

// count_beyond: how many there are beyond a key
{match}
WHERE {key} > $after
RETURN count(*) AS count;

// first_keys: those of the first batch, each once
{match}
WHERE {key} IS NOT NULL
WITH DISTINCT {key} AS key ORDER BY key LIMIT $batch
RETURN collect(key) AS keys;

// next_keys: those of the next batch, each once
{match}
WHERE {key} > $after
WITH DISTINCT {key} AS key ORDER BY key LIMIT $batch
RETURN collect(key) AS keys;

// checkpoint: where a backfill stands
MATCH (h:migrations_history {key: 'revision:' + $version})
SET h.checkpoint = $checkpoint;

// usage_mark: what the collector of statements is to tell again, as far as it reaches back
RETURN 'seedbed looks at what is used' AS mark;

// usage_now: the server's own time
RETURN timestamp() AS now;

// usage_indexes: when each was read
SHOW INDEXES YIELD id, name, owningConstraint, lastRead, readCount, trackedSince
RETURN id, name, owningConstraint, readCount, lastRead.epochMillis AS lastRead, trackedSince.epochMillis AS trackedSince;

// usage_collector: whether statements are collected
CALL db.stats.status() YIELD section, status WHERE section = 'QUERIES' RETURN status;

// usage_statements: those that were collected, with the times at which they began
CALL db.stats.retrieve('QUERIES', {maxInvocations: 10000}) YIELD data
RETURN data.query AS query, [each IN data.invocations | each.startTimestampMillis] AS times;

// usage_running: what is being run now, which is collected once it has ended
SHOW TRANSACTIONS YIELD database, currentQuery WHERE database = $database RETURN currentQuery AS query;

// usage_servers: where the database is
SHOW DATABASES YIELD name, serverID WHERE name = $database RETURN serverID AS server;

// usage_started: when the server's process began; of a database it is kept when it was started by a command
CALL dbms.queryJmx('java.lang:type=Runtime') YIELD attributes RETURN toString(attributes.StartTime.value) AS started;
