# seedbed: index=questions version=3 phase=migrate
"""questions.text finds words that mean the same: the server copies what is there into an index that knows them."""
