"""A graph as a file, both ways, and the snapshot command of the platform."""
