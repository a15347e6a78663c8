"""The nouns of seedbed: frozen dataclasses without I/O, clock or randomness."""
