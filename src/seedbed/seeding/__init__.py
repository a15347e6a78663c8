"""Seeds, pure: keys of entities, files -> rows, files -> datasets.

No file system, no clock, no randomness, no driver.
"""
