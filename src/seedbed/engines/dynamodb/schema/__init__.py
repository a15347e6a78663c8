"""Tables as declared (tables.toml), as deployed (a template) and as described by the server: one shape. Pure."""
