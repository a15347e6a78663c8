// "Somebody who has taught me before" is the first thing that a student is offered, latest first.
// seedbed: phase=expand

// migrate:up
CREATE INDEX taught_last FOR ()-[r:TAUGHT]-() ON (r.last_at);
