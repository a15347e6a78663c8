-- The stars next to a course, read on every page view and therefore kept ready instead of counted. Only
-- published reviews count. Kept by triggers once per statement: ten thousand imported reviews of a course are
-- one change here.
-- seedbed: phase=expand
-- seedbed: lock_timeout=5s

-- migrate:up
CREATE TABLE rating_totals (
    course_id    uuid        NOT NULL,
    review_count integer     NOT NULL DEFAULT 0,
    rating_sum   bigint      NOT NULL DEFAULT 0,
    stars        integer[]   NOT NULL DEFAULT '{0,0,0,0,0}',
    average      numeric(3, 2) GENERATED ALWAYS AS (round(rating_sum::numeric / nullif(review_count, 0), 2)) STORED,
    CONSTRAINT rating_totals_pkey PRIMARY KEY (course_id),
    CONSTRAINT rating_totals_counts_not_negative CHECK (review_count >= 0 AND 0 <= ALL (stars)),
    CONSTRAINT rating_totals_five_stars CHECK (cardinality(stars) = 5),
    CONSTRAINT rating_totals_stars_add_up CHECK (
        review_count = stars[1] + stars[2] + stars[3] + stars[4] + stars[5]
        AND rating_sum = stars[1] + 2 * stars[2] + 3 * stars[3] + 4 * stars[4] + 5 * stars[5]
    )
);
COMMENT ON TABLE rating_totals IS
    'Ratings of a course, summed up from its published reviews by trigger. Never written by hand or by seeds.';
COMMENT ON COLUMN rating_totals.stars IS 'How many reviews gave one star, two stars, … five.';
COMMENT ON COLUMN rating_totals.average IS 'Empty while a course has no review: no rating is not a bad one.';

-- Two things make this safe with many writers. Totals change by a difference (stars = stars + d), never by a
-- recount, so nobody's review is overlooked. And rows are locked in the order of their course, so that two
-- statements that touch the same courses cannot wait for each other.
CREATE FUNCTION rating_totals_follow() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    courses uuid[];
    deltas  jsonb;
BEGIN
    -- The transition tables exist only where the event has them, and plpgsql plans a statement when it first
    -- runs it.
    IF TG_OP = 'INSERT' THEN
        SELECT jsonb_agg(to_jsonb(d)) INTO deltas FROM (
            SELECT course_id, rating, count(*) AS n FROM new_reviews WHERE status = 'published' GROUP BY 1, 2
        ) AS d;
    ELSIF TG_OP = 'DELETE' THEN
        SELECT jsonb_agg(to_jsonb(d)) INTO deltas FROM (
            SELECT course_id, rating, -count(*) AS n FROM old_reviews WHERE status = 'published' GROUP BY 1, 2
        ) AS d;
    ELSE
        SELECT jsonb_agg(to_jsonb(d)) INTO deltas FROM (
            SELECT course_id, rating, sum(n) AS n
            FROM (SELECT course_id, rating, 1 AS n FROM new_reviews WHERE status = 'published'
                  UNION ALL
                  SELECT course_id, rating, -1 FROM old_reviews WHERE status = 'published') AS moved
            GROUP BY 1, 2
            HAVING sum(n) <> 0
        ) AS d;
    END IF;
    IF deltas IS NULL THEN
        RETURN NULL;
    END IF;

    SELECT array_agg(DISTINCT d.course_id ORDER BY d.course_id) INTO courses
    FROM jsonb_to_recordset(deltas) AS d (course_id uuid);

    -- Not one upsert with the difference in VALUES: the proposed row is checked before the conflict is seen,
    -- and a difference below zero is no valid count.
    INSERT INTO rating_totals (course_id) SELECT unnest(courses) ON CONFLICT DO NOTHING;
    PERFORM FROM rating_totals WHERE course_id = ANY (courses) ORDER BY course_id FOR NO KEY UPDATE;
    UPDATE rating_totals AS t
    SET review_count = t.review_count + d.n,
        rating_sum = t.rating_sum + d.points,
        stars = ARRAY[t.stars[1] + d.s1, t.stars[2] + d.s2, t.stars[3] + d.s3, t.stars[4] + d.s4, t.stars[5] + d.s5]
    FROM (
        SELECT course_id, sum(n) AS n, sum(n * rating) AS points,
               coalesce(sum(n) FILTER (WHERE rating = 1), 0) AS s1, coalesce(sum(n) FILTER (WHERE rating = 2), 0) AS s2,
               coalesce(sum(n) FILTER (WHERE rating = 3), 0) AS s3, coalesce(sum(n) FILTER (WHERE rating = 4), 0) AS s4,
               coalesce(sum(n) FILTER (WHERE rating = 5), 0) AS s5
        FROM jsonb_to_recordset(deltas) AS r (course_id uuid, rating integer, n integer)
        GROUP BY course_id
    ) AS d
    WHERE t.course_id = d.course_id;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION rating_totals_follow() IS
    'Carries a statement''s inserted, changed and deleted reviews over into rating_totals.';

-- One trigger per event, because each has other transition tables. An upsert fires the first two, each with
-- its own rows.
CREATE TRIGGER reviews_totals_insert AFTER INSERT ON reviews
    REFERENCING NEW TABLE AS new_reviews
    FOR EACH STATEMENT EXECUTE FUNCTION rating_totals_follow();
CREATE TRIGGER reviews_totals_update AFTER UPDATE ON reviews
    REFERENCING OLD TABLE AS old_reviews NEW TABLE AS new_reviews
    FOR EACH STATEMENT EXECUTE FUNCTION rating_totals_follow();
CREATE TRIGGER reviews_totals_delete AFTER DELETE ON reviews
    REFERENCING OLD TABLE AS old_reviews
    FOR EACH STATEMENT EXECUTE FUNCTION rating_totals_follow();

-- Creating the triggers has locked writers out, so what is counted here is exactly what they did not see.
INSERT INTO rating_totals (course_id, review_count, rating_sum, stars)
SELECT course_id, count(*), sum(rating),
       ARRAY[count(*) FILTER (WHERE rating = 1), count(*) FILTER (WHERE rating = 2), count(*) FILTER (WHERE rating = 3),
             count(*) FILTER (WHERE rating = 4), count(*) FILTER (WHERE rating = 5)]
FROM reviews
WHERE status = 'published'
GROUP BY course_id;

-- migrate:down
DROP TRIGGER reviews_totals_delete ON reviews;
DROP TRIGGER reviews_totals_update ON reviews;
DROP TRIGGER reviews_totals_insert ON reviews;
DROP FUNCTION rating_totals_follow();
DROP TABLE rating_totals;
