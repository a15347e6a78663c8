// Nobody reads TEACHES.level any more (story 7). It goes where the new form says the same, and only there: what was
// written past both forms stays, and shows.
// seedbed: phase=contract
// seedbed: backfill=Tutor.id batch=200

// migrate:up
UNWIND $keys AS key
MATCH (t:Tutor {id: key})-[r:TEACHES]->(s:Skill)
WHERE r.level IS NOT NULL AND EXISTS { (t)-[:TEACHES_AT]->(:Level {code: r.level})-[:OF]->(s) }
REMOVE r.level;

// migrate:down
// The old form has room for one level: the highest.
UNWIND $keys AS key
MATCH (t:Tutor {id: key})-[:TEACHES_AT]->(l:Level)-[:OF]->(s:Skill)
MATCH (t)-[r:TEACHES]->(s)
WITH r, l ORDER BY l.rank DESC
WITH r, collect(l.code)[0] AS highest
SET r.level = highest;
