"""Small helpers that every room may use: they know `errors` and nothing else of seedbed."""
