// What can be learned: subjects, and the skills that are part of them. A skill REQUIRES others before it. Slugs come
// from the curriculum and never change, so they are what everybody finds a node by; a name may.
// seedbed: phase=expand

// migrate:up
CREATE CONSTRAINT subject_slug FOR (s:Subject) REQUIRE s.slug IS UNIQUE;
CREATE CONSTRAINT skill_slug FOR (s:Skill) REQUIRE s.slug IS UNIQUE;
