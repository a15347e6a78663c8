// What somebody wanted to learn before 2025 tells nothing about today, and may not be kept longer (retention policy,
// two school years). There are millions: the server deletes them batch by batch.
// seedbed: phase=contract
// seedbed: repeatable because "it selects only what is left: a batch that was deleted is not found again"
// seedbed: irreversible because "they are deleted for good, and that is the purpose"

// migrate:up
MATCH (:Student)-[w:WANTS]->(:Skill)
WHERE w.asked_at < datetime('2025-01-01T00:00:00Z')
CALL (w) {
  DELETE w
} IN TRANSACTIONS OF 1000 ROWS;
