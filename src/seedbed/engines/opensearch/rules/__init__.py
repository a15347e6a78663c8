"""What OpenSearch or seedbed refuses, and hazards, as far as files show them. Pure."""
