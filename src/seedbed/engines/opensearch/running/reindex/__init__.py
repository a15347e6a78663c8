"""How an index gets its next definition while applications go on writing to it."""
