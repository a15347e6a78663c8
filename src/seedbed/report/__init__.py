"""What people and machines are shown: terminal, progress, JSON documents, GitHub annotations."""
