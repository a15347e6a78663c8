"""TOML files that people write: every value with its line, checked by a type, errors in plain words."""
