"""seedbed.toml and the directories it names, read, checked and turned into the model."""
