"""Change an index to its next definition while applications write to it."""
