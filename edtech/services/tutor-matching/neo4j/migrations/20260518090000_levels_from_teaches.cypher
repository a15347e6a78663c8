// Every TEACHES that has a level gets its rung (story 7). A tutor at a time: what one of them teaches is a few dozen
// relationships, and whoever writes meanwhile waits for one batch at most. A rung that is there already is used.
// Once this is through, deployed code reads the new form.
// seedbed: phase=migrate
// seedbed: backfill=Tutor.id batch=200

// migrate:up
UNWIND $keys AS key
MATCH (t:Tutor {id: key})-[r:TEACHES]->(s:Skill)
WHERE r.level IS NOT NULL
MERGE (l:Level {id: s.slug + ':' + r.level})
  ON CREATE SET l.code = r.level,
                l.rank = CASE r.level WHEN 'beginner' THEN 1 WHEN 'intermediate' THEN 2 ELSE 3 END
MERGE (l)-[:OF]->(s)
MERGE (t)-[at:TEACHES_AT]->(l)
  ON CREATE SET at.since = r.since;

// migrate:down
// TEACHES.level is still there and says the same. What goes is a second level of one skill, which only the new form has.
// Rungs stay: other tutors and the taxonomy have them.
UNWIND $keys AS key
MATCH (:Tutor {id: key})-[at:TEACHES_AT]->(:Level)
DELETE at;
