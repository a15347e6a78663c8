"""Environment name -> addresses of its targets. Settings go in, an engine's `address` makes sense of them."""
