"""The parts of `parse`: a migration's file, from its bytes to its steps."""
