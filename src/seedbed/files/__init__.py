"""The files of a platform, and archives of files: what travels to a task, and what a release is made of."""
