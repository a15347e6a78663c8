# seedbed: index=questions version=2
"""questions.topics, in place: a new field is all that an open index takes."""
