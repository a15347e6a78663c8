"""Names on a domain that environments share: below a prefix where a request leaves, plain in its answer. Pure."""
