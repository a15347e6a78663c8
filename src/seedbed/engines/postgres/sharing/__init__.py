"""A server on which several environments have their databases: what each is called there, made, copied and dropped."""
