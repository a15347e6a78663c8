"""DeclaredIndexes as a service declares them in indexes.toml, and how one definition becomes the next. Pure."""
