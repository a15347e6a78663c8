// Who teaches and who wants to learn. Tutor.id is the profile's (tutor_profiles, DynamoDB), Student.id the user's: the
// graph keeps nothing about a person that it does not walk over. One profile is one person.
// seedbed: phase=expand

// migrate:up
CREATE CONSTRAINT tutor_id FOR (t:Tutor) REQUIRE t.id IS UNIQUE;
CREATE CONSTRAINT tutor_user FOR (t:Tutor) REQUIRE t.user_id IS UNIQUE;
CREATE CONSTRAINT student_id FOR (s:Student) REQUIRE s.id IS UNIQUE;
