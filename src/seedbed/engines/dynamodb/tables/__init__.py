"""Tables as declared (tables.toml), as deployed (a template) and as live (DescribeTable): one shape for all three."""
