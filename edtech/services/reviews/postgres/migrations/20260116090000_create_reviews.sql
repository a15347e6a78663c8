-- What students say about courses: one review per student and course, changeable by its author, hidden or
-- removed by moderation. Authors are users of the user service, which therefore comes first.
-- seedbed: phase=expand
-- seedbed: after=user/postgres:20260112093000

-- migrate:up
CREATE TYPE review_status AS ENUM ('published', 'hidden', 'removed');
COMMENT ON TYPE review_status IS 'Hidden: under moderation, may come back. Removed: stays only as a record.';

CREATE FUNCTION set_updated_at() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_at := now();
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION set_updated_at() IS 'Stamps updated_at.';

CREATE TABLE reviews (
    id         uuid          NOT NULL DEFAULT gen_random_uuid(),
    course_id  uuid          NOT NULL,
    author_id  uuid          NOT NULL,
    rating     smallint      NOT NULL,
    title      text          NOT NULL,
    body       text          NOT NULL DEFAULT '',
    language   text,
    status     review_status NOT NULL DEFAULT 'published',
    created_at timestamptz   NOT NULL DEFAULT now(),
    updated_at timestamptz   NOT NULL DEFAULT now(),
    CONSTRAINT reviews_pkey PRIMARY KEY (id),
    CONSTRAINT reviews_author_course_key UNIQUE (author_id, course_id),
    CONSTRAINT reviews_rating_stars CHECK (rating BETWEEN 1 AND 5),
    CONSTRAINT reviews_title_short CHECK (char_length(title) BETWEEN 1 AND 120),
    CONSTRAINT reviews_body_bounded CHECK (char_length(body) <= 10000),
    CONSTRAINT reviews_language_tag CHECK (language ~ '^[a-z]{2,3}$')
);
COMMENT ON TABLE reviews IS 'One review per author and course.';
COMMENT ON COLUMN reviews.course_id IS 'courses service: courses.id.';
COMMENT ON COLUMN reviews.author_id IS 'user service: users.id.';
COMMENT ON COLUMN reviews.language IS
    'Language the author wrote in, e.g. en; empty where the form did not ask.';

CREATE INDEX reviews_course_id_idx ON reviews (course_id);

-- A backfill is not an edit: "edited" next to a review means that its author, or moderation, did something.
CREATE TRIGGER reviews_updated_at BEFORE UPDATE ON reviews
    FOR EACH ROW
    WHEN ((OLD.rating, OLD.title, OLD.body, OLD.status)
          IS DISTINCT FROM (NEW.rating, NEW.title, NEW.body, NEW.status))
    EXECUTE FUNCTION set_updated_at();

-- migrate:down
DROP TABLE reviews;
DROP FUNCTION set_updated_at();
DROP TYPE review_status;
