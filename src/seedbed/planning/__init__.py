"""Pure: what is pending, how far it may go, in which order across databases, and whether a plan still fits."""
