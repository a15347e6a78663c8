"""Documents as pages for people. Pure: what a document says is all that they know."""
