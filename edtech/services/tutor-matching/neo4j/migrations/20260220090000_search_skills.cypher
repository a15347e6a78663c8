// Students type "equasions", not slugs: names and aliases become searchable.
// seedbed: phase=expand

// migrate:up
CREATE FULLTEXT INDEX skill_search FOR (s:Skill) ON EACH [s.name, s.aliases];
