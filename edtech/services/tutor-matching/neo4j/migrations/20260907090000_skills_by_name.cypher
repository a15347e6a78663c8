// The editors' page lists skills by the beginning of their names, a page at a time: the full-text index ranks, and does
// not sort.
// seedbed: phase=expand

// migrate:up
CREATE RANGE INDEX skill_name FOR (s:Skill) ON (s.name);
