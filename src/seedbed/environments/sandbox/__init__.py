"""The sandbox: the servers that it has (`servers`), and what keeps them running between commands (`daemons`)."""
