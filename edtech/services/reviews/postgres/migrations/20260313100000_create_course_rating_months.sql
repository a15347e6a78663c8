-- The report that course owners get: reviews and average per course and month. A materialised view, refreshed
-- every hour; its unique index is what lets it be refreshed while it is read.
-- seedbed: phase=expand

-- migrate:up
-- The time zone is named: date_trunc by the session's zone would count the first night of a month to either
-- side.
CREATE MATERIALIZED VIEW course_rating_months AS
SELECT course_id,
       date_trunc('month', created_at, 'UTC') AS month,
       count(*)                               AS review_count,
       round(avg(rating), 2)                  AS average,
       count(*) FILTER (WHERE rating <= 2)    AS unhappy_count
FROM reviews
WHERE status = 'published'
GROUP BY course_id, date_trunc('month', created_at, 'UTC');
COMMENT ON MATERIALIZED VIEW course_rating_months IS
    'Published reviews per course and month (UTC). Refresh concurrently; up to an hour old.';
CREATE UNIQUE INDEX course_rating_months_key ON course_rating_months (course_id, month);
CREATE INDEX course_rating_months_month_idx ON course_rating_months (month);

-- migrate:down
DROP MATERIALIZED VIEW course_rating_months;
