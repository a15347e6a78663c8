"""What a statement may do and what it leaves, read off its tree. Pure."""
