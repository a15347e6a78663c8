// Minutes are all there is: no deployed code reads or writes TAUGHT.hours any more. 60 divides nicely enough: the way
// back makes the hours that old code would have written.
// seedbed: phase=contract

// migrate:up
MATCH (:Tutor)-[r:TAUGHT]->(:Student)
WHERE r.minutes IS NOT NULL
REMOVE r.hours;

// migrate:down
MATCH (:Tutor)-[r:TAUGHT]->(:Student)
WHERE r.minutes IS NOT NULL
SET r.hours = r.minutes / 60.0;
