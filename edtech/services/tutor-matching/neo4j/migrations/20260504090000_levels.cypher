// A tutor teaches algebra to beginners and to those who prepare for university, but TEACHES.level holds one word, and
// "better than intermediate" had to know all words. A level becomes a node (story 7, in three files: make room, move,
// remove): each skill has its own ladder, a Level is a rung of it, OF says whose.
//
//     (:Tutor)-[:TEACHES {level, since}]->(:Skill)   becomes   (:Tutor)-[:TEACHES_AT {since}]->(:Level)-[:OF]->(:Skill)
//
// TEACHES stays, without the level: who teaches a skill at all is asked ten times as often. From here on deployed code
// writes both forms and reads the old one.
// seedbed: phase=expand

// migrate:up
CREATE CONSTRAINT level_id FOR (l:Level) REQUIRE l.id IS UNIQUE;
CREATE INDEX level_rank FOR (l:Level) ON (l.rank);
