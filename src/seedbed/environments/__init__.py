"""Environment name -> addresses of its targets. Facts go in, an engine's `address` makes sense of them."""
