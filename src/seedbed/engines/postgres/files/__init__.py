"""What reads a migration's file, from its bytes to its steps. Pure."""
