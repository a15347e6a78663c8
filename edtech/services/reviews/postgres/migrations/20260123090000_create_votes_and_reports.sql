-- What readers say about reviews: whether one helped, and whether one should not be there.
-- seedbed: phase=expand
-- seedbed: lock_timeout=5s

-- migrate:up
CREATE TABLE review_votes (
    review_id uuid        NOT NULL,
    voter_id  uuid        NOT NULL,
    helpful   boolean     NOT NULL,
    voted_at  timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT review_votes_pkey PRIMARY KEY (review_id, voter_id),
    CONSTRAINT review_votes_review_id_fkey FOREIGN KEY (review_id) REFERENCES reviews (id) ON DELETE CASCADE
);
COMMENT ON TABLE review_votes IS 'One vote per reader and review; voting again replaces the vote.';
COMMENT ON COLUMN review_votes.voter_id IS 'user service: users.id.';
CREATE INDEX review_votes_voter_id_idx ON review_votes (voter_id);

CREATE TYPE report_reason AS ENUM ('spam', 'insult', 'personal_data', 'not_a_student', 'other');
COMMENT ON TYPE report_reason IS 'What a reader holds against a review.';
CREATE TYPE report_status AS ENUM ('open', 'upheld', 'dismissed');
COMMENT ON TYPE report_status IS 'Upheld: moderation agreed and acted.';

CREATE TABLE moderation_reports (
    id           uuid          NOT NULL,
    review_id    uuid          NOT NULL,
    reporter_id  uuid          NOT NULL,
    reason       report_reason NOT NULL,
    comment      text,
    status       report_status NOT NULL DEFAULT 'open',
    moderator_id uuid,
    decision     text,
    created_at   timestamptz   NOT NULL DEFAULT now(),
    resolved_at  timestamptz,
    CONSTRAINT moderation_reports_pkey PRIMARY KEY (id),
    CONSTRAINT moderation_reports_review_id_fkey FOREIGN KEY (review_id) REFERENCES reviews (id) ON DELETE CASCADE,
    CONSTRAINT moderation_reports_resolved_by_someone CHECK (
        (status = 'open') = (resolved_at IS NULL) AND (resolved_at IS NULL) = (moderator_id IS NULL)
    )
);
COMMENT ON TABLE moderation_reports IS 'Complaints about reviews and what became of them.';
COMMENT ON COLUMN moderation_reports.decision IS 'The reason that the author of the review gets to read.';
CREATE UNIQUE INDEX moderation_reports_one_open_key ON moderation_reports (review_id, reporter_id)
    WHERE status = 'open';
COMMENT ON INDEX moderation_reports_one_open_key IS
    'Nobody reports the same review twice while the first report waits.';
CREATE INDEX moderation_reports_queue_idx ON moderation_reports (created_at) WHERE status = 'open';

-- migrate:down
DROP TABLE moderation_reports;
DROP TYPE report_status;
DROP TYPE report_reason;
DROP TABLE review_votes;
