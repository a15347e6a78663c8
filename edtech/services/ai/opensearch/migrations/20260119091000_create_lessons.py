# seedbed: index=lessons version=1
"""lessons: found by words in four languages, and by meaning."""
