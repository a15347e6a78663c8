// TAUGHT.hours was a float, and 0.1 of an hour three times was not 0.3. From now on it is minutes, whole ones; deployed
// code writes both. What it wrote before is converted here. Nobody was taught more than a few thousand times in all, so
// this is one transaction.
// seedbed: phase=migrate

// migrate:up
MATCH (:Tutor)-[r:TAUGHT]->(:Student)
WHERE r.minutes IS NULL AND r.hours IS NOT NULL
SET r.minutes = toInteger(round(r.hours * 60));

// migrate:down
// hours is still there.
MATCH (:Tutor)-[r:TAUGHT]->(:Student)
WHERE r.hours IS NOT NULL
REMOVE r.minutes;
