"""The nouns of seedbed: frozen structs without I/O, clock or randomness."""
